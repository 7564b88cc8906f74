"""Which records does a page of the request log show? Those that follow the page before, looked for where there are any."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any

import msgspec
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.http.cursors import read_cursor, write_cursor
from litemaas.control.usage import figures
from litemaas.control.usage.filters import UsageFilter
from litemaas.control.usage.orders import NEWEST, Order, Place, list_in_order, should_walk
from litemaas.control.usage.spans import beginning, following
from litemaas.core.errors import InvalidField


async def list_records(
    connection: AsyncConnection, wanted: UsageFilter, limit: int, after: Place | None, now: datetime,
    order: Order = NEWEST,
) -> Sequence[Row[Any]]:  # fmt: skip
    """The first records, or those that follow the one named by ``after``. Rollups say on which days to look."""
    if order.by != "started_at":
        walks = await should_walk(connection, wanted, limit)
        return await list_in_order(connection, wanted, order, limit, after, walks=walks)
    if wanted.is_known_to_cells:
        found = await _where_to_look(connection, wanted, limit, after, now, order.descending)
        if found is None:
            return []
        wanted = found
    return await list_in_order(connection, wanted, order, limit, after)


def cursor_of(row: Row[Any], order: Order) -> str:
    """Where the next page begins. That of another order than the usual one names it, and what the row is sorted by."""
    if order == NEWEST:
        return write_cursor(row.started_at, row.request_id)
    value = 0 if order.by == "started_at" else getattr(row, order.by)
    return write_cursor(row.started_at, f"{_name(order)} {value} {row.request_id}")


def place_of(cursor: str | None, order: Order) -> Place | None:
    """Errors: InvalidField, also for the cursor of another order."""
    if not cursor:
        return None
    at, rest = read_cursor(cursor)
    if order == NEWEST:
        return Place(at, rest)
    name, _, rest = rest.partition(" ")
    value, _, request_id = rest.partition(" ")
    if name != _name(order) or not value.isdecimal() or len(value) > _DIGITS or not request_id:
        raise InvalidField("The cursor is of another order; take next_cursor of the page before.", "cursor")
    return Place(at, request_id, int(value))


_DIGITS = 18
"""Of a number that PostgreSQL's bigint takes in any case."""


def _name(order: Order) -> str:
    return f"{order.by}:{'desc' if order.descending else 'asc'}"


async def _where_to_look(
    connection: AsyncConnection, wanted: UsageFilter, limit: int, after: Place | None, now: datetime, newest_first: bool
) -> UsageFilter | None:
    """``wanted`` within the days that the page is on; None = there are none."""
    known, zone = wanted.cells_only(), wanted.calendar
    if after is not None:
        day = beginning("day", after.started_at, zone)
        known = _cut(known, None, following("day", day, zone)) if newest_first else _cut(known, day, None)
    days = await figures.days_with_calls(connection, known)
    if not newest_first:
        days.reverse()
    # A day's calls need not meet all of a filter that rollups do not know.
    enough = None if wanted.needs_records else _day_with_enough(days, limit, after, zone, newest_first)
    if wanted.may_mean_strangers:
        if enough is None:
            return wanted
        return _cut(wanted, enough, None) if newest_first else _cut(wanted, None, following("day", enough, zone))
    if not days:
        return None
    first, last = sorted((days[0][0], enough or days[-1][0]))
    end = following("day", last, zone)
    return _cut(wanted, first, None if end > now else end)


def _day_with_enough(
    days: Sequence[tuple[datetime, int]], limit: int, after: Place | None, zone: tzinfo, newest_first: bool
) -> datetime | None:
    """The day on which a page ends; of the day on which it begins it is not known how many calls are left."""
    calls = 0
    for at, count in days:
        if after is None or (following("day", at, zone) <= after.started_at if newest_first else at > after.started_at):
            calls += count
        if calls >= limit:
            return at
    return None


def _cut(wanted: UsageFilter, since: datetime | None, until: datetime | None) -> UsageFilter:
    """``wanted`` within these bounds, too; None = no bound."""
    ends = [end for end in (wanted.until, until) if end is not None]
    begins = [begin for begin in (wanted.since, since) if begin is not None]
    return msgspec.structs.replace(wanted, since=max(begins, default=None), until=min(ends, default=None))
