"""How are server-sent events read into JSON objects, and written? For formats whose events have names."""

from __future__ import annotations

from typing import Any

import msgspec

from litemaas.gateway.bodies import NOT_JSON, encode
from litemaas.gateway.sse import StreamGarbled

_MAX_EVENT = 16 * 1024 * 1024
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class EventReader:
    """Splits bytes into the JSON objects of their events, however they are cut."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Errors: StreamGarbled."""
        data = (self._tail + data).replace(b"\r\n", b"\n")
        *whole, self._tail = data.split(b"\n\n")
        if len(self._tail) > _MAX_EVENT:
            raise StreamGarbled("an event of the model server's answer does not end")
        return [event for text in whole if (event := object_in(text)) is not None]


def object_in(event: bytes) -> dict[str, Any] | None:
    """The JSON object of one event; None for comments, ``[DONE]`` and the like."""
    lines = [line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:")]
    data = b"\n".join(lines)
    if not data.startswith(b"{"):
        return None
    try:
        return _decode(data)
    except NOT_JSON:
        raise StreamGarbled("an event of the model server's answer is not the JSON that was expected") from None


def named(body: dict[str, Any]) -> bytes:
    """An event whose name is its ``type``."""
    return b"event: %b\ndata: %b\n\n" % (str(body["type"]).encode(), encode(body))


def unnamed(body: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % encode(body)
