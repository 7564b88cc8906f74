"""Do budgets and limits hold for every kind of call, and what does a refused caller read?"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from litemaas.core.keys import hash_key
from litemaas.sim.settings import ChatModel, SimSettings
from litemaas.sim.testing import SimulatedServers

from .harness import PRICE_IN, PRICE_OUT, QUESTION, Platform, answer, gateway_settings, running, scripted, until

UNLIMITED = 2147483647
VECTORS = {"model": "nomic", "input": "How does a bill of lading work?"}


async def test_the_lowered_bound_goes_upstream_and_the_clients_own_when_it_fits(platform: Platform):
    key = await platform.ledger.add_key(max_budget_nano=100_000)
    platform.sim.chat.behave(answer_tokens=500)
    reply = await platform.chat(key, max_tokens=5)
    assert platform.sim.chat.received[-1].json()["max_tokens"] == 5
    reply = await platform.chat(key, max_tokens=5000)
    sent = platform.sim.chat.received[-1].json()
    assert 1 <= sent["max_tokens"] < 50
    assert reply.json()["choices"][0]["finish_reason"] == "length"
    await platform.records(key, 2)
    assert await platform.ledger.settled(key) <= 100_000


async def test_a_bound_named_as_max_completion_tokens_is_lowered_under_that_name(platform: Platform):
    key = await platform.ledger.add_key(max_budget_nano=60_000)
    platform.sim.chat.behave(answer_tokens=500)
    reply = await platform.chat(key, max_completion_tokens=5000)
    assert reply.status_code == 200, reply.text
    sent = platform.sim.chat.received[-1].json()
    assert 1 <= sent["max_completion_tokens"] < 30
    assert "max_tokens" not in sent
    await platform.record(key)
    assert await platform.ledger.settled(key) <= 60_000


async def test_a_key_without_limits_sends_no_bound_of_ours(platform: Platform, key: str):
    await platform.chat(key)
    assert set(platform.sim.chat.received[-1].json()) == set(QUESTION)


async def test_embeddings_are_held_and_paid(platform: Platform):
    key = await platform.ledger.add_key(max_budget_nano=20_000)
    served = 0
    while (reply := await platform.post("/v1/embeddings", key, VECTORS)).status_code == 200:
        served += 1
    assert (reply.status_code, reply.json()["error"]["type"]) == (400, "budget_exceeded")
    rows = await platform.records(key, served + 1)
    assert served >= 1
    assert await platform.ledger.settled(key) == served * rows[0]["cost_nano"] <= 20_000


async def test_a_refused_caller_reads_cost_and_limit_and_nothing_is_held(platform: Platform):
    key = await platform.ledger.add_key(max_budget_nano=0)
    reply = await platform.chat(key)
    error = reply.json()["error"]
    assert (reply.status_code, error["type"], error["param"], error["code"]) == (400, "budget_exceeded", None, "400")
    assert "Max budget: 0" in error["message"]
    assert not [name for name in reply.headers if name.startswith("x-ratelimit")]
    assert platform.sim.counters.of("chat").requests == 0
    row = await platform.record(key)
    assert (row["status"], row["error_code"], row["cost_nano"]) == ("refused", "budget_exhausted", 0)
    assert row["deployment_id"] is None
    await platform.no_room_is_held(key)
    for path, body in (
        ("/v1/tokenize", {"model": "granite", "prompt": "x"}),
        ("/v1/chat/completions", {**QUESTION, "model": "free"}),
    ):
        assert (await platform.post(path, key, body)).status_code == 200
    headers = {"Authorization": f"Bearer {key}"}
    assert (await platform.http.get("/v1/models", headers=headers)).status_code == 200


async def test_the_number_that_stands_for_unlimited_limits_nothing(platform: Platform):
    key = await platform.ledger.add_key(
        max_budget_nano=UNLIMITED * 10**9, rpm_limit=UNLIMITED, tpm_limit=UNLIMITED, max_parallel_requests=UNLIMITED
    )
    reply = await platform.chat(key)
    assert reply.status_code == 200
    assert not [name for name in reply.headers if name.startswith("x-ratelimit")]
    assert "max_tokens" not in platform.sim.chat.received[-1].json()


async def test_a_budget_per_model_bounds_that_model_only(platform: Platform):
    limits = json.dumps({"granite": {"max_budget_nano": 1_000, "budget_duration": "1d"}})
    key = await platform.ledger.add_key(model_limits=limits, max_budget_nano=10**10)
    assert (await platform.chat(key)).status_code == 400
    assert (await platform.chat(key, model="final")).status_code == 200
    await platform.records(key, 2)
    await platform.no_room_is_held(key)


async def test_a_limit_per_model_counts_that_model_only(platform: Platform):
    key = await platform.ledger.add_key(model_limits=json.dumps({"granite": {"rpm": 1}}))
    assert [(await platform.chat(key)).status_code for _ in range(2)] == [200, 429]
    assert (await platform.chat(key, model="final")).status_code == 200


async def test_spend_of_an_ended_window_bars_nobody(platform: Platform):
    set_at = datetime.now(UTC) - timedelta(days=1)
    key = await platform.ledger.add_key(max_budget_nano=60_000, budget_duration="1s", budget_set_at=set_at)
    platform.sim.chat.behave(answer_tokens=20)

    async def works() -> bool:
        return (await platform.chat(key)).status_code == 200

    while await works():
        pass  # as often as fits into one second's budget
    await until(works)
    await platform.gateway.accountant.empty()
    windows = await platform.ledger.connection.fetch(
        "select settled_nano from budget_windows where scope = $1", f"key:{hash_key(key)}"
    )
    assert len(windows) >= 2
    assert all(window["settled_nano"] <= 60_000 for window in windows)


async def test_a_lowered_budget_binds_at_once_and_a_raised_one_frees_at_once(platform: Platform):
    key = await platform.ledger.add_key(max_budget_nano=10**10)
    assert (await platform.chat(key)).status_code == 200
    await platform.ledger.change_key(key, max_budget_nano=10)
    await platform.catch_up()
    assert (await platform.chat(key)).status_code == 400
    await platform.ledger.change_key(key, max_budget_nano=10**10)
    await platform.catch_up()
    assert (await platform.chat(key)).status_code == 200
    await platform.ledger.change_key(key, max_budget_nano=None)
    await platform.catch_up()
    assert (await platform.chat(key)).status_code == 200
    rows = await platform.records(key, 4)
    assert await platform.ledger.settled(key) == sum(row["cost_nano"] for row in rows)


async def test_a_rate_limited_caller_reads_when_to_come_back(platform: Platform):
    key = await platform.ledger.add_key(rpm_limit=2)
    first = await platform.chat(key)
    assert first.headers["x-ratelimit-api_key-limit-requests"] == "2"
    assert first.headers["x-ratelimit-api_key-remaining-requests"] == "1"
    await platform.chat(key)
    reply = await platform.chat(key)
    error = reply.json()["error"]
    assert (reply.status_code, error["type"], error["param"], error["code"]) == (429, "None", "None", "429")
    assert 1 <= int(reply.headers["retry-after"]) <= 60
    assert reply.headers["rate_limit_type"] == "requests"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", reply.headers["reset_at"])
    assert "Limit type: requests. Current limit: 2, Remaining: 0" in error["message"]
    assert reply.headers["x-litellm-call-id"]


async def test_parallel_places_come_back_from_failures_and_from_clients_that_left(platform: Platform):
    key = await platform.ledger.add_key(max_parallel_requests=1)
    platform.sim.chat.behave(faults=[{"kind": "status", "status": 500, "count": 2}])
    assert [(await platform.chat(key)).status_code for _ in range(3)] == [500, 500, 200]
    platform.sim.chat.behave(first_token_s=5)
    task = asyncio.create_task(platform.chat(key, stream=True))
    await platform.sim.until(lambda: platform.sim.counters.servers["chat"].running == 1)
    busy = await platform.chat(key)
    assert (busy.status_code, busy.headers["rate_limit_type"]) == (429, "max_parallel_requests")
    task.cancel()
    await platform.sim.until(lambda: platform.sim.counters.servers["chat"].running == 0)
    platform.sim.chat.reset_behaviour()
    assert (await platform.chat(key)).status_code == 200
    rows = await platform.records(key, 6)
    assert sorted(row["status"] for row in rows) == ["cancelled", "failure", "failure", "refused", "success", "success"]


async def test_tokens_of_a_minute_are_corrected_by_what_was_used(platform: Platform):
    key = await platform.ledger.add_key(tpm_limit=5_000)
    platform.sim.chat.behave(answer_tokens=10)
    codes = [(await platform.chat(key)).status_code for _ in range(12)]
    assert codes == [200] * 12  # each reserves up to all that is left, and uses about 20


async def test_a_free_model_whose_deployments_are_not_all_free_is_held_at_the_dearer_price(platform: Platform):
    async with scripted(answer(b'{"id":"x","usage":{"prompt_tokens":10,"completion_tokens":10}}')) as engine:
        await platform.add_model("mixed", engine.url, price=(0, 0))
        await platform.add_model("mixed", engine.url)
        key = await platform.ledger.add_key(max_budget_nano=10)
        assert (await platform.chat(key, model="mixed", max_tokens=10)).status_code == 400


async def test_a_priced_model_whose_call_can_cost_nothing_is_not_refused(platform: Platform):
    await platform.add_model(
        "output-only",
        platform.sim.embeddings.url + "/v3",
        "nomic-embed-text-v1.5",
        mode="embedding",
        price=(0, 0.000001),
    )
    key = await platform.ledger.add_key(max_budget_nano=10**9)
    reply = await platform.post("/v1/embeddings", key, {**VECTORS, "model": "output-only"})
    assert reply.status_code == 200, reply.text


# -- what the model can do --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def small_engine() -> AsyncIterator[SimulatedServers]:
    """A model of 512 tokens context; engines refuse a bound that does not fit into it."""
    settings = SimSettings(chat_models=(ChatModel("granite-3.3-8b", 512),), drain_s=0.2)
    async with SimulatedServers(settings) as servers:
        yield servers


@pytest.mark.parametrize("limit", [{"max_budget_nano": 10**10}, {"tpm_limit": 100_000}])
@pytest.mark.parametrize(
    "columns",
    [
        {"max_context_tokens": 512},
        {},
        {"max_output_tokens": 128},
    ],
)
async def test_a_call_without_a_bound_to_a_model_with_a_small_context_is_answered(
    platform: Platform, small_engine: SimulatedServers, limit: dict[str, Any], columns: dict[str, Any], request: Any
):
    name = f"small-{request.node.callspec.id}"
    await platform.add_model(name, small_engine.chat.url + "/v1", **columns)
    key = await platform.ledger.add_key(**limit)
    reply = await platform.chat(key, model=name)
    assert reply.status_code == 200, reply.text


async def test_a_plain_completion_without_a_bound_is_as_short_with_a_budget_as_without(platform: Platform, key: str):
    body = {"model": "granite", "prompt": "Once upon a time"}
    limited = await platform.ledger.add_key(max_budget_nano=10**10)
    lengths = [
        (await platform.post("/v1/completions", k, body)).json()["usage"]["completion_tokens"] for k in (key, limited)
    ]
    assert lengths[0] == lengths[1] == 16


# -- the other profile ------------------------------------------------------------------------------------------------


async def test_the_current_profile_has_the_newer_codes(
    module_database: str, module_sim: SimulatedServers, platform: Platform, tmp_path: Any
):
    settings = gateway_settings(module_database, tmp_path, error_profile="current", worker_id="gateway-current")
    past = datetime.now(UTC) - timedelta(minutes=1)
    async with running(settings, module_sim) as current:
        add = current.ledger.add_key
        cases = [
            (await current.chat(await add(max_budget_nano=0)), 429, "budget_exceeded", None),
            (await current.chat(await add(models=["free"])), 403, "key_model_access_denied", "model"),
            (await current.chat(await add(rpm_limit=0)), 429, "throttling_error", None),
            (await current.chat(await add(blocked=True)), 401, "auth_error", None),
            (await current.chat("sk-unknown-unknown"), 401, "token_not_found_in_db", "key"),
        ]
        for reply, status, kind, param in cases:
            error = reply.json()["error"]
            assert (reply.status_code, error["type"], error["param"], error["code"]) == (
                status,
                kind,
                param,
                str(status),
            )
        secret = await add(expires_at=past)
        expired = await current.chat(secret)
        assert (expired.status_code, expired.json()["error"]["param"]) == (401, f"sk-...{secret[-4:]}")


async def test_the_current_profile_names_parallel_limits_its_own_way(
    module_database: str, module_sim: SimulatedServers, platform: Platform, tmp_path: Any
):
    settings = gateway_settings(module_database, tmp_path, error_profile="current", worker_id="gateway-current")
    async with running(settings, module_sim) as current:
        reply = await current.chat(await current.ledger.add_key(max_parallel_requests=0))
    assert reply.headers["rate_limit_type"] == "concurrent_requests"


async def test_two_workers_share_one_budget(
    module_database: str, module_sim: SimulatedServers, platform: Platform, tmp_path: Any
):
    limit = 500_000
    key = await platform.ledger.add_key(max_budget_nano=limit)
    platform.sim.chat.behave(answer_tokens=20)
    async with running(gateway_settings(module_database, tmp_path, worker_id="gateway-2"), module_sim) as second:
        replies = await asyncio.gather(*(p.chat(key, max_tokens=20) for p in (platform, second) for _ in range(20)))
        await second.gateway.accountant.empty()
    await platform.gateway.accountant.empty()
    served = platform.sim.counters.of("chat")
    cost = served.prompt_tokens * PRICE_IN + served.completion_tokens * PRICE_OUT
    assert await platform.ledger.settled(key) == cost <= limit
    assert {reply.status_code for reply in replies} == {200, 400}
    assert cost > limit / 2
