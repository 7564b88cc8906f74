"""Does each month's bill equal the ledger, stay as it was once it is closed, and name whoever paid at the time?"""

from __future__ import annotations

import csv
import io
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx2
import pytest

from litemaas.core.ledger import COLUMNS
from litemaas.core.money import nano_from_usd
from litemaas.db.rollups import fold

from .test_usage import any_record

People = dict[str, httpx2.AsyncClient]
THIS = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
LAST = (THIS - timedelta(days=1)).replace(day=1)
MONTH = f"{LAST:%Y-%m}"


async def spend(database: asyncpg.Connection, made: list[dict[str, Any]]) -> None:
    rows = [[record[column] for column in COLUMNS] for record in made]
    await database.copy_records_to_table("usage_records", records=rows, columns=list(COLUMNS))
    await fold(database)


def call(number: int, at: datetime, **members: Any) -> dict[str, Any]:
    made = any_record(random.Random(number), number) | {
        "request_id": f"c{number}", "started_at": at, "key_hash": "a" * 64, "user_id": "ann", "team_id": None,
        "status": "success", "input_cost_nano": 100, "output_cost_nano": 20, "cost_nano": 123, "price_version": None,
    }  # fmt: skip
    return made | members


@pytest.fixture
async def bills(database: asyncpg.Connection, people: People) -> None:
    """Last month Ann moved from red to blue; Bob's calls are for a team; the key of nobody has a cost centre of its own."""
    await database.execute(
        "insert into teams (id, name, cost_centre, created_by, updated_by) values ('t1', 'Lab', 'green', 'x', 'x')"
    )
    await database.execute(
        "insert into virtual_keys (key_hash, key_name, alias, cost_centre, created_by, updated_by)"
        " values ($1, 'sk-...k', 'own', 'violet', 'x', 'x')",
        "k" * 64,
    )
    await database.execute("update users set cost_centre = 'red' where id = 'ann'")
    await database.execute("update users set cost_centre = 'blue' where id = 'ann'")
    times = {"red": LAST - timedelta(days=60), "blue": LAST + timedelta(days=10), "green": LAST - timedelta(days=60)}
    for centre, since in times.items():
        await database.execute("update cost_centres set since = $2 where cost_centre = $1", centre, since)
    await database.execute("update cost_centres set since = $1 where kind = 'key'", LAST)
    made = [call(n, LAST + timedelta(days=n, hours=1)) for n in range(20)]
    made += [call(100 + n, LAST + timedelta(days=3), user_id="bob", team_id="t1", key_hash="b" * 64) for n in range(5)]
    made += [call(200 + n, LAST + timedelta(days=4), user_id=None, key_hash="k" * 64) for n in range(3)]
    made += [call(300, LAST + timedelta(days=5), user_id=None, key_hash="z" * 64)]
    await spend(database, made)


async def statement(client: httpx2.AsyncClient, **params: str) -> dict[str, Any]:
    answer = await client.get("/api/v1/admin/chargeback", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def export(client: httpx2.AsyncClient, kind: str, month: str = MONTH) -> str:
    answer = await client.get("/api/v1/admin/chargeback/export", params={"month": month, "format": kind})
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_each_call_is_paid_by_whom_it_belonged_to_at_the_time(
    bills: None, people: People, database: asyncpg.Connection
):
    found = await statement(people["overseer"], month=MONTH)
    parts = {row["cost_centre"]: row["cost_nano"] for row in found["data"]}
    assert parts == {"red": 10 * 123, "blue": 10 * 123, "green": 5 * 123, "violet": 3 * 123, "unassigned": 123}
    ledger = await database.fetchval("select sum(cost_nano) from usage_records")
    assert found["total_nano"] == ledger
    for group in ("team", "user", "key", "model"):
        assert (await statement(people["admin"], month=MONTH, group_by=group))["total_nano"] == ledger
    keys = await statement(people["admin"], month=MONTH, group_by="key", cost_centre="violet")
    assert [(row["key_name"], row["cost_nano"]) for row in keys["data"]] == [("own", 3 * 123)]


async def test_statements_by_any_group_say_what_the_lines_say_also_before_they_are_folded(
    bills: None, people: People, database: asyncpg.Connection
):
    late = [call(400 + n, LAST + timedelta(days=9, hours=n), model=f"model-{n % 2}") for n in range(6)]
    rows = [[record[column] for column in COLUMNS] for record in late]
    await database.copy_records_to_table("usage_records", records=rows, columns=list(COLUMNS))
    lines = list(csv.DictReader(io.StringIO(await export(people["overseer"], "csv"))))
    for group in ("cost_centre", "team", "user", "key", "model"):
        members = (
            ("cost_centre",)
            if group == "cost_centre"
            else ("cost_centre", "model" if group == "model" else f"{group}_id")
        )
        expected: dict[tuple[str, ...], list[int]] = {}
        for line in lines:
            sums = expected.setdefault(tuple(line[name] for name in members), [0, 0, 0, 0, 0])
            amounts = [int(line[n]) for n in ("requests", "prompt_tokens", "completion_tokens", "pages")]
            for place, amount in enumerate([*amounts, nano_from_usd(line["cost_USD"])]):
                sums[place] += amount
        found = {
            tuple(row[name] for name in members): [
                row[n] for n in ("requests", "prompt_tokens", "completion_tokens", "pages", "cost_nano")
            ]
            for row in (await statement(people["admin"], month=MONTH, group_by=group))["data"]
        }
        assert found == expected, group


async def test_calls_of_strangers_are_in_the_sums_of_usage_but_nobody_is_billed_for_them(
    bills: None, people: People, database: asyncpg.Connection
):
    before = {
        group: await statement(people["admin"], month=MONTH, group_by=group)
        for group in ("cost_centre", "model", "user")
    }
    odd = {"key_hash": "", "user_id": None, "model": "whatever", "status": "failure", "prompt_tokens": 5}
    await spend(database, [call(500 + n, LAST + timedelta(days=2), **odd) for n in range(4)])
    for group, was in before.items():
        assert await statement(people["admin"], month=MONTH, group_by=group) == was
    counted = await people["admin"].get("/api/v1/admin/usage/summary", params={"group_by": "model"})
    assert {row["group"]: row["requests"] for row in counted.json()["data"]}[None] == 4


async def test_corrections_are_told_by_the_group_that_they_belong_to(
    bills: None, people: People, database: asyncpg.Connection
):
    assert (await people["admin"].post("/api/v1/admin/chargeback/close", json={"month": MONTH})).status_code == 200
    await spend(
        database,
        [call(600, LAST + timedelta(days=11)), call(601, LAST + timedelta(days=3), user_id="bob", team_id="t1")],
    )
    for group, expected in (
        ("cost_centre", {"blue": 123, "green": 123}), ("team", {"": 123, "Lab": 123}), ("user", {"Ann": 123, "Bob": 123}),
    ):  # fmt: skip
        name = group if group == "cost_centre" else f"{group}_name"
        rows = (await statement(people["admin"], month=f"{THIS:%Y-%m}", group_by=group))["data"]
        assert {
            row[name].title() if group == "user" else row[name]: row["corrections_nano"] for row in rows
        } == expected
        assert all(row["cost_nano"] == row["corrections_nano"] for row in rows)


async def test_every_export_adds_up_to_the_statement(bills: None, people: People):
    total = (await statement(people["admin"], month=MONTH))["total_nano"]
    lines = list(csv.DictReader(io.StringIO(await export(people["overseer"], "csv"))))
    assert sum(nano_from_usd(row["cost_USD"]) for row in lines) == total
    focus = list(csv.DictReader(io.StringIO(await export(people["overseer"], "focus"))))
    assert sum(nano_from_usd(row["BilledCost"]) for row in focus) == total
    assert sum(int(row["x_Requests"]) for row in focus) == sum(int(row["requests"]) for row in lines) == 29
    assert {row["SkuMeter"] for row in focus} == {"input tokens", "output tokens", "pages", "calls"}
    assert {row["BillingPeriodStart"] for row in focus} == {f"{MONTH}-01T00:00:00Z"}


async def test_what_was_paid_by_the_second_or_the_image_is_metered_in_calls(
    people: People, database: asyncpg.Connection
):
    none = {"prompt_tokens": 0, "completion_tokens": 0, "cached_tokens": 0, "cache_write_tokens": 0, "reasoning_tokens": 0,
            "pages": 0, "output_cost_nano": 0}  # fmt: skip
    heard = call(1, LAST + timedelta(days=1), **none, input_cost_nano=700, cost_nano=700)
    made = call(2, LAST + timedelta(days=1), **none | {"output_cost_nano": 900}, input_cost_nano=0, cost_nano=900)
    await spend(database, [heard, made])
    focus = list(csv.DictReader(io.StringIO(await export(people["overseer"], "focus"))))
    assert {row["SkuMeter"] for row in focus} == {"calls"}
    assert sum(nano_from_usd(row["BilledCost"]) for row in focus) == 1600
    assert sum(int(row["ConsumedQuantity"]) for row in focus) == sum(int(row["x_Requests"]) for row in focus) == 2
    assert {(row["ConsumedUnit"], row["ListUnitPrice"]) for row in focus} == {("Requests", "")}


async def test_a_closed_month_has_the_same_bytes_and_late_calls_are_corrections_of_the_next(
    bills: None, people: People, client: httpx2.AsyncClient, database: asyncpg.Connection
):
    closed = await people["admin"].post("/api/v1/admin/chargeback/close", json={"month": MONTH})
    assert closed.status_code == 200, closed.text
    again = await people["admin"].post("/api/v1/admin/chargeback/close", json={"month": MONTH})
    assert again.status_code == 409
    before = [await export(client, kind) for kind in ("csv", "json", "focus")]
    await database.execute("update users set username = 'renamed', cost_centre = 'new' where id = 'ann'")
    await database.execute("update virtual_keys set alias = 'renamed'")
    await people["admin"].put("/api/v1/admin/settings/currency", json={"code": "EUR", "symbol": "€", "name": "Euro"})
    await spend(database, [call(900, LAST + timedelta(days=6)), call(901, THIS + timedelta(minutes=1))])
    assert [await export(client, kind) for kind in ("csv", "json", "focus")] == before
    this = await statement(people["admin"], month=f"{THIS:%Y-%m}")
    assert this["total_nano"] == 2 * 123
    assert sum(row["corrections_nano"] for row in this["data"]) == 123
    lines = list(csv.DictReader(io.StringIO(await export(client, "csv", f"{THIS:%Y-%m}"))))
    assert [(row["correction"], row["day"][:7]) for row in lines] == [("true", MONTH), ("false", f"{THIS:%Y-%m}")]
    everything = await database.fetchval("select sum(cost_nano) from usage_records")
    assert (await statement(people["admin"], month=MONTH))["total_nano"] + this["total_nano"] == everything


async def test_a_month_that_is_not_over_cannot_be_closed_nor_by_anybody_else(people: People):
    this = {"month": f"{THIS:%Y-%m}"}
    assert (await people["admin"].post("/api/v1/admin/chargeback/close", json=this)).status_code == 400
    assert (await people["overseer"].post("/api/v1/admin/chargeback/close", json={"month": MONTH})).status_code == 403
    for odd in ("2026-13", "2026", "now", "0000-00"):
        assert (await people["admin"].get("/api/v1/admin/chargeback", params={"month": odd})).status_code == 400
