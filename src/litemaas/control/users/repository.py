"""Where are people read and changed, and what is counted of theirs?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, Select, and_, any_, case, delete, func, literal, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.core.permissions import Role
from litemaas.db.tables import (
    audit,
    captured_payloads,
    dimensions,
    notices,
    rollups,
    sessions,
    subscriptions,
    team_members,
    teams,
    tokens,
    users,
    virtual_keys,
    workshop_drafts,
)

_ADMINS_LOCK = 0x4C4D_0041
"""Held while somebody may cease to be an administrator ("LM", "A")."""
SORTS: dict[str, Any] = {
    "created_at": users.c.created_at, "username": func.lower(users.c.username), "email": func.lower(users.c.email),
    "full_name": func.lower(users.c.full_name), "last_sign_in_at": users.c.last_sign_in_at,
}  # fmt: skip
_ROLES = users.c.granted_roles.op("||")(users.c.derived_roles)


class UserFilter(msgspec.Struct, frozen=True, kw_only=True):
    """None = any. ``ids``: only these; ``sso_ids``: only whom LiteLLM's clients gave one of these."""

    ids: Collection[str] | None = None
    sso_ids: Collection[str] | None = None
    search: str | None = None
    role: Role | None = None
    is_active: bool | None = None
    group: str | None = None
    team_id: str | None = None
    cost_centre: str | None = None
    anonymised: bool | None = None


def _conditions(wanted: UserFilter) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if wanted.ids is not None:
        where.append(users.c.id == any_(literal(list(wanted.ids), ARRAY(TEXT))))
    if wanted.sso_ids is not None:
        where.append(users.c.extras["sso_user_id"].astext == any_(literal(list(wanted.sso_ids), ARRAY(TEXT))))
    if wanted.search:
        columns = (users.c.username, users.c.email, users.c.full_name)
        where.append(or_(*(column.icontains(wanted.search, autoescape=True) for column in columns)))
    if wanted.role is not None:
        role = literal([wanted.role.value], ARRAY(TEXT))
        where.append(or_(users.c.granted_roles.contains(role), users.c.derived_roles.contains(role)))
    if wanted.is_active is not None:
        where.append(users.c.is_active == wanted.is_active)
    if wanted.group is not None:
        where.append(users.c.groups.contains(literal([wanted.group], ARRAY(TEXT))))
    if wanted.team_id is not None:
        where.append(users.c.id.in_(select(team_members.c.user_id).where(team_members.c.team_id == wanted.team_id)))
    if wanted.cost_centre is not None:
        where.append(users.c.cost_centre == wanted.cost_centre)
    if wanted.anonymised is not None:
        where.append(users.c.anonymised_at.is_not(None) if wanted.anonymised else users.c.anonymised_at.is_(None))
    return where


def chosen(wanted: UserFilter) -> Select[Any]:
    return select(users).where(*_conditions(wanted)).order_by(users.c.created_at.desc(), users.c.id)


async def page(
    connection: AsyncConnection, wanted: UserFilter, sort: str, descending: bool, offset: int, limit: int
) -> tuple[Sequence[Row[Any]], int]:
    where = _conditions(wanted)
    total = (await connection.execute(select(func.count()).select_from(users).where(*where))).scalar_one()
    by = SORTS[sort].desc().nulls_last() if descending else SORTS[sort].asc().nulls_last()
    rows = select(users).where(*where).order_by(by, users.c.id).offset(offset).limit(limit)
    return (await connection.execute(rows)).all(), total


async def find(connection: AsyncConnection, user_id: str, *, lock: bool = False) -> Row[Any] | None:
    found = select(users).where(users.c.id == user_id)
    return (await connection.execute(found.with_for_update() if lock else found)).first()


async def find_many(connection: AsyncConnection, user_ids: Collection[str]) -> Sequence[Row[Any]]:
    among = users.c.id == any_(literal(list(user_ids), ARRAY(TEXT)))
    return (await connection.execute(select(users).where(among))).all()


async def in_order(
    connection: AsyncConnection, first: Sequence[str], limit: int, *, only_these: bool = False
) -> Sequence[Row[Any]]:
    """People: those named ``first`` in that order, then the others, the newest before."""
    place = func.array_position(literal(list(first), ARRAY(TEXT)), users.c.id)
    where = [users.c.anonymised_at.is_(None), *([place.is_not(None)] if only_these else [])]
    order = (place.asc().nulls_last(), users.c.created_at.desc(), users.c.id)
    return (await connection.execute(select(users).where(*where).order_by(*order).limit(limit))).all()


async def find_by_email(connection: AsyncConnection, email: str) -> Row[Any] | None:
    """The oldest of them."""
    found = select(users).where(func.lower(users.c.email) == email.lower()).order_by(users.c.created_at).limit(1)
    return (await connection.execute(found)).first()


async def add(connection: AsyncConnection, values: Mapping[str, Any]) -> bool:
    """Whether id and username were free."""
    made = upsert(users).values(**values).on_conflict_do_nothing().returning(users.c.id)
    return (await connection.execute(made)).first() is not None


async def ids_of(connection: AsyncConnection, wanted: UserFilter) -> list[str]:
    found = select(users.c.id).where(*_conditions(wanted)).order_by(users.c.id)
    return list((await connection.execute(found)).scalars())


async def change(connection: AsyncConnection, user_id: str, values: Mapping[str, Any]) -> None:
    await connection.execute(update(users).where(users.c.id == user_id).values(**values))


async def grant(
    connection: AsyncConnection, ids: Collection[str], roles: Sequence[str], stamps: Mapping[str, Any]
) -> int:
    """Adds roles to those that were granted; returns how many people have one that they had not."""
    added = literal(list(roles), ARRAY(TEXT))
    every = select(func.unnest(users.c.granted_roles.op("||")(added)).label("role")).correlate(users).subquery()
    merged = select(func.array_agg(func.distinct(every.c.role))).scalar_subquery()
    changed = (
        update(users)
        .where(users.c.id == any_(literal(list(ids), ARRAY(TEXT))), ~users.c.granted_roles.contains(added))
        .values(granted_roles=merged, **stamps)
    )
    return (await connection.execute(changed)).rowcount


async def deactivate(
    connection: AsyncConnection, ids: Collection[str], noted: Mapping[str, Any], stamps: Mapping[str, Any]
) -> list[str]:
    """In one statement; returns who was active. ``noted`` is added to ``extras``."""
    extras = users.c.extras.op("||")(literal(dict(noted), JSONB))
    among = users.c.id == any_(literal(list(ids), ARRAY(TEXT)))
    changed = (
        update(users)
        .where(among, users.c.is_active)
        .values(is_active=False, extras=extras, **stamps)
        .returning(users.c.id)
    )
    return list((await connection.execute(changed)).scalars())


async def end_access(connection: AsyncConnection, ids: Collection[str], *, with_tokens: bool = False) -> None:
    """Ends sessions; tokens of people who are only inactive stay, and open nothing until they are active again."""
    for table in (sessions, tokens) if with_tokens else (sessions,):
        await connection.execute(delete(table).where(table.c.user_id == any_(literal(list(ids), ARRAY(TEXT)))))


async def forget_notices(connection: AsyncConnection, user_id: str) -> None:
    await connection.execute(delete(notices).where(notices.c.user_id == user_id))


async def forget_drafts(connection: AsyncConnection, user_id: str) -> None:
    """Plans of workshops may name whoever comes."""
    await connection.execute(delete(workshop_drafts).where(workshop_drafts.c.user_id == user_id))


async def forget_payloads(connection: AsyncConnection, user_id: str) -> None:
    """What the person's captured calls said."""
    keys = select(virtual_keys.c.key_hash).where(virtual_keys.c.user_id == user_id)
    await connection.execute(delete(captured_payloads).where(captured_payloads.c.key_hash.in_(keys)))


# -- administrators -----------------------------------------------------------------------------------------------------


async def hold_admins(connection: AsyncConnection) -> None:
    """Whoever changes who is an administrator waits here for others who do, too."""
    await connection.execute(select(func.pg_advisory_xact_lock(_ADMINS_LOCK)))


async def count_admins(connection: AsyncConnection) -> int:
    """Active ones."""
    found = select(func.count()).where(users.c.is_active, literal(Role.ADMIN.value) == any_(_ROLES))
    return (await connection.execute(found)).scalar_one()


# -- what is theirs -----------------------------------------------------------------------------------------------------


async def teams_of(connection: AsyncConnection, user_id: str) -> Sequence[Row[Any]]:
    found = (
        select(teams.c.id, teams.c.name, team_members.c.role)
        .join(team_members, team_members.c.team_id == teams.c.id)
        .where(team_members.c.user_id == user_id, teams.c.archived_at.is_(None))
        .order_by(func.lower(teams.c.name))
    )
    rows: Sequence[Row[Any]] = list(await connection.execute(found))
    return rows


async def keys_by_state(connection: AsyncConnection, user_id: str, now: datetime) -> dict[str, int]:
    keys = virtual_keys.c
    state = case(
        (keys.revoked_at.is_not(None), "revoked"), (keys.blocked, "disabled"), (keys.expires_at <= now, "expired"),
        else_="active",
    )  # fmt: skip
    found = select(state.label("state"), func.count().label("n"))
    found = found.where(keys.user_id == user_id, keys.deleted_at.is_(None)).group_by(state)
    return {row.state: row.n for row in await connection.execute(found)}


async def subscriptions_by_state(connection: AsyncConnection, user_id: str, now: datetime) -> dict[str, int]:
    has_passed = and_(subscriptions.c.expires_at <= now, subscriptions.c.status.in_(("pending", "active", "suspended")))
    state = case((has_passed, "expired"), else_=subscriptions.c.status)
    found = select(state.label("state"), func.count().label("n"))
    found = found.where(subscriptions.c.user_id == user_id, subscriptions.c.archived_at.is_(None)).group_by(state)
    return {row.state: row.n for row in await connection.execute(found)}


async def use_of(connection: AsyncConnection, user_id: str, month: datetime) -> Row[Any]:
    """Calls, tokens and cost of all months, and of the one that began at ``month``."""
    cells, places = rollups["key", "month"], dimensions["key"]
    this = cells.c.at >= month
    tokens_of = cells.c.prompt_tokens + cells.c.completion_tokens
    sums = {
        "requests": cells.c.calls, "total_tokens": tokens_of, "cost_nano": cells.c.cost_nano
    }  # fmt: skip
    columns = [func.coalesce(func.sum(value), 0).label(name) for name, value in sums.items()]
    columns += [func.coalesce(func.sum(value).filter(this), 0).label(f"month_{name}") for name, value in sums.items()]
    found = select(*columns).select_from(cells.join(places, places.c.id == cells.c.dimension_id))
    refused = places.c.status != "refused"
    row: Row[Any] = (await connection.execute(found.where(places.c.user_id == user_id, refused))).one()
    return row


async def activity(
    connection: AsyncConnection, user_id: str, before: tuple[datetime, int] | None, limit: int
) -> Sequence[Row[Any]]:
    """What the person did, the newest first."""
    found = select(audit).where(audit.c.actor == user_id)
    if before is not None:
        found = found.where(tuple_(audit.c.at, audit.c.id) < before)
    return (await connection.execute(found.order_by(audit.c.at.desc(), audit.c.id.desc()).limit(limit))).all()
