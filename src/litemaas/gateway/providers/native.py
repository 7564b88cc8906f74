"""What is read of a stream that goes through in its own format? Its usage, its end, and the names in it.

The last event is kept back until the call is settled. Sources: OpenAI API reference, Responses streaming events; Anthropic API
reference, Streaming Messages; both 2026-11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litemaas.core.engine_usage import CompletionTokensDetails, EngineUsage, PromptTokensDetails
from litemaas.gateway.providers.events import named, object_in
from litemaas.gateway.sse import EventScanner

if TYPE_CHECKING:
    from litemaas.gateway.response_ids import ClientIds

_LAST = frozenset({"message_stop", "response.completed", "response.incomplete"})
_CONTENT = frozenset({"content_block_delta", "response.output_text.delta", "response.function_call_arguments.delta",
                      "response.reasoning_text.delta", "response.reasoning_summary_text.delta"})  # fmt: skip


class NativeScanner(EventScanner):
    """Of either format: the names of their events do not clash. ``model``: the name that the client sent.

    ``ids``: how it is told the ids of answers, None = as they are.
    """

    __slots__ = ("_counts", "_ended", "_ids", "_model", "ending")

    def __init__(self, model: str, ids: ClientIds | None = None) -> None:
        super().__init__(strip_usage=False, drop_usage_chunk=False, rename=None)
        self._ids = ids
        self._model = model
        self._counts: dict[str, Any] = {}
        self._ended = False
        self.ending = b""

    @property
    def is_finished(self) -> bool:
        return self.error is None and self._ended

    def _event(self, event: bytes) -> bytes:
        body = object_in(event.strip(b"\n"))
        if body is None:
            return event.strip(b"\n") if event.lstrip(b"\n").startswith(b":") else b""
        kind = str(body.get("type"))
        if kind in _CONTENT:
            self.chunks += 1
            return event.strip(b"\n")
        if kind in ("error", "response.failed"):
            self.error = _words_of(body)
            return b""
        holder = body.get("message") if kind == "message_start" else body.get("response")
        if isinstance(holder, dict):
            if self.engine_id is None:
                self.engine_id = str(holder.get("id") or "")
            self._count(holder.get("usage"))
            if "model" in holder:
                holder["model"] = self._model
            if self._ids is not None:
                holder.update(self._ids.renamed(holder))
            event = named(body)[:-2]
        elif kind == "message_delta":
            self._count(body.get("usage"))
        event = event.strip(b"\n")
        if kind in _LAST:
            self._ended = True
            self.ending = event + b"\n\n"
            return b""
        return event

    def _count(self, usage: Any) -> None:
        """What is reported later replaces what was said before, member by member."""
        if isinstance(usage, dict):
            self._counts.update({name: count for name, count in usage.items() if count is not None})
            self.usage = native_usage(self._counts)


def native_usage(usage: dict[str, Any]) -> EngineUsage:
    """Usage in either format's words. Of a message, what a cache holds stands beside the input; of a response, within it."""
    prompt, completion = _whole(usage, "input_tokens"), _whole(usage, "output_tokens")
    read, written = _whole(usage, "cache_read_input_tokens"), _whole(usage, "cache_creation_input_tokens")
    prompt += read + written
    cached = read + _whole(usage.get("input_tokens_details"), "cached_tokens")
    # Of a transcription the details stand under another name (OpenAI API reference, transcription object, 2026-11).
    heard = max(_whole(usage.get(name), "audio_tokens") for name in ("input_tokens_details", "input_token_details"))
    spoken = _whole(usage.get("output_tokens_details"), "audio_tokens")
    reasoning = _whole(usage.get("output_tokens_details"), "reasoning_tokens")
    return EngineUsage(
        prompt_tokens=prompt, completion_tokens=completion,
        prompt_tokens_details=PromptTokensDetails(cached, written, heard),
        completion_tokens_details=CompletionTokensDetails(reasoning, spoken),
    )  # fmt: skip


def _whole(counts: Any, name: str) -> int:
    value = counts.get(name) if isinstance(counts, dict) else None
    return value if isinstance(value, int) and value > 0 else 0


def _words_of(body: dict[str, Any]) -> str:
    response = body.get("response")
    error = response.get("error") if isinstance(response, dict) else body.get("error")
    words = error.get("message") if isinstance(error, dict) else body.get("message")
    return str(words or "it gave no reason")
