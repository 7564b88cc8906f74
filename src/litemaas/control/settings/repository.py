"""Where are the groups of settings read and written?"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import settings


async def find(connection: AsyncConnection, name: str, *, lock: bool = False) -> Row[Any] | None:
    found = select(settings).where(settings.c.name == name)
    return (await connection.execute(found.with_for_update() if lock else found)).first()


async def every(connection: AsyncConnection) -> dict[str, Row[Any]]:
    return {row.name: row for row in await connection.execute(select(settings))}


async def put(connection: AsyncConnection, name: str, value: dict[str, Any], actor: str, now: datetime) -> None:
    new = {"value": value, "updated_by": actor, "updated_at": now}
    statement = insert(settings).values(name=name, **new)
    await connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=new))
