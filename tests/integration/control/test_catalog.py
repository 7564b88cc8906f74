"""Does the catalogue show people what they may see, keep what it was told, and find out how servers are?"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx2
import pytest

from litemaas.control.app import Settings
from litemaas.control.catalog.checks import checking_health
from litemaas.control.catalog.probing import Outcome, Prober, Target
from litemaas.core.ledger import COLUMNS
from litemaas.db.rollups import fold

from .conftest import ENCRYPTION_KEY, MASTER_KEY
from .test_subscriptions import Browsers, make_model, subscribe
from .test_usage import any_record

SECRETS = ("engine-secret", "engine:8000", "internal-name", "api_base", "rpm_limit", "deployments", "access_groups")


@pytest.fixture
def settings(database_url: str) -> Settings:
    return Settings(
        database_url=database_url, master_key=MASTER_KEY, encryption_key=ENCRYPTION_KEY, host_policy="single-machine"
    )


class Engine:
    """A server of models; ``asked`` are the headers of what was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status = 200
        self.body: Any = {"data": [{"id": f"m{n}"} for n in range(12)]}
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        body = json.dumps(self.body).encode()
        location = b"Location: http://127.0.0.1:1/\r\n" if self.status == 302 else b""
        head = f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n".encode()
        writer.write(head + location + b"\r\n" + body)
        await writer.drain()
        writer.close()


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine()
    async with await asyncio.start_server(engine.answer, "127.0.0.1", 0) as server:
        engine.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        yield engine


async def test_people_see_models_and_never_what_is_behind_them(client: httpx2.AsyncClient, people: Browsers):
    deployment = {"provider": "hosted_vllm", "engine_model": "internal-name", "api_base": "http://engine:8000/v1",
                  "api_key": "engine-secret-1"}  # fmt: skip
    values = {"tags": ["code", "a"], "provider": "IBM", "capabilities": ["vision"], "rpm_limit": 5,
              "access_groups": ["beta"], "context_length": 8192}  # fmt: skip
    model = await make_model(client, deployments=[deployment], display_name="Granite", **values)
    await make_model(client, type="embeddings", restricted_access=True, provider="IBM")
    draft = await make_model(client, deployments=[])
    assert draft["status"] == "draft"
    reader = people["reader"]
    listed = (await reader.get("/api/v1/models")).json()
    assert listed["pagination"]["total"] == 2
    shown = (await reader.get(f"/api/v1/models/{model['id']}")).json()
    assert (shown["display_name"], shown["type"], shown["context_length"]) == ("Granite", "chat", 8192)
    assert "million input tokens" in shown["pricing"]["units"]["input_per_million"]
    assert not [word for word in SECRETS if word in json.dumps([listed, shown])]
    assert (await reader.get(f"/api/v1/models/{draft['id']}")).status_code == 404
    assert (await reader.get("/api/v1/models/not-an-id")).status_code == 400
    for query, names in (
        ({"search": "gran"}, 1), ({"type": "embeddings"}, 1), ({"capability": "vision"}, 1), ({"restricted": "true"}, 1),
        ({"tag": "code"}, 1), ({"provider": "IBM"}, 2), ({"subscription": "none"}, 2), ({"subscription": "active"}, 0),
    ):  # fmt: skip
        found = (await reader.get("/api/v1/models", params=query)).json()
        assert found["pagination"]["total"] == names, query
    facets = (await reader.get("/api/v1/models/facets")).json()
    assert facets == {
        "total": 2, "type": {"chat": 1, "embeddings": 1}, "provider": {"IBM": 2}, "capability": {"vision": 1},
        "tag": {"code": 1, "a": 1}, "restricted": {"true": 1, "false": 1}, "status": {"available": 2},
    }  # fmt: skip


async def test_strangers_see_models_only_where_the_catalogue_is_public(
    client: httpx2.AsyncClient, anonymous: httpx2.AsyncClient, people: Browsers
):
    model, closed = await make_model(client), await make_model(client)
    for path in ("", "/facets", f"/{model['id']}", f"/{model['id']}/stats"):
        assert (await anonymous.get(f"/api/v1/models{path}")).status_code == 401, path
    await client.put("/api/v1/admin/settings/catalogue", json={"public_catalogue": True})
    policy = {"name": "A", "effect": "allow", "models": [closed["name"]], "users": ["ann"]}
    assert (await people["admin"].post("/api/v1/admin/access-policies", json=policy)).status_code == 201
    listed = await anonymous.get("/api/v1/models")
    assert [one["name"] for one in listed.json()["data"]] == [model["name"]]
    assert not [word for word in SECRETS if word in listed.text]
    assert (await anonymous.get(f"/api/v1/models/{closed['id']}")).status_code == 404
    assert (await people["ann"].get(f"/api/v1/models/{closed['id']}")).status_code == 200
    assert (await people["bob"].get("/api/v1/models/facets")).json()["total"] == 1


async def test_the_catalogue_knows_ones_own_subscription(client: httpx2.AsyncClient, people: Browsers):
    model = await make_model(client, restricted_access=True)
    made = await subscribe(people["ann"], model, justification="for the weekly report")
    shown = (await people["ann"].get(f"/api/v1/models/{model['id']}")).json()
    assert shown["subscription"] == {"id": made["id"], "status": "pending"}
    assert shown["needs_approval"] is True
    waiting = (await people["ann"].get("/api/v1/models", params={"subscription": "pending"})).json()
    assert [one["id"] for one in waiting["data"]] == [model["id"]]
    assert (await people["bob"].get(f"/api/v1/models/{model['id']}")).json()["subscription"] is None


async def test_models_are_found_by_health_and_sorted_by_price_with_those_without_one_last(
    client: httpx2.AsyncClient, people: Browsers, database: asyncpg.Connection
):
    dear = await make_model(client, pricing={"input_per_million": 5, "output_per_million": 9})
    cheap = await make_model(client, pricing={"input_per_million": 6, "output_per_million": 1})
    for model, states in ((dear, ["healthy", "unavailable"]), (cheap, ["healthy", "unknown"])):
        second = {"provider": "hosted_vllm", "engine_model": "e", "api_base": "http://second:8000/v1"}
        await client.post(f"/api/v1/admin/models/{model['id']}/endpoints", json=second)
        ids = await database.fetch(
            "select id from deployments where model_name = $1 order by created_at", model["name"]
        )
        for row, state in zip(ids, states, strict=True):
            await database.execute("update deployments set health = $2 where id = $1", row["id"], state)
    ann = people["ann"]

    async def names(**query: str) -> list[str]:
        found = await ann.get("/api/v1/models", params=query)
        assert found.status_code == 200, found.text
        return [one["name"] for one in found.json()["data"]]

    assert await names(health="degraded") == [dear["name"]]
    assert await names(health="healthy") == [cheap["name"]]
    assert await names(health="unavailable") == []
    assert await names(sort="price") == [cheap["name"], dear["name"]]
    assert await names(sort="price", order="desc") == [dear["name"], cheap["name"]]
    for model in (dear, cheap):
        shown = (await ann.get(f"/api/v1/models/{model['id']}")).json()
        assert await names(health=shown["health"]) == [model["name"]]
    assert (await ann.get("/api/v1/models", params={"health": "fine"})).status_code == 400


def without_health(model: dict[str, Any]) -> dict[str, Any]:
    """What administrators set; endpoints are looked at meanwhile."""
    deployments = [{name: one[name] for name in one if not name.startswith("health")} for one in model["deployments"]]
    return {name: model[name] for name in model if name != "health"} | {"deployments": deployments}


async def test_a_partial_update_changes_what_it_names_and_equal_values_nothing(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    model = await make_model(client, provider="IBM", tags=["a"], mode="completion")
    path = f"/api/v1/admin/models/{model['id']}"
    changed = await client.patch(path, json={"description": "new", "tags": ["a"], "type": "chat"})
    before, after = without_health(model), without_health(changed.json())
    assert {name for name in before if before[name] != after[name]} == {"description", "updated_at"}
    same = await client.patch(path, json={"description": "new", "provider": "IBM", "pricing": {"input_per_million": 5}})
    assert without_health(same.json()) == after
    assert "x-litemaas-change" not in same.headers
    assert await database.fetchval("select count(*) from prices") == 1
    old = changed.headers["ETag"]
    priced = await client.patch(path, json={"pricing": {"input_per_million": 6}}, headers={"If-Match": old})
    assert priced.json()["pricing"]["input_per_million"] == 6
    assert priced.json()["deployments"][0]["price"]["version"] > model["deployments"][0]["price"]["version"]
    assert (await client.patch(path, json={"tags": []}, headers={"If-Match": old})).status_code == 412
    versions = (await client.get(f"{path}/prices")).json()["data"]
    assert [one["input_per_million"] for one in versions] == [6, 5]
    cleared = (await client.patch(path, json={"provider": None})).json()
    assert (cleared["provider"], cleared["tags"]) == (None, ["a"])
    for bad in (
        {"status": "retired"},
        {"restricted_access": True},
        {"type": "chat", "mode": "embedding"},
        {"name": "ä"},
    ):
        assert (await client.patch(path, json=bad)).status_code == 400, bad
    assert (await client.patch(path, json={"name": "renamed/once"})).json()["deployments"][0]["model"] == "renamed/once"


async def test_a_draft_is_published_when_it_is_complete(client: httpx2.AsyncClient):
    draft = await make_model(client, deployments=[], pricing=None)
    path = f"/api/v1/admin/models/{draft['id']}"
    refused = (await client.post(f"{path}/publish")).json()
    assert {one["field"] for one in refused["errors"]} == {"pricing", "deployments"}
    await client.patch(path, json={"pricing": {}})
    deployment = {"provider": "hosted_vllm", "engine_model": "e", "api_base": "http://engine:8000/v1"}
    assert (await client.post(f"{path}/endpoints", json=deployment)).status_code == 201
    assert (await client.post(f"{path}/publish")).json()["status"] == "available"
    assert (await client.post(f"{path}/publish")).json()["code"] == "INVALID_TRANSITION"


async def test_a_stored_key_goes_nowhere_but_to_its_own_address(client: httpx2.AsyncClient, engine: Engine):
    deployment = {"provider": "hosted_vllm", "engine_model": "m1", "api_base": engine.url, "api_key": "engine-secret"}
    model = await make_model(client, deployments=[deployment])
    (stored,) = model["deployments"]
    test = "/api/v1/admin/models/test"
    found = await client.post(test, json={"endpoint_id": stored["id"]})
    assert found.json() == {"result": "model_found", "models": [f"m{n}" for n in range(10)], "status": 200}
    assert "authorization: bearer engine-secret" in engine.asked[-1].lower()
    elsewhere = engine.url.replace("/v1", "/other")
    missing = await client.post(test, json={"endpoint_id": stored["id"], "api_base": elsewhere})
    assert missing.json()["result"] == "missing_stored_key"
    assert len(engine.asked) == 1
    assert (await client.post(test, json={"endpoint_id": "nobody"})).status_code == 404
    moved = await client.patch(f"/api/v1/admin/deployments/{stored['id']}", json={"api_base": elsewhere})
    assert moved.json()["has_api_key"] is False
    kept = await client.patch(
        f"/api/v1/admin/deployments/{stored['id']}", json={"api_base": engine.url, "api_key": "engine-secret"}
    )
    assert kept.json()["has_api_key"] is True


@pytest.mark.parametrize(
    ("status", "body", "result"),
    [
        (200, {"data": [{"id": "wanted"}]}, "model_found"),
        (200, {"data": [{"id": "other"}]}, "model_not_found"),
        (200, ["no list"], "endpoint_reachable"),
        (404, {}, "endpoint_reachable"),
        (302, {}, "endpoint_reachable"),
        (401, {}, "auth_error"),
        (503, {}, "connection_error"),
    ],
)
async def test_a_connection_test_says_what_it_found(
    client: httpx2.AsyncClient, engine: Engine, status: int, body: Any, result: str
):
    engine.status, engine.body = status, body
    asked = {"api_base": engine.url, "engine_model": "wanted"}
    answer = await client.post("/api/v1/admin/models/test", json=asked)
    assert (answer.status_code, answer.json()["result"]) == (200, result)
    assert len(engine.asked) == 1


@pytest.mark.parametrize(
    ("base", "loopback_allowed", "outcome"),
    [
        ("http://169.254.169.254/latest", True, Outcome.ADDRESS_NOT_ALLOWED),
        ("http://[fe80::1]/v1", True, Outcome.ADDRESS_NOT_ALLOWED),
        ("http://168.63.129.16/v1", True, Outcome.ADDRESS_NOT_ALLOWED),
        ("http://127.0.0.1:9/v1", False, Outcome.ADDRESS_NOT_ALLOWED),
        ("http://localhost:9/v1", False, Outcome.ADDRESS_NOT_ALLOWED),
        ("http://[::ffff:127.0.0.1]:9/v1", False, Outcome.ADDRESS_NOT_ALLOWED),
        ("http://127.0.0.1:1/v1", True, Outcome.CONNECTION_ERROR),
        ("http://no-such-host.invalid/v1", True, Outcome.CONNECTION_ERROR),
    ],
)
async def test_some_addresses_are_never_asked(base: str, loopback_allowed: bool, outcome: Outcome):
    found = await Prober(loopback_allowed=loopback_allowed).ask(Target(api_base=base, engine_model="m"))
    assert found.outcome is outcome


@pytest.mark.parametrize(
    "authority", ["£", "rubbish", "-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n"]
)
async def test_an_authority_that_is_none_is_refused_when_trying_and_when_storing(
    client: httpx2.AsyncClient, authority: str
):
    deployment = {"provider": "hosted_vllm", "engine_model": "m", "api_base": "https://engine/v1", "tls_ca": authority}
    asked = {"api_base": "https://engine/v1", "tls_ca": authority}
    tried = await client.post("/api/v1/admin/models/test", json=asked)
    assert (tried.status_code, tried.json()["errors"][0]["field"]) == (400, "tls_ca")
    made = await client.post("/api/v1/admin/models", json={"name": "distrusted", "deployments": [deployment]})
    assert (made.status_code, "tls_ca" in made.text) == (400, True)


async def test_health_follows_checks_and_an_outage_changes_nothing_else(
    client: httpx2.AsyncClient, engine: Engine, app: Any, people: Browsers
):
    deployment = {"provider": "hosted_vllm", "engine_model": "m1", "api_base": engine.url}
    model = await make_model(client, deployments=[deployment])
    made = await subscribe(people["ann"], model)
    path = f"/api/v1/admin/models/{model['id']}"
    before = (await client.get(path)).headers["ETag"]
    for status, body, health in (
        (200, engine.body, "healthy"),
        (500, {}, "unavailable"),
        (200, {"data": []}, "degraded"),
    ):
        engine.status, engine.body = status, body
        await checking_health(app.state.prober).do(app.state.plane)
        now = await client.get(path)
        assert (now.json()["health"], now.json()["status"]) == (health, "available")
        assert now.headers["ETag"] == before
    assert (await people["ann"].get(f"/api/v1/subscriptions/{made['id']}")).json()["effective"] is True
    engine.status = 500
    await checking_health(app.state.prober).do(app.state.plane)
    problems = (await client.get("/api/v1/admin/models/problems")).json()["data"]
    assert [one["problems"] for one in problems] == [["no_healthy_endpoint"]]


async def test_discovery_makes_drafts_and_nothing_else(client: httpx2.AsyncClient, engine: Engine):
    deployment = {"provider": "hosted_vllm", "engine_model": "m1", "api_base": engine.url, "api_key": "engine-secret"}
    model = await make_model(client, deployments=[deployment])
    engine.body = {"data": [{"id": "m1"}, {"id": "new/one"}, {"id": "not a name"}]}
    found = (await client.post("/api/v1/admin/models/discover")).json()
    assert [one["name"] for one in found["created"]] == ["new/one"]
    draft = (await client.get(f"/api/v1/admin/models/{found['created'][0]['id']}")).json()
    assert (draft["status"], draft["pricing"], draft["deployments"][0]["has_api_key"]) == ("draft", None, True)
    for engine.status, engine.body in ((200, {"data": []}), (500, {})):
        again = (await client.post("/api/v1/admin/models/discover")).json()
        assert again["created"] == []
    assert (await client.get(f"/api/v1/admin/models/{model['id']}")).json()["status"] == "available"


async def test_figures_of_a_model_are_of_its_own_last_day(
    client: httpx2.AsyncClient, people: Browsers, database: asyncpg.Connection
):
    model = await make_model(client)
    now = datetime.now(UTC)
    dice = random.Random(1)
    rows = []
    for number, (status, name, age, duration_s) in enumerate(
        [
            ("success", model["name"], timedelta(), 2), ("success", model["name"], timedelta(), 2),
            ("failure", model["name"], timedelta(), 9), ("cancelled", model["name"], timedelta(), 1),
            ("refused", model["name"], timedelta(), 0), ("success", "other", timedelta(), 1),
            ("failure", model["name"], timedelta(days=2), 1),
        ]
    ):  # fmt: skip
        record = any_record(dice, number) | {"status": status, "model": name, "started_at": now - age}
        rows.append(record | {"duration_us": duration_s * 1_000_000, "ttft_us": 100_000, "completion_tokens": 100})
    values = [[row[column] for column in COLUMNS] for row in rows]
    path = f"/api/v1/models/{model['id']}/stats"
    nothing = (await people["reader"].get(path)).json()
    assert (nothing["requests"], nothing["availability"], nothing["latency_p50_ms"]) == (0, None, None)
    await database.copy_records_to_table("usage_records", records=values, columns=list(COLUMNS))
    waiting = (await people["reader"].get(path)).json()
    await fold(database)
    folded = (await people["reader"].get(path)).json()
    assert folded == waiting
    assert (folded["requests"], folded["successful_requests"], folded["failed_requests"]) == (4, 2, 1)
    assert folded["availability"] == 66.67
    assert folded["tokens_per_second"] == 50.0
    assert 1_500 < folded["latency_p50_ms"] < 2_600
    shown = (await people["ann"].get(f"/api/v1/models/{model['id']}")).json()
    assert {name: shown[name] for name in ("latency_p50_ms", "ttft_p50_ms")} == {
        name: folded[name] for name in ("latency_p50_ms", "ttft_p50_ms")
    }


async def test_models_are_sorted_by_latency_with_those_that_nobody_called_last(
    client: httpx2.AsyncClient, people: Browsers, database: asyncpg.Connection
):
    quick, slow, unused = [await make_model(client) for _ in range(3)]
    dice, rows = random.Random(3), []
    for number, (model, seconds) in enumerate(((quick, 1), (quick, 1), (slow, 9), (slow, 9))):
        record = any_record(dice, number) | {
            "status": "success",
            "model": model["name"],
            "started_at": datetime.now(UTC),
        }
        rows.append(record | {"duration_us": seconds * 1_000_000, "ttft_us": None})
    values = [[row[column] for column in COLUMNS] for row in rows]
    await database.copy_records_to_table("usage_records", records=values, columns=list(COLUMNS))

    async def listed(**query: str) -> list[dict[str, Any]]:
        found = await people["ann"].get("/api/v1/models", params={"sort": "latency", **query})
        assert found.status_code == 200, found.text
        return list(found.json()["data"])

    order = [quick["name"], slow["name"], unused["name"]]
    assert [one["name"] for one in await listed()] == order
    await fold(database)
    assert [one["name"] for one in await listed(order="desc")] == [slow["name"], quick["name"], unused["name"]]
    assert [one["name"] for one in await listed(limit="1", page="2")] == order[1:2]
    known = {one["name"]: (one["latency_p50_ms"], one["ttft_p50_ms"]) for one in await listed()}
    assert known[unused["name"]] == (None, None)
    assert 700 < known[quick["name"]][0] < 1_300
    assert known[quick["name"]][1] is None


async def test_the_list_of_models_leaves_as_a_file(client: httpx2.AsyncClient, people: Browsers):
    await make_model(client, tags=["a", 'b "quoted", and more'])
    draft = await make_model(client, status="draft", tags=["c"])
    path = "/api/v1/admin/models/export"
    assert (await people["ann"].get(path)).status_code == 403
    written = await people["overseer"].get(path, params={"status": "draft"})
    (line,) = csv.DictReader(io.StringIO(written.text))
    assert (line["name"], line["tags"], line["context_length"]) == (draft["name"], '["c"]', "")
    told = (await people["overseer"].get(path, params={"format": "json"})).json()
    assert sorted(one["tags"] for one in told["data"]) == [["a", 'b "quoted", and more'], ["c"]]
    assert not [word for word in ("api_base", "api_key") if word in json.dumps(told)]
