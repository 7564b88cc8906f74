"""What does LiteLLM's config.yaml say of failures? Retries and forgiveness by kind, and who answers what an engine refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from litemaas.core.failure_policies import ALLOWED_FAILS, NEVER_BORNE, RETRIES, models_of, policies_of, policy_of

_ROUTING = "LITEMAAS_GATEWAY__ROUTING__"
_POLICIES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "retry_policy": ("RETRY_POLICY", lambda it: policy_of(it, RETRIES)),
    "model_group_retry_policy": ("MODEL_RETRY_POLICIES", lambda it: policies_of(it, RETRIES)),
    "allowed_fails_policy": ("ALLOWED_FAILURES_POLICY", lambda it: policy_of(it, ALLOWED_FAILS)),
}
_FALLBACKS = "content_policy_fallbacks"
_SECTIONS = ("litellm_settings", "router_settings")
_USUAL_RETRIES = 2
"""More than these are only made at a model's only deployment when it is forgiven as many failures."""
TAKEN = frozenset(
    {f"router_settings.{name}" for name in _POLICIES} | {f"{section}.{_FALLBACKS}" for section in _SECTIONS}
)


def failures_of(document: Mapping[str, Any], problems: list[str], warnings: list[str]) -> dict[str, str]:
    """Variables of ours."""
    found: dict[str, str] = {}
    router = _section(document, "router_settings")
    for name, (ours, check) in _POLICIES.items():
        written = _numbers_in(router.get(name))
        if written is None:
            continue
        where = f"router_settings.{name}"
        try:
            check(written)
        except ValueError as error:
            problems.append(f"{where}: {error}.")
            continue
        warnings += [
            f"{where}.{member} has no effect here, because what an engine refuses of a request never counts against it."
            for member in NEVER_BORNE
            if member in written
        ]
        found[f"{_ROUTING}{ours}"] = msgspec.json.encode(written).decode()
    most = max([*_retries_in(document, router), _USUAL_RETRIES])
    if most > _USUAL_RETRIES:
        found[f"{_ROUTING}ALLOWED_FAILURES_ALONE"] = str(most)
    instead: dict[str, list[str]] = {}
    for section in _SECTIONS:
        instead |= _instead_of(_section(document, section).get(_FALLBACKS), f"{section}.{_FALLBACKS}", problems)
    if instead:
        found[f"{_ROUTING}{_FALLBACKS.upper()}"] = msgspec.json.encode(instead).decode()
    return found


def _instead_of(written: Any, where: str, problems: list[str]) -> dict[str, list[str]]:
    """``[{model: [others]}]``."""
    found: dict[str, list[str]] = {}
    try:
        for entry in written if isinstance(written, list) else [] if written is None else [written]:
            models_of(entry)
            found |= entry
    except ValueError as error:
        problems.append(f"{where}: {error}.")
    return found


def _retries_in(document: Mapping[str, Any], router: Mapping[str, Any]) -> list[int]:
    """Every number of retries that the file names and that can be meant."""
    numbers = [router.get("num_retries", _section(document, "litellm_settings").get("num_retries"))]
    of_models = router.get("model_group_retry_policy")
    for policy in (router.get("retry_policy"), *(of_models.values() if isinstance(of_models, dict) else ())):
        numbers += policy.values() if isinstance(policy, dict) else ()
    return [int(number) for number in numbers if not isinstance(number, bool) and str(number).isdecimal()]


def _numbers_in(value: Any) -> Any:
    """Numbers may come as texts, out of the environment."""
    if isinstance(value, dict):
        return {name: _numbers_in(one) for name, one in value.items()}
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _section(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    members = document.get(name)
    return members if isinstance(members, dict) else {}
