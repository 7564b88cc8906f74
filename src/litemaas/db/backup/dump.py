"""How is a running database backed up? All tables, sequences and the schema's version as they are at one moment."""

from __future__ import annotations

import asyncio
import hashlib
import zipfile
from collections.abc import Awaitable, Callable
from datetime import UTC
from pathlib import Path

import asyncpg
import msgspec

from litemaas.db.backup.archive import FORMAT, Keys, Manifest, TableEntry, member_of, open_private, sign
from litemaas.db.connect import connector
from litemaas.db.migrate import revision_of

TABLE_TIMEOUT_S = 3600.0
_TABLES = """
SELECT c.relname AS name, array_agg(a.attname::text ORDER BY a.attnum) AS columns
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relname <> 'alembic_version'
GROUP BY c.relname ORDER BY c.relname
"""
_PARTITIONS = """
SELECT c.relname FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid
WHERE i.inhparent = 'usage_records'::regclass AND c.relname ~ '^usage_records_[0-9]{8}$' ORDER BY 1
"""
_SEQUENCES = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = current_schema() ORDER BY 1"


class Progress(msgspec.Struct, frozen=True):
    """``table``: what is being worked on; ``done`` of ``tables``; ``rows`` so far."""

    table: str
    done: int
    tables: int
    rows: int


Report = Callable[[Progress], Awaitable[None]]


async def nobody_listens(_: Progress) -> None:
    return None


async def dump(
    database_url: str, target: Path, keys: Keys, application: str, report: Report = nobody_listens
) -> Manifest:
    """Writes ``target`` (mode 0600). Writers are not held up; what they commit meanwhile is not in it."""
    connection = await connector(database_url, "litemaas-backup")()
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            with (
                open_private(target) as file,
                zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
            ):
                manifest = await _dump(connection, archive, application, report)
                sign(archive, manifest, keys)
        return manifest
    finally:
        await connection.close(timeout=5)


async def _dump(connection: asyncpg.Connection, archive: zipfile.ZipFile, application: str, report: Report) -> Manifest:
    await plain_text(connection)
    found = await connection.fetch(_TABLES)
    entries: list[TableEntry] = []
    for row in found:
        await report(Progress(row["name"], len(entries), len(found), sum(entry.rows for entry in entries)))
        entries.append(await _table(connection, archive, row["name"], list(row["columns"])))
    return Manifest(
        format=FORMAT,
        application=application,
        revision=await revision_of(connection) or "",
        created_at=(await connection.fetchval("SELECT now()")).astimezone(UTC).isoformat(),
        tables=entries,
        sequences={row["sequencename"]: row["last_value"] for row in await connection.fetch(_SEQUENCES)},
        partitions=[row["relname"] for row in await connection.fetch(_PARTITIONS)],
        change=await connection.fetchval("SELECT coalesce(max(seq), 0) FROM changes") or 0,
    )


async def _table(connection: asyncpg.Connection, archive: zipfile.ZipFile, name: str, columns: list[str]) -> TableEntry:
    checksum = hashlib.sha256()
    query = f"SELECT {quoted(columns)} FROM {quoted([name])}"  # noqa: S608 — names out of the database's catalogue
    with archive.open(member_of(name), "w", force_zip64=True) as member:

        async def keep(block: bytes) -> None:
            checksum.update(block)
            await asyncio.to_thread(member.write, block)

        status: str = await connection.copy_from_query(query, output=keep, timeout=TABLE_TIMEOUT_S)
    return TableEntry(
        name, columns, int(status.rpartition(" ")[2]), checksum.hexdigest(), await digest_of(connection, name, columns)
    )


async def digest_of(connection: asyncpg.Connection, table: str, columns: list[str]) -> str:
    """A checksum of all rows that does not depend on their order."""
    row = f"hashtextextended(ROW({quoted(columns)})::text, 0)"
    total = await connection.fetchval(
        f"SELECT coalesce(sum({row}::numeric), 0)::text FROM {quoted([table])}",  # noqa: S608 — as above
        timeout=TABLE_TIMEOUT_S,
    )
    return str(total)


async def plain_text(connection: asyncpg.Connection) -> None:
    """For this transaction values are written one way, whatever the server's and the role's settings."""
    await connection.execute(
        "SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = 'iso_8601'; SET LOCAL timezone = 'UTC'; "
        "SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 3; SET LOCAL statement_timeout = 0; "
        "SET LOCAL idle_in_transaction_session_timeout = 0"
    )


def quoted(names: list[str]) -> str:
    return ", ".join('"' + name.replace('"', '""') + '"' for name in names)
