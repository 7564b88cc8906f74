"""Can clients speak Anthropic's and OpenAI's newer formats, whatever the engine speaks?"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import pytest

from .harness import Platform, answer, scripted, stream_answer

MESSAGE = {
    "model": "granite",
    "max_tokens": 12,
    "messages": [{"role": "user", "content": "How does a bill of lading work?"}],
}


def named_events(body: bytes) -> list[dict[str, Any]]:
    """The JSON of events that have names, which must be their types."""
    found = []
    for event in body.decode().removesuffix("\n\n").split("\n\n"):
        name, data = event.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


async def test_a_message_is_answered_by_an_engine_that_only_knows_chat(platform: Platform, key: str) -> None:
    reply = await platform.http.post("/v1/messages", json=MESSAGE, headers={"x-api-key": key})
    assert reply.status_code == 200, reply.text
    message = reply.json()
    assert message["type"] == "message"
    assert message["model"] == "granite"
    assert message["stop_reason"] == "max_tokens"
    assert message["content"][0]["type"] == "text"
    record = await platform.record(key)
    assert record["endpoint"] == "/messages"
    assert message["usage"]["output_tokens"] == record["completion_tokens"] == 12
    assert message["usage"]["input_tokens"] == record["prompt_tokens"]
    await platform.no_room_is_held(key)


async def test_a_streamed_message_has_its_events_in_order_and_its_usage_at_the_end(
    platform: Platform, key: str
) -> None:
    reply = await platform.post("/v1/messages", key, {**MESSAGE, "stream": True})
    events = named_events(reply.content)
    kinds = [event["type"] for event in events]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(kinds[2:-3]) == {"content_block_delta"}
    record = await platform.record(key)
    assert events[-2]["usage"]["output_tokens"] == record["completion_tokens"] == 12
    assert record["usage_source"] == "engine"


async def test_a_response_is_answered_by_an_engine_that_only_knows_chat(platform: Platform, key: str) -> None:
    asked = {"model": "granite", "input": "How does a bill of lading work?", "max_output_tokens": 12}
    reply = await platform.post("/v1/responses", key, asked)
    assert reply.status_code == 200, reply.text
    response = reply.json()
    assert response["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    record = await platform.record(key)
    assert response["usage"]["output_tokens"] == record["completion_tokens"] == 12


async def test_a_streamed_response_has_the_full_sequence_of_events(platform: Platform, key: str) -> None:
    asked = {"model": "granite", "input": "How does a bill of lading work?", "max_output_tokens": 12, "stream": True}
    reply = await platform.post("/v1/responses", key, asked)
    events = named_events(reply.content)
    kinds = [event["type"] for event in events]
    assert kinds[:4] == [
        "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
    ]  # fmt: skip
    assert kinds[-4:] == [
        "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.incomplete",
    ]  # fmt: skip
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    said = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    last = events[-1]["response"]
    assert last["output"][0]["content"][0]["text"] == said != ""
    assert last["usage"]["output_tokens"] == (await platform.record(key))["completion_tokens"]


async def test_what_would_need_an_earlier_answer_is_refused(platform: Platform, key: str) -> None:
    asked = {"model": "granite", "input": "And then?", "previous_response_id": "resp_1"}
    reply = await platform.post("/v1/responses", key, asked)
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "previous_response_id"
    assert platform.sim.counters.of("chat").requests == 0


async def test_the_tokens_of_a_message_are_counted_by_its_engine(platform: Platform, key: str) -> None:
    reply = await platform.post("/v1/messages/count_tokens", key, MESSAGE)
    assert reply.status_code == 200, reply.text
    assert reply.json()["input_tokens"] > 5
    assert (await platform.record(key))["cost_nano"] == 0


ANTHROPIC = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-engine",
    "content": [{"type": "text", "text": "Hello"}], "stop_reason": "end_turn", "stop_sequence": None,
    "usage": {"input_tokens": 3, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 6, "output_tokens": 7},
}  # fmt: skip


def anthropic_events() -> list[bytes]:
    events: list[dict[str, Any]] = [
        {
            "type": "message_start",
            "message": {**ANTHROPIC, "content": [], "usage": {**ANTHROPIC["usage"], "output_tokens": 1}},
        },  # type: ignore[dict-item]
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 7},
        },
        {"type": "message_stop"},
    ]
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]


async def test_an_openai_client_is_answered_by_an_engine_with_anthropics_api(platform: Platform, key: str) -> None:
    async with scripted(answer(json.dumps(ANTHROPIC).encode())) as engine:
        await platform.add_model(
            "claude", engine.url, "claude-engine", provider="anthropic", api_key="secret-of-engine"
        )
        reply = await platform.chat(key, model="claude", max_tokens=9)
        chat = reply.json()
        assert chat["choices"][0]["message"]["content"] == "Hello"
        assert chat["model"] == "claude"
        assert chat["usage"]["prompt_tokens"] == 11
        assert engine.head.startswith(b"POST /v1/messages HTTP/1.1")
        assert b"x-api-key: secret-of-engine" in engine.head
        assert b"anthropic-version: 2023-06-01" in engine.head
        assert json.loads(engine.body)["max_tokens"] == 9
        engine.reply = stream_answer(*anthropic_events())
        streamed = await platform.chat(key, model="claude", stream=True)
        assert b'"content":"Hello"' in streamed.content
        assert streamed.content.endswith(b"data: [DONE]\n\n")
    for record in await platform.records(key, 2):
        assert (record["prompt_tokens"], record["cached_tokens"], record["cache_write_tokens"]) == (11, 6, 2)
        assert record["completion_tokens"] == 7


async def test_a_message_goes_untouched_to_an_engine_with_anthropics_api(platform: Platform, key: str) -> None:
    async with scripted(answer(json.dumps(ANTHROPIC).encode())) as engine:
        await platform.add_model("claude-2", engine.url, "claude-engine", provider="anthropic")
        body = {**MESSAGE, "model": "claude-2", "thinking": {"type": "enabled", "budget_tokens": 1024}, "tags": ["t"]}
        reply = await platform.post("/v1/messages", key, body)
        assert reply.json() == {**ANTHROPIC, "model": "claude-2"}
        sent = json.loads(engine.body)
        assert sent == {**{name: value for name, value in body.items() if name != "tags"}, "model": "claude-engine"}
        engine.reply = stream_answer(*anthropic_events())
        streamed = await platform.post("/v1/messages", key, {**body, "stream": True})
        kinds = [event["type"] for event in named_events(streamed.content)]
        assert kinds[0] == "message_start"
        assert kinds[-1] == "message_stop"
        assert "ping" in kinds
    for record in await platform.records(key, 2):
        assert (record["prompt_tokens"], record["cached_tokens"], record["completion_tokens"]) == (11, 6, 7)


async def test_a_form_is_sent_on_under_the_engines_name_of_the_model(platform: Platform, key: str) -> None:
    async with scripted(answer(b'{"text":"Good morning","usage":{"type":"duration","seconds":3}}')) as engine:
        await platform.add_model("whisper", engine.url, "whisper-large", mode="audio_transcription")
        form = {"file": ("a.wav", b"RIFF\0\r\n--not-a-boundary", "audio/wav")}
        headers = {"Authorization": f"Bearer {key}"}
        fields = {"model": "whisper", "response_format": "json"}
        reply = await platform.http.post("/v1/audio/transcriptions", files=form, data=fields, headers=headers)
        assert reply.json()["text"] == "Good morning"
        assert engine.body.count(b'name="model"\r\n\r\nwhisper-large\r\n') == 1
        assert b"RIFF\0\r\n--not-a-boundary" in engine.body
        assert b'name="response_format"\r\n\r\njson' in engine.body
    assert json.loads((await platform.record(key))["metadata"])["units"] == {"seconds": 3}


async def test_speech_comes_back_as_the_engines_own_bytes(platform: Platform, key: str) -> None:
    spoken = answer(b"ID3\0\xff", headers=b"content-type: audio/mpeg\r\n")
    async with scripted(spoken) as engine:
        await platform.add_model("voice", engine.url, "tts", mode="audio_speech")
        reply = await platform.post("/v1/audio/speech", key, {"model": "voice", "input": "Hello", "voice": "a"})
        assert (reply.content, reply.headers["content-type"]) == (b"ID3\0\xff", "audio/mpeg")
    assert json.loads((await platform.record(key))["metadata"])["units"] == {"characters": 5}


async def test_speech_that_breaks_off_is_no_whole_answer(platform: Platform, key: str) -> None:
    broken = b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 100\r\n\r\nID3"
    async with scripted(broken, then="close") as engine:
        await platform.add_model("voice-2", engine.url, "tts", mode="audio_speech")
        with pytest.raises(httpx2.RemoteProtocolError):
            await platform.post("/v1/audio/speech", key, {"model": "voice-2", "input": "Hello", "voice": "a"})
    assert (await platform.record(key))["status"] == "failure"


async def test_azure_has_the_deployment_in_its_path(platform: Platform, key: str) -> None:
    async with scripted(answer(b'{"id":"1","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}')) as engine:
        url = engine.url.removesuffix("/v1")
        await platform.add_model("azured", url, "gpt-x", provider="azure", api_key="azure-secret",
                                 params=json.dumps({"api_version": "2025-01-01"}))  # fmt: skip
        assert (await platform.chat(key, model="azured")).status_code == 200
        assert engine.head.startswith(
            b"POST /openai/deployments/gpt-x/chat/completions?api-version=2025-01-01 HTTP/1.1"
        )
        assert b"api-key: azure-secret" in engine.head
        assert b"authorization" not in engine.head.lower()


async def test_documents_are_ranked_and_the_tokens_are_billed(platform: Platform, key: str) -> None:
    ranked = b'{"id":"r1","model":"bge","results":[{"index":0,"relevance_score":0.9}],"usage":{"total_tokens":21}}'
    async with scripted(answer(ranked)) as engine:
        await platform.add_model("ranker", engine.url, "bge", mode="rerank", price=(0.000001, 0))
        reply = await platform.post("/v2/rerank", key, {"model": "ranker", "query": "q", "documents": ["a"]})
        assert reply.json()["model"] == "ranker"
        assert engine.head.startswith(b"POST /v1/rerank ")
    record = await platform.record(key)
    assert (record["prompt_tokens"], record["cost_nano"]) == (21, 21_000)


async def test_what_is_not_offered_says_so(platform: Platform, key: str) -> None:
    assert (await platform.post("/v1/batches", key, {})).status_code == 501
    reply = await platform.http.get("/v1/responses/resp_1", headers={"Authorization": f"Bearer {key}"})
    assert reply.status_code == 404


async def test_tools_that_no_price_covers_are_refused_even_where_the_engine_has_them(
    platform: Platform, key: str
) -> None:
    async with scripted() as engine:
        await platform.add_model("claude-5", engine.url, "claude-engine", provider="anthropic")
        body = {**MESSAGE, "model": "claude-5", "tools": [{"type": "web_search_20250305", "name": "web_search"}]}
        assert (await platform.post("/v1/messages", key, body)).status_code == 400
        part = {"type": "input_file", "file_id": "file-1"}
        asked = {"model": "claude-5", "input": [{"role": "user", "content": [part]}]}
        assert (await platform.post("/v1/responses", key, asked)).status_code == 400
        assert engine.received == []


async def test_a_native_answer_is_masked_where_a_guardrail_holds(platform: Platform, key: str) -> None:
    """By way of a chat completion, because that is what is masked."""
    said = {**ANTHROPIC, "content": [{"type": "text", "text": "Write to ann@example.org"}]}
    async with scripted(answer(json.dumps(said).encode())) as engine:
        await platform.add_model("claude-3", engine.url, "claude-engine", provider="anthropic")
        body = {**MESSAGE, "model": "claude-3", "guardrails": ["email"]}
        reply = await platform.post("/v1/messages", key, body)
        assert reply.status_code == 200, reply.text
        assert "ann@example.org" not in reply.text
        assert reply.json()["content"][0]["text"].startswith("Write to ")
        assert "guardrails" not in json.loads(engine.body)
        refused = await platform.post(
            "/v1/messages", key, {**body, "messages": [{"role": "user", "content": "ann@example.org"}]}
        )
        assert refused.status_code == 403


async def test_an_engine_that_breaks_off_ends_a_message_with_an_error_event(platform: Platform, key: str) -> None:
    async with scripted(stream_answer(*anthropic_events()[:4]), then="close") as engine:
        await platform.add_model("claude-4", engine.url, "claude-engine", provider="anthropic")
        reply = await platform.post("/v1/messages", key, {**MESSAGE, "model": "claude-4", "stream": True})
        events = named_events(reply.content)
        assert events[-1]["type"] == "error"
        assert events[-1]["error"]["type"] == "api_error"
        assert "message_stop" not in [event["type"] for event in events]
    assert (await platform.record(key))["status"] == "failure"


async def test_a_body_of_nonsense_is_refused_and_costs_nothing(platform: Platform, key: str) -> None:
    bodies: list[dict[str, Any]] = [
        {"model": "granite", "messages": []},
        {**MESSAGE, "max_tokens": "many"},
        {**MESSAGE, "messages": [{"role": [], "content": "x"}]},
        {**MESSAGE, "metadata": 7},
        {**MESSAGE, "api_base": "http://elsewhere"},
    ]
    for body in bodies:
        reply = await platform.post("/v1/messages", key, body)
        assert reply.status_code in (400, 401), (body, reply.text)
    for body in ({"model": "granite"}, {"model": "granite", "input": 7}, {"model": "granite", "input": [{"type": {}}]}):
        reply = await platform.post("/v1/responses", key, body)
        assert reply.status_code == 400, (body, reply.text)
    deep = b'{"model":"granite","max_tokens":1,"messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    reply = await platform.http.post("/v1/messages", content=deep, headers={"x-api-key": key})
    assert reply.status_code == 400
    for record in await platform.records(key, 9):
        assert record["cost_nano"] == 0


async def test_forty_messages_at_once_do_not_pass_a_budget_for_one(platform: Platform) -> None:
    key = await platform.ledger.add_key(max_budget_nano=60_000)
    asked = {**MESSAGE, "messages": [{"role": "user", "content": "Hello"}]}
    replies = await asyncio.gather(*(platform.post("/v1/messages", key, asked) for _ in range(40)))
    passed = [reply for reply in replies if reply.status_code == 200]
    records = await platform.records(key, 40)
    assert 1 <= len(passed) < 40
    assert sum(record["cost_nano"] for record in records) <= 60_000
