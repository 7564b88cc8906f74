"""Which questions are asked of usage? Sums of all, by group, over time; where they come from is told in ``cells``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.usage.cells import LATENCY, SUMS, Dimension, GroupBy, figures_by
from litemaas.control.usage.filters import UsageFilter, Values
from litemaas.control.usage.spans import Grain
from litemaas.db.zones import ZONE


async def ask(connection: AsyncConnection, query: str, values: Values) -> Sequence[Row[Any]]:
    return (await connection.exec_driver_sql(query, tuple(values.given))).all()


async def totals(connection: AsyncConnection, wanted: UsageFilter, *, sums: Sequence[str] = SUMS) -> Mapping[str, int]:
    values = Values()
    return (await ask(connection, figures_by(values, wanted, sums=sums), values))[0]._asdict()


_WRITTEN: dict[str, str] = {
    "hour": 'YYYY-MM-DD"T"HH24:MI"Z"', "day": "YYYY-MM-DD", "week": 'IYYY-"W"IW', "month": "YYYY-MM"
}  # fmt: skip


def named_figures(
    values: Values, wanted: UsageFilter, by: GroupBy, sums: Sequence[str], kept: Sequence[str] | None
) -> tuple[str, str]:
    """How a group's name is written, and the figures by group."""
    if by == "hour" or by == "day" or by == "week" or by == "month":
        zone = "'UTC'" if by == "hour" else ZONE
        return f"to_char(at AT TIME ZONE {zone}, '{_WRITTEN[by]}')", figures_by(values, wanted, (), by, sums=sums)
    return "g0", figures_by(values, wanted, (by,), sums=sums, kept=kept)


async def latencies(
    connection: AsyncConnection, wanted: UsageFilter, by: GroupBy, kept: Sequence[str]
) -> dict[str, Mapping[str, int]]:
    """The sums of LATENCY for each of the groups ``kept`` that has any."""
    if not kept:
        return {}
    values = Values()
    name, figures = named_figures(values, wanted, by, LATENCY, kept)
    rows = await ask(connection, f"SELECT *, {name} AS name FROM ({figures}) AS f", values)  # noqa: S608
    return {row.name: row._asdict() for row in rows if row.name in kept}


async def dearest(connection: AsyncConnection, wanted: UsageFilter, by: GroupBy, top: int) -> list[str]:
    """The groups that cost most; among equals, like errors, those with more calls, refused ones included."""
    values = Values()
    figures = figures_by(values, wanted, (by,), sums=("cost_nano", "requests", "blocked_requests"))
    often = "requests + blocked_requests"
    order = f"{often} DESC" if by == "error" else f"cost_nano DESC, {often} DESC"
    query = f"SELECT * FROM ({figures}) AS f ORDER BY {order}, g0 LIMIT {values.place(top)}"  # noqa: S608
    return [row.g0 for row in await ask(connection, query, values)]


async def costs(connection: AsyncConnection, wanted: UsageFilter, by: GroupBy, limit: int) -> list[tuple[str, int]]:
    """What the groups that cost most have cost, the dearest first. Units: nano-USD."""
    values = Values()
    figures = figures_by(values, wanted, (by,), sums=("cost_nano",))
    query = f"SELECT * FROM ({figures}) AS f ORDER BY cost_nano DESC, g0 LIMIT {values.place(limit)}::bigint"  # noqa: S608
    return [(row.g0, row.cost_nano) for row in await ask(connection, query, values)]


async def trend(
    connection: AsyncConnection, wanted: UsageFilter, grain: Grain, *, sums: Sequence[str] = SUMS
) -> Sequence[Row[Any]]:
    """One row per span that has calls, in their order."""
    values = Values()
    return await ask(connection, f"{figures_by(values, wanted, (), grain, sums=sums)} ORDER BY at", values)


async def trend_of(
    connection: AsyncConnection, wanted: UsageFilter, grain: Grain, by: GroupBy, kept: Sequence[str], *,
    sums: Sequence[str] = SUMS,
) -> Sequence[Row[Any]]:  # fmt: skip
    """One row per span and group (``g0``) among those ``kept`` that has calls, the dearest of a span first."""
    values = Values()
    figures = figures_by(values, wanted, (by,), grain, sums=sums, kept=kept)
    return await ask(connection, f"{figures} ORDER BY at, cost_nano DESC, g0", values)


async def days_with_calls(connection: AsyncConnection, wanted: UsageFilter) -> list[tuple[datetime, int]]:
    """The days with calls and how many, the newest first."""
    values = Values()
    figures = figures_by(values, wanted, (), "day", sums=("requests", "blocked_requests"))
    rows = await ask(connection, f"{figures} ORDER BY at DESC", values)
    return [(row.at, row.requests + row.blocked_requests) for row in rows]


async def values_of(connection: AsyncConnection, wanted: UsageFilter, groups: Sequence[GroupBy]) -> list[Counter[str]]:
    """What occurs, for each of the groups, with the number of its calls. For groups that are few even together."""
    values = Values()
    found: list[Counter[str]] = [Counter() for _ in groups]
    query = figures_by(values, wanted, groups, sums=("requests", "blocked_requests"))
    for row in await ask(connection, query, values):
        for place, counter in enumerate(found):
            if row[place]:
                counter[row[place]] += row.requests + row.blocked_requests
    return found


async def cost_by_day(
    connection: AsyncConnection, wanted: UsageFilter, groups: Sequence[GroupBy]
) -> Sequence[Row[Any]]:
    """Cost per day and groups (``g0``, ``g1`` …), for the summaries of LiteLLM's API; days in their order."""
    values = Values()
    figures = figures_by(values, wanted, groups, "day", sums=("cost_nano",))
    query = f"SELECT *, to_char(at AT TIME ZONE {ZONE}, 'YYYY-MM-DD') AS day FROM ({figures}) AS f ORDER BY at"  # noqa: S608
    return await ask(connection, query, values)


async def daily(
    connection: AsyncConnection, wanted: UsageFilter, groups: Sequence[Dimension], sums: Sequence[str] = SUMS
) -> Sequence[Row[Any]]:
    """One row per day (``at``) and groups (``g0``, ``g1`` …) that has calls."""
    values = Values()
    order = ", ".join(["at", *(f"g{place}" for place in range(len(groups)))])
    return await ask(connection, f"{figures_by(values, wanted, groups, 'day', sums=sums)} ORDER BY {order}", values)


async def grouped(
    connection: AsyncConnection, wanted: UsageFilter, groups: Sequence[GroupBy], sums: Sequence[str] = SUMS
) -> Sequence[Row[Any]]:
    """One row per combination of groups (``g0``, ``g1`` …) that has calls, the dearest first."""
    values = Values()
    sums = ("cost_nano", *(name for name in sums if name != "cost_nano"))
    return await ask(connection, f"{figures_by(values, wanted, groups, sums=sums)} ORDER BY cost_nano DESC, g0", values)
