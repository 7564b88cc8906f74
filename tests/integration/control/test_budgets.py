"""Can budgets of people, teams, customers, pots, tags and so on be set, listed and ended, and does everybody hear of it?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx2
import pytest

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LIMITS = {"max_budget_nano": 1000, "soft_budget_nano": 500, "budget_duration": "monthly", "rpm_limit": 60}
BUDGETS = "/api/v1/admin/budgets"


async def book(
    database: asyncpg.Connection, scope: str, settled: int, leased: int = 0, start: datetime = EPOCH
) -> None:
    await database.execute(
        "insert into budget_windows (scope, window_start, settled_nano, leased_nano, requests) values ($1, $2, $3, $4, 1)",
        scope, start, settled, leased,
    )  # fmt: skip


async def lease(database: asyncpg.Connection, scope: str, worker: str, granted: int, free: int = 0) -> None:
    await database.execute(
        "insert into leases (worker_id, scope, window_start, granted_nano, free_nano) values ($1, $2, $3, $4, $5)",
        worker, scope, EPOCH, granted, free,
    )  # fmt: skip


async def live(database: asyncpg.Connection, worker: str, silent_s: float = 0.0) -> None:
    await database.execute(
        "insert into workers (worker_id, host, pid, heartbeat_at) values ($1, 'h', 1, now() - make_interval(secs => $2))",
        worker, silent_s,
    )  # fmt: skip


@pytest.mark.parametrize(
    "owner",
    [
        "user/ada",
        "team/blue",
        "customer/acme",
        "customer/*",
        "pot/workshop",
        "team/with/slash",
        "installation/all",
        "organization/acme",
        "tag/a/b c",
    ],
)
async def test_a_budget_is_set_read_changed_and_ended(client: httpx2.AsyncClient, owner: str):
    kind, _, owner_id = owner.partition("/")
    made = await client.put(f"{BUDGETS}/{owner}", json=LIMITS)
    assert made.status_code == 200, made.text
    assert {**made.json(), **LIMITS, "kind": kind, "id": owner_id, "spent_nano": 0} == made.json()
    assert made.json()["budget_reset_at"] is not None
    assert (await client.get(f"{BUDGETS}/{owner}")).json() == made.json()

    changed = (await client.put(f"{BUDGETS}/{owner}", json={"max_budget_nano": 7})).json()
    assert (changed["max_budget_nano"], changed["rpm_limit"], changed["budget_reset_at"]) == (7, None, None)
    assert changed["created_at"] == made.json()["created_at"]

    assert (await client.delete(f"{BUDGETS}/{owner}")).status_code == 204
    assert (await client.get(f"{BUDGETS}/{owner}")).status_code == 404
    assert (await client.delete(f"{BUDGETS}/{owner}")).status_code == 404


async def test_every_change_is_audited_and_in_the_change_feed(client: httpx2.AsyncClient, database: asyncpg.Connection):
    made = await client.put(f"{BUDGETS}/team/blue", json=LIMITS)
    gone = await client.delete(f"{BUDGETS}/team/blue")

    changes = await database.fetch("select seq, kind, refs from changes order by seq")
    assert [(row["kind"], row["refs"]) for row in changes] == [("budget", ["team:blue"])] * 2
    assert [made.headers["x-litemaas-change"], gone.headers["x-litemaas-change"]] == [
        str(row["seq"]) for row in changes
    ]
    audited = await database.fetch("select action, object_id, detail from audit order by id")
    assert [(row["action"], row["object_id"]) for row in audited] == [
        ("budget.set", "team:blue"),
        ("budget.delete", "team:blue"),
    ]
    assert '"max_budget_nano": 1000' in audited[0]["detail"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("user/ada", {"max_budget_nano": -1}, "max_budget_nano"),
        ("user/ada", {"max_budget_nano": 2**63}, "max_budget_nano"),
        ("user/ada", {"budget_duration": "sometimes"}, "budget_duration"),
        ("user/ada", {"budget_duration": "0d"}, "budget_duration"),
        ("user/ada", {"rpm": 1}, "rpm"),
        ("nobody/ada", {}, "kind"),
        ("key/ada", {}, "kind"),
        ("user/" + "a" * 257, {}, "owner_id"),
    ],
)
async def test_a_wish_that_makes_no_sense_is_refused_by_its_name(
    client: httpx2.AsyncClient, path: str, body: dict[str, Any], field: str
):
    refused = await client.put(f"{BUDGETS}/{path}", json=body)
    assert refused.status_code in (400, 422), refused.text
    assert field in refused.text
    assert (await client.get(BUDGETS)).json()["data"] == []


@pytest.mark.parametrize("path", ["user/a%00b", "customer/a%00b"])
async def test_what_no_database_can_store_is_refused(client: httpx2.AsyncClient, path: str):
    assert (await client.put(f"{BUDGETS}/{path}", json={})).status_code in (400, 422)


async def test_budgets_are_listed_by_page_kind_id_and_part_of_an_id(client: httpx2.AsyncClient):
    for owner in ("user/ada", "team/ada", "team/100%_blue", "pot/x"):
        await client.put(f"{BUDGETS}/{owner}", json={})

    async def listed(**query: Any) -> list[str]:
        reply = await client.get(BUDGETS, params=query)
        return [f"{one['kind']}/{one['id']}" for one in reply.json()["data"]]

    assert await listed() == ["pot/x", "team/100%_blue", "team/ada", "user/ada"]
    assert await listed(kind="team") == ["team/100%_blue", "team/ada"]
    assert await listed(id="ada") == ["team/ada", "user/ada"]
    assert await listed(search="%_B") == ["team/100%_blue"]
    assert await listed(limit=1, page=3) == ["team/ada"]
    assert (await client.get(BUDGETS, params={"limit": 1})).json()["pagination"]["total"] == 4


async def test_a_new_duration_keeps_what_was_spent(client: httpx2.AsyncClient, database: asyncpg.Connection):
    await client.put(f"{BUDGETS}/team/blue", json={"max_budget_nano": 1000})
    await book(database, "team:blue", 700)

    changed = await client.put(f"{BUDGETS}/team/blue", json={"max_budget_nano": 1000, "budget_duration": "daily"})

    assert changed.json()["spent_nano"] == 700
    audited = await database.fetchval("select detail from audit order by id desc limit 1")
    assert '"carried_nano": 700' in audited


async def test_the_state_shows_what_is_settled_and_leased_by_whom_and_what_was_told(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    await client.put(f"{BUDGETS}/pot/p", json={"max_budget_nano": 1000})
    await book(database, "pot:p", settled=400, leased=300)
    for worker, granted, free in (("awake", 200, 150), ("quiet", 60, 0), ("gone", 40, 90)):
        await lease(database, "pot:p", worker, granted, free)
    await live(database, "awake")
    await live(database, "quiet", silent_s=60.0)
    await database.execute("insert into budget_events values ('pot:p', $1, 'soft', 300, 310, now())", EPOCH)

    state = (await client.get(f"{BUDGETS}/pot/p/state")).json()

    [window] = state["windows"]
    assert (window["is_current"], window["limit_nano"], window["settled_nano"], window["leased_nano"]) == (
        True, 1000, 400, 300,
    )  # fmt: skip
    told = {one["worker_id"]: (one["state"], one["leased_nano"], one["free_nano"]) for one in window["leases"]}
    assert told == {"awake": ("live", 200, 150), "quiet": ("silent", 60, 0), "gone": ("lost", 40, 40)}
    ages = {one["worker_id"]: one["heartbeat_age_s"] for one in window["leases"]}
    assert ages["gone"] is None
    assert 60 <= ages["quiet"] < 90
    assert [(event["kind"], event["threshold_nano"]) for event in window["events"]] == [("soft", 300)]
    assert (await client.get(f"{BUDGETS}/events")).json()["data"] == window["events"]
    assert (await client.get(f"{BUDGETS}/events", params={"kind": "team"})).json()["data"] == []


async def test_the_state_of_a_key_has_its_models_and_windows_that_are_over(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    limits = {"granite": {"max_budget_nano": 5, "budget_duration": "daily"}}
    key = (await client.post("/api/v1/admin/keys", json={"max_budget_nano": 9, "model_limits": limits})).json()["key"][
        "id"
    ]
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    await book(database, f"key:{key}", 3)
    await book(database, f"key:{key}/model:granite", 2, start=today)
    await book(database, f"key:{key}/model:granite", 1, start=EPOCH)
    await book(database, "key:another", 8)

    state = (await client.get(f"{BUDGETS}/key/{key}/state")).json()

    shown = [(one["scope"], one["is_current"], one["limit_nano"], one["settled_nano"]) for one in state["windows"]]
    assert shown == [
        (f"key:{key}/model:granite", True, 5, 2),
        (f"key:{key}", True, 9, 3),
        (f"key:{key}/model:granite", False, 5, 1),
    ]
    assert (await client.get(f"{BUDGETS}/key/unknown/state")).status_code == 404


async def test_a_customer_without_limits_of_its_own_shows_the_default_ones(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    await client.put(f"{BUDGETS}/customer/*", json={"max_budget_nano": 11})
    await book(database, "customer:acme", 3)

    [window] = (await client.get(f"{BUDGETS}/customer/acme/state")).json()["windows"]
    assert window["limit_nano"] == 11


async def test_what_lost_workers_have_leased_is_released_on_an_administrators_word(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    await book(database, "pot:p", settled=0, leased=140)
    await lease(database, "pot:p", "awake", 100)
    await lease(database, "pot:p", "gone", 40)
    await live(database, "awake")

    assert (await client.post(f"{BUDGETS}/pot/p/release")).json() == {"released_nano": 40}
    assert (await client.post(f"{BUDGETS}/pot/p/release")).json() == {"released_nano": 0}

    assert await database.fetchval("select leased_nano from budget_windows where scope = 'pot:p'") == 100
    assert await database.fetchval("select count(*) from audit where action = 'budget.release'") == 1


async def test_keys_are_put_into_a_pot_and_found_by_it(client: httpx2.AsyncClient):
    key = (await client.post("/api/v1/admin/keys", json={"pot_id": "workshop"})).json()["key"]
    await client.post("/api/v1/admin/keys", json={})
    assert key["pot_id"] == "workshop"
    found = (await client.get("/api/v1/admin/keys", params={"pot_id": "workshop"})).json()["data"]
    assert [one["id"] for one in found] == [key["id"]]
    taken_out = await client.patch(f"/api/v1/admin/keys/{key['id']}", json={"pot_id": None})
    assert taken_out.json()["pot_id"] is None


async def test_budgets_are_for_administrators(anonymous: httpx2.AsyncClient):
    assert (await anonymous.get(BUDGETS)).status_code == 401
    assert (await anonymous.put(f"{BUDGETS}/user/ada", json={})).status_code == 401


async def test_there_is_one_installation(client: httpx2.AsyncClient):
    refused = await client.put(f"{BUDGETS}/installation/other", json=LIMITS)
    assert refused.status_code == 400
    assert "'all'" in refused.text
    assert (await client.get(f"{BUDGETS}/installation/all/state")).json()["windows"] == []
