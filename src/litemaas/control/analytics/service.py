"""What do the pages of usage show? Figures of a period beside the one before it, by day, model, person and key; sums agree."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from functools import partial
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.analytics import repository
from litemaas.control.analytics.ranges import Days
from litemaas.control.analytics.schemas import (
    Analytics,
    Breakdown,
    BudgetCard,
    Cost,
    Day,
    DayModel,
    DayRange,
    Dimension,
    FilterOptions,
    HeatCell,
    HeatMap,
    Named,
    Option,
    Requests,
    Series,
    SeriesGroup,
    SeriesPoint,
    Tokens,
)
from litemaas.control.analytics.scopes import Scope
from litemaas.control.http.work import Work
from litemaas.control.keys import repository as keys
from litemaas.control.usage import figures
from litemaas.control.usage import service as usage
from litemaas.control.usage.callers import Callers, callers, count_active
from litemaas.control.usage.filters import UsageFilter
from litemaas.control.usage.moment import Moment
from litemaas.control.usage.ranking import Sort
from litemaas.control.usage.schemas import Change, GroupFigures, Overview, Trend, TrendPoint
from litemaas.control.usage.spans import Grain
from litemaas.core.errors import InvalidField
from litemaas.core.windows import day_of, window_at

_MOST_OPTIONS = 500
_ALL_GROUPS = 100_000
_PEOPLE_TOP = 5


class _Answers(msgspec.Struct, frozen=True):
    """What the parts of the analytics page are made of. ``top_users``, ``costs_by_team``: empty where people are not shown."""

    top_keys: list[Named]
    costs_by_user: list[tuple[str, int]]
    top_users: list[Named]
    models: list[Named]
    daily: Trend
    overview: Overview
    costs_by_provider: list[tuple[str, int]]
    costs_by_team: list[tuple[str, int]]
    people: int | None
    began: datetime | None


async def _ask(moment: Moment, now: datetime, scope: Scope, wanted: UsageFilter, days: Days, top: int) -> _Answers:
    """Everything side by side, what takes longest first. What two parts of the page show is asked for once."""
    few = min(top, _PEOPLE_TOP)
    current, before = usage.compared(wanted, now)

    async def who(connection: AsyncConnection) -> tuple[tuple[Callers, Callers, Callers], list[Named], list[Named]]:
        found = await callers(connection, wanted, dearest=(few, _MOST_OPTIONS, _MOST_OPTIONS))
        keys, users, _ = found
        shown = users.dearest[:few] if scope.shows_people else []
        top_keys = await _those(connection, wanted, "key", keys.dearest)
        return found, top_keys, await _those(connection, wanted, "user", shown)

    async def models(connection: AsyncConnection) -> tuple[list[Named], Trend]:
        found = await _named(connection, wanted, "model", _MOST_OPTIONS)
        kept = [model.id or "" for model in sorted(found, key=_dearest)[:top]]
        one = Moment(connection)
        return found, await usage.trend(one, wanted, now, "day", "model", top, latency=True, kept=kept)

    async def people(connection: AsyncConnection) -> int | None:
        if not scope.shows_people:
            return None
        return await repository.count_people(connection, min(days.until, now), scope.team_id)

    (
        ((keys, users, teams), top_keys, top_users), (by_model, daily), (keys_before, users_before), total_before, total,
        providers, counted, began,
    ) = await moment.together(
        who, models, partial(count_active, wanted=before), partial(usage.whole, wanted=before),
        partial(usage.whole, wanted=current), partial(figures.costs, wanted=wanted, by="provider", limit=_MOST_OPTIONS),
        people, repository.first_call_at,
    )  # fmt: skip
    overview = usage.overview_of(
        wanted, now, usage.overview_figures(total, users.active, keys.active),
        usage.overview_figures(total_before, users_before, keys_before),
    )  # fmt: skip
    by_team = teams.dearest if scope.shows_people else []
    return _Answers(top_keys, users.dearest, top_users, by_model, daily, overview, providers, by_team, counted, began)


async def analytics(work: Work, moment: Moment, scope: Scope, wanted: UsageFilter, days: Days, top: int) -> Analytics:
    """Everything of the analytics page, of one moment."""
    now = work.now
    found = await _ask(moment, now, scope, wanted, days, top)
    overview, models, daily = found.overview, found.models, found.daily
    costs = {"model": [(model.id or "", model.cost_nano) for model in models], "provider": found.costs_by_provider}
    if scope.shows_people:
        costs |= {"user": found.costs_by_user, "team": found.costs_by_team}
    current = overview.current
    parts = {dimension: _parts(of_groups, current.cost_nano) for dimension, of_groups in costs.items()}
    return Analytics(
        as_of=now,
        period=_range(days),
        comparison_period=_range(days.before()),
        total_users=found.people,
        active_users=current.active_users if scope.shows_people else None,
        active_keys=current.active_keys,
        requests=_requests(current),
        tokens=Tokens(total=current.total_tokens, prompt=current.prompt_tokens, completion=current.completion_tokens),
        cost=Cost(
            total_nano=current.cost_nano, by_model=parts["model"], by_provider=parts["provider"],
            by_user=parts.get("user"), by_team=parts.get("team"),
        ),
        success_rate=current.success_rate,
        latency=current.latency.duration if current.latency else None,
        ttft=current.latency.ttft if current.latency else None,
        trends=_trends(overview, compared=found.began is not None and found.began < days.since, people=scope.shows_people),
        daily=[_day(point, work.zone) for point in daily.data],
        daily_models=[row for point in daily.data for row in _day_models(point, work.zone)],
        top_models=models[:top],
        top_users=found.top_users if scope.shows_people else None,
        top_keys=found.top_keys,
    )  # fmt: skip


def _dearest(model: Named) -> tuple[int, int, str]:
    """As :func:`figures.dearest` puts them in order."""
    return -model.cost_nano, -(model.requests + model.blocked_requests), model.id or ""


async def series(
    work: Work, moment: Moment, wanted: UsageFilter, days: Days, by: Grain, group_by: Dimension | None,
    top: int, *, latency: bool,
) -> Series:  # fmt: skip
    trend = await usage.trend(moment, wanted, work.now, by, group_by, top, latency=latency)
    ids = sorted({group.group for point in trend.data for group in point.groups or () if group.group is not None})
    names = await repository.names_of(moment.connection, group_by, ids) if group_by else {}
    return Series(as_of=work.now, period=_range(days), data=[_series_point(point, names) for point in trend.data])


async def breakdown(
    work: Work, moment: Moment, wanted: UsageFilter, days: Days, dimension: Dimension, sort: Any, *,
    descending: bool, page: int, limit: int, latency: bool,
) -> Breakdown:  # fmt: skip
    found = await usage.summarize(
        moment, wanted, dimension, sort, descending=descending, limit=limit, page=page, latency=latency
    )
    named = await _with_names(moment.connection, found.data, dimension)
    return Breakdown(
        as_of=work.now, period=_range(days), dimension=dimension, data=named, rest=found.rest, total=found.total,
        groups=found.groups,
    )  # fmt: skip


async def heat_map(work: Work, connection: AsyncConnection, wanted: UsageFilter, days: Days) -> HeatMap:
    cells = {(d, h): [0, 0, 0] for d in range(7) for h in range(24)}
    for point in await usage.busy_hours(connection, wanted, work.now):
        at = point.at.astimezone(work.zone)
        cell = cells[at.weekday(), at.hour]
        for place, amount in enumerate((point.requests, point.total_tokens, point.cost_nano)):
            cell[place] += amount
    data = [
        HeatCell(weekday=d, hour=h, requests=requests, total_tokens=tokens, cost_nano=cost)
        for (d, h), (requests, tokens, cost) in cells.items()
    ]
    return HeatMap(as_of=work.now, period=_range(days), data=data)


async def options(work: Work, moment: Moment, scope: Scope, wanted: UsageFilter) -> FilterOptions:
    found = await usage.options(moment, wanted, work.now, _MOST_OPTIONS)
    centres, workshops = await usage.payers_that_occur(moment.connection, wanted, work.now, _MOST_OPTIONS)

    async def named(by: str, ids: Sequence[str]) -> list[Option]:
        names = await repository.names_of(moment.connection, by, ids)
        return [Option(id=one, name=names.get(one, one)) for one in ids]

    return FilterOptions(
        models=await named("model", found.models), providers=await named("provider", found.providers),
        keys=await named("key", found.keys), deployments=await named("deployment", found.deployments),
        users=await named("user", found.users) if scope.shows_people else [],
        teams=await named("team", found.teams) if scope.shows_people else [],
        endpoints=await named("endpoint", found.endpoints),
        cost_centres=await named("cost_centre", centres),
        workshops=await named("workshop", workshops),
    )  # fmt: skip


async def budget_cards(work: Work, user_id: str, username: str) -> list[BudgetCard]:
    """A person's own budget and those of their teams."""
    connection = await work.connection()
    teams = await repository.teams_of(connection, user_id)
    owners = [("user", user_id, username)] + [("team", team_id, name) for team_id, name in sorted(teams.items())]
    rows = await repository.budgets_of(connection, [f"{kind}:{owner}" for kind, owner, _ in owners])
    windows = {}
    for kind, owner, _ in owners:
        row = rows.get(scope := f"{kind}:{owner}")
        windows[scope] = (
            window_at(row.budget_duration, work.now, row.budget_set_at, work.zone)
            if row
            else window_at(None, work.now, work.now, work.zone)
        )
    spent = await keys.settled(connection, [(scope, window.start) for scope, window in windows.items()])
    cards = []
    for kind, owner, name in owners:
        scope = f"{kind}:{owner}"
        row, window = rows.get(scope), windows[scope]
        used, limit = spent.get((scope, window.start), 0), row.max_budget_nano if row else None
        cards.append(
            BudgetCard(
                kind="user" if kind == "user" else "team",
                id=owner,
                name=name,
                limit_nano=limit,
                duration=row.budget_duration if row else None,
                spent_nano=used,
                remaining_nano=None if limit is None else max(0, limit - used),
                utilisation=round(used / limit * 100, 2) if limit else None,
                resets_at=window.end,
            )
        )
    return cards


async def all_groups(moment: Moment, wanted: UsageFilter, dimension: Dimension) -> list[Named]:
    """Every group of a breakdown, for exports, which are never cut silently. Errors: InvalidField when they are too many."""
    sort: Sort = "group" if dimension == "day" else "total_tokens"
    found = await usage.summarize(
        moment, wanted, dimension, sort, descending=dimension != "day", limit=_ALL_GROUPS, page=1, latency=False
    )
    if found.rest is not None:
        message = f"There are {found.groups} lines; a file has at most {_ALL_GROUPS}. Narrow the filters or the days."
        raise InvalidField(message, "breakdown")
    return await _with_names(moment.connection, found.data, dimension)


async def all_days(moment: Moment, wanted: UsageFilter, now: datetime) -> list[Day]:
    return [
        _day(point, wanted.calendar)
        for point in (await usage.trend(moment, wanted, now, "day", None, 1, latency=True)).data
    ]


# -- shapes ---------------------------------------------------------------------------------------------------------------


def within(wanted: UsageFilter, days: Days, now: datetime) -> UsageFilter:
    """Days that are not over are read to the end of all cells: nothing begins after now, and whole months are fewer cells."""
    return msgspec.structs.replace(wanted, since=days.since, until=None if days.until > now else days.until)


def today(work: Work) -> Any:
    return day_of(work.now, work.zone)


def _range(days: Days) -> DayRange:
    return DayRange(start_date=days.first, end_date=days.last, days=days.count, complete=days.complete)


def _requests(figures: Any) -> Requests:
    return Requests(
        total=figures.requests, successful=figures.successful_requests, failed=figures.failed_requests,
        cancelled=figures.cancelled_requests, blocked=figures.blocked_requests,
    )  # fmt: skip


async def _named(connection: AsyncConnection, wanted: UsageFilter, by: Dimension, top: int) -> list[Named]:
    found = await usage.summarize(
        Moment(connection), wanted, by, "cost_nano", descending=True, limit=top, page=1, latency=False
    )
    return await _with_names(connection, found.data, by)


async def _with_names(connection: AsyncConnection, groups: Sequence[GroupFigures], by: Dimension) -> list[Named]:
    names = await repository.names_of(connection, by, [row.group for row in groups if row.group is not None])
    return [
        Named(
            id=row.group,
            name=names.get(row.group, row.group) if row.group else None,
            **row.model_dump(exclude={"group"}),
        )
        for row in groups
    ]


async def _those(
    connection: AsyncConnection, wanted: UsageFilter, by: Dimension, costs: Sequence[tuple[str, int]]
) -> list[Named]:
    """The figures of these groups, in their order."""
    found = await usage.groups_of(connection, wanted, by, [name for name, _ in costs])
    return await _with_names(connection, found, by)


def _parts(costs: Sequence[tuple[str, int]], total: int) -> dict[str, int]:
    """What each group has cost, and those that are not among them together."""
    parts = {name: cost for name, cost in costs if cost}
    rest = total - sum(parts.values())
    return {**parts, "…": rest} if rest else parts


def _trends(overview: Overview, *, compared: bool, people: bool) -> list[Change]:
    """Before the ledger's first entry there is nothing to compare with."""
    changes = [change for change in overview.changes if people or change.metric != "active_users"]
    if compared:
        return changes
    return [
        change.model_copy(update={"previous": None, "percentage_change": None, "direction": "stable"})
        for change in changes
    ]


def _day(point: TrendPoint, zone: tzinfo) -> Day:
    return Day(
        date=day_of(point.at, zone), requests=point.requests, successful=point.successful_requests,
        failed=point.failed_requests,
        cancelled=point.cancelled_requests, blocked=point.blocked_requests, total_tokens=point.total_tokens,
        prompt_tokens=point.prompt_tokens, completion_tokens=point.completion_tokens, cost_nano=point.cost_nano,
        success_rate=point.success_rate, latency=point.latency,
    )  # fmt: skip


def _day_models(point: TrendPoint, zone: tzinfo) -> list[DayModel]:
    return [
        DayModel(
            date=point.at.astimezone(zone).date(),
            model=group.group,
            is_rest=group.is_rest,
            requests=group.requests,
            total_tokens=group.total_tokens,
            prompt_tokens=group.prompt_tokens,
            completion_tokens=group.completion_tokens,
            cost_nano=group.cost_nano,
        )
        for group in point.groups or ()
    ]


def _series_point(point: TrendPoint, names: dict[str, str]) -> SeriesPoint:
    groups = None
    if point.groups is not None:
        groups = [
            SeriesGroup(
                id=group.group,
                name=names.get(group.group, group.group) if group.group else None,
                **group.model_dump(exclude={"group"}),
            )
            for group in point.groups
        ]
    return SeriesPoint(**point.model_dump(exclude={"groups"}), groups=groups)
