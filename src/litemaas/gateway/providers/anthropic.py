"""How is an engine with Anthropic's Messages API asked for a chat completion, and how does its answer become one?

Source: Anthropic API reference, Messages and Streaming Messages, 2026-11.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from litemaas.core.errors import InvalidField, UpstreamGarbage
from litemaas.gateway.bodies import NOT_JSON, encode
from litemaas.gateway.providers.events import EventReader, unnamed
from litemaas.gateway.providers.reading import MISSHAPEN, Body, an_object, needed, objects, text, unsupported

DEFAULT_MAX_TOKENS = 4096
"""Anthropic's API wants a bound; this is the gateway's own for calls that name none."""
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,(.*)", re.DOTALL)
_FINISH = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls",
           "refusal": "content_filter", "pause_turn": "stop", "model_context_window_exceeded": "length"}  # fmt: skip
_SAME = ("model", "temperature", "top_p", "top_k", "stream", "thinking")


def messages_of_chat(chat: Body) -> Body:
    """The request to the Messages API that asks the same.

    Errors: InvalidField for what it cannot carry.
    """
    if (chat.get("n") or 1) != 1:
        raise unsupported("more than one choice", "n")
    body: Body = {name: chat[name] for name in _SAME if chat.get(name) is not None}
    body["max_tokens"] = chat.get("max_completion_tokens") or chat.get("max_tokens") or DEFAULT_MAX_TOKENS
    system: list[str] = []
    turns: list[Body] = []
    for message in objects(needed(chat, "messages"), "messages"):
        role = message.get("role")
        if role in ("system", "developer"):
            system.append(_said(message.get("content")))
        elif role in ("user", "assistant", "tool"):
            _add_turn(turns, message, role)
        else:
            raise InvalidField("a message's role is system, developer, user, assistant or tool", "messages")
    if system:
        body["system"] = "\n\n".join(system)
    body["messages"] = turns
    stop = chat.get("stop")
    if stop:
        body["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    if isinstance(chat.get("user"), str):
        body["metadata"] = {"user_id": chat["user"]}
    tools = [_tool(tool) for tool in objects(chat.get("tools"), "tools")]
    if tools:
        body["tools"] = tools
        body |= _tool_choice(chat)
    wanted = an_object(chat.get("response_format"), "response_format")
    if wanted.get("type") == "json_schema":
        schema = an_object(wanted.get("json_schema"), "response_format").get("schema")
        body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    elif wanted.get("type") == "json_object":
        raise unsupported("response_format json_object", "response_format")
    return body


def _add_turn(turns: list[Body], message: Body, role: str) -> None:
    """Turns of the same side that follow one another become one, as results of tools have to."""
    if role == "tool":
        side, blocks = "user", [{
            "type": "tool_result", "tool_use_id": needed(message, "tool_call_id"), "content": _said(message.get("content")),
        }]  # fmt: skip
    else:
        side, blocks = role, _blocks(message.get("content"))
        for call in objects(message.get("tool_calls"), "tool_calls"):
            function = an_object(call.get("function"), "tool_calls")
            blocks.append({"type": "tool_use", "id": needed(call, "id"), "name": needed(function, "name"),
                           "input": _input(function.get("arguments"))})  # fmt: skip
    if not blocks:
        return
    if turns and turns[-1]["role"] == side:
        turns[-1]["content"] += blocks
    else:
        turns.append({"role": side, "content": blocks})


def _input(arguments: Any) -> Any:
    try:
        return msgspec.json.decode(arguments or "{}")
    except (*NOT_JSON, TypeError):
        raise InvalidField("the arguments of a tool call must be JSON, as text", "tool_calls") from None


def _said(content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(text(needed(part, "text"), "content") for part in objects(content, "content"))


def _blocks(content: Any) -> list[Body]:
    if content is None or isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return [block for part in objects(content, "content") if (block := _block(part)) is not None]


def _block(part: Body) -> Body | None:
    if part.get("type") in ("text", "refusal"):
        said = text(part.get("text") or part.get("refusal") or "", "content")
        return {"type": "text", "text": said} if said else None
    if part.get("type") == "image_url":
        url = part.get("image_url")
        url = text(url.get("url") if isinstance(url, dict) else url, "image_url")
        inline = _DATA_URL.fullmatch(url)
        if inline is None:
            return {"type": "image", "source": {"type": "url", "url": url}}
        return {"type": "image", "source": {"type": "base64", "media_type": inline[1], "data": inline[2]}}
    raise unsupported(f"a part of the type {str(part.get('type'))[:50]!r}", "messages")


def _tool(tool: Body) -> Body:
    if tool.get("type") != "function":
        raise unsupported(f"the tool {str(tool.get('type'))[:50]!r}", "tools")
    function = an_object(tool.get("function"), "tools")
    made: Body = {"name": needed(function, "name")}
    if function.get("description"):
        made["description"] = function["description"]
    made["input_schema"] = function.get("parameters") or {"type": "object", "properties": {}}
    return made


def _tool_choice(chat: Body) -> Body:
    choice = chat.get("tool_choice")
    made: Body | None = None
    if isinstance(choice, dict):
        made = {"type": "tool", "name": needed(an_object(choice.get("function"), "tool_choice"), "name")}
    elif choice is not None:
        word = {"auto": "auto", "none": "none", "required": "any"}.get(str(choice))
        if word is None:
            raise InvalidField("tool_choice must be auto, none, required or a function", "tool_choice")
        made = {"type": word}
    if chat.get("parallel_tool_calls") is False:
        made = {**(made or {"type": "auto"}), "disable_parallel_tool_use": True}
    return {"tool_choice": made} if made is not None else {}


# -- answers ----------------------------------------------------------------------------------------------------------


def usage_in_chat(usage: Any) -> Body:
    """In OpenAI's words, in which the parts that a cache holds are within the prompt's tokens."""
    found: Body = usage if isinstance(usage, dict) else {}
    read, written = _count(found, "cache_read_input_tokens"), _count(found, "cache_creation_input_tokens")
    prompt = _count(found, "input_tokens") + read + written
    completion = _count(found, "output_tokens")
    return {
        "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": read, "cache_creation_tokens": written},
    }  # fmt: skip


def _count(usage: Body, name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) and value > 0 else 0


def chat_of_message(body: bytes) -> bytes:
    """A whole answer as a chat completion.

    Errors: UpstreamGarbage.
    """
    try:
        return encode(_chat(msgspec.json.decode(body, type=Body)))
    except (*NOT_JSON, *MISSHAPEN):
        raise UpstreamGarbage("the model server's answer is not the JSON that was expected") from None


def _chat(message: Body) -> Body:
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[Body] = []
    for block in message.get("content") or []:
        match block.get("type"):
            case "text":
                texts.append(block.get("text") or "")
            case "thinking":
                thoughts.append(block.get("thinking") or "")
            case "tool_use":
                function = {"name": block.get("name"), "arguments": encode(block.get("input") or {}).decode()}
                calls.append({"id": block.get("id"), "type": "function", "function": function})
    said: Body = {"role": "assistant", "content": "".join(texts) if texts or not calls else None}
    if thoughts:
        said["reasoning_content"] = "".join(thoughts)
    if calls:
        said["tool_calls"] = calls
    reason = _FINISH.get(str(message.get("stop_reason")), "stop")
    return {
        "id": message.get("id"), "object": "chat.completion", "created": 0, "model": message.get("model"),
        "choices": [{"index": 0, "message": said, "finish_reason": reason}],
        "usage": usage_in_chat(message.get("usage")),
    }  # fmt: skip


class ChatEvents:
    """Turns the events of a message into those of a chat completion, which end with a usage chunk and ``[DONE]``."""

    def __init__(self, created_at: int) -> None:
        self._reader = EventReader()
        self._head: Body = {"id": None, "object": "chat.completion.chunk", "created": created_at, "model": None}
        self._usage: Body = {}
        self._calls = -1

    def feed(self, data: bytes) -> bytes:
        """Errors: StreamGarbled."""
        return b"".join(self._event(event) for event in self._reader.feed(data))

    def _event(self, event: Body) -> bytes:
        match event.get("type"):
            case "message_start":
                message = event.get("message") or {}
                self._head |= {"id": message.get("id"), "model": message.get("model")}
                self._usage = dict(message.get("usage") or {})
                return self._chunk({"role": "assistant", "content": ""})
            case "content_block_start":
                return self._start(event.get("content_block") or {})
            case "content_block_delta":
                return self._delta(event.get("delta") or {})
            case "message_delta":
                self._usage |= {name: count for name, count in (event.get("usage") or {}).items() if count is not None}
                reason = (event.get("delta") or {}).get("stop_reason")
                return self._chunk({}, _FINISH.get(str(reason), "stop")) if reason else b""
            case "message_stop":
                last = {**self._head, "choices": [], "usage": usage_in_chat(self._usage)}
                return unnamed(last) + b"data: [DONE]\n\n"
            case "error":
                return unnamed({"error": event.get("error")})
        return b""

    def _chunk(self, delta: Body, reason: str | None = None) -> bytes:
        return unnamed({**self._head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})

    def _start(self, block: Body) -> bytes:
        if block.get("type") != "tool_use":
            return b""
        self._calls += 1
        function = {"name": block.get("name"), "arguments": ""}
        call = {"index": self._calls, "id": block.get("id"), "type": "function", "function": function}
        return self._chunk({"tool_calls": [call]})

    def _delta(self, delta: Body) -> bytes:
        match delta.get("type"):
            case "text_delta":
                return self._chunk({"content": delta.get("text")})
            case "thinking_delta":
                return self._chunk({"reasoning_content": delta.get("thinking")})
            case "input_json_delta":
                return self._chunk(
                    {"tool_calls": [{"index": self._calls, "function": {"arguments": delta.get("partial_json")}}]}
                )
        return b""
