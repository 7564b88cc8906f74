"""Which paths show what was used? Records by cursor, sums by group."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import Row

from litemaas.control.auth.endpoints import requires
from litemaas.control.auth.service import Role
from litemaas.control.http.shapes import PROBLEMS
from litemaas.control.http.work import WorkOf, WorkRoute
from litemaas.control.usage import repository
from litemaas.control.usage.repository import UsageFilter
from litemaas.control.usage.schemas import (
    CursorPagination,
    GroupSums,
    RecordOut,
    RecordPage,
    RecordQuery,
    Summary,
    SummaryQuery,
    Sums,
    UsageQuery,
)
from litemaas.core.errors import InvalidField

router = APIRouter(
    prefix="/api/v1/usage",
    tags=["usage"],
    route_class=WorkRoute,
    dependencies=[requires(Role.ADMIN)],
    responses=PROBLEMS,
)


@router.get("/records")
async def list_records(work: WorkOf, query: Annotated[RecordQuery, Query()]) -> RecordPage:
    """The newest first; records appear when their gateway has flushed them."""
    before = _read_cursor(query.cursor) if query.cursor else None
    rows = await repository.list_records(await work.connection(), _filter(query), query.limit + 1, before)
    page = rows[: query.limit]
    more = _write_cursor(page[-1]) if len(rows) > len(page) else None
    return RecordPage(
        data=[RecordOut(**row._mapping) for row in page],
        pagination=CursorPagination(limit=query.limit, next_cursor=more),
    )


@router.get("/summary")
async def summarize(work: WorkOf, query: Annotated[SummaryQuery, Query()]) -> Summary:
    connection = await work.connection()
    groups = await repository.sums_by(connection, _filter(query), query.group_by, query.limit)
    data = [GroupSums(group=row.group, **_sums(row)) for row in groups]
    if len(data) < query.limit:
        # All groups are here: their own sum is the total, even while records are arriving.
        return Summary(group_by=query.group_by, data=data, rest=None, total=_added(data))
    total = Sums(**_sums(await repository.sums(connection, _filter(query))))
    shown = _added(data)
    rest = Sums(**{field: getattr(total, field) - getattr(shown, field) for field in Sums.model_fields})
    return Summary(group_by=query.group_by, data=data, rest=rest, total=total)


def _filter(query: UsageQuery) -> UsageFilter:
    if query.since and query.until and query.since >= query.until:
        raise InvalidField("since must be before until.", "since")
    return UsageFilter(
        key_hash=query.key,
        **query.model_dump(include={"user_id", "model", "status", "request_id", "since", "until"}),
    )


def _sums(row: Row[Any]) -> dict[str, int]:
    values = {field: int(row._mapping[field]) for field in Sums.model_fields if field != "total_tokens"}
    return values | {"total_tokens": values["prompt_tokens"] + values["completion_tokens"]}


def _added(parts: list[GroupSums]) -> Sums:
    return Sums(**{field: sum(getattr(part, field) for part in parts) for field in Sums.model_fields})


def _write_cursor(row: Row[Any]) -> str:
    return base64.urlsafe_b64encode(f"{row.started_at.isoformat()} {row.request_id}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        at, _, request_id = text.partition(" ")
        moment = datetime.fromisoformat(at)
    except (ValueError, binascii.Error):
        raise InvalidField("The cursor is not one of ours; take next_cursor of the page before.", "cursor") from None
    if moment.tzinfo is None or not request_id:
        raise InvalidField("The cursor is not one of ours; take next_cursor of the page before.", "cursor")
    return moment, request_id
