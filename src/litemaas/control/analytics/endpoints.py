"""Which paths show people what was used? GET, or POST with the same members where filters are long."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from litemaas.control.analytics import repository, service
from litemaas.control.analytics.ranges import Days, days_of
from litemaas.control.analytics.schemas import (
    Analytics,
    AnalyticsQuery,
    Breakdown,
    BreakdownQuery,
    BudgetCards,
    Dimension,
    ExportQuery,
    FilterOptions,
    HeatMap,
    ScopedQuery,
    Series,
    SeriesQuery,
)
from litemaas.control.analytics.scopes import Scope, narrowed, scope_of
from litemaas.control.audit.service import record
from litemaas.control.auth.gates import limited, requires
from litemaas.control.http.exports import EXPORTS, Record, as_csv, as_json, attachment
from litemaas.control.http.flights import Flights
from litemaas.control.http.rates import Rate
from litemaas.control.http.shapes import PROBLEMS
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.settings import service as settings
from litemaas.control.settings.groups import AnalyticsSettings, CurrencySettings
from litemaas.control.usage import service as usage
from litemaas.control.usage.filters import UsageFilter
from litemaas.control.usage.moment import Moment
from litemaas.core.money import format_usd
from litemaas.core.permissions import Permission

router = APIRouter(prefix="/api/v1/usage", tags=["analytics"], route_class=WorkRoute, responses=PROBLEMS)
_FIGURES, _BROWSERS = Rate("analytics", 10), Rate("analytics-browser", 120)
"""Of one token's owner or service (control-plane contract 17), and of one person in the portal: there each choice of a filter
asks four questions, and choosing must stay possible (portal contract, pitfall 56)."""
_GATE = [requires(Permission.USAGE_READ)]
_READ = [*_GATE, limited(_FIGURES, _BROWSERS)]
_FILTERS = (
    "users", "teams", "models", "providers", "keys", "deployments", "endpoints", "cost_centres", "workshops", "tags"
)  # fmt: skip
T = TypeVar("T")


class Asked(msgspec.Struct, frozen=True):
    """A question of one moment of the database: whose usage, which calls, which days."""

    moment: Moment
    scope: Scope
    wanted: UsageFilter
    days: Days


@router.get("/analytics", dependencies=_READ)
async def show_analytics(work: WorkOf, request: Request, query: Annotated[AnalyticsQuery, Query()]) -> Analytics:
    """The whole page: sums, comparison with the days before, days, models, people, keys; of one moment."""

    async def answer(asked: Asked) -> Analytics:
        return await service.analytics(work, asked.moment, asked.scope, asked.wanted, asked.days, query.top_n)

    return await _shared(work, request, "analytics", query, answer)


@router.post("/analytics", dependencies=_READ)
async def post_analytics(work: WorkOf, request: Request, body: AnalyticsQuery | None = None) -> Analytics:
    """As GET, for long filters."""
    return await show_analytics(work, request, body or AnalyticsQuery())


@router.get("/timeseries", dependencies=_READ)
async def show_series(work: WorkOf, request: Request, query: Annotated[SeriesQuery, Query()]) -> Series:
    """Sums per hour, day, ISO week or month of the installation's time zone, if wanted of the dearest groups one by one."""

    async def answer(asked: Asked) -> Series:
        return await service.series(
            work, asked.moment, asked.wanted, asked.days, query.by, query.group_by, query.top_n,
            latency=query.latency,
        )  # fmt: skip

    return await _shared(work, request, "timeseries", query, answer)


@router.post("/timeseries", dependencies=_READ)
async def post_series(work: WorkOf, request: Request, body: SeriesQuery | None = None) -> Series:
    """As GET, for long filters."""
    return await show_series(work, request, body or SeriesQuery())


@router.get("/heatmap", dependencies=_READ)
async def show_heat_map(work: WorkOf, request: Request, query: Annotated[ScopedQuery, Query()]) -> HeatMap:
    """Weekdays by hours of the day, in the installation's time zone."""

    async def answer(asked: Asked) -> HeatMap:
        return await service.heat_map(work, asked.moment.connection, asked.wanted, asked.days)

    return await _shared(work, request, "heatmap", query, answer)


@router.get("/breakdown/{dimension}", dependencies=_READ)
async def show_breakdown(
    work: WorkOf, request: Request, dimension: Dimension, query: Annotated[BreakdownQuery, Query()]
) -> Breakdown:
    """Sums by one dimension, a page at a time."""

    async def answer(asked: Asked) -> Breakdown:
        return await service.breakdown(
            work, asked.moment, asked.wanted, asked.days, dimension, query.sort, descending=query.order == "desc",
            page=query.page, limit=query.limit, latency=query.latency,
        )  # fmt: skip

    return await _shared(work, request, f"breakdown by {dimension}", query, answer)


@router.post("/breakdown/{dimension}", dependencies=_READ)
async def post_breakdown(
    work: WorkOf, request: Request, dimension: Dimension, body: BreakdownQuery | None = None
) -> Breakdown:
    """As GET, for long filters."""
    return await show_breakdown(work, request, dimension, body or BreakdownQuery())


@router.get("/filter-options", dependencies=_READ)
async def show_options(work: WorkOf, request: Request, query: Annotated[ScopedQuery, Query()]) -> FilterOptions:
    """What can be filtered by in this range and scope."""

    async def answer(asked: Asked) -> FilterOptions:
        return await service.options(work, asked.moment, asked.scope, asked.wanted)

    return await _shared(work, request, "options", query, answer)


@router.get("/budget", dependencies=_GATE)
async def show_budgets(work: WorkOf) -> BudgetCards:
    """The caller's own budget and those of the caller's teams."""
    person = work.principal.user_id
    return BudgetCards(data=await service.budget_cards(work, person, work.principal.name) if person else [])


@router.get("/export", dependencies=[*_GATE, limited(EXPORTS)], response_class=StreamingResponse)
async def export_usage(work: WorkOf, query: Annotated[ExportQuery, Query()]) -> StreamingResponse:
    """A breakdown, or the days, as a file; audited."""
    asked = await _asked(work, query, exporting=True)
    moment, scope, wanted, days = asked.moment, asked.scope, asked.wanted, asked.days
    currency = (await settings.read(work, CurrencySettings)).code
    if query.breakdown == "day":
        columns, rows = _DAY_COLUMNS, [_day_row(day) for day in await service.all_days(moment, wanted, work.now)]
    else:
        groups = await service.all_groups(moment, wanted, query.breakdown)
        emails = {}
        if query.breakdown == "user":
            emails = await repository.emails_of(moment.connection, [group.id for group in groups if group.id])
        columns, rows = _group_columns(query.breakdown), [_group_row(group, emails) for group in groups]
    chosen = {name: getattr(query, name) for name in _FILTERS if getattr(query, name)}
    period = {"start_date": str(days.first), "end_date": str(days.last)}
    metadata = {
        "exported_at": work.now, "breakdown": query.breakdown, "scope": scope.name, "filters": chosen, "period": period,
        "currency": currency,
    }  # fmt: skip
    await usage.end_snapshot(work)
    detail = {"breakdown": query.breakdown, "format": query.format, "filters": chosen, **period, "records": len(rows)}
    await record(work, "usage.exported", "usage", scope.name, detail)
    name = f"usage-{query.breakdown}-{days.first}-to-{days.last}"
    if query.format == "json":
        return attachment(name, "json", as_json(metadata, _once(rows)))
    titles = [f"{column}_{currency}" if column == "cost" else column for column in columns]
    return attachment(name, "csv", as_csv(columns, _once(rows), titles))


async def _asked(work: Work, query: ScopedQuery, *, exporting: bool = False) -> Asked:
    """Errors: PermissionDenied for what lies outside of the scope, InvalidDateRange, DateRangeTooLarge."""
    moment = await usage.moment(work)
    scope = await scope_of(work, query.scope, exporting=exporting)
    limits = await settings.read(work, AnalyticsSettings)
    most = limits.max_export_days if exporting else limits.max_days
    days = days_of(query.start_date, query.end_date, service.today(work), most, work.zone)
    members: dict[str, Any] = {name: tuple(getattr(query, name)) for name in _FILTERS}
    wanted = await narrowed(work, scope, UsageFilter(**members, zone=work.zone))
    return Asked(moment, scope, service.within(wanted, days, work.now), days)


async def _shared(
    work: Work, request: Request, what: str, query: ScopedQuery, answer: Callable[[Asked], Awaitable[T]]
) -> T:
    """The answer, shared by all who ask the same of the same scope at this moment; who waits holds no connection."""
    asked = await _asked(work, query)
    flights: Flights = request.app.state.flights
    about = (what, asked.scope, asked.days, query.model_dump_json())
    return await flights.ask(about, lambda: answer(asked), work.pause)


_DAY_COLUMNS: tuple[str, ...] = (
    "date", "requests", "successful", "failed", "cancelled", "blocked", "total_tokens", "prompt_tokens",
    "completion_tokens", "mean_latency_ms", "error_rate", "success_rate", "cost",
)  # fmt: skip


def _day_row(day: Any) -> Record:
    values: Record = day.model_dump(exclude={"latency", "cost_nano"})
    values["mean_latency_ms"] = day.latency.duration.mean_ms if day.latency else None
    values["error_rate"] = None if day.success_rate is None else round(100 - day.success_rate, 2)
    return values | {"cost": format_usd(day.cost_nano)}


def _group_columns(dimension: str) -> tuple[str, ...]:
    who = ("id", "name", "email") if dimension == "user" else ("id", "name")
    return (*who, "requests", "successful_requests", "failed_requests", "blocked_requests", "total_tokens",
            "prompt_tokens", "completion_tokens", "pages", "success_rate", "last_active_at", "cost")  # fmt: skip


def _group_row(group: Any, emails: dict[str, str | None]) -> Record:
    values: Record = group.model_dump(exclude={"latency"})
    return values | {"cost": format_usd(group.cost_nano), "email": emails.get(group.id)}


async def _once(rows: list[Record]) -> AsyncIterator[list[Record]]:
    yield rows
