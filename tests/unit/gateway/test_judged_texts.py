"""Are all texts of a body found, each once, and does another text stand where one stood?"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from litemaas.gateway.bodies import read_members, render
from litemaas.gateway.judged_texts import AnswerTexts, AskedTexts, StreamTexts

BADGE = {"badge 4711": "badge [B]"}


def event(name: str, **members: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), json.dumps({"type": name, **members}).encode())


def chunk(**delta: Any) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": None, "logprobs": {"content": [{"token": "47"}]}}]
    return b"data: %b\n\n" % json.dumps({"id": "x", "choices": choices}).encode()


def test_what_people_and_models_write_is_found_and_words_of_the_api_are_not():
    body = {
        "model": "granite", "user": "ann", "tool_choice": "auto", "temperature": 0.5, "response_format": {"type": "text"},
        "metadata": {"note": "mine"}, "stop": ["halt"], "messages": [
            {"role": "system", "name": "desk", "content": "badge 4711"},
            {"role": "user", "content": [{"type": "text", "text": "badge 4711"}, {"type": "text", "text": "more"},
                {"type": "input_audio", "input_audio": {"data": "data:audio/wav;base64,AAAA", "format": "wav"}}]},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": {
                "name": "look", "arguments": '{"of":"badge 4711"}'}}]},
        ], "tools": [{"type": "function", "function": {"name": "look", "description": "looks", "parameters": {}}}],
    }  # fmt: skip
    asked = AskedTexts(read_members(json.dumps(body).encode()))
    assert asked.texts.listed() == ["halt", "badge 4711", "more", '{"of":"badge 4711"}', "looks"]
    changed = json.loads(render(asked.changed(BADGE)))
    assert [changed["messages"][0]["content"], changed["messages"][1]["content"][0]["text"]] == ["badge [B]"] * 2
    assert changed["messages"][2] == body["messages"][2]  # type: ignore[index]


def test_members_without_a_change_keep_their_bytes():
    body = b'{"seed": 1.0e3,"prompt":"badge 4711","temperature":0.50}'
    changed = AskedTexts(read_members(body)).changed(BADGE)
    assert [bytes(changed[name]) for name in changed] == [b"1.0e3", b'"badge [B]"', b"0.50"]


@pytest.mark.parametrize(("body", "kind", "texts", "changed"), [
    (b'{"text":"badge 4711"}', b"application/json", ["badge 4711"], b'{"text":"badge [B]"}'),
    (b"badge 4711", b"text/plain", ["badge 4711"], b"badge [B]"),
    (b"\x00\x01", b"application/zip", [], None),
])  # fmt: skip
def test_an_answer_is_json_or_a_text_or_has_none(body: bytes, kind: bytes, texts: list[str], changed: bytes | None):
    told = AnswerTexts(body, kind)
    assert told.texts.listed() == texts
    if changed is not None:
        assert told.changed(BADGE) == changed


def test_a_stream_of_chat_is_one_text_for_each_choice_and_tool():
    call = {"index": 0, "id": "c1", "function": {"name": "look", "arguments": "badge"}}
    events = b"".join([
        b": a comment\n\n", chunk(role="assistant", content="badge"), chunk(content=" 47"), chunk(content="11"),
        chunk(tool_calls=[call]), chunk(tool_calls=[{"index": 0, "function": {"arguments": " 4711"}}, {"index": 1}]),
        b'data: {"id":"x","choices":[null,{"index":1,"text":"badge 4711"}]}\n\n', b"data: {odd\n\n", b"data: [DONE]\n\n",
    ])  # fmt: skip
    told = StreamTexts(events)
    assert told.texts.listed() == ["badge 4711"]
    changed = told.changed(BADGE)
    assert changed.startswith(b": a comment\n\n")
    assert changed.endswith(b"data: {odd\n\ndata: [DONE]\n\n")
    chunks = [msgspec.json.decode(one[6:]) for one in changed.split(b"\n\n") if one.startswith(b'data: {"')]
    assert [one["choices"][0]["delta"].get("content") for one in chunks[:5]] == ["badge [B]", "", "", None, None]
    assert chunks[3]["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] == "badge [B]"
    assert chunks[5]["choices"][1]["text"] == "badge [B]"
    assert chunks[0]["choices"][0]["logprobs"] is None


def test_streams_of_messages_and_responses_are_changed_where_they_repeat_themselves():
    place = {"item_id": "m1", "content_index": 0}
    events = b"".join([
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": "badge "}),
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": "4711"}),
        event("response.output_text.delta", delta="badge 47", **place),
        event("response.output_text.delta", delta="11", **place),
        event("response.output_text.done", text="badge 4711", **place),
        event("response.completed", response={"id": "r", "output": [{"content": [{"text": "badge 4711"}]}]}),
    ])  # fmt: skip
    told = StreamTexts(events)
    assert told.texts.listed() == ["badge 4711"]
    changed = told.changed(BADGE)
    assert b"4711" not in changed
    assert changed.count(b"badge [B]") == 4
    assert changed.count(b"event: ") == 6
