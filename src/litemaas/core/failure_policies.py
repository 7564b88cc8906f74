"""How often is which kind of failure tried again, and how often borne? LiteLLM's policies, in the words of its config.yaml.

``{"RateLimitErrorRetries": 3}`` says how often, ``{"RateLimitErrorAllowedFails": 10}`` how much a deployment is forgiven.
Source: gateway-api contract 7 (``retry_policy``, ``model_group_retry_policy``, ``allowed_fails_policy``).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

MOST_RETRIES = 10
"""As many as a client may ask for."""
_MOST_FAILURES = 1_000_000
RETRIES = "Retries"
ALLOWED_FAILS = "AllowedFails"
_MOST = {RETRIES: MOST_RETRIES, ALLOWED_FAILS: _MOST_FAILURES}


class Fault(StrEnum):
    """A kind of failure, by the word that policies have for it."""

    REQUEST = "BadRequestError"
    CREDENTIAL = "AuthenticationError"
    TIMEOUT = "TimeoutError"
    RATE = "RateLimitError"
    CONTENT = "ContentPolicyViolationError"
    SERVER = "InternalServerError"


Policy = Mapping[Fault, int]

NEVER_BORNE = (f"{Fault.REQUEST}{ALLOWED_FAILS}", f"{Fault.CONTENT}{ALLOWED_FAILS}")
"""What an engine refuses of a request never counts against it."""


def policy_of(written: Any, ending: str) -> dict[Fault, int]:
    """``ending``: of the members' names. Errors: ValueError saying what is meant."""
    if not isinstance(written, Mapping):
        raise ValueError("must be a mapping of kinds of failure to numbers")  # noqa: TRY004 — as every reader of a value
    names = {f"{fault}{ending}": fault for fault in Fault}
    found: dict[Fault, int] = {}
    for name, number in written.items():
        if name not in names:
            raise ValueError(f"there is no {str(name)[:100]!r}; there are {', '.join(names)}")
        if number is None:
            continue
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= _MOST[ending]:
            raise ValueError(f"{name} must be a whole number from 0 to {_MOST[ending]}")
        found[names[name]] = number
    return found


def policies_of(written: Any, ending: str) -> dict[str, dict[Fault, int]]:
    """Of models, by their names. Errors: ValueError."""
    if not isinstance(written, Mapping):
        raise ValueError("must be a mapping of models to policies")  # noqa: TRY004 — as above
    found = {}
    for model, policy in written.items():
        try:
            found[str(model)] = policy_of(policy, ending)
        except ValueError as error:
            raise ValueError(f"{str(model)[:100]}: {error}") from None
    return found


def models_of(written: Any) -> dict[str, tuple[str, ...]]:
    """Names of models by the name of another. Errors: ValueError."""
    if not isinstance(written, Mapping):
        raise ValueError("must be a mapping of models to lists of models")  # noqa: TRY004 — as above
    found = {}
    for model, others in written.items():
        if not isinstance(others, list) or not all(isinstance(other, str) for other in others):
            raise ValueError(f"{str(model)[:100]} must have a list of names of models")
        found[str(model)] = tuple(others)
    return found


def object_in(setting: str) -> Any:
    """The JSON of a setting; an empty text is an empty object. Errors: ValueError."""
    if not setting:
        return {}
    try:
        return msgspec.json.decode(setting)
    except msgspec.DecodeError:
        raise ValueError("must be a JSON object") from None
