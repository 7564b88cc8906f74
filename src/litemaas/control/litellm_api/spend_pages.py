"""LiteLLM's paged spend logs: single calls of a period, filtered and in the order that is asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from litemaas.control.http.work import WorkOf, WorkRoute
from litemaas.control.keys.service import hash_of
from litemaas.control.litellm_api.errors import Refused
from litemaas.control.litellm_api.gate import Access, facade_requires
from litemaas.control.litellm_api.key_requests import Usd, nano
from litemaas.control.litellm_api.spend import rows_shown
from litemaas.control.usage import repository
from litemaas.control.usage.filters import UsageFilter
from litemaas.core.ledger import Status

router = APIRouter(route_class=WorkRoute)
_FORMAT = "%Y-%m-%d %H:%M:%S"
_ORDERS = {
    "startTime": "started_at",
    "endTime": "started_at + duration_us * interval '1 microsecond'",
    "request_duration_ms": "duration_us",
    "spend": "cost_nano",
    "total_tokens": "prompt_tokens + completion_tokens",
    "model": "model",
}
"""What can be sorted by, and what that is in the ledger."""
_FAILED = (Status.FAILURE, Status.REFUSED, Status.CANCELLED)


class LogQuery(BaseModel):
    """Instants are UTC. ``model``: the public name; ``error_code``: the HTTP status."""

    start_date: str | None = None
    end_date: str | None = None
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    page_size: Annotated[int, Field(ge=1, le=1000)] = 50
    sort_by: str = "startTime"
    sort_order: Literal["asc", "desc"] = "desc"
    api_key: str | None = None
    user_id: str | None = None
    team_id: str | None = None
    request_id: str | None = None
    min_spend: Usd | None = None
    max_spend: Usd | None = None
    model: str | None = None
    model_id: str | None = None
    key_alias: str | None = None
    end_user: str | None = None
    status_filter: Literal["success", "failure"] | None = None
    error_code: Annotated[int, Field(ge=100, le=599)] | None = None
    error_message: Annotated[str, Field(max_length=500)] | None = None


@router.get("/spend/logs/v2", dependencies=[facade_requires(Access.READER)])
@router.get("/spend/logs/ui", dependencies=[facade_requires(Access.READER)])
async def log_page(work: WorkOf, query: Annotated[LogQuery, Query()]) -> dict[str, Any]:
    """A page of single calls between two instants."""
    wanted = UsageFilter(
        keys=(hash_of(query.api_key),) if query.api_key else (),
        users=_one(query.user_id), teams=_one(query.team_id), models=_one(query.model), deployments=_one(query.model_id),
        key_aliases=_one(query.key_alias), end_users=_one(query.end_user), statuses=_statuses(query.status_filter),
        request_id=query.request_id, http_status=query.error_code, error_text=query.error_message,
        min_cost_nano=nano(query.min_spend, "min_spend"), max_cost_nano=nano(query.max_spend, "max_spend"),
        since=_instant(query.start_date, "start_date"), until=_instant(query.end_date, "end_date"), zone=work.zone,
    )  # fmt: skip
    if query.sort_by not in _ORDERS:
        raise Refused(400, "bad_request", "sort_by", f"sort_by must be one of: {', '.join(_ORDERS)}.")
    connection = await work.connection()
    rows, total = await repository.page_of_records(
        connection, wanted, _ORDERS[query.sort_by], (query.page - 1) * query.page_size, query.page_size,
        descending=query.sort_order == "desc",
    )  # fmt: skip
    return {
        "data": await rows_shown(connection, rows),
        "total": total,
        "page": query.page,
        "page_size": query.page_size,
        "total_pages": -(-total // query.page_size),
    }


def _one(value: str | None) -> tuple[str, ...]:
    return (value,) if value else ()


def _statuses(asked: str | None) -> tuple[str, ...]:
    if asked is None:
        return ()
    return (Status.SUCCESS,) if asked == "success" else _FAILED


def _instant(said: str | None, field: str) -> datetime:
    """Errors: Refused."""
    try:
        return datetime.strptime(said or "", _FORMAT).replace(tzinfo=UTC)
    except ValueError:
        message = f"{field} must be an instant like 2026-11-23 00:00:00."
        raise Refused(400, "bad_request", field, message, detail=True) from None
