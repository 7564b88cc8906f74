"""Do the figures say what the records say, however they are filtered, grouped and cut, and do all parts make the whole?"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx2
import pytest

from litemaas.core.ledger import COLUMNS
from litemaas.db.rollups import fold

NOW = datetime.now(UTC)
TODAY = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
SUMMED = ("prompt_tokens", "completion_tokens", "cached_tokens", "pages", "cost_nano", "input_cost_nano")
REQUESTS = {"success": "successful_requests", "failure": "failed_requests", "cancelled": "cancelled_requests"}
GROUPS = {
    "model": "model", "key": "key_hash", "user": "user_id", "team": "team_id", "deployment": "deployment_id",
    "provider": "provider", "endpoint": "endpoint", "status": "status", "error": "error_code", "end_user": "end_user",
}  # fmt: skip
Record = dict[str, Any]


def any_record(dice: random.Random, number: int) -> Record:
    status = dice.choice(["success"] * 4 + ["failure", "refused", "cancelled"])
    return dict(  # noqa: C408 — shorter than 37 quoted names
        request_id=f"r{number:05}", started_at=NOW - timedelta(minutes=dice.randrange(1, 100_000)),
        duration_us=dice.randrange(1_000, 9_000_000), ttft_us=dice.choice([None, dice.randrange(1, 1_000_000)]),
        endpoint=dice.choice(["/chat/completions", "/embeddings"]), stream=False, status=status, http_status=200,
        error_code=None if status == "success" else dice.choice(["upstream_died", "rate_limited"]), error_message=None,
        key_hash=dice.choice(["a" * 64, "b" * 64, "c" * 64, "master"]), key_alias=None, user_id=dice.choice([None, "u1", "u2"]),
        team_id=dice.choice([None, "t1"]), end_user=dice.choice([None, "c1"]), model=dice.choice(["granite", "qwen", "nomic"]),
        deployment_id=dice.choice([None, "d1", "d2"]), provider=dice.choice([None, "openai", "vllm"]), engine_model=None,
        api_base=None, engine_request_id=None, prompt_tokens=dice.randrange(1000), completion_tokens=dice.randrange(1000),
        cached_tokens=3, cache_write_tokens=2, reasoning_tokens=1, pages=dice.randrange(3), usage_source="engine",
        cost_nano=dice.randrange(10**9), input_cost_nano=dice.randrange(10**6), output_cost_nano=7, price_version=1,
        attempts=1, client_ip=None, user_agent=None, tags=dice.choice([[], ["red"], ["red", "blue"]]), metadata="{}",
        source=dice.choice(["api"] * 3 + ["playground"]),
    )  # fmt: skip


@pytest.fixture
async def records(database: asyncpg.Connection) -> list[Record]:
    """Three hundred of the last seventy days; half of them are folded into the rollups."""
    dice = random.Random(42)
    made = [any_record(dice, number) for number in range(300)]
    rows = [[record[column] for column in COLUMNS] for record in made]
    await database.copy_records_to_table("usage_records", records=rows[:150], columns=list(COLUMNS))
    await fold(database)
    await database.copy_records_to_table("usage_records", records=rows[150:], columns=list(COLUMNS))
    return made


def sums(records: list[Record]) -> dict[str, int]:
    found = {name: sum(record[name] for record in records) for name in SUMMED}
    found |= {name: sum(record["status"] == status for record in records) for status, name in REQUESTS.items()}
    found["blocked_requests"] = sum(record["status"] == "refused" for record in records)
    return found | {
        "requests": len(records) - found["blocked_requests"],
        "total_tokens": found["prompt_tokens"] + found["completion_tokens"],
    }


def same(figures: dict[str, Any], records: list[Record]) -> None:
    expected = sums(records)
    assert {name: figures[name] for name in expected} == expected


FILTERS: list[tuple[dict[str, Any], Callable[[Record], bool]]] = [
    ({}, lambda _: True),
    ({"key": "a" * 64}, lambda r: r["key_hash"] == "a" * 64),
    ({"key": ["a" * 64, "b" * 64], "model": "qwen"}, lambda r: r["key_hash"][:1] in ("a", "b") and r["model"] == "qwen"),
    ({"user_id": "u1", "team_id": "t1"}, lambda r: r["user_id"] == "u1" and r["team_id"] == "t1"),
    ({"user_id": ""}, lambda r: r["user_id"] is None),
    ({"model": ["qwen", "nomic"], "provider": "openai"}, lambda r: r["model"][0] in "qn" and r["provider"] == "openai"),
    ({"deployment_id": ["d1", ""], "endpoint": "/embeddings"}, lambda r: r["deployment_id"] != "d2" and "emb" in r["endpoint"]),
    ({"status": ["failure", "refused"]}, lambda r: r["status"] in ("failure", "refused")),
    ({"error_code": "rate_limited", "user_id": "u2"}, lambda r: r["error_code"] == "rate_limited" and r["user_id"] == "u2"),
    ({"end_user": "c1", "model": "qwen"}, lambda r: r["end_user"] == "c1" and r["model"] == "qwen"),
    ({"tag": "blue", "status": "success"}, lambda r: "blue" in r["tags"] and r["status"] == "success"),
    ({"min_duration_us": 5_000_000}, lambda r: r["duration_us"] >= 5_000_000),
    ({"min_cost_nano": 5 * 10**8, "key": "master"}, lambda r: r["cost_nano"] >= 5 * 10**8 and r["key_hash"] == "master"),
    ({"request_id": "r00007"}, lambda r: r["request_id"] == "r00007"),
]  # fmt: skip


@pytest.mark.parametrize("filters", range(len(FILTERS)))
async def test_every_filter_holds_everywhere_and_the_parts_make_the_whole(
    client: httpx2.AsyncClient, records: list[Record], filters: int
):
    params, meets = FILTERS[filters]
    met = [record for record in records if meets(record)]
    assert met
    for group, column in GROUPS.items():
        summary = (
            await client.get("/api/v1/admin/usage/summary", params=params | {"group_by": group, "limit": 2})
        ).json()
        same(summary["total"], met)
        for part in summary["data"]:
            same(part, [record for record in met if (record[column] or None) == part["group"]])
        assert summary["groups"] == len({record[column] for record in met})
    log = (await client.get("/api/v1/admin/usage/records", params=params | {"limit": 1000})).json()["data"]
    assert {entry["request_id"] for entry in log} == {record["request_id"] for record in met}


LOGS: list[tuple[dict[str, Any], Callable[[Record], bool]]] = [
    *FILTERS,
    ({"model": "qwen"}, lambda r: r["model"] == "qwen"),
    ({"model": "unheard of"}, lambda r: r["model"] == "unheard of"),
    ({"model": "qwen", "user_id": "u1"}, lambda r: r["model"] == "qwen" and r["user_id"] == "u1"),
    ({"model": "qwen", "user_id": "nobody"}, lambda _: False),
    ({"error_code": "rate_limited"}, lambda r: r["error_code"] == "rate_limited"),
    ({"provider": "vllm", "tag": "blue"}, lambda r: r["provider"] == "vllm" and "blue" in r["tags"]),
    ({"deployment_id": "d1", "min_duration_us": 4_000_000}, lambda r: r["deployment_id"] == "d1" and r["duration_us"] >= 4e6),
]  # fmt: skip


@pytest.mark.parametrize("filters", range(len(LOGS)))
async def test_the_log_pages_through_everything_once_and_in_order(
    client: httpx2.AsyncClient, database: asyncpg.Connection, records: list[Record], filters: int
):
    """Also calls of strangers, whose models no rollup knows."""
    dice = random.Random(1)
    nobody: Record = {"key_hash": "", "user_id": None, "team_id": None, "deployment_id": None, "provider": None}
    models = ["qwen", "unheard of"] * 8
    strangers = [any_record(dice, 1000 + number) | nobody | {"model": model} for number, model in enumerate(models)]
    rows = [[record[column] for column in COLUMNS] for record in strangers]
    await database.copy_records_to_table("usage_records", records=rows, columns=list(COLUMNS))
    params, meets = LOGS[filters]
    expected = sorted(
        ((record["started_at"], record["request_id"]) for record in (*records, *strangers) if meets(record)),
        reverse=True,
    )
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await client.get("/api/v1/admin/usage/records", params={**params, **cursor, "limit": 9})).json()
        seen += [entry["request_id"] for entry in page["data"]]
        if page["pagination"]["next_cursor"] is None:
            break
        assert len(page["data"]) == 9
        cursor = {"cursor": page["pagination"]["next_cursor"]}
    assert seen == [request_id for _, request_id in expected]


@pytest.mark.parametrize(
    ("since", "until"),
    [
        (TODAY - timedelta(days=65), TODAY + timedelta(days=1)),
        (TODAY - timedelta(days=63, hours=5, minutes=7, seconds=3), TODAY - timedelta(days=2, hours=3, minutes=1)),
        (TODAY - timedelta(days=9, hours=2), TODAY - timedelta(days=7, hours=20)),
        (TODAY - timedelta(days=40, minutes=-10), TODAY - timedelta(days=40, minutes=-50)),
    ],
    ids=["days", "any instant", "hours", "minutes"],
)
async def test_every_period_is_cut_exactly_and_periods_side_by_side_make_the_whole(
    client: httpx2.AsyncClient, records: list[Record], since: datetime, until: datetime
):
    middle = since + (until - since) / 3

    async def total(start: datetime, end: datetime, by: str) -> dict[str, Any]:
        period = {"since": start.isoformat(), "until": end.isoformat(), "group_by": by}
        return dict((await client.get("/api/v1/admin/usage/summary", params=period)).json()["total"])

    for by in ("key", "model", "day", "hour"):
        same(await total(since, until, by), [r for r in records if since <= r["started_at"] < until])
        same(await total(since, middle, by), [r for r in records if since <= r["started_at"] < middle])
        same(await total(middle, until, by), [r for r in records if middle <= r["started_at"] < until])


@pytest.mark.parametrize("grain", ["hour", "day", "week", "month"])
@pytest.mark.parametrize("group", [None, "user", "model"])
async def test_a_trend_has_every_span_and_sums_to_the_summary(
    client: httpx2.AsyncClient, records: list[Record], grain: str, group: str | None
):
    since = TODAY - timedelta(days=33 if grain == "hour" else 66)
    params: dict[str, Any] = {"since": since.isoformat(), "by": grain, "latency": True}
    trend = (
        await client.get("/api/v1/admin/usage/trend", params=params | ({"group_by": group, "top": 1} if group else {}))
    ).json()
    met = [record for record in records if record["started_at"] >= since]
    for name, value in sums(met).items():
        assert sum(point[name] for point in trend["data"]) == value
        if group:
            assert sum(part[name] for point in trend["data"] for part in point["groups"]) == value
    at = [datetime.fromisoformat(point["at"]) for point in trend["data"]]
    assert at == sorted(set(at))
    assert at[0] <= since
    assert any(point["requests"] == 0 for point in trend["data"]) == (grain in ("hour", "day"))
    days = Counter(record["started_at"].date() for record in met if record["status"] != "refused")
    if grain == "day":
        assert {point["at"][:10]: point["requests"] for point in trend["data"] if point["requests"]} == {
            str(day): count for day, count in days.items()
        }


async def test_the_overview_compares_with_the_period_before(client: httpx2.AsyncClient, records: list[Record]):
    overview = (await client.get("/api/v1/admin/usage/overview")).json()
    start = TODAY - timedelta(days=29)
    now = [r for r in records if r["started_at"] >= start]
    before = [r for r in records if start - timedelta(days=30) <= r["started_at"] < start]
    same(overview["current"], now)
    same(overview["previous"], before)
    assert overview["period"]["complete"] is False
    assert overview["comparison_period"]["complete"] is True
    assert overview["current"]["active_users"] == 2
    assert overview["current"]["active_keys"] == 4
    cost = next(change for change in overview["changes"] if change["metric"] == "cost_nano")
    assert (cost["current"], cost["previous"]) == (sums(now)["cost_nano"], sums(before)["cost_nano"])
    durations = sorted(r["duration_us"] for r in now if r["status"] == "success")
    latency = overview["current"]["latency"]["duration"]
    assert latency["mean_ms"] == pytest.approx(sum(durations) / len(durations) / 1000, abs=0.01)
    assert latency["p95_ms"] == pytest.approx(durations[int(len(durations) * 0.95)] / 1000, rel=0.5)
    assert latency["p50_ms"] <= latency["p95_ms"] <= latency["p99_ms"]


async def test_a_summary_is_paged_and_sorted_and_its_total_stays_the_same(
    client: httpx2.AsyncClient, records: list[Record]
):
    async def page(number: int, **more: Any) -> dict[str, Any]:
        params = {"group_by": "key", "limit": 1, "page": number, **more}
        return dict((await client.get("/api/v1/admin/usage/summary", params=params)).json())

    pages = [await page(number) for number in range(1, 6)]
    assert len({str(found["total"]) for found in pages}) == 1
    seen = [part for found in pages for part in found["data"]]
    keys = {record["key_hash"] for record in records}
    cost = {key: sum(r["cost_nano"] for r in records if r["key_hash"] == key) for key in keys}
    assert [part["group"] for part in seen] == sorted(keys, key=lambda key: -cost[key])
    assert pages[4]["data"] == []
    by_name = await page(1, sort="group", order="desc")
    assert by_name["data"][0]["group"] == "master"


async def test_options_are_what_occurs_most_used_first(client: httpx2.AsyncClient, records: list[Record]):
    options = (await client.get("/api/v1/admin/usage/options", params={"model": "qwen"})).json()
    recent = [r for r in records if r["started_at"] >= TODAY - timedelta(days=29) and r["model"] == "qwen"]
    assert options["models"] == ["qwen"]
    assert set(options["users"]) == {"u1", "u2"}
    counted = Counter(r["key_hash"] for r in recent)
    assert [counted[key] for key in options["keys"]] == sorted(counted.values(), reverse=True)


async def test_what_cannot_be_asked_is_refused_with_words(client: httpx2.AsyncClient):
    for path, params in (
        ("summary", {"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}),
        ("overview", {"since": "2099-01-01T00:00:00Z"}),
        ("trend", {"by": "hour", "since": "2001-01-01T00:00:00Z"}),
        ("trend", {"by": "second"}),
        ("summary", {"group_by": "password"}),
        ("summary", {"status": "fine"}),
        ("summary", {"since": "yesterday"}),
        ("summary", {"sort": "1; DROP TABLE usage_records"}),
    ):
        answer = await client.get(f"/api/v1/admin/usage/{path}", params=params)
        assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR"), (path, params)
    hostile = {"model": "x' OR '1'='1", "key": "\u0000", "tag": "{}", "end_user": "%"}
    for name, value in hostile.items():
        answer = await client.get("/api/v1/admin/usage/summary", params={name: value})
        assert answer.status_code in (200, 400), name
        assert answer.status_code == 400 or answer.json()["total"]["requests"] == 0


async def test_without_any_call_everything_is_zero(client: httpx2.AsyncClient):
    overview = (await client.get("/api/v1/admin/usage/overview")).json()
    assert overview["current"]["requests"] == overview["current"]["active_users"] == 0
    assert overview["current"]["success_rate"] is None
    assert overview["current"]["latency"]["duration"]["p95_ms"] is None
    summary = (await client.get("/api/v1/admin/usage/summary")).json()
    assert (summary["data"], summary["rest"], summary["groups"]) == ([], None, 0)
    assert len((await client.get("/api/v1/admin/usage/trend")).json()["data"]) == 30
