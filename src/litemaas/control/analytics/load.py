"""How was the load of a model over the last hour, day or week? For administrators, beside what runs at this moment.

Minutes come out of the ledger's records, hours out of the sums.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from litemaas.control.analytics import load_repository as repository
from litemaas.control.auth.gates import requires
from litemaas.control.http.shapes import PROBLEMS, Name
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.usage import service as usage
from litemaas.control.usage.filters import UsageFilter
from litemaas.control.usage.spans import beginning
from litemaas.core.permissions import Permission

router = APIRouter(
    prefix="/api/v1/admin/capacity",
    tags=["operations"],
    route_class=WorkRoute,
    dependencies=[requires(Permission.ADMIN_HEALTH)],
    responses=PROBLEMS,
)
_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
_HOURS = {"day": 24, "week": 168}


class LoadQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    model: Name
    span: Literal["hour", "day", "week"] = "hour"


class LoadPoint(BaseModel):
    """What began in ``step_s`` seconds from ``at`` on; rates of a span that still runs are of the part that has passed.

    ``at_once``: how many calls ran at a time, on average; of hours, counted from the successful ones.
    ``tokens_per_second``: generated ones. Latencies are of successful calls, null without any.
    """

    at: datetime
    requests: int
    failed: int
    refused: int
    at_once: float
    tokens_per_second: float
    ttft_p50_ms: float | None
    ttft_p95_ms: float | None


class Load(BaseModel):
    """Each span from the first to the one that runs, also those without calls. A call counts once it has ended."""

    as_of: datetime
    model: str
    step_s: int
    data: list[LoadPoint]


@router.get("/history")
async def show_load(work: WorkOf, query: Annotated[LoadQuery, Query()]) -> Load:
    """Load, speed and failures of a model: minutes of an hour, or hours of a day or a week. Unknown models have none."""
    step = _MINUTE if query.span == "hour" else _HOUR
    points = await (_of_minutes(work, query.model) if query.span == "hour" else _of_hours(work, query))
    return Load(as_of=work.now, model=query.model, step_s=int(step.total_seconds()), data=points)


async def _of_minutes(work: Work, model: str) -> list[LoadPoint]:
    connection = await work.connection()
    first = work.now.replace(second=0, microsecond=0) - 59 * _MINUTE
    rows = {row.at: row for row in await repository.minutes(connection, model, first)}
    busy = await repository.busy_seconds(connection, model, first)
    points = []
    for at in (first + number * _MINUTE for number in range(60)):
        row, passed = rows.get(at), _passed(work, at, _MINUTE)
        point = LoadPoint(
            at=at, requests=row.requests if row else 0, failed=row.failed if row else 0, refused=row.refused if row else 0,
            at_once=round(busy.get(at, 0.0) / passed, 2), tokens_per_second=round((row.tokens if row else 0) / passed, 1),
            ttft_p50_ms=_ms(row.ttft_p50) if row else None, ttft_p95_ms=_ms(row.ttft_p95) if row else None,
        )  # fmt: skip
        points.append(point)
    return points


async def _of_hours(work: Work, query: LoadQuery) -> list[LoadPoint]:
    moment = await usage.moment(work)
    first = beginning("hour", work.now, work.zone) - (_HOURS[query.span] - 1) * _HOUR
    wanted = UsageFilter(models=(query.model,), since=first, zone=work.zone)
    trend = await usage.trend(moment, wanted, work.now, "hour", None, 1, latency=True)
    points = []
    for found in trend.data:
        if found.at > work.now or found.latency is None:
            continue  # hours of today that have not begun
        passed = _passed(work, found.at, _HOUR)
        busy_s = (found.latency.duration.mean_ms or 0) * found.successful_requests / 1000
        point = LoadPoint(
            at=found.at, requests=found.requests, failed=found.failed_requests, refused=found.blocked_requests,
            at_once=round(busy_s / passed, 2), tokens_per_second=round(found.completion_tokens / passed, 1),
            ttft_p50_ms=found.latency.ttft.p50_ms, ttft_p95_ms=found.latency.ttft.p95_ms,
        )  # fmt: skip
        points.append(point)
    return points


def _passed(work: Work, at: datetime, step: timedelta) -> float:
    """Seconds of a span that are over; at least one, so that its first moment is not a peak."""
    return max(1.0, min(step, work.now - at).total_seconds())


def _ms(microseconds: int | None) -> float | None:
    return None if microseconds is None else round(microseconds / 1000, 1)
