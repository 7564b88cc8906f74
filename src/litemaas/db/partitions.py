"""Which days of the ledger have a partition? Those around today, those that records came for, and none that is past keeping.

A record can always be stored: what no day's partition holds goes into the default partition and moves over later.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import asyncpg

_LOCK = 0x4C4D_0001
"""The advisory lock that replicas share while they change the schema ("LM", 1)."""
_WAIT_FOR_OTHERS_S = 120
_WAIT_FOR_TABLES_S = 5
_WAIT_TO_DROP_S = 1
_MOVED_AT_ONCE = 32
_NAMED = r"^usage_records_\d{8}$"


async def ensure_partitions(connection: asyncpg.Connection, days_ahead: int = 7) -> list[str]:
    """Makes the partitions from yesterday to ``days_ahead`` days from now (UTC), and those of all days until then whose
    records wait in the default partition; returns the names of those it made.

    Idempotent and safe on several replicas at once.
    """
    today = datetime.now(UTC).date()
    wanted = {today + timedelta(days=offset) for offset in range(-1, days_ahead + 1)}
    early = await _days_without(connection, before=today + timedelta(days=days_ahead + 1))
    wanted |= early
    names = {f"usage_records_{day:%Y%m%d}": day for day in wanted}
    there = await connection.fetch("SELECT relname FROM pg_class WHERE relname = ANY($1::text[])", list(names))
    missing = sorted(names.keys() - {row["relname"] for row in there})
    for name in missing:
        try:
            await _make_partition(connection, name, names[name], moves=names[name] in early)
        except asyncpg.CheckViolationError:  # a record of that day came just now
            await _make_partition(connection, name, names[name], moves=True)
    return missing


async def _make_partition(connection: asyncpg.Connection, name: str, day: date, *, moves: bool) -> None:
    async with connection.transaction():
        await lock_out_other_replicas(connection)
        if moves:  # a reader that knows the new partition not yet would find the records nowhere
            await connection.execute("LOCK TABLE usage_records IN ACCESS EXCLUSIVE MODE")
        await connection.execute(partition_script(name, day))


async def _days_without(connection: asyncpg.Connection, before: date) -> set[date]:
    """Days with records in the default partition, the earliest first; years that PostgreSQL cannot name stay there."""
    rows = await connection.fetch(
        "SELECT DISTINCT date_trunc('day', started_at, 'UTC') AS day FROM usage_records_default "
        "WHERE started_at >= '1970-01-01' AND started_at < $1 ORDER BY 1 LIMIT $2",
        _midnight(before),
        _MOVED_AT_ONCE,
    )
    return {row["day"].date() for row in rows}


def partition_script(name: str, day: date) -> str:
    """Makes one day's partition; records that came too early for it move over from the default partition."""
    start, end = f"'{day} 00:00+00'", f"'{day + timedelta(days=1)} 00:00+00'"
    return f"""
        CREATE TABLE IF NOT EXISTS {name} (LIKE usage_records INCLUDING DEFAULTS);
        WITH early AS (
            DELETE FROM usage_records_default WHERE started_at >= {start} AND started_at < {end} RETURNING *
        ) INSERT INTO {name} SELECT * FROM early;
        DO $$ BEGIN
            IF NOT (SELECT relispartition FROM pg_class WHERE oid = '{name}'::regclass) THEN
                ALTER TABLE usage_records ATTACH PARTITION {name} FOR VALUES FROM ({start}) TO ({end});
            END IF;
        END $$;
    """  # noqa: S608 — names and dates are made here, from a calendar


async def drop_partitions(connection: asyncpg.Connection, before: date) -> list[str]:
    """Ends the records of all days before ``before``; returns the names of the partitions that went.

    Each goes by itself and waits a second at most, because all writers wait behind it: what is in use stays until next time.
    """
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
        return []
    try:
        rows = await connection.fetch(
            "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid "
            "WHERE inhparent = 'usage_records'::regclass AND relname ~ $1 ORDER BY relname",
            _NAMED,
        )
        dropped = []
        with suppress(asyncpg.LockNotAvailableError):
            for name in (row["relname"] for row in rows if row["relname"] < f"usage_records_{before:%Y%m%d}"):
                async with connection.transaction():
                    await connection.execute(f"SET LOCAL lock_timeout = '{_WAIT_TO_DROP_S}s'")
                    await connection.execute(f"DROP TABLE {name}")
                dropped.append(name)
        await connection.execute("DELETE FROM usage_records_default WHERE started_at < $1", _midnight(before))
        return dropped
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)


async def first_kept_day(connection: asyncpg.Connection) -> date | None:
    """The earliest day that has a partition; None before the first one is made."""
    name = await connection.fetchval(
        "SELECT min(relname::text) FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid "
        "WHERE inhparent = 'usage_records'::regclass AND relname ~ $1",
        _NAMED,
    )
    return datetime.strptime(name[-8:], "%Y%m%d").replace(tzinfo=UTC).date() if name else None


async def lock_out_other_replicas(connection: asyncpg.Connection) -> None:
    """Until the transaction ends; tables that are in use are waited for shortly."""
    await connection.execute(f"SET LOCAL lock_timeout = '{_WAIT_FOR_OTHERS_S}s'")
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK, timeout=_WAIT_FOR_OTHERS_S + 5)
    await connection.execute(f"SET LOCAL lock_timeout = '{_WAIT_FOR_TABLES_S}s'")


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
