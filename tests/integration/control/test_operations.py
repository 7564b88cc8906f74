"""Do administrators learn how the platform is, and how much is in it?"""

from __future__ import annotations

from typing import Any

import asyncpg
import httpx2

from litemaas.control.app import create_app
from litemaas.control.app.settings import Settings
from litemaas.db.migrate import is_current, upgrade

from .conftest import ENCRYPTION_KEY, MASTER_KEY


async def test_what_is_wrong_is_said_in_words(client: httpx2.AsyncClient, database: asyncpg.Connection):
    found = (await client.get("/api/v1/admin/health")).json()
    assert found["problems"][0] == "No gateway is running."
    await database.execute("insert into workers (worker_id, host, pid) values ('gw-0', 'a', 1)")
    await database.execute(
        "insert into workers (worker_id, host, pid, heartbeat_at) values ('gw-1', 'b', 1, now() - interval '1 minute')"
    )
    await database.execute(
        "insert into jobs (id, kind, permission, state, error, created_by, ended_at)"
        " values ('j', 'restore', 'admin:backup', 'failed', 'no room', 'ann', now())"
    )
    await database.execute(
        "insert into duties (name, next_at, last_error) values ('check', now() + interval '1 hour', 'OSError')"
    )
    found = (await client.get("/api/v1/admin/health")).json()
    assert found["status"] == "degraded"
    assert [one["is_silent"] for one in found["gateways"]] == [False, True]
    assert "The gateway gw-1 is silent." in found["problems"]
    assert "The duty 'check' failed: OSError." in found["problems"]
    assert found["failed_jobs"][0]["error"] == "no room"
    assert found["database"]["schema_is_current"] is True
    assert found["valkey"] == {"configured": False, "reachable": None}


async def test_valkey_is_asked_and_may_be_away(database_url: str, redis_url: str):
    headers = {"Authorization": f"Bearer {MASTER_KEY}"}
    for url, reachable in ((redis_url, True), ("redis://127.0.0.1:1/0", False)):
        settings = Settings(
            database_url=database_url, redis_url=url, master_key=MASTER_KEY, encryption_key=ENCRYPTION_KEY
        )
        app = create_app(settings)
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=transport, headers=headers) as client:
            found = (await client.get("http://control/api/v1/admin/health")).json()
            assert found["valkey"] == {"configured": True, "reachable": reachable}


async def test_statistics_count_everything(client: httpx2.AsyncClient, people: dict[str, httpx2.AsyncClient]):
    body: dict[str, Any] = {"name": "m", "type": "chat", "status": "draft"}
    assert (await client.post("/api/v1/admin/models", json=body)).status_code == 201
    found = (await people["overseer"].get("/api/v1/admin/stats")).json()
    assert found["models"] == {"total": 1, "draft": 1}
    assert found["users"]["total"] >= len(people)
    assert found["database_bytes"] > 0
    assert (await people["ann"].get("/api/v1/admin/stats")).status_code == 403


async def test_a_replica_of_the_former_version_works_on_with_a_newer_schema(
    anonymous: httpx2.AsyncClient, database: asyncpg.Connection, database_url: str
):
    await database.execute("update alembic_version set version_num = '9999'")
    assert (await anonymous.get("/health/ready")).status_code == 200
    upgrade(database_url)
    assert is_current(database_url)
    assert await database.fetchval("select version_num from alembic_version") == "9999"
    await database.execute("update alembic_version set version_num = '0001'")
    assert (await anonymous.get("/health/ready")).status_code == 503
    assert not is_current(database_url)
