"""What does the database know of the platform's parts? Each question in one statement, however much there is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import (
    deployments,
    duties,
    jobs,
    models,
    subscriptions,
    teams,
    usage_deltas,
    usage_records,
    users,
    virtual_keys,
    workers,
)

_MOST_WORKERS = 1_000


async def schema(connection: AsyncConnection) -> tuple[str, str | None]:
    """The server's version, and the revision of the schema."""
    version = (await connection.execute(text("SHOW server_version"))).scalar_one()
    return version, (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar()


async def list_workers(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """With the seconds since each was heard of, by the database's clock, which wrote them."""
    silent = func.extract("epoch", func.now() - workers.c.heartbeat_at).label("silent_s")
    found = select(workers, silent).order_by(workers.c.worker_id).limit(_MOST_WORKERS)
    return (await connection.execute(found)).all()


async def list_duties(connection: AsyncConnection) -> Sequence[Row[Any]]:
    return (await connection.execute(select(duties).order_by(duties.c.name))).all()


async def failed_jobs(connection: AsyncConnection, since: datetime) -> Sequence[Row[Any]]:
    failed = (
        select(jobs)
        .where(jobs.c.state == "failed", jobs.c.ended_at >= since)
        .order_by(jobs.c.ended_at.desc())
        .limit(20)
    )
    return (await connection.execute(failed)).all()


async def accounting(connection: AsyncConnection) -> tuple[datetime | None, int, datetime | None]:
    """When the newest call in the ledger began, how many cells wait to be summed, and since when the oldest does."""
    newest = await connection.execute(
        select(usage_records.c.started_at).order_by(usage_records.c.started_at.desc()).limit(1)
    )
    waiting = (await connection.execute(select(func.count(), func.min(usage_deltas.c.at)))).one()
    return newest.scalar(), waiting[0], waiting[1]


async def counted(connection: AsyncConnection) -> dict[str, dict[str, int]]:
    """How many there are of each, in all and by status."""
    found: dict[str, dict[str, int]] = {}
    for name, table, status in (
        ("models", models, models.c.status),
        ("subscriptions", subscriptions, subscriptions.c.status),
        ("jobs", jobs, jobs.c.state),
    ):
        rows = (await connection.execute(select(status, func.count()).select_from(table).group_by(status))).all()
        found[name] = {"total": sum(row[1] for row in rows)} | {row[0]: row[1] for row in rows}
    active = func.count().filter(users.c.is_active)
    row = (await connection.execute(select(func.count(), active).select_from(users))).one()
    found["users"] = {"total": row[0], "active": row[1]}
    blocked = func.count().filter(virtual_keys.c.blocked)
    row = (await connection.execute(select(func.count(), blocked).select_from(virtual_keys))).one()
    found["keys"] = {"total": row[0], "blocked": row[1]}
    there = deployments.c.deleted_at.is_(None)
    enabled = func.count().filter(deployments.c.enabled)
    row = (await connection.execute(select(func.count(), enabled).select_from(deployments).where(there))).one()
    found["deployments"] = {"total": row[0], "enabled": row[1]}
    found["teams"] = {"total": (await connection.execute(select(func.count()).select_from(teams))).scalar_one()}
    return found


async def size_of_database(connection: AsyncConnection) -> int:
    size: int = (await connection.execute(select(func.pg_database_size(func.current_database())))).scalar_one()
    return size
