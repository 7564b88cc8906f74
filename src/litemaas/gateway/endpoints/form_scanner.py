"""What of a form has arrived? The same strict reading as in :mod:`~litemaas.gateway.endpoints.multipart`, piece by piece.

Whatever pieces a form comes in, it has the parts that it has as a whole, or is refused as it is as a whole; a property test
compares both.
"""

from __future__ import annotations

import re

from litemaas.core.errors import MalformedBody
from litemaas.gateway.endpoints.multipart import MAX_HEAD

_BEGINNING, _HEAD, _CONTENT, _CLOSED = range(4)


class Began:
    """A part begins. ``head``: its header lines."""

    __slots__ = ("head",)

    def __init__(self, head: bytes) -> None:
        self.head = head


class Ended:
    """The part that began last is complete."""

    __slots__ = ()


Event = Began | Ended | bytes
"""Bytes: of the content of the part that began last."""


class FormScanner:
    """Keeps no more than a header block or the length of a boundary."""

    __slots__ = ("_buffer", "_delimiter", "_first", "_max_parts", "_parts", "_stage")

    def __init__(self, boundary: bytes, max_parts: int) -> None:
        self._first = b"--" + boundary
        self._delimiter = re.compile(re.escape(b"\r\n" + self._first) + rb"(\r\n|--)")
        self._max_parts = max_parts
        self._parts = 0
        self._buffer = bytearray()
        self._stage = _BEGINNING

    def feed(self, data: bytes) -> list[Event]:
        """What these bytes complete, in order. Errors: MalformedBody."""
        self._buffer += data
        events: list[Event] = []
        while self._step(events):
            pass
        return events

    def finish(self) -> None:
        """Nothing will follow. Errors: MalformedBody when something is missing."""
        if self._stage == _BEGINNING:
            raise MalformedBody("the form does not begin with its boundary", "request_body")
        if self._stage == _HEAD:
            raise MalformedBody("a part of the form has no end to its header lines", "request_body")
        if self._stage == _CONTENT:
            raise MalformedBody("the form ends before its closing boundary", "request_body")
        if bytes(self._buffer) not in (b"", b"\r\n"):
            raise MalformedBody("something follows the form's closing boundary", "request_body")

    def _step(self, events: list[Event]) -> bool:
        """Whether there may be more in what has arrived."""
        buffer = self._buffer
        if self._stage == _BEGINNING:
            opening = self._first + b"\r\n"
            if not opening.startswith(bytes(buffer[: len(opening)])):
                raise MalformedBody("the form does not begin with its boundary", "request_body")
            if len(buffer) < len(opening):
                return False
            del buffer[: len(opening)]
            self._stage = _HEAD
        elif self._stage == _HEAD:
            end = buffer.find(b"\r\n\r\n", 0, MAX_HEAD)
            if end < 0:
                if len(buffer) >= MAX_HEAD:
                    raise MalformedBody("a part of the form has no end to its header lines", "request_body")
                return False
            if self._parts >= self._max_parts:
                raise MalformedBody(f"the form has more than {self._max_parts} parts", "request_body")
            self._parts += 1
            events.append(Began(bytes(buffer[: end + 2])))
            del buffer[: end + 4]
            self._stage = _CONTENT
        elif self._stage == _CONTENT:
            return self._content(events)
        elif len(buffer) > 2:
            raise MalformedBody("something follows the form's closing boundary", "request_body")
        else:
            return False
        return True

    def _content(self, events: list[Event]) -> bool:
        buffer = self._buffer
        found = self._delimiter.search(buffer)
        if found is None:
            settled = len(buffer) - len(self._first) - 3  # what follows may be the beginning of a delimiter
            if settled > 0:
                events.append(bytes(buffer[:settled]))
                del buffer[:settled]
            return False
        start, end, closing = found.start(), found.end(), found[1] == b"--"
        if start:
            events.append(bytes(buffer[:start]))
        del found  # it holds the buffer, which could not be shortened
        del buffer[:end]
        events.append(Ended())
        self._stage = _CLOSED if closing else _HEAD
        return True
