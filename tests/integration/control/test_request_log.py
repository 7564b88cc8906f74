"""Can the request log be read in every order, narrowed as one likes, each call once, and does it tell where calls came from?"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx2
import pytest

from litemaas.control.usage import listing, orders
from litemaas.core.ledger import COLUMNS
from litemaas.db.rollups import fold

from .test_usage import any_record

People = dict[str, httpx2.AsyncClient]
Record = dict[str, Any]
KEYS = {"a" * 64: ("ann", None), "b" * 64: ("bob", "t1"), "": (None, None)}
FILTERS: list[tuple[dict[str, Any], Callable[[Record], bool]]] = [
    ({}, lambda _: True),
    ({"users": "ann"}, lambda r: r["user_id"] == "ann"),
    ({"keys": "b" * 64, "outcome": ["failure", "refused"]},
     lambda r: r["key_hash"] == "b" * 64 and r["status"] in ("failure", "refused")),
    ({"models": "qwen"}, lambda r: r["model"] == "qwen"),
    ({"models": ["qwen", "nomic"], "teams": "t1"}, lambda r: r["model"] != "granite" and r["team_id"] == "t1"),
    ({"error_code": "rate_limited"}, lambda r: r["error_code"] == "rate_limited"),
    ({"outcome": ["cancelled", "failure", "refused"]}, lambda r: r["status"] != "success"),
    ({"sources": "playground"}, lambda r: r["source"] == "playground"),
    ({"sources": ["api"], "users": "bob"}, lambda r: r["source"] == "api" and r["user_id"] == "bob"),
    ({"min_latency_ms": 5000, "models": "nomic"}, lambda r: r["duration_us"] >= 5e6 and r["model"] == "nomic"),
    ({"min_cost_nano": 500_000_000}, lambda r: r["cost_nano"] >= 5e8),
    ({"request_id": "r00007"}, lambda r: r["request_id"] == "r00007"),
    ({"users": "nobody"}, lambda _: False),
]  # fmt: skip


@pytest.fixture
async def records(database: asyncpg.Connection, people: People) -> list[Record]:
    """Two hundred of the last thirty days; many cost and last the same, some have no known key, half are not folded yet."""
    dice, made = random.Random(11), []
    for number in range(200):
        key = dice.choice(list(KEYS))
        user, team = KEYS[key]
        made.append(any_record(dice, number) | {
            "key_hash": key, "user_id": user, "team_id": team, "cost_nano": dice.choice([0, 7, 7, dice.randrange(10**9)]),
            "duration_us": dice.choice([1000, dice.randrange(9_000_000)]),
            "started_at": datetime.now(UTC) - timedelta(minutes=dice.randrange(1, 43_000)),
        })  # fmt: skip
    rows = [[record[column] for column in COLUMNS] for record in made]
    await database.copy_records_to_table("usage_records", records=rows[:100], columns=list(COLUMNS))
    await fold(database)
    await database.copy_records_to_table("usage_records", records=rows[100:], columns=list(COLUMNS))
    return made


async def pages(client: httpx2.AsyncClient, params: dict[str, Any]) -> list[Record]:
    """All pages of a question, one after another."""
    seen: list[Record] = []
    cursor = None
    while True:
        answer = await client.get("/api/v1/requests", params=params | ({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        seen += answer.json()["data"]
        cursor = answer.json()["pagination"]["next_cursor"]
        if cursor is None:
            return seen


@pytest.mark.parametrize("walks", [True, False])
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("by", ["started_at", "cost_nano", "duration_us"])
async def test_the_log_pages_through_everything_once_in_every_order_with_every_filter(
    people: People, records: list[Record], monkeypatch: pytest.MonkeyPatch, by: str, order: str, walks: bool
):
    """On either way to the first records: which of them is taken may change nothing but the time."""

    async def decided(*_: Any) -> bool:
        return walks

    monkeypatch.setattr(listing, "should_walk", decided)
    for params, meets in FILTERS:
        asked = {"scope": "all", "sort": by, "order": order, "limit": 13} | params
        found = [row["request_id"] for row in await pages(people["overseer"], asked)]
        expected = sorted(
            (record for record in records if meets(record)),
            key=lambda record: (record[by], record["started_at"], record["request_id"]), reverse=order == "desc",
        )  # fmt: skip
        assert found == [record["request_id"] for record in expected], params


async def test_a_log_by_cost_goes_on_where_it_was_while_calls_arrive(
    people: People, records: list[Record], database: asyncpg.Connection
):
    asked = {"scope": "all", "sort": "cost_nano", "limit": 40}
    first = (await people["overseer"].get("/api/v1/requests", params=asked)).json()
    late = any_record(random.Random(1), 900) | {"cost_nano": 10**12, "started_at": datetime.now(UTC)}
    await database.copy_records_to_table("usage_records", records=[[late[c] for c in COLUMNS]], columns=list(COLUMNS))
    asked["cursor"] = first["pagination"]["next_cursor"]
    second = (await people["overseer"].get("/api/v1/requests", params=asked)).json()
    costs = sorted((record["cost_nano"] for record in records), reverse=True)
    assert [row["cost_nano"] for row in first["data"] + second["data"]] == costs[:80]


async def test_a_cursor_of_another_order_is_refused(people: People, records: list[Record]):
    def of(sort: str, order: str) -> dict[str, Any]:
        return {"scope": "all", "limit": 5, "sort": sort, "order": order}

    chosen = of("cost_nano", "desc")
    cursor = (await people["overseer"].get("/api/v1/requests", params=chosen)).json()["pagination"]["next_cursor"]
    for other in (of("cost_nano", "asc"), of("duration_us", "desc"), of("started_at", "asc")):
        answer = await people["overseer"].get("/api/v1/requests", params=other | {"cursor": cursor})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "cursor"), other
    assert (await people["overseer"].get("/api/v1/requests", params={"sort": "model"})).status_code == 400


@pytest.mark.parametrize(
    ("params", "walks"),
    [
        ({}, True),
        ({"models": "qwen"}, True),
        ({"models": "qwen", "users": "ann"}, False),
        ({"outcome": ["cancelled", "failure", "refused"]}, True),
        ({"users": "ann"}, False),
        ({"teams": "t1", "outcome": "failure"}, False),
        ({"request_id": "r00007"}, False),
        ({"sources": "playground"}, True),
        ({"sources": "playground", "users": "ann"}, False),
        ({"min_latency_ms": 8900}, False),
        ({"sources": "api"}, True),
    ],
)
async def test_the_shorter_way_to_the_dearest_calls_is_taken(
    people: People, records: list[Record], monkeypatch: pytest.MonkeyPatch, params: dict[str, Any], walks: bool
):
    """With as few calls as here, and where no more than a handful may be sorted at once."""
    taken: list[bool] = []
    real = listing.list_in_order

    async def watched(*arguments: Any, **named: Any) -> Any:
        taken.append(named["walks"])
        return await real(*arguments, **named)

    monkeypatch.setattr(listing, "list_in_order", watched)
    monkeypatch.setattr(orders, "_SORTED_AT_ONCE", 75)
    asked = {"scope": "all", "sort": "cost_nano", "limit": 10} | params
    assert (await people["overseer"].get("/api/v1/requests", params=asked)).status_code == 200
    assert taken == [walks]


async def test_every_call_says_where_it_came_from_in_the_log_and_in_its_file(people: People, records: list[Record]):
    sources = {record["request_id"]: record["source"] for record in records}
    mine = [record for record in records if record["user_id"] == "ann"]
    for row in await pages(people["ann"], {"limit": 200}):
        assert row["source"] == sources[row["request_id"]]
    answer = await people["ann"].get("/api/v1/requests/export", params={"sources": "playground"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert {row["source"] for row in rows} == {"playground"}
    assert len(rows) == sum(record["source"] == "playground" for record in mine)
