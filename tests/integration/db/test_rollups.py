"""Do rollups always say what the ledger says, however and whenever its records come?"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from litemaas.core.ledger import COLUMNS
from litemaas.core.rollups import EVERY_ROLLUP, MEASURES, rollup_table
from litemaas.db.rollups import fold, rebuild

DAY = datetime(2026, 11, 23, tzinfo=UTC)
_SUMMED = [name for name in MEASURES if name not in ("calls", "estimated_calls", "ttft_us", "ttft_calls")]
LEDGER = f"""
    SELECT count(*) AS calls, count(*) FILTER (WHERE usage_source <> 'engine') AS estimated_calls,
        coalesce(sum(ttft_us), 0)::bigint AS ttft_us, count(ttft_us) AS ttft_calls,
        {", ".join(f"sum({name})::bigint AS {name}" for name in _SUMMED)} FROM usage_records
"""  # noqa: S608 — names of ours


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


def any_record(dice: random.Random, number: int) -> dict[str, Any]:
    status = dice.choice(["success"] * 4 + ["failure", "refused", "cancelled"])
    return dict(  # noqa: C408 — shorter than 37 quoted names
        request_id=f"r{number:05}", started_at=DAY + timedelta(minutes=dice.randrange(-40_000, 4_000)),
        duration_us=dice.randrange(1, 2_000_000_000), ttft_us=dice.choice([None, dice.randrange(1, 1_000_000)]),
        endpoint=dice.choice(["/chat/completions", "/embeddings"]), stream=dice.random() < 0.5, status=status, http_status=200,
        error_code=None if status == "success" else dice.choice(["upstream_died", "rate_limited"]), error_message=None,
        key_hash=dice.choice(["a" * 64, "b" * 64, "master", ""]), key_alias=None, user_id=dice.choice([None, "u1", "u2"]),
        team_id=dice.choice([None, "t1"]), end_user=dice.choice([None, "c1"]), model=dice.choice(["granite", "qwen", "✓\x1f"]),
        deployment_id=dice.choice([None, "d1", "d2"]), provider=dice.choice([None, "openai"]), engine_model=None, api_base=None,
        engine_request_id=None, prompt_tokens=dice.randrange(1000), completion_tokens=dice.randrange(1000), cached_tokens=3,
        cache_write_tokens=2, reasoning_tokens=1, pages=dice.randrange(3), usage_source=dice.choice(["engine", "estimate"]),
        cost_nano=dice.randrange(10**12), input_cost_nano=dice.randrange(10**6), output_cost_nano=7, price_version=1,
        attempts=1, client_ip=None, user_agent=None, tags=[], metadata="{}", source="api",
    )  # fmt: skip


async def store(connection: asyncpg.Connection, *records: dict[str, Any]) -> None:
    """As a gateway stores them: what is there already changes nothing."""
    places = ", ".join(f"${place}" for place in range(1, len(COLUMNS) + 1))
    insert = f"INSERT INTO usage_records ({', '.join(COLUMNS)}) VALUES ({places}) ON CONFLICT DO NOTHING"  # noqa: S608 — names of ours
    async with connection.transaction():
        for record in records:
            await connection.execute(insert, *(record[column] for column in COLUMNS))


async def sums(connection: asyncpg.Connection, cube: str, grain: str) -> dict[str, int]:
    totals = ", ".join(f"sum({name})::bigint AS {name}" for name in MEASURES)
    return dict(await connection.fetchrow(f"SELECT {totals} FROM {rollup_table(cube, grain)}"))  # noqa: S608 — names of ours


async def cells(connection: asyncpg.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Everything in all rollups, by table."""
    tables = [rollup_table(cube, grain) for cube, grain in EVERY_ROLLUP]
    rows = {t: await connection.fetch(f"SELECT * FROM {t} ORDER BY at, dimension_id") for t in tables}  # noqa: S608 — names of ours
    return {table: [tuple(row) for row in found] for table, found in rows.items()}


async def agree(connection: asyncpg.Connection) -> None:
    ledger = dict(await connection.fetchrow(LEDGER))
    for cube, grain in EVERY_ROLLUP:
        found = await sums(connection, cube, grain)
        assert {name: found[name] for name in ledger} == ledger, (cube, grain)


async def test_every_cube_and_grain_sums_to_the_ledger_and_counting_anew_changes_nothing(database: asyncpg.Connection):
    dice = random.Random(7)
    records = [any_record(dice, number) for number in range(300)]
    for start in range(0, 300, 60):
        await store(database, *records[start : start + 60])
        if dice.random() < 0.7:
            await fold(database)
    await fold(database)
    await agree(database)
    before = await cells(database)
    await rebuild(database, (DAY - timedelta(days=30)).date(), (DAY + timedelta(days=4)).date())
    assert await cells(database) == before
    assert sum(len(found) for found in before.values()) > 500


async def test_a_record_that_is_sent_again_counts_once(database: asyncpg.Connection):
    record = any_record(random.Random(1), 1)
    await store(database, record)
    await store(database, record, any_record(random.Random(2), 2))
    await fold(database)
    await store(database, record)
    assert await fold(database) == 0
    await agree(database)
    assert (await sums(database, "full", "hour"))["calls"] == 2


async def test_a_record_that_comes_days_late_counts_in_its_own_hour(database: asyncpg.Connection):
    late = any_record(random.Random(3), 1) | {"started_at": DAY - timedelta(days=100, minutes=1)}
    await store(database, any_record(random.Random(4), 2))
    await fold(database)
    await store(database, late)
    await fold(database)
    assert await database.fetchval("SELECT min(at) FROM usage_key_hours") == DAY - timedelta(days=100, hours=1)
    await agree(database)


async def test_what_is_rolled_back_is_not_counted(database: asyncpg.Connection):
    transaction = database.transaction()
    await transaction.start()
    await store(database, any_record(random.Random(5), 1))
    await transaction.rollback()
    assert await fold(database) == 0
    assert await database.fetchval("SELECT count(*) FROM usage_deltas") == 0


async def test_writers_folders_and_a_recount_at_once_lose_nothing(database_url: str, database: asyncpg.Connection):
    dice = random.Random(11)
    records = [any_record(dice, number) for number in range(400)]
    waiting = [records[start : start + 10] for start in range(0, 400, 10)]

    async def write() -> None:
        connection = await asyncpg.connect(database_url)
        while waiting:
            await store(connection, *waiting.pop())
        await connection.close()

    async def fold_and_recount() -> None:
        connection = await asyncpg.connect(database_url)
        while waiting:
            await fold(connection)
            if dice.random() < 0.1:
                await rebuild(connection, DAY.date(), (DAY + timedelta(days=2)).date())
        await connection.close()

    await asyncio.gather(*(write() for _ in range(4)), fold_and_recount(), fold_and_recount())
    await fold(database)
    await agree(database)
    assert (await sums(database, "full", "day"))["calls"] == 400


async def test_a_call_without_a_known_key_brings_no_name_of_its_own_into_the_rollups(database: asyncpg.Connection):
    strangers = [
        any_record(random.Random(number), number) | {"key_hash": "", "model": f"invented-{number}"}
        for number in range(9)
    ]
    await store(database, *strangers)
    await fold(database)
    for table in ("usage_full_dimensions", "usage_model_dimensions"):
        assert {row["model"] for row in await database.fetch(f"SELECT model FROM {table}")} == {""}  # noqa: S608 — names of ours


async def test_names_of_any_length_are_folded(database: asyncpg.Connection):
    dice = random.Random(8)
    long = "".join(chr(dice.randrange(0x4E00, 0x9FFF)) for _ in range(4000))
    await store(database, any_record(dice, 1) | {"key_hash": "a" * 64, "model": long, "deployment_id": long})
    assert await fold(database) == 1
    await agree(database)
