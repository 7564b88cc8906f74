"""Where are banners and their dismissals read and written?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, Row, Text, and_, any_, delete, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import banners, dismissals, team_members, users

_ORDER = (banners.c.priority.desc(), banners.c.created_at.desc(), banners.c.id)


async def shown_to(
    connection: AsyncConnection, user_id: str | None, roles: Sequence[str], now: datetime
) -> Sequence[Row[Any]]:
    """Those that apply to a visitor: active, in their time, meant for them, not dismissed."""
    where = [
        banners.c.is_active,
        or_(banners.c.starts_at.is_(None), banners.c.starts_at <= now),
        or_(banners.c.ends_at.is_(None), banners.c.ends_at > now),
    ]
    everyone = and_(*(func.coalesce(func.cardinality(targets), 0) == 0 for targets in _TARGETS))
    if user_id is None:
        where.append(everyone)
    else:
        groups = select(users.c.groups).where(users.c.id == user_id).scalar_subquery()
        teams = func.array(select(team_members.c.team_id).where(team_members.c.user_id == user_id).scalar_subquery())
        meant = or_(
            banners.c.target_users.contains([user_id]),
            banners.c.target_roles.overlap(list(roles)),
            banners.c.target_groups.bool_op("&&")(groups),
            banners.c.target_teams.bool_op("&&")(teams),
        )
        lapsed = dismissals.c.at + func.make_interval(0, 0, 0, 0, banners.c.dismiss_duration_hours) <= now
        of_them = and_(dismissals.c.banner_id == banners.c.id, dismissals.c.user_id == user_id)
        dismissed = select(literal(1)).where(of_them, or_(banners.c.dismiss_duration_hours.is_(None), ~lapsed)).exists()
        where += [or_(everyone, meant), or_(~banners.c.dismissible, ~dismissed)]
    return (await connection.execute(select(banners).where(*where).order_by(*_ORDER))).all()


_TARGETS = (banners.c.target_roles, banners.c.target_users, banners.c.target_groups, banners.c.target_teams)


async def page(connection: AsyncConnection, offset: int, limit: int) -> tuple[Sequence[Row[Any]], int]:
    total = (await connection.execute(select(func.count()).select_from(banners))).scalar_one()
    rows = await connection.execute(select(banners).order_by(*_ORDER).offset(offset).limit(limit))
    return rows.all(), total


async def find(connection: AsyncConnection, banner_id: str, *, lock: bool = False) -> Row[Any] | None:
    found = select(banners).where(banners.c.id == banner_id)
    return (await connection.execute(found.with_for_update() if lock else found)).first()


async def add(connection: AsyncConnection, values: dict[str, Any]) -> None:
    await connection.execute(insert(banners).values(**values))


async def change(connection: AsyncConnection, banner_id: str, values: dict[str, Any]) -> None:
    await connection.execute(update(banners).where(banners.c.id == banner_id).values(**values))


async def show(connection: AsyncConnection, wanted: dict[str, bool], values: dict[str, Any]) -> set[str]:
    """Sets which banners are active; returns the ids that exist."""
    known = select(banners.c.id).where(banners.c.id == any_(literal(list(wanted), ARRAY(Text)))).with_for_update()
    found = set((await connection.execute(known)).scalars())
    for active in (True, False):
        ids = [banner_id for banner_id in found if wanted[banner_id] is active]
        if ids:
            await connection.execute(update(banners).where(banners.c.id.in_(ids)).values(is_active=active, **values))
    return found


async def drop(connection: AsyncConnection, banner_id: str) -> None:
    await connection.execute(delete(banners).where(banners.c.id == banner_id))


async def dismiss(connection: AsyncConnection, banner_id: str, user_id: str, now: datetime) -> None:
    statement = insert(dismissals).values(banner_id=banner_id, user_id=user_id, at=now)
    await connection.execute(statement.on_conflict_do_update(index_elements=["banner_id", "user_id"], set_={"at": now}))


async def forget_dismissals(connection: AsyncConnection, banner_id: str) -> None:
    await connection.execute(delete(dismissals).where(dismissals.c.banner_id == banner_id))
