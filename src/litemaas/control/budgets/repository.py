"""How do budgets get into tables and out of them, and what do windows, leases and events say?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, case, delete, func, literal_column, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import (
    budget_events,
    budget_windows,
    budgets,
    leases,
    team_members,
    teams,
    users,
    virtual_keys,
    workers,
)


async def find_budget(connection: AsyncConnection, scope: str, *, lock: bool = False) -> Row[Any] | None:
    statement = select(budgets).where(budgets.c.scope == scope)
    return (await connection.execute(statement.with_for_update() if lock else statement)).first()


async def put_budget(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    """Makes the row, or sets all of it but who made it."""
    kept = ("scope", "created_at", "created_by")
    statement = upsert(budgets).values(**values)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["scope"], set_={name: value for name, value in values.items() if name not in kept}
        )
    )


async def delete_budget(connection: AsyncConnection, scope: str) -> bool:
    """Whether there was one."""
    gone = delete(budgets).where(budgets.c.scope == scope).returning(budgets.c.scope)
    return (await connection.execute(gone)).first() is not None


async def list_budgets(
    connection: AsyncConnection, kind: str | None, owner_id: str | None, search: str | None, offset: int, limit: int
) -> tuple[Sequence[Row[Any]], int]:
    scope = budgets.c.scope
    where: list[ColumnElement[bool]] = []
    if kind is not None:
        where.append(scope.startswith(f"{kind}:", autoescape=True))
    owner = func.substr(scope, func.strpos(scope, ":") + 1)
    if owner_id is not None:
        where.append(owner == owner_id)
    if search:
        where.append(owner.icontains(search, autoescape=True))
    total = (await connection.execute(select(func.count()).select_from(budgets).where(*where))).scalar_one()
    page = select(budgets).where(*where).order_by(scope).offset(offset).limit(limit)
    return (await connection.execute(page)).all(), total


async def clear_all(connection: AsyncConnection, kinds: Sequence[str]) -> list[str]:
    """Sets what is settled in all windows of these kinds of scopes to nothing; returns the scopes that had something."""
    of_kinds = or_(*(budget_windows.c.scope.startswith(f"{kind}:", autoescape=True) for kind in kinds))
    cleared = (
        update(budget_windows)
        .where(of_kinds, budget_windows.c.settled_nano > 0)
        .values(settled_nano=0, updated_at=func.now())
        .returning(budget_windows.c.scope)
    )
    return sorted(set((await connection.execute(cleared)).scalars()))


async def list_events(
    connection: AsyncConnection, scopes_of: str | None, offset: int, limit: int
) -> tuple[Sequence[Row[Any]], int]:
    """The newest first; ``scopes_of``: of one kind."""
    where = [budget_events.c.scope.startswith(f"{scopes_of}:", autoescape=True)] if scopes_of else []
    total = (await connection.execute(select(func.count()).select_from(budget_events).where(*where))).scalar_one()
    order = (budget_events.c.at.desc(), budget_events.c.scope, budget_events.c.kind)
    page = select(budget_events).where(*where).order_by(*order).offset(offset).limit(limit)
    return (await connection.execute(page)).all(), total


def _of(column: ColumnElement[str], scope: str) -> ColumnElement[bool]:
    """The scope, and those of a key's models."""
    return (
        or_(column == scope, column.startswith(f"{scope}/model:", autoescape=True))
        if _is_key(scope)
        else column == scope
    )


def _is_key(scope: str) -> bool:
    return scope.startswith("key:")


async def windows_of(connection: AsyncConnection, scope: str, limit: int) -> Sequence[Row[Any]]:
    """What is booked on a scope, the newest window first."""
    statement = select(budget_windows).where(_of(budget_windows.c.scope, scope))
    order = (budget_windows.c.window_start.desc(), budget_windows.c.scope)
    return (await connection.execute(statement.order_by(*order).limit(limit))).all()


async def leases_of(connection: AsyncConnection, windows: Sequence[Row[Any]]) -> Sequence[Row[Any]]:
    """Who has leased what of these windows, with the age of their heartbeats by the database's clock."""
    if not windows:
        return []
    places = [(window.scope, window.window_start) for window in windows]
    age = func.extract("epoch", func.now() - workers.c.heartbeat_at).label("heartbeat_age_s")
    statement = (
        select(leases, age, workers.c.lost_after_s)
        .outerjoin(workers, workers.c.worker_id == leases.c.worker_id)
        .where(tuple_(leases.c.scope, leases.c.window_start).in_(places), leases.c.granted_nano > 0)
        .order_by(leases.c.worker_id)
    )
    return (await connection.execute(statement)).all()


async def events_of(connection: AsyncConnection, windows: Sequence[Row[Any]]) -> Sequence[Row[Any]]:
    if not windows:
        return []
    places = [(window.scope, window.window_start) for window in windows]
    statement = select(budget_events).where(tuple_(budget_events.c.scope, budget_events.c.window_start).in_(places))
    return (await connection.execute(statement.order_by(budget_events.c.at))).all()


async def release_lost(connection: AsyncConnection, scope: str) -> int:
    """Returns what workers that are lost still have leased of a scope. Units: nano-USD."""
    windows = budget_windows.c
    await connection.execute(
        select(windows.scope)
        .where(_of(windows.scope, scope))
        .order_by(windows.scope, windows.window_start)
        .with_for_update()
    )
    lost = (
        delete(leases)
        .where(_of(leases.c.scope, scope), leases.c.worker_id.not_in(select(workers.c.worker_id)))
        .returning(leases.c.scope, leases.c.window_start, leases.c.granted_nano)
    )
    gone = (await connection.execute(lost)).all()
    for row in gone:
        place = (windows.scope == row.scope) & (windows.window_start == row.window_start)
        nano = windows.leased_nano - row.granted_nano
        await connection.execute(update(budget_windows).where(place).values(leased_nano=nano, updated_at=func.now()))
    return sum(row.granted_nano for row in gone)


async def spent_lately(connection: AsyncConnection, since: datetime) -> Sequence[Row[Any]]:
    """Windows that were booked on since then, at half of their budget or more, with whose they are and what it is called.

    Of a pot nobody is the owner; who watches it listens by webhook.
    """
    windows, keys = budget_windows.c, virtual_keys.c
    told = (windows.scope, windows.window_start, windows.settled_nano)
    due = or_(
        windows.settled_nano * 2 >= literal_column("max_budget_nano"),
        windows.settled_nano >= literal_column("soft_budget_nano"),
    )
    of_keys = (
        select(
            *told, keys.max_budget_nano, keys.soft_budget_nano, keys.budget_duration, keys.budget_set_at, keys.user_id,
            keys.team_id, func.coalesce(keys.name, keys.alias, keys.key_name).label("name"),
        )
        .join(virtual_keys, windows.scope == "key:" + keys.key_hash)
        .where(windows.updated_at > since, keys.deleted_at.is_(None), due)
    )  # fmt: skip
    limits = budgets.c
    owner = func.substr(limits.scope, func.strpos(limits.scope, ":") + 1)
    kind = func.split_part(limits.scope, ":", 1)
    of_owners = (
        select(
            *told, limits.max_budget_nano, limits.soft_budget_nano, limits.budget_duration, limits.budget_set_at,
            case((kind == "user", owner), (kind == "member", func.substr(owner, func.strpos(owner, "/") + 1))).label("user_id"),
            case((kind == "team", owner), (kind == "member", func.split_part(owner, "/", 1))).label("team_id"),
            func.coalesce(users.c.username, teams.c.name, owner).label("name"),
        )
        .join(budgets, windows.scope == limits.scope)
        .outerjoin(users, and_(kind == "user", users.c.id == owner))
        .outerjoin(teams, and_(kind == "team", teams.c.id == owner))
        .where(windows.updated_at > since, due)
    )  # fmt: skip
    rows: Sequence[Any] = (await connection.execute(of_keys.union_all(of_owners))).all()
    return rows


async def admins_of_team(connection: AsyncConnection, team_id: str) -> list[str]:
    where = (team_members.c.team_id == team_id, team_members.c.role == "admin")
    return list((await connection.execute(select(team_members.c.user_id).where(*where))).scalars())
