"""Do administrators see what deployments do now, from what workers told and the ledger holds, and nothing made up?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg
import httpx2
import pytest

from litemaas.control.operations.capacity import in_parallel, verdict
from litemaas.core.ledger import COLUMNS
from litemaas.db.partitions import ensure_partitions

from .test_workshop_seats import record

PATH = "/api/v1/admin/capacity"


@pytest.fixture
async def deployment(client: httpx2.AsyncClient, database: asyncpg.Connection) -> str:
    params = {
        "model": "hosted_vllm/granite",
        "api_base": "http://engine:8000/v1",
        "max_parallel_requests": 10,
    }
    made = await client.post("/litellm/model/new", json={"model_name": "granite", "litellm_params": params})
    assert made.status_code == 200, made.text
    await ensure_partitions(database)
    return str(await database.fetchval("select id from deployments"))


async def calls(database: asyncpg.Connection, deployment: str, *statuses: str) -> None:
    """Each with a first token after 50 ms and 6 more within 150 ms."""
    rows = [
        record(f"{status}-{number}", "k", 0, status=status, model="granite", error_code=None if status == "success" else "boom",
               deployment_id=None if status == "refused" else deployment)
        for number, status in enumerate(statuses)
    ]  # fmt: skip
    await database.copy_records_to_table("usage_records", records=rows, columns=list(COLUMNS))


async def test_running_calls_and_cool_downs_are_of_all_workers_that_were_heard_of(
    people: dict[str, httpx2.AsyncClient], database: asyncpg.Connection, deployment: str
):
    for name, silent_s, loads in (
        ("a", 1, f'[{{"deployment_id":"{deployment}","running":3}}]'),
        ("b", 1, f'[{{"deployment_id":"{deployment}","running":2,"cold_s":12.5,"why":"timeout","is_troubled":true}}]'),
        ("gone", 60, f'[{{"deployment_id":"{deployment}","running":90}}]'),
    ):
        await database.execute(
            "insert into workers (worker_id, host, pid, heartbeat_at, loads)"
            " values ($1, 'h', 1, now() - make_interval(secs => $2), $3::jsonb)", name, silent_s, loads,
        )  # fmt: skip
    found = (await people["overseer"].get(PATH)).json()
    assert (found["workers"], found["silent_workers"]) == (2, 1)
    (model,) = found["models"]
    (one,) = model["deployments"]
    assert (one["running"], one["parallel_cap"]) == (5, 10)
    assert (one["cold_workers"], one["cold_s"], one["cold_because"]) == (1, 12.5, "timeout")


async def test_speed_and_failures_are_of_the_last_minutes_and_unknown_without_calls(
    people: dict[str, httpx2.AsyncClient], database: asyncpg.Connection, deployment: str
):
    (one,) = (await people["admin"].get(PATH)).json()["models"][0]["deployments"]
    assert (one["calls"], one["ttft_p50_ms"], one["ms_per_token"], one["running"]) == (0, None, None, 0)
    await calls(database, deployment, "success", "success", "failure", "refused")
    (model,) = (await people["admin"].get(PATH)).json()["models"]
    (one,) = model["deployments"]
    assert (one["calls"], one["failures"], one["ttft_p50_ms"], one["ms_per_token"]) == (3, 1, 50.0, 25.0)
    assert one["requests_per_minute"] == 0.6
    assert model["refused"] == {"boom": 1}


async def test_what_if_rests_on_measured_calls_and_says_when_nobody_knows(
    people: dict[str, httpx2.AsyncClient], database: asyncpg.Connection, deployment: str
):
    asked = {"model": "granite", "people": 100, "tokens_out": 38, "think_s": 9}
    unknown = (await people["overseer"].get(f"{PATH}/what-if", params=asked)).json()
    assert (unknown["verdict"], unknown["answer_s"], unknown["measured_calls"]) == ("unknown", None, 0)
    await calls(database, deployment, "success")
    known = (await people["overseer"].get(f"{PATH}/what-if", params=asked)).json()
    assert (known["answer_s"], known["at_once"], known["parallel_cap"], known["verdict"]) == (1.0, 10.0, 10, "tight")
    assert (await people["overseer"].get(f"{PATH}/what-if", params={**asked, "model": "none"})).status_code == 404
    assert (await people["overseer"].get(f"{PATH}/what-if", params={**asked, "people": 0})).status_code == 400


async def test_the_history_tells_load_and_speed_by_minute_and_hour_with_nothing_where_nothing_was(
    people: dict[str, httpx2.AsyncClient], database: asyncpg.Connection, deployment: str
):
    now = datetime.now(UTC)
    minute = now.replace(second=0, microsecond=0) - timedelta(minutes=10)
    rows = [
        # Ran through all of one minute and half of the next.
        record("long", "k", 0, model="granite", deployment_id=deployment, started_at=minute, duration_us=90_000_000,
               ttft_us=40_000, completion_tokens=120),
        record("bad", "k", 0, model="granite", deployment_id=deployment, started_at=minute + timedelta(seconds=30),
               duration_us=30_000_000, ttft_us=None, status="failure", completion_tokens=0),
        record("no", "k", 0, model="granite", deployment_id=None, started_at=minute, duration_us=1, ttft_us=None,
               status="refused", error_code="boom", completion_tokens=0),
        record("other", "k", 0, model="qwen", deployment_id=None, started_at=minute),
    ]  # fmt: skip
    await database.copy_records_to_table("usage_records", records=rows, columns=list(COLUMNS))
    asked = {"model": "granite"}
    hour = (await people["overseer"].get(f"{PATH}/history", params=asked)).json()
    assert (hour["step_s"], len(hour["data"])) == (60, 60)
    by_minute = {datetime.fromisoformat(point["at"]): point for point in hour["data"]}
    first, second, quiet = (by_minute[minute + timedelta(minutes=number)] for number in range(3))
    assert (first["requests"], first["failed"], first["refused"]) == (2, 1, 1)
    assert (first["at_once"], second["at_once"], quiet["at_once"]) == (1.5, 0.5, 0.0)
    assert (first["tokens_per_second"], first["ttft_p50_ms"], quiet["ttft_p50_ms"]) == (2.0, 40.0, None)
    for span, points in (("day", 24), ("week", 168)):
        found = (await people["admin"].get(f"{PATH}/history", params={**asked, "span": span})).json()
        assert (found["step_s"], len(found["data"])) == (3600, points)
        assert sum(point["requests"] for point in found["data"]) == 2
        assert sum(point["refused"] for point in found["data"]) == 1
        assert max(point["ttft_p95_ms"] or 0 for point in found["data"]) == pytest.approx(40, rel=0.5)
        assert datetime.fromisoformat(found["data"][-1]["at"]) <= datetime.fromisoformat(found["as_of"])
    nothing = (await people["admin"].get(f"{PATH}/history", params={"model": "none"})).json()
    assert {point["requests"] for point in nothing["data"]} == {0}
    assert (await people["admin"].get(f"{PATH}/history", params={**asked, "span": "year"})).status_code == 400
    assert (await people["ann"].get(f"{PATH}/history", params=asked)).status_code == 403


def test_people_who_think_longer_are_at_once_fewer():
    assert in_parallel(100, 1.0, 0.0) == 100.0
    assert in_parallel(100, 1.0, 99.0) == 1.0
    assert in_parallel(7, 0.0, 0.0) == 7.0


def test_seventy_per_cent_of_a_cap_is_tight_and_no_cap_is_no_answer():
    assert [verdict(n, 10) for n in (7.0, 7.1, 10.0, 10.1)] == ["fits", "tight", "tight", "too_much"]
    assert verdict(5.0, None) == "unknown"
    assert verdict(None, 10) == "unknown"
