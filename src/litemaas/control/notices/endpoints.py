"""Which paths serve a person's notifications, and what they want to be told?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from sqlalchemy import Row

from litemaas.control.auth.gates import Open, requires
from litemaas.control.http.duties import Duty
from litemaas.control.http.refusals import Conflict
from litemaas.control.http.shapes import PROBLEMS, Page, pagination
from litemaas.control.http.work import Plane, Work, WorkOf, WorkRoute
from litemaas.control.notices import repository
from litemaas.control.notices.events import Event
from litemaas.control.notices.schemas import (
    Changed,
    NoticeOut,
    NoticeQuery,
    Preferences,
    PreferencesIn,
    UnreadCount,
    Wishes,
)
from litemaas.control.notices.service import chosen
from litemaas.control.notices.texts import written
from litemaas.control.settings import service as settings
from litemaas.control.settings.groups import NotificationSettings
from litemaas.core.errors import NotFound

router = APIRouter(
    prefix="/api/v1",
    tags=["notifications"],
    route_class=WorkRoute,
    dependencies=[requires(Open.SIGNED_IN)],
    responses=PROBLEMS,
)
_LOOK_EVERY_S = 3.0
_STREAM_FOR_S = 600.0


@router.get("/notifications")
async def list_notices(work: WorkOf, query: Annotated[NoticeQuery, Query()]) -> Page[NoticeOut]:
    """The caller's inbox, the newest first."""
    rows, total = await repository.list_notices(
        await work.connection(), _person(work), unread=query.unread, offset=query.offset, limit=query.limit
    )
    return Page(data=[_out(row) for row in rows], pagination=pagination(query, total))


@router.get("/notifications/unread-count")
async def count_unread(work: WorkOf) -> UnreadCount:
    """How many are unread."""
    return UnreadCount(unread=await repository.count_unread(await work.connection(), _person(work)))


@router.get("/notifications/stream", response_class=StreamingResponse)
async def stream_unread(work: WorkOf, request: Request) -> StreamingResponse:
    """Server-sent events: the number of unread notifications, now and whenever it changes; ends after ten minutes."""
    plane: Plane = request.app.state.plane
    return StreamingResponse(_counts(plane, _person(work), request), media_type="text/event-stream")


@router.post("/notifications/read-all")
async def read_all(work: WorkOf) -> Changed:
    """Marks all as read."""
    return Changed(changed=await repository.mark_read(await work.connection(), _person(work), None))


@router.post("/notifications/{notice_id}/read", status_code=204)
async def read_one(work: WorkOf, notice_id: str) -> None:
    """Marks one as read."""
    if not await repository.mark_read(await work.connection(), _person(work), notice_id):
        raise NotFound("The notification was not found.")


@router.delete("/notifications")
async def delete_all(work: WorkOf) -> Changed:
    """Empties the inbox."""
    return Changed(changed=await repository.drop_notices(await work.connection(), _person(work), None))


@router.delete("/notifications/{notice_id}", status_code=204)
async def delete_one(work: WorkOf, notice_id: str) -> None:
    """Takes one out of the inbox."""
    if not await repository.drop_notices(await work.connection(), _person(work), notice_id):
        raise NotFound("The notification was not found.")


@router.get("/me/notification-preferences")
async def get_preferences(work: WorkOf) -> Preferences:
    """What the caller wants to be told, and how."""
    held = await repository.preferences_of(await work.connection(), _person(work))
    return _preferences(held)


@router.put("/me/notification-preferences")
async def put_preferences(work: WorkOf, body: PreferencesIn) -> Preferences:
    """Puts the wishes; events that are left out are wanted by every channel."""
    wishes = {event.value: wish.model_dump() for event, wish in body.events.items()}
    held = await repository.set_preferences(await work.connection(), _person(work), wishes)
    return _preferences(held)


def _person(work: Work) -> str:
    """Errors: Conflict for services, which have no inbox."""
    if work.principal.user_id is None:
        raise Conflict("Only people have notifications.")
    return work.principal.user_id


def _preferences(held: dict[str, Any]) -> Preferences:
    channels = {event: {name: chosen(held, event, name) for name in ("inbox", "email")} for event in Event}
    return Preferences(events={event.value: Wishes(**wish) for event, wish in channels.items()})


def _out(row: Row[Any]) -> NoticeOut:
    title, message = written(row.event, row.facts)
    return NoticeOut(
        id=row.id, event=row.event, subject=row.subject, facts=row.facts, title=title, message=message, at=row.at,
        read_at=row.read_at,
    )  # fmt: skip


async def _counts(plane: Plane, user_id: str, request: Request) -> AsyncIterator[bytes]:
    last, looks = -1, int(_STREAM_FOR_S / _LOOK_EVERY_S)
    for look in range(looks):
        async with plane.engine.connect() as connection:
            unread = await repository.count_unread(connection, user_id)
        if unread != last:
            last = unread
            yield f'event: unread\ndata: {{"unread":{unread}}}\n\n'.encode()
        elif look % 5 == 0:
            yield b": still here\n\n"
        await asyncio.sleep(_LOOK_EVERY_S)
        if await request.is_disconnected():
            return


async def _forget(plane: Plane) -> None:
    async with plane.work() as work:
        kept = (await settings.read(work, NotificationSettings)).kept_days
        await repository.forget_old(await work.connection(), work.now - timedelta(days=kept))


FORGET_NOTICES = Duty("forget old notifications", 3600.0, _forget)
