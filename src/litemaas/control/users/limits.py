"""What may a user or a team spend, and where do they stand? The same rules for every scope that shares a budget.

Changing a limit keeps the window and what was spent in it; a reset books nothing in the ledger. The number of statements
does not depend on how many are changed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row

from litemaas.control.http.feed import ChangeKind
from litemaas.control.http.work import Work
from litemaas.control.users import limit_rows
from litemaas.core.windows import EPOCH, Window, window_at

NAMES = ("max_budget_nano", "budget_duration", "tpm_limit", "rpm_limit", "max_parallel_requests")
_NO_LIMITS = dict.fromkeys(NAMES)


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one scope, and its spend in the current window. Units: nano-USD. None = no limit, or never reset."""

    max_budget_nano: int | None
    budget_duration: str | None
    tpm_limit: int | None
    rpm_limit: int | None
    max_parallel_requests: int | None
    spent_nano: int
    budget_reset_at: datetime | None


async def standing_of(work: Work, scopes: Collection[str]) -> dict[str, Standing]:
    """Where each scope stands, in two queries whatever their number."""
    connection = await work.connection()
    rows = await limit_rows.limits_of(connection, scopes)
    windows = {scope: _window(rows.get(scope), work) for scope in scopes}
    spent = await limit_rows.settled(connection, [(scope, window.start) for scope, window in windows.items()])
    return {
        scope: Standing(
            **({name: getattr(rows[scope], name) for name in NAMES} if scope in rows else _NO_LIMITS),
            spent_nano=spent.get((scope, window.start), 0), budget_reset_at=window.end,
        )
        for scope, window in windows.items()
    }  # fmt: skip


async def spent_inside(work: Work, scope: str, inner: Collection[str]) -> dict[str, int]:
    """What is booked on ``inner`` scopes in the current window of ``scope``, whose windows they share. Units: nano-USD."""
    connection = await work.connection()
    window = _window((await limit_rows.limits_of(connection, [scope])).get(scope), work)
    booked = await limit_rows.settled(connection, [(one, window.start) for one in inner])
    return {one: booked.get((one, window.start), 0) for one in inner}


async def set_limits(work: Work, scopes: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    """Sets the named members of these scopes, the others stay as they are; returns the scopes that are different now."""
    if not values or not scopes:
        return []
    connection = await work.connection()
    if "budget_duration" in values:
        await _carry_spend(work, scopes, values["budget_duration"])
    changed = await limit_rows.put_limits(connection, scopes, values, work.actor, work.now)
    if changed:
        work.changed(ChangeKind.BUDGET, *changed)
    return changed


async def reset_spend(work: Work, scope: str) -> int:
    """The current window begins with nothing spent; returns what it had. Units: nano-USD."""
    connection = await work.connection()
    row = (await limit_rows.limits_of(connection, [scope], lock=True)).get(scope)
    place = scope, _window(row, work).start
    before = (await limit_rows.settled(connection, [place])).get(place, 0)
    await limit_rows.put_settled(connection, {place: 0})
    work.changed(ChangeKind.BUDGET, scope)
    return before


async def set_spend(work: Work, scope: str, nano: int) -> None:
    """The current window stands at this spend; the ledger stays as it is. Units: nano-USD."""
    connection = await work.connection()
    row = (await limit_rows.limits_of(connection, [scope], lock=True)).get(scope)
    await limit_rows.put_settled(connection, {(scope, _window(row, work).start): nano})
    work.changed(ChangeKind.BUDGET, scope)


async def _carry_spend(work: Work, scopes: Sequence[str], duration: str | None) -> None:
    """What was spent in windows that a new duration ends counts in those that begin."""
    connection = await work.connection()
    rows = await limit_rows.limits_of(connection, scopes, lock=True)
    start = window_at(duration, work.now, work.now, work.zone).start
    old = {
        scope: (scope, _window(rows.get(scope), work).start)
        for scope in scopes
        if (rows[scope].budget_duration if scope in rows else None) != duration
    }
    booked = await limit_rows.settled(connection, [*old.values(), *((scope, start) for scope in old)])
    carried = {
        (scope, start): booked[place]
        for scope, place in old.items()
        if booked.get(place, 0) > booked.get((scope, start), 0)
    }
    await limit_rows.put_settled(connection, carried)


def _window(row: Row[Any] | None, work: Work) -> Window:
    return (
        window_at(row.budget_duration, work.now, row.budget_set_at, work.zone)
        if row is not None
        else Window(EPOCH, None)
    )
