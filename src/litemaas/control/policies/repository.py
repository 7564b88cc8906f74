"""How are policies, and what they are judged by, read and written?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import access_policies, models, team_members, teams, users


async def every(connection: AsyncConnection) -> Sequence[Row[Any]]:
    return (await connection.execute(select(access_policies).order_by(access_policies.c.created_at))).all()


async def page(
    connection: AsyncConnection, search: str | None, effect: str | None, offset: int, limit: int
) -> tuple[Sequence[Row[Any]], int]:
    where: list[ColumnElement[bool]] = []
    if search:
        where.append(or_(access_policies.c.name.icontains(search, autoescape=True),
                         access_policies.c.description.icontains(search, autoescape=True)))  # fmt: skip
    if effect:
        where.append(access_policies.c.effect == effect)
    total = (await connection.execute(select(func.count()).select_from(access_policies).where(*where))).scalar_one()
    order = (func.lower(access_policies.c.name), access_policies.c.id)
    rows = await connection.execute(select(access_policies).where(*where).order_by(*order).offset(offset).limit(limit))
    return rows.all(), total


async def find(connection: AsyncConnection, policy_id: str, *, lock: bool = False) -> Row[Any] | None:
    found = select(access_policies).where(access_policies.c.id == policy_id)
    return (await connection.execute(found.with_for_update() if lock else found)).first()


async def add(connection: AsyncConnection, values: Mapping[str, Any]) -> bool:
    """Whether the name was free."""
    added = insert(access_policies).values(**values).on_conflict_do_nothing().returning(access_policies.c.id)
    return (await connection.execute(added)).first() is not None


async def name_is_taken(connection: AsyncConnection, name: str, but: str) -> bool:
    taken = select(access_policies.c.id).where(
        func.lower(access_policies.c.name) == func.lower(name), access_policies.c.id != but
    )
    return (await connection.execute(taken)).first() is not None


async def change(connection: AsyncConnection, policy_id: str, values: Mapping[str, Any]) -> None:
    await connection.execute(update(access_policies).where(access_policies.c.id == policy_id).values(**values))


async def drop(connection: AsyncConnection, policy_id: str) -> None:
    await connection.execute(delete(access_policies).where(access_policies.c.id == policy_id))


async def unknown(connection: AsyncConnection, kind: str, named: Sequence[str]) -> set[str]:
    """Which of the models, teams or users that are named do not exist."""
    column = {"models": models.c.name, "teams": teams.c.id, "users": users.c.id}[kind]
    found = await connection.execute(select(column).where(column.in_(named))) if named else None
    return set(named) - set(found.scalars() if found is not None else ())


async def groups_of(connection: AsyncConnection, user_id: str) -> list[str] | None:
    """None: there is no such user."""
    row = (await connection.execute(select(users.c.groups).where(users.c.id == user_id))).first()
    return None if row is None else list(row.groups)


async def groups_of_many(connection: AsyncConnection, user_ids: Sequence[str]) -> dict[str, list[str]]:
    rows = await connection.execute(select(users.c.id, users.c.groups).where(users.c.id.in_(user_ids)))
    return {row.id: list(row.groups) for row in rows}


async def teams_of(connection: AsyncConnection, user_id: str) -> list[str]:
    """Teams that are there and have this member."""
    of_them = (
        select(teams.c.id)
        .join(team_members, team_members.c.team_id == teams.c.id)
        .where(team_members.c.user_id == user_id, teams.c.archived_at.is_(None), teams.c.is_active)
    )
    return list((await connection.execute(of_them)).scalars())


async def team_exists(connection: AsyncConnection, team_id: str) -> bool:
    return (await connection.execute(select(teams.c.id).where(teams.c.id == team_id))).first() is not None


async def find_model(connection: AsyncConnection, model_id: str) -> Row[Any] | None:
    return (await connection.execute(select(models).where(models.c.id == model_id))).first()


async def every_model(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """What policies look at."""
    return list(await connection.execute(select(models.c.name, models.c.tags, models.c.restricted_access)))
