"""Do tools that read LiteLLM's tables by SQL find what they look for, and nothing that is secret or can be written?"""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from litemaas.core.windows import window_at
from litemaas.db.rollups import fold

from .test_rollups import any_record, store

COLUMNS = {
    "LiteLLM_VerificationToken": "token key_alias spend max_budget budget_duration models expires created_at",
    "LiteLLM_UserTable": "user_id user_email spend max_budget budget_duration tpm_limit rpm_limit created_at",
    "LiteLLM_ProxyModelTable": "model_id model_name litellm_params model_info",
    "LiteLLM_SpendLogs": "request_id model user spend total_tokens prompt_tokens completion_tokens status startTime",
}
SECRETS = ("engine-credential", "header-credential", "sealed-secret")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def add_key(database: asyncpg.Connection, key_hash: str, **columns: object) -> None:
    values = {"key_hash": key_hash, "key_name": "sk-...", "created_by": "t", "updated_by": "t", **columns}
    places = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    await database.execute(f"insert into virtual_keys ({', '.join(values)}) values ({places})", *values.values())  # noqa: S608


async def spend(database: asyncpg.Connection, scope: str, start: datetime, nano: int) -> None:
    await database.execute(
        "insert into budget_windows (scope, window_start, settled_nano) values ($1, $2, $3)", scope, start, nano
    )


async def test_each_view_has_the_columns_of_the_contract(database: asyncpg.Connection):
    for name, columns in COLUMNS.items():
        found = await database.fetch(
            "select attname::text from pg_attribute where attrelid = $1::regclass and attnum > 0 order by attnum",
            f'"{name}"',
        )
        assert " ".join(row["attname"] for row in found) == columns, name


async def test_keys_stand_with_what_they_spent_in_the_window_that_is_now(database: asyncpg.Connection):
    now = datetime.now(UTC)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    await add_key(database, "h1", alias="ann", max_budget_nano=2_500_000_000, budget_duration="daily", models=["granite"],
                  expires_at=today, secret_sealed=b"sealed-secret", secret_hash="sealed-secret")  # fmt: skip
    await add_key(database, "h2", name="of the portal")
    await add_key(database, "h3", deleted_at=now)
    await spend(database, "key:h1", today - timedelta(days=1), 9_000_000_000)
    await spend(database, "key:h1", today, 1_234_567_891)
    await spend(database, "key:h2", datetime(1970, 1, 1, tzinfo=UTC), 5)
    rows = await database.fetch('select * from "LiteLLM_VerificationToken" order by token')
    assert [(row["token"], row["key_alias"], row["spend"], row["max_budget"], row["models"]) for row in rows] == [
        ("h1", "ann", 1.234567891, 2.5, ["granite"]), ("h2", "of the portal", 5e-9, None, []),
    ]  # fmt: skip
    assert rows[0]["expires"] == today
    assert not any(secret in str(rows) for secret in SECRETS)


async def test_people_stand_with_their_limits(database: asyncpg.Connection):
    await database.execute("insert into users (id, username, email, created_by, updated_by)"
                           " values ('u1', 'ann', 'a@b.c', 't', 't'), ('u2', 'bob', null, 't', 't')")  # fmt: skip
    await database.execute("insert into budgets (scope, max_budget_nano, tpm_limit, rpm_limit, created_by, updated_by)"
                           " values ('user:u1', 1000000000, 10, 5, 't', 't')")  # fmt: skip
    await spend(database, "user:u1", datetime(1970, 1, 1, tzinfo=UTC), 120_000_000)
    rows = await database.fetch('select * from "LiteLLM_UserTable" order by user_id')
    assert [tuple(row)[:7] for row in rows] == [
        ("u1", "a@b.c", 0.12, 1.0, None, 10, 5), ("u2", None, 0.0, None, None, None, None),
    ]  # fmt: skip


async def test_models_stand_without_their_credentials(database: asyncpg.Connection):
    await database.execute("insert into models (name, mode) values ('granite', 'chat')")
    version = await database.fetchval(
        "insert into prices (deployment_id, input_per_million, created_by) values ('d1', 1000000000, 't') returning version"
    )
    await database.execute(
        "insert into deployments (id, model_name, provider, engine_model, api_base, api_key_sealed, extra_headers, defaults,"
        " params, info, rpm_limit, price_version, created_by, updated_by) values ('d1', 'granite', 'openai', 'granite-3', 'http://e/v1',"
        " 'engine-credential', '{\"x\": \"header-credential\"}', '{\"password\": \"engine-credential\"}',"
        " '{\"extra_body\": {\"k\": \"engine-credential\"}}', '{\"max_tokens\": 4096, \"discovery\": {}}', 60, $1, 't', 't')",
        version,
    )  # fmt: skip
    [row] = await database.fetch('select * from "LiteLLM_ProxyModelTable"')
    assert (row["model_id"], row["model_name"]) == ("d1", "granite")
    assert json.loads(row["litellm_params"]) == {
        "model": "openai/granite-3", "api_base": "http://e/v1", "rpm": 60, "weight": 1, "input_cost_per_token": 1e-6,
        "output_cost_per_token": 0,
    }  # fmt: skip
    assert json.loads(row["model_info"]) == {"id": "d1", "mode": "chat", "db_model": True, "max_tokens": 4096}
    assert not any(secret in str(row) for secret in SECRETS)


async def test_calls_stand_with_what_they_cost(database: asyncpg.Connection):
    dice = random.Random(7)
    records = [any_record(dice, number) for number in range(50)]
    await store(database, *records)
    await fold(database)
    total = await database.fetchrow(
        'select count(*) as calls, sum(spend) as spend, sum(total_tokens) as tokens from "LiteLLM_SpendLogs"'
    )
    told = await database.fetchrow("select count(*) as calls, sum(cost_nano) as nano, "
                                   "sum(prompt_tokens + completion_tokens) as tokens from usage_records")  # fmt: skip
    assert (total["calls"], total["tokens"]) == (told["calls"], told["tokens"]) == (50, told["tokens"])
    assert total["spend"] == pytest.approx(float(told["nano"]) / 1e9, abs=1e-9)
    statuses = await database.fetch('select distinct status from "LiteLLM_SpendLogs" order by 1')
    assert {row["status"] for row in statuses} <= {"success", "failure"}
    plan = "\n".join(row[0] for row in await database.fetch(
        'explain select sum(spend) from "LiteLLM_SpendLogs" where "startTime" < \'2001-01-01\''
    ))  # fmt: skip
    assert "Append" not in plan, "days that cannot matter are not read"


@pytest.mark.parametrize("name", COLUMNS)
async def test_nothing_can_be_written_through_a_view(database: asyncpg.Connection, name: str):
    column = COLUMNS[name].split()[0]
    deleted, updated = f'delete from "{name}"', f"update \"{name}\" set {column} = 'x'"  # noqa: S608 — our own words
    inserted = f"insert into \"{name}\" ({column}) values ('x')"  # noqa: S608 — as above
    for statement in (deleted, updated, inserted):
        with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
            await database.execute(statement)


async def test_nobody_reads_a_view_unless_it_was_granted_and_then_no_table(database: asyncpg.Connection):
    may = "select has_table_privilege('pg_monitor', $1, 'select')"
    for name in COLUMNS:
        assert not await database.fetchval(may, f'"{name}"')
    await database.execute('grant select on "LiteLLM_VerificationToken" to pg_monitor')
    assert await database.fetchval(may, '"LiteLLM_VerificationToken"')
    assert not await database.fetchval(may, "virtual_keys")
    options = await database.fetch("select reloptions from pg_class where relname = any($1)", list(COLUMNS))
    assert [row["reloptions"] for row in options] == [None] * len(COLUMNS), "they read with their owner's rights"


DURATIONS = [
    None, "daily", "24h", "weekly", "1w", "7d", "monthly", "30d", "1mo", "yearly", "1y", "2y", "2mo", "7mo", "30s", "5m", "1h",
    "36h", "48h", "10d", "2w", "45d", "720h",
]  # fmt: skip


@pytest.mark.parametrize(
    "name", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Africa/Cairo", "America/Santiago"]
)
async def test_both_begin_every_budget_window_at_the_same_moment(database: asyncpg.Connection, name: str):
    dice, zone = random.Random(name), ZoneInfo(name)
    cases = [
        (dice.choice(DURATIONS), datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=dice.randrange(2 * 31_536_000)),
         datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=dice.randrange(3 * 31_536_000)))
        for _ in range(4_000)
    ]  # fmt: skip
    durations, moments, anchors = map(list, zip(*cases, strict=True))
    found = await database.fetch(
        "select budget_window_start(d, at, set_at, $4) from unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) "
        "as c (d, at, set_at)", durations, moments, anchors, name,
    )  # fmt: skip
    wrong = [
        (case, row[0]) for case, row in zip(cases, found, strict=True)
        if window_at(case[0], case[1], case[2], zone).start != row[0]
    ]  # fmt: skip
    assert wrong == []
