"""Which answer does a prompt get: prose, JSON or a tool call, how long, and why does it end?"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import Any

import orjson
from msgspec import Struct

from litemaas.sim.prose import Piece, Prose, content_piece, content_pieces, escape
from litemaas.sim.schema_example import example_of
from litemaas.sim.tokens import content_text, count_tokens, split_tokens
from litemaas.sim.vllm.requests import ChatRequest, Sampling

_REASONING_TOKENS = {"none": 0, "low": 8, "medium": 16, "high": 32}
_PLACE = re.compile(r"\b(?:in|at|for|of) ([A-Z]\w+)")


class ToolCall(Struct):
    """A call of a function that the client offered."""

    id: str
    name: str
    arguments: str
    named: bool  # tool_choice named it; vLLM then ends with "stop"


class Generation(Struct):
    """One choice of an answer: its pieces in the order of their making, and how it ends."""

    pieces: list[Piece]
    finish_reason: str
    stop_reason: str | None = None
    reasoning_pieces: int = 0  # so many pieces at the beginning are reasoning
    call: ToolCall | None = None

    @property
    def tokens(self) -> int:
        return sum(piece.tokens for piece in self.pieces)

    @property
    def reasoning_tokens(self) -> int:
        return sum(piece.tokens for piece in self.pieces[: self.reasoning_pieces])

    @property
    def reasoning_text(self) -> str:
        return "".join(piece.text for piece in self.pieces[: self.reasoning_pieces])

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces[self.reasoning_pieces :])

    @property
    def ends_with_own_event(self) -> bool:
        """The end-of-text token comes as an event without text; other ends come with the last token."""
        return not self.pieces or self.finish_reason == "tool_calls" or (
            self.finish_reason == "stop" and self.stop_reason is None
        )  # fmt: skip


class Generator:
    """Makes the answers of the chat server."""

    def __init__(self, prose: Prose, next_id: Callable[[], str]) -> None:
        self._prose = prose
        self._next_id = next_id

    def generate(
        self, request: Sampling, prompt: str, limit: int, choice: int, natural: int | None, reasoning: int
    ) -> Generation:
        """The answer to a prompt, at most ``limit`` tokens long; the same for the same prompt, seed and choice."""
        seed = (zlib.crc32(prompt.encode()) ^ (request.seed or 0) * 2_654_435_761 ^ choice * 40_503) & 0x7FFFFFFF
        chat = request if isinstance(request, ChatRequest) else None
        thought = _REASONING_TOKENS.get(request.reasoning_effort or "", reasoning) if chat else 0
        before = [_reasoning_piece(piece) for piece in self._prose.write(seed + 1, thought)] if thought else []
        call = self._choose_call(chat) if chat else None
        if call is not None:
            generation = Generation(before + _call_pieces(call), "stop" if call.named else "tool_calls", call=call)
        elif (text := _structured(request, seed, self._prose)) is not None:
            generation = Generation(before + content_pieces(text), "stop")
        else:
            exactly = max(0, limit - thought) if request.ignore_eos else natural
            generation = Generation(before + self._prose.write(seed, exactly, request.min_tokens), "stop")
        generation.reasoning_pieces = len(before)
        _cut(generation, limit, request.ignore_eos)
        if request.stop and call is None:
            _stop_at(generation, request)
        return generation

    def _choose_call(self, request: ChatRequest) -> ToolCall | None:
        tools = [tool.get("function") or {} for tool in request.tools or ()]
        if not tools or request.tool_choice == "none":
            return None
        last = request.messages[-1] if request.messages else {}
        said = content_text(last.get("content"))
        if isinstance(request.tool_choice, dict):
            wanted = (request.tool_choice.get("function") or {}).get("name")
            chosen = next((tool for tool in tools if tool.get("name") == wanted), None)
        elif request.tool_choice == "required":
            chosen = next((tool for tool in tools if _is_about(tool, said)), tools[0])
        elif last.get("role") == "tool":
            chosen = None
        else:
            chosen = next((tool for tool in tools if _is_about(tool, said)), None)
        if chosen is None:
            return None
        place = _PLACE.search(said)
        arguments = example_of(chosen.get("parameters") or {"type": "object"}, place[1] if place else "example")
        identity = f"chatcmpl-tool-{self._next_id()}"
        named = isinstance(request.tool_choice, dict)
        return ToolCall(identity, str(chosen.get("name", "")), orjson.dumps(arguments).decode(), named)


def _is_about(tool: dict[str, Any], said: str) -> bool:
    """Does the text hold a word of the tool's name, such as the weather of ``get_weather``?"""
    words = re.split(r"[^a-z]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", str(tool.get("name", ""))).lower())
    text = said.lower()
    return any(len(word) >= 4 and word in text for word in words)


def _structured(request: Sampling, seed: int, prose: Prose) -> str | None:
    """The JSON text that ``response_format`` asks for, if it does."""
    wanted = request.response_format or {}
    if wanted.get("type") == "json_object":
        return orjson.dumps({"answer": prose.paragraph(seed, 1), "simulated": True}).decode()
    if wanted.get("type") == "json_schema":
        schema = (wanted.get("json_schema") or {}).get("schema") or {}
        return orjson.dumps(example_of(schema, prose.paragraph(seed, 1))).decode()
    return None


def _reasoning_piece(piece: Piece) -> Piece:
    return piece._replace(delta=b'{"reasoning_content":"%s"}' % piece.escaped)


def _call_pieces(call: ToolCall) -> list[Piece]:
    opening = {"id": call.id, "type": "function", "index": 0, "function": {"name": call.name, "arguments": ""}}
    delta = orjson.dumps({"tool_calls": [opening]})
    pieces = [Piece(delta, b"", "", max(1, count_tokens(call.name)))]
    for token in split_tokens(call.arguments):
        escaped = escape(token)
        delta = b'{"tool_calls":[{"index":0,"function":{"arguments":"%s"}}]}' % escaped
        pieces.append(Piece(delta, escaped, token, 1))
    return pieces


def _stop_at(generation: Generation, request: Sampling) -> None:
    """Ends the text at the first stop string; the tokens that made the string were generated and count."""
    stops = [request.stop] if isinstance(request.stop, str) else request.stop or []
    text = generation.text
    found = min(((text.find(stop), stop) for stop in stops if stop and stop in text), default=None)
    if found is None:
        return
    position, stop = found
    end = position + len(stop)
    shown = end if request.include_stop_str_in_output else position
    kept = generation.pieces[: generation.reasoning_pieces]
    at = tail_tokens = 0
    tail = ""
    for piece in generation.pieces[generation.reasoning_pieces :]:
        if at >= end:
            break
        if at + len(piece.text) <= shown:
            kept.append(piece)
        else:
            tail += piece.text[: max(0, shown - at)]
            tail_tokens += piece.tokens
        at += len(piece.text)
    if tail_tokens:
        kept.append(content_piece(tail, tail_tokens))
    generation.pieces = kept
    generation.finish_reason, generation.stop_reason = "stop", stop


def _cut(generation: Generation, limit: int, ignore_eos: bool) -> None:
    """Ends the answer when so many tokens are made; a piece of several tokens is kept, but counts only what fits."""
    made = 0
    for position, piece in enumerate(generation.pieces):
        room = limit - made
        if piece.tokens > room:
            kept = [piece._replace(tokens=room)] if room else []
            generation.pieces = generation.pieces[:position] + kept
            generation.finish_reason = "length"
            generation.reasoning_pieces = min(generation.reasoning_pieces, position)
            return
        made += piece.tokens
    if ignore_eos and made == limit:
        generation.finish_reason = "length"
