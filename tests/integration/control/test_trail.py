"""Can the audit trail be searched, paged and exported, and does reading leave no trace?"""

from __future__ import annotations

import csv
import io
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
