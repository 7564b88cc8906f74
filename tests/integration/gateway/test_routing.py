"""Which deployment serves a call, what is tried when it fails, and which model answers instead?"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from litemaas.gateway.settings import RoutingSettings
from litemaas.sim.testing import SimulatedServers

from .harness import (
    QUESTION,
    Platform,
    ScriptedEngine,
    add_usual_models,
    answer,
    gateway_settings,
    running,
    scripted,
    until,
)

GOOD = answer(b'{"id":"x","model":"granite-3.3-8b","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7}}')
AWAY = answer(b'{"error":{"message":"no"}}', "503 No")
TOO_LONG = answer(
    b'{"error":{"message":"This model\'s maximum context length is 10 tokens","code":"context_length_exceeded"}}',
    "400 No",
)


@pytest.fixture(scope="module")
async def module_platform(
    module_database: str, module_sim: SimulatedServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Platform]:
    """A gateway as it is by default, but quick to try again."""
    routing = RoutingSettings(retry_pause_s=0.01, max_retry_pause_s=0.05, probe_interval_s=0)
    settings = gateway_settings(module_database, tmp_path_factory.mktemp("gateway"), routing=routing)
    async with running(settings, module_sim) as platform:
        await add_usual_models(platform.ledger, module_sim)
        yield platform


async def set_model(platform: Platform, name: str, **columns: Any) -> None:
    names = ", ".join(f"{column} = ${place}" for place, column in enumerate(columns, 2))
    await platform.ledger.connection.execute(
        f"update models set {names} where name = $1",  # noqa: S608 - column names are the tests' own
        name,
        *columns.values(),
    )
    await platform.ledger.announce("catalog", [name])
    await platform.catch_up()


@asynccontextmanager
async def two(platform: Platform, name: str, **columns: Any) -> AsyncIterator[tuple[ScriptedEngine, ScriptedEngine]]:
    """A model with two deployments."""
    async with scripted(GOOD) as one, scripted(GOOD) as other:
        await platform.add_model(name, one.url, **columns)
        await platform.add_model(name, other.url, **columns)
        yield one, other


# -- limits of deployments --------------------------------------------------------------------------------------------


async def test_a_full_deployment_is_passed_over_and_when_all_are_full_the_call_is_refused(platform: Platform, key: str):
    async with two(platform, "limited", rpm_limit=3) as (one, other):
        replies = [await platform.chat(key, model="limited") for _ in range(8)]
        assert (len(one.received), len(other.received)) == (3, 3)
    assert [reply.status_code for reply in replies] == [200] * 6 + [429] * 2
    refused = replies[-1]
    assert refused.headers["rate_limit_type"] == "requests"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert "reset_at" in refused.headers
    assert "127.0.0.1" not in refused.json()["error"]["message"]
    rows = await platform.records(key, 8)
    assert Counter(row["status"] for row in rows) == {"success": 6, "refused": 2}
    assert {row["cost_nano"] for row in rows if row["status"] == "refused"} == {0}


@pytest.mark.parametrize("ends", ["answered", "failed", "hung up"])
async def test_a_deployments_place_comes_back_however_its_call_ends(platform: Platform, key: str, ends: str):
    name = f"place {ends}"
    reply = {"answered": GOOD, "failed": answer(b"{}", "400 No"), "hung up": b""}[ends]
    async with scripted(reply, "silent" if ends == "hung up" else "keep") as engine:
        identity = await platform.add_model(name, engine.url, price=(0, 0), max_parallel_requests=1)
        for _ in range(3):
            if ends == "hung up":
                with pytest.raises(httpx2.TimeoutException):
                    await platform.http.post(
                        "/v1/chat/completions", json={**QUESTION, "model": name}, timeout=0.3,
                        headers={"Authorization": f"Bearer {key}"},
                    )  # fmt: skip
                await until(lambda: _nobody_is_at(platform, identity))
            else:
                assert (await platform.chat(key, model=name)).status_code == (200 if ends == "answered" else 400)
        assert len(engine.received) == 3
    assert await _nobody_is_at(platform, identity)


async def _nobody_is_at(platform: Platform, identity: str) -> bool:
    return platform.gateway.targets.conditions[identity].running == 0


async def test_never_more_calls_at_once_than_a_deployment_takes(platform: Platform, key: str):
    platform.sim.chat.behave(first_token_s=0.03)
    await platform.add_model("narrow", platform.sim.chat.url + "/v1", max_parallel_requests=2)
    replies = await asyncio.gather(*(platform.chat(key, model="narrow", max_tokens=4) for _ in range(12)))
    statuses = Counter(reply.status_code for reply in replies)
    assert statuses[200] >= 2
    assert statuses[200] + statuses[429] == 12
    assert {r.headers["rate_limit_type"] for r in replies if r.status_code == 429} == {"max_parallel_requests"}
    assert platform.sim.counters.of("chat").requests == statuses[200]
    assert (await platform.chat(key, model="narrow", max_tokens=4)).status_code == 200


async def test_a_token_limit_counts_what_was_used_and_bounds_what_nobody_bounded(platform: Platform, key: str):
    await platform.add_model("tokens", platform.sim.chat.url + "/v1", tpm_limit=2000)
    first = await platform.chat(key, model="tokens", max_tokens=10)
    assert first.status_code == 200
    assert (await platform.chat(key, model="tokens", max_tokens=1500)).status_code == 200
    huge = await platform.chat(key, model="tokens", max_tokens=5000)
    assert (huge.status_code, huge.headers["rate_limit_type"]) == (429, "tokens")


async def test_limits_only_weigh_where_the_installation_says_so(
    module_database: str, module_sim: SimulatedServers, platform: Platform, key: str, tmp_path: Any
):
    async with scripted(GOOD) as engine:
        await platform.add_model("weighs", engine.url, rpm_limit=1)
        settings = gateway_settings(module_database, tmp_path, routing=RoutingSettings(enforce_model_rate_limits=False))
        async with running(settings, module_sim) as lenient:
            assert [(await lenient.chat(key, model="weighs")).status_code for _ in range(3)] == [200] * 3


# -- retries and cool-downs -------------------------------------------------------------------------------------------


async def test_a_lone_deployment_is_tried_again_and_then_the_first_error_is_told(platform: Platform, key: str):
    async with scripted(AWAY) as engine:
        await platform.add_model("lone", engine.url)
        reply = await platform.chat(key, model="lone")
        assert len(engine.received) == 3
        assert (reply.status_code, reply.json()["error"]["message"]) == (503, "no")
        assert (await platform.record(key))["attempts"] == 3
        cooling = await platform.chat(key, model="lone")
        assert len(engine.received) == 3
    assert cooling.status_code == 429
    assert 1 <= int(cooling.headers["retry-after"]) <= 5
    assert "rate_limit_type" not in cooling.headers


@pytest.mark.parametrize("how", ["header", "member"])
async def test_the_client_says_how_often_to_try(platform: Platform, key: str, how: str):
    async with scripted(AWAY) as engine:
        await platform.add_model(f"once {how}", engine.url)
        headers = {"Authorization": f"Bearer {key}"} | ({"x-litellm-num-retries": "0"} if how == "header" else {})
        body = {**QUESTION, "model": f"once {how}"} | ({"num_retries": 0} if how == "member" else {})
        await platform.http.post("/v1/chat/completions", json=body, headers=headers)
        assert len(engine.received) == 1
        assert b"num_retries" not in engine.body


async def test_one_that_fails_is_left_alone_and_a_refused_request_never_counts(platform: Platform, key: str):
    async with two(platform, "half") as (one, other):
        one.reply = answer(b'{"error":{"message":"no"}}', "404 No")
        other.reply = answer(b'{"error":{"message":"no"}}', "422 No")
        for _ in range(6):
            assert (await platform.chat(key, model="half")).status_code in (404, 422)
        assert not any(c.troubled for c in platform.gateway.targets.conditions.values() if c.model == "half")
        one.reply = other.reply = AWAY
        before = len(one.received) + len(other.received)
        assert (await platform.chat(key, model="half")).status_code == 503
        assert len(one.received) + len(other.received) == before + 2
        one.reply = other.reply = GOOD
        reply = await platform.chat(key, model="half")
        assert reply.status_code == 429
        assert len(one.received) + len(other.received) == before + 2


async def test_the_engines_retry_after_is_obeyed_and_told(platform: Platform, key: str):
    busy = answer(b"{}", "429 No", b"content-type: application/json\r\nretry-after: 40\r\n")
    async with two(platform, "busy") as (one, other):
        one.reply = other.reply = busy
        first = await platform.chat(key, model="busy")
        assert (first.status_code, first.headers["retry-after"]) == (429, "40")
        second = await platform.chat(key, model="busy")
        assert len(one.received) + len(other.received) == 2
    assert 30 <= int(second.headers["retry-after"]) <= 40


async def test_a_deployment_comes_back_after_its_time_by_one_try(platform: Platform, key: str):
    async with two(platform, "back", cooldown_s=0.2) as (one, other):
        one.reply = other.reply = AWAY
        assert (await platform.chat(key, model="back")).status_code == 503
        one.reply = other.reply = GOOD

        async def answers() -> bool:
            return (await platform.chat(key, model="back")).status_code == 200

        await until(answers)


async def test_health_tells_what_is_left_alone_and_why(platform: Platform, key: str):
    async with two(platform, "told") as (one, other):
        other.reply = AWAY
        while not other.received:
            await platform.chat(key, model="told")
        other.reply = GOOD
        page = await platform.http.get("/health?model=told", headers={"Authorization": f"Bearer {key}"})
        assert len(one.received) >= 1
    body = page.json()
    assert (body["healthy_count"], body["unhealthy_count"]) == (1, 1)
    assert "503" in body["unhealthy_endpoints"][0]["error"]
    assert body["unhealthy_endpoints"][0]["cooling_for_s"] > 0
    metrics = (await platform.http.get("/metrics")).text
    assert 'litellm_deployment_cooled_down_total{api_provider="hosted_vllm",model="told"' in metrics


async def test_a_probe_takes_out_what_is_away_and_brings_it_back(platform: Platform, key: str):
    async with two(platform, "probed") as (one, other):
        probes = platform.gateway.probes
        await probes.look()
        await other.stop()
        await probes.look()
        conditions = [c for c in platform.gateway.targets.conditions.values() if c.model == "probed"]
        assert sum(c.troubled for c in conditions) == 1
        assert [(await platform.chat(key, model="probed")).status_code for _ in range(4)] == [200] * 4
        assert len(one.received) >= 4


# -- strategies -------------------------------------------------------------------------------------------------------


async def test_a_session_stays_where_it_is_and_moves_on_when_that_fails(platform: Platform, key: str):
    async with two(platform, "sticky") as (one, other):
        await set_model(platform, "sticky", routing_strategy="affinity")

        async def ask(session: str) -> httpx2.Response:
            headers = {"Authorization": f"Bearer {key}", "x-litellm-session-id": session}
            return await platform.http.post(
                "/v1/chat/completions", json={**QUESTION, "model": "sticky"}, headers=headers
            )

        served = [(await ask("s1")).headers["x-litellm-model-id"] for _ in range(6)]
        assert len(set(served)) == 1
        favourite = one if one.received else other
        favourite.reply = AWAY
        moved = await ask("s1")
        assert moved.status_code == 200
        assert moved.headers["x-litellm-model-id"] != served[0]


# -- fallbacks --------------------------------------------------------------------------------------------------------


async def test_another_model_answers_and_is_the_one_that_is_paid_for(platform: Platform, key: str):
    async with scripted(AWAY) as broken, scripted(GOOD) as spare:
        await platform.add_model("broken", broken.url, price=(0.001, 0.001))
        await platform.add_model("spare", spare.url, price=(0.000001, 0.000002))
        await set_model(platform, "broken", fallbacks=["nonesuch", "spare"])
        reply = await platform.chat(key, model="broken")
    assert reply.status_code == 200
    assert reply.json()["model"] == "broken"
    assert reply.headers["x-litellm-model-group"] == "spare"
    assert reply.headers["x-litellm-attempted-fallbacks"] == "1"
    row = await platform.record(key)
    assert (row["model"], row["status"], row["cost_nano"]) == ("spare", "success", 11 * 1000 + 7 * 2000)
    assert (
        'litemaas_gateway_fallbacks_total{fallback="spare",model="broken"} 1.0'
        in (await platform.http.get("/metrics")).text
    )


async def test_a_model_that_the_key_may_not_call_is_no_fallback(platform: Platform):
    key = await platform.ledger.add_key(models=["secretive"], max_budget_nano=10**9)
    async with scripted(AWAY) as broken, scripted(GOOD) as spare:
        await platform.add_model("secretive", broken.url)
        await platform.add_model("forbidden", spare.url)
        await set_model(platform, "secretive", fallbacks=["forbidden"])
        reply = await platform.chat(key, model="secretive")
        assert (reply.status_code, spare.received) == (503, [])
        asked = await platform.chat(key, model="secretive", fallbacks=["forbidden"])
        assert (asked.status_code, asked.json()["error"]["type"]) == (401, "key_model_access_denied")
    rows = await platform.records(key, 2)
    assert rows[0]["model"] == "secretive"
    await platform.no_room_is_held(key)


async def test_the_client_names_its_own_fallbacks_or_none(platform: Platform, key: str):
    async with scripted(AWAY) as broken, scripted(GOOD) as spare:
        await platform.add_model("wishful", broken.url)
        await platform.add_model("wished", spare.url)
        named = await platform.chat(key, model="wishful", fallbacks=["wished"], num_retries=0)
        assert (named.status_code, b"fallbacks" in spare.body) == (200, False)
        await set_model(platform, "wishful", fallbacks=["wished"])
        without = await platform.chat(key, model="wishful", disable_fallbacks=True, num_retries=0)
    assert without.status_code == 503


@pytest.mark.parametrize("stream", [False, True])
async def test_a_prompt_that_is_too_long_goes_to_a_model_that_takes_more(platform: Platform, key: str, stream: bool):
    name = f"short {stream}"
    async with scripted(TOO_LONG) as short:
        await platform.add_model(name, short.url)
        await set_model(platform, name, context_fallbacks=["granite"])
        reply = await platform.chat(key, model=name, stream=stream)
        assert len(short.received) == 1
    assert reply.status_code == 200, reply.text
    assert (await platform.record(key))["model"] == "granite"
    assert not any(c.troubled for c in platform.gateway.targets.conditions.values() if c.model == name)


async def test_a_fallback_without_budget_leaves_the_first_error_and_holds_nothing(platform: Platform):
    limits = '{"dear": {"max_budget_nano": 1}}'
    key = await platform.ledger.add_key(model_limits=limits, max_budget_nano=10**9)
    async with scripted(AWAY) as broken, scripted(GOOD) as spare:
        await platform.add_model("cheap", broken.url)
        await platform.add_model("dear", spare.url, price=(0.001, 0.001))
        await set_model(platform, "cheap", fallbacks=["dear"])
        reply = await platform.chat(key, model="cheap", max_tokens=5)
        assert (reply.status_code, spare.received) == (503, [])
    row = await platform.record(key)
    assert (row["model"], row["cost_nano"]) == ("cheap", 0)
    await platform.no_room_is_held(key)


# -- names ------------------------------------------------------------------------------------------------------------


async def test_a_model_answers_to_its_aliases_and_keys_are_checked_by_either_name(platform: Platform):
    async with scripted(GOOD) as engine:
        await platform.add_model("long-name-8b", engine.url)
        await set_model(platform, "long-name-8b", aliases=["short-name"])
        for models in ([], ["short-name"], ["long-name-8b"]):
            key = await platform.ledger.add_key(models=models)
            reply = await platform.chat(key, model="short-name")
            assert (reply.status_code, reply.json()["model"]) == (200, "short-name")
            assert (await platform.record(key))["model"] == "long-name-8b"
        stranger = await platform.ledger.add_key(models=["other"])
        assert (await platform.chat(stranger, model="short-name")).status_code == 401


async def test_the_list_shows_other_names_and_fallbacks_and_wildcards_if_asked(platform: Platform):
    await platform.add_model("listed", platform.sim.chat.url + "/v1")
    await platform.add_model("all/*", platform.sim.chat.url + "/v1", "*")
    await set_model(platform, "listed", aliases=["known-as"], fallbacks=["granite"], access_groups=["workshop"])
    key = await platform.ledger.add_key(models=["listed", "all/*"])

    async def listed(query: str) -> dict[str, Any]:
        page = await platform.http.get(f"/v1/models?{query}", headers={"Authorization": f"Bearer {key}"})
        return {entry["id"]: entry for entry in page.json()["data"]}

    assert set(await listed("")) == {"listed", "known-as"}
    assert set(await listed("return_wildcard_routes=true")) == {"listed", "known-as", "all/*"}
    assert set(await listed("include_model_access_groups=true")) == {"listed", "known-as", "workshop"}
    assert set(await listed("only_model_access_groups=true")) == {"workshop"}
    assert (await listed("include_metadata=true"))["listed"]["metadata"] == {"fallbacks": ["granite"]}
    assert (await listed("include_metadata=true&fallback_type=context_window"))["listed"]["metadata"] == {
        "fallbacks": []
    }
    known = await platform.http.get("/v1/models/known-as", headers={"Authorization": f"Bearer {key}"})
    assert known.json()["id"] == "known-as"


async def test_a_wildcard_carries_the_rest_of_the_name_to_the_engine(platform: Platform):
    key = await platform.ledger.add_key(models=["org/*"])
    async with scripted(GOOD) as engine:
        await platform.add_model("org/*", engine.url, "vendor/*")
        await platform.add_model("org/own", platform.sim.chat.url + "/v1")
        reply = await platform.chat(key, model="org/some-model")
        assert reply.status_code == 200
        assert b'"vendor/some-model"' in engine.body
        assert (await platform.chat(key, model="org/own")).status_code == 200
        assert len(engine.received) == 1
    assert {row["model"] for row in await platform.records(key, 2)} == {"org/some-model", "org/own"}
    assert 'model="org/*"' in (await platform.http.get("/metrics")).text
    assert 'model="org/some-model"' not in (await platform.http.get("/metrics")).text
