"""Which paths show the audit trail?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.auth.gates import limited, requires
from litemaas.control.http.cursors import read_cursor, write_cursor
from litemaas.control.http.exports import EXPORTS, Format, as_csv, as_json, attachment, rows_of
from litemaas.control.http.shapes import PROBLEMS, Moment
from litemaas.control.http.work import WorkOf, WorkRoute
from litemaas.control.trail import repository
from litemaas.control.trail.repository import AuditFilter
from litemaas.control.trail.subjects import Subject, subjects
from litemaas.core.errors import InvalidField
from litemaas.core.permissions import Permission

router = APIRouter(
    prefix="/api/v1/admin/audit",
    tags=["audit"],
    route_class=WorkRoute,
    dependencies=[requires(Permission.ADMIN_AUDIT_READ)],
    responses=PROBLEMS,
)
_COLUMNS = (
    "id", "at", "actor", "actor_kind", "actor_name", "action", "type", "resource_id", "resource_name", "success",
    "error_code", "detail", "address", "user_agent", "request_id",
)  # fmt: skip


class AuditRecord(BaseModel):
    id: int
    at: datetime
    actor: str
    actor_kind: str
    actor_name: str | None
    action: str
    type: str
    resource_id: str
    resource_name: str | None
    success: bool
    error_code: str | None
    detail: dict[str, Any]
    address: str | None
    user_agent: str | None
    request_id: str | None
    subject: Subject | None
    """What it is about, as far as that is still there and the reader may see it."""


class AuditPage(BaseModel):
    data: list[AuditRecord]
    next_cursor: str | None


class Words(BaseModel):
    data: list[str]


class AuditChoice(BaseModel):
    """``text`` searches actions, names and ids, in the manner of web searches."""

    model_config = ConfigDict(extra="forbid")

    action: list[str] = []
    type: list[str] = []
    excluded_type: list[str] = []
    resource: str | None = None
    actor: str | None = None
    success: bool | None = None
    since: Moment | None = None
    until: Moment | None = None
    text: Annotated[str, Field(max_length=200)] | None = None

    def wanted(self) -> AuditFilter:
        return AuditFilter(
            actions=self.action, types=self.type, excluded_types=self.excluded_type, resource=self.resource,
            actor=self.actor, success=self.success, since=self.since, until=self.until, text=self.text,
        )  # fmt: skip


class AuditQuery(AuditChoice):
    cursor: str | None = None
    limit: int = Field(50, ge=1, le=200)


class ActionQuery(BaseModel):
    """``type``: only actions on things of these types."""

    model_config = ConfigDict(extra="forbid")

    type: list[str] = []


class ExportQuery(AuditChoice):
    format: Format = "csv"


@router.get("")
async def list_audit(work: WorkOf, query: Annotated[AuditQuery, Query()]) -> AuditPage:
    """The newest first, by cursor."""
    before = _position(query.cursor) if query.cursor else None
    rows = await repository.page(await work.connection(), query.wanted(), before, query.limit + 1)
    shown = rows[: query.limit]
    more = write_cursor(shown[-1].at, shown[-1].id) if len(rows) > len(shown) else None
    about = await subjects(work, shown)
    data = [AuditRecord(**_record(row), subject=about.get((row.object_kind, row.object_id))) for row in shown]
    return AuditPage(data=data, next_cursor=more)


@router.get("/actions")
async def list_actions(work: WorkOf, query: Annotated[ActionQuery, Query()]) -> Words:
    """The actions that occur."""
    return Words(data=await repository.distinct(await work.connection(), "action", query.type))


@router.get("/types")
async def list_types(work: WorkOf) -> Words:
    """The kinds of objects that occur."""
    return Words(data=await repository.distinct(await work.connection(), "object_kind"))


@router.get("/export", dependencies=[limited(EXPORTS)], response_class=StreamingResponse)
async def export_audit(work: WorkOf, request: Request, query: Annotated[ExportQuery, Query()]) -> StreamingResponse:
    """All records that the filters choose, as a file; audited itself."""
    chosen = query.model_dump(mode="json", exclude_defaults=True)
    await record(work, "audit.exported", "audit", "audit", chosen)
    records = rows_of(request.app.state.plane, repository.chosen(query.wanted()), _record)
    content = as_csv(_COLUMNS, records) if query.format == "csv" else as_json({"filters": chosen}, records)
    return attachment(f"audit-{work.now:%Y-%m-%d}", query.format, content)


def _position(cursor: str) -> tuple[datetime, int]:
    at, row_id = read_cursor(cursor)
    if not row_id.isdecimal():
        raise InvalidField("The cursor is not one of ours; take next_cursor of the page before.", "cursor")
    return at, int(row_id)


def _record(row: Row[Any]) -> dict[str, Any]:
    values = dict(row._mapping)
    return {
        **{name: values[name] for name in _COLUMNS if name in values},
        "type": row.object_kind, "resource_id": row.object_id, "resource_name": row.object_name,
    }  # fmt: skip
