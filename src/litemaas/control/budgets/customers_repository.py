"""How do customers get into their table and out of it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, delete, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import customers


async def find(connection: AsyncConnection, customer_id: str, *, lock: bool = False) -> Row[Any] | None:
    found = select(customers).where(customers.c.id == customer_id)
    return (await connection.execute(found.with_for_update() if lock else found)).first()


async def add(connection: AsyncConnection, values: Mapping[str, Any]) -> bool:
    """Whether the id was free."""
    made = upsert(customers).values(**values).on_conflict_do_nothing().returning(customers.c.id)
    return (await connection.execute(made)).first() is not None


async def change(connection: AsyncConnection, customer_id: str, values: Mapping[str, Any]) -> None:
    await connection.execute(update(customers).where(customers.c.id == customer_id).values(**values))


async def remove(connection: AsyncConnection, customer_id: str) -> None:
    await connection.execute(delete(customers).where(customers.c.id == customer_id))


async def list_all(connection: AsyncConnection, limit: int) -> Sequence[Row[Any]]:
    newest = select(customers).order_by(customers.c.created_at.desc(), customers.c.id).limit(limit)
    return (await connection.execute(newest)).all()
