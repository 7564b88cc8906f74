"""What did the installation say about kinds of failure? How often each is tried again and borne, and who answers instead.

Read once, from LiteLLM's policies (:mod:`~litemaas.core.failure_policies`); looked at only when something has failed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from litemaas.core.errors import LiteMaaSError, UpstreamFailure, UpstreamRefused, UpstreamTimeout, UpstreamUnreachable
from litemaas.core.failure_policies import (
    ALLOWED_FAILS,
    RETRIES,
    Fault,
    Policy,
    models_of,
    object_in,
    policies_of,
    policy_of,
)
from litemaas.kit.settings import SettingsError

if TYPE_CHECKING:
    from litemaas.core.catalog import Model
    from litemaas.gateway.settings import RoutingSettings

_CONTENT_CODES = frozenset({"content_policy_violation", "content_filter"})
_CONTENT_WORDS = re.compile(
    r"content[ _]polic(?:y|ies)|content management policy|content[ _]filter|safety system|usage polic(?:y|ies)",
    re.IGNORECASE,
)
"""Codes and words of engines that refuse what a request is about (OpenAI, Azure, Anthropic, 2026-11)."""
_ANY_MODEL = "*"
T = TypeVar("T")


def is_content_refused(failure: LiteMaaSError) -> bool:
    """Whether the engine refuses what the request is about."""
    if not isinstance(failure, UpstreamRefused) or failure.status not in (400, 403, 422):
        return False
    return failure.error_code in _CONTENT_CODES or _CONTENT_WORDS.search(failure.message) is not None


def fault_of(failure: UpstreamFailure) -> Fault | None:
    """None = policies have no word for it."""
    if isinstance(failure, UpstreamTimeout):
        return Fault.TIMEOUT
    if not isinstance(failure, UpstreamRefused):
        return None if isinstance(failure, UpstreamUnreachable) and failure.is_ours else Fault.SERVER
    if is_content_refused(failure):
        return Fault.CONTENT
    if failure.status >= 500:
        return Fault.SERVER
    return _BY_STATUS.get(failure.status)


_BY_STATUS = {
    400: Fault.REQUEST, 422: Fault.REQUEST, 401: Fault.CREDENTIAL, 403: Fault.CREDENTIAL, 408: Fault.TIMEOUT,
    429: Fault.RATE,
}  # fmt: skip


class FailureRules:
    """``borne``: how many failures of a kind in a row a deployment is forgiven that has others beside it."""

    def __init__(self, settings: RoutingSettings) -> None:
        """Errors: SettingsError."""
        self._retries = _read("RETRY_POLICY", settings.retry_policy, lambda it: policy_of(it, RETRIES))
        self._of_models = _read(
            "MODEL_RETRY_POLICIES", settings.model_retry_policies, lambda it: policies_of(it, RETRIES)
        )
        self.borne: Policy = _read(
            "ALLOWED_FAILURES_POLICY", settings.allowed_failures_policy, lambda it: policy_of(it, ALLOWED_FAILS)
        )
        self._instead = _read("CONTENT_POLICY_FALLBACKS", settings.content_policy_fallbacks, models_of)

    def retries_of(self, model: Model, failure: UpstreamFailure) -> int | None:
        """How often a call is tried again after this; None = as usual."""
        if not self._retries and not self._of_models:
            return None
        fault = fault_of(failure)
        if fault is None:
            return None
        own: Policy = _of_model(self._of_models, model) or {}
        return own[fault] if fault in own else self._retries.get(fault)

    def instead_of(self, model: Model) -> tuple[str, ...]:
        """The models that are asked when the engine of this one refuses what a request is about."""
        return _of_model(self._instead, model) or self._instead.get(_ANY_MODEL, ())


def _of_model(rules: Mapping[str, T], model: Model) -> T | None:
    found = rules.get(model.name)
    return rules.get(model.counted_as) if found is None and model.counted_as is not None else found


def _read(name: str, setting: str, reader: Callable[[Any], T]) -> T:
    try:
        return reader(object_in(setting))
    except ValueError as error:
        raise SettingsError(f"LITEMAAS_GATEWAY__ROUTING__{name}: {error}") from None
