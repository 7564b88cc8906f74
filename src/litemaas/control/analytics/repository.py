"""Who is who in usage figures? Names of people, teams and keys, deleted ones included; and who belongs to a scope."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import budgets, team_members, teams, usage_records, users, virtual_keys, workshops


async def role_in_team(connection: AsyncConnection, team_id: str, user_id: str | None) -> str | None:
    where = (team_members.c.team_id == team_id, team_members.c.user_id == user_id)
    role: str | None = (await connection.execute(select(team_members.c.role).where(*where))).scalar()
    return role


async def keys_within(
    connection: AsyncConnection, asked: Sequence[str], user_id: str | None, team_id: str | None
) -> set[str]:
    """Those of the asked keys that belong to the user or team, deleted ones too."""
    owner = virtual_keys.c.user_id == user_id if user_id is not None else virtual_keys.c.team_id == team_id
    found = select(virtual_keys.c.key_hash).where(virtual_keys.c.key_hash.in_(asked), owner)
    return set((await connection.execute(found)).scalars())


async def people_of_team(connection: AsyncConnection, team_id: str, asked: Sequence[str]) -> set[str]:
    """Those of the asked users that are or were of the team."""
    if not asked:
        return set()
    members = select(team_members.c.user_id).where(team_members.c.team_id == team_id, team_members.c.user_id.in_(asked))
    holders = select(virtual_keys.c.user_id).where(virtual_keys.c.team_id == team_id, virtual_keys.c.user_id.in_(asked))
    return set((await connection.execute(members.union(holders))).scalars())


async def names_of(connection: AsyncConnection, by: str, ids: Sequence[str]) -> dict[str, str]:
    """How people call what usage knows by its id."""
    if not ids:
        return {}
    if by == "user":
        found = select(users.c.id, users.c.username.label("name")).where(users.c.id.in_(ids))
    elif by == "team":
        found = select(teams.c.id, teams.c.name).where(teams.c.id.in_(ids))
    elif by == "key":
        name = func.coalesce(virtual_keys.c.alias, virtual_keys.c.name, virtual_keys.c.key_name)
        found = select(virtual_keys.c.key_hash.label("id"), name.label("name")).where(virtual_keys.c.key_hash.in_(ids))
    elif by == "workshop":
        name = func.coalesce(func.max(workshops.c.title), func.max(workshops.c.guid))
        found = select(workshops.c.pot_id.label("id"), name.label("name")).where(workshops.c.pot_id.in_(ids))
        found = found.group_by(workshops.c.pot_id)
    else:
        return {}
    return {row.id: row.name for row in await connection.execute(found)}


async def emails_of(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, str | None]:
    if not ids:
        return {}
    return {
        row.id: row.email
        for row in await connection.execute(select(users.c.id, users.c.email).where(users.c.id.in_(ids)))
    }


async def count_people(connection: AsyncConnection, before: Any, team_id: str | None) -> int:
    """How many accounts there were at an instant, of a team or of all."""
    if team_id is None:
        counted = select(func.count()).select_from(users).where(users.c.created_at < before)
    else:
        where = (team_members.c.team_id == team_id, team_members.c.joined_at < before)
        counted = select(func.count()).select_from(team_members).where(*where)
    return (await connection.execute(counted)).scalar_one()


async def first_call_at(connection: AsyncConnection) -> Any:
    """When the ledger begins; None while it is empty."""
    return (await connection.execute(select(func.min(usage_records.c.started_at)))).scalar()


async def budgets_of(connection: AsyncConnection, scopes: Sequence[str]) -> dict[str, Row[Any]]:
    return {row.scope: row for row in await connection.execute(select(budgets).where(budgets.c.scope.in_(scopes)))}


async def teams_of(connection: AsyncConnection, user_id: str) -> dict[str, str]:
    """Id → name of the active teams of a person."""
    found = (
        select(teams.c.id, teams.c.name)
        .join(team_members, team_members.c.team_id == teams.c.id)
        .where(team_members.c.user_id == user_id, teams.c.archived_at.is_(None))
    )
    return {row.id: row.name for row in await connection.execute(found)}
