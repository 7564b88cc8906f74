"""Is the cache of answers told of truly, and forgotten by whoever may, in our words and in LiteLLM's?"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx2
import pytest

from litemaas.control.app.compose import create_app
from litemaas.control.app.settings import Settings
from litemaas.core.answer_cache import MOST_FORGOTTEN, SETTING, AnswerCacheSettings, Forgetting

from .conftest import ENCRYPTION_KEY, MASTER_KEY

OWN = "/api/v1/admin/answer-cache"
UNREACHABLE = "redis://127.0.0.1:1/0"


@asynccontextmanager
async def plane(database_url: str, redis_url: str | None = None, **cache: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """The master key's client of a control plane whose gateways keep answers like this."""
    app = create_app(
        Settings(
            database_url=database_url, master_key=MASTER_KEY, encryption_key=ENCRYPTION_KEY,
            answer_cache=AnswerCacheSettings(url=redis_url, **cache),
        )
    )  # fmt: skip
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {MASTER_KEY}"}
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://control", headers=headers) as client,
    ):
        yield client


async def forgetting(database: asyncpg.Connection) -> Forgetting:
    value = await database.fetchval("select value from settings where name = $1", SETTING)
    return Forgetting(**json.loads(value))


async def test_without_a_cache_litellms_calls_say_so(client: httpx2.AsyncClient):
    asked = [
        await client.get("/litellm/cache/ping"), await client.get("/litellm/cache/redis/info"),
        await client.post("/litellm/cache/flushall"), await client.post("/litellm/cache/delete", json={"keys": ["a"]}),
    ]  # fmt: skip
    assert [(one.status_code, one.json()["error"]["type"]) for one in asked] == [(503, "cache_ping_error")] * 4
    assert asked[0].json()["error"]["param"] == "cache_ping"
    assert (await client.get(OWN)).json()["type"] == "none"


async def test_a_cache_in_valkey_is_tried_out_and_told_of_without_its_address(database_url: str, redis_url: str):
    async with plane(database_url, redis_url, type="valkey", ttl_s=60.0) as client:
        ping = (await client.get("/litellm/cache/ping")).json()
        assert (ping["status"], ping["cache_type"], ping["ping_response"], ping["set_cache_response"]) == (
            "healthy", "redis", True, "success",
        )  # fmt: skip
        assert ping["litellm_cache_params"]["ttl"] == 60.0
        info = (await client.get("/litellm/cache/redis/info")).json()
        assert info["info"]["connected_clients"] == info["num_clients"] >= 1
        own = (await client.get(OWN)).json()
        assert (own["type"], own["reachable"], own["shared_by"]) == ("valkey", True, "team")
        assert redis_url.rpartition(":")[2] not in json.dumps([ping, info, own])


async def test_a_valkey_that_is_away_is_said_to_be(database_url: str):
    async with plane(database_url, UNREACHABLE, type="valkey") as client:
        for path in ("/litellm/cache/ping", "/litellm/cache/redis/info"):
            away = await client.get(path)
            assert (away.status_code, away.json()["error"]["type"]) == (503, "cache_ping_error")
        assert (await client.get(OWN)).json()["reachable"] is False
        assert (await client.post("/litellm/cache/flushall")).json() == {"status": "success"}


async def test_answers_in_workers_memory_have_nothing_to_ask(database_url: str):
    async with plane(database_url, type="local") as client:
        assert (await client.get("/litellm/cache/ping")).json()["cache_type"] == "local"
        assert (await client.get("/litellm/cache/redis/info")).status_code == 503
        assert (await client.get(OWN)).json()["reachable"] is None


async def test_each_forgetting_counts_on_and_gateways_hear_of_it(
    client: httpx2.AsyncClient, database_url: str, database: asyncpg.Connection
):
    async with plane(database_url, type="local") as caching:
        assert (await caching.post("/litellm/cache/delete", json={"keys": ["a", "b"]})).status_code == 200
        assert await forgetting(database) == Forgetting(1, 0, {"a": 1, "b": 1})
    assert (await client.post(f"{OWN}/forget", json={"answers": ["c"]})).status_code == 204
    assert await forgetting(database) == Forgetting(2, 0, {"a": 1, "b": 1, "c": 2})
    assert (await client.post(f"{OWN}/forget", json={"answers": None})).status_code == 204
    assert await forgetting(database) == Forgetting(3, 3, {})
    assert (
        await database.fetchval("select count(*) from changes where kind = 'catalog' and $1 = any(refs)", SETTING) == 3
    )
    audited = await database.fetch("select action, detail from audit where action = 'answer_cache.emptied' order by id")
    assert [json.loads(row["detail"]) for row in audited] == [{"answers": ["a", "b"]}, {"answers": ["c"]}, {}]


@pytest.mark.parametrize("body", [{"answers": "a"}, {"answers": [""]}, {"answers": ["x" * 200]}, {"all": True}, {}])
async def test_what_is_not_a_list_of_names_is_refused(client: httpx2.AsyncClient, body: dict[str, Any]):
    assert (await client.post(f"{OWN}/forget", json=body)).status_code == 400


async def test_more_names_than_are_remembered_forget_everything():
    held = Forgetting(5, 0, {f"n{number}": 5 for number in range(MOST_FORGOTTEN)})
    assert held.without(["one more"]) == Forgetting(6, 6)
    assert held.without(["n1"]).before["n1"] == 6


async def test_an_overseer_may_ping_and_not_empty(people: dict[str, httpx2.AsyncClient]):
    assert (await people["overseer"].get(OWN)).status_code == 200
    assert (await people["overseer"].post(f"{OWN}/forget", json={"answers": None})).status_code == 403
    assert (await people["ann"].get(OWN)).status_code == 403
