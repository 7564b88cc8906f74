"""Is what was asked before answered again for nothing, only to those who may have it, and never wrongly?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from redis.asyncio import Redis

from litemaas.core.answer_cache import SETTING, AnswerCacheSettings
from litemaas.db.embedded import EmbeddedValkey
from litemaas.gateway.adapters.kept_answers import SharedAnswers
from litemaas.gateway.answer_stores import LocalAnswers, answer_cache
from litemaas.gateway.http.stepping import stepped
from litemaas.gateway.origins import Origins
from litemaas.gateway.reply_headers import ReplyHeaders
from litemaas.kit.crypto import Vault
from litemaas.kit.settings import SettingsError
from litemaas.sim.testing import SimulatedServers

from .harness import QUESTION, Platform, answer, gateway_settings, running, scripted, until

CACHE = "x-litellm-cache-key"


def asked(platform: Platform) -> int:
    return platform.sim.counters.of("chat").requests


def is_hit(reply: httpx2.Response) -> bool:
    return CACHE in reply.headers


@pytest.fixture(scope="module")
async def module_caching(
    module_database: str, module_platform: Platform, module_sim: SimulatedServers, tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Platform]:  # fmt: skip
    settings = gateway_settings(module_database, tmp_path_factory.mktemp("caching"), worker_id="gateway-caching")
    settings = msgspec.structs.replace(settings, answer_cache=AnswerCacheSettings(type="local", most_bytes=20_000))
    async with running(settings, module_sim) as platform:
        yield platform


@pytest.fixture
async def caching(module_caching: Platform) -> Platform:
    module_caching.sim.reset()
    return module_caching


@pytest.fixture
async def secret(caching: Platform) -> str:
    key = await caching.ledger.add_key(max_budget_nano=10**9)
    await caching.catch_up()
    return key


async def test_the_second_call_has_the_first_ones_answer_and_costs_nothing(caching: Platform, secret: str):
    first = await caching.chat(secret)
    again = await caching.chat(secret)
    assert again.content == first.content
    assert (is_hit(first), is_hit(again), asked(caching)) == (False, True, 1)
    assert again.headers["cache-status"] == "litemaas; hit"
    assert float(again.headers["x-litellm-response-cost"]) == 0.0 < float(first.headers["x-litellm-response-cost"])
    assert again.headers["x-litellm-attempted-retries"] == "0"
    _, hit = await caching.records(secret, 2)
    assert (hit["status"], hit["cost_nano"], hit["prompt_tokens"], hit["deployment_id"]) == ("success", 0, 0, None)
    assert json.loads(hit["metadata"]) == {"litemaas_cache_hit": again.headers[CACHE]}
    await caching.no_room_is_held(secret)


async def test_a_stream_is_given_again_event_by_event(caching: Platform, secret: str):
    first = await caching.chat(secret, stream=True, stream_options={"include_usage": True})
    again = await caching.chat(secret, stream=True, stream_options={"include_usage": True})
    assert again.content == first.content
    assert again.content.endswith(b"data: [DONE]\n\n")
    assert again.headers["content-type"] == first.headers["content-type"]
    whole = await caching.chat(secret)
    assert (is_hit(again), is_hit(whole), asked(caching)) == (True, False, 2)


async def test_other_spaces_and_another_order_of_members_are_the_same_question(caching: Platform, secret: str):
    await caching.chat(secret, temperature=0.5, metadata={"tags": ["a"]})
    body = json.dumps({"temperature": 0.5, **QUESTION}, indent=2)
    headers = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
    assert is_hit(await caching.http.post("/v1/chat/completions", content=body, headers=headers))


@pytest.mark.parametrize(
    "members",
    [{"temperature": 0.5}, {"messages": [{"role": "user", "content": "Something else?"}]}, {"model": "free"}, {"user": "ann"},
     {"cache": {"namespace": "mine"}}, {"guardrails": ["cards"]}, {"seed": 7}],
)  # fmt: skip
async def test_whatever_can_change_the_answer_makes_it_another_question(
    caching: Platform, secret: str, members: dict[str, Any]
):
    await caching.chat(secret)
    assert not is_hit(await caching.chat(secret, **members))
    assert asked(caching) == 2


async def test_answers_are_shared_within_a_team_and_with_nobody_else(caching: Platform):
    ledger = caching.ledger
    for team in ("crew", "band"):
        await ledger.connection.execute(
            "insert into teams (id, name, created_by, updated_by) values ($1, $1, 'test', 'test')", team
        )
    ann, bob = await ledger.add_key(team_id="crew"), await ledger.add_key(team_id="crew")
    eve, lone = await ledger.add_key(team_id="band"), await ledger.add_key()
    await caching.catch_up()
    hits = [is_hit(await caching.chat(key)) for key in (ann, bob, eve, lone)]
    assert hits == [False, True, False, False]


async def test_a_caller_who_may_not_use_the_model_gets_no_kept_answer(caching: Platform, secret: str):
    await caching.chat(secret)
    await caching.ledger.change_key(secret, models=["nomic"])
    await caching.catch_up()
    assert (await caching.chat(secret)).status_code == 401


async def test_a_hit_counts_against_requests_and_not_against_tokens(caching: Platform):
    key = await caching.ledger.add_key(rpm_limit=3, tpm_limit=100_000)
    await caching.catch_up()
    replies = [await caching.chat(key) for _ in range(4)]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429]
    left = [int(reply.headers["x-ratelimit-api_key-remaining-tokens"]) for reply in replies[:3]]
    assert left[1] == left[2]


async def test_what_a_client_says_of_the_cache_holds(caching: Platform, secret: str):
    await caching.chat(secret, cache={"no-store": True})
    assert not is_hit(await caching.chat(secret))
    assert is_hit(await caching.chat(secret))
    assert not is_hit(await caching.chat(secret, cache={"no-cache": True}))
    assert not is_hit(await caching.chat(secret, cache={"s-maxage": 0}))
    assert is_hit(await caching.chat(secret, cache={"s-maxage": 600}))
    assert is_hit(await caching.chat(secret, cache={"ttl": 60}))


async def test_an_answer_with_no_time_to_live_is_not_kept(caching: Platform, secret: str):
    await caching.chat(secret, cache={"ttl": 0})
    assert not is_hit(await caching.chat(secret))


@pytest.mark.parametrize(
    "said", [{"ttl": "soon"}, {"ttl": -1}, {"no-cache": 1}, {"namespace": 7}, {"tll": 60}, [], "no"]
)
async def test_nonsense_about_the_cache_is_refused_by_name(caching: Platform, secret: str, said: Any):
    reply = await caching.chat(secret, cache=said)
    assert (reply.status_code, reply.json()["error"]["param"], asked(caching)) == (400, "cache", 0)


async def test_a_key_may_say_only_what_it_is_allowed_to(caching: Platform):
    key = await caching.ledger.add_key(extras='{"allowed_cache_controls": ["no-cache"]}')
    await caching.catch_up()
    assert (await caching.chat(key, cache={"no-cache": True})).status_code == 200
    refused = await caching.chat(key, cache={"ttl": 5})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "cache")


@pytest.mark.parametrize(
    "extra",
    [
        '"x": ' + "[" * 2000 + "]" * 2000,
        '"x": "\\ud800"',
        '"x": 1e400',
        '"pad": "' + "x" * 30_000 + '"',
    ],
)
async def test_a_body_that_cannot_be_read_whole_is_asked_each_time(caching: Platform, secret: str, extra: str):
    body = json.dumps(QUESTION)[:-1] + f", {extra}}}"
    headers = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
    for _ in range(2):
        reply = await caching.http.post("/v1/chat/completions", content=body, headers=headers)
        assert reply.status_code in (200, 400)
        assert not is_hit(reply)


async def test_a_failed_answer_a_cut_one_and_a_huge_one_are_not_kept(caching: Platform, secret: str):
    async with scripted(answer(b'{"error": "out of order"}', "500 Internal Server Error")) as engine:
        await caching.add_model("failing", engine.url)
        assert (await caching.chat(secret, model="failing")).status_code == 500
        engine.reply = answer(b'{"id":"x","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}')
        assert not is_hit(await caching.chat(secret, model="failing"))
    async with scripted(answer(b'{"id":"x","choices":[],"pad":"%b"}' % (b"x" * 30_000))) as engine:
        await caching.add_model("wordy", engine.url)
        assert (await caching.chat(secret, model="wordy")).status_code == 200
        assert not is_hit(await caching.chat(secret, model="wordy"))
    poor = await caching.ledger.add_key(max_budget_nano=100_000)
    await caching.catch_up()
    cut = await caching.chat(poor)
    assert cut.status_code == 200
    assert not is_hit(await caching.chat(poor))


async def test_a_stream_that_breaks_off_is_not_kept(caching: Platform, secret: str):
    event = b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"half"}}]}\n\n'
    broken = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (
        len(event),
        event,
    )
    async with scripted(broken, then="close") as engine:
        await caching.add_model("breaking", engine.url)
        for _ in range(2):
            reply = await caching.chat(secret, model="breaking", stream=True)
            assert b"error" in reply.content
            assert not is_hit(reply)


async def test_an_engine_that_is_replaced_takes_its_answers_along(caching: Platform, secret: str):
    async with scripted(answer(b'{"id":"x","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}')) as engine:
        deployment = await caching.add_model("moving", engine.url)
        await caching.chat(secret, model="moving")
        assert is_hit(await caching.chat(secret, model="moving"))
        await caching.ledger.connection.execute(
            "update deployments set engine_model = 'newer' where id = $1", deployment
        )
        await caching.ledger.announce("catalog", ["moving"])
        await caching.catch_up()
        assert not is_hit(await caching.chat(secret, model="moving"))


async def test_what_is_forgotten_is_not_given_and_what_is_kept_afterwards_is(caching: Platform, secret: str):
    await caching.chat(secret)
    name = (await caching.chat(secret)).headers[CACHE]
    other = [await caching.chat(secret, seed=1) for _ in range(2)]
    assert is_hit(other[1])
    await _forget(caching, {"number": 1, "all_before": 0, "before": {name: 1}})
    assert is_hit(await caching.chat(secret, seed=1))
    assert not is_hit(await caching.chat(secret))
    assert is_hit(await caching.chat(secret))
    await _forget(caching, {"number": 2, "all_before": 2, "before": {}})
    assert not is_hit(await caching.chat(secret, seed=1))


async def _forget(platform: Platform, value: dict[str, Any]) -> None:
    await platform.ledger.connection.execute(
        "insert into settings (name, value, updated_by, updated_at) values ($1, $2, 'test', now()) "
        "on conflict (name) do update set value = excluded.value", SETTING, json.dumps(value),
    )  # fmt: skip
    await platform.ledger.announce("catalog", [SETTING])
    await platform.catch_up()


async def test_embeddings_are_kept_too_and_responses_are_not(caching: Platform, secret: str):
    body = {"model": "nomic", "input": "a bill of lading"}
    replies = [await caching.post("/v1/embeddings", secret, body) for _ in range(2)]
    assert [is_hit(reply) for reply in replies] == [False, True]
    asking = {"model": "granite", "input": "How does a bill of lading work?"}
    assert not any([is_hit(await caching.post("/v1/responses", secret, asking)) for _ in range(2)])


async def test_the_metrics_and_readiness_tell_of_it(caching: Platform, secret: str):
    before = (await caching.http.get("/metrics")).text
    await caching.chat(secret)
    await caching.chat(secret)
    after = (await caching.http.get("/metrics")).text
    for name in ("litemaas_gateway_answer_cache_hits_total", "litemaas_gateway_answer_cache_misses_total"):
        assert _counter(after, name) == _counter(before, name) + 1
    assert (await caching.http.get("/health/readiness")).json()["cache"] == "local"


def _counter(page: str, name: str) -> float:
    return next(float(line.split()[1]) for line in page.splitlines() if line.startswith(f"{name} "))


async def test_without_a_cache_every_call_is_asked_and_the_member_is_taken_out(platform: Platform, key: str):
    replies = [await platform.chat(key, cache={"ttl": 60}) for _ in range(2)]
    assert [is_hit(reply) for reply in replies] == [False, False]
    assert asked(platform) == 2
    assert (await platform.http.get("/health/readiness")).json()["cache"] is None


async def test_workers_share_answers_through_valkey_sealed_and_go_on_without_it(
    module_database: str, module_platform: Platform, module_sim: SimulatedServers, tmp_path: Path
):
    module_sim.reset()
    valkey = EmbeddedValkey(tmp_path / "valkey")
    await valkey.start()
    settings = AnswerCacheSettings(type="valkey", shared_by="everybody", timeout_s=2.0)
    one, two = (
        msgspec.structs.replace(
            gateway_settings(module_database, tmp_path / name, valkey.url, worker_id=f"gateway-{name}"),
            answer_cache=settings,
        )
        for name in ("one", "two")
    )
    try:
        async with running(one, module_sim) as first, running(two, module_sim) as second:
            ann, bob = await first.ledger.add_key(), await first.ledger.add_key()
            await first.catch_up()
            await second.catch_up()
            given = await first.chat(ann)

            async def arrived() -> bool:
                reply = await second.chat(bob)
                return is_hit(reply) and reply.content == given.content

            await until(arrived)
            async with Redis.from_url(valkey.url) as client:
                [name] = await client.keys("litemaas:answer:*")
                sealed = await client.get(name)
                assert b"choices" not in sealed
                await client.set(
                    name, sealed[:-1] + bytes([sealed[-1] ^ 1])
                )  # whoever can write there cannot make answers
            assert not is_hit(await first.chat(ann, cache={"no-store": True}))
            await valkey.stop()
            assert (await first.chat(ann)).status_code == 200
            await valkey.start()
    finally:
        await valkey.stop()


@pytest.mark.parametrize("wrong", [{"type": "valkey"}, {"type": "local", "routes": "/responses"}])
def test_a_cache_that_cannot_work_stops_the_start(platform: Platform, tmp_path: Path, wrong: dict[str, Any]):
    settings = gateway_settings("postgresql://nowhere", tmp_path)
    settings = msgspec.structs.replace(settings, answer_cache=AnswerCacheSettings(**wrong))
    gateway = platform.gateway
    with pytest.raises(SettingsError, match="LITEMAAS_ANSWER_CACHE__"):
        answer_cache(settings, gateway.routing, ReplyHeaders("1", Origins("*")), Vault(settings.encryption_key))


async def test_the_memory_of_a_worker_is_bounded_and_forgets_what_was_not_used():
    store = LocalAnswers(250)
    for name in "abc":
        store.put(name, b"x" * 100, 60)
        await store.get("a")
    assert [await store.get(name) is not None for name in "abc"] == [True, False, True]
    store.put("huge", b"x" * 300, 60)
    assert [await store.get(name) for name in ("a", "c", "huge")] == [None, None, None]
    store.put("brief", b"x", -1)
    assert await store.get("brief") is None


async def test_what_a_worker_puts_into_valkey_is_bounded(redis_url: str):
    store = SharedAnswers(redis_url, Vault("a key of sixteen letters"), 2.0, 250)
    working = asyncio.create_task(store.work())
    try:
        for name, ttl_s in (("one", 60.0), ("two", 60.0), ("three", 60.0)):
            store.put(name, b"x" * 100, ttl_s)
        assert [await stepped(store.get(name)) is not None for name in ("one", "two", "three")] == [True, True, False]
    finally:
        working.cancel()
        await store.close()
