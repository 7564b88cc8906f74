"""Does our own API keep the manners of the control-plane contract, section 1?"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx2
import pytest
from redis.asyncio import Redis

from litemaas.control.app import Settings, create_app
from litemaas.control.app.upkeep import tidy

from .conftest import ENCRYPTION_KEY, MASTER_KEY

DEPLOYMENT = {
    "provider": "hosted_vllm",
    "engine_model": "granite-3",
    "api_base": "http://engine:8000/v1",
    "api_key": "engine-secret-1",
    "extra_headers": {"X-Tenant": "header-secret-2"},
    "price": {"input_per_million": 100, "output_per_million": 200},
}
MODEL = {"name": "org/granite", "simulated": True, "deployments": [DEPLOYMENT]}


async def test_a_model_is_created_listed_changed_and_deleted(client: httpx2.AsyncClient):
    made = await client.post("/api/v1/admin/models", json=MODEL)
    assert made.status_code == 201, made.text
    assert made.json()["simulated"] is True
    (deployment,) = made.json()["deployments"]
    assert deployment["has_api_key"] is True
    assert deployment["extra_headers"] == ["X-Tenant"]
    path = f"/api/v1/admin/models/{made.json()['id']}"
    assert (await client.get(path)).json() == made.json()
    listed = (await client.get("/api/v1/admin/models", params={"search": "GRAN"})).json()
    assert listed["data"] == [made.json()]
    assert listed["pagination"] == {"page": 1, "limit": 20, "total": 1, "total_pages": 1}
    changed = await client.patch(path, json={"description": "new"})
    assert changed.json()["description"] == "new"
    assert changed.json()["simulated"] is True
    assert (await client.post("/api/v1/admin/models", json=MODEL)).status_code == 409
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404


async def test_a_changed_price_is_a_new_version_and_the_old_one_stays(client: httpx2.AsyncClient):
    made = (await client.post("/api/v1/admin/models", json=MODEL)).json()
    deployment = made["deployments"][0]
    path = f"/api/v1/admin/deployments/{deployment['id']}"
    price = {"input_per_million": 300, "output_per_million": 200}
    newer = (await client.post(f"{path}/prices", json=price)).json()
    same = await client.post(f"{path}/prices", json=price)
    assert newer["version"] > deployment["price"]["version"]
    assert same.json()["version"] == newer["version"]
    assert "x-litemaas-change" not in same.headers
    versions = (await client.get(f"{path}/prices")).json()["data"]
    assert [version["input_per_million"] for version in versions] == [300, 100]


async def test_deployments_come_change_and_go(client: httpx2.AsyncClient):
    made = (await client.post("/api/v1/admin/models", json=MODEL)).json()
    model = f"/api/v1/admin/models/{made['id']}"
    second = DEPLOYMENT | {"api_base": "https://other:8443/v1/", "weight": 3}
    added = await client.post(f"{model}/endpoints", json=second)
    assert added.status_code == 201
    assert added.json()["api_base"] == "https://other:8443/v1"
    assert (await client.post(f"{model}/endpoints", json=second)).status_code == 409
    nowhere = "/api/v1/admin/models/00000000-0000-4000-8000-000000000000/endpoints"
    assert (await client.post(nowhere, json=second)).status_code == 404
    assert (await client.post("/api/v1/admin/models/nobody/endpoints", json=second)).status_code == 400
    path = f"/api/v1/admin/deployments/{added.json()['id']}"
    changed = (await client.patch(path, json={"weight": 0, "api_key": None, "tls_verify": False})).json()
    assert (changed["weight"], changed["has_api_key"], changed["tls_verify"]) == (0, False, False)
    assert changed["price"] == added.json()["price"]
    bad = await client.patch(path, json={"api_base": "http://user:pw@engine/v1"})
    assert bad.json()["errors"][0]["field"] == "api_base"
    assert (await client.delete(path)).status_code == 204
    assert (await client.delete(path)).status_code == 404


async def test_a_keys_secret_is_shown_once(client: httpx2.AsyncClient):
    made = await client.post("/api/v1/admin/keys", json={"alias": "ab12", "duration": "7d", "max_budget_nano": 5})
    assert made.status_code == 201
    secret, key = made.json()["secret"], made.json()["key"]
    path = f"/api/v1/admin/keys/{key['id']}"
    got = await client.get(path)
    assert got.json() == key
    assert secret not in got.text
    changed = (await client.patch(path, json={"max_budget_nano": None, "models": ["granite"]})).json()
    assert changed["max_budget_nano"] is None
    assert changed["alias"] == "ab12"
    assert (await client.post(f"{path}/block")).json()["blocked"] is True
    listed = (await client.get("/api/v1/admin/keys", params={"blocked": "true", "search": "AB1"})).json()
    assert [entry["id"] for entry in listed["data"]] == [key["id"]]
    assert (await client.post(f"{path}/unblock")).json()["blocked"] is False
    assert (await client.post("/api/v1/admin/keys", json={"alias": "ab12"})).status_code == 409
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404


async def test_all_violations_come_in_one_problem(client: httpx2.AsyncClient):
    answer = await client.post("/api/v1/admin/keys", json={"rpm_limit": "5", "models": [1], "unknown": 1})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert {violation["field"] for violation in problem["errors"]} == {"rpm_limit", "models.0", "unknown"}
    assert problem["code"] == "VALIDATION_ERROR"
    assert problem["request_id"] == answer.headers["x-request-id"]


async def test_every_layer_answers_with_problems(client: httpx2.AsyncClient, anonymous: httpx2.AsyncClient):
    json_type = {"Content-Type": "application/json"}
    cases = [
        (await anonymous.get("/api/v1/admin/keys"), 401, "UNAUTHENTICATED"),
        (
            await anonymous.get("/api/v1/admin/keys", headers={"Authorization": "Bearer sk-wrong"}),
            401,
            "UNAUTHENTICATED",
        ),
        (await client.get("/api/v1/nowhere"), 404, "NOT_FOUND"),
        (await client.put("/api/v1/admin/keys"), 405, "METHOD_NOT_ALLOWED"),
        (await client.post("/api/v1/admin/keys", content=b"{", headers=json_type), 400, "VALIDATION_ERROR"),
        (
            await client.post("/api/v1/admin/keys", content=b'"' + b"x" * 3_000_000, headers=json_type),
            413,
            "BODY_TOO_LARGE",
        ),
        (await client.post("/api/v1/admin/keys", json={"metadata": {"a": "\0"}}), 400, "VALIDATION_ERROR"),
    ]
    for answer, status, code in cases:
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_good_request_ids_are_kept_and_others_replaced(anonymous: httpx2.AsyncClient):
    kept = await anonymous.get("/health/live", headers={"X-Request-Id": "abc.DEF-1_2"})
    assert kept.headers["x-request-id"] == "abc.DEF-1_2"
    replaced = await anonymous.get("/health/live", headers={"X-Request-Id": "a b"})
    assert replaced.headers["x-request-id"] != "a b"


async def test_every_mutation_leaves_change_and_audit_and_their_order_is_the_commits(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    heard: list[int] = []
    await database.add_listener("litemaas_changes", lambda *arguments: heard.append(int(arguments[3])))
    answers = await asyncio.gather(
        *(client.post("/api/v1/admin/keys", json={"alias": f"k{n}"}) for n in range(10)),
        *(client.post("/api/v1/admin/models", json=MODEL | {"name": f"m{n}"}) for n in range(10)),
    )
    assert {answer.status_code for answer in answers} == {201}
    told = sorted(int(answer.headers["x-litemaas-change"]) for answer in answers)
    rows = await database.fetch("SELECT seq, kind, refs FROM changes ORDER BY seq")
    assert told == [row["seq"] for row in rows]
    assert heard == told
    keys = {answer.json()["key"]["id"] for answer in answers[:10]}
    assert {row["refs"][0] for row in rows if row["kind"] == "key"} == keys
    assert await database.fetchval("SELECT count(*) FROM audit WHERE action = 'key.create'") == 10
    assert await database.fetchval("SELECT count(*) FROM audit WHERE action = 'model.create'") == 10


async def test_a_refused_mutation_leaves_nothing_behind(client: httpx2.AsyncClient, database: asyncpg.Connection):
    bad = MODEL | {"deployments": [DEPLOYMENT, DEPLOYMENT | {"api_base": "nonsense"}]}
    refused = await client.post("/api/v1/admin/models", json=bad)
    assert refused.status_code == 400
    assert "x-litemaas-change" not in refused.headers
    for table in ("models", "deployments", "prices", "changes", "audit"):
        assert await database.fetchval(f"SELECT count(*) FROM {table}") == 0  # noqa: S608 — names from the line above


async def test_no_secret_reaches_answers_audit_or_the_feed(client: httpx2.AsyncClient, database: asyncpg.Connection):
    made = (await client.post("/api/v1/admin/models", json=MODEL)).json()
    deployment = made["deployments"][0]["id"]
    await client.patch(f"/api/v1/admin/deployments/{deployment}", json={"api_key": "engine-secret-3"})
    litellm = {"model": "openai/x", "api_base": "http://x/v1", "api_key": "engine-secret-4", "aws_secret_access_key": "s-5",
               "extra_headers": {"x-a": "header-secret-6"}}  # fmt: skip
    new = await client.post("/litellm/model/new", json={"model_name": "x", "litellm_params": litellm})
    secret = (await client.post("/api/v1/admin/keys", json={"alias": "a"})).json()["secret"]
    second = (await client.post("/litellm/key/generate", json={"metadata": {"note": "kept"}})).json()["key"]
    wrong_type = await client.post("/litellm/key/generate", json={"key": ["sk-oops-0123456789"]})
    secrets = ["engine-secret", "header-secret", "s-5", secret, second, MASTER_KEY, "sk-oops"]
    texts = [new.text, wrong_type.text]
    texts += [
        (await client.get(path)).text
        for path in (
            "/api/v1/admin/models",
            "/api/v1/admin/keys",
            "/litellm/model/info",
            "/litellm/key/list?return_full_object=true",
        )
    ]
    for table in ("audit", "changes", "virtual_keys", "models", "prices"):
        texts.append(str(await database.fetch(f"SELECT t::text FROM {table} t")))  # noqa: S608 — literal names
    texts.append(str(await database.fetch("SELECT params, info, defaults, api_key_sealed FROM deployments")))
    for text in texts:
        assert not [word for word in secrets if word in text]


async def test_health_tells_live_from_ready(anonymous: httpx2.AsyncClient, empty_database_url: str):
    assert (await anonymous.get("/health/live")).json() == {"status": "ok"}
    assert (await anonymous.get("/health/ready")).status_code == 200
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    for url in (empty_database_url, nowhere):
        app = create_app(Settings(database_url=url, master_key=MASTER_KEY, encryption_key=ENCRYPTION_KEY))
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=transport) as client:
            ready = await client.get("http://control/health/ready")
            assert (ready.status_code, ready.json()["code"]) == (503, "UNAVAILABLE")
            assert (await client.get("http://control/health/live")).status_code == 200
            if url == nowhere:
                headers = {"Authorization": f"Bearer {MASTER_KEY}"}
                for path in ("api/v1/admin/keys", "litellm/key/list"):
                    away = await client.get(f"http://control/{path}", headers=headers)
                    assert away.status_code == 503
                    assert "127.0.0.1" not in away.text


async def test_valkey_hears_of_changes_and_its_absence_harms_nothing(database_url: str, redis_url: str):
    unreachable = "redis://127.0.0.1:1/0"
    headers = {"Authorization": f"Bearer {MASTER_KEY}"}
    async with Redis.from_url(redis_url) as listener, listener.pubsub() as channel:
        await channel.subscribe("litemaas:changes")
        await channel.get_message(timeout=60)
        for url in (redis_url, unreachable):
            settings = Settings(
                database_url=database_url, master_key=MASTER_KEY, encryption_key=ENCRYPTION_KEY, redis_url=url
            )
            app = create_app(settings)
            transport = httpx2.ASGITransport(app=app)
            async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=transport) as client:
                made = await client.post("http://control/api/v1/admin/keys", json={}, headers=headers)
                assert made.status_code == 201
                if url == redis_url:
                    message = await channel.get_message(timeout=60)
                    assert message is not None
                    assert message["data"].decode() == made.headers["x-litemaas-change"]
                else:
                    assert app.state.plane.publisher.failures == 1


async def test_the_contract_is_public_and_has_the_problems(anonymous: httpx2.AsyncClient):
    contract = (await anonymous.get("/openapi.json")).json()
    assert contract["openapi"].startswith("3.1")
    assert "/api/v1/admin/keys" in contract["paths"]
    assert not [path for path in contract["paths"] if "litellm" in path]
    page = await anonymous.get("/docs")
    assert "/api/v1/admin/keys" in page.text


@pytest.mark.parametrize("path", ["/api/v1/admin/keys/{}", "/api/v1/admin/deployments/{}"])
async def test_changing_what_is_not_there_is_not_found(client: httpx2.AsyncClient, path: str):
    assert (await client.patch(path.format("nobody"), json={})).status_code == 404
    assert (await client.delete(path.format("nobody"))).status_code == 404


async def test_upkeep_makes_partitions_and_ends_old_changes(
    client: httpx2.AsyncClient, database: asyncpg.Connection, database_url: str
):
    await client.post("/api/v1/admin/keys", json={})
    await database.execute("INSERT INTO changes (at, kind) VALUES (now() - interval '25 hours', 'key')")
    await database.execute(f"DROP TABLE usage_records_{datetime.now(UTC) + timedelta(days=5):%Y%m%d}")
    assert len(await tidy(database_url)) == 1
    assert await tidy(database_url) == []
    assert await database.fetchval("SELECT count(*) FROM changes") == 1


async def test_registering_and_removing_one_name_at_once_never_fails_nor_leaves_an_empty_model(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    async def come_change_and_go(number: int) -> list[int]:
        params = {"model": f"openai/e{number}", "api_base": "http://e/v1"}
        made = await client.post("/litellm/model/new", json={"model_name": "busy", "litellm_params": params})
        path = f"/litellm/model/{made.json()['model_id']}/update"
        name = "busy" if number % 2 else "other"
        changed = await client.patch(path, json={"model_name": name, "litellm_params": {"weight": 2}})
        gone = await client.post("/litellm/model/delete", json={"id": made.json()["model_id"]})
        return [made.status_code, changed.status_code, gone.status_code]

    assert await asyncio.gather(*map(come_change_and_go, range(12))) == [[200, 200, 200]] * 12
    assert await database.fetchval("SELECT count(*) FROM models") == 0


async def test_a_credential_that_a_header_cannot_carry_is_refused_without_repeating_it(client: httpx2.AsyncClient):
    for odd in ("engine\r\nx-evil: 1", "schlüssel", "tab\there"):
        refused = await client.post(
            "/api/v1/admin/models", json=MODEL | {"deployments": [DEPLOYMENT | {"api_key": odd}]}
        )
        assert refused.status_code == 400
        assert "api_key" in refused.text
        assert "evil" not in refused.text
