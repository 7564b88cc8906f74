"""Which jobs and duties are there of backups? Create, try, restore; and the schedule."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec

from litemaas.control.audit.service import record
from litemaas.control.backup.service import Backups
from litemaas.control.http.duties import Duty
from litemaas.control.http.refusals import Conflict
from litemaas.control.http.work import Plane, Work
from litemaas.control.jobs import service as jobs
from litemaas.control.jobs.service import JobCancelled, JobFailed, Kind, Running
from litemaas.control.notices.events import Event
from litemaas.control.settings import service as settings
from litemaas.control.settings.groups import BackupSettings
from litemaas.core.errors import LiteMaaSError
from litemaas.core.permissions import Permission
from litemaas.db.backup.archive import BackupRefused

CREATE, REHEARSE, RESTORE = "backup.create", "backup.test_restore", "backup.restore"
ONE_AT_A_TIME = "backup"
Doing = Callable[[Running], Awaitable[dict[str, Any]]]


def kinds(backups: Backups) -> list[Kind]:
    async def create(running: Running) -> dict[str, Any]:
        asked = running.payload
        info = await backups.create(
            running.actor.id, running.tell, encrypted=asked["encrypted"], trigger=asked.get("trigger", "manual")
        )
        if info.trigger == "schedule":
            async with running.plane.work() as work:
                kept = (await settings.read(work, BackupSettings)).kept
            await backups.prune(kept)
        return {"backup_id": info.id, "rows": info.rows, "tables": info.tables, "size": info.size}

    async def rehearse(running: Running) -> dict[str, Any]:
        info = await backups.store.find(running.payload["backup_id"])
        outcome = await backups.rehearse(info, running.payload["schema_name"], running.tell)
        return {**msgspec.to_builtins(outcome), "success": outcome.success}

    async def restore(running: Running) -> dict[str, Any]:
        info = await backups.store.find(running.payload["backup_id"])
        outcome, safety = await backups.restore(info, running.payload["confirmation"], running.actor.id, running.tell)
        return {**msgspec.to_builtins(outcome), "success": outcome.success, "safety_backup_id": safety.id}

    alarm = (Permission.ADMIN_BACKUP, Event.BACKUP_FAILED)
    return [
        Kind(CREATE, _told(create), "The backup", alarm),
        Kind(REHEARSE, _told(rehearse), "The test of a backup", alarm),
        Kind(RESTORE, _told(restore), "The restore", alarm),
    ]


def _told(do: Doing) -> Doing:
    """A failure stands in the audit, whatever it was; one that people can understand is told in its words."""

    async def doing(running: Running) -> dict[str, Any]:
        try:
            return await do(running)
        except JobCancelled:
            raise
        except Exception as failure:
            known = isinstance(failure, BackupRefused | LiteMaaSError)
            async with running.plane.work(running.actor) as work:
                error = str(failure) if known else type(failure).__name__
                await record(work, "backup.failed", "job", running.id, {"error": error})
            if known:
                raise JobFailed(str(failure)) from None
            raise

    return doing


def scheduling(backups: Backups) -> Duty:
    """Looks every minute whether the newest scheduled backup is old enough for another."""

    async def schedule(plane: Plane) -> None:
        async with plane.work() as work:
            every = (await settings.read(work, BackupSettings)).every_hours
            if every is not None:
                await _queue(work, backups, timedelta(hours=every))

    return Duty("schedule backups", 60.0, schedule)


async def _queue(work: Work, backups: Backups, every: timedelta) -> None:
    scheduled = [info for info in await backups.store.every() if info.trigger == "schedule"]
    if scheduled and scheduled[0].created_at + every > work.now:
        return
    group = await settings.read(work, BackupSettings)
    payload = {"encrypted": group.encrypted, "trigger": "schedule"}
    try:
        await jobs.start(work, CREATE, Permission.ADMIN_BACKUP, payload, ONE_AT_A_TIME)
    except Conflict:
        return  # one is being made or restored; the next look comes soon
