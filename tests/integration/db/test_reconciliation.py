"""Does ``litemaas reconcile`` find what differs, mend what can be counted anew, and stay quiet otherwise?"""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from litemaas.cli.reconcile import reconcile
from litemaas.db.rollups import fold
from litemaas.sim.testing import SimulatedServers

from .test_rollups import any_record, database, store

__all__ = ["database"]
NOW = datetime.now(UTC)
KEY = "a" * 64


def a_call(number: int, **members: Any) -> dict[str, Any]:
    dice = random.Random(number)
    plain = {
        "started_at": NOW - timedelta(minutes=dice.randrange(1_440)),
        "key_hash": KEY,
        "user_id": None,
        "team_id": None,
    }
    return any_record(dice, number) | plain | members


async def compared(url: str, *days: str | None, engines: bool = False, rebuild: bool = False) -> int:
    first, last = days or (None, None)
    return await asyncio.to_thread(reconcile, url, first, last, with_engines=engines, with_rebuild=rebuild)


async def book(database: asyncpg.Connection, records: list[dict[str, Any]], scope: str = f"key:{KEY}") -> None:
    await database.execute(
        "INSERT INTO budget_windows (scope, window_start, settled_nano, requests) VALUES ($1, '1970-01-01+00', $2, $3)",
        scope, sum(record["cost_nano"] for record in records), len(records),
    )  # fmt: skip


@pytest.fixture
async def records(database: asyncpg.Connection) -> list[dict[str, Any]]:
    """Forty calls of one key, half of them folded, all booked."""
    made = [a_call(number) for number in range(40)]
    await store(database, *made[:20])
    await fold(database)
    await store(database, *made[20:])
    await book(database, made)
    return made


@pytest.mark.usefixtures("records")
async def test_a_sound_ledger_is_equal(database_url: str, capsys: pytest.CaptureFixture[str]):
    assert await compared(database_url) == 0
    said = capsys.readouterr().out
    assert "Everything is equal." in said
    assert "ledger = usage_full_hours, per day" in said


async def test_an_empty_ledger_is_equal(database_url: str):
    assert await compared(database_url) == 0


@pytest.mark.usefixtures("records")
@pytest.mark.parametrize("table", ["usage_full_hours", "usage_key_days", "usage_model_months", "usage_full_weeks"])
async def test_a_changed_cell_is_found_and_counted_anew(
    database_url: str, database: asyncpg.Connection, table: str, capsys: pytest.CaptureFixture[str]
):
    await fold(database)
    await database.execute(f"UPDATE {table} SET cost_nano = cost_nano + 5 WHERE ctid = (SELECT min(ctid) FROM {table})")  # noqa: S608 — names of ours
    assert await compared(database_url) == 1
    said = capsys.readouterr().out
    assert table in said
    assert "+5" in said or "-5" in said
    assert await compared(database_url, rebuild=True) == 0
    assert await compared(database_url) == 0


@pytest.mark.usefixtures("records")
async def test_a_call_that_moved_to_another_key_is_found_although_all_sums_are_the_same(
    database_url: str, database: asyncpg.Connection, capsys: pytest.CaptureFixture[str]
):
    await fold(database)
    await database.execute(
        "UPDATE usage_full_dimensions SET key_hash = 'other' WHERE id = (SELECT min(dimension_id) FROM usage_full_days)"
    )
    assert await compared(database_url) == 1
    assert "per key_hash" in capsys.readouterr().out.partition("what ")[2]


@pytest.mark.usefixtures("records")
async def test_money_that_was_settled_without_a_call_is_found(
    database_url: str, database: asyncpg.Connection, capsys: pytest.CaptureFixture[str]
):
    await database.execute("UPDATE budget_windows SET settled_nano = settled_nano + 1")
    assert await compared(database_url) == 1
    assert f"key:{KEY}" in capsys.readouterr().out


@pytest.mark.usefixtures("records")
async def test_spend_that_was_set_by_hand_is_named_and_is_no_difference(
    database_url: str, database: asyncpg.Connection, capsys: pytest.CaptureFixture[str]
):
    await database.execute("UPDATE budget_windows SET settled_nano = 0")
    await database.execute(
        "INSERT INTO audit (actor, action, object_kind, object_id, detail) VALUES ('a', 'key.update', 'key', $1, $2)",
        KEY,
        '{"spent_nano": 0}',
    )
    assert await compared(database_url) == 0
    assert "its spend was set by hand" in capsys.readouterr().out


@pytest.mark.usefixtures("records")
async def test_leases_that_no_window_knows_are_found(database_url: str, database: asyncpg.Connection):
    await database.execute(
        "INSERT INTO leases (worker_id, scope, window_start, granted_nano) VALUES ('w', $1, '1970-01-01+00', 7)",
        f"key:{KEY}",
    )
    assert await compared(database_url) == 1
    await database.execute("UPDATE budget_windows SET leased_nano = 7")
    assert await compared(database_url) == 0


async def test_a_team_that_was_booked_from_some_day_on_is_named_and_one_that_was_overcharged_is_found(
    database_url: str, database: asyncpg.Connection, capsys: pytest.CaptureFixture[str]
):
    made = [a_call(number, team_id="t1", status="success", cost_nano=10) for number in range(10)]
    await store(database, *made)
    await book(database, made)
    await book(database, made[5:], "team:t1")
    assert await compared(database_url) == 0
    assert "team:t1: booked for 5 of 10 calls" in capsys.readouterr().out
    await database.execute("UPDATE budget_windows SET settled_nano = 101 WHERE scope = 'team:t1'")
    assert await compared(database_url) == 1


@pytest.mark.usefixtures("records")
async def test_days_that_are_gone_are_not_compared_nor_counted_anew(database_url: str, database: asyncpg.Connection):
    await fold(database)
    yesterday = f"{NOW - timedelta(days=1):%Y%m%d}"
    calls = await database.fetchval("SELECT sum(calls) FROM usage_full_days")
    await database.execute(f"DROP TABLE usage_records_{yesterday}")
    assert await compared(database_url, "2020-01-01", None, rebuild=True) == 0
    assert await database.fetchval("SELECT sum(calls) FROM usage_full_days") == calls


async def test_what_cannot_be_known_ends_with_two(capsys: pytest.CaptureFixture[str]):
    assert await asyncio.to_thread(reconcile, None, None, None, with_engines=False, with_rebuild=False) == 2
    assert await compared("postgresql://nobody:secret@127.0.0.1:1/none") == 2
    assert await compared("postgresql://127.0.0.1:1/none", "yesterday", None) == 2
    said = capsys.readouterr()
    assert "secret" not in said.out + said.err


async def test_engines_are_asked_for_their_own_counters(
    database_url: str, database: asyncpg.Connection, capsys: pytest.CaptureFixture[str]
):
    async with SimulatedServers() as sim:
        await database.execute(
            "WITH p AS (INSERT INTO prices (deployment_id, created_by) VALUES ('d', 'test') RETURNING version), "
            "m AS (INSERT INTO models (name, mode) VALUES ('granite', 'chat')) "
            "INSERT INTO deployments (id, model_name, provider, engine_model, api_base, price_version, created_by, updated_by) "
            "SELECT id, 'granite', 'hosted_vllm', engine, base, version, 'test', 'test' FROM p, (VALUES "
            "('vllm', 'granite-3.3-8b', $1), ('silent', 'nomic-embed-text-v1.5', $2), ('away', 'x', 'http://u:p@127.0.0.1:1/v1')"
            ") AS e (id, engine, base)",
            sim.chat.url + "/v1", sim.embeddings.url + "/v3",
        )  # fmt: skip
        assert await compared(database_url, engines=True) == 0
        said = capsys.readouterr().out
        assert "has no token counters" in said
        assert "its metrics cannot be read" in said
        assert "u:p@" not in said
        call = a_call(
            1, deployment_id="vllm", prompt_tokens=11, completion_tokens=7, cost_nano=0, started_at=datetime.now(UTC)
        )
        await store(database, call)
        assert await compared(database_url, engines=True) == 1
        assert "granite-3.3-8b at http://127.0.0.1" in capsys.readouterr().out
