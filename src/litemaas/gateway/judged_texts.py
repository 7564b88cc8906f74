"""Where in a body do the texts stand that a service judges, and how does another text get into a place?

A text may be in pieces, as streams bring it: it is judged whole; what replaces it stands in the first piece's place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from litemaas.gateway.bodies import NOT_JSON, Members, encode, value_of
from litemaas.gateway.sse import read_event

Spot = tuple[Any, Any]
"""An object or list, and the member or place in it where a text stands."""
NO_TEXT = frozenset({
    "model", "stream", "stream_options", "id", "object", "role", "type", "finish_reason", "system_fingerprint", "b64_json",
    "embedding", "url", "tool_call_id", "call_id", "item_id", "response_id", "usage", "created", "encoding_format",
})  # fmt: skip
"""Members whose values are no texts of people or models."""
GATEWAYS_OWN = frozenset({"metadata", "litellm_metadata", "tags", "guardrails", "fallbacks", "user", "cache"})
STREAMED = ("reasoning_content", "reasoning", "content", "refusal", "text")
"""Members of a chat completion's events in which texts come in pieces."""
_NOT_JUDGED = NO_TEXT | {
    "name", "status", "logprobs", "service_tier", "signature", "obfuscation", "stop_reason", "stop_sequence",
    "reasoning_effort", "verbosity", "tool_choice", "modalities", "voice", "format", "response_format", "truncation", "detail",
    "required", "enum",
}  # fmt: skip
"""Words of the API itself besides: a service would mask what looks like a name, and the call would break."""
_IN_TOKENS = ("prompt", "input")
"""Members that may be lists of ids of tokens."""
_MEDIA = re.compile(r"data:[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+(?:;[A-Za-z0-9=._-]+)*;base64,[A-Za-z0-9+/=_\s-]*")


def is_media(text: str) -> bool:
    """An image or a sound, as an address that holds it."""
    return text.startswith("data:") and _MEDIA.fullmatch(text) is not None


class Texts:
    """The texts of one body, in their order."""

    __slots__ = ("_places",)

    def __init__(self) -> None:
        self._places: list[list[Spot]] = []

    def add(self, value: Any, but: frozenset[tuple[int, Any]] = frozenset()) -> None:
        """All texts within ``value``, except those at these places, named by the holder's ``id``."""
        self._places += [[spot] for spot in _spots(value) if (id(spot[0]), spot[1]) not in but]

    def add_pieces(self, spots: list[Spot]) -> None:
        """One text that comes in pieces."""
        self._places.append(spots)

    def listed(self) -> list[str]:
        """Each text once."""
        return list(dict.fromkeys(text for spots in self._places if (text := _joined(spots))))

    def replace(self, others: Mapping[str, str]) -> None:
        for spots in self._places:
            other = others.get(_joined(spots))
            if other is not None:
                for place, (holder, member) in enumerate(spots):
                    holder[member] = "" if place else other


class AskedTexts:
    """The texts of a request, by the members of its body. ``has_token_ids``: some are given as numbers."""

    __slots__ = ("_holders", "_members", "has_token_ids", "texts")

    def __init__(self, members: Members) -> None:
        self._members = members
        self._holders: dict[str, list[Any]] = {}
        self.texts = Texts()
        for name in members:
            if name not in GATEWAYS_OWN and name not in _NOT_JUDGED:
                holder = self._holders[name] = [value_of(members, name)]
                self.texts.add(holder)
        self.has_token_ids = any(_holds_numbers(self._holders[name][0]) for name in _IN_TOKENS if name in self._holders)

    def changed(self, others: Mapping[str, str]) -> Members:
        """The members with other texts; those without any stay as they came."""
        before = {name: encode(holder[0]) for name, holder in self._holders.items()}
        self.texts.replace(others)
        after = {name: encode(holder[0]) for name, holder in self._holders.items()}
        return {
            name: after[name] if before.get(name) != after.get(name) else raw for name, raw in self._members.items()
        }


class AnswerTexts:
    """The texts of a whole answer, which is JSON or nothing but a text."""

    __slots__ = ("_holder", "_is_text", "texts")

    def __init__(self, body: bytes, content_type: bytes) -> None:
        self.texts = Texts()
        self._is_text = False
        self._holder: list[Any] = []
        try:
            self._holder.append(msgspec.json.decode(body))
        except NOT_JSON:
            if content_type.startswith(b"text/"):
                self._is_text = True
                self._holder.append(body.decode("utf-8", "replace"))
        self.texts.add(self._holder)

    def changed(self, others: Mapping[str, str]) -> bytes:
        self.texts.replace(others)
        if self._is_text:
            return str(self._holder[0]).encode()
        _forget_odds(self._holder[0])
        return encode(self._holder[0])


class StreamTexts:
    """The texts of a whole stream of events: of chat completions, Anthropic's messages or OpenAI's responses."""

    __slots__ = ("_events", "_pieces", "texts")

    def __init__(self, events: bytes) -> None:
        self._events: list[tuple[bytes, Any]] = []
        self._pieces: dict[tuple[Any, ...], list[Spot]] = {}
        self.texts = Texts()
        for event in events.split(b"\n\n"):
            if event:
                self._events.append(read_event(event))
        for _, chunk in self._events:
            if isinstance(chunk, dict):
                for part, holder, member in _pieces_of(chunk):
                    self._pieces.setdefault(part, []).append((holder, member))
        for spots in self._pieces.values():
            self.texts.add_pieces(spots)
        known = frozenset((id(holder), member) for spots in self._pieces.values() for holder, member in spots)
        for _, chunk in self._events:
            self.texts.add(chunk, known)

    def changed(self, others: Mapping[str, str]) -> bytes:
        self.texts.replace(others)
        written = []
        for head, chunk in self._events:
            if isinstance(chunk, dict):
                _forget_odds(chunk)
                written.append(b"%bdata: %b\n\n" % (head, encode(chunk)))
            else:
                written.append(head + b"\n\n")
        return b"".join(written)


def piece_of(chunk: dict[str, Any], kind: str) -> tuple[str, dict[str, Any] | None, str]:
    """The part that an event of messages or responses brings a piece of, the object that holds it, and its member.

    None = it brings none.
    """
    delta = chunk.get("delta")
    if kind == "content_block_delta" and isinstance(delta, dict):
        for member in ("text", "thinking", "partial_json"):
            if isinstance(delta.get(member), str):
                return f"block {chunk.get('index')}", delta, member
    if kind.endswith(".delta") and isinstance(delta, str):
        return f"{kind[:-6]} {chunk.get('item_id')} {chunk.get('content_index')}", chunk, "delta"
    return "", None, ""


def _pieces_of(chunk: dict[str, Any]) -> Iterator[tuple[tuple[Any, ...], Any, str]]:
    choices = chunk.get("choices")
    if not isinstance(choices, list):
        kind = chunk.get("type")
        part, holder, member = piece_of(chunk, kind if isinstance(kind, str) else "")
        if holder is not None:
            yield (part,), holder, member
        return
    for choice in choices:
        if not isinstance(choice, dict):
            continue
        index, delta = choice.get("index"), choice.get("delta")
        texts = delta if isinstance(delta, dict) else choice
        for member in STREAMED:
            if isinstance(texts.get(member), str):
                yield (index, member), texts, member
        calls = texts.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict) and isinstance(function.get("arguments"), str):
                yield (index, "tool", call.get("index")), function, "arguments"


def _spots(value: Any) -> Iterator[Spot]:
    if isinstance(value, list):
        for place, part in enumerate(value):
            if isinstance(part, str):
                if not is_media(part):
                    yield value, place
            elif isinstance(part, list | dict):
                yield from _spots(part)
    elif isinstance(value, dict):
        for name, part in value.items():
            if name in _NOT_JUDGED:
                continue
            if isinstance(part, str):
                if not is_media(part):
                    yield value, name
            elif isinstance(part, list | dict):
                yield from _spots(part)


def _holds_numbers(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(one, int) or _holds_numbers(one) for one in value)


def _joined(spots: list[Spot]) -> str:
    return "".join(holder[member] for holder, member in spots)


def _forget_odds(value: Any) -> None:
    """The odds of single tokens would tell the text that was taken out."""
    if isinstance(value, dict):
        if value.get("logprobs"):
            value["logprobs"] = None
        for part in value.values():
            _forget_odds(part)
    elif isinstance(value, list):
        for part in value:
            _forget_odds(part)
