"""Which paths keep a half-planned workshop? One's own drafts; nothing is made, checked or told because of one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import uuid4

import orjson
from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from litemaas.control.auth.gates import requires
from litemaas.control.http.etags import IfMatch, require_match, tag
from litemaas.control.http.refusals import Conflict, PermissionDenied
from litemaas.control.http.shapes import PROBLEMS, Body
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.workshops import drafts_repository as repository
from litemaas.core.errors import InvalidField, NotFound
from litemaas.core.permissions import Permission

router = APIRouter(
    prefix="/api/v1/workshop-drafts",
    tags=["workshops"],
    route_class=WorkRoute,
    dependencies=[requires(Permission.ADMIN_WORKSHOPS_WRITE)],
    responses=PROBLEMS,
)
_MOST_DRAFTS = 50
_MOST_BYTES = 256 * 1024
"""A list of 2,000 people has about 100 kB."""


class DraftIn(Body):
    """``content``: what the portal's form holds, as it is; up to 256 KiB."""

    model_config = ConfigDict(json_schema_extra={"example": {"title": "Prompting", "content": {"seats": 20}}})

    title: Annotated[str, Field(max_length=200)]
    content: dict[str, Any]


class DraftRow(BaseModel):
    id: str
    title: str
    created_at: datetime
    updated_at: datetime


class DraftOut(DraftRow):
    content: dict[str, Any]


class Drafts(BaseModel):
    """All of them: there are at most 50."""

    data: list[DraftRow]


@router.get("")
async def list_drafts(work: WorkOf) -> Drafts:
    """One's own, the last changed first."""
    rows = await repository.of(await work.connection(), _me(work))
    return Drafts(data=[DraftRow(**row._mapping) for row in rows])


@router.post("", status_code=201)
async def keep_draft(work: WorkOf, body: DraftIn, response: Response) -> DraftOut:
    """Keeps what is filled in so far."""
    connection, values = await work.connection(), _checked(body)
    if await repository.count(connection, _me(work)) >= _MOST_DRAFTS:
        raise Conflict(f"There are {_MOST_DRAFTS} drafts already. Delete some first.")
    draft_id, moments = str(uuid4()), {"created_at": work.now, "updated_at": work.now}
    await repository.add(connection, values | moments | {"id": draft_id, "user_id": _me(work)})
    return tag(response, _out(await _held(work, draft_id)))


@router.get("/{draft_id}")
async def show_draft(work: WorkOf, draft_id: str, response: Response) -> DraftOut:
    """One with its contents."""
    return tag(response, _out(await _held(work, draft_id)))


@router.put("/{draft_id}")
async def replace_draft(
    work: WorkOf, draft_id: str, body: DraftIn, response: Response, if_match: IfMatch = None
) -> DraftOut:
    """Keeps what is filled in now instead."""
    require_match(if_match, _out(await _held(work, draft_id, lock=True)))
    await repository.change(await work.connection(), draft_id, _checked(body) | {"updated_at": work.now})
    return tag(response, _out(await _held(work, draft_id)))


@router.delete("/{draft_id}", status_code=204)
async def forget_draft(work: WorkOf, draft_id: str) -> None:
    """Forgets it; a workshop that was made of it stays."""
    if not await repository.drop(await work.connection(), _me(work), draft_id):
        raise _not_found()


def _checked(body: DraftIn) -> dict[str, Any]:
    """Errors: InvalidField."""
    values = body.model_dump(mode="json")
    if len(orjson.dumps(values["content"])) > _MOST_BYTES:
        raise InvalidField("A draft holds up to 256 KiB.", "content")
    return values


def _me(work: Work) -> str:
    """Errors: PermissionDenied for services, which plan nothing."""
    if work.principal.user_id is None:
        raise PermissionDenied("Drafts are for people.")
    return work.principal.user_id


async def _held(work: Work, draft_id: str, *, lock: bool = False) -> Row[Any]:
    row = await repository.find(await work.connection(), _me(work), draft_id, lock=lock)
    if row is None:
        raise _not_found()
    return row


def _out(row: Row[Any]) -> DraftOut:
    return DraftOut(**{name: row._mapping[name] for name in DraftOut.model_fields})


def _not_found() -> NotFound:
    return NotFound("The draft was not found.")
