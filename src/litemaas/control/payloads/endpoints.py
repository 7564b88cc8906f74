"""Which paths serve captured calls? Prompts and answers are kept only here, and every look at them is audited."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.auth.gates import requires
from litemaas.control.http.cursors import read_cursor, write_cursor
from litemaas.control.http.shapes import PROBLEMS, Page, PageQuery, pagination
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.payloads import repository, service
from litemaas.control.payloads.schemas import CaptureIn, CaptureOut, PayloadOut, PayloadPage, PayloadQuery
from litemaas.core.keys import payload_purpose
from litemaas.core.permissions import Permission
from litemaas.kit.crypto import SealBroken

router = APIRouter(
    prefix="/api/v1/admin/payload-capture",
    tags=["payload capture"],
    route_class=WorkRoute,
    dependencies=[requires(Permission.ADMIN_SETTINGS_READ, Permission.ADMIN_SETTINGS_WRITE)],
    responses=PROBLEMS,
)


@router.get("")
async def list_captures(work: WorkOf, query: Annotated[PageQuery, Query()]) -> Page[CaptureOut]:
    """Those that go on first, then those that ended and still hold something."""
    rows, total = await repository.page(await work.connection(), query.offset, query.limit)
    return Page(data=[_out(work, row) for row in rows], pagination=pagination(query, total))


@router.post("", status_code=201)
async def begin_capture(work: WorkOf, body: CaptureIn) -> CaptureOut:
    """From now on the calls of one key, or of all keys of a team, are kept; their owner is told.

    Nothing is captured otherwise. It ends by itself at `until`.
    """
    capture_id = await service.begin(work, body.key_id, body.team_id, body.until, body.reason)
    return _out(work, await service.held(work, capture_id))


@router.get("/{capture_id}")
async def get_capture(work: WorkOf, capture_id: str) -> CaptureOut:
    """One capture, without what it holds."""
    return _out(work, await service.held(work, capture_id))


@router.delete("/{capture_id}", status_code=204)
async def end_capture(work: WorkOf, capture_id: str) -> None:
    """Ends a capture at once and drops all that it holds; the audit stays."""
    await service.end(work, capture_id)


@router.get("/{capture_id}/payloads")
async def read_payloads(
    work: WorkOf, response: Response, capture_id: str, query: Annotated[PayloadQuery, Query()]
) -> PayloadPage:  # fmt: skip
    """What was captured, the newest call first, by cursor. Audited with the requests that were shown."""
    row = await service.held(work, capture_id)
    before = read_cursor(query.cursor) if query.cursor else None
    connection = await work.connection()
    found = await repository.payloads(connection, capture_id, query.request_id, before, query.limit + 1)
    shown = found[: query.limit]
    detail = {"requests": [payload.request_id for payload in shown]}
    await record(work, "payload_capture.read", "payload_capture", capture_id, detail, row.name)
    response.headers["Cache-Control"] = "no-store"
    more = write_cursor(shown[-1].at, shown[-1].request_id) if len(found) > len(shown) else None
    return PayloadPage(data=[_payload(work, payload) for payload in shown], next_cursor=more)


def _payload(work: Work, row: Row[Any]) -> PayloadOut:
    purpose = payload_purpose(row.capture_id, row.request_id)
    return PayloadOut(
        request_id=row.request_id, at=row.at, key_id=row.public_id or row.key_hash, model=row.model, endpoint=row.endpoint,
        status_code=row.status_code, request=_opened(work, row.request_sealed, purpose), request_bytes=row.request_bytes,
        answer=_opened(work, row.answer_sealed, purpose), answer_bytes=row.answer_bytes,
    )  # fmt: skip


def _opened(work: Work, sealed: bytes, purpose: str) -> str | None:
    try:
        return work.vault.open(sealed, purpose)
    except SealBroken:
        return None


def _out(work: Work, row: Row[Any]) -> CaptureOut:
    return CaptureOut(
        id=row.id, key_id=(row.public_id or row.key_hash) if row.key_hash is not None else None, team_id=row.team_id,
        name=row.name, reason=row.reason, until=row.until, active=row.until > work.now, payloads=row.payloads,
        created_at=row.created_at, created_by=row.created_by,
    )  # fmt: skip
