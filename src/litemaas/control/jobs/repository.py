"""Where are jobs read and written?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import jobs


async def add(connection: AsyncConnection, values: dict[str, Any]) -> bool:
    """Whether it could be added: False while one is open of which there is only one."""
    added = insert(jobs).values(**values).on_conflict_do_nothing().returning(jobs.c.id)
    return (await connection.execute(added)).first() is not None


async def find(connection: AsyncConnection, job_id: str, *, lock: bool = False) -> Row[Any] | None:
    found = select(jobs).where(jobs.c.id == job_id)
    return (await connection.execute(found.with_for_update() if lock else found)).first()


async def newest(connection: AsyncConnection, kind: str, limit: int) -> Sequence[Row[Any]]:
    found = select(jobs).where(jobs.c.kind == kind).order_by(jobs.c.created_at.desc()).limit(limit)
    return (await connection.execute(found)).all()


async def change(connection: AsyncConnection, job_id: str, values: dict[str, Any]) -> None:
    await connection.execute(update(jobs).where(jobs.c.id == job_id).values(**values))


async def end_silent(connection: AsyncConnection, now: datetime, silent_since: datetime) -> Sequence[Row[Any]]:
    """Ends as failed what runs and whose holder fell silent; returns these jobs."""
    lost = update(jobs).where(jobs.c.state == "running", jobs.c.heartbeat_at < silent_since)
    ended = {"state": "failed", "error": "the replica that did it is gone", "ended_at": now}
    rows: Sequence[Row[Any]] = (await connection.execute(lost.values(**ended).returning(jobs))).all()
    return rows


async def take(connection: AsyncConnection, kinds: Collection[str], holder: str, now: datetime) -> Row[Any] | None:
    """The oldest job that waits."""
    waiting = (
        select(jobs.c.id)
        .where(jobs.c.state == "queued", jobs.c.kind.in_(kinds))
        .order_by(jobs.c.created_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    begun = {"state": "running", "holder": holder, "heartbeat_at": now, "started_at": now}
    taken = update(jobs).where(jobs.c.id.in_(waiting)).values(**begun).returning(jobs)
    row: Row[Any] | None = (await connection.execute(taken)).first()
    return row


async def beat(connection: AsyncConnection, job_id: str, holder: str, values: dict[str, Any]) -> bool:
    """Whether the job goes on: False when somebody asked to cancel it, or took it for lost.

    A row that is gone is none of these: a restore has put older jobs in the place of all.
    """
    mine = update(jobs).where(jobs.c.id == job_id, jobs.c.holder == holder, jobs.c.state == "running")
    row = (await connection.execute(mine.values(**values).returning(jobs.c.cancel_asked))).first()
    if row is None:
        return await find(connection, job_id) is None
    return not row.cancel_asked


async def end(connection: AsyncConnection, begun: Row[Any], values: dict[str, Any]) -> None:
    """Writes the outcome of a job, also of one whose row a restore has taken away."""
    whole = insert(jobs).values(**dict(begun._mapping) | values)
    await connection.execute(whole.on_conflict_do_update(index_elements=["id"], set_=values))
