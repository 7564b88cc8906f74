"""Does the migration tell old sums apart by who paid, as counting the records anew would?"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from litemaas.core.ledger import COLUMNS
from litemaas.core.rollups import CUBES, DURATION_BUCKETS, EVERY_ROLLUP, MEASURES, PAID, TTFT_BUCKETS, measures_of
from litemaas.db.migrate import migration_script, upgrade
from litemaas.db.partitions import ensure_partitions
from litemaas.db.reconciliation import check_everything, kept_span
from litemaas.db.rollups import fold, rebuild

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
_KEYS = {"a" * 64: ("ann", None, None), "b" * 64: ("bob", "t1", "course"), "c" * 64: (None, None, None)}
_HISTORY = [
    ("user", "ann", 40, "lab"), ("user", "ann", 9, "ops"), ("user", "ann", 4, "lab"), ("team", "t1", 12, "ops"),
    ("key", "b" * 64, 6, "lab"), ("key", "b" * 64, 3, None),
]  # fmt: skip
"""Days ago, at full hours: then the cells are of one payer, and nothing has to be guessed."""
_VALUES = ", ".join((*MEASURES, "last_at", *DURATION_BUCKETS, *TTFT_BUCKETS))
_SUMS = ", ".join(
    "max(last_at)" if name == "last_at" else f"sum({name})" for name in _VALUES.split(", ")
)  # fmt: skip


def _as_before(cube: str) -> list[str]:
    return [name for name in CUBES[cube] if name not in PAID]


async def fold_as_before(connection: asyncpg.Connection) -> None:
    """What the version before made of deltas: cells that do not know who paid."""
    dimensions = (
        "key_hash", "user_id", "team_id", "model", "deployment_id", "provider", "engine_model", "endpoint", "status",
        "error_code",
    )  # fmt: skip
    for cube in ("team", "total", "model", "user", "key", "full"):
        members = ", ".join(_as_before(cube))
        number = f"usage_dimension_id({', '.join(n if n in _as_before(cube) else repr('') for n in dimensions)})"
        await connection.execute(
            f"INSERT INTO usage_{cube}_dimensions (id, {members}) SELECT DISTINCT {number}, {members} FROM usage_deltas"  # noqa: S608 — names of ours
        )
        for grain in ("hour", "day", "week", "month"):
            await connection.execute(
                f"INSERT INTO usage_{cube}_{grain}s (at, dimension_id, {_VALUES})"  # noqa: S608 — as above
                f" SELECT date_trunc('{grain}', at, 'UTC'), {number}, {_SUMS} FROM usage_deltas GROUP BY 1, 2"
            )
    await connection.execute("DELETE FROM usage_deltas")


def _record(dice: random.Random, number: int) -> dict[str, Any]:
    key = dice.choice([*_KEYS, ""])
    user, team, _ = _KEYS.get(key, (None, None, None))
    made: dict[str, Any] = dict.fromkeys(COLUMNS)
    return made | dict(  # noqa: C408 — shorter than 20 quoted names
        request_id=f"r{number}", started_at=NOW - timedelta(minutes=dice.randrange(1, 60 * 24 * 20)), duration_us=7,
        endpoint="/x", stream=False, status=dice.choice(["success", "failure"]), http_status=200, key_hash=key, user_id=user,
        team_id=team,
        model=dice.choice(["granite", "qwen"]), provider="openai", prompt_tokens=number, completion_tokens=1, cached_tokens=0,
        cache_write_tokens=0, reasoning_tokens=0, pages=0, usage_source="engine", cost_nano=number * 7, input_cost_nano=number,
        output_cost_nano=1, price_version=1, attempts=1, tags=[], metadata="{}",
    )  # fmt: skip


async def _store(connection: asyncpg.Connection, records: list[dict[str, Any]]) -> None:
    columns = [column for column in COLUMNS if column != "source"]  # which came later
    rows = [[record[column] for column in columns] for record in records]
    await connection.copy_records_to_table("usage_records", records=rows, columns=columns)


async def _cells(connection: asyncpg.Connection, cube: str, grain: str) -> Counter[tuple[Any, ...]]:
    members = ", ".join(CUBES[cube])
    last = measures_of(cube)[-1]
    rows = await connection.fetch(
        f"SELECT at, {members}, sum(calls)::bigint, sum(cost_nano)::bigint, sum({last})::bigint, max(last_at)"  # noqa: S608 — names of ours
        f" FROM usage_{cube}_{grain}s JOIN usage_{cube}_dimensions ON id = dimension_id GROUP BY at, {members}"
    )
    return Counter(tuple(row) for row in rows)


@pytest.fixture
async def before(empty_database_url: str) -> Any:
    """A database of the version before, with four hundred calls that are folded and forty that are not."""
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute(migration_script(None, "0028"))
    await ensure_partitions(connection)
    for key, (user, team, pot) in _KEYS.items():
        await connection.execute(
            "INSERT INTO virtual_keys (key_hash, key_name, user_id, team_id, pot_id, created_by, updated_by)"
            " VALUES ($1, 'sk-...x', $2, $3, $4, 'x', 'x')", key, user, team, pot,
        )  # fmt: skip
    for kind, owner, days, centre in _HISTORY:
        since = NOW - timedelta(days=days)
        await connection.execute("INSERT INTO cost_centres VALUES ($1, $2, $3, $4)", kind, owner, since, centre)
    dice = random.Random(3)
    records = [_record(dice, number) for number in range(440)]
    await _store(connection, records[:400])
    await fold_as_before(connection)
    await _store(connection, records[400:])
    yield connection
    await connection.close()


async def test_sums_are_told_apart_by_who_paid_as_if_the_records_were_counted_anew(
    before: asyncpg.Connection, empty_database_url: str
):
    await asyncio.to_thread(upgrade, empty_database_url)
    assert await before.fetchval("SELECT count(*) FROM usage_deltas") > 30
    await fold(before)
    await _store(before, [_record(random.Random(9), 1000)])
    await fold(before)
    told = {table: await _cells(before, *table) for table in EVERY_ROLLUP}
    assert {cell[-6] for cell in told["payer", "month"]} == {"", "lab", "ops"}
    span = await kept_span(before, None, None)
    checks = [check for check in await check_everything(before, span) if "usage_" in check.what]
    assert len(checks) > 20
    assert [check.differences for check in checks if check.differences] == []
    await rebuild(before, span.first, span.end)
    for table in EVERY_ROLLUP:
        assert await _cells(before, *table) == told[table], table


async def test_sums_of_days_whose_records_are_gone_are_told_apart_too(
    before: asyncpg.Connection, empty_database_url: str
):
    cost = await before.fetchval("SELECT sum(cost_nano) FROM usage_records")
    await before.execute("TRUNCATE usage_records")
    await asyncio.to_thread(upgrade, empty_database_url)
    await fold(before)
    for cube, grain in EVERY_ROLLUP:
        found = await before.fetchval(f"SELECT sum(cost_nano)::bigint FROM usage_{cube}_{grain}s")  # noqa: S608 — names of ours
        assert found == cost, (cube, grain)


async def test_the_version_before_cannot_fold_what_it_does_not_understand(
    before: asyncpg.Connection, empty_database_url: str
):
    await asyncio.to_thread(upgrade, empty_database_url)
    waiting = await before.fetchval("SELECT count(*) FROM usage_deltas")
    with pytest.raises(asyncpg.NotNullViolationError):
        async with before.transaction():
            await fold_as_before(before)
    assert await before.fetchval("SELECT count(*) FROM usage_deltas") == waiting > 0
