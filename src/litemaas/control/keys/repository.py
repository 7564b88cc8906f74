"""How do keys and their spend get into tables and out of them?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ARRAY, ColumnElement, Row, Text, and_, any_, delete, func, literal, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import budget_windows, models, teams, virtual_keys

_LIVE: ColumnElement[bool] = virtual_keys.c.deleted_at.is_(None)


class KeyFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which keys are meant; None = all. ``search`` is a part of the alias or of the key's masked name.

    ``or_created_by``, ``or_of_teams``: of a user's keys, besides them those that somebody made, or that teams pay for.
    ``deleted``: those that are no more, instead of the others.
    """

    key_hash: str | None = None
    alias: str | None = None
    search: str | None = None
    user_id: str | None = None
    team_id: str | None = None
    pot_id: str | None = None
    model: str | None = None
    blocked: bool | None = None
    expired_at: datetime | None = None
    live_at: datetime | None = None
    organization_id: str | None = None
    or_created_by: str | None = None
    or_of_teams: tuple[str, ...] = ()
    deleted: bool = False


_SPENT = (
    select(budget_windows.c.settled_nano)
    .where(budget_windows.c.scope == literal("key:") + virtual_keys.c.key_hash)
    .order_by(budget_windows.c.window_start.desc())
    .limit(1)
    .scalar_subquery()
)
ORDERS: Mapping[str, ColumnElement[Any]] = {
    "created_at": virtual_keys.c.created_at,
    "updated_at": virtual_keys.c.updated_at,
    "expires": virtual_keys.c.expires_at,
    "key_alias": virtual_keys.c.alias,
    "max_budget": virtual_keys.c.max_budget_nano,
    "spend": func.coalesce(_SPENT, 0),
}
"""What a list of keys can be sorted by; the spend is that of the last window in which anything was spent."""


async def add_key(connection: AsyncConnection, values: Mapping[str, Any]) -> bool:
    """Whether hash and alias were free."""
    statement = upsert(virtual_keys).values(**values).on_conflict_do_nothing().returning(virtual_keys.c.key_hash)
    return (await connection.execute(statement)).first() is not None


async def find_key(connection: AsyncConnection, named: str, *, lock: bool = False) -> Row[Any] | None:
    """By its id, or by the hash of its first secret or of one that opens it."""
    keys = virtual_keys.c
    is_it = or_(
        keys.key_hash == named, keys.public_id == named, keys.secret_hash == named, keys.old_secret_hash == named
    )
    statement = select(virtual_keys).where(is_it, _LIVE)
    return (await connection.execute(statement.with_for_update() if lock else statement)).first()


async def was_made(connection: AsyncConnection, key_hash: str) -> bool:
    """Whether a key of this hash is or was there, deleted ones too."""
    found = select(virtual_keys.c.key_hash).where(virtual_keys.c.key_hash == key_hash)
    return (await connection.execute(found)).first() is not None


async def find_by_secret(connection: AsyncConnection, secret_hash: str, now: datetime) -> Row[Any] | None:
    """The key that a secret opens at this moment: the current one, or the former one within its grace."""
    keys = virtual_keys.c
    never_rotated = and_(keys.key_hash == secret_hash, keys.secret_hash.is_(None))
    in_grace = and_(keys.old_secret_hash == secret_hash, keys.old_secret_until > now)
    opened = select(virtual_keys).where(or_(never_rotated, keys.secret_hash == secret_hash, in_grace), _LIVE)
    return (await connection.execute(opened)).first()


async def find_model(connection: AsyncConnection, model_id: str) -> Row[Any]:
    return (await connection.execute(select(models).where(models.c.id == model_id))).one()


async def hashes_of_aliases(connection: AsyncConnection, aliases: Sequence[str]) -> dict[str, str]:
    found = select(virtual_keys.c.alias, virtual_keys.c.key_hash).where(virtual_keys.c.alias.in_(aliases), _LIVE)
    return {row.alias: row.key_hash for row in await connection.execute(found)}


async def change_key(connection: AsyncConnection, key_hash: str, values: Mapping[str, Any]) -> bool:
    """Whether it could be done: False when another key has the alias."""
    statement = update(virtual_keys).where(virtual_keys.c.key_hash == key_hash, _LIVE).values(**values)
    try:
        async with connection.begin_nested():
            await connection.execute(statement)
    except IntegrityError:
        return False
    return True


async def forget_deleted_key(connection: AsyncConnection, key_hash: str) -> bool:
    """Removes the remains of a deleted key so that the same secret can be made anew; its records stay."""
    gone = delete(virtual_keys).where(virtual_keys.c.key_hash == key_hash, virtual_keys.c.deleted_at.is_not(None))
    return (await connection.execute(gone.returning(virtual_keys.c.key_hash))).first() is not None


async def list_keys(
    connection: AsyncConnection, wanted: KeyFilter, offset: int, limit: int, *, ascending: bool = False,
    by: str = "created_at",
) -> tuple[Sequence[Row[Any]], int]:  # fmt: skip
    """A page, and how many there are. ``by``: one of ``ORDERS``; what has no value comes last."""
    where = [virtual_keys.c.deleted_at.is_not(None) if wanted.deleted else _LIVE, *_conditions(wanted)]
    total = (await connection.execute(select(func.count()).select_from(virtual_keys).where(*where))).scalar_one()
    column = ORDERS[by]
    first = column.asc() if ascending else column.desc()
    # The newest are found by an index, which knows no place for what has no value; there is always a time.
    order = (first if by == "created_at" else first.nulls_last(), virtual_keys.c.key_hash)
    page = select(virtual_keys).where(*where).order_by(*order).offset(offset).limit(limit)
    return (await connection.execute(page)).all(), total


def _conditions(wanted: KeyFilter) -> list[ColumnElement[bool]]:
    keys = virtual_keys.c
    where: list[ColumnElement[bool]] = [
        keys[field] == value
        for field in ("key_hash", "alias", "team_id", "pot_id", "blocked")
        if (value := getattr(wanted, field)) is not None
    ]
    owned = [keys.user_id == wanted.user_id] if wanted.user_id is not None else []
    owned += [keys.created_by == wanted.or_created_by] if wanted.or_created_by is not None else []
    owned += [keys.team_id == any_(literal(list(wanted.or_of_teams), ARRAY(Text)))] if wanted.or_of_teams else []
    if owned:
        where.append(or_(*owned))
    if wanted.organization_id is not None:
        its_teams = select(teams.c.id).where(teams.c.extras.contains({"organization_id": wanted.organization_id}))
        own = keys.extras["organization_id"].astext
        where.append(or_(own == wanted.organization_id, and_(own.is_(None), keys.team_id.in_(its_teams))))
    if wanted.search:
        where.append(or_(keys.alias.icontains(wanted.search, autoescape=True),
                         keys.key_name.contains(wanted.search, autoescape=True)))  # fmt: skip
    if wanted.model:
        where.append(keys.models.contains([wanted.model]))
    if wanted.expired_at is not None:
        where.append(keys.expires_at <= wanted.expired_at)
    if wanted.live_at is not None:
        where.append(or_(keys.expires_at.is_(None), keys.expires_at > wanted.live_at))
    return where


async def in_order(connection: AsyncConnection, first: Sequence[str], limit: int) -> Sequence[Row[Any]]:
    """Live keys: those named ``first`` in that order, then the others, the newest before."""
    place = func.array_position(literal(list(first), ARRAY(Text)), virtual_keys.c.key_hash)
    order = (place.asc().nulls_last(), virtual_keys.c.created_at.desc(), virtual_keys.c.key_hash)
    return (await connection.execute(select(virtual_keys).where(_LIVE).order_by(*order).limit(limit))).all()


async def aliases_by_user(connection: AsyncConnection, user_ids: Collection[str]) -> dict[str, list[str]]:
    keys = virtual_keys.c
    among = keys.user_id == any_(literal(list(user_ids), ARRAY(Text)))
    found = select(keys.user_id, func.array_agg(keys.alias).label("aliases"))
    rows = await connection.execute(found.where(among, keys.alias.is_not(None), _LIVE).group_by(keys.user_id))
    return {row.user_id: sorted(row.aliases) for row in rows}


async def names_of(connection: AsyncConnection, hashes: Collection[str]) -> dict[str, Row[Any]]:
    """What these keys are or were called, and by whom they were paid: ``alias``, ``key_name``, ``team_id``."""
    keys = virtual_keys.c
    alias = func.coalesce(keys.alias, keys.name).label("alias")
    among = keys.key_hash == any_(literal(list(hashes), ARRAY(Text)))
    found = select(keys.key_hash, alias, keys.key_name, keys.team_id).where(among)
    rows: Sequence[Any] = (await connection.execute(found)).all()
    return {row.key_hash: row for row in rows}


async def organizations_of(connection: AsyncConnection, hashes: Collection[str]) -> dict[str, str]:
    """The organizations that keys belong to, by themselves or by their team; those of none are left out."""
    keys = virtual_keys.c
    named = func.coalesce(keys.extras["organization_id"].astext, teams.c.extras["organization_id"].astext).label(
        "named"
    )
    source = virtual_keys.outerjoin(teams, teams.c.id == keys.team_id)
    among = keys.key_hash == any_(literal(list(hashes), ARRAY(Text)))
    rows = await connection.execute(select(keys.key_hash, named).select_from(source).where(among, named.is_not(None)))
    return {row.key_hash: row.named for row in rows}


async def aliases_of(connection: AsyncConnection, user_id: str | None) -> list[str]:
    """All aliases, or those of one person's keys; in their order, the first hundred thousand."""
    found = select(virtual_keys.c.alias).where(virtual_keys.c.alias.is_not(None), _LIVE)
    if user_id is not None:
        found = found.where(virtual_keys.c.user_id == user_id)
    return list((await connection.execute(found.order_by(virtual_keys.c.alias).limit(100_000))).scalars())


async def counts_of_users(connection: AsyncConnection, user_ids: Sequence[str]) -> dict[str, int]:
    """How many keys each of these people has; those without are missing."""
    found = select(virtual_keys.c.user_id, func.count().label("n")).where(virtual_keys.c.user_id.in_(user_ids), _LIVE)
    return {row.user_id: row.n for row in await connection.execute(found.group_by(virtual_keys.c.user_id))}


async def settled(
    connection: AsyncConnection, windows: Sequence[tuple[str, datetime]]
) -> dict[tuple[str, datetime], int]:
    """What is settled in budget windows; those that nothing was booked on are missing. Units: nano-USD."""
    if not windows:
        return {}
    where = tuple_(budget_windows.c.scope, budget_windows.c.window_start).in_(windows)
    rows = await connection.execute(select(budget_windows).where(where))
    return {(row.scope, row.window_start): row.settled_nano for row in rows}


async def set_settled(connection: AsyncConnection, scope: str, window_start: datetime, nano: int) -> None:
    """Units: nano-USD. What workers have leased on the window stays theirs."""
    statement = upsert(budget_windows).values(scope=scope, window_start=window_start, settled_nano=nano)
    new = {"settled_nano": nano, "updated_at": func.now()}
    await connection.execute(statement.on_conflict_do_update(index_elements=["scope", "window_start"], set_=new))


async def clear_settled(connection: AsyncConnection, key_hash: str) -> None:
    """Sets all windows of a key and of its models to nothing spent."""
    scope = f"key:{key_hash}"
    of_it = or_(budget_windows.c.scope == scope, budget_windows.c.scope.startswith(f"{scope}/", autoescape=True))
    await connection.execute(update(budget_windows).where(of_it).values(settled_nano=0, updated_at=func.now()))
