"""Which paths tell administrators how the platform is? What is found is said; only a database that is away is an error."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel

from litemaas.control.auth.gates import requires
from litemaas.control.http.shapes import PROBLEMS
from litemaas.control.http.work import Plane, WorkOf, WorkRoute
from litemaas.control.operations import repository
from litemaas.core.permissions import Permission
from litemaas.db.migrate import newest_revision

router = APIRouter(
    prefix="/api/v1/admin",
    tags=["operations"],
    route_class=WorkRoute,
    dependencies=[requires(Permission.ADMIN_HEALTH)],
    responses=PROBLEMS,
)
_SILENT_AFTER_S = 15.0
"""Gateways beat every few seconds; a healthy one is not silent for so long."""
_LATE_AFTER_S = 300.0
_FAILED_WITHIN = timedelta(hours=24)


class DatabaseHealth(BaseModel):
    version: str
    latency_ms: float
    schema_revision: str | None
    needed_revision: str
    schema_is_current: bool
    """False: ``litemaas migrate`` has not run. A newer schema is fine: another replica is ahead."""


class ValkeyHealth(BaseModel):
    """``reachable``: null where there is none, which is allowed."""

    configured: bool
    reachable: bool | None


class GatewayHealth(BaseModel):
    worker_id: str
    host: str
    started_at: datetime
    heartbeat_at: datetime
    silent_s: float
    is_silent: bool
    """What a silent worker has not stored yet lies in its journal; another one adopts it."""


class AccountingHealth(BaseModel):
    """``waiting_cells``: stored usage that the sums do not hold yet."""

    newest_record_at: datetime | None
    waiting_cells: int
    waiting_since: datetime | None
    is_late: bool


class DutyHealth(BaseModel):
    name: str
    next_at: datetime
    last_began_at: datetime | None
    last_ended_at: datetime | None
    last_error: str | None
    is_late: bool


class FailedJob(BaseModel):
    id: str
    kind: str
    ended_at: datetime | None
    error: str | None


class PlatformHealth(BaseModel):
    status: Literal["healthy", "degraded"]
    problems: list[str]
    """In words, worst first."""
    database: DatabaseHealth
    valkey: ValkeyHealth
    gateways: list[GatewayHealth]
    accounting: AccountingHealth
    duties: list[DutyHealth]
    failed_jobs: list[FailedJob]
    """Of the last 24 hours, the newest 20."""


class PlatformStats(BaseModel):
    """``total`` of each, and by status."""

    models: dict[str, int]
    deployments: dict[str, int]
    users: dict[str, int]
    teams: dict[str, int]
    keys: dict[str, int]
    subscriptions: dict[str, int]
    jobs: dict[str, int]
    database_bytes: int


@router.get("/stats")
async def show_stats(work: WorkOf) -> PlatformStats:
    """How much there is of everything. What was used and what it cost is in the usage analytics."""
    connection = await work.connection()
    found = await repository.counted(connection)
    return PlatformStats(**found, database_bytes=await repository.size_of_database(connection))


@router.get("/health")
async def show_health(work: WorkOf, request: Request) -> PlatformHealth:
    """Database, schema, Valkey, gateways by their heartbeats, accounting, duties and failed jobs."""
    plane: Plane = request.app.state.plane
    reachable = await plane.publisher.ping()
    connection = await work.connection()
    began = time.perf_counter()
    version, revision = await repository.schema(connection)
    needed = newest_revision()
    database = DatabaseHealth(
        version=version, latency_ms=round((time.perf_counter() - began) * 1000, 2), schema_revision=revision,
        needed_revision=needed, schema_is_current=revision is not None and revision >= needed,
    )  # fmt: skip
    gateways = [
        GatewayHealth(
            worker_id=row.worker_id, host=row.host, started_at=row.started_at, heartbeat_at=row.heartbeat_at,
            silent_s=round(row.silent_s, 1), is_silent=row.silent_s > _SILENT_AFTER_S,
        )
        for row in await repository.list_workers(connection)
    ]  # fmt: skip
    newest, waiting, since = await repository.accounting(connection)
    accounting = AccountingHealth(
        newest_record_at=newest, waiting_cells=waiting, waiting_since=since,
        is_late=since is not None and (work.now - since).total_seconds() > _LATE_AFTER_S,
    )  # fmt: skip
    duties = [
        DutyHealth(
            name=row.name, next_at=row.next_at, last_began_at=row.last_began_at, last_ended_at=row.last_ended_at,
            last_error=row.last_error, is_late=(work.now - row.next_at).total_seconds() > _LATE_AFTER_S,
        )
        for row in await repository.list_duties(connection)
    ]  # fmt: skip
    failed = [
        FailedJob(id=row.id, kind=row.kind, ended_at=row.ended_at, error=row.error)
        for row in await repository.failed_jobs(connection, work.now - _FAILED_WITHIN)
    ]
    problems = [
        *_of_database(database, reachable),
        *_of_gateways(gateways),
        *(["Sums of usage are late."] if accounting.is_late else []),
        *(f"The duty {duty.name!r} failed: {duty.last_error}." for duty in duties if duty.last_error is not None),
        *(f"The duty {duty.name!r} is late." for duty in duties if duty.is_late and duty.last_error is None),
        *(f"The job {job.kind} failed." for job in failed),
    ]
    return PlatformHealth(
        status="degraded" if problems else "healthy", problems=problems, database=database,
        valkey=ValkeyHealth(configured=reachable is not None, reachable=reachable),
        gateways=gateways, accounting=accounting, duties=duties, failed_jobs=failed,
    )  # fmt: skip


def _of_database(database: DatabaseHealth, valkey_reachable: bool | None) -> list[str]:
    problems = [] if database.schema_is_current else ["The schema is behind: run 'litemaas migrate'."]
    if valkey_reachable is False:
        problems.append("Valkey cannot be reached: changes take the slower way, shared rate limits are divided.")
    return problems


def _of_gateways(gateways: list[GatewayHealth]) -> list[str]:
    problems = [f"The gateway {one.worker_id} is silent." for one in gateways if one.is_silent]
    if len(problems) == len(gateways):
        problems.insert(0, "No gateway is running.")
    return problems
