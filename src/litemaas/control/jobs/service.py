"""How does a job run? Queued in its asker's transaction, taken by whichever replica is free, with a heartbeat until it ends.

A replica that dies leaves a job that is ended as failed within a minute; jobs are not begun again by themselves, because
what they do (a restore) may be more than somebody wants twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import structlog
from sqlalchemy import Row

from litemaas.control.http.refusals import Conflict
from litemaas.control.http.work import Plane, Work
from litemaas.control.jobs import repository
from litemaas.control.notices.events import Event
from litemaas.control.notices.service import notify, notify_holders
from litemaas.core.errors import LiteMaaSError, NotFound
from litemaas.core.permissions import Permission
from litemaas.core.principals import Principal, PrincipalKind
from litemaas.kit.defects import named_with_frames

_LOOK_EVERY_S = 1.0
_BEAT_EVERY_S = 5.0
_SILENT = timedelta(seconds=60)
_log = structlog.get_logger("control.jobs")


class JobCancelled(Exception):
    """Somebody asked to cancel the job."""


class JobFailed(Exception):
    """The job cannot be done; the message is for people."""


class Running:
    """A job that runs: what it was asked for, and where it tells of its progress."""

    def __init__(self, plane: Plane, row: Row[Any], holder: str) -> None:
        self.plane = plane
        self.id: str = row.id
        self.payload: dict[str, Any] = row.payload
        self.actor = Principal(kind=PrincipalKind.SYSTEM, id=row.created_by, name=row.created_by)
        self._holder = holder
        self._progress: dict[str, Any] = {}

    async def tell(self, progress: Mapping[str, Any]) -> None:
        """Errors: JobCancelled."""
        self._progress = dict(progress)
        await self.beat()

    async def beat(self) -> None:
        async with self.plane.engine.begin() as connection:
            values = {"heartbeat_at": self.plane.clock.now(), "progress": self._progress}
            if not await repository.beat(connection, self.id, self._holder, values):
                raise JobCancelled


class Kind(msgspec.Struct, frozen=True):
    """``do`` returns the job's result as plain JSON. Errors: JobFailed and the domain's, whose messages are shown.

    ``title``: what people call it. ``alarm``: who hears of a failure besides the job's owner, and by which event.
    """

    name: str
    do: Callable[[Running], Awaitable[dict[str, Any]]]
    title: str = "A job"
    alarm: tuple[Permission, Event] | None = None


async def start(
    work: Work, kind: str, permission: Permission, payload: dict[str, Any], only_one: str | None = None
) -> str:
    """Queues a job and returns its id; it begins when the request's transaction has committed.

    Errors: Conflict while another of ``only_one`` is open.
    """
    job_id = str(uuid4())
    values = {
        "id": job_id, "kind": kind, "permission": permission.value, "payload": payload, "only_one": only_one,
        "created_at": work.now, "created_by": work.actor,
    }  # fmt: skip
    if not await repository.add(await work.connection(), values):
        raise Conflict("Another one is running. Wait until it has ended, or cancel it.")
    return job_id


async def cancel(work: Work, job_id: str) -> Row[Any]:
    """Errors: NotFound, Conflict when it has ended."""
    connection = await work.connection()
    row = await repository.find(connection, job_id, lock=True)
    if row is None:
        raise job_not_found()
    if row.state == "queued":
        await repository.change(connection, job_id, {"state": "cancelled", "cancel_asked": True, "ended_at": work.now})
    elif row.state == "running":
        await repository.change(connection, job_id, {"cancel_asked": True})
    else:
        raise Conflict("This job has ended.")
    return row


def job_not_found() -> NotFound:
    return NotFound("The job was not found.")


async def keep_working(plane: Plane, kinds: Mapping[str, Kind]) -> None:
    """Runs until cancelled: takes one job after the other."""
    holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    while True:
        try:
            while await work_once(plane, kinds, holder):
                pass
        except Exception as error:  # noqa: BLE001 — the next round tries again
            _log.warning("jobs cannot be taken", error=type(error).__name__)
        await asyncio.sleep(_LOOK_EVERY_S)


async def work_once(plane: Plane, kinds: Mapping[str, Kind], holder: str) -> bool:
    """Whether there was a job to do."""
    async with plane.work() as work:
        for lost in await repository.end_silent(await work.connection(), work.now, work.now - _SILENT):
            await _tell(work, lost, kinds.get(lost.kind), lost.state, lost.error)
        row = await repository.take(await work.connection(), list(kinds), holder, work.now)
    if row is None:
        return False
    values = await _outcome(kinds[row.kind], Running(plane, row, holder))
    async with plane.work() as work:
        await repository.end(await work.connection(), row, values | {"ended_at": work.now})
        await _tell(work, row, kinds[row.kind], values["state"], values.get("error"))
    return True


async def _tell(work: Work, row: Row[Any], kind: Kind | None, state: str, error: str | None) -> None:
    """Tells the owner that the job is done or failed, and of some failures others, too."""
    if state not in ("succeeded", "failed"):
        return
    subject = f"job:{row.id}"
    facts = {"job": kind.title if kind else row.kind, "outcome": state, "detail": error or ""}
    await notify(work, Event.JOB_ENDED, user_ids=[row.created_by], subject=subject, facts=facts)
    if state == "failed" and kind is not None and kind.alarm is not None:
        permission, event = kind.alarm
        told = {"began_at": row.created_at.isoformat(timespec="seconds"), "error": error, "detail": error}
        await notify_holders(work, permission, event, subject=subject, facts=told)


async def _outcome(kind: Kind, running: Running) -> dict[str, Any]:
    """Waits for the job or for the word that it must stop. A replica that stops leaves the job to be found silent."""
    doing = asyncio.ensure_future(kind.do(running))
    beating = asyncio.ensure_future(_beat(running))
    try:
        await asyncio.wait((doing, beating), return_when=asyncio.FIRST_COMPLETED)
        stopped = not doing.done()
    finally:
        doing.cancel()
        beating.cancel()
        await asyncio.gather(doing, beating, return_exceptions=True)
    if stopped or doing.cancelled():
        return {"state": "cancelled", "error": "cancelled"}
    error = doing.exception()
    if error is None:
        return {"state": "succeeded", "result": doing.result()}
    if isinstance(error, JobCancelled):
        return {"state": "cancelled", "error": "cancelled"}
    if isinstance(error, JobFailed | LiteMaaSError):
        return {"state": "failed", "error": str(error)}
    _log.error("a job failed", job=running.id, kind=kind.name, **named_with_frames(error))
    return {"state": "failed", "error": f"Something went wrong on our side ({type(error).__name__})."}


async def _beat(running: Running) -> None:
    """Ends when the job must not go on."""
    while True:
        await asyncio.sleep(_BEAT_EVERY_S)
        with contextlib.suppress(OSError, TimeoutError):
            try:
                await running.beat()
            except JobCancelled:
                return
