"""Where are notices, webhooks and deliveries read and written?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row, and_, cast, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.core.permissions import MATRIX, Permission
from litemaas.db.tables import deliveries, notices, users, webhooks


async def recipients(connection: AsyncConnection, user_ids: Iterable[str]) -> Sequence[Row[Any]]:
    wanted = select(users).where(users.c.id.in_(list(user_ids)), users.c.is_active)
    return (await connection.execute(wanted)).all()


async def holders_of(connection: AsyncConnection, permission: Permission) -> list[str]:
    """Active users whose roles carry a permission."""
    roles = [role.value for role in MATRIX if permission in MATRIX[role]]
    held = or_(users.c.granted_roles.overlap(roles), users.c.derived_roles.overlap(roles))
    return list((await connection.execute(select(users.c.id).where(held, users.c.is_active))).scalars())


async def add_notices(connection: AsyncConnection, rows: list[dict[str, Any]]) -> set[str]:
    """Ids of those that were not told before."""
    if not rows:
        return set()
    added = insert(notices).values(rows).on_conflict_do_nothing().returning(notices.c.id)
    return set((await connection.execute(added)).scalars())


async def add_deliveries(connection: AsyncConnection, rows: list[dict[str, Any]]) -> None:
    if rows:
        await connection.execute(insert(deliveries), rows)


async def listening_webhooks(connection: AsyncConnection, event: str) -> list[str]:
    wants = or_(func.cardinality(webhooks.c.events) == 0, webhooks.c.events.contains([event]))
    return list((await connection.execute(select(webhooks.c.id).where(webhooks.c.is_active, wants))).scalars())


async def list_notices(
    connection: AsyncConnection, user_id: str, *, unread: bool, offset: int, limit: int
) -> tuple[Sequence[Row[Any]], int]:
    where = and_(notices.c.user_id == user_id, notices.c.in_inbox)
    if unread:
        where = and_(where, notices.c.read_at.is_(None))
    total = (await connection.execute(select(func.count()).select_from(notices).where(where))).scalar_one()
    page = select(notices).where(where).order_by(notices.c.at.desc(), notices.c.id).offset(offset).limit(limit)
    return (await connection.execute(page)).all(), total


async def count_unread(connection: AsyncConnection, user_id: str) -> int:
    where = and_(notices.c.user_id == user_id, notices.c.in_inbox, notices.c.read_at.is_(None))
    return (await connection.execute(select(func.count()).select_from(notices).where(where))).scalar_one()


async def mark_read(connection: AsyncConnection, user_id: str, notice_id: str | None) -> int:
    """One notice, or all; returns how many of them there are, read before or not."""
    where = [notices.c.user_id == user_id, notices.c.in_inbox]
    if notice_id is not None:
        where.append(notices.c.id == notice_id)
    read = update(notices).where(*where).values(read_at=func.coalesce(notices.c.read_at, func.now()))
    return (await connection.execute(read)).rowcount


async def drop_notices(connection: AsyncConnection, user_id: str, notice_id: str | None) -> int:
    """Takes one or all out of the inbox; the rows stay, so that the same thing is not told again."""
    where = [notices.c.user_id == user_id, notices.c.in_inbox]
    if notice_id is not None:
        where.append(notices.c.id == notice_id)
    return (await connection.execute(update(notices).where(*where).values(in_inbox=False))).rowcount


async def forget_old(connection: AsyncConnection, before: Any) -> None:
    await connection.execute(delete(notices).where(notices.c.at < before))
    await connection.execute(
        delete(deliveries).where(deliveries.c.created_at < before, deliveries.c.state != "waiting")
    )


# -- webhooks -------------------------------------------------------------------------------------------------------------


async def list_webhooks(connection: AsyncConnection) -> Sequence[Row[Any]]:
    return (await connection.execute(select(webhooks).order_by(webhooks.c.created_at, webhooks.c.id))).all()


async def find_webhook(connection: AsyncConnection, webhook_id: str, *, lock: bool = False) -> Row[Any] | None:
    found = select(webhooks).where(webhooks.c.id == webhook_id)
    return (await connection.execute(found.with_for_update() if lock else found)).first()


async def add_webhook(connection: AsyncConnection, values: dict[str, Any]) -> None:
    await connection.execute(insert(webhooks).values(**values))


async def change_webhook(connection: AsyncConnection, webhook_id: str, values: dict[str, Any]) -> None:
    await connection.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(**values))


async def drop_webhook(connection: AsyncConnection, webhook_id: str) -> None:
    await connection.execute(delete(webhooks).where(webhooks.c.id == webhook_id))


async def list_deliveries(connection: AsyncConnection, webhook_id: str, limit: int) -> Sequence[Row[Any]]:
    newest = select(deliveries).where(deliveries.c.webhook_id == webhook_id).order_by(deliveries.c.id.desc())
    return (await connection.execute(newest.limit(limit))).all()


# -- deliveries -----------------------------------------------------------------------------------------------------------


async def due(connection: AsyncConnection, now: Any, limit: int, hold_until: Any) -> Sequence[Row[Any]]:
    """Takes what is due and puts it off until ``hold_until``, so that nobody else sends it meanwhile."""
    waiting = (
        select(deliveries.c.id)
        .where(deliveries.c.state == "waiting", deliveries.c.next_at <= now)
        .order_by(deliveries.c.next_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = update(deliveries).where(deliveries.c.id.in_(waiting)).values(next_at=hold_until).returning(deliveries)
    rows: Sequence[Row[Any]] = (await connection.execute(taken)).all()
    return rows


async def end_delivery(connection: AsyncConnection, delivery_id: int, values: dict[str, Any]) -> None:
    await connection.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(**values))


async def address_of(connection: AsyncConnection, notice_id: str) -> Row[Any] | None:
    found = select(notices, users.c.email, users.c.language, users.c.full_name).join(
        users, users.c.id == notices.c.user_id
    )
    return (await connection.execute(found.where(notices.c.id == notice_id))).first()


async def preferences_of(connection: AsyncConnection, user_id: str) -> dict[str, Any]:
    found: dict[str, Any] | None = (
        await connection.execute(select(users.c.preferences).where(users.c.id == user_id))
    ).scalar()
    return found or {}


async def set_preferences(connection: AsyncConnection, user_id: str, wishes: dict[str, Any]) -> dict[str, Any]:
    new = users.c.preferences.op("||")(func.jsonb_build_object("notifications", cast(wishes, JSONB)))
    changed = update(users).where(users.c.id == user_id).values(preferences=new).returning(users.c.preferences)
    held: dict[str, Any] = (await connection.execute(changed)).scalar_one()
    return held
