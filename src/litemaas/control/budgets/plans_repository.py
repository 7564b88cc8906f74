"""How do budgets with a name get into tables and out of them, and who names one?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, Select, delete, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import budget_plans, customers, teams, users, virtual_keys

_MOST = 10_000
"""More than one list of plans shows."""


async def find(connection: AsyncConnection, plan_id: str, *, lock: bool = False) -> Row[Any] | None:
    found = select(budget_plans).where(budget_plans.c.id == plan_id)
    return (await connection.execute(found.with_for_update() if lock else found)).first()


async def find_many(connection: AsyncConnection, plan_ids: Collection[str]) -> Sequence[Row[Any]]:
    found = select(budget_plans).where(budget_plans.c.id.in_(plan_ids)).order_by(budget_plans.c.id)
    return (await connection.execute(found)).all()


async def list_all(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """The newest first."""
    newest = select(budget_plans).order_by(budget_plans.c.created_at.desc(), budget_plans.c.id).limit(_MOST)
    return (await connection.execute(newest)).all()


async def add(connection: AsyncConnection, values: Mapping[str, Any]) -> bool:
    """Whether the id was free."""
    made = upsert(budget_plans).values(**values).on_conflict_do_nothing().returning(budget_plans.c.id)
    return (await connection.execute(made)).first() is not None


async def change(connection: AsyncConnection, plan_id: str, values: Mapping[str, Any]) -> None:
    await connection.execute(update(budget_plans).where(budget_plans.c.id == plan_id).values(**values))


async def remove(connection: AsyncConnection, plan_id: str) -> None:
    await connection.execute(delete(budget_plans).where(budget_plans.c.id == plan_id))
    await connection.execute(update(customers).where(customers.c.plan_id == plan_id).values(plan_id=None))
    for table in (virtual_keys, users, teams):
        left = table.c.extras.op("-")("budget_id")
        await connection.execute(
            update(table).where(table.c.extras.contains({"budget_id": plan_id})).values(extras=left)
        )


async def keys_of(connection: AsyncConnection, plan_id: str) -> Sequence[Row[Any]]:
    named = virtual_keys.c.extras.contains({"budget_id": plan_id})
    columns = virtual_keys.c.key_hash, virtual_keys.c.extras, virtual_keys.c.model_limits
    found = select(*columns).where(named, virtual_keys.c.deleted_at.is_(None))
    rows: Sequence[Any] = (await connection.execute(found.order_by(virtual_keys.c.key_hash))).all()
    return rows


async def sharers_of(connection: AsyncConnection, plan_id: str) -> list[tuple[Row[Any], str]]:
    """People, teams and customers that name a plan, with the kind of their scope."""
    named = {"budget_id": plan_id}
    asked: tuple[tuple[Select[Any], str], ...] = (
        (select(users.c.id, users.c.extras).where(users.c.extras.contains(named)), "user"),
        (select(teams.c.id, teams.c.extras).where(teams.c.extras.contains(named)), "team"),
        (select(customers.c.id, customers.c.extras).where(customers.c.plan_id == plan_id), "customer"),
    )
    return [(row, kind) for found, kind in asked for row in await connection.execute(found)]
