"""How do captures and what they hold get into tables and out of them?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, delete, func, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import captured_payloads, payload_captures, teams, virtual_keys

_LOCK = 0x4C4D_0012
"""Held by whoever begins a capture ("LM", 18), so that no two of the same key or team begin at once."""
_PURGED_AT_ONCE = 5_000


def _captures() -> Select[Any]:
    keys = virtual_keys.c
    kept = (
        select(func.count()).where(captured_payloads.c.capture_id == payload_captures.c.id).scalar_subquery()
    ).label("payloads")
    name = func.coalesce(keys.name, keys.alias, keys.key_name, teams.c.name).label("name")
    return (
        select(payload_captures, keys.public_id, name, kept)
        .outerjoin(virtual_keys, keys.key_hash == payload_captures.c.key_hash)
        .outerjoin(teams, teams.c.id == payload_captures.c.team_id)
    )


async def page(connection: AsyncConnection, offset: int, limit: int) -> tuple[Sequence[Row[Any]], int]:
    """Those that end last first."""
    order = (payload_captures.c.until.desc(), payload_captures.c.id)
    rows = (await connection.execute(_captures().order_by(*order).offset(offset).limit(limit))).all()
    total = (await connection.execute(select(func.count()).select_from(payload_captures))).scalar_one()
    return rows, total


async def find(connection: AsyncConnection, capture_id: str) -> Row[Any] | None:
    row: Row[Any] | None = (await connection.execute(_captures().where(payload_captures.c.id == capture_id))).first()
    return row


async def begin(connection: AsyncConnection, values: Mapping[str, Any], now: datetime) -> bool:
    """Whether the key or team had no capture that goes on."""
    await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    columns = payload_captures.c
    same = (
        columns.key_hash == values["key_hash"]
        if values["key_hash"] is not None
        else columns.team_id == values["team_id"]
    )
    if (await connection.execute(select(columns.id).where(same, columns.until > now))).first() is not None:
        return False
    await connection.execute(insert(payload_captures).values(**values))
    return True


async def drop(connection: AsyncConnection, capture_id: str) -> None:
    """With all that it holds."""
    await connection.execute(delete(payload_captures).where(payload_captures.c.id == capture_id))


async def payloads(
    connection: AsyncConnection,
    capture_id: str,
    request_id: str | None,
    before: tuple[datetime, str] | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """The newest first."""
    columns = captured_payloads.c
    found = (
        select(captured_payloads, virtual_keys.c.public_id)
        .outerjoin(virtual_keys, virtual_keys.c.key_hash == columns.key_hash)
        .where(columns.capture_id == capture_id)
    )
    if request_id is not None:
        found = found.where(columns.request_id == request_id)
    if before is not None:
        found = found.where(tuple_(columns.at, columns.request_id) < before)
    return (await connection.execute(found.order_by(columns.at.desc(), columns.request_id.desc()).limit(limit))).all()


async def purge(connection: AsyncConnection, before: datetime) -> tuple[int, int]:
    """Drops calls older than ``before`` and captures that ended by then; returns how many of both."""
    columns = captured_payloads.c
    old = select(columns.capture_id, columns.request_id).where(columns.at < before).limit(_PURGED_AT_ONCE)
    calls = delete(captured_payloads).where(tuple_(columns.capture_id, columns.request_id).in_(old))
    ended = delete(payload_captures).where(payload_captures.c.until < before)
    return (await connection.execute(calls)).rowcount, (await connection.execute(ended)).rowcount
