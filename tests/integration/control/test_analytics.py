"""Does everybody see the usage that is theirs to see, and do its figures agree with the records, in pages and files?"""

from __future__ import annotations

import csv
import io
import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import httpx2
import pytest

from litemaas.control.analytics import requests
from litemaas.control.analytics.ranges import days_of
from litemaas.control.http.refusals import DateRangeTooLarge, InvalidDateRange
from litemaas.core.ledger import COLUMNS
from litemaas.core.money import nano_from_usd
from litemaas.db.rollups import fold

from .test_usage import any_record

People = dict[str, httpx2.AsyncClient]
Record = dict[str, Any]
TODAY = datetime.now(UTC).date()
ANNS, BOBS, TEAMS = "a" * 64, "b" * 64, "c" * 64


@pytest.fixture
async def records(database: asyncpg.Connection, people: People) -> list[Record]:
    """Two hundred calls of Ann, of Bob, and of the team t1 by Bob's key for it."""
    await database.execute("insert into teams (id, name, created_by, updated_by) values ('t1', 'Platform', 'x', 'x')")
    await database.execute("insert into team_members values ('t1', 'ann', 'viewer', null, false, now(), 'x')")
    await database.execute("insert into team_members values ('t1', 'bob', 'member', null, false, now(), 'x')")
    for key, alias, user, team in (
        (ANNS, "=ann's", "ann", None),
        (BOBS, "bob's", "bob", None),
        (TEAMS, "team's", "bob", "t1"),
    ):
        await database.execute(
            "insert into virtual_keys (key_hash, key_name, alias, user_id, team_id, created_by, updated_by, deleted_at)"
            " values ($1, 'sk-...x', $2, $3, $4, 'x', 'x', case when $3 = 'ann' then now() end)",
            key, alias, user, team,
        )  # fmt: skip
    owners = {ANNS: ("ann", None), BOBS: ("bob", None), TEAMS: ("bob", "t1")}
    dice, made = random.Random(7), []
    for number in range(200):
        key = dice.choice([ANNS, BOBS, TEAMS])
        user, team = owners[key]
        made.append(any_record(dice, number) | {"key_hash": key, "user_id": user, "team_id": team})
    rows = [[record[column] for column in COLUMNS] for record in made]
    await database.copy_records_to_table("usage_records", records=rows, columns=list(COLUMNS))
    await fold(database)
    first = datetime.combine(TODAY - timedelta(days=29), datetime.min.time(), UTC)
    return [record for record in made if record["started_at"] >= first]


def cost(records: list[Record]) -> int:
    return sum(record["cost_nano"] for record in records)


async def analytics(client: httpx2.AsyncClient, **params: Any) -> dict[str, Any]:
    answer = await client.get("/api/v1/usage/analytics", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_each_scope_has_its_own_calls_and_all_parts_add_up(people: People, records: list[Record]):
    mine = [r for r in records if r["key_hash"] == ANNS]
    teams = [r for r in records if r["key_hash"] == TEAMS]
    for client, scope, expected in (
        ("ann", "me", mine), ("ann", "team:t1", teams), ("overseer", "all", records), ("admin", "team:t1", teams),
    ):  # fmt: skip
        found = await analytics(people[client], scope=scope)
        called = [r for r in expected if r["status"] != "refused"]
        assert found["requests"]["total"] == len(called)
        parts = found["requests"]["successful"] + found["requests"]["failed"] + found["requests"]["cancelled"]
        assert parts == len(called)
        assert found["cost"]["total_nano"] == cost(expected)
        assert sum(found["cost"]["by_model"].values()) == sum(found["cost"]["by_provider"].values()) == cost(expected)
        assert sum(day["cost_nano"] for day in found["daily"]) == cost(expected)
        assert sum(row["cost_nano"] for row in found["daily_models"]) == cost(expected)
        assert len(found["daily"]) == 30
        if scope != "me":
            assert sum(found["cost"]["by_user"].values()) == sum(found["cost"]["by_team"].values()) == cost(expected)


async def test_ones_own_scope_names_nobody_else(people: People, records: list[Record]):
    found = await analytics(people["ann"])
    assert found["top_users"] is None
    assert found["total_users"] is None
    assert found["cost"]["by_user"] is None
    assert [key["name"] for key in found["top_keys"]] == ["=ann's"]
    options = (await people["ann"].get("/api/v1/usage/filter-options")).json()
    assert [key["name"] for key in options["keys"]] == ["=ann's"]
    assert options["users"] == options["teams"] == []


@pytest.mark.parametrize(
    ("who", "params"),
    [
        ("ann", {"scope": "all"}),
        ("bob", {"scope": "team:t1"}),
        ("bob", {"scope": "team:unknown"}),
        ("ann", {"keys": BOBS}),
        ("ann", {"keys": "f" * 64}),
        ("ann", {"users": "bob"}),
        ("ann", {"scope": "team:t1", "keys": BOBS}),
        ("ann", {"scope": "team:t1", "users": "nobody"}),
        ("ann", {"scope": "team:t1", "teams": "t2"}),
    ],
)
async def test_what_lies_outside_of_a_scope_is_refused_known_or_not(
    people: People, records: list[Record], who: str, params: dict[str, str]
):
    for path in ("analytics", "timeseries", "breakdown/model", "filter-options", "export", "heatmap"):
        assert (await people[who].get(f"/api/v1/usage/{path}", params=params)).status_code == 403, path


async def test_breakdowns_name_everything_and_page_to_the_same_total(people: People, records: list[Record]):
    for dimension in ("user", "team", "key", "model", "provider", "deployment", "endpoint", "day"):
        path, total, pages = f"/api/v1/usage/breakdown/{dimension}", 0, 0
        params = {"scope": "all", "limit": 2, "sort": "cost_nano"}
        while True:
            pages += 1
            found = (await people["admin"].get(path, params=params | {"page": pages})).json()
            total += sum(row["cost_nano"] for row in found["data"])
            rest = found["rest"]["cost_nano"] if found["rest"] else 0
            assert sum(row["cost_nano"] for row in found["data"]) + rest == found["total"]["cost_nano"] == cost(records)
            if pages * 2 >= found["groups"]:
                break
        assert total == cost(records), dimension
    users = (await people["admin"].get("/api/v1/usage/breakdown/user", params={"scope": "all"})).json()["data"]
    assert {row["name"] for row in users} == {"ann", "bob"}


async def test_filters_hold_for_every_figure(people: People, records: list[Record]):
    chosen = [r for r in records if r["model"] == "qwen" and r["provider"] in ("openai", "vllm")]
    params = {"scope": "all", "models": "qwen", "providers": ["openai", "vllm"]}
    assert (await analytics(people["admin"], **params))["cost"]["total_nano"] == cost(chosen)
    series = (await people["admin"].get("/api/v1/usage/timeseries", params=params | {"by": "week"})).json()
    assert sum(point["cost_nano"] for point in series["data"]) == cost(chosen)
    heat = (await people["admin"].get("/api/v1/usage/heatmap", params=params)).json()
    assert sum(cell["cost_nano"] for cell in heat["data"]) == cost(chosen)
    assert len(heat["data"]) == 168
    longest = params | {"start_date": str(TODAY - timedelta(days=89))}
    assert (await people["admin"].get("/api/v1/usage/heatmap", params=longest)).status_code == 200
    body = {"scope": "all", "models": ["qwen"], "providers": ["openai", "vllm"]}
    posted = await people["admin"].post("/api/v1/usage/analytics", json=body)
    assert posted.json()["cost"]["total_nano"] == cost(chosen)


async def test_exports_hold_what_the_screen_shows_and_no_formula(
    people: People, records: list[Record], database: asyncpg.Connection
):
    answer = await people["admin"].get("/api/v1/usage/export", params={"scope": "all", "breakdown": "key"})
    assert f"usage-key-{TODAY - timedelta(days=29)}-to-{TODAY}.csv" in answer.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert sum(nano_from_usd(row["cost_USD"]) for row in rows) == cost(records)
    assert "'=ann's" in {row["name"] for row in rows}
    params = {"scope": "all", "breakdown": "day", "format": "json", "models": "qwen"}
    data = (await people["admin"].get("/api/v1/usage/export", params=params)).json()
    assert data["metadata"]["record_count"] == len(data["data"]) == 30
    assert data["metadata"]["filters"] == {"models": ["qwen"]}
    qwen = [r for r in records if r["model"] == "qwen"]
    assert sum(nano_from_usd(row["cost"]) for row in data["data"]) == cost(qwen)
    assert (await people["reader"].get("/api/v1/usage/export")).status_code == 403
    assert await database.fetchval("select count(*) from audit where action = 'usage.exported'") == 2


async def test_the_budget_card_shows_the_window_as_it_stands(
    people: People, client: httpx2.AsyncClient, records: list[Record]
):
    budget = {"max_budget_nano": 5_000_000_000, "budget_duration": "monthly"}
    put = await client.put("/api/v1/admin/budgets/user/ann", json=budget)
    assert put.status_code in (200, 201), put.text
    own, team = (await people["ann"].get("/api/v1/usage/budget")).json()["data"]
    assert (own["kind"], own["limit_nano"], own["remaining_nano"], own["utilisation"]) == (
        "user",
        5 * 10**9,
        5 * 10**9,
        0,
    )
    assert own["resets_at"].endswith("-01T00:00:00Z")
    assert (team["name"], team["limit_nano"], team["resets_at"]) == ("Platform", None, None)


def test_ranges_are_cut_to_today_and_bounded():
    today = date(2026, 11, 25)
    assert days_of(None, None, today, 90, UTC).first == date(2026, 10, 27)
    cut = days_of(date(2026, 11, 24), date(2027, 1, 1), today, 90, UTC)
    assert (cut.last, cut.count, cut.complete) == (today, 2, False)
    assert cut.before().first == date(2026, 11, 22)
    assert days_of(date(2026, 11, 1), date(2026, 11, 2), today, 90, UTC).complete
    with pytest.raises(InvalidDateRange):
        days_of(date(2026, 11, 3), date(2026, 11, 2), today, 90, UTC)
    with pytest.raises(InvalidDateRange):
        days_of(date(2026, 11, 26), None, today, 90, UTC)
    with pytest.raises(DateRangeTooLarge, match="2026-10-27 to 2026-11-25"):
        days_of(date(2025, 11, 1), None, today, 90, UTC)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"start_date": "2026-02-30"}, "VALIDATION_ERROR"),
        ({"scope": "everything"}, "VALIDATION_ERROR"),
        ({"start_date": "2020-01-01"}, "DATE_RANGE_TOO_LARGE"),
        ({"start_date": "2999-01-01"}, "INVALID_DATE_RANGE"),
        ({"unknown": "1"}, "VALIDATION_ERROR"),
    ],
)
async def test_a_bad_question_gets_a_clear_refusal(people: People, params: dict[str, str], code: str):
    answer = await people["ann"].get("/api/v1/usage/analytics", params=params)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_the_request_log_shows_each_call_to_those_who_may_see_it(
    people: People, records: list[Record], database: asyncpg.Connection
):
    mine = {row["request_id"] for row in await database.fetch(
        "select request_id from usage_records where key_hash = $1 and started_at > now() - interval '30 days'", ANNS
    )}  # fmt: skip
    seen, cursor = [], None
    while True:
        params = {"limit": 13} | ({"cursor": cursor} if cursor else {})
        page = (await people["ann"].get("/api/v1/requests", params=params)).json()
        seen += [row["request_id"] for row in page["data"]]
        assert all(row["api_base"] is None for row in page["data"])
        cursor = page["pagination"]["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen))
    assert set(seen) == mine
    other = next(r["request_id"] for r in records if r["key_hash"] == BOBS)
    recent = seen[0]
    assert (await people["ann"].get(f"/api/v1/requests/{recent}")).json()["request_id"] == recent
    assert (await people["ann"].get(f"/api/v1/requests/{other}")).status_code == 404
    assert (await people["overseer"].get(f"/api/v1/requests/{recent}")).status_code == 200
    assert (await people["ann"].get("/api/v1/requests", params={"scope": "all"})).status_code == 403
    failed = await people["overseer"].get(
        "/api/v1/requests", params={"scope": "all", "outcome": "failure", "min_latency_ms": 5000, "limit": 200}
    )
    assert {row["status"] for row in failed.json()["data"]} == {"failure"}
    assert all(row["duration_us"] >= 5_000_000 for row in failed.json()["data"])
    assert await database.fetchval("select count(*) from audit where action = 'request_log.read'") == 2


async def test_the_request_log_leaves_as_a_file_with_the_filters_of_its_page(
    people: People, records: list[Record], database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(requests, "_ROWS_OF_A_BATCH", 7)
    mine = {row["request_id"] for row in await database.fetch(
        "select request_id from usage_records where key_hash = $1 and started_at > now() - interval '30 days'", ANNS
    )}  # fmt: skip
    answer = await people["ann"].get("/api/v1/requests/export")
    assert f"-to-{TODAY}.csv" in answer.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["request_id"] for row in rows] == sorted(
        mine, key=lambda one: next(row["started_at"] for row in rows if row["request_id"] == one), reverse=True
    )
    assert {row["key_alias"] for row in rows} <= {"'=ann's", ""}
    assert all(int(row["total_tokens"]) == int(row["prompt_tokens"]) + int(row["completion_tokens"]) for row in rows)
    params = {"scope": "all", "outcome": "failure", "format": "json"}
    data = (await people["overseer"].get("/api/v1/requests/export", params=params)).json()
    assert data["metadata"]["record_count"] == len(data["data"]) > 0
    assert {row["status"] for row in data["data"]} == {"failure"}
    assert not {"api_base", "metadata"} & set(data["data"][0])
    for who, asked in (("ann", {"scope": "all"}), ("ann", {"keys": BOBS}), ("reader", {})):
        assert (await people[who].get("/api/v1/requests/export", params=asked)).status_code == 403, (who, asked)
    told = await database.fetch("select detail from audit where action = 'request_log.exported' order by id")
    assert len(told) == 2


async def test_the_errors_of_a_series_are_those_that_occur_most_also_where_a_call_was_refused(
    people: People, records: list[Record]
):
    params = {"scope": "all", "group_by": "error", "top_n": 2}
    series = (await people["overseer"].get("/api/v1/usage/timeseries", params=params)).json()["data"]
    calls = Counter(record["error_code"] for record in records)
    named = {group["id"] for point in series for group in point["groups"] if not group["is_rest"]}
    assert named == {code or None for code, _ in calls.most_common(2)}
    total = sum(group["requests"] + group["blocked_requests"] for point in series for group in point["groups"])
    assert total == len(records)
