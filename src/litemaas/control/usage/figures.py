"""How are sums read? Out of the rollups as far as they go, plus what is not folded yet, plus records at ragged ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Row,
    Select,
    String,
    Subquery,
    and_,
    case,
    cast,
    func,
    null,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.usage.filters import DIMENSION_OF, UsageFilter
from litemaas.control.usage.repository import conditions
from litemaas.control.usage.spans import Grain, Span, spans_of
from litemaas.core.rollups import BOUNDS_US, CUBES, DURATION_BUCKETS, MEASURES, TTFT_BUCKETS
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
_OF_SUCCESSES = ("duration_us", "ttft_us", "ttft_calls")
_PLAIN = (
    "prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens", "pages", "cost_nano",
    "input_cost_nano", "output_cost_nano",
)  # fmt: skip
SUMS = ("requests", *_BY_STATUS, "estimated_requests", "total_tokens", *_PLAIN)
"""What is added up for everybody; ``requests`` reached a model or failed on the way, ``blocked_requests`` were refused."""
Sort = Literal[
    "requests", "blocked_requests", "total_tokens", "prompt_tokens", "completion_tokens", "cost_nano", "group"
]


def figures_of(
    wanted: UsageFilter, groups: Sequence[GroupBy] = (), grain: Grain | None = None, *, latency: bool = False
) -> Subquery:
    """One row per group and ``at`` (if there is a grain): ``group`` (the first one), SUMS, and histograms for ``latency``.

    ``group`` is '' for calls without one.
    """
    names = [*(_DIMENSION.get(group, group) for group in groups), "status"]
    measures = [*MEASURES, "last_at", *(_BUCKETS if latency else ())]
    parts = _parts(wanted, names, grain, measures)
    cells = union_all(*parts).subquery("cells")
    c = cells.c
    keys: list[ColumnElement[Any]] = [c["group" if place == 0 else f"group{place}"] for place in range(len(groups))]
    if grain is not None:
        keys.append(c.at)

    def added(name: str, status: str | None = None) -> ColumnElement[int]:
        total = func.sum(c[name])
        chosen = total.filter(c.status == status) if status is not None else total
        return cast(func.coalesce(chosen, 0), BigInteger)

    counted = {
        "requests": cast(func.coalesce(func.sum(c.calls).filter(c.status != "refused"), 0), BigInteger),
        **{name: added("calls", status) for name, status in _BY_STATUS.items()},
        "estimated_requests": added("estimated_calls"),
        "total_tokens": cast(func.coalesce(func.sum(c.prompt_tokens + c.completion_tokens), 0), BigInteger),
        **{name: added(name) for name in _PLAIN},
        **{name: added(name, "success") for name in _OF_SUCCESSES},
        **({name: added(name) for name in _BUCKETS} if latency else {}),
    }
    statement = select(
        *keys, *(value.label(name) for name, value in counted.items()), func.max(c.last_at).label("last_at")
    )
    return statement.group_by(*keys).subquery("figures")


# -- where cells come from ------------------------------------------------------------------------------------------------


def _parts(
    wanted: UsageFilter, names: Sequence[str], grain: Grain | None, measures: Sequence[str]
) -> list[Select[Any]]:
    if wanted.needs_records or "end_user" in names:
        return [_of_records(wanted, Span("records", wanted.since, wanted.until), names, grain, measures)]
    needed = {*names, *(DIMENSION_OF[member] for member in DIMENSION_OF if getattr(wanted, member))}
    cube = min((cube for cube, members in CUBES.items() if needed <= set(members)), key=lambda cube: len(CUBES[cube]))
    spans = spans_of(wanted.since, wanted.until, grain)
    parts = [
        _of_records(wanted, span, names, grain, measures)
        if span.source == "records"
        else _of_rollup(wanted, cube, span, names, grain, measures)
        for span in spans
    ]
    whole = [span for span in spans if span.source != "records"]
    if whole:
        parts.append(_of_deltas(wanted, Span("hour", whole[0].since, whole[-1].until), names, grain, measures))
    return parts or [_of_records(wanted, Span("records", wanted.since, wanted.until), names, grain, measures)]


def _of_rollup(
    wanted: UsageFilter, cube: str, span: Span, names: Sequence[str], grain: Grain | None, measures: Sequence[str]
) -> Select[Any]:
    table = rollups[cube, span.source]
    source = table.join(usage_dimensions, usage_dimensions.c.id == table.c.dimension_id)
    values = {name: func.sum(table.c[name]) for name in measures if name != "last_at"} | {
        "last_at": func.max(table.c.last_at)
    }
    where = [*_in_span(table.c.at, span), *_narrowed(usage_dimensions, wanted)]
    return _summed(source, [usage_dimensions.c[name] for name in names], table.c.at, grain, values, where)


def _of_deltas(
    wanted: UsageFilter, span: Span, names: Sequence[str], grain: Grain | None, measures: Sequence[str]
) -> Select[Any]:
    c = usage_deltas.c
    values = {name: func.sum(c[name]) for name in measures if name != "last_at"} | {"last_at": func.max(c.last_at)}
    where = [*_in_span(c.at, span), *_narrowed(usage_deltas, wanted)]
    return _summed(usage_deltas, [c[name] for name in names], c.at, grain, values, where)


def _of_records(
    wanted: UsageFilter, span: Span, names: Sequence[str], grain: Grain | None, measures: Sequence[str]
) -> Select[Any]:
    c = usage_records.c
    model = case((c.key_hash == "", ""), else_=c.model)
    dimensions = [model if name == "model" else func.coalesce(c[name], "") for name in names]
    calls: dict[str, ColumnElement[Any]] = {
        "calls": func.count(),
        "estimated_calls": func.count().filter(c.usage_source.in_(["tokenizer", "estimate"])),
        "ttft_us": func.coalesce(func.sum(c.ttft_us), 0),
        "ttft_calls": func.count(c.ttft_us),
        "last_at": func.max(c.started_at),
    }
    for buckets, column in ((DURATION_BUCKETS, c.duration_us), (TTFT_BUCKETS, c.ttft_us)):
        bucket = func.width_bucket(column, list(BOUNDS_US))
        calls |= {
            name: func.count().filter(and_(c.status == "success", bucket == place))
            for place, name in enumerate(buckets)
        }
    values = {name: calls[name] if name in calls else func.sum(c[name]) for name in measures}
    where = [*conditions(wanted, as_summed=True), *_in_span(c.started_at, span)]
    return _summed(usage_records, dimensions, c.started_at, grain, values, where)


def _summed(
    source: FromClause, dimensions: Sequence[ColumnElement[Any]], at: ColumnElement[Any], grain: Grain | None,
    values: Mapping[str, ColumnElement[Any]], where: Sequence[ColumnElement[bool]],
) -> Select[Any]:  # fmt: skip
    """Groups are called ``group``, ``group1`` …, the last dimension is always the status."""
    *groups, status = dimensions
    keys = [group.label("group" if place == 0 else f"group{place}") for place, group in enumerate(groups)]
    keys.append(status.label("status"))
    if grain is not None:
        keys.append(func.date_trunc(grain, at, "UTC").label("at"))
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


async def totals(connection: AsyncConnection, wanted: UsageFilter, *, latency: bool = False) -> Row[Any]:
    return (await connection.execute(select(figures_of(wanted, latency=latency)))).one()


async def breakdown(
    connection: AsyncConnection, wanted: UsageFilter, by: GroupBy, *, sort: Sort = "cost_nano", descending: bool = True,
    limit: int = 100, offset: int = 0, latency: bool = False,
) -> Sequence[Row[Any]]:  # fmt: skip
    """One page of groups in their order, and last a row with ``place`` null for all others; ``groups``: how many a row is."""
    grain = by if by in ("hour", "day", "week", "month") else None
    figures = figures_of(wanted, () if grain else (by,), grain, latency=latency)
    c = figures.c
    group = func.to_char(func.timezone("UTC", c.at), _WRITTEN[grain]) if grain else c.group
    order = group if sort == "group" else c[sort]
    ranked = select(
        figures,
        group.label("name"),
        func.row_number().over(order_by=(order.desc() if descending else order, group)).label("row"),
    ).subquery("ranked")
    on_page = and_(ranked.c.row > offset, ranked.c.row <= offset + limit)
    place = case((on_page, ranked.c.row), else_=null()).label("place")
    summed = [
        cast(func.sum(ranked.c[name]), BigInteger).label(name)
        for name in (*SUMS, *_OF_SUCCESSES, *(_BUCKETS if latency else ()))
    ]
    named = case((on_page, ranked.c.name), else_=null())
    statement = select(
        place,
        func.max(named).label("group"),
        func.count().label("groups"),
        func.max(ranked.c.last_at).label("last_at"),
        *summed,
    )
    return (await connection.execute(statement.group_by(place).order_by(place.asc().nulls_last()))).all()


_WRITTEN: dict[str | None, str] = {
    "hour": 'YYYY-MM-DD"T"HH24:00"Z"', "day": "YYYY-MM-DD", "week": 'IYYY-"W"IW', "month": "YYYY-MM"
}  # fmt: skip


async def trend(
    connection: AsyncConnection, wanted: UsageFilter, grain: Grain, by: GroupBy | None = None, top: int = 8, *,
    latency: bool = False,
) -> Sequence[Row[Any]]:  # fmt: skip
    """One row per span that has calls, in their order; with ``by`` one per group among the ``top`` dearest, and one for others.

    ``place``: the group's rank, null for others and without ``by``.
    """
    figures = figures_of(wanted, (by,) if by else (), grain, latency=latency)
    c = figures.c
    if by is None:
        whole = select(figures, cast(null(), BigInteger).label("place"), cast(null(), String).label("group"))
        return (await connection.execute(whole.order_by(c.at))).all()
    once = select(figures).cte("once")
    order = (func.sum(once.c.cost_nano).desc(), func.sum(once.c.requests).desc(), once.c.group)
    ranked = select(once.c.group, func.row_number().over(order_by=order).label("place"))
    dearest = ranked.group_by(once.c.group).subquery("dearest")
    best = select(dearest).where(dearest.c.place <= top).subquery("best")
    summed = [
        cast(func.sum(once.c[name]), BigInteger).label(name)
        for name in (*SUMS, *_OF_SUCCESSES, *(_BUCKETS if latency else ()))
    ]
    statement = (
        select(once.c.at, best.c.place, best.c.group, func.max(once.c.last_at).label("last_at"), *summed)
        .select_from(once.outerjoin(best, best.c.group == once.c.group))
        .group_by(once.c.at, best.c.place, best.c.group)
        .order_by(once.c.at, best.c.place.asc().nulls_last())
    )
    return (await connection.execute(statement)).all()


async def count_active(connection: AsyncConnection, wanted: UsageFilter, by: GroupBy) -> int:
    """How many groups made a call that reached a model or failed on the way; those without a name are no group."""
    figures = figures_of(wanted, (by,))
    statement = select(func.count()).select_from(figures).where(figures.c.requests > 0, figures.c.group != "")
    return int((await connection.execute(statement)).scalar_one())


async def values_of(connection: AsyncConnection, wanted: UsageFilter, by: GroupBy, limit: int) -> list[str]:
    """What occurs, most used first: the options of a filter."""
    figures = figures_of(wanted, (by,))
    order = (figures.c.requests + figures.c.blocked_requests).desc()
    statement = select(figures.c.group).where(figures.c.group != "").order_by(order, figures.c.group).limit(limit)
    return list((await connection.execute(statement)).scalars())


async def cost_by_day(connection: AsyncConnection, wanted: UsageFilter) -> Sequence[Row[Any, Any, Any, Any, Any]]:
    """Cost per day, user, model and key; for the summaries of LiteLLM's API."""
    c = (figures := figures_of(wanted, ("user", "model", "key"), "day")).c
    day = func.to_char(func.timezone("UTC", c.at), "YYYY-MM-DD").label("day")
    columns = (c.group.label("user_id"), c.group1.label("model"), c.group2.label("key_hash"), c.cost_nano.label("cost"))
    return (await connection.execute(select(day, *columns).select_from(figures).order_by(day))).all()
