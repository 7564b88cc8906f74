"""Is a budget for one call never enough for two, whatever kind of call it is and however it is limited?"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import pytest

from litemaas.core.keys import hash_key
from litemaas.core.pricing import Price, ceiling_of
from litemaas.sim.behaviour import Fault

from .harness import PRICE_IN, PRICE_OUT, QUESTION, Platform

CLIENTS = 40
OUTPUT = 9
PRICE_OF_VECTORS = Price(input_per_million=50_000_000)
FRAMING = 20
FOR_ONE = 30_000
"""Covers the question's prompt and ``OUTPUT`` tokens, and not two of them (nano-USD)."""


async def all_at_once(platform: Platform, path: str, key: str, body: dict[str, Any]) -> list[httpx2.Response]:
    return await asyncio.gather(*(platform.post(path, key, body) for _ in range(CLIENTS)))


def is_one(replies: list[httpx2.Response]) -> bool:
    """Whether exactly one was admitted, and the others read that a budget is exceeded."""
    refused = [reply for reply in replies if reply.status_code != 200]
    kinds = {(reply.status_code, reply.json()["error"]["type"]) for reply in refused}
    return len(refused) == CLIENTS - 1 and kinds == {(400, "budget_exceeded")}


async def is_settled_within(platform: Platform, key: str, limit_nano: int, scope: str = "") -> bool:
    """Whether every call has its record, something is paid, nothing is held, and the limit holds."""
    rows = await platform.records(key, CLIENTS)
    await platform.no_room_is_held(key)
    settled = await platform.ledger.connection.fetchval(
        "select sum(settled_nano)::bigint from budget_windows where scope = $1", f"key:{hash_key(key)}{scope}"
    )
    return 0 < settled <= limit_nano and settled == sum(row["cost_nano"] for row in rows)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("first_token_s", [0.001, 0.3])
@pytest.mark.parametrize("tokenizer", [200, 404, 500])
async def test_forty_calls_at_once_on_a_budget_for_one_are_one_call(
    platform: Platform, stream: bool, first_token_s: float, tokenizer: int
):
    await platform.add_model(name := f"one-{stream}-{first_token_s}-{tokenizer}", platform.sim.chat.url + "/v1")
    key = await platform.ledger.add_key(max_budget_nano=FOR_ONE)
    faults = () if tokenizer == 200 else (Fault("status", status=tokenizer, path="/tokenize"),)
    platform.sim.chat.behave(first_token_s=first_token_s, faults=faults)

    body = {**QUESTION, "model": name, "stream": stream, "max_tokens": OUTPUT}
    replies = await all_at_once(platform, "/v1/chat/completions", key, body)

    assert is_one(replies)
    assert platform.sim.counters.of("chat").requests >= 1
    assert await is_settled_within(platform, key, FOR_ONE)


@pytest.mark.parametrize("has_tokenizer", [True, False])
async def test_forty_calls_without_a_bound_on_a_budget_for_one_are_one_shortened_call(
    platform: Platform, has_tokenizer: bool
):
    await platform.add_model(name := f"unbound-{has_tokenizer}", platform.sim.chat.url + "/v1")
    key = await platform.ledger.add_key(max_budget_nano=FOR_ONE)
    faults = () if has_tokenizer else (Fault("status", status=404, path="/tokenize"),)
    platform.sim.chat.behave(answer_tokens=500, first_token_s=0.1, faults=faults)

    replies = await all_at_once(platform, "/v1/chat/completions", key, {**QUESTION, "model": name})

    assert is_one(replies)
    [admitted] = [reply.json() for reply in replies if reply.status_code == 200]
    [sent] = [request.json() for request in platform.sim.chat.received if request.path == "/v1/chat/completions"]
    assert sent["max_tokens"] == admitted["usage"]["completion_tokens"]
    assert admitted["usage"]["prompt_tokens"] * PRICE_IN + sent["max_tokens"] * PRICE_OUT <= FOR_ONE
    assert admitted["choices"][0]["finish_reason"] == "length"
    assert await is_settled_within(platform, key, FOR_ONE)


async def test_forty_embeddings_at_once_on_a_budget_for_one_are_one(platform: Platform):
    text = "How does a bill of lading work? " * 20
    body = {"model": "nomic", "input": text}
    for_one = ceiling_of(
        PRICE_OF_VECTORS, len(text) + FRAMING, 0
    )  # the engine has no tokenizer: bytes bound the prompt
    limited = await platform.ledger.add_key(max_budget_nano=for_one)
    platform.sim.embeddings.behave(json_s=0.1)

    replies = await all_at_once(platform, "/v1/embeddings", limited, body)

    assert is_one(replies)
    assert await is_settled_within(platform, limited, for_one)


async def test_forty_calls_at_once_on_a_models_budget_for_one_are_one_though_the_key_has_plenty(platform: Platform):
    limits = {"granite": {"max_budget_nano": FOR_ONE, "budget_duration": "30d"}}
    key = await platform.ledger.add_key(max_budget_nano=10**12, model_limits=json.dumps(limits))
    platform.sim.chat.behave(json_s=0.1)

    replies = await all_at_once(platform, "/v1/chat/completions", key, {**QUESTION, "max_tokens": OUTPUT})

    assert is_one(replies)
    assert await is_settled_within(platform, key, FOR_ONE, "/model:granite")
    assert await platform.ledger.settled(key) <= FOR_ONE
    assert (await platform.chat(key, model="final", max_tokens=OUTPUT)).status_code == 200


async def test_an_engines_failure_leaves_the_budget_for_the_next_call(platform: Platform):
    key = await platform.ledger.add_key(max_budget_nano=FOR_ONE)
    platform.sim.chat.behave(faults=(Fault("status", status=503, count=3, path="/v1/chat/completions"),))

    codes = [(await platform.chat(key, max_tokens=OUTPUT)).status_code for _ in range(4)]

    assert codes == [503, 503, 503, 200]


async def test_a_client_that_leaves_a_waiting_call_leaves_its_room_behind(platform: Platform):
    key = await platform.ledger.add_key(max_budget_nano=FOR_ONE)
    platform.sim.chat.behave(first_token_s=30)
    call = asyncio.create_task(platform.chat(key, max_tokens=OUTPUT, stream=True))
    await platform.sim.until(lambda: platform.sim.counters.servers["chat"].running == 1)
    assert (await platform.chat(key, max_tokens=OUTPUT)).status_code == 400
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    await platform.sim.until(lambda: platform.sim.counters.servers["chat"].running == 0)
    platform.sim.chat.reset_behaviour()

    assert (await platform.chat(key, max_tokens=OUTPUT)).status_code == 200

    rows = await platform.records(key, 3)
    assert sorted(row["status"] for row in rows) == ["cancelled", "refused", "success"]
    await platform.no_room_is_held(key)


@pytest.mark.parametrize(
    "prompt",
    [
        b'"messages":[{"role":"user","content":"\xff\xfe %b"}]' % (b"x" * 400),
        b'"messages":[{"role":"user","content":"\\ud800 %b"}]' % (b"x" * 400),
        b'"messages":[{"role":"user","content":"x"}],"tools":%b1%b' % (b"[" * 990, b"]" * 990),
        b'"messages":[{"role":"user","content":"x"}],"tools":%b1%b' % (b"[" * 5_000, b"]" * 5_000),
        b'"messages":[{"role":"user","content":["x",7,null,{"type":"text","text":["%b"]}]}]' % (b"x" * 400),
        b'"messages":"%b"' % (b"x" * 400),
    ],
    ids=["no UTF-8", "half a surrogate", "deep", "very deep", "odd parts", "no list"],
)
async def test_a_prompt_that_cannot_be_counted_is_refused_or_bounded_and_no_defect(platform: Platform, prompt: bytes):
    defects = platform.gateway.metrics.defects
    await platform.add_model(name := f"uncounted-{hash(prompt)}", platform.sim.chat.url + "/v1")
    key = await platform.ledger.add_key(max_budget_nano=FOR_ONE)
    platform.sim.chat.behave(faults=(Fault("status", status=404, path="/tokenize"),))

    body = b'{"model":"%b","max_tokens":%d,%b}' % (name.encode(), OUTPUT, prompt)
    headers = {"Authorization": f"Bearer {key}", "content-type": "application/json"}
    reply = await platform.http.post("/v1/chat/completions", content=body, headers=headers)

    assert reply.status_code in (200, 400), reply.text
    assert platform.gateway.metrics.defects == defects
    await platform.record(key)
    await platform.no_room_is_held(key)
    assert await platform.ledger.settled(key) <= FOR_ONE
