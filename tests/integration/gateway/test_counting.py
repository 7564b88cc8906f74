"""What is held and billed where an engine neither counts prompts nor reports usage, or only one of the two?"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from .harness import PRICE_IN, PRICE_OUT, QUESTION, Platform, answer, gateway_settings, running, scripted, stream_answer

ANSWERED = b'{"id":"c-1","model":"granite-3.3-8b","choices":[{"index":0,"message":{"content":"Good morning"}}]%b}'
USAGE = b',"usage":{"prompt_tokens":11,"completion_tokens":4}'
COST = 11 * PRICE_IN + 4 * PRICE_OUT
WITH_USAGE, WITHOUT_USAGE = answer(ANSWERED % USAGE), answer(ANSWERED % b"")
CHUNK = b'data: {"id":"c-1","choices":[{"index":0,"delta":{"content":"word "}}]}\n\n'
WITHOUT_USAGE_STREAMED = stream_answer(CHUNK, CHUNK, CHUNK, b"data: [DONE]\n\n")


def chats(engine: Any) -> list[dict[str, Any]]:
    """What the engine was asked to answer, without what it was asked to count."""
    return [json.loads(body) for head, body in engine.received if b"/tokenize" not in head.split(b"\r\n")[0]]


async def test_one_call_of_forty_fits_into_a_budget_for_one_though_nobody_can_count_its_prompt(platform: Platform):
    key = await platform.ledger.add_key(max_budget_nano=70_000)
    async with scripted(WITH_USAGE) as engine:
        await platform.add_model("uncounted", engine.url)
        replies = await asyncio.gather(*(platform.chat(key, model="uncounted", max_tokens=4) for _ in range(40)))
        assert 1 <= len(chats(engine)) <= 70_000 // COST
    codes = [reply.status_code for reply in replies]
    assert codes.count(200) == len(chats(engine))
    assert codes.count(200) + codes.count(400) == 40
    await platform.records(key, 40)
    assert await platform.ledger.settled(key) <= 70_000
    await platform.no_room_is_held(key)


async def test_a_prompt_that_fits_by_estimate_only_runs_alone_and_with_a_lowered_bound(platform: Platform):
    prompt = "word " * 200  # 1,000 bytes: 1,000 tokens at most, about 300 in truth
    key = await platform.ledger.add_key(max_budget_nano=600_000)
    async with scripted(WITH_USAGE) as engine:
        await platform.add_model("estimated", engine.url)
        body = {"model": "estimated", "messages": [{"role": "user", "content": prompt}], "max_tokens": 1000}
        replies = await asyncio.gather(*(platform.post("/v1/chat/completions", key, body) for _ in range(5)))
        sent = chats(engine)
    assert [reply.status_code for reply in replies].count(200) == len(sent) >= 1
    assert all(1 <= body["max_tokens"] < 200 for body in sent)
    await platform.no_room_is_held(key)


async def test_an_installation_that_allows_no_estimates_refuses_what_cannot_be_counted(
    module_database: str, module_sim: Any, platform: Platform, tmp_path: Any
):
    from litemaas.gateway.settings import BudgetSettings

    budgets = BudgetSettings(estimate_without_tokenizer=False)
    settings = gateway_settings(module_database, tmp_path, budgets=budgets, worker_id="gateway-strict")
    async with running(settings, module_sim) as strict, scripted(WITH_USAGE) as engine:
        await strict.add_model("strict", engine.url)
        prompt = {"model": "strict", "messages": [{"role": "user", "content": "word " * 200}], "max_tokens": 4}
        poor = await strict.ledger.add_key(max_budget_nano=600_000)
        assert (await strict.post("/v1/chat/completions", poor, prompt)).status_code == 400
        rich = await strict.ledger.add_key(max_budget_nano=6_000_000)
        assert (await strict.post("/v1/chat/completions", rich, prompt)).status_code == 200


@pytest.mark.parametrize("tpm", [30, 60, 400])
async def test_a_token_limit_holds_where_nobody_can_count_prompts(platform: Platform, tpm: int):
    key = await platform.ledger.add_key(tpm_limit=tpm)
    async with scripted(WITH_USAGE) as engine:
        await platform.add_model(f"uncounted-tpm-{tpm}", engine.url)
        replies = await asyncio.gather(*(platform.chat(key, model=f"uncounted-tpm-{tpm}") for _ in range(40)))
        served = len(chats(engine))
    codes = [reply.status_code for reply in replies]
    assert codes.count(200) == served
    assert codes.count(200) + codes.count(429) == 40
    assert 1 <= served <= tpm // 15
    refused = next(reply for reply in replies if reply.status_code == 429)
    assert refused.headers["rate_limit_type"] == "tokens"


async def test_a_partly_used_token_limit_shortens_answers_only_as_far_as_they_are_of_use(platform: Platform):
    key = await platform.ledger.add_key(tpm_limit=900)
    platform.sim.chat.behave(answer_tokens=300)
    first = await platform.chat(key)
    assert first.status_code == 200
    used = first.json()["usage"]["total_tokens"]
    sent = platform.sim.chat.received[-1].json()
    assert 300 <= sent["max_tokens"] <= 900 - first.json()["usage"]["prompt_tokens"]
    second = await platform.chat(key)
    assert second.status_code == 200
    assert platform.sim.chat.received[-1].json()["max_tokens"] <= 900 - used
    third = await platform.chat(key)  # what is left now is too little for an answer of unnamed length
    assert (third.status_code, third.headers["rate_limit_type"]) == (429, "tokens")
    assert (await platform.chat(key, max_tokens=20)).status_code == 200


async def test_a_call_that_a_token_limit_refuses_gives_its_money_back(platform: Platform):
    key = await platform.ledger.add_key(tpm_limit=5, max_budget_nano=10**10)
    assert (await platform.chat(key, max_tokens=10)).status_code == 429
    await platform.ledger.change_key(key, tpm_limit=300)
    await platform.catch_up()
    answers = [await platform.chat(key, max_tokens=10) for _ in range(20)]
    codes = [reply.status_code for reply in answers]
    assert codes[0] == 200
    assert codes[-1] == 429
    rows = await platform.records(key, 21)
    await platform.no_room_is_held(key)
    assert await platform.ledger.settled(key) == sum(row["cost_nano"] for row in rows)


async def test_a_call_that_a_request_limit_refuses_gives_its_money_back(platform: Platform):
    key = await platform.ledger.add_key(rpm_limit=1, max_budget_nano=10**10)
    assert [(await platform.chat(key, max_tokens=10)).status_code for _ in range(3)] == [200, 429, 429]
    await platform.records(key, 3)
    await platform.no_room_is_held(key)


@pytest.mark.parametrize(
    ("reply", "stream"),
    [
        (WITHOUT_USAGE, False),
        (WITHOUT_USAGE_STREAMED, True),
        (answer(ANSWERED % b',"usage":{"prompt_tokens":"11"}'), False),
    ],
)
async def test_usage_that_nobody_counts_is_estimated_and_marked(
    platform: Platform, key: str, reply: bytes, stream: bool
):
    async with scripted(reply) as engine:
        name = f"silent-{len(reply)}"
        await platform.add_model(name, engine.url)
        assert (await platform.chat(key, model=name, stream=stream)).status_code == 200
    row = await platform.record(key)
    assert row["usage_source"] == "estimate"
    assert row["prompt_tokens"] > 0
    assert row["completion_tokens"] == 3
    assert row["cost_nano"] == row["prompt_tokens"] * PRICE_IN + 3 * PRICE_OUT


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
async def test_usage_that_only_the_tokenizer_knows_is_exact(platform: Platform, key: str, stream: bool, path: str):
    name = f"countable-{stream}-{path}"
    await platform.add_model(name, platform.sim.chat.url + "/v1", stream_usage=False)
    platform.sim.chat.behave(omit_usage=True)
    prompt = {"messages": QUESTION["messages"]} if "chat" in path else {"prompt": "Once upon a time"}
    reply = await platform.post(path, key, {"model": name, "stream": stream, "max_tokens": 12, **prompt})
    assert reply.status_code == 200, reply.text
    row = await platform.record(key)
    served = platform.sim.counters.of("chat")
    assert (row["prompt_tokens"], row["completion_tokens"], row["usage_source"]) == (
        served.prompt_tokens, served.completion_tokens, "tokenizer",
    )  # fmt: skip


async def test_an_embedding_without_usage_is_estimated_and_the_tokenizer_is_not_asked_in_vain(
    platform: Platform, key: str
):
    platform.sim.embeddings.behave(omit_usage=True)
    reply = await platform.post("/v1/embeddings", key, {"model": "nomic", "input": "How does a bill of lading work?"})
    assert reply.status_code == 200
    row = await platform.record(key)
    assert row["usage_source"] == "estimate"
    assert row["prompt_tokens"] > 0
    assert [request.path for request in platform.sim.embeddings.received] == ["/v3/embeddings"]


async def test_media_are_held_at_their_allowance_and_tools_count_as_prompt(platform: Platform):
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 400}}
    tools = [{"type": "function", "function": {"name": "weigh", "description": "Weighs a crate", "parameters": {}}}]
    content = [{"type": "text", "text": "What is this?"}, picture]
    body = {"model": "granite", "messages": [{"role": "user", "content": content}], "tools": tools, "max_tokens": 5}
    poor = await platform.ledger.add_key(max_budget_nano=2_000_000)  # an image may take 4,096 tokens of prompt
    assert (await platform.post("/v1/chat/completions", poor, body)).status_code == 400
    rich = await platform.ledger.add_key(max_budget_nano=20_000_000)
    assert (await platform.post("/v1/chat/completions", rich, body)).status_code == 200
    async with scripted(WITH_USAGE) as engine:
        await platform.add_model("blind", engine.url)
        assert (await platform.post("/v1/chat/completions", poor, {**body, "model": "blind"})).status_code == 400
        assert (await platform.post("/v1/chat/completions", rich, {**body, "model": "blind"})).status_code == 200


async def test_a_prompt_that_the_tokenizer_refuses_does_not_end_the_counting_of_others(platform: Platform, key: str):
    await platform.add_model("shared", platform.sim.chat.url + "/v1", stream_usage=False)
    spoiler = await platform.ledger.add_key(max_budget_nano=50_000)
    await platform.post("/v1/chat/completions", spoiler, {"model": "shared", "messages": "not a list of messages"})
    platform.sim.chat.behave(omit_usage=True)
    assert (await platform.chat(key, model="shared")).status_code == 200
    assert (await platform.record(key))["usage_source"] == "tokenizer"
