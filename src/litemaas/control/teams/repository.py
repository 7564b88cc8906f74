"""Where are teams, their members and the keys that they pay for read and written?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, Select, any_, delete, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import team_members, teams, users, virtual_keys

_KEY_LIVES = virtual_keys.c.deleted_at.is_(None)
SORTS = {"name": func.lower(teams.c.name), "created_at": teams.c.created_at, "updated_at": teams.c.updated_at}


class TeamFilter(msgspec.Struct, frozen=True, kw_only=True):
    """``member_id``: only teams of this person. ``search``: a part of name, alias or description."""

    member_id: str | None = None
    search: str | None = None
    is_active: bool | None = None
    cost_centre: str | None = None
    archived: bool = False
    team_id: str | None = None
    organization_id: str | None = None


# -- teams --------------------------------------------------------------------------------------------------------------


def chosen(wanted: TeamFilter) -> Select[Any]:
    where: list[ColumnElement[bool]] = [
        teams.c.archived_at.is_not(None) if wanted.archived else teams.c.archived_at.is_(None)
    ]
    if wanted.member_id is not None:
        of_person = select(team_members.c.team_id).where(team_members.c.user_id == wanted.member_id)
        where.append(teams.c.id.in_(of_person))
    if wanted.search:
        columns = (teams.c.name, teams.c.alias, teams.c.description)
        where.append(or_(*(column.icontains(wanted.search, autoescape=True) for column in columns)))
    if wanted.is_active is not None:
        where.append(teams.c.is_active == wanted.is_active)
    if wanted.team_id is not None:
        where.append(teams.c.id == wanted.team_id)
    if wanted.organization_id is not None:
        where.append(teams.c.extras.contains({"organization_id": wanted.organization_id}))
    if wanted.cost_centre is not None:
        where.append(teams.c.cost_centre == wanted.cost_centre)
    return select(teams).where(*where)


async def page(
    connection: AsyncConnection, wanted: TeamFilter, sort: str, descending: bool, offset: int, limit: int
) -> tuple[Sequence[Row[Any]], int]:
    every = chosen(wanted)
    total = (await connection.execute(select(func.count()).select_from(every.subquery()))).scalar_one()
    by = SORTS[sort].desc() if descending else SORTS[sort].asc()
    return (await connection.execute(every.order_by(by, teams.c.id).offset(offset).limit(limit))).all(), total


async def find(connection: AsyncConnection, team_id: str, *, lock: bool = False) -> Row[Any] | None:
    found = select(teams).where(teams.c.id == team_id)
    return (await connection.execute(found.with_for_update() if lock else found)).first()


async def live_among(connection: AsyncConnection, team_ids: Collection[str]) -> Sequence[Row[Any]]:
    among = teams.c.id == any_(literal(list(team_ids), ARRAY(TEXT)))
    found = select(teams).where(among, teams.c.archived_at.is_(None)).order_by(teams.c.id)
    return (await connection.execute(found)).all()


async def add(connection: AsyncConnection, values: Mapping[str, Any]) -> bool:
    """Whether id and name were free."""
    made = upsert(teams).values(**values).on_conflict_do_nothing().returning(teams.c.id)
    return (await connection.execute(made)).first() is not None


async def change(connection: AsyncConnection, team_id: str, values: Mapping[str, Any]) -> bool:
    """Whether the name was free."""
    try:
        async with connection.begin_nested():
            await connection.execute(update(teams).where(teams.c.id == team_id).values(**values))
    except IntegrityError:
        return False
    return True


async def counts(connection: AsyncConnection, team_ids: Collection[str]) -> dict[str, tuple[int, int]]:
    """Members and live keys of each team."""
    if not team_ids:
        return {}
    among = literal(list(team_ids), ARRAY(TEXT))
    members = (
        select(team_members.c.team_id, func.count().label("n"))
        .where(team_members.c.team_id == any_(among))
        .group_by(team_members.c.team_id)
        .subquery()
    )
    keys = (
        select(virtual_keys.c.team_id, func.count().label("n"))
        .where(virtual_keys.c.team_id == any_(among), _KEY_LIVES)
        .group_by(virtual_keys.c.team_id)
        .subquery()
    )
    both = (
        select(teams.c.id, func.coalesce(members.c.n, 0), func.coalesce(keys.c.n, 0))
        .outerjoin(members, members.c.team_id == teams.c.id)
        .outerjoin(keys, keys.c.team_id == teams.c.id)
        .where(teams.c.id == any_(among))
    )
    return {row[0]: (row[1], row[2]) for row in await connection.execute(both)}


async def bound_teams(connection: AsyncConnection, groups: Collection[str]) -> Sequence[str]:
    """Active teams whose bound group is one of these; locked, in a fixed order."""
    if not groups:
        return []
    found = select(teams.c.id).where(
        teams.c.group_binding == any_(literal(list(groups), ARRAY(TEXT))), teams.c.archived_at.is_(None)
    )
    return list((await connection.execute(found.order_by(teams.c.id).with_for_update())).scalars())


# -- members ------------------------------------------------------------------------------------------------------------


async def role_of(connection: AsyncConnection, team_id: str, user_id: str) -> str | None:
    found = select(team_members.c.role).where(team_members.c.team_id == team_id, team_members.c.user_id == user_id)
    role: str | None = (await connection.execute(found)).scalar()
    return role


async def roles_of(connection: AsyncConnection, user_id: str) -> dict[str, str]:
    found = select(team_members.c.team_id, team_members.c.role).where(team_members.c.user_id == user_id)
    return {row.team_id: row.role for row in await connection.execute(found)}


async def members(
    connection: AsyncConnection, team_id: str, search: str | None, offset: int, limit: int
) -> tuple[Sequence[Row[Any]], int]:
    every = _members().where(team_members.c.team_id == team_id)
    if search:
        columns = (users.c.username, users.c.email, users.c.full_name)
        every = every.where(or_(*(column.icontains(search, autoescape=True) for column in columns)))
    total = (await connection.execute(select(func.count()).select_from(every.subquery()))).scalar_one()
    page_of = every.order_by(func.lower(users.c.username), users.c.id).offset(offset).limit(limit)
    return (await connection.execute(page_of)).all(), total


async def member(connection: AsyncConnection, team_id: str, user_id: str) -> Row[Any] | None:
    found = _members().where(team_members.c.team_id == team_id, team_members.c.user_id == user_id)
    row: Row[Any] | None = (await connection.execute(found)).first()
    return row


def _members() -> Select[Any]:
    return select(team_members, users.c.username, users.c.email, users.c.full_name, users.c.is_active).join(
        users, users.c.id == team_members.c.user_id
    )


async def add_member(connection: AsyncConnection, values: Mapping[str, Any]) -> bool:
    """Whether the person was none of them yet."""
    made = upsert(team_members).values(**values).on_conflict_do_nothing().returning(team_members.c.user_id)
    return (await connection.execute(made)).first() is not None


async def change_member(connection: AsyncConnection, team_id: str, user_id: str, values: Mapping[str, Any]) -> None:
    where = (team_members.c.team_id == team_id, team_members.c.user_id == user_id)
    await connection.execute(update(team_members).where(*where).values(**values))


async def drop_member(connection: AsyncConnection, team_id: str, user_id: str) -> None:
    where = (team_members.c.team_id == team_id, team_members.c.user_id == user_id)
    await connection.execute(delete(team_members).where(*where))


async def drop_members(connection: AsyncConnection, team_id: str) -> None:
    await connection.execute(delete(team_members).where(team_members.c.team_id == team_id))


async def members_of(connection: AsyncConnection, team_ids: Collection[str]) -> Sequence[Row[Any]]:
    """All members of these teams, the oldest first."""
    among = team_members.c.team_id == any_(literal(list(team_ids), ARRAY(TEXT)))
    found = _members().where(among).order_by(team_members.c.joined_at, team_members.c.user_id)
    rows: Sequence[Row[Any]] = (await connection.execute(found)).all()
    return rows


async def teams_of_people(connection: AsyncConnection, user_ids: Collection[str]) -> Sequence[Row[Any]]:
    """Live teams of these people: ``user_id``, ``team_id``."""
    among = team_members.c.user_id == any_(literal(list(user_ids), ARRAY(TEXT)))
    found = (
        select(team_members.c.user_id, team_members.c.team_id)
        .join(teams, teams.c.id == team_members.c.team_id)
        .where(among, teams.c.archived_at.is_(None))
        .order_by(team_members.c.joined_at, team_members.c.team_id)
    )
    rows: Sequence[Any] = (await connection.execute(found)).all()
    return rows


async def other_admins(connection: AsyncConnection, team_id: str, user_id: str) -> int:
    found = select(func.count()).where(
        team_members.c.team_id == team_id, team_members.c.role == "admin", team_members.c.user_id != user_id
    )
    return (await connection.execute(found)).scalar_one()


async def memberships_by_group(connection: AsyncConnection, user_id: str) -> Sequence[Row[Any]]:
    """Memberships that a bound group made, with the group that the team is bound to now."""
    found = (
        select(team_members.c.team_id, team_members.c.role, teams.c.group_binding)
        .join(teams, teams.c.id == team_members.c.team_id)
        .where(team_members.c.user_id == user_id, team_members.c.by_group, teams.c.archived_at.is_(None))
        .order_by(teams.c.id)
        .with_for_update(of=teams)
    )
    rows: Sequence[Any] = (await connection.execute(found)).all()
    return rows


async def active_people(connection: AsyncConnection, user_ids: Collection[str]) -> set[str]:
    among = any_(literal(list(user_ids), ARRAY(TEXT)))
    return set((await connection.execute(select(users.c.id).where(users.c.id == among, users.c.is_active))).scalars())


async def find_person(connection: AsyncConnection, user_id: str | None, username: str | None) -> Row[Any] | None:
    who = users.c.id == user_id if user_id is not None else func.lower(users.c.username) == (username or "").lower()
    found: Any = await connection.execute(select(users.c.id, users.c.is_active).where(who))
    row: Row[Any] | None = found.first()
    return row


# -- keys that a team pays for ------------------------------------------------------------------------------------------


async def disable_keys(
    connection: AsyncConnection, team_id: str, user_id: str | None, values: Mapping[str, Any]
) -> Sequence[str]:
    """Disables the live keys of a team, or of one of its members; returns their hashes."""
    where = [virtual_keys.c.team_id == team_id, _KEY_LIVES]
    if user_id is not None:
        where.append(virtual_keys.c.user_id == user_id)
    changed = update(virtual_keys).where(*where).values(**values).returning(virtual_keys.c.key_hash)
    return list((await connection.execute(changed)).scalars())


def stamps(actor: str, now: datetime) -> dict[str, Any]:
    return {"updated_at": now, "updated_by": actor}
