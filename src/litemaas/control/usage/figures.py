"""How are sums read? Out of the rollups as far as they go, plus what is not folded yet, plus records at ragged ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Row,
    Select,
    Subquery,
    Table,
    and_,
    case,
    cast,
    func,
    null,
    select,
    text,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.usage.filters import DIMENSION_OF, UsageFilter
from litemaas.control.usage.repository import conditions
from litemaas.control.usage.spans import Grain, Span, spans_of
from litemaas.core.rollups import BOUNDS_US, CUBES, DURATION_BUCKETS, TTFT_BUCKETS
from litemaas.db.tables import rollups, usage_deltas, usage_dimensions, usage_records

GroupBy = Literal[
    "model", "key", "user", "team", "deployment", "provider", "endpoint", "status", "error", "end_user", "hour", "day",
    "week", "month",
]  # fmt: skip
_DIMENSION: dict[str, str] = {
    "model": "model", "key": "key_hash", "user": "user_id", "team": "team_id", "deployment": "deployment_id",
    "provider": "provider", "endpoint": "endpoint", "status": "status", "error": "error_code",
}  # fmt: skip
_BUCKETS = (*DURATION_BUCKETS, *TTFT_BUCKETS)
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
LATENCY = ("duration_us", "ttft_us", "ttft_calls", *_BUCKETS)
"""Of successful calls: sums and histograms."""
Sort = Literal[
    "requests", "blocked_requests", "total_tokens", "prompt_tokens", "completion_tokens", "cost_nano", "group"
]
_MEASURES_OF: dict[str, tuple[str, ...]] = {
    "requests": ("calls",),
    **dict.fromkeys(_BY_STATUS, ("calls",)),
    "estimated_requests": ("estimated_calls",),
    "total_tokens": ("prompt_tokens", "completion_tokens"),
}


class _Question(msgspec.Struct, frozen=True):
    """``kept``: the groups (of the first dimension) that are told apart, all others have none; None = all are."""

    wanted: UsageFilter
    dimensions: tuple[str, ...]
    grain: Grain | None
    measures: tuple[str, ...]
    kept: tuple[str, ...] | None


def figures_of(
    wanted: UsageFilter, groups: Sequence[GroupBy] = (), grain: Grain | None = None, *, sums: Sequence[str] = SUMS,
    kept: Sequence[str] | None = None,
) -> Subquery:  # fmt: skip
    """One row per group and ``at`` (if there is a grain): ``group``, ``group1`` … and the ``sums``.

    A group is '' for calls without one, and null for those that are not ``kept``.
    """
    measures = dict.fromkeys(measure for name in sums for measure in _MEASURES_OF.get(name, (name,)))
    question = _Question(
        wanted, (*(_DIMENSION.get(group, group) for group in groups), "status"), grain, tuple(measures),
        None if kept is None else tuple(kept),
    )  # fmt: skip
    c = union_all(*_parts(question)).subquery("cells").c
    keys: list[ColumnElement[Any]] = [c["group" if place == 0 else f"group{place}"] for place in range(len(groups))]
    if grain is not None:
        keys.append(c.at)
    figures = [_figure(c, name).label(name) for name in sums]
    return select(*keys, *figures).group_by(*keys).subquery("figures")


def _figure(c: Any, name: str) -> ColumnElement[Any]:
    if name == "last_at":
        return func.max(c.last_at)
    total: ColumnElement[Any]
    if name == "requests":
        total = func.sum(c.calls).filter(c.status != "refused")
    elif name in _BY_STATUS:
        total = func.sum(c.calls).filter(c.status == _BY_STATUS[name])
    elif name == "total_tokens":
        total = func.sum(c.prompt_tokens + c.completion_tokens)
    elif name in LATENCY:
        total = func.sum(c[name]).filter(c.status == "success")
    else:
        total = func.sum(c[_MEASURES_OF.get(name, (name,))[0]])
    return cast(func.coalesce(total, 0), BigInteger)


# -- where cells come from ------------------------------------------------------------------------------------------------


def _parts(question: _Question) -> list[Select[Any]]:
    wanted, grain = question.wanted, question.grain
    everything = Span("records", wanted.since, wanted.until)
    if wanted.needs_records or "end_user" in question.dimensions:
        return [_of_records(question, everything)]
    needed = {*question.dimensions, *(DIMENSION_OF[member] for member in DIMENSION_OF if getattr(wanted, member))}
    cube = min((cube for cube, members in CUBES.items() if needed <= set(members)), key=lambda cube: len(CUBES[cube]))
    spans = spans_of(wanted.since, wanted.until, grain)
    parts = [
        _of_records(question, span) if span.source == "records" else _of_rollup(question, cube, span) for span in spans
    ]
    whole = [span for span in spans if span.source != "records"]
    if whole:
        parts.append(_of_deltas(question, Span("hour", whole[0].since, whole[-1].until)))
    return parts or [_of_records(question, everything)]


def _of_rollup(question: _Question, cube: str, span: Span) -> Select[Any]:
    table, named = rollups[cube, span.source], usage_dimensions
    where = [*_in_span(table.c.at, span), *_narrowed(named, question.wanted)]
    source = table.join(named, named.c.id == table.c.dimension_id)
    dimensions = [named.c[name] for name in question.dimensions]
    return _summed(question, source, dimensions, table.c.at, _sums_of(question, table), where)


def _of_deltas(question: _Question, span: Span) -> Select[Any]:
    c = usage_deltas.c
    where = [*_in_span(c.at, span), *_narrowed(usage_deltas, question.wanted)]
    dimensions = [c[name] for name in question.dimensions]
    return _summed(question, usage_deltas, dimensions, c.at, _sums_of(question, usage_deltas), where)


def _sums_of(question: _Question, table: Table) -> dict[str, ColumnElement[Any]]:
    return {
        name: func.max(table.c[name]) if name == "last_at" else cast(func.sum(table.c[name]), BigInteger)
        for name in question.measures
    }


def _of_records(question: _Question, span: Span) -> Select[Any]:
    c = usage_records.c
    model = case((c.key_hash == "", ""), else_=c.model)
    dimensions = [model if name == "model" else func.coalesce(c[name], "") for name in question.dimensions]
    special: dict[str, ColumnElement[Any]] = {
        "calls": func.count(),
        "estimated_calls": func.count().filter(c.usage_source.in_(["tokenizer", "estimate"])),
        "ttft_us": func.coalesce(func.sum(c.ttft_us), 0),
        "ttft_calls": func.count(c.ttft_us),
        "last_at": func.max(c.started_at),
    }
    for buckets, column in ((DURATION_BUCKETS, c.duration_us), (TTFT_BUCKETS, c.ttft_us)):
        bucket = func.width_bucket(column, list(BOUNDS_US))
        special |= {name: func.count().filter(bucket == place) for place, name in enumerate(buckets)}
    values = {
        name: special[name] if name in special else cast(func.sum(c[name]), BigInteger) for name in question.measures
    }
    where = [*conditions(question.wanted, as_summed=True), *_in_span(c.started_at, span)]
    return _summed(question, usage_records, dimensions, c.started_at, values, where)


def _summed(
    question: _Question, source: FromClause, dimensions: Sequence[ColumnElement[Any]], at: ColumnElement[Any],
    values: Mapping[str, ColumnElement[Any]], where: Sequence[ColumnElement[bool]],
) -> Select[Any]:  # fmt: skip
    """Groups are called ``group``, ``group1`` …, the last dimension is always the status."""
    *groups, status = dimensions
    if question.kept is not None:
        groups[0] = case((groups[0].in_(question.kept), groups[0]), else_=null())
    keys = [group.label("group" if place == 0 else f"group{place}") for place, group in enumerate(groups)]
    keys.append(status.label("status"))
    if question.grain is not None:
        keys.append(func.date_trunc(question.grain, at, "UTC").label("at"))
    summed = (value.label(name) for name, value in values.items())
    return select(*keys, *summed).select_from(source).where(*where).group_by(*keys)


def _narrowed(source: FromClause, wanted: UsageFilter) -> list[ColumnElement[bool]]:
    return [
        source.c[column].in_(values) if len(values) > 1 else source.c[column] == values[0]
        for member, column in DIMENSION_OF.items()
        if (values := getattr(wanted, member))
    ]


def _in_span(at: ColumnElement[Any], span: Span) -> list[ColumnElement[bool]]:
    bounds = []
    if span.since is not None:
        bounds.append(at >= span.since)
    if span.until is not None:
        bounds.append(at < span.until)
    return bounds


# -- what is asked --------------------------------------------------------------------------------------------------------


async def prepare(connection: AsyncConnection) -> None:
    """For the transaction: memory to add up many groups at once, and plans for the very period that is asked for."""
    await connection.execute(text("SET LOCAL work_mem = '64MB'"))
    await connection.execute(text("SET LOCAL plan_cache_mode = 'force_custom_plan'"))


async def totals(connection: AsyncConnection, wanted: UsageFilter, *, latency: bool = False) -> Row[Any]:
    figures = figures_of(wanted, sums=(*SUMS, *(LATENCY if latency else ())))
    return (await connection.execute(select(figures))).one()


async def breakdown(
    connection: AsyncConnection, wanted: UsageFilter, by: GroupBy, *, sort: Sort = "cost_nano", descending: bool = True,
    limit: int = 100, offset: int = 0,
) -> Sequence[Row[Any]]:  # fmt: skip
    """One page of groups in their order, and last a row with ``place`` null for all others; ``groups``: how many a row is."""
    grain = by if by in ("hour", "day", "week", "month") else None
    figures = figures_of(wanted, () if grain else (by,), grain, sums=(*SUMS, "last_at"))
    c = figures.c
    group = func.to_char(func.timezone("UTC", c.at), _WRITTEN[grain]) if grain else c.group
    order = group if sort == "group" else c[sort]
    row = func.row_number().over(order_by=(order.desc() if descending else order, group))
    ranked = select(figures, group.label("name"), row.label("row")).subquery("ranked")
    on_page = and_(ranked.c.row > offset, ranked.c.row <= offset + limit)
    place = case((on_page, ranked.c.row), else_=null()).label("place")
    statement = select(
        place,
        func.max(case((on_page, ranked.c.name), else_=null())).label("group"),
        func.count().label("groups"),
        func.max(ranked.c.last_at).label("last_at"),
        *(cast(func.sum(ranked.c[name]), BigInteger).label(name) for name in SUMS),
    )
    return (await connection.execute(statement.group_by(place).order_by(place.asc().nulls_last()))).all()


_WRITTEN: dict[str | None, str] = {
    "hour": 'YYYY-MM-DD"T"HH24:00"Z"', "day": "YYYY-MM-DD", "week": 'IYYY-"W"IW', "month": "YYYY-MM"
}  # fmt: skip


async def latencies(
    connection: AsyncConnection, wanted: UsageFilter, by: GroupBy, kept: Sequence[str]
) -> dict[str | None, dict[str, int]]:
    """The sums of LATENCY for each of the groups ``kept``, and under None for all others together."""
    grain = by if by in ("hour", "day", "week", "month") else None
    if grain:
        figures = figures_of(wanted, (), grain, sums=("successful_requests", *LATENCY))
        names = func.to_char(func.timezone("UTC", figures.c.at), _WRITTEN[grain])
        statement = select(figures, names.label("group"))
    else:
        statement = select(figures_of(wanted, (by,), sums=("successful_requests", *LATENCY), kept=kept))
    found: dict[str | None, dict[str, int]] = {}
    for row in await connection.execute(statement):
        name = row.group if row.group in kept else None
        sums = found.setdefault(name, dict.fromkeys(LATENCY, 0))
        for unit in LATENCY:
            sums[unit] += row._mapping[unit]
    return found


async def dearest(connection: AsyncConnection, wanted: UsageFilter, by: GroupBy, top: int) -> list[str]:
    """The groups that cost most; among equals those with more requests."""
    figures = figures_of(wanted, (by,), sums=("cost_nano", "requests"))
    order = (figures.c.cost_nano.desc(), figures.c.requests.desc(), figures.c.group)
    return list((await connection.execute(select(figures.c.group).order_by(*order).limit(top))).scalars())


async def trend(
    connection: AsyncConnection, wanted: UsageFilter, grain: Grain, by: GroupBy | None = None, top: int = 8, *,
    latency: bool = False,
) -> Sequence[Row[Any]]:  # fmt: skip
    """One row per span that has calls, in their order; with ``by`` one per group among the ``top`` dearest, and one for others
    (``group`` is null)."""
    sums = (*SUMS, *(LATENCY if latency else ()))
    if by is None:
        figures = figures_of(wanted, (), grain, sums=sums)
        return (await connection.execute(select(figures).order_by(figures.c.at))).all()
    kept = await dearest(connection, wanted, by, top)
    figures = figures_of(wanted, (by,), grain, sums=sums, kept=kept)
    return (await connection.execute(select(figures).order_by(figures.c.at))).all()


async def count_active(connection: AsyncConnection, wanted: UsageFilter) -> tuple[int, int]:
    """How many users and keys made a call that reached a model or failed on the way; those without a name do not count."""
    c = (figures := figures_of(wanted, ("user", "key"), sums=("requests",))).c
    users, keys = (func.count(column.distinct()).filter(column != "") for column in (c.group, c.group1))
    found = (await connection.execute(select(users, keys).select_from(figures).where(c.requests > 0))).one()
    return int(found[0]), int(found[1])


async def values_of(connection: AsyncConnection, wanted: UsageFilter, groups: Sequence[GroupBy]) -> list[Counter[str]]:
    """What occurs, for each of the groups, with the number of its calls: the options of a filter."""
    figures = figures_of(wanted, groups, sums=("requests", "blocked_requests"))
    found: list[Counter[str]] = [Counter() for _ in groups]
    for *names, requests, blocked in await connection.execute(select(figures)):
        for counter, name in zip(found, names, strict=True):
            if name:
                counter[name] += requests + blocked
    return found


async def cost_by_day(
    connection: AsyncConnection, wanted: UsageFilter, groups: Sequence[GroupBy]
) -> Sequence[Row[Any]]:
    """Cost per day and groups (``group``, ``group1`` …), for the summaries of LiteLLM's API; days in their order."""
    c = (figures := figures_of(wanted, groups, "day", sums=("cost_nano",))).c
    day = func.to_char(func.timezone("UTC", c.at), "YYYY-MM-DD").label("day")
    names = [c["group" if place == 0 else f"group{place}"] for place in range(len(groups))]
    columns: list[ColumnElement[Any]] = [day, *names, c.cost_nano.label("cost")]
    rows: Sequence[Row[Any]] = (await connection.execute(select(*columns).order_by(day))).all()
    return rows
