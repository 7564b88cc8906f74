"""Where are the seats that people claim read and written?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, case, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import users, virtual_keys, workshop_keys, workshop_seats, workshops

_SEATS = workshop_seats.c
_KEY = workshop_keys.join(virtual_keys, virtual_keys.c.key_hash == workshop_keys.c.key_hash)


async def page(
    connection: AsyncConnection, organiser: str | None, search: str | None, offset: int, limit: int
) -> tuple[Sequence[Row[Any]], int]:
    """Workshops with ``seats`` and ``claimed``, the newest first. ``organiser``: only this person's; None = all."""
    where = [] if organiser is None else [workshops.c.organisers.contains([organiser])]
    if search:
        columns = (workshops.c.guid, workshops.c.title)
        where.append(or_(*(column.icontains(search, autoescape=True) for column in columns)))
    total = (await connection.execute(select(func.count()).select_from(workshops).where(*where))).scalar_one()
    rows = counted().where(*where).order_by(workshops.c.created_at.desc(), workshops.c.guid)
    return (await connection.execute(rows.offset(offset).limit(limit))).all(), total


async def find(connection: AsyncConnection, guid: str) -> Row[Any] | None:
    row: Row[Any] | None = (await connection.execute(counted().where(workshops.c.guid == guid))).first()
    return row


def counted() -> Select[Any]:
    """Keys that a catalogue hands out are seats that are taken."""
    seats = select(func.count()).select_from(workshop_seats).where(_SEATS.guid == workshops.c.guid)
    keys = (
        select(func.count())
        .select_from(_KEY)
        .where(workshop_keys.c.guid == workshops.c.guid, virtual_keys.c.deleted_at.is_(None))
    )
    claimed = seats.where(_SEATS.claimed_at.is_not(None))
    by_people = workshops.c.claim_mode.is_not(None)

    def told(of_people: Select[Any]) -> Any:
        return case((by_people, of_people.scalar_subquery()), else_=keys.scalar_subquery())

    return select(workshops, told(seats).label("seats"), told(claimed).label("claimed"))


async def known_people(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, str]:
    """Usernames by id, of those who have an account with such an id or username."""
    found = select(users.c.id, users.c.username).where(or_(users.c.id.in_(ids), users.c.username.in_(ids)))
    return {row.id: row.username for row in await connection.execute(found)}


async def add(connection: AsyncConnection, rows: list[dict[str, Any]]) -> None:
    await connection.execute(insert(workshop_seats), rows)


async def list_seats(connection: AsyncConnection, guid: str) -> Sequence[Row[Any]]:
    return (
        await connection.execute(select(workshop_seats).where(_SEATS.guid == guid).order_by(_SEATS.user_name))
    ).all()


async def free_seats(connection: AsyncConnection, guid: str) -> int:
    free = select(func.count()).select_from(workshop_seats).where(_SEATS.guid == guid, _SEATS.claimed_at.is_(None))
    return (await connection.execute(free)).scalar_one()


async def seat_of_browser(connection: AsyncConnection, guid: str, browser_hash: str) -> Row[Any] | None:
    found = select(workshop_seats).where(_SEATS.guid == guid, _SEATS.browser_hash == browser_hash)
    return (await connection.execute(found)).first()


async def seat_named(connection: AsyncConnection, guid: str, user_name: str) -> Row[Any] | None:
    found = select(workshop_seats).where(_SEATS.guid == guid, _SEATS.user_name == user_name)
    return (await connection.execute(found.with_for_update())).first()


async def seat_of_code(connection: AsyncConnection, guid: str, code_hash: str) -> Row[Any] | None:
    """Locked: a code is good once, whoever is faster."""
    found = select(workshop_seats).where(_SEATS.guid == guid, _SEATS.code_hash == code_hash)
    return (await connection.execute(found.with_for_update())).first()


async def first_free(connection: AsyncConnection, guid: str) -> Row[Any] | None:
    """Locked; seats that others are claiming at this moment are passed over."""
    free = select(workshop_seats).where(_SEATS.guid == guid, _SEATS.claimed_at.is_(None)).order_by(_SEATS.user_name)
    return (await connection.execute(free.limit(1).with_for_update(skip_locked=True))).first()


async def change(connection: AsyncConnection, guid: str, user_name: str, values: dict[str, Any]) -> None:
    await connection.execute(
        update(workshop_seats).where(_SEATS.guid == guid, _SEATS.user_name == user_name).values(**values)
    )


async def remove(connection: AsyncConnection, guid: str, user_name: str) -> None:
    await connection.execute(delete(workshop_seats).where(_SEATS.guid == guid, _SEATS.user_name == user_name))


async def key_of(connection: AsyncConnection, guid: str, user_name: str) -> Row[Any] | None:
    """The live key of a seat."""
    found = (
        select(virtual_keys)
        .select_from(_KEY)
        .where(
            workshop_keys.c.guid == guid, workshop_keys.c.user_name == user_name, virtual_keys.c.deleted_at.is_(None)
        )
    )
    return (await connection.execute(found)).first()
