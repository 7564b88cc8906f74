"""Is the database's schema the one this code needs, and how does it become so? Safe when several replicas start at once.

The revision that the code needs is read off the file names in ``migrations/versions`` (``0001_first_light.py``), so that a
start with a current schema costs one query and never imports alembic. Migrations are SQL: alembic orders them and writes
the script, asyncpg runs it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from litemaas.db.connect import connector
from litemaas.db.partitions import ensure_partitions, lock_out_other_replicas
from litemaas.db.zones import set_zone

_MIGRATION_TIMEOUT_S = 3_600
T = TypeVar("T")


def upgrade(database_url: str, zone: str | None = None) -> None:
    """Brings the schema and the ledger's partitions up to date; returns at once when they are, or are ahead of this code.

    Fails: with asyncpg's error when the server is away or a lock is not had within its time-out; the
    schema is then as before, because everything happens in one transaction.

    ``zone``: the time zone that days are to begin in; None = the one that was set. Errors: ZoneDiffers when something was used
    in another one.
    """
    if not _run(lambda: _check(database_url, prepare_partitions=True)):
        _run(lambda: _migrate(database_url))
    if zone is not None:
        _run(lambda: _keep_zone(database_url, zone))


def is_current(database_url: str) -> bool:
    """Whether the schema is the one that this code needs, or a newer one: each version leaves the former one able to work."""
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


def _has_enough(revision: str | None) -> bool:
    return revision is not None and revision >= newest_revision()


async def _check(database_url: str, *, prepare_partitions: bool) -> bool:
    connection = await connector(database_url, "litemaas-migrate")()
    try:
        current = _has_enough(await revision_of(connection))
        if current and prepare_partitions:
            await ensure_partitions(connection)
        return current
    finally:
        await connection.close(timeout=5)


async def _keep_zone(database_url: str, zone: str) -> None:
    connection = await connector(database_url, "litemaas-migrate")()
    try:
        await set_zone(connection, zone)
    finally:
        await connection.close(timeout=5)


async def _migrate(database_url: str) -> None:
    connection = await connector(database_url, "litemaas-migrate")()
    try:
        async with connection.transaction():
            await lock_out_other_replicas(connection)
            revision = await revision_of(connection)
            if not _has_enough(revision):
                await connection.execute(migration_script(revision), timeout=_MIGRATION_TIMEOUT_S)
        await ensure_partitions(connection)
    finally:
        await connection.close(timeout=5)


def migration_script(revision: str | None, until: str = "head") -> str:
    """The SQL that leads from one revision to another; alembic orders it and keeps its own version table."""
    # Imported here because a start with a current schema must not pay for it.
    from alembic import command
    from alembic.config import Config

    script = StringIO()
    config = Config(output_buffer=script)
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, f"{revision}:{until}" if revision else until, sql=True)
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
