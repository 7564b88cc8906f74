"""What does a chat completion answer, as an answer of OpenAI's Responses API? Whole, or event by event.

Source: OpenAI API reference, the response object and its streaming events, 2026-11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litemaas.gateway.providers.events import named, object_in
from litemaas.gateway.providers.reading import Body

if TYPE_CHECKING:
    from litemaas.core.usage import Usage

_ECHOED: Body = {
    "instructions": None, "max_output_tokens": None, "metadata": {}, "parallel_tool_calls": True, "reasoning": None,
    "temperature": 1.0, "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_p": 1.0,
    "truncation": "disabled", "user": None,
}  # fmt: skip
"""Members of a request that its answer repeats, with what they are where the request leaves them out."""
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def usage_in_responses(usage: Usage) -> Body:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }


class ResponseShape:
    """What stays the same of one response: its name, its model and what it repeats of the request."""

    def __init__(self, identity: str, model: str, created_at: int, asked: Body) -> None:
        self.identity = identity
        self._fixed: Body = {
            "id": f"resp_{identity}", "object": "response", "created_at": created_at, "background": False, "error": None,
            "model": model, "previous_response_id": None, "store": False,
            **{name: default if asked.get(name) is None else asked[name] for name, default in _ECHOED.items()},
        }  # fmt: skip

    def response(self, output: list[Body], finish_reason: str | None, usage: Usage | None) -> Body:
        """The response object; without ``usage`` it is in progress."""
        why = _INCOMPLETE.get(finish_reason or "")
        status = "in_progress" if usage is None else "incomplete" if why else "completed"
        return {
            **self._fixed, "status": status, "incomplete_details": {"reason": why} if why and usage is not None else None,
            "output": output, "usage": None if usage is None else usage_in_responses(usage),
        }  # fmt: skip

    def message(self, index: int, parts: list[Body], status: str) -> Body:
        return {"id": f"msg_{self.identity}_{index}", "type": "message", "role": "assistant", "status": status,
                "content": parts}  # fmt: skip

    def reasoning(self, index: int, thought: str, status: str) -> Body:
        content = [{"type": "reasoning_text", "text": thought}] if thought else []
        return {
            "id": f"rs_{self.identity}_{index}",
            "type": "reasoning",
            "status": status,
            "summary": [],
            "content": content,
        }

    def function_call(self, index: int, call: Body, arguments: str, status: str) -> Body:
        function = call.get("function") or {}
        return {
            "id": f"fc_{self.identity}_{index}", "type": "function_call", "status": status,
            "call_id": call.get("id") or f"call_{self.identity}_{index}", "name": function.get("name") or "",
            "arguments": arguments,
        }  # fmt: skip


def text_part(said: str) -> Body:
    return {"type": "output_text", "text": said, "annotations": [], "logprobs": []}


def response_of_chat(chat: Body, shape: ResponseShape, usage: Usage) -> Body:
    """A whole answer."""
    choice: Body = next(iter(chat.get("choices") or []), {})
    message: Body = choice.get("message") or {}
    reason = choice.get("finish_reason")
    status = "incomplete" if reason in _INCOMPLETE else "completed"
    output: list[Body] = []
    thought = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(thought, str) and thought:
        output.append(shape.reasoning(len(output), thought, "completed"))
    said, refused = message.get("content"), message.get("refusal")
    parts: list[Body] = [text_part(said)] if isinstance(said, str) and said else []
    if isinstance(refused, str) and refused:
        parts.append({"type": "refusal", "refusal": refused})
    calls = message.get("tool_calls") or []
    if parts or not calls:
        output.append(shape.message(len(output), parts, status))
    for call in calls:
        arguments = (call.get("function") or {}).get("arguments") or "{}"
        output.append(shape.function_call(len(output), call, arguments, status))
    return shape.response(output, reason, usage)


class ResponseEvents:
    """Turns the events of a chat completion into those of a response; items follow one another and never overlap."""

    def __init__(self, shape: ResponseShape) -> None:
        self._shape = shape
        self._output: list[Body] = []
        self._number = 0
        self._begun = False
        self._open: tuple[str, int] | None = None
        """Kind of the open item, and which of the tool calls it is."""
        self._call: Body = {}
        self._pieces: list[str] = []
        self._reason: str | None = None

    def feed(self, events: bytes) -> bytes:
        """``events``: whole ones."""
        shown: list[bytes] = []
        self._begin(shown)
        for event in events.split(b"\n\n"):
            chunk = object_in(event) if event else None
            for choice in (chunk or {}).get("choices") or []:
                if choice.get("index", 0) == 0:
                    self._choice(choice, shown)
        return b"".join(shown)

    def finish(self, usage: Usage) -> bytes:
        """What stands after the last chunk, with what was counted."""
        shown: list[bytes] = []
        self._begin(shown)
        self._close(shown)
        kind = "response.incomplete" if self._reason in _INCOMPLETE else "response.completed"
        self._say(shown, kind, response=self._shape.response(self._output, self._reason, usage))
        return b"".join(shown)

    def _say(self, shown: list[bytes], kind: str, **members: Any) -> None:
        shown.append(named({"type": kind, "sequence_number": self._number, **members}))
        self._number += 1

    def _begin(self, shown: list[bytes]) -> None:
        if not self._begun:
            self._begun = True
            for kind in ("response.created", "response.in_progress"):
                self._say(shown, kind, response=self._shape.response([], None, None))

    def _choice(self, choice: Body, shown: list[bytes]) -> None:
        delta: Body = choice.get("delta") or {}
        for kind, said in (
            ("reasoning", delta.get("reasoning_content") or delta.get("reasoning")),
            ("message", delta.get("content")),
            ("refusal", delta.get("refusal")),
        ):
            if isinstance(said, str) and said:
                self._item(kind, 0, {}, shown)
                self._piece(kind, said, shown)
        for call in delta.get("tool_calls") or []:
            arguments = (call.get("function") or {}).get("arguments")
            self._item("function_call", call.get("index") or 0, call, shown)
            if isinstance(arguments, str) and arguments:
                self._piece("function_call", arguments, shown)
        if choice.get("finish_reason") is not None:
            self._reason = choice["finish_reason"]

    def _piece(self, kind: str, said: str, shown: list[bytes]) -> None:
        self._pieces.append(said)
        more: Body = {"logprobs": []} if kind == "message" else {}
        self._say(shown, f"{_WORDS[kind]}.delta", **self._where(kind), delta=said, **more)

    def _where(self, kind: str) -> Body:
        where: Body = {"item_id": self._now("in_progress")["id"], "output_index": len(self._output)}
        return where if kind == "function_call" else {**where, "content_index": 0}

    def _now(self, status: str) -> Body:
        """The open item as far as it has come."""
        kind = self._open[0] if self._open is not None else ""
        index, whole = len(self._output), "".join(self._pieces)
        if kind == "function_call":
            return self._shape.function_call(
                index, self._call, whole or ("{}" if status != "in_progress" else ""), status
            )
        if kind == "reasoning":
            return self._shape.reasoning(index, whole, status)
        return self._shape.message(index, [_part(kind, whole)] if status != "in_progress" else [], status)

    def _item(self, kind: str, which: int, call: Body, shown: list[bytes]) -> None:
        """Begins an item unless that one is open."""
        if self._open == (kind, which):
            return
        self._close(shown)
        self._open, self._call, self._pieces = (kind, which), call, []
        self._say(shown, "response.output_item.added", output_index=len(self._output), item=self._now("in_progress"))
        if kind != "function_call":
            self._say(shown, "response.content_part.added", **self._where(kind), part=_part(kind, ""))

    def _close(self, shown: list[bytes]) -> None:
        if self._open is None:
            return
        kind, whole = self._open[0], "".join(self._pieces)
        where = self._where(kind)
        if kind == "function_call":
            name = self._now("completed")["name"]
            self._say(shown, f"{_WORDS[kind]}.done", **where, name=name, arguments=whole or "{}")
        else:
            done = {"refusal": whole} if kind == "refusal" else {"text": whole}
            more: Body = {"logprobs": []} if kind == "message" else {}
            self._say(shown, f"{_WORDS[kind]}.done", **where, **done, **more)
            self._say(shown, "response.content_part.done", **where, part=_part(kind, whole))
        item = self._now("incomplete" if self._reason in _INCOMPLETE and kind != "reasoning" else "completed")
        self._say(shown, "response.output_item.done", output_index=len(self._output), item=item)
        self._open = None
        self._output.append(item)


_WORDS = {
    "message": "response.output_text", "refusal": "response.refusal", "reasoning": "response.reasoning_text",
    "function_call": "response.function_call_arguments",
}  # fmt: skip


def _part(kind: str, said: str) -> Body:
    if kind == "refusal":
        return {"type": "refusal", "refusal": said}
    if kind == "reasoning":
        return {"type": "reasoning_text", "text": said}
    return text_part(said)
