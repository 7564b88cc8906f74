"""Is the database's schema the one this code needs, and how does it become so? Safe when several replicas start at once.

The revision that the code needs is read off the file names in ``migrations/versions`` (``0001_first_light.py``), so that a
start with a current schema costs one query and never imports alembic. Migrations are SQL: alembic orders them and writes
the script, asyncpg runs it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from litemaas.db.connect import connector

_LOCK = 0x4C4D_0001
"""The advisory lock that replicas share while they migrate ("LM", 1)."""
_WAIT_FOR_OTHERS_S = 120
_WAIT_FOR_TABLES_S = 5
_MIGRATION_TIMEOUT_S = 600
T = TypeVar("T")


def upgrade(database_url: str) -> None:
    """Brings the schema and the ledger's partitions up to date; returns at once when they are.

    Fails: with asyncpg's error when the server is away or a lock is not had within its time-out; the
    schema is then as before, because everything happens in one transaction.
    """
    if not _run(lambda: _check(database_url, prepare_partitions=True)):
        _run(lambda: _migrate(database_url))


def is_current(database_url: str) -> bool:
    """Whether the schema is the one that this code needs."""
    return _run(lambda: _check(database_url, prepare_partitions=False))


def migrations_folder() -> Path:
    """Where the migrations are: inside the package in a wheel, at the top of a checkout otherwise."""
    packaged = Path(__file__).parent / "migrations"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "migrations"


def newest_revision() -> str:
    """The revision that this code needs."""
    return max(path.name.partition("_")[0] for path in (migrations_folder() / "versions").glob("[0-9]*.py"))


async def revision_of(connection: asyncpg.Connection) -> str | None:
    """The revision that a database is at; None before the first migration."""
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    return revision


async def ensure_partitions(connection: asyncpg.Connection, days_ahead: int = 7) -> list[str]:
    """Makes the ledger's partitions from yesterday to ``days_ahead`` days from now (UTC); returns those it made.

    Idempotent and safe on several replicas at once.
    """
    today = datetime.now(UTC).date()
    wanted = [today + timedelta(days=offset) for offset in range(-1, days_ahead + 1)]
    names = {f"usage_records_{day:%Y%m%d}": day for day in wanted}
    there = await connection.fetch("SELECT relname FROM pg_class WHERE relname = ANY($1::text[])", list(names))
    missing = sorted(names.keys() - {row["relname"] for row in there})
    if not missing:
        return []
    async with connection.transaction():
        await _lock_out_other_replicas(connection)
        for name in missing:
            await connection.execute(_partition_script(name, names[name]))
    return missing


def _partition_script(name: str, day: date) -> str:
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


async def _lock_out_other_replicas(connection: asyncpg.Connection) -> None:
    await connection.execute(f"SET LOCAL lock_timeout = '{_WAIT_FOR_OTHERS_S}s'")
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK, timeout=_WAIT_FOR_OTHERS_S + 5)
    await connection.execute(f"SET LOCAL lock_timeout = '{_WAIT_FOR_TABLES_S}s'")


async def _check(database_url: str, *, prepare_partitions: bool) -> bool:
    connection = await connector(database_url, "litemaas-migrate")()
    try:
        current = await revision_of(connection) == newest_revision()
        if current and prepare_partitions:
            await ensure_partitions(connection)
        return current
    finally:
        await connection.close(timeout=5)


async def _migrate(database_url: str) -> None:
    connection = await connector(database_url, "litemaas-migrate")()
    try:
        async with connection.transaction():
            await _lock_out_other_replicas(connection)
            revision = await revision_of(connection)
            if revision != newest_revision():
                await connection.execute(_script(revision), timeout=_MIGRATION_TIMEOUT_S)
        await ensure_partitions(connection)
    finally:
        await connection.close(timeout=5)


def _script(revision: str | None) -> str:
    """The SQL that leads from ``revision`` to the newest one; alembic orders it and keeps its own version table."""
    # Imported here because a start with a current schema must not pay for it.
    from alembic import command
    from alembic.config import Config

    script = StringIO()
    config = Config(output_buffer=script)
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, f"{revision}:head" if revision else "head", sql=True)
    return script.getvalue()


def _run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Runs a coroutine to its end, on a thread of its own when the caller already lives in an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    outcome: list[T] = []
    failure: list[BaseException] = []

    def target() -> None:
        try:
            outcome.append(asyncio.run(work()))
        except BaseException as error:  # noqa: BLE001 — handed to the caller below
            failure.append(error)

    thread = threading.Thread(target=target, name="migrate")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]
