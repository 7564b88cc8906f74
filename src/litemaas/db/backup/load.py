"""How does a backup come back? Into a schema beside the living one, checked, and then in its place, all in one transaction.

Nothing of the file is executed: the schema is made by this version's own migrations up to the backup's revision, rows come in
by COPY, and the remaining migrations follow. Until the last step the living tables are not touched; a failure or a crash
anywhere leaves everything as it was, because the one transaction is then rolled back.
"""

from __future__ import annotations

import re
import time
import zipfile
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from litemaas.db.backup.archive import BackupRefused, Keys, Manifest, TableEntry, open_archive, read_manifest, rows_of
from litemaas.db.backup.dump import (
    TABLE_TIMEOUT_S,
    Progress,
    Report,
    digest_of,
    nobody_listens,
    plain_text,
    quoted,
)
from litemaas.db.connect import connector
from litemaas.db.migrate import migration_script, newest_revision
from litemaas.db.partitions import lock_out_other_replicas, partition_script

MAINTENANCE_LOCK = 0x4C4D_0005
"""Held by a restore until it is done; who wants to write takes it shared, and is refused meanwhile ("LM", 3)."""
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_PARTITION = re.compile(r"usage_records_(\d{8})")
_EDGES = """
SELECT c.conrelid::regclass::text AS child, c.confrelid::regclass::text AS parent FROM pg_constraint c
WHERE c.contype = 'f' AND c.connamespace = current_schema()::regnamespace AND c.conparentid = 0 AND c.conrelid <> c.confrelid
"""
_WAIT_FOR_WRITERS_S = 30


class Restored(msgspec.Struct, frozen=True):
    """``mismatches``: tables whose rows are not those of the backup, and sums that do not agree."""

    tables: int
    rows: int
    duration_ms: int
    warnings: list[str]
    mismatches: list[str]

    @property
    def success(self) -> bool:
        return not self.mismatches


async def rehearse(database_url: str, path: Path, keys: Keys, schema: str, report: Report = nobody_listens) -> Restored:
    """Restores into a new schema, compares, and takes everything back. Errors: BackupRefused."""
    if not _SCHEMA.fullmatch(schema) or schema.startswith("pg_"):
        raise BackupRefused(
            "A schema's name has 1 to 63 of a-z, 0-9 and _, begins with a letter or _, and not with pg_."
        )
    connection = await connector(database_url, "litemaas-backup")()
    try:
        transaction = connection.transaction()
        await transaction.start()
        try:
            return await _into(connection, path, keys, schema, report)
        finally:
            await transaction.rollback()
    finally:
        await connection.close(timeout=5)


async def restore(
    database_url: str, path: Path, keys: Keys, database: str, report: Report = nobody_listens
) -> Restored:
    """Puts a backup in the place of what is there; ``database`` must be the database's name, typed as a confirmation.

    Sessions end, gateways read everything anew. Errors: BackupRefused, then nothing has changed.
    """
    connection = await connector(database_url, "litemaas-backup")()
    try:
        if await connection.fetchval("SELECT current_database()") != database:
            raise BackupRefused("The name that was typed is not the name of this database.")
        async with connection.transaction():
            await lock_out_other_replicas(connection)
            await connection.execute("SELECT pg_advisory_xact_lock($1)", MAINTENANCE_LOCK)
            living = await connection.fetchval("SELECT current_schema()")
            last_change = await _last_change(connection)
            zone = await connection.fetchval("SELECT timezone FROM installation")
            outcome = await _into(connection, path, keys, "litemaas_restoring", report)
            if (theirs := await connection.fetchval("SELECT timezone FROM installation")) != zone:
                raise BackupRefused(
                    f"The backup's days are of {theirs}, those of this installation of {zone}. "
                    f"Restore it into a new database that was migrated with LITEMAAS_TIMEZONE={theirs}."
                )
            if not outcome.success:
                raise BackupRefused(f"What was restored is not what was backed up: {'; '.join(outcome.mismatches)}")
            await _tell_everybody(connection, last_change)
            await _swap(connection, living)
        return outcome
    finally:
        await connection.close(timeout=5)


async def _into(connection: asyncpg.Connection, path: Path, keys: Keys, schema: str, report: Report) -> Restored:
    began = time.monotonic()
    with open_archive(path) as archive:
        manifest = read_manifest(archive, keys)
        if manifest.revision > newest_revision():
            raise BackupRefused(
                f"The backup's schema is {manifest.revision}, newer than {newest_revision()} of this version. Update first."
            )
        if await connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", schema):
            raise BackupRefused(f"There is a schema {schema} already.")
        await plain_text(connection)
        await connection.execute(f"CREATE SCHEMA {schema}; SET LOCAL search_path = {schema}")
        await connection.execute(migration_script(None, manifest.revision), timeout=TABLE_TIMEOUT_S)
        await _fill(connection, archive, manifest, report)
        mismatches = await _compare(connection, manifest)
        warnings = []
        if manifest.revision != newest_revision():
            await connection.execute(migration_script(manifest.revision, "head"), timeout=TABLE_TIMEOUT_S)
            warnings.append(f"The schema was brought from {manifest.revision} to {newest_revision()}.")
        mismatches += await _sums(connection)
    took = round((time.monotonic() - began) * 1000)
    return Restored(len(manifest.tables), manifest.rows, took, warnings, mismatches)


async def _fill(connection: asyncpg.Connection, archive: zipfile.ZipFile, manifest: Manifest, report: Report) -> None:
    for name in manifest.partitions:
        named = _PARTITION.fullmatch(name)
        if named is None:
            raise BackupRefused("The backup names a partition that is none.")
        day = named[1]
        await connection.execute(partition_script(name, date(int(day[:4]), int(day[4:6]), int(day[6:]))))
    # What migrations themselves put into tables is in the backup as well.
    known = await connection.fetchval(
        "SELECT array_agg(relname::text) FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
        " AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'alembic_version'"
    )
    if set(known or ()) != {table.name for table in manifest.tables}:
        raise BackupRefused("The backup's tables are not those of its schema version.")
    await connection.execute(f"TRUNCATE {quoted(sorted(known))}")
    await connection.execute("ALTER TABLE usage_records DISABLE TRIGGER USER")
    rows = 0
    for done, table in enumerate(await _parents_first(connection, manifest.tables)):
        await report(Progress(table.name, done, len(manifest.tables), rows))
        await _copy(connection, archive, table)
        rows += table.rows
    await connection.execute("ALTER TABLE usage_records ENABLE TRIGGER USER")
    for name, value in manifest.sequences.items():
        if value is not None:
            await connection.execute("SELECT setval(quote_ident($1)::regclass, $2)", name, value)


async def _copy(connection: asyncpg.Connection, archive: zipfile.ZipFile, table: TableEntry) -> None:
    async def blocks() -> AsyncIterator[bytes]:
        for block in rows_of(archive, table):
            yield block

    try:
        status: str = await connection.copy_to_table(
            table.name, source=blocks(), columns=table.columns, timeout=TABLE_TIMEOUT_S
        )
    except asyncpg.PostgresError as error:
        raise BackupRefused(f"The rows of {table.name} do not fit: {error.sqlstate} {type(error).__name__}.") from None
    if int(status.rpartition(" ")[2]) != table.rows:
        raise BackupRefused(f"{table.name} has another number of rows than were backed up.")


async def _parents_first(connection: asyncpg.Connection, tables: list[TableEntry]) -> list[TableEntry]:
    """Tables in an order in which foreign keys find what they point to."""
    edges = [(row["child"], row["parent"]) for row in await connection.fetch(_EDGES)]
    waiting = {table.name: table for table in tables}
    ordered: list[TableEntry] = []
    while waiting:
        free = [name for name in waiting if not any(child == name and parent in waiting for child, parent in edges)]
        if not free:
            raise BackupRefused("The schema's foreign keys go round in a circle.")
        ordered += [waiting.pop(name) for name in free]
    return ordered


async def _compare(connection: asyncpg.Connection, manifest: Manifest) -> list[str]:
    return [
        f"the rows of {table.name} differ"
        for table in manifest.tables
        if await digest_of(connection, table.name, table.columns) != table.digest
    ]


async def _sums(connection: asyncpg.Connection) -> list[str]:
    """The ledger and what is added up of it, the deltas that wait included."""
    ledger = await connection.fetchrow(
        "SELECT count(*) AS calls, coalesce(sum(cost_nano), 0)::text AS cost FROM usage_records",
        timeout=TABLE_TIMEOUT_S,
    )
    summed = await connection.fetchrow(
        "SELECT coalesce(sum(calls), 0)::bigint AS calls, coalesce(sum(cost_nano), 0)::text AS cost FROM"
        " (SELECT calls, cost_nano FROM usage_total_months UNION ALL SELECT calls, cost_nano FROM usage_deltas) AS sums",
        timeout=TABLE_TIMEOUT_S,
    )
    # Records that retention dropped are still in the rollups, so there can be more in these, never less.
    if ledger is not None and summed is not None and summed["calls"] < ledger["calls"]:
        return ["the rollups hold fewer calls than the ledger"]
    return []


async def _last_change(connection: asyncpg.Connection) -> int:
    there = await connection.fetchval("SELECT to_regclass('changes') IS NOT NULL")
    return (await connection.fetchval("SELECT coalesce(max(seq), 0) FROM changes") or 0) if there else 0


async def _tell_everybody(connection: asyncpg.Connection, last_change: int) -> None:
    """Ends all sessions, and goes on in the change feed above every number that a gateway can have seen."""
    await connection.execute("DELETE FROM sessions")
    seq: Any = await connection.fetchval("SELECT greatest($1, coalesce(max(seq), 0)) + 1 FROM changes", last_change)
    await connection.execute("INSERT INTO changes (seq, kind, refs) VALUES ($1, 'all', '{}')", seq)
    await connection.execute("SELECT setval(pg_get_serial_sequence('changes', 'seq'), $1)", seq)
    await connection.execute("SELECT pg_notify('litemaas_changes', $1::text)", str(seq))


async def _swap(connection: asyncpg.Connection, living: str | None) -> None:
    await connection.execute(f"SET LOCAL lock_timeout = '{_WAIT_FOR_WRITERS_S}s'")
    name = living or "public"
    try:
        if living is not None:
            await connection.execute(f"DROP SCHEMA {quoted([living])} CASCADE", timeout=TABLE_TIMEOUT_S)
    except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
        raise BackupRefused("The database was too busy to take its place. Nothing has changed; try again.") from None
    await connection.execute(f"ALTER SCHEMA litemaas_restoring RENAME TO {quoted([name])}")
