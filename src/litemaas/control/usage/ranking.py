"""Which groups are on a page, in which order, and what are the figures of these and of all others together?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Literal

import msgspec
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.usage.cells import LATENCY, SUMS, GroupBy
from litemaas.control.usage.figures import ask, latencies, named_figures, totals
from litemaas.control.usage.filters import UsageFilter, Values
from litemaas.control.usage.moment import Moment

Sort = Literal[
    "requests", "blocked_requests", "total_tokens", "prompt_tokens", "completion_tokens", "cost_nano", "group"
]


class Group(msgspec.Struct, frozen=True):
    """``place``: in the order that was asked for, from 1 on; None = all ``groups`` that are on other pages, together."""

    place: int | None
    name: str
    groups: int
    last_at: datetime | None
    sums: Mapping[str, int]


_MANY = {"key", "user"}
"""Of which there are so many that it is cheaper to add up one figure of all and the others of a page."""


async def breakdown(
    moment: Moment, wanted: UsageFilter, by: GroupBy, *, sort: Sort = "cost_nano", descending: bool = True,
    limit: int = 100, offset: int = 0, latency: bool = False,
) -> Sequence[Group]:  # fmt: skip
    """One page of groups in their order, and last all others together, if there are any. ``latency``: those sums, too."""
    order = f"{'name' if sort == 'group' else sort} {'DESC' if descending else 'ASC'}, name"
    if by in _MANY and limit <= _MOST_KEPT:
        first = "requests" if sort == "group" else sort
        return await _ranked_first(moment, wanted, by, first, order, limit, offset, latency)
    if not latency:
        return await _whole(moment.connection, wanted, by, order, limit, offset)
    rows, slow = await moment.together(
        lambda connection: _whole(connection, wanted, by, order, limit, offset),
        partial(totals, wanted=wanted, sums=LATENCY),
    )
    found = await latencies(moment.connection, wanted, by, [row.name for row in rows if row.place is not None])
    return _with_latencies(rows, found, slow)


async def _whole(
    connection: AsyncConnection, wanted: UsageFilter, by: GroupBy, order: str, limit: int, offset: int
) -> Sequence[Group]:
    values = Values()
    name, figures = named_figures(values, wanted, by, (*SUMS, "last_at"), None)
    first, last = values.place(offset), values.place(offset + limit)
    sums = ", ".join(f"usage_sum({unit}) AS {unit}" for unit in SUMS)
    query = f"""
        WITH figures AS (SELECT *, {name} AS name FROM ({figures}) AS f),
        ranked AS (SELECT *, row_number() OVER (ORDER BY {order}) AS row FROM figures),
        placed AS (SELECT *, CASE WHEN row > {first}::bigint AND row <= {last}::bigint THEN row END AS place FROM ranked)
        SELECT place, max(CASE WHEN place IS NOT NULL THEN name END) AS name, count(*) AS groups, max(last_at) AS last_at,
            {sums}
        FROM placed GROUP BY place ORDER BY place NULLS LAST
    """  # noqa: S608
    rows = await ask(connection, query, values)
    return [Group(row.place, row.name or "", row.groups, row.last_at, _sums_in(row)) for row in rows]


_MOST_KEPT = 1_000


async def _ranked_first(
    moment: Moment, wanted: UsageFilter, by: GroupBy, sort: str, order: str, limit: int, offset: int, latency: bool
) -> Sequence[Group]:
    """The names on the page, then their figures, and what is left of the total."""
    ranked, total, *slow = await moment.together(
        lambda connection: _rank(connection, wanted, by, sort, order, limit, offset), partial(totals, wanted=wanted),
        *([partial(totals, wanted=wanted, sums=LATENCY)] if latency else []),
    )  # fmt: skip
    places = {row.name: row.place for row in ranked if row.place is not None}
    kept = list(places)
    found, *slow_found = await moment.together(
        partial(figures_of, wanted=wanted, by=by, kept=kept),
        *([partial(latencies, wanted=wanted, by=by, kept=kept)] if latency else []),
    )
    rows = [Group(place, name, 1, found[name].last_at, _sums_in(found[name])) for name, place in places.items()]
    others = ranked[0].groups - len(rows)
    if others:
        rest = {unit: total[unit] - sum(group.sums[unit] for group in rows) for unit in SUMS}
        rows.append(Group(None, "", others, None, rest))
    return _with_latencies(rows, slow_found[0], slow[0]) if latency else rows


async def _rank(
    connection: AsyncConnection, wanted: UsageFilter, by: GroupBy, sort: str, order: str, limit: int, offset: int
) -> Sequence[Row[Any]]:
    """How many ``groups`` there are, beside each ``name`` on the page with its ``place``; both are null on an empty page."""
    values = Values()
    name, figures = named_figures(values, wanted, by, (sort,), None)
    first, most = values.place(offset), values.place(limit)
    query = f"""
        WITH figures AS MATERIALIZED (SELECT *, {name} AS name FROM ({figures}) AS f),
        page AS (
            SELECT name, row_number() OVER (ORDER BY {order}) AS place FROM figures
            ORDER BY place OFFSET {first}::bigint LIMIT {most}::bigint
        )
        SELECT counted.groups, page.name, page.place FROM (SELECT count(*) AS groups FROM figures) AS counted
        LEFT JOIN page ON true ORDER BY page.place
    """  # noqa: S608
    return await ask(connection, query, values)


async def figures_of(
    connection: AsyncConnection, wanted: UsageFilter, by: GroupBy, kept: Sequence[str]
) -> dict[str, Row[Any]]:
    """All sums of the groups ``kept``, by their names."""
    if not kept:
        return {}
    values = Values()
    name, figures = named_figures(values, wanted, by, (*SUMS, "last_at"), kept)
    rows = await ask(connection, f"SELECT *, {name} AS name FROM ({figures}) AS f", values)  # noqa: S608
    return {row.name: row for row in rows}


def _with_latencies(
    rows: Sequence[Group], found: Mapping[str, Mapping[str, int]], whole: Mapping[str, int]
) -> Sequence[Group]:
    """``found``: the sums of LATENCY of those on the page that have any; the others together have the rest of ``whole``."""
    rest = {unit: whole[unit] - sum(sums[unit] for sums in found.values()) for unit in LATENCY}
    nothing = dict.fromkeys(LATENCY, 0)
    return [
        msgspec.structs.replace(row, sums={**row.sums, **(rest if row.place is None else found.get(row.name, nothing))})
        for row in rows
    ]


def _sums_in(row: Row[Any]) -> dict[str, int]:
    return {unit: row._mapping[unit] for unit in SUMS}
