"""By what do lists sort keys, and which have used up their budget? What is in no column of theirs is looked up key by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, tzinfo
from typing import Any

from sqlalchemy import (
    TIMESTAMP,
    ColumnElement,
    Date,
    FromClause,
    Subquery,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.core.windows import CALENDAR_WINDOWS, EPOCH, midnight, window_at
from litemaas.db.tables import budget_windows, dimensions, rollups, usage_deltas, virtual_keys

_KEYS = virtual_keys.c
COLUMNS: Mapping[str, ColumnElement[Any]] = {
    "name": func.lower(func.coalesce(_KEYS.name, _KEYS.alias, _KEYS.key_name)), "created_at": _KEYS.created_at,
    "expires_at": _KEYS.expires_at, "updated_at": _KEYS.updated_at,
}  # fmt: skip
SPEND, LAST_USE = "spend", "last_used_at"


class Standing:
    """Keys with what they have spent in their current windows, and with when they were used last.

    Both look into an index for each key. Joined as a whole, PostgreSQL would read all windows and cells of all times (20,000
    keys with 600,000 windows: three times as long).
    """

    def __init__(
        self, starts: Mapping[tuple[str, date | None], datetime], zone: tzinfo, meant: Sequence[ColumnElement[bool]]
    ) -> None:
        """``meant``: the conditions of the keys whose last use is wanted."""
        given = (
            func.unnest(
                literal([duration for duration, _ in starts], ARRAY(TEXT)),
                literal([day for _, day in starts], ARRAY(Date)),
                literal(list(starts.values()), ARRAY(TIMESTAMP(timezone=True))),
            )
            .table_valued("duration", "day", "start", name="starts")
            .render_derived()
        )
        self._windows = given
        self._zone = zone
        begins = func.coalesce(given.c.start, literal(EPOCH, TIMESTAMP(timezone=True)))
        its_window = (
            budget_windows.c.scope == literal("key:") + _KEYS.key_hash,
            budget_windows.c.window_start == begins,
        )
        settled = select(budget_windows.c.settled_nano).where(*its_window).correlate(virtual_keys, given)
        self.spent_nano: ColumnElement[Any] = func.coalesce(settled.scalar_subquery(), 0)
        self._folded, self._waiting = _folded_uses(meant), _waiting_uses()
        self.last_used_at: ColumnElement[Any] = func.greatest(self._folded.c.last_at, self._waiting.c.last_at)

    @property
    def used_up(self) -> ColumnElement[bool]:
        """Whether as much was spent as the budget allows; never for a key without one."""
        return and_(_KEYS.max_budget_nano.is_not(None), self.spent_nano >= _KEYS.max_budget_nano)

    def sort(self, by: str) -> ColumnElement[Any]:
        return COLUMNS[by] if by in COLUMNS else {SPEND: self.spent_nano, LAST_USE: self.last_used_at}[by]

    def keys(self, sort: str, *, windows: bool) -> FromClause:
        """What the expressions above are about. ``windows``: whether what keys have spent matters whatever the order."""
        found: FromClause = virtual_keys
        if windows or sort == SPEND:
            w = self._windows.c
            its_day = or_(w.day.is_(None), w.day == _day_set(self._zone))
            found = found.outerjoin(self._windows, and_(w.duration == _KEYS.budget_duration, its_day))
        if sort == LAST_USE:
            for uses in (self._folded, self._waiting):
                found = found.outerjoin(uses, uses.c.key_hash == _KEYS.key_hash)
        return found


def _folded_uses(meant: Sequence[ColumnElement[bool]]) -> Subquery:
    """The newest cell of each combination that a key occurs in tells its last call."""
    cell, dimension = rollups["caller", "month"], dimensions["caller"]
    newest = select(cell.c.last_at).where(cell.c.dimension_id == dimension.c.id).order_by(cell.c.at.desc()).limit(1)
    last = func.max(newest.correlate(dimension).scalar_subquery()).label("last_at")
    of_these = dimension.c.key_hash.in_(select(_KEYS.key_hash).where(*meant))
    found = select(dimension.c.key_hash, last).where(of_these, dimension.c.status != "refused")
    return found.group_by(dimension.c.key_hash).subquery("folded")


def _waiting_uses() -> Subquery:
    waiting = usage_deltas.c
    last = func.max(waiting.last_at).label("last_at")
    found = select(waiting.key_hash, last).where(waiting.status != "refused")
    return found.group_by(waiting.key_hash).subquery("waiting")


def _day_set(zone: tzinfo) -> ColumnElement[Any]:
    return cast(func.timezone(str(zone), _KEYS.budget_set_at), Date)


async def standing(
    connection: AsyncConnection, now: datetime, zone: tzinfo, meant: Sequence[ColumnElement[bool]]
) -> Standing:
    """Of the keys that meet the conditions ``meant``.

    When their current windows began is told by ``core.windows``: once for each kind of window that keys have. Windows that
    follow the calendar begin together; others by the day on which they were set.
    """
    day = case((_KEYS.budget_duration.in_(CALENDAR_WINDOWS), null()), else_=_day_set(zone)).label("day")
    kinds = select(_KEYS.budget_duration, day).where(_KEYS.budget_duration.is_not(None), _KEYS.deleted_at.is_(None))
    starts = {
        (row.budget_duration, row.day): window_at(
            row.budget_duration, now, midnight(row.day, zone) if row.day else now, zone
        ).start
        for row in await connection.execute(kinds.distinct())
    }
    return Standing(starts, zone, meant)
