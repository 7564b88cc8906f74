"""What do the figures say? Rates, percentiles, comparisons and whole series, out of sums."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.http.work import Work
from litemaas.control.usage import figures, ranking, repository
from litemaas.control.usage.callers import callers, count_active
from litemaas.control.usage.cells import LATENCY, SUMS, GroupBy, is_few
from litemaas.control.usage.filters import UsageFilter
from litemaas.control.usage.moment import Moment
from litemaas.control.usage.ranking import Sort
from litemaas.control.usage.schemas import (
    Change,
    Figures,
    GroupFigures,
    Latency,
    Options,
    Overview,
    OverviewFigures,
    Percentiles,
    Period,
    Summary,
    Trend,
    TrendGroup,
    TrendPoint,
)
from litemaas.control.usage.spans import Grain, beginning, following
from litemaas.core.errors import InvalidField
from litemaas.core.rollups import DURATION_BUCKETS, TTFT_BUCKETS, percentile
from litemaas.core.windows import day_of, midnight

_USUAL_DAYS = 30
_MOST_POINTS = 2_000
_STABLE_PERCENT = 1
_COMPARED = (
    "requests", "cost_nano", "active_users", "total_tokens", "prompt_tokens", "completion_tokens", "success_rate"
)  # fmt: skip


async def snapshot(work: Work) -> AsyncConnection:
    """The request's connection, ready for figures; all that it reads is of one moment."""
    connection = await work.connection()
    await connection.commit()  # ends what finding the caller began
    await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    await repository.prepare(connection)
    return connection


async def moment(work: Work) -> Moment:
    """As :func:`snapshot`, for questions that may be asked side by side."""
    return Moment(await snapshot(work), work)


async def end_snapshot(work: Work) -> None:
    """For requests that write when they have read, like what was exported to whom."""
    connection = await work.connection()
    await connection.commit()
    await connection.execution_options(isolation_level="READ COMMITTED", postgresql_readonly=False)


async def summarize(
    moment: Moment, wanted: UsageFilter, by: GroupBy, sort: Sort, *, descending: bool, limit: int, page: int,
    latency: bool,
) -> Summary:  # fmt: skip
    """Of one moment, so that the parts make the total even while records arrive."""
    rows = await ranking.breakdown(
        moment, wanted, by, sort=sort, descending=descending, limit=limit, offset=(page - 1) * limit, latency=latency
    )
    rest = [row.sums for row in rows if row.place is None]
    names = (*SUMS, *LATENCY) if latency else SUMS
    total = {name: sum(row.sums[name] for row in rows) for name in names}
    return Summary(
        group_by=by,
        data=[
            GroupFigures(group=row.name or None, last_active_at=row.last_at, **_figures(row.sums, latency))
            for row in rows
            if row.place is not None
        ],
        rest=Figures(**_figures(rest[0], latency)) if rest else None,
        total=Figures(**_figures(total, latency)),
        groups=sum(row.groups for row in rows),
    )


async def groups_of(
    connection: AsyncConnection, wanted: UsageFilter, by: GroupBy, names: Sequence[str]
) -> list[GroupFigures]:
    """The figures of these groups, in their order; those without calls are left out."""
    found = await ranking.figures_of(connection, wanted, by, names) if names else {}
    return [
        GroupFigures(group=name or None, last_active_at=found[name].last_at, **_figures(found[name]._asdict(), False))
        for name in names
        if name in found
    ]


async def overview(moment: Moment, wanted: UsageFilter, now: datetime) -> Overview:
    """The period and the one before it; the last 30 days if nothing else is asked for."""
    current, before = compared(wanted, now)
    (keys, users), (keys_before, users_before), total, total_before = await moment.together(
        partial(count_active, wanted=current), partial(count_active, wanted=before), partial(whole, wanted=current),
        partial(whole, wanted=before),
    )  # fmt: skip
    current_figures = overview_figures(total, users, keys)
    before_figures = overview_figures(total_before, users_before, keys_before)
    return overview_of(wanted, now, current_figures, before_figures)


def compared(wanted: UsageFilter, now: datetime) -> tuple[UsageFilter, UsageFilter]:
    """``wanted`` in its period and in the one before it."""
    since, until = _period(wanted, now)
    return _within(wanted, since, until, now), _within(wanted, since - (until - since), since, now)


async def whole(connection: AsyncConnection, wanted: UsageFilter) -> Mapping[str, int]:
    """All sums together, those of latencies too."""
    return await figures.totals(connection, wanted, sums=(*SUMS, *LATENCY))


def overview_of(wanted: UsageFilter, now: datetime, current: OverviewFigures, previous: OverviewFigures) -> Overview:
    """What the figures of the two periods of :func:`compared` say."""
    since, until = _period(wanted, now)
    return Overview(
        as_of=now,
        period=Period(since=since, until=until, complete=until <= now),
        comparison_period=Period(since=since - (until - since), until=since, complete=since <= now),
        current=current,
        previous=previous,
        changes=[change_of(metric, getattr(current, metric), getattr(previous, metric)) for metric in _COMPARED],
    )


def overview_figures(total: Mapping[str, int], users: int, keys: int) -> OverviewFigures:
    """``total``: as of :func:`whole`; ``users``, ``keys``: how many were active."""
    return OverviewFigures(**_figures(total, latency=True), active_users=users, active_keys=keys)


async def trend(
    moment: Moment, wanted: UsageFilter, now: datetime, grain: Grain, by: GroupBy | None, top: int, *,
    latency: bool, kept: Sequence[str] | None = None,
) -> Trend:  # fmt: skip
    """Every span of the period. ``kept``: the groups to be shown, if it is known already which cost most; these are
    without latency.

    Errors: InvalidField when they are too many.
    """
    since, until = _period(wanted, now)
    starts = list(_starts(grain, since, until, wanted.calendar))
    within = _within(wanted, since, until, now)
    names = (*SUMS, *LATENCY) if latency else SUMS
    of_groups = names if kept is None else SUMS

    async def of_dearest(connection: AsyncConnection) -> Sequence[Row[Any]]:
        if by is None:
            return []
        dearest = kept if kept is not None else await figures.dearest(connection, within, by, top)
        return await figures.trend_of(connection, within, grain, by, dearest, sums=of_groups)

    of_all = partial(figures.trend, wanted=within, grain=grain, sums=names)
    found, totals = await moment.together(of_dearest, of_all) if by else ([], await of_all(moment.connection))
    spans = {row.at: row._asdict() for row in totals}
    groups: dict[datetime, list[dict[str, Any]]] = {}
    for row in found:
        groups.setdefault(row.at, []).append(row._asdict())
    nothing = dict.fromkeys(names, 0)
    return Trend(
        as_of=now,
        period=Period(since=since, until=until, complete=until <= now),
        by=grain,
        group_by=by,
        data=[
            TrendPoint(
                at=start,
                **_figures(spans.get(start, nothing), latency),
                groups=None if by is None else _trend_groups(spans.get(start), groups.get(start, []), of_groups),
            )
            for start in starts
        ],
    )


async def busy_hours(connection: AsyncConnection, wanted: UsageFilter, now: datetime) -> Sequence[Row[Any]]:
    """The hours that have calls (``at``), with requests, tokens and cost; of any number of days."""
    since, until = _period(wanted, now)
    sums = ("requests", "total_tokens", "cost_nano")
    return await figures.trend(connection, _within(wanted, since, until, now), "hour", sums=sums)


def _trend_groups(total: dict[str, Any] | None, found: list[dict[str, Any]], names: Sequence[str]) -> list[TrendGroup]:
    """The groups that were found, and what they leave of the total."""
    latency = names is not SUMS
    groups = [TrendGroup(group=row["g0"] or None, is_rest=False, **_figures(row, latency)) for row in found]
    rest = _less(total, found, names) if total is not None else {}
    if any(rest[name] for name in rest):
        groups.append(TrendGroup(group=None, is_rest=True, **_figures(rest, latency)))
    return groups


async def options(moment: Moment, wanted: UsageFilter, now: datetime, limit: int) -> Options:
    """What occurs in the period, for each filter the most used first."""
    within = _within(wanted, *_period(wanted, now), now)
    served = partial(figures.values_of, wanted=within, groups=("model", "deployment", "provider", "endpoint", "error"))
    if is_few(within):
        of_callers = partial(figures.values_of, wanted=within, groups=("key", "user", "team"))
        asked, found = await moment.together(of_callers, served)
        keys, users, teams = (_most_first(values, limit) for values in asked)
    else:
        of_each, found = await moment.together(partial(callers, wanted=within, busiest=limit), served)
        keys, users, teams = (kind.busiest for kind in of_each)
    models, deployments, providers, endpoints, error_codes = (_most_first(values, limit) for values in found)
    return Options(
        keys=keys, users=users, teams=teams, models=models, deployments=deployments, providers=providers,
        endpoints=endpoints, error_codes=error_codes,
    )  # fmt: skip


async def payers_that_occur(
    connection: AsyncConnection, wanted: UsageFilter, now: datetime, limit: int
) -> tuple[list[str], list[str]]:
    """Cost centres and workshops, the most used first."""
    within = _within(wanted, *_period(wanted, now), now)
    centres, workshops = await figures.values_of(connection, within, ("cost_centre", "workshop"))
    return _most_first(centres, limit), _most_first(workshops, limit)


def _most_first(found: Mapping[str, int], limit: int) -> list[str]:
    return sorted(found, key=lambda value: (-found[value], value))[:limit]


def change_of(metric: str, current: float | None, previous: float | None) -> Change:
    """How ``current`` compares with ``previous``; up to one percent is stable."""
    change = None
    if current is None or previous is None or current == previous:
        direction = "stable"
    elif previous == 0:
        direction = "up"
    else:
        change = round((current - previous) / previous * 100, 2)
        direction = "stable" if abs(change) <= _STABLE_PERCENT else "up" if change > 0 else "down"
    if change is None and previous and current == previous:
        change = 0.0
    return Change.model_validate(
        {
            "metric": metric,
            "current": current,
            "previous": previous,
            "percentage_change": change,
            "direction": direction,
        }
    )


# -- periods --------------------------------------------------------------------------------------------------------------


def _period(wanted: UsageFilter, now: datetime) -> tuple[datetime, datetime]:
    """Errors: InvalidField when the period is empty."""
    zone = wanted.calendar
    tomorrow = following("day", beginning("day", now, zone), zone)
    until = min(wanted.until or tomorrow, tomorrow)
    last = day_of(until - timedelta(microseconds=1), zone)
    since = wanted.since or midnight(last - timedelta(days=_USUAL_DAYS - 1), zone)
    if since >= until:
        raise InvalidField("since must be before until, and not after today.", "since")
    return since, until


def _within(wanted: UsageFilter, since: datetime, until: datetime, now: datetime) -> UsageFilter:
    """``wanted`` in a period. One that has not ended is read to the end of all cells: nothing begins after now."""
    return msgspec.structs.replace(wanted, since=since, until=None if until > now else until)


def _starts(grain: Grain, since: datetime, until: datetime, zone: tzinfo) -> Iterator[datetime]:
    start = beginning(grain, since, zone)
    for _ in range(_MOST_POINTS):
        if start >= until:
            return
        yield start
        start = following(grain, start, zone)
    if start < until:
        raise InvalidField(f"The period has more than {_MOST_POINTS} of these spans; ask for longer ones.", "by")


# -- sums to figures ------------------------------------------------------------------------------------------------------


def _less(total: Mapping[str, Any], parts: Iterable[Mapping[str, Any]], names: Sequence[str]) -> dict[str, int]:
    """What ``parts`` leave of ``total``; all are of one moment."""
    parts = list(parts)
    return {name: total[name] - sum(part[name] for part in parts) for name in names}


def _figures(sums: Mapping[str, int], latency: bool) -> dict[str, Any]:
    requests, successful = sums["requests"], sums["successful_requests"]
    found: dict[str, Any] = {name: sums[name] for name in SUMS}
    found["success_rate"] = round(successful / requests * 100, 2) if requests else None
    if latency:
        found["latency"] = Latency(
            duration=_percentiles(sums["duration_us"], successful, [sums[name] for name in DURATION_BUCKETS]),
            ttft=_percentiles(sums["ttft_us"], sums["ttft_calls"], [sums[name] for name in TTFT_BUCKETS]),
        )
    return found


def _percentiles(total_us: int, calls: int, counts: Sequence[int]) -> Percentiles:
    p50, p95, p99 = (percentile(counts, share) for share in (0.5, 0.95, 0.99))
    return Percentiles(
        mean_ms=_ms(total_us / calls) if calls else None, p50_ms=_ms(p50), p95_ms=_ms(p95), p99_ms=_ms(p99)
    )


def _ms(us: float | None) -> float | None:
    return None if us is None else round(us / 1000, 3)
