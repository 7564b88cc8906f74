"""Where do saved prompts stand?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables.playground import saved_prompts as p


async def page(
    connection: AsyncConnection, user_id: str, search: str | None, offset: int, limit: int
) -> tuple[Sequence[Row[Any]], int]:
    wanted = [p.c.user_id == user_id]
    if search:
        wanted.append(
            or_(*(c.icontains(search, autoescape=True) for c in (p.c.name, p.c.category, p.c.system, p.c.text)))
        )
    rows = (
        await connection.execute(select(p).where(*wanted).order_by(p.c.name, p.c.id).offset(offset).limit(limit))
    ).all()
    total: int = (await connection.execute(select(func.count()).select_from(p).where(*wanted))).scalar_one()
    return rows, total


async def count(connection: AsyncConnection, user_id: str) -> int:
    number: int = (
        await connection.execute(select(func.count()).select_from(p).where(p.c.user_id == user_id))
    ).scalar_one()
    return number


async def find(connection: AsyncConnection, user_id: str, prompt_id: str) -> Row[Any] | None:
    return (await connection.execute(select(p).where(p.c.user_id == user_id, p.c.id == prompt_id))).one_or_none()


async def add(connection: AsyncConnection, values: dict[str, Any]) -> Row[Any]:
    return (await connection.execute(insert(p).values(**values).returning(*p.c))).one()


async def change(connection: AsyncConnection, user_id: str, prompt_id: str, values: dict[str, Any]) -> Row[Any] | None:
    changed = update(p).where(p.c.user_id == user_id, p.c.id == prompt_id).values(**values).returning(*p.c)
    return (await connection.execute(changed)).one_or_none()


async def drop(connection: AsyncConnection, user_id: str, prompt_id: str) -> bool:
    return (await connection.execute(delete(p).where(p.c.user_id == user_id, p.c.id == prompt_id))).rowcount > 0
