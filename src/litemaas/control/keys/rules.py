"""What may people give to their own keys? Defaults, then maximums, then per-model limits; all violations at once.

Administrators are not bound by maximums; per-model limits must make sense for them, too.
Source: control-plane contract 8 and 9.2.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from litemaas.control.http.refusals import InvalidRequestMembers, LimitAboveMaximum, Mend
from litemaas.control.settings.groups import KeyDefaults, KeyLimits, KeySettings
from litemaas.core.errors import InvalidField
from litemaas.core.limits import UNLIMITED
from litemaas.core.money import format_usd

ABOVE = "LIMIT_ABOVE_MAXIMUM"
_BOUND = ("max_budget_nano", "tpm_limit", "rpm_limit", "max_parallel_requests")
_DEFAULTED = (*_BOUND, "budget_duration", "soft_budget_nano")


def with_defaults(values: Mapping[str, Any], defaults: KeyDefaults, now: datetime) -> dict[str, Any]:
    """What was not said gets the default; what was said, null too, stays."""
    filled = {name: getattr(defaults, name) for name in _DEFAULTED if name not in values}
    if "expires_at" not in values and defaults.expiration_days is not None:
        filled["expires_at"] = now + timedelta(days=defaults.expiration_days)
    return {**values, **{name: value for name, value in filled.items() if value is not None}}


def above_maximums(values: Mapping[str, Any], most: KeyLimits, now: datetime, checked: Collection[str]) -> list[Mend]:
    """The members in ``checked`` that are too large, or none where there is a maximum."""
    mends = []
    for name in _BOUND:
        if name not in checked:
            continue
        value, maximum = values.get(name), getattr(most, name)
        size = UNLIMITED * 1_000_000_000 if name == "max_budget_nano" else UNLIMITED
        if value is not None and value >= size:
            mends.append(Mend(name, "So large a number means no limit; say null for none.", "VALIDATION_ERROR"))
        elif maximum is not None and (value is None or value > maximum):
            shown = format_usd(maximum) if name == "max_budget_nano" else str(maximum)
            mends.append(Mend(name, f"At most {shown}; no limit is more than that.", ABOVE))
    if most.expiration_days is not None and "expires_at" in checked:
        latest = now + timedelta(days=most.expiration_days)
        if values.get("expires_at") is None or values["expires_at"] > latest:
            mends.append(
                Mend("expires_at", f"A key lives {most.expiration_days} days at most, counted from now.", ABOVE)
            )
    return mends


def per_model(values: Mapping[str, Any]) -> list[Mend]:
    """Limits of one model: only of linked ones, and not above the key's own."""
    mends = []
    for model, limit in (values.get("model_limits") or {}).items():
        field = f"model_limits.{model}"
        if model not in values["models"]:
            mends.append(Mend(field, "The key is not linked to this model.", "VALIDATION_ERROR"))
        for own, whole in (("max_budget_nano", "max_budget_nano"), ("rpm", "rpm_limit"), ("tpm", "tpm_limit")):
            value, most = _of(limit, own), values.get(whole)
            if value is not None and most is not None and value > most:
                mends.append(Mend(f"{field}.{own}", f"It is above the key's own {whole}.", ABOVE))
    return mends


def expiry(values: Mapping[str, Any], now: datetime) -> list[Mend]:
    at = values.get("expires_at")
    return [] if at is None or at > now else [Mend("expires_at", "It must lie in the future.", "VALIDATION_ERROR")]


def require_none(mends: list[Mend]) -> None:
    """Errors: LimitAboveMaximum, InvalidRequestMembers; both with everything that is wrong."""
    if any(mend.code == ABOVE for mend in mends):
        raise LimitAboveMaximum(mends)
    if mends:
        raise InvalidRequestMembers(mends)


def require_settings_allow(settings: KeySettings) -> None:
    """Errors: InvalidField when secrets cannot be shown again here."""
    if not settings.reveal:
        raise InvalidField("This installation keeps no secrets; rotate the key to get a new one.", "id")


def grace(settings: KeySettings, wanted_s: int | None, *, bound: bool) -> int:
    """For how many seconds a former secret works. ``bound``: not longer than people may choose for their own keys.

    Errors: LimitAboveMaximum.
    """
    if wanted_s is None:
        return settings.grace_hours * 3600
    if bound and wanted_s > settings.max_grace_hours * 3600:
        message = f"A former secret works for {settings.max_grace_hours} hours at most."
        require_none([Mend("grace_seconds", message, ABOVE)])
    return wanted_s


def _of(limit: Any, name: str) -> Any:
    return limit.get(name) if isinstance(limit, Mapping) else getattr(limit, name)
