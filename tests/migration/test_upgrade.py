"""Does the first start make the schema that the code expects, and do many first starts at once do no harm?"""

from __future__ import annotations

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO

import asyncpg
import pytest
from sqlalchemy import CheckConstraint
from sqlalchemy.dialects import postgresql

from litemaas.cli.database import bring_up_to_date
from litemaas.core.ledger import COLUMNS
from litemaas.db.migrate import is_current, migrations_folder, newest_revision, upgrade
from litemaas.db.partitions import ensure_partitions
from litemaas.db.rollups import fold
from litemaas.db.tables import metadata, usage_records


def test_the_newest_file_name_is_alembics_head():
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [newest_revision()]


def test_usage_records_keep_the_ledgers_column_order():
    assert tuple(column.name for column in usage_records.columns) == COLUMNS


def test_ten_replicas_that_start_at_once_make_one_schema(empty_database_url: str):
    assert not is_current(empty_database_url)
    with ThreadPoolExecutor(10) as replicas:
        list(replicas.map(upgrade, [empty_database_url] * 10))
    assert is_current(empty_database_url)


async def test_the_migrated_schema_is_what_the_tables_say(database_url: str):
    """Columns with type, nullability and default, and the names of indexes and constraints, both ways."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            """
            SELECT c.relname AS table, a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull
            FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
              AND a.attnum > 0 AND NOT a.attisdropped AND c.relname <> 'alembic_version'
            ORDER BY c.relname, a.attnum
            """
        )
        indexes = await connection.fetch(
            "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND indexname NOT LIKE '%\\_pkey' "
            "AND tablename NOT LIKE 'usage_records\\_%' AND tablename <> 'alembic_version'"
        )
        checks = await connection.fetch(
            "SELECT conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace"
        )
    finally:
        await connection.close()
    spelled = {"TIMESTAMP WITH TIME ZONE": "timestamp with time zone", "FLOAT": "double precision"}
    dialect = postgresql.dialect()
    expected = [
        (table.name, c.name, spelled.get(kind := c.type.compile(dialect), kind.lower()), not c.nullable)
        for table in sorted(metadata.tables.values(), key=lambda table: table.name)
        for c in table.columns
    ]
    assert [(row["table"], row["column"], row["type"], row["attnotnull"]) for row in rows] == expected
    named = {index.name for table in metadata.tables.values() for index in table.indexes}
    assert {row["indexname"] for row in indexes} == named
    written = {
        c.name for table in metadata.tables.values() for c in table.constraints if isinstance(c, CheckConstraint)
    }
    assert {row["conname"] for row in checks} == written


async def test_partitions_are_made_ahead_once_and_take_early_records_over(database_url: str):
    connection = await asyncpg.connect(database_url)
    try:
        today = datetime.now(UTC).replace(hour=12)
        assert await ensure_partitions(connection) == []
        await _insert_record(connection, "early", today + timedelta(days=20))
        made = await ensure_partitions(connection, days_ahead=21)
        assert len(made) >= 13
        assert await ensure_partitions(connection, days_ahead=21) == []
        held_by = await connection.fetchval("SELECT tableoid::regclass::text FROM usage_records")
        assert held_by == f"usage_records_{today + timedelta(days=20):%Y%m%d}"
    finally:
        await connection.close()


async def test_records_from_before_the_rollups_are_counted_by_the_migration(empty_database_url: str):
    from alembic import command
    from alembic.config import Config

    script = StringIO()
    config = Config(output_buffer=script)
    config.set_main_option("script_location", str(migrations_folder()))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, "0002", sql=True)
    connection = await asyncpg.connect(empty_database_url)
    try:
        await connection.execute(script.getvalue())
        now = datetime.now(UTC)
        for number in range(5):
            await _insert_record(connection, f"r{number}", now - timedelta(days=number))
        await asyncio.to_thread(upgrade, empty_database_url)
        await _insert_record(connection, "r5", now)
        await fold(connection)
        assert await connection.fetchval("SELECT sum(calls) FROM usage_full_hours") == 6
        assert await connection.fetchval("SELECT count(*) FROM usage_key_days") == 5
    finally:
        await connection.close()


async def _insert_record(connection: asyncpg.Connection, request_id: str, started_at: datetime) -> None:
    filled = {"request_id": request_id, "started_at": started_at, "tags": [], "metadata": "{}", "stream": False}
    words = {"endpoint", "status", "key_hash", "model", "usage_source"}
    needed = [column for column in usage_records.columns if not column.nullable and column.server_default is None]
    values = [filled.get(c.name, "x" if c.name in words else 1) for c in needed]
    places = ", ".join(f"${n}" for n in range(1, len(needed) + 1))
    names = ", ".join(c.name for c in needed)
    await connection.execute(f"INSERT INTO usage_records ({names}) VALUES ({places})", *values)  # noqa: S608 — our own column names


async def test_a_second_start_never_imports_what_only_a_migration_needs(database_url: str):
    program = (
        "import sys; from litemaas.db.migrate import upgrade; upgrade(sys.argv[1]); "
        "sys.exit(bool({'alembic', 'sqlalchemy'} & sys.modules.keys()))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    start = await asyncio.create_subprocess_exec(sys.executable, "-c", program, database_url, env=environment)
    assert await start.wait() == 0


async def test_a_migration_that_fails_changes_nothing_and_is_told(
    empty_database_url: str, capsys: pytest.CaptureFixture[str]
):
    """Somebody else's table is in the way."""
    connection = await asyncpg.connect(empty_database_url)
    try:
        await connection.execute("create table virtual_keys (theirs int)")
        assert bring_up_to_date(empty_database_url, "UTC", only_check=False) == 1
        assert "the database cannot be used" in capsys.readouterr().err
        tables = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
        assert [row["tablename"] for row in tables] == ["virtual_keys"]
    finally:
        await connection.close()
    assert not is_current(empty_database_url)
