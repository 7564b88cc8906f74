"""Does a guardrail keep what it names out of engines and away from clients, whole or in pieces, and costs that nothing?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from .guarding import put
from .harness import QUESTION, Platform, answer, chunks_of, scripted, stream_answer, text_of

CARD = "4111 1111 1111 1111"
SSN = "536-90-4399"


def chunk(**delta: Any) -> bytes:
    finish = delta.pop("finish", None)
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return b"data: %b\n\n" % json.dumps({"id": "x", "model": "granite-3.3-8b", "choices": choices}).encode()


USAGE = b'data: {"id":"x","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":9,"total_tokens":10}}\n\n'


def asks(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": text}]}]


@pytest.fixture
async def guarded(platform: Platform) -> str:
    """A key whose calls are looked at for personal data and cards."""
    return await platform.ledger.add_key(extras='{"guardrails": ["pii", "cards"]}', max_budget_nano=10**9)


@pytest.mark.parametrize("text", [f"My number is {SSN}", f"pay with {CARD}!", "write to ann@example.org"])
async def test_a_prompt_with_personal_data_is_refused_before_an_engine_sees_it(
    platform: Platform, guarded: str, text: str
):
    reply = await platform.chat(guarded, messages=asks(text))
    assert reply.status_code == 403
    error = reply.json()["error"]
    assert (error["type"], error["code"]) == ("None", "403")
    assert text[-8:-1] not in reply.text
    assert platform.sim.counters.of("chat").requests == 0
    row = await platform.record(guarded)
    assert (row["status"], row["http_status"], row["cost_nano"]) == ("refused", 403, 0)
    assert row["error_code"] == "content_refused"
    await platform.no_room_is_held(guarded)


async def test_other_texts_pass_and_the_answer_names_the_guardrails(platform: Platform, guarded: str):
    reply = await platform.chat(guarded)
    assert reply.status_code == 200
    assert reply.headers["x-litellm-applied-guardrails"] == "pii,cards"
    row = await platform.record(guarded)
    assert json.loads(row["metadata"]) == {"applied_guardrails": ["pii", "cards"]}


async def test_a_client_cannot_say_that_a_guardrail_was_applied(platform: Platform, key: str):
    notes = {"applied_guardrails": ["pii"], "run": 7}
    assert (await platform.chat(key, metadata={"spend_logs_metadata": notes})).status_code == 200
    assert json.loads((await platform.record(key))["metadata"]) == {"run": 7}


@pytest.mark.parametrize("place", ["member", "metadata"])
async def test_a_call_can_ask_for_one_by_itself(platform: Platform, key: str, place: str):
    asked: dict[str, Any] = {"guardrails": ["us_ssn"]}
    members = asked if place == "member" else {"metadata": asked}
    refused = await platform.chat(key, messages=asks(f"it is {SSN}"), **members)
    passed = await platform.chat(key, messages=asks("write to ann@example.org"), **members)
    assert (refused.status_code, passed.status_code) == (403, 200)


@pytest.mark.parametrize("members", [{"guardrails": ["nonesuch"]}, {"metadata": {"guardrails": ["nonesuch"]}}])
async def test_an_unknown_one_is_refused_and_no_engine_called(platform: Platform, key: str, members: dict[str, Any]):
    reply = await platform.chat(key, **members)
    error = reply.json()["error"]
    assert (reply.status_code, error["type"], error["param"]) == (400, "bad_request_error", "guardrails")
    assert platform.sim.counters.of("chat").requests == 0


async def test_a_key_with_one_that_does_not_exist_any_more_is_not_let_through_unseen(platform: Platform):
    key = await platform.ledger.add_key(extras='{"guardrails": ["formerly"]}')
    assert (await platform.chat(key)).status_code == 400


async def test_a_models_guardrail_masks_the_answer_and_leaves_the_rest(platform: Platform, key: str):
    said = f"Call +1 (415) 555-0132 or use {CARD} today."
    body = {"id": "x", "model": "granite-3.3-8b", "choices": [{"index": 0, "message": {"content": said}}], "usage": {
        "prompt_tokens": 1, "completion_tokens": 9, "total_tokens": 10}}  # fmt: skip
    async with scripted(answer(json.dumps(body).encode())) as engine:
        await platform.ledger.add_model("masking", engine.url)
        await platform.ledger.connection.execute("update models set guardrails = '{pii,cards}' where name = 'masking'")
        await platform.ledger.announce("catalog", ["masking"])
        await platform.catch_up()
        reply = await platform.chat(key, model="masking")
    assert reply.json()["choices"][0]["message"]["content"] == "Call [PHONE] or use [VISA] today."
    assert reply.json()["model"] == "masking"
    assert (await platform.record(key))["completion_tokens"] == 9


PIECES = [
    "Use 41",
    "11 1111 11",
    "11 1111 for it, or as",
    "k ann@exam",
    "ple.org. Key: sk-",
    "abcdefghijklmnop",
    "qrst",
    " end",
]


@pytest.mark.parametrize("ends", ["with a reason", "without one"])
async def test_what_comes_in_pieces_is_masked_across_their_borders(platform: Platform, ends: str):
    key = await platform.ledger.add_key(extras='{"guardrails": ["pii", "cards", "credentials"]}')
    events = [chunk(role="assistant", content=""), *(chunk(content=piece) for piece in PIECES)]
    if ends == "with a reason":
        events.append(chunk(finish="stop"))
    async with scripted(stream_answer(*events, USAGE, b"data: [DONE]\n\n")) as engine:
        model = f"pieces {ends}"
        await platform.add_model(model, engine.url)
        reply = await platform.chat(key, model=model, stream=True)
    said = text_of(chunks_of(reply.content))
    assert said == "Use [VISA] for it, or ask [EMAIL]. Key: [API_KEY] end"
    assert b"[DONE]" in reply.content
    assert (await platform.record(key))["completion_tokens"] == 9


async def test_a_private_key_is_swallowed_until_it_ends(platform: Platform):
    key = await platform.ledger.add_key(extras='{"guardrails": ["private_key"]}')
    lines = ["Here: -----BEGIN RSA", " PRIVATE KEY-----\n", *(f"{n:064d}\n" for n in range(200)), "-----END RSA PRIV"]
    events = [*(chunk(content=line) for line in lines), chunk(content="ATE KEY----- done"), chunk(finish="stop")]
    async with scripted(stream_answer(*events, USAGE, b"data: [DONE]\n\n")) as engine:
        await platform.add_model("swallow", engine.url)
        reply = await platform.chat(key, model="swallow", stream=True)
    assert text_of(chunks_of(reply.content)) == "Here: [PRIVATE_KEY] done"


async def test_tool_calls_are_masked_too(platform: Platform, guarded: str):
    def call(arguments: str) -> bytes:
        return chunk(tool_calls=[{"index": 0, "function": {"arguments": arguments}}])

    events = [call('{"to": "ann@ex'), call('ample.org"}'), chunk(finish="tool_calls"), USAGE, b"data: [DONE]\n\n"]
    async with scripted(stream_answer(*events)) as engine:
        await platform.add_model("tools", engine.url)
        reply = await platform.chat(guarded, model="tools", stream=True)
    calls = [
        call
        for one in chunks_of(reply.content)
        for choice in one["choices"]
        for call in choice["delta"].get("tool_calls", [])
    ]
    assert "".join(call["function"]["arguments"] for call in calls) == '{"to": "[EMAIL]"}'


async def test_without_guardrails_an_answer_passes_as_it_came(platform: Platform, key: str):
    events = [chunk(content=f"Use {CARD}"), chunk(finish="stop"), USAGE, b"data: [DONE]\n\n"]
    async with scripted(stream_answer(*events)) as engine:
        await platform.add_model("plain", engine.url, "plain")
        reply = await platform.chat(key, model="plain", stream=True, messages=QUESTION["messages"])
    assert text_of(chunks_of(reply.content)) == f"Use {CARD}"
    assert "x-litellm-applied-guardrails" not in reply.headers


def own(name: str, mode: str, action: str, **params: Any) -> dict[str, Any]:
    pattern = {
        "pattern_type": "regex",
        "name": "project",
        "pattern": r"\bproject heron (?:one|two)\b",
        "action": action,
    }
    return {"guardrail_name": name, "litellm_params": {"mode": mode, "patterns": [pattern], **params}}


async def test_ones_own_guardrail_holds_for_everybody_a_moment_after_it_was_put(platform: Platform, key: str):
    asked = asks("Tell me of project heron two.")
    try:
        await put(platform, own("company", "pre_call", "BLOCK", default_on=True))
        refused = await platform.chat(key, messages=asked)
        assert refused.status_code == 403
        assert "Content blocked: project pattern detected" in refused.json()["error"]["message"]
        passed = await platform.chat(key, messages=asks("Tell me of herons."))
        assert passed.headers["x-litellm-applied-guardrails"] == "company"
        await put(platform, own("company", "pre_call", "BLOCK"))
        assert (await platform.chat(key, messages=asked)).status_code == 200
        assert (await platform.chat(key, messages=asked, guardrails=["company"])).status_code == 403
    finally:
        await put(platform)
    gone = await platform.chat(key, messages=asked, guardrails=["company"])
    assert (gone.status_code, gone.json()["error"]["param"]) == (400, "guardrails")


async def test_ones_own_words_are_masked_in_streams_though_blanks_are_in_them(platform: Platform):
    key = await platform.ledger.add_key(extras='{"guardrails": ["output"]}')
    pieces = ["It is pro", "ject her", "on tw", "o, not project", " heron three"]
    events = [*(chunk(content=piece) for piece in pieces), chunk(finish="stop"), USAGE, b"data: [DONE]\n\n"]
    try:
        await put(platform, own("output", "post_call", "MASK"), {"guardrail_name": "broken"})
        async with scripted(stream_answer(*events)) as engine:
            await platform.add_model("herons", engine.url)
            reply = await platform.chat(key, model="herons", messages=asks("project heron two?"), stream=True)
            broken = await platform.chat(key, model="herons", guardrails=["broken"])
    finally:
        await put(platform)
    assert text_of(chunks_of(reply.content)) == "It is [PROJECT_REDACTED], not project heron three"
    assert broken.status_code == 400  # what cannot be read lets nothing through
