"""What is read of the catalogue and of other workshops when one is planned?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.workshops.seats_repository import counted
from litemaas.db.tables import deployments, workshops

_MOST = 50


async def overlapping(connection: AsyncConnection, starts_at: datetime, ends_at: datetime) -> Sequence[Row[Any]]:
    """Workshops that are not over and run at that time, the first ones; those of catalogues run from when they were made."""
    w = workshops.c
    found = counted().where(
        w.ended_at.is_(None),
        or_(w.expires_at.is_(None), w.expires_at > starts_at),
        func.coalesce(w.starts_at, w.created_at) < ends_at,
    )
    first = found.order_by(func.coalesce(w.starts_at, w.created_at)).limit(_MOST)
    rows: Sequence[Row[Any]] = (await connection.execute(first)).all()
    return rows


async def room_of(connection: AsyncConnection, names: Sequence[str]) -> dict[str, Row[Any]]:
    """By model: ``deployments`` that may be asked, how many are healthy, ``parallel_cap`` in all, how many have none."""
    d = deployments.c
    found = (
        select(
            d.model_name,
            func.count().label("deployments"),
            func.count().filter(d.health == "healthy").label("healthy"),
            func.sum(d.max_parallel_requests).label("parallel_cap"),
            func.count().filter(d.max_parallel_requests.is_(None)).label("uncapped"),
        )
        .where(d.model_name.in_(list(names)), d.deleted_at.is_(None), d.enabled)
        .group_by(d.model_name)
    )
    by_name = {row.model_name: row for row in await connection.execute(found)}
    return {name: by_name[name] for name in names if name in by_name}
