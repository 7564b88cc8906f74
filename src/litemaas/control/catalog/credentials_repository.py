"""Where are credentials with a name read and written, and which deployments use them?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import deployments, named_credentials

MEMBER = "litellm_credential_name"
"""The member of a deployment's ``params`` that names its credential."""


async def every(connection: AsyncConnection) -> Sequence[Row[Any]]:
    return (await connection.execute(select(named_credentials).order_by(named_credentials.c.name))).all()


async def find(connection: AsyncConnection, name: str, *, lock: bool = False) -> Row[Any] | None:
    found = select(named_credentials).where(named_credentials.c.name == name)
    return (await connection.execute(found.with_for_update() if lock else found)).first()


async def add(connection: AsyncConnection, values: dict[str, Any]) -> bool:
    """False when the name is taken."""
    made = insert(named_credentials).values(**values).on_conflict_do_nothing().returning(named_credentials.c.name)
    return (await connection.execute(made)).first() is not None


async def change(connection: AsyncConnection, name: str, values: dict[str, Any]) -> None:
    await connection.execute(update(named_credentials).where(named_credentials.c.name == name).values(**values))


async def remove(connection: AsyncConnection, name: str) -> None:
    await connection.execute(delete(named_credentials).where(named_credentials.c.name == name))


async def users_of(connection: AsyncConnection, name: str) -> list[str]:
    """Ids of the live deployments that name it, in their order."""
    found = select(deployments.c.id).where(
        deployments.c.deleted_at.is_(None), deployments.c.params[MEMBER].astext == name
    )
    return list((await connection.execute(found.order_by(deployments.c.model_name, deployments.c.id))).scalars())
