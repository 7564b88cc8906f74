"""What does the ledger say of a workshop's keys in the last minutes? Each question in one statement over the keys' index."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, any_, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import usage_records, virtual_keys, workshop_keys

_R = usage_records.c
_GOOD = _R.status.in_(("success", "cancelled"))
"""Who hangs up has had an answer."""


async def keys_of(connection: AsyncConnection, guid: str) -> Sequence[Row[Any]]:
    """The key of each seat with its ``user_name``; also keys that ended with the workshop."""
    found: Select[Any] = (
        select(virtual_keys, workshop_keys.c.user_name)
        .join(workshop_keys, workshop_keys.c.key_hash == virtual_keys.c.key_hash)
        .where(workshop_keys.c.guid == guid)
        .order_by(workshop_keys.c.place, workshop_keys.c.user_name)
    )
    rows: Sequence[Row[Any]] = (await connection.execute(found)).all()
    return rows


def _since(hashes: Sequence[str], since: datetime) -> ColumnElement[bool]:
    return and_(_R.key_hash == any_(literal(list(hashes), ARRAY(TEXT))), _R.started_at >= since)


async def lately(connection: AsyncConnection, hashes: Sequence[str], since: datetime) -> dict[str, Row[Any]]:
    """``calls`` and ``errors`` by key."""
    errors = func.count().filter(~_GOOD)
    found = select(_R.key_hash, func.count().label("calls"), errors.label("errors")).where(_since(hashes, since))
    return {row.key_hash: row for row in await connection.execute(found.group_by(_R.key_hash))}


async def pace(connection: AsyncConnection, hashes: Sequence[str], since: datetime) -> Row[Any]:
    """Time to first token, ``p50`` and ``p95``. Units: microseconds, None without streams."""
    good = and_(_since(hashes, since), _R.status == "success", _R.ttft_us.is_not(None))
    of = [
        func.percentile_disc(share).within_group(_R.ttft_us).label(name)
        for name, share in (("p50", 0.5), ("p95", 0.95))
    ]
    return (await connection.execute(select(*of).where(good))).one()


async def cost_since(connection: AsyncConnection, hashes: Sequence[str], since: datetime) -> int:
    """Units: nano-USD."""
    total = select(func.coalesce(func.sum(_R.cost_nano), 0)).where(_since(hashes, since))
    return int((await connection.execute(total)).scalar_one())


async def errors(connection: AsyncConnection, hashes: Sequence[str], since: datetime) -> Sequence[Row[Any]]:
    """``error_code`` and ``calls``, the most frequent first."""
    code = func.coalesce(_R.error_code, _R.status).label("error_code")
    calls = func.count().label("calls")
    found = select(code, calls).where(_since(hashes, since), ~_GOOD).group_by(code).order_by(calls.desc(), code)
    rows: Sequence[Row[Any]] = (await connection.execute(found.limit(10))).all()
    return rows


async def per_minute(connection: AsyncConnection, hashes: Sequence[str], now: datetime, minutes: int) -> list[int]:
    """Calls in each of the last whole minutes and the one that runs, the oldest first."""
    current = now.replace(second=0, microsecond=0)
    first = current - timedelta(minutes=minutes - 1)
    minute = func.date_trunc("minute", _R.started_at).label("minute")
    found = select(minute, func.count().label("calls")).where(_since(hashes, first)).group_by(minute)
    by_minute = {row.minute: row.calls for row in await connection.execute(found)}
    return [by_minute.get(first + timedelta(minutes=number), 0) for number in range(minutes)]
