"""Where are workshops, their keys and the credentials that make them read and written?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import models, provisioning_keys, virtual_keys, workshop_keys, workshops

_LIVE = virtual_keys.c.deleted_at.is_(None)


async def find_credential(connection: AsyncConnection, secret_hash: str) -> Row[Any] | None:
    found = select(provisioning_keys).where(provisioning_keys.c.secret_hash == secret_hash)
    return (await connection.execute(found)).first()


async def hold_credential(connection: AsyncConnection, credential_id: str) -> Row[Any] | None:
    """Locked, so that its count of keys holds."""
    found = select(provisioning_keys).where(provisioning_keys.c.id == credential_id).with_for_update()
    return (await connection.execute(found)).first()


async def add_credential(connection: AsyncConnection, values: dict[str, Any]) -> None:
    await connection.execute(insert(provisioning_keys).values(**values))


async def revoke_credential(connection: AsyncConnection, credential_id: str, now: datetime) -> bool:
    gone = update(provisioning_keys).where(
        provisioning_keys.c.id == credential_id, provisioning_keys.c.revoked_at.is_(None)
    )
    return (await connection.execute(gone.values(revoked_at=now).returning(provisioning_keys.c.id))).first() is not None


async def list_credentials(connection: AsyncConnection, offset: int, limit: int) -> tuple[Sequence[Row[Any]], int]:
    total = (await connection.execute(select(func.count()).select_from(provisioning_keys))).scalar_one()
    page = select(provisioning_keys).order_by(provisioning_keys.c.created_at.desc(), provisioning_keys.c.id)
    return (await connection.execute(page.offset(offset).limit(limit))).all(), total


async def live_keys_of(connection: AsyncConnection, maker: str, now: datetime, but: str | None = None) -> int:
    """How many keys of a credential can be used now, those of the workshop ``but`` left out."""
    counted = (
        select(func.count())
        .select_from(workshop_keys.join(workshops, workshops.c.guid == workshop_keys.c.guid))
        .join(virtual_keys, virtual_keys.c.key_hash == workshop_keys.c.key_hash)
        .where(
            workshops.c.made_by == maker,
            _LIVE,
            or_(virtual_keys.c.expires_at.is_(None), virtual_keys.c.expires_at > now),
        )
    )
    if but is not None:
        counted = counted.where(workshops.c.guid != but)
    return (await connection.execute(counted)).scalar_one()


async def hold(connection: AsyncConnection, guid: str, values: dict[str, Any]) -> Row[Any]:
    """The workshop's row, made if there was none, and locked: calls for one workshop come one after the other."""
    await connection.execute(insert(workshops).values(guid=guid, **values).on_conflict_do_nothing())
    return (await connection.execute(select(workshops).where(workshops.c.guid == guid).with_for_update())).one()


async def find(connection: AsyncConnection, guid: str, *, lock: bool = False) -> Row[Any] | None:
    found = select(workshops).where(workshops.c.guid == guid)
    return (await connection.execute(found.with_for_update() if lock else found)).first()


async def change(connection: AsyncConnection, guid: str, values: dict[str, Any]) -> None:
    await connection.execute(update(workshops).where(workshops.c.guid == guid).values(**values))


async def drop(connection: AsyncConnection, guid: str) -> None:
    await connection.execute(delete(workshops).where(workshops.c.guid == guid))


async def page(
    connection: AsyncConnection, search: str | None, offset: int, limit: int
) -> tuple[Sequence[Row[Any]], int]:
    """Workshops with the number of their keys, the newest first."""
    where = [workshops.c.guid.icontains(search, autoescape=True)] if search else []
    total = (await connection.execute(select(func.count()).select_from(workshops).where(*where))).scalar_one()
    keys = (
        select(func.count())
        .select_from(workshop_keys.join(virtual_keys, virtual_keys.c.key_hash == workshop_keys.c.key_hash))
        .where(workshop_keys.c.guid == workshops.c.guid, _LIVE)
        .scalar_subquery()
    )
    rows = select(workshops, keys.label("keys")).where(*where).order_by(workshops.c.created_at.desc(), workshops.c.guid)
    return (await connection.execute(rows.offset(offset).limit(limit))).all(), total


async def keys_of(connection: AsyncConnection, guid: str) -> Sequence[Row[Any]]:
    """The keys that live, with ``user_name``, in the order in which they were asked for."""
    found = (
        select(virtual_keys, workshop_keys.c.user_name)
        .join(workshop_keys, workshop_keys.c.key_hash == virtual_keys.c.key_hash)
        .where(workshop_keys.c.guid == guid, _LIVE)
        .order_by(workshop_keys.c.place, workshop_keys.c.user_name)
    )
    return (await connection.execute(found)).all()


async def add_keys(
    connection: AsyncConnection, guid: str, rows: list[dict[str, Any]], names: dict[str, tuple[str, int]]
) -> None:
    """``names``: key hash → the user of the workshop, and the place in its order. An alias in use raises IntegrityError."""
    await connection.execute(insert(virtual_keys), rows)
    seats = [
        {"guid": guid, "user_name": user, "key_hash": key_hash, "place": place}
        for key_hash, (user, place) in names.items()
    ]
    seat = insert(workshop_keys)
    # A key that was deleted has left its seat behind.
    taken = seat.on_conflict_do_update(
        index_elements=["guid", "user_name"], set_={"key_hash": seat.excluded.key_hash, "place": seat.excluded.place}
    )
    await connection.execute(taken, seats)


async def change_keys(connection: AsyncConnection, key_hashes: Collection[str], values: dict[str, Any]) -> None:
    await connection.execute(
        update(virtual_keys).where(virtual_keys.c.key_hash.in_(key_hashes), _LIVE).values(**values)
    )


async def taken_aliases(connection: AsyncConnection, aliases: Collection[str]) -> list[str]:
    found = select(virtual_keys.c.alias).where(virtual_keys.c.alias.in_(aliases), _LIVE).order_by(virtual_keys.c.alias)
    return list((await connection.execute(found)).scalars())


async def known_models(connection: AsyncConnection) -> dict[str, str]:
    """Name → status of all models."""
    return {row.name: row.status for row in await connection.execute(select(models.c.name, models.c.status))}
