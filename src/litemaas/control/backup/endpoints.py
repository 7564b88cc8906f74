"""Which paths serve backups? All of them are for administrators; what can undo everything asks for a recent sign-in."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from litemaas.control.audit.service import record
from litemaas.control.auth.gates import requires
from litemaas.control.backup.jobs import CREATE, ONE_AT_A_TIME, REHEARSE, RESTORE
from litemaas.control.backup.repository import database_name
from litemaas.control.backup.service import Backups
from litemaas.control.backup.store import Info
from litemaas.control.http.shapes import PROBLEMS, Body
from litemaas.control.http.work import WorkOf, WorkRoute
from litemaas.control.jobs import repository as jobs_repository
from litemaas.control.jobs import service as jobs
from litemaas.control.jobs.endpoints import JobOut, JobStarted, job_out
from litemaas.control.settings import service as settings
from litemaas.control.settings.groups import BackupSettings
from litemaas.control.settings.recency import require_recent_sign_in
from litemaas.core.errors import InvalidField
from litemaas.core.permissions import Permission

router = APIRouter(
    prefix="/api/v1/admin/backups",
    tags=["backups"],
    route_class=WorkRoute,
    dependencies=[requires(Permission.ADMIN_BACKUP)],
    responses=PROBLEMS,
)


class BackupIn(Body):
    """``encrypted`` null = as the settings say."""

    encrypted: bool | None = None


class RehearsalIn(Body):
    """``schema_name``: a new one; made up if none is given."""

    schema_name: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")] | None = None


class RestoreIn(Body):
    """``confirmation``: the name of the database, typed by a person."""

    confirmation: Annotated[str, Field(min_length=1, max_length=63)]


class BackupOut(BaseModel):
    id: str
    created_at: datetime
    created_by: str
    size: int
    encrypted: bool
    application: str
    revision: str
    tables: int
    rows: int
    trigger: str


class BackupList(BaseModel):
    data: list[BackupOut]


class Capabilities(BaseModel):
    """``target``: ``folder`` or ``s3``; ``database``: what must be typed to restore."""

    target: str
    database: str
    encrypted_by_default: bool
    every_hours: int | None
    kept: int
    last_jobs: list[JobOut]


@router.get("")
async def list_backups(work: WorkOf, request: Request) -> BackupList:
    """The newest first."""
    await work.pause()
    return BackupList(data=[_out(info) for info in await _backups(request).store.every()])


@router.post("", status_code=202)
async def create_backup(work: WorkOf, body: BackupIn | None = None) -> JobStarted:
    """Starts a backup of everything as it is at one moment; 409 while another job on backups is open."""
    group = await settings.read(work, BackupSettings)
    encrypted = body.encrypted if body is not None and body.encrypted is not None else group.encrypted
    job_id = await jobs.start(work, CREATE, Permission.ADMIN_BACKUP, {"encrypted": encrypted}, ONE_AT_A_TIME)
    await record(work, "backup.created", "job", job_id, {"encrypted": encrypted})
    return JobStarted(job_id=job_id)


@router.get("/capabilities")
async def show_capabilities(work: WorkOf, request: Request) -> Capabilities:
    """Where backups lie, how often they are made, and how the last jobs ended."""
    connection = await work.connection()
    group = await settings.read(work, BackupSettings)
    last: list[Any] = []
    for kind in (CREATE, REHEARSE, RESTORE):
        last += await jobs_repository.newest(connection, kind, 3)
    return Capabilities(
        target=_backups(request).store.kind, database=await database_name(connection),
        encrypted_by_default=group.encrypted, every_hours=group.every_hours, kept=group.kept,
        last_jobs=[job_out(row) for row in sorted(last, key=lambda row: row.created_at, reverse=True)],
    )  # fmt: skip


@router.get("/{backup_id}")
async def get_backup(work: WorkOf, request: Request, backup_id: str) -> BackupOut:
    """What one backup holds."""
    await work.pause()
    return _out(await _backups(request).store.find(backup_id))


@router.get("/{backup_id}/download", response_class=StreamingResponse)
async def download_backup(work: WorkOf, request: Request, backup_id: str) -> StreamingResponse:
    """The file; asks for a recent sign-in."""
    await require_recent_sign_in(work)
    store = _backups(request).store
    info = await store.find(backup_id)
    await record(work, "backup.downloaded", "backup", backup_id, {})
    headers = {
        "Content-Disposition": f'attachment; filename="litemaas-{backup_id}.zip"',
        "Content-Length": str(info.size),
    }
    return StreamingResponse(store.read(info), headers=headers, media_type="application/zip")


@router.delete("/{backup_id}", status_code=204)
async def delete_backup(work: WorkOf, request: Request, backup_id: str) -> None:
    """Deletes a backup for good."""
    store = _backups(request).store
    await store.delete(await store.find(backup_id))
    await record(work, "backup.deleted", "backup", backup_id, {})


@router.post("/{backup_id}/test-restore", status_code=202)
async def rehearse_restore(
    work: WorkOf, request: Request, backup_id: str, body: RehearsalIn | None = None
) -> JobStarted:
    """Restores into a scratch schema, compares, and takes it all back; the living data is not touched."""
    await _backups(request).store.find(backup_id)
    schema = (body.schema_name if body is not None else None) or f"litemaas_try_{secrets.token_hex(4)}"
    payload = {"backup_id": backup_id, "schema_name": schema}
    job_id = await jobs.start(work, REHEARSE, Permission.ADMIN_BACKUP, payload, ONE_AT_A_TIME)
    await record(work, "backup.test_restored", "backup", backup_id, {"job": job_id, "schema": schema})
    return JobStarted(job_id=job_id)


@router.post("/{backup_id}/restore", status_code=202)
async def restore_backup(work: WorkOf, request: Request, backup_id: str, body: RestoreIn) -> JobStarted:
    """Puts a backup in the place of everything; asks for a recent sign-in and the database's name. All sessions end."""
    await require_recent_sign_in(work)
    await _backups(request).store.find(backup_id)
    if body.confirmation != await database_name(await work.connection()):
        raise InvalidField("Type the name of this database to confirm.", "confirmation")
    payload = {"backup_id": backup_id, "confirmation": body.confirmation}
    job_id = await jobs.start(work, RESTORE, Permission.ADMIN_BACKUP, payload, ONE_AT_A_TIME)
    await record(work, "backup.restored", "backup", backup_id, {"job": job_id})
    return JobStarted(job_id=job_id)


def _backups(request: Request) -> Backups:
    backups: Backups = request.app.state.backups
    return backups


def _out(info: Info) -> BackupOut:
    return BackupOut(**{name: getattr(info, name) for name in BackupOut.model_fields})
