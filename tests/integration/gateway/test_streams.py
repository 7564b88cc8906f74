"""What does a client see of a stream, and what is billed, however the engine writes its events?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from litemaas.sim.testing import SimulatedServers

from .harness import (
    QUESTION,
    Platform,
    answer,
    chunks_of,
    events_of,
    gateway_settings,
    running,
    scripted,
    stream_answer,
)  # fmt: skip

OPENING = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "granite-3.3-8b"}
WORDS = (
    "Good ",
    "morning, ",
    'say "usage": ',
    '{"usage":{"prompt_tokens":1}}',
    ',"model":"granite-3.3-8b"',
    "\\",
    "😀",
)
USAGE = {"prompt_tokens": 11, "total_tokens": 18, "completion_tokens": 7}


def chunk(text: str, **members: Any) -> dict[str, Any]:
    return {**OPENING, "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}], **members}


def event(value: Any, prefix: str = "data: ", end: str = "\n\n", spaced: bool = False) -> bytes:
    separators = (", ", ": ") if spaced else (",", ":")
    return (prefix + json.dumps(value, separators=separators, ensure_ascii=False) + end).encode()


CHUNKS = [chunk(word) for word in WORDS]
LAST = {**OPENING, "choices": [], "usage": USAGE}
DONE = b"data: [DONE]\n\n"


async def streamed(platform: Platform, key: str, name: str, *events: bytes, **members: Any) -> bytes:
    """The body that the client gets from an engine that sends ``events``, which this leaves as a fresh model ``name``."""
    async with scripted(stream_answer(*events)) as engine:
        await platform.add_model(name, engine.url)
        reply = await platform.chat(key, model=name, stream=True, **members)
        assert reply.status_code == 200, reply.text
        assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
        return reply.content


def said(body: bytes) -> list[str]:
    return [choice["delta"]["content"] for part in chunks_of(body) for choice in part["choices"]]


VARIANTS: dict[str, list[bytes]] = {
    "plain": [*map(event, CHUNKS), event(LAST), DONE],
    "spaced": [*(event(c, spaced=True) for c in CHUNKS), event(LAST, spaced=True), DONE],
    "no space after data": [*(event(c, "data:") for c in CHUNKS), event(LAST, "data:"), b"data:[DONE]\n\n"],
    "crlf": [*(event(c, end="\r\n\r\n") for c in CHUNKS), event(LAST, end="\r\n\r\n"), b"data: [DONE]\r\n\r\n"],
    "usage first": [*map(event, CHUNKS), event({"usage": USAGE, **OPENING, "choices": []}), DONE],
    "usage in the middle": [*map(event, CHUNKS), event({**OPENING, "usage": USAGE, "choices": [], "x": {"usage": 1}}), DONE],
    "usage null in every chunk": [*(event({**c, "usage": None}) for c in CHUNKS), event(LAST), DONE],
    "continuous": [
        *(event({**c, "usage": {"prompt_tokens": 11, "completion_tokens": n}}) for n, c in enumerate(CHUNKS)),
        event(LAST), DONE,
    ],
    "nested usage as the last member": [*(event({**c, "x": {"y": 1, "usage": {"prompt_tokens": 99}}}) for c in CHUNKS),
                                        event(LAST), DONE],
    "in one piece": [b"".join([*map(event, CHUNKS), event(LAST), DONE])],
    "byte by byte": [bytes([byte]) for byte in b"".join([*map(event, CHUNKS), event(LAST), DONE])],
    "comments between": [b": ping\n\n", *map(event, CHUNKS), b": ping\n\n", event(LAST), DONE],
    "no done": [*map(event, CHUNKS), event(LAST)],
    "extra blank lines": [*(b"\n\n" + event(c) for c in CHUNKS), event(LAST), DONE],
    "event names": [*(event(c, "event: message\ndata: ") for c in CHUNKS), event(LAST, "event: message\ndata: "), DONE],
    "comments before": [*(event(c, ": ping\ndata: ") for c in CHUNKS), event(LAST, ": ping\ndata: "), DONE],
    "ids before": [*(event(c, "id: 1\ndata: ") for c in CHUNKS), event(LAST, "id: 1\ndata: "), DONE],
    "two spaces after data": [*(event(c, "data:  ") for c in CHUNKS), event(LAST, "data:  "), DONE],
}  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
async def test_every_way_to_write_a_stream_says_the_same_and_is_billed_the_same(
    platform: Platform, key: str, variant: str
):
    body = await streamed(platform, key, f"v {variant}", *VARIANTS[variant])
    row = await platform.record(key)
    assert (row["prompt_tokens"], row["completion_tokens"], row["usage_source"]) == (11, 7, "engine")
    assert row["engine_request_id"] == "c-1"
    assert body.endswith(DONE)
    parts = [json.loads(line[5:]) for line in body.split(b"\n") if line.startswith(b"data:") and b"[DONE]" not in line]
    assert "".join(choice["delta"]["content"] for part in parts for choice in part["choices"]) == "".join(WORDS)
    assert all("usage" not in part for part in parts)
    assert {part["model"] for part in parts} == {f"v {variant}"}


async def test_a_client_that_asked_for_usage_gets_the_engines_own_usage_chunk(platform: Platform, key: str):
    reply = await platform.chat(key, stream=True, stream_options={"include_usage": True})
    chunks = chunks_of(reply.content)
    assert chunks[-1]["choices"] == []
    served = platform.sim.counters.of("chat")
    assert chunks[-1]["usage"]["completion_tokens"] == served.completion_tokens
    assert all(part.get("usage") is None for part in chunks[:-1])
    assert platform.sim.chat.received[-1].json()["stream_options"]["include_usage"] is True


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}, {"include_usage": None}])
async def test_a_client_that_did_not_ask_sees_no_usage_and_is_billed_exactly(
    platform: Platform, key: str, options: Any
):
    reply = await platform.chat(key, stream=True, **({} if options is None else {"stream_options": options}))
    assert b"usage" not in reply.content
    assert reply.content.endswith(DONE)
    assert all(part["choices"] for part in chunks_of(reply.content))
    row = await platform.record(key)
    served = platform.sim.counters.of("chat")
    assert (row["prompt_tokens"], row["completion_tokens"]) == (served.prompt_tokens, served.completion_tokens)


async def test_a_client_that_asked_for_usage_in_every_chunk_gets_it(platform: Platform, key: str):
    options = {"include_usage": True, "continuous_usage_stats": True}
    reply = await platform.chat(key, stream=True, stream_options=options)
    assert all("usage" in part for part in chunks_of(reply.content))


async def test_other_members_of_stream_options_reach_the_engine(platform: Platform, key: str):
    async with scripted(stream_answer(*VARIANTS["plain"])) as engine:
        await platform.add_model("optional", engine.url, provider="groq")
        await platform.chat(key, model="optional", stream=True, stream_options={"include_obfuscation": False})
        assert json.loads(engine.body)["stream_options"] == {"include_obfuscation": False, "include_usage": True}


async def test_what_an_engine_said_before_its_error_event_reaches_the_client(platform: Platform, key: str):
    error = event({"error": {"message": "CUDA out of memory", "type": "InternalServerError", "code": 500}})
    whole = b"".join([event(CHUNKS[0]), event(CHUNKS[1]), error, DONE])
    body = await streamed(platform, key, "said before", event(CHUNKS[0]), whole)
    assert said(b"".join(e + b"\n\n" for e in events_of(body)[:-1])) == [WORDS[0], WORDS[0], WORDS[1]]
    assert b"[DONE]" not in body
    assert (await platform.record(key))["status"] == "failure"


async def test_an_engine_that_answers_json_to_a_stream_is_relayed_as_json(platform: Platform, key: str):
    whole = {**OPENING, "choices": [{"index": 0, "message": {"content": "Hello"}}], "usage": USAGE}
    async with scripted(answer(json.dumps(whole).encode())) as engine:
        await platform.add_model("whole", engine.url)
        reply = await platform.chat(key, model="whole", stream=True)
    assert reply.json() == {**whole, "model": "whole"}
    assert (await platform.record(key))["completion_tokens"] == 7


async def test_a_stream_without_any_event_is_an_ordinary_error(platform: Platform, key: str):
    async with scripted(stream_answer()) as engine:
        await platform.add_model("empty", engine.url)
        reply = await platform.chat(key, model="empty", stream=True)
    assert reply.status_code == 500
    assert reply.json()["error"]["code"] == "500"
    assert (await platform.record(key))["status"] == "failure"


async def test_a_silent_stream_ends_with_a_timeout_event_and_its_part_is_billed(platform: Platform, key: str):
    events = stream_answer(
        *map(event, [{**c, "usage": {"prompt_tokens": 11, "completion_tokens": 2}} for c in CHUNKS[:2]])
    )
    async with scripted(events.removesuffix(b"0\r\n\r\n"), then="silent") as engine:
        await platform.add_model("silent", engine.url, stream_timeout_s=0.3)
        reply = await platform.chat(key, model="silent", stream=True)
    last = json.loads(events_of(reply.content)[-1][6:])
    assert last["error"]["code"] == "408"
    row = await platform.record(key)
    assert (row["status"], row["error_code"], row["completion_tokens"]) == ("failure", "upstream_timeout", 2)


async def test_streamed_tool_calls_arrive_as_the_engine_wrote_them(platform: Platform, key: str):
    tool = {"type": "function", "function": {"name": "weather", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}  # fmt: skip
    members = {"tools": [tool], "tool_choice": "required", "seed": 7}
    through = await platform.chat(key, stream=True, **members)
    direct = await platform.http.post(
        platform.sim.chat.url + "/v1/chat/completions", json={**QUESTION, **members, "model": "granite-3.3-8b", "stream": True}
    )  # fmt: skip

    def deltas(body: bytes) -> list[Any]:
        parts = [choice["delta"] for part in chunks_of(body) for choice in part["choices"]]
        for part in parts:
            for call in part.get("tool_calls") or ():
                call.pop("id", None)
        return parts

    assert deltas(through.content) == deltas(direct.content)
    assert any("tool_calls" in part for part in deltas(through.content))


async def test_completions_stream_like_chats(platform: Platform, key: str):
    body = {"model": "granite", "prompt": ["One", "Two"], "stream": True, "max_tokens": 9, "n": 2}
    reply = await platform.post("/v1/completions", key, body)
    assert {choice["index"] for part in chunks_of(reply.content) for choice in part["choices"]} == {0, 1, 2, 3}
    assert b'"usage"' not in reply.content
    row = await platform.record(key)
    served = platform.sim.counters.of("chat")
    assert (row["prompt_tokens"], row["completion_tokens"]) == (served.prompt_tokens, served.completion_tokens)


async def test_an_installation_may_show_usage_to_everyone(
    module_database: str, module_sim: SimulatedServers, platform: Platform, tmp_path: Path
):
    key = await platform.ledger.add_key()
    settings = gateway_settings(module_database, tmp_path, worker_id="shows-usage", always_include_stream_usage=True)
    async with running(settings, module_sim) as shown:
        chunks = chunks_of((await shown.chat(key, stream=True)).content)
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] > 0
