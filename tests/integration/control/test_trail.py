"""Can the audit trail be searched, paged and exported, and does reading leave no trace?"""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx2
import pytest

from litemaas.control.trail.jobs import purge

People = dict[str, httpx2.AsyncClient]


@pytest.fixture
async def trail(people: People, database: asyncpg.Connection) -> None:
    await database.execute(
        "insert into audit (actor, actor_kind, actor_name, action, object_kind, object_id, object_name, at, success)"
        " select 'u' || n % 3, 'user', 'Person ' || n % 3, case when n % 2 = 0 then 'key.created' else 'team.created' end,"
        " case when n % 2 = 0 then 'key' else 'team' end, 'o' || n, '=workshop ' || n, now() - n * interval '1 minute', n <> 7"
        " from generate_series(1, 30) n"
    )


async def test_every_record_is_on_exactly_one_page(trail: None, people: People):
    found, cursor = [], None
    while True:
        params = {"limit": 7} | ({"cursor": cursor} if cursor else {})
        answer = (await people["overseer"].get("/api/v1/admin/audit", params=params)).json()
        found += [row["id"] for row in answer["data"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    assert len(found) == len(set(found)) == 30


@pytest.mark.parametrize(
    ("params", "count"),
    [
        ({"action": "key.created"}, 15),
        ({"type": ["key", "team"]}, 30),
        ({"excluded_type": "team"}, 15),
        ({"actor": "u1"}, 10),
        ({"success": "false"}, 1),
        ({"text": "workshop 12"}, 1),
        ({"text": "nothing"}, 0),
        ({"resource": "o3"}, 1),
        ({"since": "2999-01-01T00:00:00Z"}, 0),
    ],
)
async def test_filters_choose(trail: None, people: People, params: dict[str, object], count: int):
    answer = await people["admin"].get("/api/v1/admin/audit", params=params | {"limit": 200})
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["data"]) == count


async def test_the_export_has_the_filters_rows_and_no_formula(
    trail: None, people: People, database: asyncpg.Connection
):
    answer = await people["overseer"].get("/api/v1/admin/audit/export", params={"type": "key"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 15
    assert all(row["resource_name"].startswith("'=workshop") for row in rows)
    data = (await people["admin"].get("/api/v1/admin/audit/export", params={"type": "key", "format": "json"})).json()
    assert data["metadata"]["record_count"] == len(data["data"]) == 15
    assert await database.fetchval("select count(*) from audit where action = 'audit.exported'") == 2


async def test_reading_leaves_no_trace(trail: None, people: People, database: asyncpg.Connection):
    await people["admin"].get("/api/v1/admin/audit")
    assert (await people["admin"].get("/api/v1/admin/audit/actions")).json() == {
        "data": ["key.created", "team.created"]
    }
    assert (await people["admin"].get("/api/v1/admin/audit/types")).json() == {"data": ["key", "team"]}
    assert await database.fetchval("select count(*) from audit") == 30


async def test_a_broken_cursor_is_a_clear_refusal(people: People):
    answer = await people["admin"].get("/api/v1/admin/audit", params={"cursor": "????"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "cursor")


async def test_what_is_older_than_the_retention_goes_and_that_is_audited(
    trail: None, app: Any, people: People, database: asyncpg.Connection
):
    await database.execute("update audit set at = at - interval '400 days' where object_id in ('o1', 'o2')")
    await purge(app.state.plane)
    assert await database.fetchval("select count(*) from audit where action <> 'audit.purged'") == 28
    assert await database.fetchval("select detail->>'records' from audit where action = 'audit.purged'") == "2"


async def add(database: asyncpg.Connection, table: str, **values: Any) -> None:
    places = ", ".join(f"${place + 1}" for place in range(len(values)))
    await database.execute(f"insert into {table} ({', '.join(values)}) values ({places})", *values.values())  # noqa: S608 — our own names


async def note(database: asyncpg.Connection, kind: str, object_id: str) -> None:
    await database.execute(
        "insert into audit (actor, action, object_kind, object_id) values ('t', $1 || '.updated', $1, $2)",
        kind, object_id,
    )  # fmt: skip


@pytest.fixture
async def things(people: People, database: asyncpg.Connection) -> None:
    """One of each kind that has a page, and for each a record of one that is no more."""
    version = await database.fetchval(
        "insert into prices (deployment_id, created_by) values ('d1', 't') returning version"
    )
    by = {"created_by": "t", "updated_by": "t"}
    await add(database, "teams", id="lab", name="Lab", **by)
    await add(database, "models", id="m1", name="granite", mode="chat")
    await add(
        database, "deployments", id="d1", model_name="granite", provider="hosted_vllm", engine_model="m",
        api_base="http://engine/v1", price_version=version, **by,
    )  # fmt: skip
    await add(
        database, "virtual_keys", key_hash="h1", public_id="k1", key_name="sk-1", name="laptop", user_id="ann", **by
    )
    await add(database, "virtual_keys", key_hash="h2", key_name="sk-2", **by)
    gone = {"deleted_at": datetime.now(UTC)}
    await add(database, "virtual_keys", key_hash="h3", public_id="k3", key_name="sk-3", user_id="ann", **by, **gone)
    await add(
        database, "subscriptions", id="s1", user_id="ann", model_name="granite", status="active", status_changed_by="t",
        expires_at=datetime.now(UTC) - timedelta(minutes=1), **by,
    )  # fmt: skip
    await add(database, "webhooks", id="w1", url="https://hooks.example.org", secret_sealed=b"", **by)
    for kind, object_id in (
        ("user", "ann"), ("team", "lab"), ("model", "m1"), ("deployment", "d1"), ("key", "k1"), ("key", "h1"), ("key", "h2"),
        ("key", "k3"), ("subscription", "s1"), ("webhook", "w1"), ("budget", "user:ann"), ("budget", "team:lab"),
        ("budget", "key:h1"), ("settings", "users"),
        *((kind, "gone") for kind in ("user", "team", "model", "key", "subscription", "webhook", "workshop", "banner")),
    ):  # fmt: skip
        await note(database, kind, object_id)


def subjects_of(answer: httpx2.Response) -> dict[tuple[str, str], dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    found = {(row["type"], row["resource_id"]): row["subject"] for row in answer.json()["data"]}
    return {place: {k: v for k, v in shown.items() if v is not None} for place, shown in found.items() if shown}


async def test_records_say_where_the_thing_is_as_long_as_it_is_there(things: None, people: People):
    key = {"kind": "key", "id": "k1", "user_id": "ann", "name": "laptop"}
    assert subjects_of(await people["overseer"].get("/api/v1/admin/audit")) == {
        ("user", "ann"): {"kind": "user", "id": "ann"},
        ("team", "lab"): {"kind": "team", "id": "lab"},
        ("model", "m1"): {"kind": "model", "id": "m1"},
        ("deployment", "d1"): {"kind": "model", "id": "m1"},
        ("key", "k1"): key,
        ("key", "h1"): key,
        ("subscription", "s1"): {
            "kind": "subscription",
            "id": "s1",
            "user_id": "ann",
            "model": "granite",
            "status": "expired",
        },
        ("webhook", "w1"): {"kind": "webhook", "id": "w1"},
        ("budget", "user:ann"): {"kind": "user", "id": "ann"},
        ("budget", "team:lab"): {"kind": "team", "id": "lab"},
    }


async def test_records_do_not_say_whether_things_are_there_that_the_reader_may_not_see(
    things: None, people: People, anonymous: httpx2.AsyncClient
):
    wish = {"name": "auditor", "permissions": ["admin:audit:read", "admin:teams:read"]}
    token = (await people["admin"].post("/api/v1/me/tokens", json=wish)).json()["secret"]
    answer = await anonymous.get("/api/v1/admin/audit", headers={"Authorization": f"Bearer {token}"})
    assert set(subjects_of(answer)) == {("team", "lab"), ("budget", "team:lab")}


async def test_actions_are_told_by_the_type_of_what_they_are_about(trail: None, people: People):
    answer = await people["admin"].get("/api/v1/admin/audit/actions", params={"type": "team"})
    assert answer.json() == {"data": ["team.created"]}
