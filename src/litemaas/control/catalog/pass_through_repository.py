"""Where are routes of an installation's own read and written?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import pass_through_routes, prices


def _priced() -> Select[Any]:
    joined = pass_through_routes.join(prices, prices.c.version == pass_through_routes.c.price_version)
    return select(pass_through_routes, prices.c.request_per_million).select_from(joined)


async def every(connection: AsyncConnection) -> Sequence[Row[Any]]:
    rows: Sequence[Row[Any]] = (await connection.execute(_priced().order_by(pass_through_routes.c.path))).all()
    return rows


async def find(connection: AsyncConnection, route_id: str, *, lock: bool = False) -> Row[Any] | None:
    found = _priced().where(pass_through_routes.c.id == route_id)
    asked = found.with_for_update(of=pass_through_routes) if lock else found
    row: Row[Any] | None = (await connection.execute(asked)).first()
    return row


async def add(connection: AsyncConnection, values: dict[str, Any]) -> bool:
    """False when its path or id is taken."""
    made = insert(pass_through_routes).values(**values).on_conflict_do_nothing().returning(pass_through_routes.c.id)
    return (await connection.execute(made)).first() is not None


async def is_taken(connection: AsyncConnection, path: str, by_other_than: str) -> bool:
    """Whether another route has this path."""
    table = pass_through_routes.c
    found = select(table.id).where(table.path == path, table.id != by_other_than)
    return (await connection.execute(found)).first() is not None


async def change(connection: AsyncConnection, route_id: str, values: dict[str, Any]) -> None:
    await connection.execute(update(pass_through_routes).where(pass_through_routes.c.id == route_id).values(**values))


async def remove(connection: AsyncConnection, route_id: str) -> None:
    await connection.execute(delete(pass_through_routes).where(pass_through_routes.c.id == route_id))
