"""What does a chat completion answer, as an answer of Anthropic's Messages API? Whole, or event by event.

Source: Anthropic API reference, Messages and Streaming Messages, 2026-11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from litemaas.gateway.bodies import NOT_JSON
from litemaas.gateway.providers.events import named, object_in
from litemaas.gateway.providers.reading import Body

if TYPE_CHECKING:
    from litemaas.core.usage import Usage

_STOP = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "function_call": "tool_use",
         "content_filter": "refusal"}  # fmt: skip


def usage_in_messages(usage: Usage) -> Body:
    """Tokens that were read from or written to a cache stand beside ``input_tokens``, not within."""
    return {
        "input_tokens": usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
    }


def message_of_chat(chat: Body, identity: str, model: str, usage: Usage) -> Body:
    """A whole answer."""
    choice: Body = next(iter(chat.get("choices") or []), {})
    message: Body = choice.get("message") or {}
    content: list[Body] = []
    thought = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(thought, str) and thought:
        content.append({"type": "thinking", "thinking": thought, "signature": ""})
    said = message.get("content") or message.get("refusal")
    if isinstance(said, str) and said:
        content.append({"type": "text", "text": said})
    for call in message.get("tool_calls") or []:
        function = call.get("function") or {}
        content.append({
            "type": "tool_use", "id": call.get("id") or f"toolu_{identity}", "name": function.get("name") or "",
            "input": _arguments(function.get("arguments")),
        })  # fmt: skip
    reason, sequence = _why_stopped(choice)
    return {
        **_head(identity, model), "content": content, "stop_reason": reason, "stop_sequence": sequence,
        "usage": {**usage_in_messages(usage), "total_tokens": usage.total_tokens},
    }  # fmt: skip


def _head(identity: str, model: str) -> Body:
    return {"id": f"msg_{identity}", "type": "message", "role": "assistant", "model": model}


def _arguments(written: Any) -> Any:
    try:
        return msgspec.json.decode(written or "{}")
    except (*NOT_JSON, TypeError):
        return {}


def _why_stopped(choice: Body) -> tuple[str, str | None]:
    matched = choice.get("stop_reason")  # vLLM's own member: the text that ended the answer
    if choice.get("finish_reason") == "stop" and isinstance(matched, str):
        return "stop_sequence", matched
    return _STOP.get(str(choice.get("finish_reason")), "end_turn"), None


class MessageEvents:
    """Turns the events of a chat completion into those of a message; blocks follow one another and never overlap."""

    def __init__(self, identity: str, model: str, input_tokens: int) -> None:
        self._head = _head(identity, model)
        self._input_tokens = input_tokens
        self._identity = identity
        self._begun = False
        self._open: tuple[str, int] | None = None
        """Kind of the open block, and which of the tool calls it is."""
        self._index = -1
        self._reason = "end_turn"
        self._sequence: str | None = None

    def feed(self, events: bytes) -> bytes:
        """``events``: whole ones."""
        shown = [self._begin()]
        for event in events.split(b"\n\n"):
            chunk = object_in(event) if event else None
            for choice in (chunk or {}).get("choices") or []:
                if choice.get("index", 0) == 0:
                    self._choice(choice, shown)
        return b"".join(shown)

    def finish(self, usage: Usage) -> bytes:
        """What stands after the last chunk, with what was counted."""
        shown = [self._begin(), self._close()]
        delta = {"stop_reason": self._reason, "stop_sequence": self._sequence}
        shown.append(named({"type": "message_delta", "delta": delta, "usage": usage_in_messages(usage)}))
        shown.append(named({"type": "message_stop"}))
        return b"".join(shown)

    def _begin(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        usage = {"input_tokens": self._input_tokens, "output_tokens": 0}
        message = {**self._head, "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
        return named({"type": "message_start", "message": message})

    def _choice(self, choice: Body, shown: list[bytes]) -> None:
        delta: Body = choice.get("delta") or {}
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(thought, str) and thought:
            shown.append(self._block("thinking", 0, {"type": "thinking", "thinking": "", "signature": ""}))
            shown.append(self._delta({"type": "thinking_delta", "thinking": thought}))
        said = delta.get("content") or delta.get("refusal")
        if isinstance(said, str) and said:
            shown.append(self._block("text", 0, {"type": "text", "text": ""}))
            shown.append(self._delta({"type": "text_delta", "text": said}))
        for call in delta.get("tool_calls") or []:
            self._tool_call(call, shown)
        if choice.get("finish_reason") is not None:
            self._reason, self._sequence = _why_stopped(choice)

    def _tool_call(self, call: Body, shown: list[bytes]) -> None:
        which = call.get("index") or 0
        function = call.get("function") or {}
        block: Body = {"type": "tool_use", "id": call.get("id") or f"toolu_{self._identity}_{which}",
                 "name": function.get("name") or "", "input": {}}  # fmt: skip
        shown.append(self._block("tool_use", which, block))
        if function.get("arguments"):
            shown.append(self._delta({"type": "input_json_delta", "partial_json": function["arguments"]}))

    def _block(self, kind: str, which: int, block: Body) -> bytes:
        """Begins a block unless that one is open."""
        if self._open == (kind, which):
            return b""
        closed = self._close()
        self._open = kind, which
        self._index += 1
        return closed + named({"type": "content_block_start", "index": self._index, "content_block": block})

    def _delta(self, delta: Body) -> bytes:
        return named({"type": "content_block_delta", "index": self._index, "delta": delta})

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        self._open = None
        return named({"type": "content_block_stop", "index": self._index})
