"""Which paths have the ledger checked, and the rollups of some days counted anew?

Both are jobs, because months of records take minutes; ``litemaas reconcile`` does the same by hand. Once a day the last two
days are checked without anybody's asking, and administrators are told when something does not agree.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from litemaas.control.audit.service import record
from litemaas.control.auth.gates import requires, take_one
from litemaas.control.http.duties import Duty
from litemaas.control.http.rates import Rate
from litemaas.control.http.refusals import Conflict
from litemaas.control.http.shapes import PROBLEMS, Body, Day
from litemaas.control.http.work import Plane, Work, WorkOf, WorkRoute
from litemaas.control.jobs import repository as jobs_repository
from litemaas.control.jobs import service as jobs
from litemaas.control.jobs.endpoints import JobOut, JobStarted, job_out
from litemaas.control.jobs.service import JobFailed, Kind, Running
from litemaas.control.notices.events import Event
from litemaas.control.notices.service import notify_holders
from litemaas.control.usage import repository
from litemaas.core.errors import InvalidField
from litemaas.core.permissions import Permission
from litemaas.core.windows import day_of
from litemaas.db.connect import connector
from litemaas.db.reconciliation import Check, check_everything, kept_span
from litemaas.db.rollups import rebuild

CHECK, RECOMPUTE = "usage.check", "usage.recompute"
ONE_AT_A_TIME = "usage"
_SHOWN = 100
_NAMED = 5
_CHECK_EVERY = timedelta(days=1)
_RECOMPUTE = Rate("usage-recompute", 1, 300)
"""Of one person, token or service: it reads every record of the days."""
router = APIRouter(prefix="/api/v1/admin/usage", tags=["usage"], route_class=WorkRoute, responses=PROBLEMS)


class DaysIn(Body):
    """Whole days, both in; null = as far as records are kept."""

    start_date: Day | None = None
    end_date: Day | None = None


class ChecksQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=100)] = 10


class CheckList(BaseModel):
    """Checks and recomputations, the newest first. ``result``: ``first`` and ``last`` day, ``equal``, and ``checks``."""

    data: list[JobOut]


@router.get("/checks", dependencies=[requires(Permission.ADMIN_USAGE_READ)])
async def list_checks(work: WorkOf, query: Annotated[ChecksQuery, Query()]) -> CheckList:
    """Whether ledger, rollups and budgets told the same when they were last compared."""
    connection = await work.connection()
    found = [row for kind in (CHECK, RECOMPUTE) for row in await jobs_repository.newest(connection, kind, query.limit)]
    found.sort(key=lambda row: row.created_at, reverse=True)
    return CheckList(data=[job_out(row) for row in found[: query.limit]])


@router.post("/checks", status_code=202, dependencies=[requires(Permission.ADMIN_USAGE_READ)])
async def start_check(work: WorkOf, body: DaysIn | None = None) -> JobStarted:
    """Compares the ledger of these days with the rollups, and the budgets with them; 409 while another goes on."""
    return await _start(work, CHECK, Permission.ADMIN_USAGE_READ, body or DaysIn())


@router.post("/recompute", status_code=202, dependencies=[requires(Permission.ADMIN_USAGE_MAINTAIN)])
async def recompute(work: WorkOf, request: Request, body: DaysIn | None = None) -> JobStarted:
    """Counts the rollups of these days anew from the records, while calls go on, and compares; 409 while another goes on."""
    started = await _start(work, RECOMPUTE, Permission.ADMIN_USAGE_MAINTAIN, body or DaysIn())
    await take_one(request, _RECOMPUTE)  # what was refused for another reason costs nobody five minutes
    return started


async def _start(work: Work, kind: str, permission: Permission, days: DaysIn) -> JobStarted:
    if days.start_date and days.end_date and days.start_date > days.end_date:
        raise InvalidField("start_date must not be after end_date.", "start_date")
    payload = days.model_dump(mode="json")
    job_id = await jobs.start(work, kind, permission, payload, ONE_AT_A_TIME)
    await record(work, f"{kind}.started", "job", job_id, payload)
    return JobStarted(job_id=job_id)


def kinds(database_url: str) -> list[Kind]:
    alarm = (Permission.ADMIN_USAGE_MAINTAIN, Event.LEDGER_CHECK_FAILED)
    return [
        Kind(CHECK, _doing(database_url, with_rebuild=False), "The check of the ledger", alarm),
        Kind(RECOMPUTE, _doing(database_url, with_rebuild=True), "Counting the sums anew", alarm),
    ]


async def check_daily(plane: Plane) -> None:
    """Queues a check of yesterday and today when the newest is a day old, and there is something to check."""
    async with plane.work() as work:
        connection, day_ago = await work.connection(), work.now - _CHECK_EVERY
        newest = await jobs_repository.newest(connection, CHECK, 1)
        if (newest and newest[0].created_at > day_ago) or not await repository.has_calls_before(connection, day_ago):
            return
        yesterday = day_of(work.now, work.zone) - timedelta(days=1)
        try:
            await _start(work, CHECK, Permission.ADMIN_USAGE_READ, DaysIn(start_date=yesterday))
        except Conflict:
            return  # one is running; the next look comes soon


CHECK_DAILY = Duty("check the ledger", 3600.0, check_daily)


def _doing(database_url: str, *, with_rebuild: bool) -> Callable[[Running], Awaitable[dict[str, Any]]]:
    """On a connection of its own: both take whole transactions and longer than a request may."""
    connect = connector(database_url, "litemaas-usage")

    async def do(running: Running) -> dict[str, Any]:
        days = msgspec.convert(running.payload, dict[str, date | None])
        connection = await connect()
        try:
            span = await kept_span(connection, days["start_date"], days["end_date"])
            if span.first >= span.end:
                raise JobFailed("No records of these days are kept; their sums stay as they are.")
            if with_rebuild:
                await rebuild(connection, span.first, span.end)
            checks = await check_everything(connection, span)
        finally:
            await connection.close(timeout=5)
        if differing := [check for check in checks if check.differences]:
            await _alarm(running, differing)
        return {
            "first": span.first.isoformat(), "last": span.last.isoformat(),
            "equal": not any(check.differences for check in checks), "checks": [_told(check) for check in checks],
        }  # fmt: skip

    return do


async def _alarm(running: Running, differing: list[Check]) -> None:
    """Tells administrators of what does not agree."""
    words = "; ".join(f"{check.what}: {len(check.differences)}" for check in differing[:_NAMED])
    async with running.plane.work(running.actor) as work:
        await notify_holders(
            work, Permission.ADMIN_USAGE_MAINTAIN, Event.LEDGER_CHECK_FAILED, subject=f"job:{running.id}",
            facts={"detail": words},
        )  # fmt: skip


def _told(check: Check) -> dict[str, Any]:
    """``differing`` counts all; ``differences`` and ``notes`` hold the first hundred."""
    return {
        "what": check.what, "compared": check.compared, "differing": len(check.differences),
        "differences": msgspec.to_builtins(check.differences[:_SHOWN]), "notes": check.notes[:_SHOWN],
    }  # fmt: skip
