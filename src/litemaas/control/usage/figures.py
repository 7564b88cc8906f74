"""How are sums read? Out of the rollups as far as they go, plus what is not folded yet, plus records at ragged ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import groupby
from typing import Any, Literal

import msgspec
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.usage.filters import (
    DIMENSION_OF,
    UsageFilter,
    Values,
    cell_conditions,
    one_of,
    record_conditions,
    where,
    within,
)
from litemaas.control.usage.spans import Grain, Span, spans_of
from litemaas.core.rollups import (
    BOUNDS_US,
    BUCKETS,
    COARSE,
    CUBES,
    DURATION_BUCKETS,
    PAID,
    TTFT_BUCKETS,
    dimension_table,
    grains_of,
    rollup_table,
)
from litemaas.db.payers import with_payers
from litemaas.db.zones import ZONE

GroupBy = Literal[
    "model", "key", "user", "team", "deployment", "provider", "endpoint", "status", "error", "end_user", "cost_centre",
    "workshop", "hour", "day", "week", "month",
]  # fmt: skip
_DIMENSION: dict[str, str] = {
    "model": "model", "key": "key_hash", "user": "user_id", "team": "team_id", "deployment": "deployment_id",
    "provider": "provider", "endpoint": "endpoint", "status": "status", "error": "error_code", "end_user": "end_user",
    "cost_centre": "cost_centre", "workshop": "workshop",
}  # fmt: skip
_BY_STATUS = {
    "successful_requests": "success",
    "failed_requests": "failure",
    "cancelled_requests": "cancelled",
    "blocked_requests": "refused",
}
_PLAIN = (
    "prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens", "pages", "cost_nano",
    "input_cost_nano", "output_cost_nano",
)  # fmt: skip
SUMS = ("requests", *_BY_STATUS, "estimated_requests", "total_tokens", *_PLAIN)
"""What is added up for everybody; ``requests`` reached a model or failed on the way, ``blocked_requests`` were refused."""
LATENCY = ("duration_us", "ttft_us", "ttft_calls", *DURATION_BUCKETS, *TTFT_BUCKETS)
"""Of successful calls: sums and histograms."""

_MEASURES_OF: dict[str, tuple[str, ...]] = {
    "requests": ("calls",),
    **dict.fromkeys(_BY_STATUS, ("calls",)),
    "estimated_requests": ("estimated_calls",),
    "total_tokens": ("prompt_tokens", "completion_tokens"),
}
_OF_CELLS = {
    "requests": "usage_sum(calls) FILTER (WHERE status <> 'refused')",
    **{name: f"usage_sum(calls) FILTER (WHERE status = '{status}')" for name, status in _BY_STATUS.items()},
    "estimated_requests": "usage_sum(estimated_calls)",
    "total_tokens": "usage_sum(prompt_tokens + completion_tokens)",
    **{name: f"usage_sum({name}) FILTER (WHERE status = 'success')" for name in LATENCY},
    **{name: f"usage_sum({name})" for name in _PLAIN},
    "last_at": "max(last_at)",
}
_OF_RECORDS = {
    "requests": "count(*) FILTER (WHERE status <> 'refused')",
    **{name: f"count(*) FILTER (WHERE status = '{status}')" for name, status in _BY_STATUS.items()},
    "estimated_requests": "count(*) FILTER (WHERE usage_source IN ('tokenizer', 'estimate'))",
    "total_tokens": "usage_sum(prompt_tokens::bigint + completion_tokens)",
    "duration_us": "usage_sum(duration_us) FILTER (WHERE status = 'success')",
    "ttft_us": "usage_sum(ttft_us) FILTER (WHERE status = 'success')",
    "ttft_calls": "count(ttft_us) FILTER (WHERE status = 'success')",
    **{f"d{place:02}": f"count(*) FILTER (WHERE status = 'success' AND d = {place})" for place in range(BUCKETS)},
    **{f"t{place:02}": f"count(*) FILTER (WHERE status = 'success' AND t = {place})" for place in range(BUCKETS)},
    **{name: f"usage_sum({name})" for name in _PLAIN},
    "last_at": "max(started_at)",
}
_REFUSED_OR_NOT = {"requests", "blocked_requests", "estimated_requests", "total_tokens", "last_at", *_PLAIN}
"""Sums for which it is enough to know whether calls were refused."""
_BOUNDS = f"'{{{', '.join(map(str, BOUNDS_US))}}}'::bigint[]"


class _Question(msgspec.Struct, frozen=True):
    """``kept``: the only values of the first dimension that are wanted; None = all are."""

    wanted: UsageFilter
    dimensions: tuple[str, ...]
    grain: Grain | None
    sums: tuple[str, ...]
    kept: tuple[str, ...] | None
    values: Values

    @property
    def needed(self) -> set[str]:
        """The dimensions that it groups or narrows by."""
        return {*self.dimensions, *(DIMENSION_OF[member] for member in DIMENSION_OF if getattr(self.wanted, member))}

    def of(self, table: str) -> str:
        """``usage_records`` or ``usage_deltas``, with who paid only where that is asked for."""
        return table if self.needed.isdisjoint(PAID) else with_payers(table)


def _figures(
    values: Values, wanted: UsageFilter, groups: Sequence[GroupBy] = (), grain: Grain | None = None, *,
    sums: Sequence[str] = SUMS, kept: Sequence[str] | None = None,
) -> str:  # fmt: skip
    """One row per group and ``at`` (if there is a grain): ``g0``, ``g1`` … and the ``sums``; one row if there is neither.

    A group is '' for calls without one. ``kept``: the values of the first group that are wanted, None = all.
    """
    dimensions = tuple(_DIMENSION[group] for group in groups)
    question = _Question(wanted, dimensions, grain, tuple(sums), None if kept is None else tuple(kept), values)
    keys = [f"g{place}" for place in range(len(groups))] + (["at"] if grain is not None else [])
    parts = _parts(question)
    added = len(parts) > 1
    grouped = f" GROUP BY {', '.join(keys)}" if keys and added else ""
    columns = ", ".join([*keys, _added(tuple(sums)) if added else _filled(tuple(sums))])
    return f"SELECT {columns} FROM ({' UNION ALL '.join(parts)}) AS parts{grouped}"  # noqa: S608 — as all below: names of ours, values apart


@lru_cache(maxsize=64)
def _added(sums: tuple[str, ...]) -> str:
    return ", ".join(
        "max(last_at) AS last_at" if name == "last_at" else f"coalesce(usage_sum({name}), 0) AS {name}" for name in sums
    )


@lru_cache(maxsize=64)
def _filled(sums: tuple[str, ...]) -> str:
    return ", ".join(name if name == "last_at" else f"coalesce({name}, 0) AS {name}" for name in sums)


@lru_cache(maxsize=64)
def _measures(sums: tuple[str, ...]) -> tuple[str, ...]:
    """The columns of cells that ``sums`` need."""
    return tuple(dict.fromkeys(measure for name in sums for measure in _MEASURES_OF.get(name, (name,))))


@lru_cache(maxsize=64)
def _sums_of_cells(sums: tuple[str, ...]) -> str:
    return _named_sums({name: f"usage_sum({name})" for name in LATENCY} if _only_latency(sums) else _OF_CELLS, sums)


@lru_cache(maxsize=64)
def _only_latency(sums: tuple[str, ...]) -> bool:
    """Whether only successful calls matter: then no other is looked at."""
    return bool(sums) and set(sums) <= set(LATENCY)


@lru_cache(maxsize=64)
def _sums_of_records(sums: tuple[str, ...]) -> str:
    return _named_sums(_OF_RECORDS, sums)


def _named_sums(spelled: Mapping[str, str], sums: tuple[str, ...]) -> str:
    return ", ".join(f"{spelled[name]} AS {name}" for name in sums)


# -- where cells come from ------------------------------------------------------------------------------------------------


def _parts(question: _Question) -> list[str]:
    wanted = question.wanted
    everything = Span("records", wanted.since, wanted.until)
    if wanted.needs_records or "end_user" in question.dimensions:
        return [_of_records(question, everything)]
    spans = _spans(wanted, question.grain)
    whole = [span for span in spans if span.source != "records"]
    parts = [_of_records(question, span) for span in spans if span.source == "records"]
    if whole:
        parts.append(_of_cells(question, whole))
    return parts or [_of_records(question, everything)]


def _spans(wanted: UsageFilter, grain: Grain | None) -> list[Span]:
    if wanted.since is None and wanted.until is None:
        return spans_of(None, None, grain, UTC)  # all of time, whatever the zone
    return spans_of(wanted.since, wanted.until, grain, wanted.calendar)


def _cube_for(question: _Question, span: Span) -> str:
    """The smallest that tells apart what is asked for, and has cells of such a length."""
    exact = "status" in question.needed or not set(question.sums) <= _REFUSED_OR_NOT
    return next(
        cube
        for cube, members in CUBES.items()
        if question.needed <= set(members) and span.source in grains_of(cube) and not (exact and cube in COARSE)
    )


def _around(spans: Sequence[Span]) -> Span:
    return Span("hour", spans[0].since, spans[-1].until)


def _of_cells(question: _Question, spans: Sequence[Span]) -> str:
    """Cells, and deltas that are not folded yet, added up in one go."""
    sums = _sums_of_cells(question.sums)
    measures = _measures(question.sums)
    told = [*question.dimensions, *(["status"] if "status" in sums else [])]
    columns = ", ".join(dict.fromkeys([*told, *(["at"] if question.grain else []), *measures])) or "at"
    rows = [_of_deltas(question, _around(spans), columns)]
    # Small cubes have no hours: at ragged ends a larger one helps out.
    for cube, of_cube in groupby(spans, key=lambda span: _cube_for(question, span)):
        rows.append(_of_rollups(question, cube, list(of_cube), columns))
    return _summed(question, question.dimensions, sums, f"({' UNION ALL '.join(rows)}) AS cells")


def _of_rollups(question: _Question, cube: str, spans: Sequence[Span], columns: str) -> str:
    kept = ", ".join(["at", "dimension_id", *_measures(question.sums)])
    cells = " UNION ALL ".join(_cells(question, cube, span, kept) for span in spans)
    named = "" if _is_few(question) else where(_narrowed(question))
    return f"SELECT {columns} FROM ({cells}) AS cells JOIN {dimension_table(cube)} ON id = dimension_id{named}"  # noqa: S608


def _is_few(question: _Question) -> bool:
    return is_few(question.wanted) or question.kept is not None


def is_few(wanted: UsageFilter) -> bool:
    """Whether so few combinations are meant that their cells are best looked up one by one."""
    named = wanted.keys or wanted.users or wanted.teams or wanted.models or wanted.deployments
    return bool(named or wanted.cost_centres or wanted.workshops)


def _cells(question: _Question, cube: str, span: Span, columns: str) -> str:
    conditions = within("at", span.since, span.until, question.values)
    if _is_few(question):
        named = where(_narrowed(question))
        conditions.append(f"dimension_id IN (SELECT id FROM {dimension_table(cube)}{named})")  # noqa: S608
    return f"SELECT {columns} FROM {rollup_table(cube, span.source)}{where(conditions)}"  # noqa: S608


def _narrowed(question: _Question) -> list[str]:
    found = cell_conditions(question.wanted, question.values) + _kept(question, question.dimensions)
    return [*found, "status = 'success'"] if _only_latency(question.sums) else found


def _of_deltas(question: _Question, span: Span, columns: str) -> str:
    conditions = within("at", span.since, span.until, question.values) + _narrowed(question)
    return f"SELECT {columns} FROM {question.of('usage_deltas')}{where(conditions)}"  # noqa: S608


def _of_records(question: _Question, span: Span) -> str:
    values = question.values
    dimensions = [
        "CASE WHEN key_hash = '' THEN '' ELSE model END" if name == "model" else f"coalesce({name}, '')"
        for name in question.dimensions
    ]
    conditions = record_conditions(question.wanted, values, as_summed=True)
    conditions += within("started_at", span.since, span.until, values) + _kept(question, dimensions)
    source = f"{question.of('usage_records')}{where(conditions)}"
    if DURATION_BUCKETS[0] in question.sums:  # OFFSET 0: each record's buckets are looked up once
        buckets = f"width_bucket(duration_us, {_BOUNDS}) AS d, width_bucket(ttft_us, {_BOUNDS}) AS t"
        source = f"(SELECT *, started_at AS at, {buckets} FROM {source} OFFSET 0) AS r"  # noqa: S608
    else:
        source = f"(SELECT *, started_at AS at FROM {source}) AS r"  # noqa: S608
    return _summed(question, dimensions, _sums_of_records(question.sums), source)


def _kept(question: _Question, columns: Sequence[str]) -> list[str]:
    return [] if question.kept is None else [one_of(columns[0], question.kept, question.values)]


def _summed(question: _Question, dimensions: Sequence[str], sums: str, source: str) -> str:
    keys = [f"{name} AS g{place}" for place, name in enumerate(dimensions)]
    if question.grain is not None:
        keys.append(f"date_trunc('{question.grain}', at, {ZONE}) AS at")
    grouped = f" GROUP BY {', '.join(str(place) for place in range(1, len(keys) + 1))}" if keys else ""
    return f"SELECT {', '.join([*keys, sums])} FROM {source}{grouped}"  # noqa: S608


# -- what is asked --------------------------------------------------------------------------------------------------------


async def ask(connection: AsyncConnection, query: str, values: Values) -> Sequence[Row[Any]]:
    return (await connection.exec_driver_sql(query, tuple(values.given))).all()


async def totals(connection: AsyncConnection, wanted: UsageFilter, *, sums: Sequence[str] = SUMS) -> Mapping[str, int]:
    values = Values()
    return (await ask(connection, _figures(values, wanted, sums=sums), values))[0]._asdict()


_WRITTEN: dict[str, str] = {
    "hour": 'YYYY-MM-DD"T"HH24:MI"Z"', "day": "YYYY-MM-DD", "week": 'IYYY-"W"IW', "month": "YYYY-MM"
}  # fmt: skip


def named_figures(
    values: Values, wanted: UsageFilter, by: GroupBy, sums: Sequence[str], kept: Sequence[str] | None
) -> tuple[str, str]:
    """How a group's name is written, and the figures by group."""
    if by == "hour" or by == "day" or by == "week" or by == "month":
        zone = "'UTC'" if by == "hour" else ZONE
        return f"to_char(at AT TIME ZONE {zone}, '{_WRITTEN[by]}')", _figures(values, wanted, (), by, sums=sums)
    return "g0", _figures(values, wanted, (by,), sums=sums, kept=kept)


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
    figures = _figures(values, wanted, (by,), sums=("cost_nano", "requests", "blocked_requests"))
    often = "requests + blocked_requests"
    order = f"{often} DESC" if by == "error" else f"cost_nano DESC, {often} DESC"
    query = f"SELECT * FROM ({figures}) AS f ORDER BY {order}, g0 LIMIT {values.place(top)}"  # noqa: S608
    return [row.g0 for row in await ask(connection, query, values)]


async def costs(connection: AsyncConnection, wanted: UsageFilter, by: GroupBy, limit: int) -> list[tuple[str, int]]:
    """What the groups that cost most have cost, the dearest first. Units: nano-USD."""
    values = Values()
    figures = _figures(values, wanted, (by,), sums=("cost_nano",))
    query = f"SELECT * FROM ({figures}) AS f ORDER BY cost_nano DESC, g0 LIMIT {values.place(limit)}::bigint"  # noqa: S608
    return [(row.g0, row.cost_nano) for row in await ask(connection, query, values)]


class Callers(msgspec.Struct, frozen=True):
    """Users or keys. ``active``: how many made a call that was not refused; ``costs``: as of :func:`costs`."""

    active: int
    costs: list[tuple[str, int]]


async def callers(connection: AsyncConnection, wanted: UsageFilter, by: Literal["user", "key"], limit: int) -> Callers:
    """Both in one go, for pages that show both: there are many, and going through them is what takes time."""
    values = Values()
    figures = _figures(values, wanted, (by,), sums=("cost_nano", "requests"))
    query = f"""
        WITH f AS MATERIALIZED ({figures}),
        dearest AS (SELECT g0, cost_nano FROM f ORDER BY cost_nano DESC, g0 LIMIT {values.place(limit)}::bigint)
        SELECT active, g0, cost_nano FROM (SELECT count(*) AS active FROM f WHERE requests > 0 AND g0 <> '') AS counted
        LEFT JOIN dearest ON true ORDER BY cost_nano DESC, g0
    """  # noqa: S608
    rows = await ask(connection, query, values)
    return Callers(rows[0].active, [(row.g0, row.cost_nano) for row in rows if row.g0 is not None])


async def trend(
    connection: AsyncConnection, wanted: UsageFilter, grain: Grain, *, sums: Sequence[str] = SUMS
) -> Sequence[Row[Any]]:
    """One row per span that has calls, in their order."""
    values = Values()
    return await ask(connection, f"{_figures(values, wanted, (), grain, sums=sums)} ORDER BY at", values)


async def trend_of(
    connection: AsyncConnection, wanted: UsageFilter, grain: Grain, by: GroupBy, kept: Sequence[str], *,
    sums: Sequence[str] = SUMS,
) -> Sequence[Row[Any]]:  # fmt: skip
    """One row per span and group (``g0``) among those ``kept`` that has calls, the dearest of a span first."""
    values = Values()
    figures = _figures(values, wanted, (by,), grain, sums=sums, kept=kept)
    return await ask(connection, f"{figures} ORDER BY at, cost_nano DESC, g0", values)


async def count_active(connection: AsyncConnection, wanted: UsageFilter, by: Literal["user", "key"]) -> int:
    """How many made a call that reached a model or failed on the way; those without a name do not count.

    Nothing is added up: for most of it, the index of the cells is enough.
    """
    values = Values()
    name = _DIMENSION[by]
    parts = _who(_Question(wanted, (name,), None, (), None, values), name)
    query = f"SELECT count(*) AS active FROM ({' UNION '.join(parts)}) AS who WHERE {name} <> ''"  # noqa: S608
    return int((await ask(connection, query, values))[0].active)


def _who(question: _Question, name: str) -> list[str]:
    """Selects whose union names everybody once, '' for nobody."""
    wanted, values, called = question.wanted, question.values, "status <> 'refused'"
    spans = [Span("records", wanted.since, wanted.until)]
    if not wanted.needs_records:
        spans = _spans(wanted, None) or spans
    parts = []
    for span in spans:
        if span.source == "records":
            met = record_conditions(wanted, values, as_summed=True)
            met += within("started_at", span.since, span.until, values)
            records = f"{question.of('usage_records')}{where([*met, called])}"
            parts.append(f"SELECT coalesce({name}, '') AS {name} FROM {records}")  # noqa: S608
    whole = [span for span in spans if span.source != "records"]
    if whole:
        around = _around(whole)
        deltas = [*within("at", around.since, around.until, values), *_narrowed(question), called]
        parts.append(f"SELECT {name} FROM {question.of('usage_deltas')}{where(deltas)}")  # noqa: S608
        for span in whole:  # one by one: of a union of spans PostgreSQL does not know how many combinations it has
            cube = _cube_for(question, span)
            within_span = f"id IN ({_cells(question, cube, span, 'dimension_id')})"
            named = where([*_narrowed(question), called, within_span])
            parts.append(f"SELECT {name} FROM {dimension_table(cube)}{named}")  # noqa: S608
    return [f"SELECT DISTINCT {name} FROM ({parts[0]}) AS first", *parts[1:]]  # noqa: S608


async def days_with_calls(connection: AsyncConnection, wanted: UsageFilter) -> list[tuple[datetime, int]]:
    """The days with calls and how many, the newest first."""
    values = Values()
    figures = _figures(values, wanted, (), "day", sums=("requests", "blocked_requests"))
    rows = await ask(connection, f"{figures} ORDER BY at DESC", values)
    return [(row.at, row.requests + row.blocked_requests) for row in rows]


async def values_of(connection: AsyncConnection, wanted: UsageFilter, groups: Sequence[GroupBy]) -> list[Counter[str]]:
    """What occurs, for each of the groups, with the number of its calls. For groups that are few even together."""
    values = Values()
    found: list[Counter[str]] = [Counter() for _ in groups]
    query = _figures(values, wanted, groups, sums=("requests", "blocked_requests"))
    for row in await ask(connection, query, values):
        for place, counter in enumerate(found):
            if row[place]:
                counter[row[place]] += row.requests + row.blocked_requests
    return found


async def most_used(connection: AsyncConnection, wanted: UsageFilter, by: GroupBy, limit: int) -> list[str]:
    """What occurs, that with most calls first."""
    values = Values()
    figures = _figures(values, wanted, (by,), sums=("requests", "blocked_requests"))
    query = (
        f"SELECT g0 FROM ({figures}) AS f WHERE g0 <> ''"  # noqa: S608
        f" ORDER BY requests + blocked_requests DESC, g0 LIMIT {values.place(limit)}::bigint"
    )
    return [row.g0 for row in await ask(connection, query, values)]


async def cost_by_day(
    connection: AsyncConnection, wanted: UsageFilter, groups: Sequence[GroupBy]
) -> Sequence[Row[Any]]:
    """Cost per day and groups (``g0``, ``g1`` …), for the summaries of LiteLLM's API; days in their order."""
    values = Values()
    figures = _figures(values, wanted, groups, "day", sums=("cost_nano",))
    query = f"SELECT *, to_char(at AT TIME ZONE {ZONE}, 'YYYY-MM-DD') AS day FROM ({figures}) AS f ORDER BY at"  # noqa: S608
    return await ask(connection, query, values)


async def daily(
    connection: AsyncConnection, wanted: UsageFilter, groups: Sequence[GroupBy], sums: Sequence[str] = SUMS
) -> Sequence[Row[Any]]:
    """One row per day (``at``) and groups (``g0``, ``g1`` …) that has calls."""
    values = Values()
    order = ", ".join(["at", *(f"g{place}" for place in range(len(groups)))])
    return await ask(connection, f"{_figures(values, wanted, groups, 'day', sums=sums)} ORDER BY {order}", values)


async def grouped(
    connection: AsyncConnection, wanted: UsageFilter, groups: Sequence[GroupBy], sums: Sequence[str] = SUMS
) -> Sequence[Row[Any]]:
    """One row per combination of groups (``g0``, ``g1`` …) that has calls, the dearest first."""
    values = Values()
    sums = ("cost_nano", *(name for name in sums if name != "cost_nano"))
    return await ask(connection, f"{_figures(values, wanted, groups, sums=sums)} ORDER BY cost_nano DESC, g0", values)
