"""Do translated requests and answers say what was meant? Written dialogues, in each direction."""

from __future__ import annotations

import json
from typing import Any

import pytest

from litemaas.core.errors import InvalidField, MissingField
from litemaas.core.usage import Usage
from litemaas.gateway.providers.anthropic import ChatEvents, chat_of_message, messages_of_chat
from litemaas.gateway.providers.messages_reply import MessageEvents, message_of_chat
from litemaas.gateway.providers.messages_request import chat_of_messages
from litemaas.gateway.providers.native import NativeScanner
from litemaas.gateway.providers.reading import Untranslatable
from litemaas.gateway.providers.responses_reply import ResponseEvents, ResponseShape, response_of_chat
from litemaas.gateway.providers.responses_request import chat_of_response

USAGE = Usage(prompt_tokens=11, completion_tokens=7, cached_tokens=4)
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
FUNCTION = {"name": "weather", "description": "Tells it", "parameters": SCHEMA}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bonn"}'}}
MESSAGES: dict[str, Any] = {
    "model": "m", "max_tokens": 50, "system": [{"type": "text", "text": "Be brief", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}},
            {"type": "text", "text": "Where is this?"},
        ]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Bonn"}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "sunny"}]},
            {"type": "text", "text": "And?"},
        ]},
    ],
    "tools": [{"name": "weather", "description": "Tells it", "input_schema": SCHEMA}],
    "tool_choice": {"type": "any", "disable_parallel_tool_use": True}, "stop_sequences": ["END"], "top_k": 3,
}  # fmt: skip
CHAT: dict[str, Any] = {
    "model": "m", "max_tokens": 50, "top_k": 3,
    "messages": [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
            {"type": "text", "text": "Where is this?"},
        ]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        {"role": "user", "content": [{"type": "text", "text": "And?"}]},
    ],
    "stop": ["END"], "tools": [{"type": "function", "function": FUNCTION}], "tool_choice": "required",
    "parallel_tool_calls": False,
}  # fmt: skip


def chunks(*deltas: tuple[dict[str, Any], str | None]) -> bytes:
    events = [{"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]} for delta, reason in deltas]
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)


SPOKEN = chunks(
    ({"role": "assistant", "content": ""}, None), ({"reasoning_content": "hm"}, None), ({"content": "Let me "}, None),
    ({"content": "see"}, None),
    ({"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "weather", "arguments": ""}}]}, None),
    ({"tool_calls": [{"index": 0, "function": {"arguments": '{"city":'}}]}, None),
    ({"tool_calls": [{"index": 0, "function": {"arguments": '"Bonn"}'}}]}, None),
    ({"tool_calls": [{"index": 1, "id": "c2", "function": {"name": "weather", "arguments": "{}"}}]}, None),
    ({}, "tool_calls"),
)  # fmt: skip


def events_in(stream: bytes) -> list[dict[str, Any]]:
    lines = [line for line in stream.split(b"\n") if line.startswith(b"data: {")]
    return [json.loads(line[6:]) for line in lines]


def test_a_message_becomes_a_chat_completion() -> None:
    assert chat_of_messages(MESSAGES) == CHAT


def test_a_chat_completion_becomes_a_message_and_keeps_its_meaning() -> None:
    body = messages_of_chat(CHAT)
    assert body["system"] == "Be brief"
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "c1", "content": "sunny"}, {"type": "text", "text": "And?"},
    ]  # fmt: skip
    assert body["tool_choice"] == MESSAGES["tool_choice"]
    assert chat_of_messages(body) == CHAT


@pytest.mark.parametrize("change", [
    {"mcp_servers": [{"url": "x"}]}, {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
    {"messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "base64", "data": ""}}]}]},
])  # fmt: skip
def test_what_no_chat_completion_can_carry_is_refused_by_name(change: dict[str, Any]) -> None:
    with pytest.raises(Untranslatable):
        chat_of_messages({**MESSAGES, **change})


@pytest.mark.parametrize("messages", [
    "x", [1], [{"role": [], "content": ""}], [{"role": "x", "content": "y"}], [{"content": 1}],
    [{"role": "user", "content": 7}], [{"role": "user", "content": [{"type": []}]}],
    [{"role": "assistant", "content": [{"type": []}]}],
])  # fmt: skip
def test_nonsense_is_refused_and_never_a_defect(messages: Any) -> None:
    for translate in (chat_of_messages, messages_of_chat):
        with pytest.raises((InvalidField, MissingField)):
            translate({"messages": messages})
    if messages != "x":
        with pytest.raises((InvalidField, MissingField)):
            chat_of_response({"input": messages})


def test_a_whole_answer_becomes_a_message() -> None:
    chat = {"choices": [{"finish_reason": "tool_calls", "message": {"content": "Let me see", "tool_calls": [CALL]}}]}
    message = message_of_chat(chat, "7", "m", USAGE)
    assert message["content"] == [
        {"type": "text", "text": "Let me see"}, {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Bonn"}},
    ]  # fmt: skip
    assert message["stop_reason"] == "tool_use"
    assert message["usage"]["input_tokens"] == 7
    assert message["usage"]["cache_read_input_tokens"] == 4


def test_a_stop_sequence_is_named() -> None:
    chat = {"choices": [{"finish_reason": "stop", "stop_reason": "END", "message": {"content": "x"}}]}
    message = message_of_chat(chat, "7", "m", USAGE)
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "END")


def test_a_stream_becomes_the_events_of_a_message() -> None:
    translator = MessageEvents("7", "m", 0)
    events = events_in(translator.feed(SPOKEN) + translator.finish(USAGE))
    blocks = [event["content_block"]["type"] for event in events if event["type"] == "content_block_start"]
    assert blocks == ["thinking", "text", "tool_use", "tool_use"]
    assert [event["index"] for event in events if event["type"] == "content_block_stop"] == [0, 1, 2, 3]
    written = "".join(e["delta"].get("partial_json", "") for e in events if e.get("index") == 2 and "delta" in e)
    assert json.loads(written) == {"city": "Bonn"}
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


def test_a_message_survives_the_way_through_both_translators() -> None:
    there = MessageEvents("7", "m", 0)
    stream = there.feed(SPOKEN) + there.finish(USAGE)
    back = ChatEvents(1)
    cut = len(stream) // 3
    chat = back.feed(stream[:cut]) + back.feed(stream[cut:])
    assert chat.endswith(b"data: [DONE]\n\n")
    deltas = [choice["delta"] for event in events_in(chat) for choice in event["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == "Let me see"
    assert [call["id"] for delta in deltas for call in delta.get("tool_calls", []) if "id" in call] == ["c1", "c2"]
    usage = events_in(chat)[-1]["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (11, 7)
    assert usage["prompt_tokens_details"]["cached_tokens"] == 4


def test_a_whole_message_becomes_a_chat_completion() -> None:
    message = {"id": "msg_1", "model": "m", "stop_reason": "tool_use", "usage": {"input_tokens": 3, "output_tokens": 2},
               "content": [{"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Bonn"}}]}  # fmt: skip
    chat = json.loads(chat_of_message(json.dumps(message).encode()))
    assert chat["choices"][0]["message"]["tool_calls"] == [CALL]
    assert chat["choices"][0]["finish_reason"] == "tool_calls"


def test_a_response_becomes_a_chat_completion() -> None:
    asked = {
        "model": "m", "instructions": "Be brief", "max_output_tokens": 50, "reasoning": {"effort": "low"},
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "Where?"},
                                         {"type": "input_image", "image_url": "data:image/png;base64,QUJD"}]},
            {"type": "reasoning", "summary": []},
            {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Bonn"}'},
            {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
        ],
        "tools": [{"type": "function", **FUNCTION}], "tool_choice": {"type": "function", "name": "weather"},
        "text": {"format": {"type": "json_schema", "name": "answer", "schema": SCHEMA, "strict": True}},
    }  # fmt: skip
    assert chat_of_response(asked) == {
        "model": "m", "max_tokens": 50, "reasoning_effort": "low",
        "messages": [
            {"role": "system", "content": "Be brief"},
            {"role": "user", "content": [{"type": "text", "text": "Where?"},
                                         {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}]},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        ],
        "tools": [{"type": "function", "function": FUNCTION}],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}},
    }  # fmt: skip


def test_a_stream_becomes_the_events_of_a_response_whose_end_repeats_them() -> None:
    translator = ResponseEvents(ResponseShape("7", "m", 1, {}))
    events = events_in(translator.feed(SPOKEN) + translator.finish(USAGE))
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    items = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert [item["type"] for item in items] == ["reasoning", "message", "function_call", "function_call"]
    assert (items[2]["call_id"], items[2]["arguments"]) == ("c1", '{"city":"Bonn"}')
    assert events[-1]["response"]["output"] == items
    assert events[-1]["type"] == "response.completed"
    message = {"reasoning_content": "hm", "content": "Let me see", "tool_calls": [
        CALL, {"id": "c2", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]}  # fmt: skip
    whole = response_of_chat({"choices": [{"finish_reason": "tool_calls", "message": message}]},
                             ResponseShape("7", "m", 1, {}), USAGE)  # fmt: skip
    assert whole == events[-1]["response"]


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_native_stream_keeps_its_events_and_holds_back_its_last(size: int) -> None:
    there = ResponseEvents(ResponseShape("7", "engine", 1, {}))
    stream = there.feed(SPOKEN) + there.finish(USAGE)
    scanner = NativeScanner("public")
    shown = b"".join(scanner.feed(stream[at : at + size]) for at in range(0, len(stream), size))
    assert scanner.is_finished
    assert events_in(shown + scanner.ending)[-1]["response"]["model"] == "public"
    assert [e["type"] for e in events_in(shown + scanner.ending)] == [e["type"] for e in events_in(stream)]
    assert scanner.usage is not None
    assert (scanner.usage.prompt_tokens, scanner.usage.completion_tokens) == (11, 7)
