"""Where do drafts of workshops stand? Each person reaches their own only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, Select, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import workshop_drafts as d


async def of(connection: AsyncConnection, user_id: str) -> Sequence[Row[Any]]:
    """The last changed first, without their contents."""
    columns = (d.c.id, d.c.title, d.c.created_at, d.c.updated_at)
    found: Select[Any] = select(*columns).where(d.c.user_id == user_id).order_by(d.c.updated_at.desc(), d.c.id)
    rows: Sequence[Row[Any]] = (await connection.execute(found)).all()
    return rows


async def count(connection: AsyncConnection, user_id: str) -> int:
    found = select(func.count()).select_from(d).where(d.c.user_id == user_id)
    return (await connection.execute(found)).scalar_one()


async def find(connection: AsyncConnection, user_id: str, draft_id: str, *, lock: bool = False) -> Row[Any] | None:
    found = select(d).where(d.c.user_id == user_id, d.c.id == draft_id)
    return (await connection.execute(found.with_for_update() if lock else found)).one_or_none()


async def add(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    await connection.execute(insert(d).values(**values))


async def change(connection: AsyncConnection, draft_id: str, values: Mapping[str, Any]) -> None:
    await connection.execute(update(d).where(d.c.id == draft_id).values(**values))


async def drop(connection: AsyncConnection, user_id: str, draft_id: str) -> bool:
    """Whether it was there."""
    return (await connection.execute(delete(d).where(d.c.user_id == user_id, d.c.id == draft_id))).rowcount > 0
