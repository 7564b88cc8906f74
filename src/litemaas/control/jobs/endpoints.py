"""Which paths show jobs? Whoever has a job's permission sees it, and may cancel it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.auth.gates import Open, require, requires
from litemaas.control.http.shapes import PROBLEMS
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.jobs import repository, service
from litemaas.core.permissions import Permission

router = APIRouter(
    prefix="/api/v1/admin/jobs",
    tags=["jobs"],
    route_class=WorkRoute,
    dependencies=[requires(Open.SIGNED_IN)],
    responses=PROBLEMS,
)


class JobOut(BaseModel):
    """``progress`` and ``result`` have the members of the job's kind."""

    id: str
    kind: str
    state: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    progress: dict[str, Any]
    result: dict[str, Any] | None
    error: str | None
    created_at: datetime
    created_by: str
    started_at: datetime | None
    ended_at: datetime | None


class JobStarted(BaseModel):
    job_id: str
    """Ask ``GET /api/v1/admin/jobs/{job_id}`` how it goes."""


@router.get("/{job_id}")
async def get_job(work: WorkOf, job_id: str) -> JobOut:
    """How a job goes, from any replica."""
    return job_out(await _seen(work, job_id))


@router.post("/{job_id}/cancel")
async def cancel_job(work: WorkOf, job_id: str) -> JobOut:
    """Asks a job to stop; what it had begun is taken back."""
    row = await _seen(work, job_id)
    await service.cancel(work, job_id)
    await record(work, f"{row.kind}.cancelled", "job", job_id, {})
    return job_out(await _seen(work, job_id))


async def _seen(work: Work, job_id: str) -> Row[Any]:
    row = await repository.find(await work.connection(), job_id)
    if row is None:
        raise service.job_not_found()
    require(work, Permission(row.permission))
    return row


def job_out(row: Row[Any]) -> JobOut:
    return JobOut(**{name: row._mapping[name] for name in JobOut.model_fields})
