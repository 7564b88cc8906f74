"""Does every record find its place, whatever its day, and do old days go without anybody waiting long?"""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from litemaas.control.app.upkeep import tidy
from litemaas.db.partitions import drop_partitions, ensure_partitions, first_kept_day
from litemaas.db.rollups import fold

from .test_rollups import agree, any_record, database, store, sums

__all__ = ["database"]
NOW = datetime.now(UTC)
TODAY = NOW.date()


def a_call(number: int, at: datetime) -> dict[str, Any]:
    return any_record(random.Random(number), number) | {"started_at": at}


async def place_of(connection: asyncpg.Connection, request_id: str) -> str:
    query = "SELECT tableoid::regclass::text FROM usage_records WHERE request_id = $1"
    return str(await connection.fetchval(query, request_id))


def partition(day: date) -> str:
    return f"usage_records_{day:%Y%m%d}"


@pytest.mark.parametrize("years", [-1000, -50, -3, 1, 100, 5000])
async def test_a_record_of_any_moment_can_be_stored_and_is_counted(database: asyncpg.Connection, years: int):
    """Clocks can be wrong; a gateway must not stop for that."""
    await store(database, a_call(1, NOW.replace(year=NOW.year + years, day=3)))
    assert await place_of(database, "r00001") == "usage_records_default"
    assert await fold(database) == 1
    assert await ensure_partitions(database) == (
        [] if not -56 < years < 0 else [partition(NOW.replace(year=NOW.year + years, day=3))]
    )
    assert await database.fetchval("SELECT count(*) FROM usage_records") == 1
    await agree(database)


async def test_days_that_upkeep_has_missed_leave_the_default_partition_and_count_once(database: asyncpg.Connection):
    days = [NOW - timedelta(days=number) for number in (3, 4, 9)]
    await store(database, *(a_call(number, at) for number, at in enumerate(days)))
    await fold(database)
    assert await ensure_partitions(database) == sorted(partition(day) for day in days)
    assert [await place_of(database, f"r{number:05}") for number in range(3)] == [partition(day) for day in days]
    assert await database.fetchval("SELECT count(*) FROM usage_records_default") == 0
    await store(database, *(a_call(number, at) for number, at in enumerate(days)))
    assert await fold(database) == 0
    await agree(database)


async def test_writers_and_readers_go_on_while_records_move(database_url: str, database: asyncpg.Connection):
    """Nobody sees a record twice or not at all, and no writer is refused for good."""
    await store(database, *(a_call(number, NOW - timedelta(days=3)) for number in range(200)))
    moving = asyncio.Event()
    seen: set[int] = set()

    async def read() -> None:
        connection = await asyncpg.connect(database_url)
        while not moving.is_set():
            seen.add(
                await connection.fetchval(
                    "SELECT count(*) FROM usage_records WHERE started_at < $1", NOW - timedelta(days=2)
                )
            )
        await connection.close()

    async def write() -> None:
        connection = await asyncpg.connect(database_url)
        number = 1000
        while not moving.is_set():
            number += 1
            await store(connection, a_call(number, NOW))
        await connection.close()

    async def move() -> None:
        connection = await asyncpg.connect(database_url)
        assert await ensure_partitions(connection) == [partition(NOW - timedelta(days=3))]
        await connection.close()
        moving.set()

    await asyncio.gather(read(), read(), write(), move())
    assert seen <= {200}
    await fold(database)
    await agree(database)


async def test_old_days_go_and_their_figures_stay(database_url: str, database: asyncpg.Connection):
    kept, old = NOW - timedelta(days=29), NOW - timedelta(days=31)
    await store(database, a_call(1, kept), a_call(2, old), a_call(3, NOW), a_call(4, NOW.replace(year=1969)))
    await ensure_partitions(database)
    await tidy(database_url, records_kept_days=30)
    assert {row[0] for row in await database.fetch("SELECT request_id FROM usage_records")} == {"r00001", "r00003"}
    assert await first_kept_day(database) == kept.date()
    await fold(database)
    assert (await sums(database, "full", "month"))["calls"] == 4
    assert await tidy(database_url, records_kept_days=30) == []


async def test_without_retention_nothing_goes(database_url: str, database: asyncpg.Connection):
    await store(database, a_call(1, NOW - timedelta(days=4000)))
    await tidy(database_url)
    assert await database.fetchval("SELECT count(*) FROM usage_records") == 1


async def test_a_day_in_use_stays_until_next_time_and_holds_nobody_up(database_url: str, database: asyncpg.Connection):
    await store(database, a_call(1, NOW - timedelta(days=31)))
    await ensure_partitions(database)
    reader = await asyncpg.connect(database_url)
    transaction = reader.transaction()
    await transaction.start()
    assert await reader.fetchval("SELECT count(*) FROM usage_records") == 1
    assert await drop_partitions(database, TODAY - timedelta(days=30)) == []
    await store(database, a_call(2, NOW))
    await transaction.rollback()
    await reader.close()
    assert await drop_partitions(database, TODAY - timedelta(days=30)) == [partition(NOW - timedelta(days=31))]


async def test_many_replicas_tidy_at_once_without_harm(database_url: str, database: asyncpg.Connection):
    await store(database, *(a_call(number, NOW - timedelta(days=number)) for number in range(3, 45, 7)))
    await asyncio.gather(*(tidy(database_url, records_kept_days=30) for _ in range(6)))
    assert await database.fetchval("SELECT count(*) FROM usage_records") == 4
    await fold(database)
    assert (await sums(database, "key", "day"))["calls"] == 6
