"""What may a key be asked to be? Checks that hold whichever API the wish came through."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from litemaas.core.errors import InvalidField
from litemaas.core.keys import KEY_PREFIX
from litemaas.core.windows import check_window, duration_end

_MAX_SECRET = 256


class ModelLimit(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one key on one model. Units: nano-USD per window, requests and tokens per minute."""

    max_budget_nano: int | None = None
    budget_duration: str | None = None
    rpm: int | None = None
    tpm: int | None = None


class KeyDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it is asked for; the fields are columns of ``virtual_keys``. Units: nano-USD."""

    alias: str | None = None
    user_id: str | None = None
    team_id: str | None = None
    pot_id: str | None = None
    models: list[str] = []
    aliases: dict[str, str] = {}
    metadata: dict[str, Any] = {}
    max_budget_nano: int | None = None
    soft_budget_nano: int | None = None
    budget_duration: str | None = None
    rpm_limit: int | None = None
    tpm_limit: int | None = None
    max_parallel_requests: int | None = None
    model_limits: dict[str, ModelLimit] = {}
    blocked: bool = False
    expires_at: datetime | None = None
    extras: dict[str, Any] = {}


def check_limits(values: dict[str, Any]) -> None:
    """Errors: InvalidField naming the column."""
    _check_budget_window(values.get("budget_duration"), "budget_duration")
    for field, highest in (
        ("max_budget_nano", 2**63 - 1),
        ("soft_budget_nano", 2**63 - 1),
        ("rpm_limit", 2**31 - 1),
        ("tpm_limit", 2**63 - 1),
        ("max_parallel_requests", 2**31 - 1),
    ):
        value = values.get(field)
        if value is not None and not 0 <= value <= highest:
            raise InvalidField(f"{field} must be between 0 and {highest}.", field)
    for limit in values.get("model_limits", {}).values():
        _check_budget_window(limit.budget_duration, "model_limits")
        for value in (limit.max_budget_nano, limit.rpm, limit.tpm):
            if value is not None and not 0 <= value < 2**63:
                raise InvalidField("A limit must be a whole number and at least 0.", "model_limits")


def expiry(duration: str, now: datetime, field: str = "duration") -> datetime:
    """Errors: InvalidField."""
    try:
        return duration_end(duration, now)
    except ValueError as error:
        raise InvalidField(str(error), field) from None


def check_secret(secret: str) -> None:
    """What a caller's own key must look like. Errors: InvalidField without the key."""
    if not secret.startswith(KEY_PREFIX):
        raise InvalidField(f"A key must start with {KEY_PREFIX!r}.", "key")
    if not 16 <= len(secret) <= _MAX_SECRET or not all(33 <= ord(character) <= 126 for character in secret):
        raise InvalidField(f"A key must have 16 to {_MAX_SECRET} visible ASCII characters.", "key")


def _check_budget_window(duration: str | None, field: str) -> None:
    if duration is None:
        return
    try:
        check_window(duration)
    except ValueError as error:
        raise InvalidField(str(error), field) from None
