"""What does the gateway answer by itself, and does every answer carry what the contract promises?"""

from __future__ import annotations

import re
from typing import Any

import pytest

from litemaas.core.keys import VirtualKey, hash_key
from litemaas.gateway import caller_metrics

from .harness import MASTER_KEY, WITHIN_S, Platform, gateway_settings, running, scripted, until


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def test_models_are_those_of_the_key_in_the_contracts_words(platform: Platform):
    key = await platform.ledger.add_key(models=["granite", "no*"])
    reply = await platform.http.get("/v1/models", headers=bearer(key))
    assert reply.json() == {
        "data": [
            {"id": name, "object": "model", "created": 1677610602, "owned_by": "openai"}
            for name in ("granite", "nomic")
        ],
        "object": "list",
    }
    more = await platform.http.get("/models?include_metadata=true", headers=bearer(key))
    assert more.json()["data"][0]["metadata"] == {"fallbacks": []}
    assert (await platform.http.get("/v1/models/granite", headers=bearer(key))).json()["id"] == "granite"
    assert (await platform.http.get("/v1/models/free", headers=bearer(key))).status_code == 404
    every = {
        model["id"] for model in (await platform.http.get("/v1/models", headers=bearer(MASTER_KEY))).json()["data"]
    }
    assert {"granite", "free", "final", "nomic"} <= every


async def test_a_model_in_an_access_group_is_open_to_keys_that_name_the_group(platform: Platform):
    await platform.ledger.connection.execute(
        "insert into models (name, mode, access_groups) values ('grouped', 'chat', array['workshop'])"
    )
    await platform.add_model("grouped", platform.sim.chat.url + "/v1")
    member = await platform.ledger.add_key(models=["workshop"])
    stranger = await platform.ledger.add_key(models=["other"])
    nobody = await platform.ledger.add_key(models=["no-default-models"])
    assert (await platform.chat(member, model="grouped")).status_code == 200
    assert (await platform.chat(stranger, model="grouped")).status_code == 401
    assert (await platform.chat(nobody, model="grouped")).status_code == 401


async def test_an_alias_of_a_key_is_answered_under_the_alias_and_booked_under_the_model(platform: Platform):
    key = await platform.ledger.add_key(aliases='{"gpt-4o": "granite"}', models=["granite"])
    reply = await platform.chat(key, model="gpt-4o")
    assert (reply.status_code, reply.json()["model"]) == (200, "gpt-4o")
    assert (await platform.record(key))["model"] == "granite"


async def test_a_model_of_another_kind_is_refused_in_words(platform: Platform, key: str):
    reply = await platform.post("/v1/embeddings", key, {"model": "granite", "input": "x"})
    assert "/embeddings" in reply.json()["error"]["message"]
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "model")
    assert "chat" in reply.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/health/liveliness", "/health/liveness", "/health/livenessz"])
async def test_liveness_is_a_json_text_and_needs_no_key(platform: Platform, path: str):
    reply = await platform.http.get(path)
    assert (reply.status_code, reply.json()) == (200, "I'm alive!")


async def test_readiness_names_the_version_that_clients_look_for(platform: Platform):
    page = (await platform.http.get("/health/readiness")).json()
    assert (page["status"], page["db"], page["litellm_version"]) == ("connected", "connected", "1.81.16")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", page["last_updated"])


async def test_health_asks_each_engine_without_spending_a_token(platform: Platform, key: str):
    async with scripted(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n") as broken:
        url = broken.url
        identity = await platform.add_model("broken", url)
        page = (await platform.http.get("/health", headers=bearer(key))).json()
        one = (await platform.http.get(f"/health?model_id={identity}", headers=bearer(key))).json()
    healthy = {entry["model"] for entry in page["healthy_endpoints"]}
    assert {"granite-3.3-8b", "nomic-embed-text-v1.5"} <= healthy
    assert page["healthy_count"] == len(page["healthy_endpoints"]) >= 4
    (unhealthy,) = one["unhealthy_endpoints"]
    assert (unhealthy["model"], unhealthy["api_base"], unhealthy["model_id"]) == ("granite-3.3-8b", url, identity)
    assert unhealthy["error"]
    assert (one["healthy_count"], one["unhealthy_count"]) == (0, 1)
    restricted = await platform.ledger.add_key(models=["granite"])
    assert (await platform.http.get("/health?model=nomic", headers=bearer(restricted))).json()["healthy_count"] == 0
    assert platform.sim.counters.of("chat").requests == 0


async def test_an_installation_may_keep_its_metrics_to_those_with_a_key(
    module_database: str, module_sim: Any, platform: Platform, key: str, tmp_path: Any
):
    settings = gateway_settings(module_database, tmp_path, metrics_need_key=True, worker_id="gateway-shy")
    async with running(settings, module_sim) as shy:
        assert (await shy.http.get("/metrics")).status_code == 401
        assert (await shy.http.get("/metrics", headers=bearer(key))).status_code == 200
        assert "litemaas_gateway_connections" in (await shy.http.get("/metrics", headers=bearer(MASTER_KEY))).text


async def test_metrics_per_key_are_for_the_master_key_and_tell_what_each_key_spends(
    module_database: str, module_sim: Any, platform: Platform, tmp_path: Any
):
    key = await platform.ledger.add_key(alias="ada's", team_id="t1", user_id="ada", max_budget_nano=10**12)
    settings = gateway_settings(module_database, tmp_path, metrics_per_key=True, worker_id="gateway-telling")
    async with running(settings, module_sim) as telling:
        assert (await telling.chat(key)).status_code == 200
        assert (await telling.chat(key, max_tokens="many")).status_code == 400
        assert (await telling.chat("sk-nobody")).status_code == 401
        assert (await telling.http.get("/metrics")).status_code == 401
        assert (await telling.http.get("/metrics", headers=bearer(key))).status_code == 401
        page = (await telling.http.get("/metrics", headers=bearer(MASTER_KEY))).text

    assert key not in page
    found = {
        name: {**dict(re.findall(r'(\w+)="([^"]*)"', labels)), "": float(value)}
        for name, labels, value in re.findall(r"(litellm_\w+_metric_\w+|litellm_remaining\w+)\{([^}]*)\} (\S+)", page)
        if f'hashed_api_key="{hash_key(key)}"' in labels
    }
    assert found["litellm_requests_metric_total"] == {
        "hashed_api_key": hash_key(key), "api_key_alias": "ada's", "team": "t1", "user": "ada", "model": "granite", "": 1.0,
    }  # fmt: skip
    assert found["litellm_spend_metric_total"][""] > 0
    assert found["litellm_remaining_api_key_budget_metric"][""] == pytest.approx(
        1000 - float(found["litellm_spend_metric_total"][""]), abs=1e-6
    )
    tokens = [found[f"litellm_{kind}_tokens_metric_total"][""] for kind in ("total", "input", "output")]
    assert tokens[0] == tokens[1] + tokens[2] > 0
    latency = {
        which: found[f"litellm_{which}_latency_metric_sum"][""] for which in ("request_total", "llm_api", "overhead")
    }
    assert latency["request_total"] == pytest.approx(latency["llm_api"] + latency["overhead"], abs=1e-5)
    assert re.search(
        r'litellm_proxy_failed_requests_metric_total\{[^}]*model="",status_code="401",team=""[^}]*\} 1.0', page
    )


LATENCIES = (
    "litellm_request_total_latency_metric", "litellm_llm_api_latency_metric", "litellm_llm_api_time_to_first_token_metric",
    "litellm_overhead_latency_metric",
)  # fmt: skip


def buckets_of(page: str, name: str, model: str) -> dict[str, float]:
    """End of bucket → calls that took no longer, of all callers of a model."""
    rows = re.findall(rf"{name}_bucket\{{([^}}]*)\}} (\S+)", page)
    told = [(dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)) for labels, value in rows]
    assert all(labels["hashed_api_key"] == labels["user"] == "" for labels, _ in told)
    return {labels["le"]: value for labels, value in told if labels["model"] == model}


@pytest.mark.parametrize("per_key", [False, True])
async def test_latencies_under_litellms_names_have_buckets_of_each_model(
    module_database: str, module_sim: Any, platform: Platform, tmp_path: Any, per_key: bool
):
    key = await platform.ledger.add_key()
    settings = gateway_settings(module_database, tmp_path, metrics_per_key=per_key, worker_id=f"gateway-{per_key}")
    async with running(settings, module_sim) as telling:
        await telling.catch_up()
        for stream in (False, True, False):
            assert (await telling.chat(key, stream=stream)).status_code == 200
        completion = {"model": "granite", "prompt": "How"}
        assert (await telling.post("/v1/completions", key, completion)).status_code == 200
        page = (await telling.http.get("/metrics", headers=bearer(MASTER_KEY))).text
    for name in LATENCIES:
        buckets = buckets_of(page, name, "granite")
        assert buckets["+Inf"] == 4
        assert list(buckets.values()) == sorted(buckets.values())
        assert f"# TYPE {name} histogram" in page
        [count] = re.findall(rf'{name}_count\{{[^}}]*model="granite"[^}}]*\}} (\S+)', page)
        assert float(count) == 4
    total, engine = (buckets_of(page, name, "granite") for name in LATENCIES[:2])
    assert all(total[bound] <= engine[bound] for bound in total)  # the whole call takes longer than a part of it
    assert len(buckets_of(page, LATENCIES[3], "granite")) > 5


async def test_callers_beyond_the_bound_are_counted_with_their_model(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(caller_metrics, "MAX_SERIES", 2)
    metrics = caller_metrics.CallerMetrics(per_key=True)
    counters = [metrics.of(VirtualKey(key_hash=f"{n}", key_name="k"), "granite") for n in (1, 2, 3, 4, 1)]

    assert counters[0] is counters[4] is not counters[1]
    assert counters[2] is counters[3] not in counters[:2]


async def test_the_root_greets_with_the_way_on(platform: Platform):
    assert (await platform.http.get("/")).json()["models"] == "/v1/models"


async def test_metrics_are_readable_and_name_no_key(platform: Platform, key: str):
    await platform.chat(key)
    page = (await platform.http.get("/metrics")).text
    assert re.search(r'litemaas_gateway_requests_total\{[^}]*model="granite"[^}]*\} \d', page)
    assert key not in page
    assert hash_key(key) not in page


async def test_what_the_gateway_itself_takes_is_counted_without_the_engine(platform: Platform, key: str):
    async def told() -> tuple[float, float]:
        page = (await platform.http.get("/metrics")).text
        found = {
            name: float(value)
            for name, value in re.findall(r"litemaas_gateway_overhead_seconds_(sum|count) (\S+)", page)
        }
        return found["count"], found["sum"]

    count, seconds = await told()
    platform.sim.chat.behave(first_token_s=0.4, json_s=0.4)
    await platform.chat(key)
    await platform.chat(key, stream=True)
    await platform.chat(key, model="nobody")  # was never answered by an engine
    after_count, after_seconds = await told()
    assert after_count == count + 2
    assert 0 < after_seconds - seconds < 0.4


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/nothing", 404), ("POST", "/v1/models", 405), ("DELETE", "/v1/chat/completions", 405),
    ("GET", "/v1/assistants", 404), ("POST", "/health/liveness", 405), ("PUT", "/v1/embeddings", 405),
    ("GET", "/v1/models/nobody", 404), ("GET", "/key/info", 503),
])  # fmt: skip
async def test_what_is_not_there_is_a_json_error(platform: Platform, key: str, method: str, path: str, status: int):
    reply = await platform.http.request(method, path, headers=bearer(key))
    assert reply.status_code == status, reply.text
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == str(status)


async def test_a_head_has_the_headers_of_the_page_and_no_body(platform: Platform):
    reply = await platform.http.head("/health/liveness")
    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers["content-length"] == "12"


async def test_a_key_in_the_query_is_no_key(platform: Platform, key: str):
    reply = await platform.http.post(f"/v1/chat/completions?api_key={key}&key={key}", json={})
    assert (reply.status_code, reply.json()["error"]["type"]) == (401, "auth_error")


# -- headers of the answers -------------------------------------------------------------------------------------------


async def test_an_answer_says_who_served_it_and_what_it_cost(platform: Platform, key: str):
    await platform.catch_up()
    for spend, _ in enumerate(range(2), 1):
        reply = await platform.chat(key, max_tokens=4)
        headers = reply.headers
        cost = float(headers["x-litellm-response-cost"])
        assert cost == pytest.approx(reply.json()["usage"]["prompt_tokens"] * 1e-6 + 4 * 2e-6)
        assert float(headers["x-litellm-key-spend"]) == pytest.approx(spend * cost)
        assert headers["x-litellm-model-group"] == "granite"
        assert headers["x-litellm-model-api-base"] == platform.sim.chat.url + "/v1"
        assert headers["x-litellm-version"] == "1.81.16"
        assert float(headers["x-litellm-response-duration-ms"]) >= 0
        assert headers["x-litellm-response-cost-original"] == headers["x-litellm-response-cost"]
        for unused in ("cost-discount-amount", "cost-margin-amount", "cost-margin-percent"):
            assert headers[f"x-litellm-response-{unused}"] == "0"
        assert headers["x-litellm-callback-duration-ms"] == "0"
    stream = await platform.chat(key, stream=True)
    assert "x-litellm-response-cost" not in stream.headers
    assert "x-litellm-response-cost-original" not in stream.headers
    assert stream.headers["x-litellm-response-cost-margin-amount"] == "0"
    assert float(stream.headers["x-litellm-key-spend"]) == pytest.approx(2 * cost)


@pytest.mark.parametrize("own", ["mine-1.2_3", "x" * 64])
async def test_a_clients_own_call_id_comes_back(platform: Platform, key: str, own: str):
    for secret, status in ((key, 200), ("sk-unknown-unknown", 401)):
        reply = await platform.http.post(
            "/v1/chat/completions", json={"model": "granite", "messages": []},
            headers={**bearer(secret), "x-litellm-call-id": own},
        )  # fmt: skip
        assert (reply.status_code, reply.headers["x-litellm-call-id"]) == (status, own)


@pytest.mark.parametrize("own", ["x" * 65, "has space", "<script>", "ümlaut"])
async def test_an_odd_call_id_is_replaced_by_ours(platform: Platform, key: str, own: str):
    reply = await platform.http.post(
        "/v1/chat/completions", json={"model": "granite", "messages": []},
        headers={**bearer(key), "x-litellm-call-id": own.encode()},
    )  # fmt: skip
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", reply.headers["x-litellm-call-id"])


CASES: list[Any] = [
    ("POST", "/v1/chat/completions", 401), ("GET", "/v1/models", 401), ("GET", "/health", 401), ("GET", "/nothing", 404),
    ("POST", "/v1/models", 405), ("GET", "/key/info", 503),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "status"), CASES)
async def test_every_refusal_carries_a_call_id_and_may_be_read_by_a_browser(
    platform: Platform, method: str, path: str, status: int
):
    reply = await platform.http.request(method, path, headers={"Origin": "https://app.example"})
    assert reply.status_code == status
    assert reply.headers["x-litellm-call-id"]
    assert reply.headers["access-control-allow-origin"] == "*"
    own = await platform.http.request(method, path, headers={"x-litellm-call-id": "mine"})
    assert own.headers["x-litellm-call-id"] == "mine"


async def test_a_browser_may_call_from_anywhere_with_any_header(platform: Platform, key: str):
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    wanted = {"Access-Control-Request-Headers": "authorization,x-stainless-os"}
    reply = await platform.http.options("/v1/chat/completions", headers={**asked, **wanted})
    assert reply.status_code == 200
    assert reply.headers["access-control-allow-origin"] == "*"
    assert reply.headers["access-control-allow-headers"] == "authorization,x-stainless-os"
    assert reply.headers["access-control-max-age"] == "600"
    for path in ("/v1/models", "/v1/models/granite"):
        page = await platform.http.get(path, headers={**bearer(key), "Origin": "https://app.example"})
        assert page.headers["access-control-allow-origin"] == "*"


# -- news -------------------------------------------------------------------------------------------------------------


async def test_a_change_of_the_catalogue_is_there_within_a_second(platform: Platform, key: str):
    identity = await platform.ledger.add_model("fleeting", platform.sim.chat.url + "/v1")

    async def answers(status: int) -> bool:
        return (await platform.chat(key, model="fleeting")).status_code == status

    await until(lambda: answers(200), 1.0)
    await platform.ledger.connection.execute("update deployments set enabled = false where id = $1", identity)
    await platform.ledger.announce("catalog", ["fleeting"])
    await until(lambda: answers(400), 1.0)


@pytest.mark.parametrize("change", [{"blocked": True}, {"models": ["other"]}, {"rpm_limit": 0}])
async def test_a_change_of_a_key_bites_within_a_second_though_the_key_is_in_use(
    platform: Platform, key: str, change: Any
):
    assert (await platform.chat(key)).status_code == 200
    await platform.ledger.change_key(key, **change)

    async def refused() -> bool:
        return (await platform.chat(key)).status_code in (401, 429)

    await until(refused, 1.0)


async def test_a_key_that_was_unknown_a_moment_ago_works_when_it_is_made(platform: Platform):
    secret = "sk-made-a-moment-later-0123"
    assert (await platform.chat(secret)).status_code == 401
    await platform.ledger.add_key(secret)

    async def works() -> bool:
        return (await platform.chat(secret)).status_code == 200

    await until(works, 1.0)


@pytest.mark.parametrize(
    "column", ["extra_headers = '[1]'", "extra_headers = '{\"a\": 1}'", "api_key_sealed = '\\x00'"]
)
async def test_a_row_that_cannot_be_read_takes_only_its_own_deployment_away(platform: Platform, key: str, column: str):
    identity = await platform.add_model("spoilt", platform.sim.chat.url + "/v1")
    await platform.ledger.connection.execute(f"update deployments set {column} where id = '{identity}'")  # noqa: S608
    seq = await platform.ledger.announce("catalog", ["spoilt"])
    try:
        assert await platform.gateway.feed.wait_for(seq, WITHIN_S)
        assert (await platform.chat(key)).status_code == 200
        assert (await platform.http.get("/health/readiness")).status_code == 200
    finally:
        await platform.ledger.connection.execute("delete from deployments where id = $1", identity)
        await platform.ledger.announce("catalog", ["spoilt"])
