"""What is in a stream of events, and what of it may the client see? Scanned as bytes; parsed only where something must change.

Why scanning is exact: within a JSON text a quote inside a string is always escaped, so ``,"usage":`` can only be a member's
name. Whether that member belongs to the event itself is proven by what follows it: one JSON value and one closing brace.
Whatever the scan cannot prove goes to the parser.
"""

from __future__ import annotations

from typing import Any

import msgspec

from litemaas.core.engine_usage import EngineUsage
from litemaas.gateway.bodies import NOT_JSON, encode, render
from litemaas.gateway.replies import Identified

DONE = b"data: [DONE]\n\n"
_usage = msgspec.json.Decoder(EngineUsage | None)
_members: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, msgspec.Raw])
_MAX_EVENT = 16 * 1024 * 1024


class StreamGarbled(Exception):
    """These are not the events of a model server; the message says why."""


def read_event(event: bytes) -> tuple[bytes, Any]:
    """What stands before an event's JSON, and that; an event without any as it is, with None."""
    head, body = b"", event
    if not event.startswith(b"data:"):
        head, found, body = event.partition(b"\ndata:")
        head, body = head + found[:1], b"data:" + body
    body = body[5:].lstrip(b" ")
    if not body.startswith(b"{"):
        return event, None
    try:
        return head, msgspec.json.decode(body)
    except NOT_JSON:
        return event, None


class EventScanner:
    """Reads an upstream's events and renders the client's.

    ``strip_usage``: members that were only sent because we asked for them are taken out of the chunks. ``drop_usage_chunk``:
    the chunk that carries nothing else is left out. ``rename``: (engine's name, name the client sent) where they differ.

    Afterwards: ``usage`` is the last that was reported, ``chunks`` counts chunks with content, ``done`` tells whether the
    engine said that it had finished, ``error`` holds an error event's text.
    """

    __slots__ = (
        "_drop", "_new_name", "_old_name", "_strip", "_tail", "_usage_chunk_seen", "chunks", "done", "engine_id", "error",
        "usage",
    )  # fmt: skip

    def __init__(self, *, strip_usage: bool, drop_usage_chunk: bool, rename: tuple[str, str] | None) -> None:
        self._strip = strip_usage
        self._drop = drop_usage_chunk
        self._old_name = b',"model":%b' % encode(rename[0]) if rename else None
        self._new_name = b',"model":%b' % encode(rename[1]) if rename else b""
        self._tail = b""
        self._usage_chunk_seen = False
        self.usage: EngineUsage | None = None
        self.chunks = 0
        self.done = False
        self.error: str | None = None
        self.engine_id: str | None = None

    def feed(self, data: bytes) -> bytes:
        """What the client gets for these bytes; an event is passed on once it is complete.

        Errors: StreamGarbled.
        """
        if self._tail:
            data = self._tail + data
        if data.find(b"\r") >= 0:  # not ``in``: that first tries whether the bytes are a number
            data = _plain_line_ends(data)
        end = data.rfind(b"\n\n") + 2
        if end == 1:
            if len(data) > _MAX_EVENT:
                raise StreamGarbled("an event of the model server's answer does not end")
            self._tail = data
            return b""
        self._tail = data[end:]
        events = [shown for event in data[: end - 2].split(b"\n\n") if (shown := self._event(event))]
        if not events:
            return b""
        events.append(b"")
        return b"\n\n".join(events)

    @property
    def is_finished(self) -> bool:
        """Whether the engine ended the stream itself: by ``[DONE]``, or by the usage chunk where it leaves ``[DONE]`` out."""
        return self.error is None and (self.done or self._usage_chunk_seen)

    def _event(self, event: bytes) -> bytes:
        event = event.strip(b"\n")
        if not event.startswith(b"data:"):
            head, found, rest = event.partition(b"\ndata:")
            if not found:
                return head
            shown = self._event(b"data:" + rest)  # comments and fields before the data pass as they are
            return head + b"\n" + shown if shown else head if head.startswith(b":") else b""
        start = 6 if event.startswith(b"data: ") else 5
        while event.startswith(b" ", start):
            start += 1
        if event.startswith(b"{", start):
            return self._chunk(event, start)
        if event[start:].strip() == b"[DONE]":
            self.done = True
            return b""
        return event

    def _chunk(self, event: bytes, start: int) -> bytes:
        if self.engine_id is None:
            self._first(event[start:])
        at = event.rfind(b',"usage":')
        if at >= 0:
            try:
                usage = _usage.decode(event[at + 9 : -1])
            except NOT_JSON:
                return self._parsed(event[start:])
            if event[-1:] != b"}":
                return self._parsed(event[start:])
            if usage is not None:
                self.usage = usage
                if event.find(b'"choices":[]') >= 0:
                    # Perhaps the event's own, perhaps deeper: the parser can tell, and there is one such chunk a stream.
                    return self._parsed(event[start:])
            if self._strip:
                event = event[:at] + b"}"
        elif event.find(b'"usage"') >= 0 or event.startswith(b'{"error"', start):
            return self._parsed(event[start:])
        self.chunks += 1
        return self._renamed(event, start)

    def _renamed(self, event: bytes, start: int) -> bytes:
        old = self._old_name
        if old is None:
            return event
        at = event.find(old)
        if at > 0 and event.count(b"{", start, at) == 1:
            return event[:at] + self._new_name + event[at + len(old) :]
        if event.find(b'"model"') < 0:
            return event
        try:
            members = _members.decode(event[start:])
        except NOT_JSON:
            return event
        if "model" in members:
            members["model"] = self._new_name[9:]
        return b"data: " + render(members)

    def _first(self, body: bytes) -> None:
        try:
            engine_id = msgspec.json.decode(body, type=Identified).id
        except NOT_JSON:
            raise StreamGarbled("the model server's answer does not begin with the JSON that was expected") from None
        self.engine_id = engine_id if isinstance(engine_id, str) else ""

    def _parsed(self, body: bytes) -> bytes:
        """The careful way, for events in which the scan could not tell what belongs to what."""
        try:
            members = _members.decode(body)
        except NOT_JSON:
            return b"data: " + body
        if "error" in members and "choices" not in members:
            self.error = bytes(members["error"]).decode("utf-8", "replace")
            return b""
        if "usage" in members:
            try:
                usage = _usage.decode(members["usage"])
            except NOT_JSON:
                usage = None
            self.usage = usage or self.usage
            if usage is not None and bytes(members.get("choices", b"")).replace(b" ", b"") == b"[]":
                self._usage_chunk_seen = True
                return b"" if self._drop else self._renamed(b"data: " + body, 6)
            if self._strip:
                del members["usage"]
                body = render(members)
        self.chunks += 1
        return self._renamed(b"data: " + body, 6)


def _plain_line_ends(data: bytes) -> bytes:
    """All carriage returns before a line feed go, so that it makes no difference where the input was split."""
    data = data.replace(b"\r\n", b"\n")
    if data.find(b"\r\n") < 0:
        return data
    *lines, rest = data.split(b"\n")
    return b"\n".join([*(line.rstrip(b"\r") for line in lines), rest])
