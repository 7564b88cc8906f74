"""What may a holder use per calendar month, and how much of it is used? Counted by the gateways, on the scopes of quotas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row

from litemaas.control.audit.service import record, record_many
from litemaas.control.http.feed import ChangeKind
from litemaas.control.http.refusals import LimitAboveMaximum, Mend
from litemaas.control.http.work import Work
from litemaas.control.settings.groups import SubscriptionSettings
from litemaas.control.settings.service import read
from litemaas.control.subscriptions import repository
from litemaas.control.subscriptions.repository import holder_of
from litemaas.core.windows import window_at

UNITS = ("requests", "tokens")
LARGE = {"quota_requests": 1_000_000, "quota_tokens": 100_000_000}
"""Above these a warning is returned (control-plane contract 7.3)."""


class Use(msgspec.Struct, frozen=True):
    """This month's."""

    requests: int
    tokens: int
    reset_at: datetime


def quota_scope(subscription_id: str, unit: str) -> str:
    return f"quota:{subscription_id}/{unit}"


def month_of(work: Work) -> tuple[datetime, datetime]:
    """This calendar month: its first instant and the next one's."""
    window = window_at("monthly", work.now, work.now, work.zone)
    assert window.end is not None  # noqa: S101 — a month ends
    return window.start, window.end


async def use_of(work: Work, rows: Sequence[Row[Any]]) -> dict[str, Use]:
    """By subscription, in one query."""
    start, end = month_of(work)
    scopes = [quota_scope(row.id, unit) for row in rows for unit in UNITS]
    counted = await repository.used(await work.connection(), scopes, start) if rows else {}
    return {
        row.id: Use(counted.get(quota_scope(row.id, "requests"), 0), counted.get(quota_scope(row.id, "tokens"), 0), end)
        for row in rows
    }


def has_room(row: Row[Any], use: Use) -> bool:
    return (row.quota_requests is None or use.requests < row.quota_requests) and (
        row.quota_tokens is None or use.tokens < row.quota_tokens
    )


async def defaults(work: Work) -> dict[str, int | None]:
    """What somebody gets who names none; never 0."""
    settings = await read(work, SubscriptionSettings)
    initial = SubscriptionSettings()
    return {
        "quota_requests": settings.quota_requests if settings.quota_requests != 0 else initial.quota_requests,
        "quota_tokens": settings.quota_tokens if settings.quota_tokens != 0 else initial.quota_tokens,
    }


async def asked_quotas(work: Work, asked: Mapping[str, int | None], before: Row[Any] | None) -> dict[str, int | None]:
    """The quotas of somebody who subscribes: as asked, else the default; again, never above what they had.

    Errors: LimitAboveMaximum with all violations; an explicit null is above every maximum.
    """
    settings = await read(work, SubscriptionSettings)
    granted = await defaults(work)
    mends = []
    for name in LARGE:
        most = getattr(settings, f"max_{name}")
        if before is not None:
            had = getattr(before, name)
            granted[name] = had
            most = had if most is None or (had is not None and had < most) else most
        if name in asked:
            if _exceeds(asked[name], most):
                mends.append(Mend(name, f"{name} must not be above {most}.", "above_maximum"))
            granted[name] = asked[name]
    if mends:
        raise LimitAboveMaximum(mends)
    return granted


def lowered(row: Row[Any], asked: Mapping[str, int | None]) -> dict[str, int | None]:
    """What a holder may set of their own: less, never more. Errors: LimitAboveMaximum."""
    mends = [
        Mend(name, f"{name} can be lowered, not raised; ask an administrator.", "above_maximum")
        for name, value in asked.items() if _exceeds(value, getattr(row, name))
    ]  # fmt: skip
    if mends:
        raise LimitAboveMaximum(mends)
    return {name: value for name, value in asked.items() if value != getattr(row, name)}


def warnings_for(quotas: Mapping[str, int | None]) -> list[str]:
    return [
        f"{name} is above {most}: is that meant?"
        for name, most in LARGE.items() if (value := quotas.get(name)) is not None and value > most
    ]  # fmt: skip


async def carry_over(work: Work, former: str, new: str) -> None:
    """The use of this month stays counted when a subscription takes the place of a deleted one."""
    start, _ = month_of(work)
    connection = await work.connection()
    counted = await repository.used(connection, [quota_scope(former, unit) for unit in UNITS], start)
    carried = {
        quota_scope(new, unit): counted[scope] for unit in UNITS if (scope := quota_scope(former, unit)) in counted
    }
    await repository.set_used(connection, carried, start)


async def reset(work: Work, rows: Sequence[Row[Any]], reason: str | None) -> None:
    """Counts this month anew; the ledger and analytics stay as they are."""
    if not rows:
        return
    start, _ = month_of(work)
    scopes = [quota_scope(row.id, unit) for row in rows for unit in UNITS]
    connection = await work.connection()
    counted = await repository.used(connection, scopes, start)
    await repository.set_used(connection, dict.fromkeys(counted, 0), start)
    work.changed(ChangeKind.BUDGET, *scopes, *(holder_of(row).scope for row in rows))
    details = [
        (row.id, {"reason": reason, "used": {unit: counted.get(quota_scope(row.id, unit), 0) for unit in UNITS}},
         row.model_name)
        for row in rows
    ]  # fmt: skip
    await record_many(work, "subscription.quota_reset", "subscription", details)


async def set_limits(work: Work, row: Row[Any], changed: dict[str, Any]) -> None:
    """Quotas and expiry of one locked row; equal values change nothing."""
    if not changed:
        return
    stamps = {"updated_at": work.now, "updated_by": work.actor}
    await repository.change(await work.connection(), [row.id], changed | stamps)
    work.changed(ChangeKind.BUDGET, holder_of(row).scope)
    shown = {name: {"old": _plain(getattr(row, name)), "new": _plain(value)} for name, value in changed.items()}
    detail = {"old": {n: v["old"] for n, v in shown.items()}, "new": {n: v["new"] for n, v in shown.items()}}
    await record(work, "subscription.limits_changed", "subscription", row.id, detail, row.model_name)


def _exceeds(value: int | None, most: int | None) -> bool:
    return most is not None and (value is None or value > most)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
