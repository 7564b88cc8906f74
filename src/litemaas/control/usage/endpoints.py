"""Which paths show what was used? Records by cursor, sums by group and over time, a period beside the one before it."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Any

from fastapi import APIRouter, Query

from litemaas.control.audit.service import record
from litemaas.control.auth.gates import requires
from litemaas.control.http.shapes import PROBLEMS
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.usage import repository, service
from litemaas.control.usage.filters import UsageFilter
from litemaas.control.usage.listing import cursor_of, place_of
from litemaas.control.usage.listing import list_records as list_records_of
from litemaas.control.usage.orders import NEWEST
from litemaas.control.usage.schemas import (
    CursorPagination,
    Options,
    OptionsQuery,
    Overview,
    OverviewQuery,
    RecordOut,
    RecordPage,
    RecordQuery,
    Summary,
    SummaryQuery,
    Trend,
    TrendQuery,
    UsageQuery,
)
from litemaas.core.errors import InvalidField
from litemaas.core.permissions import Permission

_PARAMETER_OF = {
    "keys": "key", "users": "user_id", "teams": "team_id", "models": "model", "deployments": "deployment_id",
    "providers": "provider", "endpoints": "endpoint", "statuses": "status", "error_codes": "error_code",
    "end_users": "end_user", "tags": "tag", "sources": "source",
}  # fmt: skip
router = APIRouter(
    prefix="/api/v1/admin/usage",
    tags=["usage"],
    route_class=WorkRoute,
    dependencies=[requires(Permission.ADMIN_USAGE_READ)],
    responses=PROBLEMS,
)


@router.get("/records")
async def list_records(work: WorkOf, query: Annotated[RecordQuery, Query()]) -> RecordPage:
    """The newest first; records appear when their gateway has flushed them. Audited, once for all pages of a question."""
    after = place_of(query.cursor, NEWEST)
    connection = await work.connection()
    await repository.prepare(connection)
    rows = await list_records_of(connection, _filter(work, query), query.limit + 1, after, work.now)
    page = rows[: query.limit]
    if after is None:
        chosen = query.model_dump(mode="json", exclude_defaults=True)
        await record(work, "request_log.read", "request_log", "all", chosen)
    more = cursor_of(page[-1], NEWEST) if len(rows) > len(page) else None
    return RecordPage(
        data=[RecordOut(**row._mapping) for row in page],
        pagination=CursorPagination(limit=query.limit, next_cursor=more),
    )


@router.get("/summary")
async def summarize(work: WorkOf, query: Annotated[SummaryQuery, Query()]) -> Summary:
    """Sums by group, a page of them at a time; of all times if no period is asked for."""
    is_time = query.group_by in ("hour", "day", "week", "month")
    sort = query.sort or ("group" if is_time else "cost_nano")
    descending = query.order == "desc" if query.order else sort != "group"
    return await service.summarize(
        await service.moment(work), _filter(work, query), query.group_by, sort, descending=descending, limit=query.limit,
        page=query.page, latency=query.latency,
    )  # fmt: skip


@router.get("/overview")
async def show_overview(work: WorkOf, query: Annotated[OverviewQuery, Query()]) -> Overview:
    """A period beside the one before it, with latencies and who was active."""
    return await service.overview(await service.moment(work), _filter(work, query), work.now)


@router.get("/trend")
async def show_trend(work: WorkOf, query: Annotated[TrendQuery, Query()]) -> Trend:
    """Sums per hour, day, ISO week or month of the installation's time zone, if wanted of the dearest groups one by one."""
    return await service.trend(
        await service.moment(work),
        _filter(work, query),
        work.now,
        query.by,
        query.group_by,
        query.top,
        latency=query.latency,
    )


@router.get("/options")
async def list_options(work: WorkOf, query: Annotated[OptionsQuery, Query()]) -> Options:
    """What can be filtered by, deleted things included."""
    return await service.options(await service.moment(work), _filter(work, query), work.now, query.limit)


def _filter(work: Work, query: UsageQuery) -> UsageFilter:
    if query.since and query.until and query.since >= query.until:
        raise InvalidField("since must be before until.", "since")
    members: dict[str, Any] = {member: tuple(getattr(query, name)) for member, name in _PARAMETER_OF.items()}
    members |= query.model_dump(include={"request_id", "min_duration_us", "min_cost_nano"})
    members |= {name: at.astimezone(UTC) for name in ("since", "until") if (at := getattr(query, name)) is not None}
    return UsageFilter(**members, zone=work.zone)
