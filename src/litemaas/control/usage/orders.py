"""In which order are records listed? By time, cost or duration; and how are the first of them found without reading all?

Two ways lead to the dearest and the slowest. What the filters leave can be read and sorted; or an index in that very order is
walked until enough of its records meet the filters. The first way reads what the filters with an index of their own leave,
the second about as many records as are wanted, times all calls, over the calls that are left. Rollups know these numbers, so
the shorter way is taken. An index of its own each have models, all calls that did not succeed, and those of the playground:
the calls of a cheap model, those that cost nothing and short ones would else stand at the end of a long walk.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.usage import figures
from litemaas.control.usage.filters import UNSUCCESSFUL, UsageFilter, Values, record_conditions, where, within
from litemaas.control.usage.repository import plan_each_time, plan_once
from litemaas.control.usage.spans import beginning, following
from litemaas.core.ledger import COLUMNS

By = Literal["started_at", "cost_nano", "duration_us"]
_SORTED_AT_ONCE: Final = 10_000
"""So few are read and sorted in any case: an estimate of a walk can be wrong."""


_INDEXED_NAME: Final = 256
"""Names of models are in the indexes up to this many characters: strangers write what they like, and each record must be
stored."""


class Order(msgspec.Struct, frozen=True):
    by: By = "started_at"
    descending: bool = True


NEWEST = Order()


class Place(msgspec.Struct, frozen=True):
    """The last record of a page. ``value``: what the list is sorted by, where that is not the time."""

    started_at: datetime
    request_id: str
    value: int = 0


async def list_in_order(
    connection: AsyncConnection, wanted: UsageFilter, order: Order, limit: int, after: Place | None = None, *,
    walks: bool = True,
) -> Sequence[Row[Any]]:  # fmt: skip
    """The first records, or those that follow the one named by ``after``; their columns are attributes.

    ``walks``: an index in this order may be used; else what the filters leave is sorted.
    """
    values = Values()
    conditions = [*record_conditions(wanted, values), *within("started_at", wanted.since, wanted.until, values)]
    way, sign = ("DESC", "<") if order.descending else ("ASC", ">")
    first = "" if order.by == "started_at" else order.by if walks else f"{order.by} + 0"  # a sum is in no index
    if after is not None:
        at, row_id = values.place(after.started_at), values.place(after.request_id)
        if first:
            # The plain comparison tells the planner how much is left; the row decides between equal ones.
            value = values.place(after.value)
            conditions.append(
                f"{first} {sign}= {value} AND ({first}, started_at, request_id) {sign} ({value}, {at}, {row_id})"
            )
        else:
            # The plain comparison lets PostgreSQL leave out partitions; the pair decides between equal instants.
            conditions.append(f"started_at {sign}= {at} AND (started_at, request_id) {sign} ({at}, {row_id})")
    if first and _has_own_index(wanted.models):
        conditions.append(f"length(model) <= {_INDEXED_NAME}")  # written out, so that the index of models is used
    columns = ", ".join(f"{column} {way}" for column in (first, "started_at", "request_id") if column)
    query = (
        f"SELECT {', '.join(COLUMNS)} FROM usage_records{where(conditions)} "  # noqa: S608 — names of ours, values apart
        f"ORDER BY {columns} LIMIT {values.place(limit)}"
    )
    once = order.by == "started_at" and _is_planned_alike(wanted)
    if once:
        await plan_once(connection)
    rows = (await connection.exec_driver_sql(query, tuple(values.given))).all()
    if once:
        await plan_each_time(connection)
    return rows


def _is_planned_alike(wanted: UsageFilter) -> bool:
    """Whether one plan is good for all values: an index leads to whoever called, and its records are in the order of time.

    To plan for ninety partitions takes several times as long as to read a page of them.
    """
    asked = msgspec.structs.replace(wanted, keys=(), users=(), teams=(), statuses=(), since=None, until=None, zone=None)
    return asked == UsageFilter()


async def should_walk(connection: AsyncConnection, wanted: UsageFilter, limit: int) -> bool:
    """Whether to walk the index of cost or duration reads less than to sort what the filters leave."""
    if wanted.request_id is not None:
        return False
    index, narrowed, told = _of_index(wanted), wanted.cells_only(), _told_by_records(wanted)
    if index == narrowed and len(told) == int(wanted.is_playground_only and index == _everything(wanted)):
        return True  # whatever is in the index meets the filters
    known: dict[UsageFilter, int] = {}
    held, left, read = [await _calls(connection, calls, known) for calls in (index, narrowed, _looked_up(wanted))]
    for values, condition in told:
        some = await _up_to(connection, wanted, values, condition)
        left = min(left, some)
        read = min(read, some) if some <= _SORTED_AT_ONCE else read
    return read > max(_SORTED_AT_ONCE, limit * held // max(left, 1))


def _of_index(wanted: UsageFilter) -> UsageFilter:
    """The calls in the index that would be walked."""
    everything = _everything(wanted)
    if wanted.is_unsuccessful_only:
        every = wanted.statuses if set(wanted.statuses) == UNSUCCESSFUL else tuple(UNSUCCESSFUL)
        return msgspec.structs.replace(everything, statuses=every)
    return msgspec.structs.replace(everything, models=wanted.models) if _has_own_index(wanted.models) else everything


def _has_own_index(models: Sequence[str]) -> bool:
    return len(models) == 1 and len(models[0]) <= _INDEXED_NAME


def _everything(wanted: UsageFilter) -> UsageFilter:
    return UsageFilter(since=wanted.since, until=wanted.until, zone=wanted.zone)


def _looked_up(wanted: UsageFilter) -> UsageFilter:
    """The calls that an index finds for the filters, to be looked at one by one."""
    found = _of_index(wanted)
    if wanted.keys or wanted.users or wanted.teams:
        return msgspec.structs.replace(
            found, keys=wanted.keys, users=wanted.users, teams=wanted.teams, models=(), statuses=()
        )
    return found


async def _calls(connection: AsyncConnection, wanted: UsageFilter, known: dict[UsageFilter, int]) -> int:
    """How many, about: of whole days."""
    if wanted not in known:
        zone, since, until = wanted.calendar, wanted.since, wanted.until
        days = msgspec.structs.replace(
            wanted,
            since=None if since is None else beginning("day", since, zone),
            until=None if until is None else following("day", beginning("day", until, zone), zone),
        )
        counted = await figures.totals(connection, days, sums=("requests", "blocked_requests"))
        known[wanted] = counted["requests"] + counted["blocked_requests"]
    return known[wanted]


def _told_by_records(wanted: UsageFilter) -> list[tuple[Values, str]]:
    """Conditions of which rollups know nothing, each with an index of its own."""
    found = [] if not wanted.is_playground_only else [(Values(), "source <> 'api'")]
    for column, bound in (("duration_us", wanted.min_duration_us), ("cost_nano", wanted.min_cost_nano)):
        if bound:
            values = Values()
            found.append((values, f"{column} >= {values.place(bound)}"))
    return found


async def _up_to(connection: AsyncConnection, wanted: UsageFilter, values: Values, condition: str) -> int:
    """How many calls of the period meet it, counted no further than matters."""
    conditions = where([condition, *within("started_at", wanted.since, wanted.until, values)])
    some = f"SELECT FROM usage_records{conditions} LIMIT {values.place(_SORTED_AT_ONCE + 1)}"
    query = f"SELECT count(*) FROM ({some}) AS met"  # noqa: S608 — as above
    counted: int = (await connection.exec_driver_sql(query, tuple(values.given))).scalar_one()
    return counted
