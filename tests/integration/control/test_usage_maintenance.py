"""Can an administrator see whether the sums are right, and have them counted anew, without losing a record?"""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx2
import pytest
from tests.integration.control.test_usage import any_record

from litemaas.control.usage.maintenance import check_daily
from litemaas.core.ledger import COLUMNS
from litemaas.core.rollups import rollup_table
from litemaas.db.rollups import fold

People = dict[str, httpx2.AsyncClient]
BASE = "/api/v1/admin/usage"


@pytest.fixture
async def wrong(database: asyncpg.Connection) -> None:
    """Fifty records of the last seventy days, and one cell of a rollup that somebody made dearer."""
    dice = random.Random(7)
    unbudgeted = {"key_hash": "master", "user_id": None, "team_id": None}
    rows = [[(any_record(dice, n) | unbudgeted)[column] for column in COLUMNS] for n in range(50)]
    await database.copy_records_to_table("usage_records", records=rows, columns=list(COLUMNS))
    await fold(database)
    table = rollup_table("full", "day")
    await database.execute(f"UPDATE {table} SET cost_nano = cost_nano + 5 WHERE ctid = (SELECT min(ctid) FROM {table})")  # noqa: S608


async def done(client: httpx2.AsyncClient, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    started = await client.post(f"{BASE}/{path}", json=body or {})
    assert started.status_code == 202, started.text
    async with asyncio.timeout(60):
        while True:
            job: dict[str, Any] = (await client.get(f"/api/v1/admin/jobs/{started.json()['job_id']}")).json()
            if job["state"] not in ("queued", "running"):
                return job
            await asyncio.sleep(0.05)


@pytest.mark.usefixtures("wrong")
async def test_a_wrong_sum_is_found_and_counted_anew_from_the_records(people: People):
    found = await done(people["admin"], "checks")
    assert (found["state"], found["result"]["equal"]) == ("succeeded", False)
    differences = [one for check in found["result"]["checks"] for one in check["differences"]]
    assert {one["found"] - one["expected"] for one in differences if one["unit"] == "cost_nano"} >= {5}

    mended = await done(people["admin"], "recompute")
    assert (mended["state"], mended["result"]["equal"]) == ("succeeded", True)
    assert sum(check["compared"] for check in mended["result"]["checks"]) > 100

    listed = (await people["overseer"].get(f"{BASE}/checks")).json()["data"]
    assert [(job["kind"], job["result"]["equal"]) for job in listed] == [
        ("usage.recompute", True),
        ("usage.check", False),
    ]


@pytest.mark.usefixtures("wrong")
async def test_only_the_days_that_were_asked_for_are_counted(people: People, database: asyncpg.Connection):
    first = (datetime.now(UTC).date() - timedelta(days=2)).isoformat()
    job = await done(people["admin"], "recompute", {"start_date": first, "end_date": first})
    assert (job["result"]["first"], job["result"]["last"]) == (first, first)
    action = await database.fetchrow("select action, detail->>'start_date' as day from audit order by id desc limit 1")
    assert tuple(action) == ("usage.recompute.started", first)


async def test_days_that_cannot_be_are_refused_and_days_without_records_are_left_alone(people: People):
    backwards = {"start_date": "2026-11-02", "end_date": "2026-11-01"}
    for body in (backwards, {"start_date": "yesterday"}, {"days": 3}):
        assert (await people["admin"].post(f"{BASE}/recompute", json=body)).status_code == 400
    job = await done(people["admin"], "recompute", {"end_date": "2001-01-01"})
    assert (job["state"], job["error"]) == ("failed", "No records of these days are kept; their sums stay as they are.")


@pytest.mark.usefixtures("wrong")
async def test_the_ledger_is_checked_every_day_and_administrators_hear_of_what_does_not_agree(
    app: Any, people: People, database: asyncpg.Connection
):
    for _ in range(2):
        await check_daily(app.state.plane)
        async with asyncio.timeout(60):
            while await database.fetchval("select count(*) from jobs where ended_at is null"):  # noqa: ASYNC110 — other tasks work
                await asyncio.sleep(0.05)
    (job,) = (await people["overseer"].get(f"{BASE}/checks")).json()["data"]
    assert job["state"] == "succeeded"
    assert job["result"]["first"] == (datetime.now(UTC).date() - timedelta(days=1)).isoformat()
    await database.execute("delete from jobs")
    found = await done(people["admin"], "checks")
    assert not found["result"]["equal"]
    alarms = [notice for notice in (await people["admin"].get("/api/v1/notifications")).json()["data"]
              if notice["event"] == "ledger.check_failed"]  # fmt: skip
    assert alarms
    assert "full" in alarms[0]["message"]


async def test_an_empty_ledger_is_not_checked(app: Any, database: asyncpg.Connection):
    await check_daily(app.state.plane)
    assert await database.fetchval("select count(*) from jobs") == 0


async def test_a_recount_is_not_asked_for_twice_in_five_minutes(people: People):
    assert (await done(people["admin"], "recompute"))["state"] == "succeeded"
    again = await people["admin"].post(f"{BASE}/recompute")
    assert (again.status_code, again.json()["code"]) == (429, "RATE_LIMITED")
    assert 200 < int(again.headers["Retry-After"]) <= 300


async def test_who_may_only_read_checks_but_does_not_recompute(people: People):
    assert (await people["overseer"].post(f"{BASE}/recompute", json={})).status_code == 403
    assert (await done(people["overseer"], "checks"))["state"] == "succeeded"
    assert (await people["ann"].get(f"{BASE}/checks")).status_code == 403
