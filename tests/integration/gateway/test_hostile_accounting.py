"""Can a client or an engine make a call that is not billed, billed twice, or stops the records of others?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from .harness import PRICE_IN, PRICE_OUT, QUESTION, Platform, answer, scripted, stream_answer

ODD_TEXTS = (
    "tab\tnewline\nreturn\r", "back\\slash", "\\N", "\\.", "\\u0000", "\\\\u0000", "nul\x00nul", "\x00", "emoji 😀 é",
    "'; drop--", '"quoted"', "\u2028\u2029\x7f\x1f", "{\"a\":1}", "",
)  # fmt: skip


async def paid(platform: Platform, key: str, calls: int = 1) -> None:
    """Fails unless that many calls of the key are in the ledger and paid, and nothing waits in the journal."""
    rows = await platform.records(key, calls)
    assert [row["status"] for row in rows] == ["success"] * calls
    assert await platform.ledger.settled(key) == sum(row["cost_nano"] for row in rows) > 0
    assert platform.gateway.journal.waiting_bytes == 0
    assert platform.gateway.metrics.lost_records == 0


@pytest.mark.parametrize("odd", ODD_TEXTS, ids=repr)
async def test_odd_text_in_notes_tags_and_names_is_stored_as_it_came_and_paid(platform: Platform, key: str, odd: str):
    members = {"user": odd, "metadata": {"tags": [odd], "spend_logs_metadata": {odd or "empty": [odd, {"x": odd}]}}}
    reply = await platform.http.post(
        "/v1/chat/completions", json={**QUESTION, **members},
        headers={"Authorization": f"Bearer {key}", "User-Agent": "agent \\ \\N"},
    )  # fmt: skip
    assert reply.status_code == 200, reply.text
    await paid(platform, key)
    row = await platform.record(key)
    told = odd.replace("\x00", "")  # PostgreSQL has no NUL in text
    assert row["end_user"] == told
    assert list(row["tags"]) == [told]
    assert json.loads(row["metadata"]) == {told if odd else "empty": [told, {"x": told}]}
    assert row["user_agent"] == "agent \\ \\N"


async def test_notes_of_megabytes_neither_lose_a_record_nor_block_the_next_ones(platform: Platform, key: str):
    notes = {"spend_logs_metadata": {"novel": "x" * 5_000_000}}
    assert (await platform.chat(key, metadata=notes)).status_code == 200
    assert (await platform.chat(key)).status_code == 200
    await paid(platform, key, 2)


async def test_deep_notes_do_not_stop_the_ledger(platform: Platform, key: str):
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    reply = await platform.chat(key, metadata={"spend_logs_metadata": {"deep": deep}})
    assert reply.status_code in (200, 400)
    assert (await platform.chat(key)).status_code == 200
    rows = await platform.records(key, 2)
    assert rows[-1]["status"] == "success"
    assert platform.gateway.metrics.lost_records == 0


@pytest.mark.parametrize(
    "notes", ['{"n":123456789012345678901234567890}', '{"n":1e308}', '{"n":-0.0}', '{"a":1,"a":2}']
)
async def test_odd_numbers_in_notes_are_stored(platform: Platform, key: str, notes: str):
    body = json.dumps(QUESTION)[:-1] + ',"metadata":{"spend_logs_metadata":' + notes + "}}"
    headers = {"Authorization": f"Bearer {key}", "content-type": "application/json"}
    reply = await platform.http.post("/v1/chat/completions", content=body.encode(), headers=headers)
    assert reply.status_code == 200, reply.text
    await paid(platform, key)


@pytest.mark.parametrize("name", [
    "back\\slash", "tab\\there",
    "\\N", "modèle 😀",
])  # fmt: skip
async def test_odd_model_names_are_spelled_in_the_ledger_as_they_are(platform: Platform, key: str, name: str):
    assert (await platform.chat(key, model=name + "?")).status_code == 400
    refused = await platform.record(key)
    assert (refused["status"], refused["model"]) == ("refused", name + "?")
    await platform.add_model(name, platform.sim.chat.url + "/v1")
    other = await platform.ledger.add_key()
    assert (await platform.chat(other, model=name)).status_code == 200
    assert (await platform.record(other))["model"] == name


USAGES = [
    '{"prompt_tokens":3000000000,"completion_tokens":5}',
    '{"prompt_tokens":99999999999999999999999999,"completion_tokens":5}',
    '{"prompt_tokens":5,"completion_tokens":9223372036854775807}',
    '{"prompt_tokens":-5,"completion_tokens":7}',
    '{"prompt_tokens":5,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":900}}',
    '{"prompt_tokens":null,"completion_tokens":7}',
    '{"prompt_tokens":12.0,"completion_tokens":7}',
    '{"prompt_tokens":"12","completion_tokens":7}',
    '[1]', '"many"', '{}', "null",
]  # fmt: skip


@pytest.mark.parametrize("usage", USAGES)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_nonsensical_usage_still_leaves_one_record_and_a_whole_answer(
    platform: Platform, usage: str, stream: bool, request: pytest.FixtureRequest
):
    key = await platform.ledger.add_key(max_budget_nano=10**15)
    chunk = b'{"id":"x","choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}]}'
    last = b'{"id":"x","choices":[],"usage":%b}' % usage.encode()
    whole = b'{"id":"x","choices":[{"index":0,"message":{"content":"Hello"}}],"usage":%b}' % usage.encode()
    events = stream_answer(b"data: " + chunk + b"\n\n", b"data: " + last + b"\n\n", b"data: [DONE]\n\n")
    async with scripted(events if stream else answer(whole)) as engine:
        name = f"odd-{request.node.callspec.id}"
        await platform.add_model(name, engine.url)
        reply = await platform.chat(key, model=name, stream=stream)
        rows = await platform.records(key)
    assert platform.gateway.metrics.lost_records == 0
    assert rows[0]["cost_nano"] == await platform.ledger.settled(key)
    assert rows[0]["prompt_tokens"] >= 0
    assert rows[0]["completion_tokens"] >= 0
    if stream:
        assert reply.content.endswith(b"data: [DONE]\n\n")
    await platform.no_room_is_held(key)


async def test_equal_engine_ids_are_two_records(platform: Platform, key: str):
    platform.sim.chat.behave(engine_id="always-the-same")
    for _ in range(2):
        assert (await platform.chat(key)).status_code == 200
    rows = await platform.records(key, 2)
    assert rows[0]["engine_request_id"] == rows[1]["engine_request_id"] == "chatcmpl-always-the-same"
    assert rows[0]["request_id"] != rows[1]["request_id"]


async def test_a_client_that_chooses_the_same_call_id_twice_is_billed_twice(platform: Platform, key: str):
    headers = {"Authorization": f"Bearer {key}", "x-litellm-call-id": "my-own-id"}
    for _ in range(2):
        reply = await platform.http.post("/v1/chat/completions", json=QUESTION, headers=headers)
        assert reply.headers["x-litellm-call-id"] == "my-own-id"
    await paid(platform, key, 2)


# -- spending more than a budget holds --------------------------------------------------------------------------------


async def spent_within(platform: Platform, key: str, limit_nano: int) -> None:
    await platform.gateway.accountant.empty()
    assert await platform.ledger.settled(key) <= limit_nano
    served = platform.sim.counters.of("chat")
    assert served.prompt_tokens * PRICE_IN + served.completion_tokens * PRICE_OUT <= limit_nano


async def test_a_list_of_prompts_is_held_at_one_answer_for_each_of_them(platform: Platform):
    limit = 1_000_000
    key = await platform.ledger.add_key(max_budget_nano=limit)
    platform.sim.chat.behave(answer_tokens=200)
    prompts = [f"Tell me number {number}" for number in range(20)]
    await platform.post("/v1/completions", key, {"model": "granite", "prompt": prompts, "max_tokens": 200})
    await spent_within(platform, key, limit)


@pytest.mark.parametrize("bounds", [
    {"max_tokens": 1, "max_completion_tokens": 400},
    {"max_completion_tokens": 0, "max_tokens": 400},
    {"max_tokens": 400, "max_completion_tokens": 1}, {"n": 8, "max_tokens": 100}, {"max_tokens": 0},
    {"max_tokens": None, "max_completion_tokens": None}, {"min_tokens": 400, "max_tokens": 1},
])  # fmt: skip
async def test_no_spelling_of_the_output_bound_passes_a_budget(platform: Platform, bounds: dict[str, Any]):
    limit = 300_000
    key = await platform.ledger.add_key(max_budget_nano=limit)
    platform.sim.chat.behave(answer_tokens=400)
    await platform.chat(key, **bounds)
    await spent_within(platform, key, limit)


async def test_members_that_stand_twice_count_as_the_engine_reads_them(platform: Platform):
    limit = 300_000
    key = await platform.ledger.add_key(max_budget_nano=limit)
    platform.sim.chat.behave(answer_tokens=400)
    for body in (
        b'{"max_tokens":400,"max_tokens":1,',
        b'{"max_tokens":1,"max_tokens":400,',
        b'{"max_tokens":1,"max_\\u0074okens":400,',
    ):
        headers = {"Authorization": f"Bearer {key}", "content-type": "application/json"}
        await platform.http.post(
            "/v1/chat/completions", content=body + json.dumps(QUESTION)[1:].encode(), headers=headers
        )
    await spent_within(platform, key, limit)


async def test_an_engine_that_overshoots_its_bound_costs_no_room_that_is_never_given_back(platform: Platform):
    key = await platform.ledger.add_key(max_budget_nano=40_000_000)
    async with scripted() as engine:
        await platform.add_model("overshooting", engine.url)
        for completion_tokens in (5000, 5):
            usage = b'{"prompt_tokens":10,"completion_tokens":%d}' % completion_tokens
            engine.reply = answer(b'{"id":"x","choices":[],"usage":%b}' % usage)
            reply = await platform.chat(key, model="overshooting", max_tokens=5)
            assert reply.status_code == 200, reply.text
            await platform.no_room_is_held(key)
