"""Is a discount or margin what a call is held at, what it costs, and what its client and its record are told?"""

from __future__ import annotations

import asyncio

from litemaas.core.price_terms import Terms

from .harness import Platform

TERMS = Terms(discount=200_000, margin=100_000, fixed_per_million=3_000_000_000)
"""A fifth off, a tenth on, and 3000 nano-USD for each request: 0.88 times the price, and that."""


async def test_a_call_costs_its_discounted_price_with_the_margin_and_tells_how(platform: Platform, key: str):
    await platform.add_model("dear", platform.sim.chat.url + "/v1", terms=TERMS)
    reply = await platform.chat(key, model="dear", max_tokens=7)
    usage = reply.json()["usage"]
    listed = usage["prompt_tokens"] * 1_000 + usage["completion_tokens"] * 2_000
    paid = round(listed * 0.88) + 3_000
    record = await platform.record(key)
    assert record["cost_nano"] == paid
    assert await platform.ledger.settled(key) == paid
    told = {name.removeprefix("x-litellm-response-cost"): value for name, value in reply.headers.items()
            if name.startswith("x-litellm-response-cost")}  # fmt: skip
    assert round(float(told[""]) * 1e9) == paid
    assert round(float(told["-original"]) * 1e9) == listed
    assert round(float(told["-discount-amount"]) * 1e9) == listed // 5
    assert round(float(told["-margin-amount"]) * 1e9) == paid - (listed - listed // 5)
    assert told["-margin-percent"] == "0.1"
    assert f'"price_terms": {{"fixed": 3000000000, "input": {usage["prompt_tokens"] * 1_000}' in record["metadata"]


async def test_a_stream_costs_the_same_and_a_plain_model_what_it_did(platform: Platform, key: str):
    await platform.add_model("margined", platform.sim.chat.url + "/v1", terms=Terms(0, 1_000_000, 0))
    headers = {"Authorization": f"Bearer {key}"}
    body = {"model": "margined", "messages": [{"role": "user", "content": "a"}], "max_tokens": 5, "stream": True}
    reply = await platform.http.post("/v1/chat/completions", json=body, headers=headers)
    assert reply.headers["x-litellm-response-cost-margin-percent"] == "1"
    plain = await platform.chat(key, max_tokens=5)
    assert plain.headers["x-litellm-response-cost-original"] == plain.headers["x-litellm-response-cost"]
    assert plain.headers["x-litellm-response-cost-margin-amount"] == "0"
    streamed, other = await platform.records(key, 2)
    assert streamed["cost_nano"] == 2 * (streamed["prompt_tokens"] * 1_000 + streamed["completion_tokens"] * 2_000)
    assert other["metadata"] == "{}"


async def test_a_budget_holds_calls_at_what_they_will_be_charged(platform: Platform):
    """A fixed margin alone makes two calls too dear for a budget that would hold many at the price in the catalogue."""
    await platform.add_model("fixed", platform.sim.chat.url + "/v1", terms=Terms(0, 0, 1_000_000 * 1_000_000))
    poor = await platform.ledger.add_key(max_budget_nano=1_900_000)
    replies = await asyncio.gather(*(platform.chat(poor, model="fixed", max_tokens=2) for _ in range(6)))
    assert sorted(reply.status_code for reply in replies) == [200, 400, 400, 400, 400, 400]
    await platform.records(poor, 6)
    assert 1_000_000 < await platform.ledger.settled(poor) <= 1_900_000
    await platform.no_room_is_held(poor)


async def test_a_client_cannot_make_up_terms(platform: Platform, key: str):
    spoofed = {"metadata": {"spend_logs_metadata": {"price_terms": {"total": 1}, "mine": 1}}}
    assert (await platform.chat(key, **spoofed, max_tokens=1)).status_code == 200
    assert (await platform.record(key))["metadata"] == '{"mine": 1}'
