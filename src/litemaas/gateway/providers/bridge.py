"""What stands between an engine's events and the client's, where either speaks another format than chat completions?

    engine → arrive → scanner → guardrails → leave → client

An engine and a client that speak the same foreign format have a scanner of that format instead, and nothing is translated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litemaas.gateway.providers.reading import MISSHAPEN
from litemaas.gateway.sse import DONE, EventScanner, StreamGarbled

if TYPE_CHECKING:
    from litemaas.core.usage import Usage
    from litemaas.gateway.providers.native import NativeScanner


class Bridge:
    """``arriving`` makes chat completions of what the engine sends, ``leaving`` what the client wants of these."""

    __slots__ = ("_arriving", "_leaving", "native")

    def __init__(self, arriving: Any = None, leaving: Any = None, native: NativeScanner | None = None) -> None:
        self._arriving = arriving
        self._leaving = leaving
        self.native = native

    def scanner(self) -> EventScanner | None:
        return self.native

    def arrive(self, data: bytes) -> bytes:
        """Errors: StreamGarbled."""
        if self._arriving is None:
            return data
        return _fed(self._arriving, data)

    def leave(self, events: bytes) -> bytes:
        """Errors: StreamGarbled."""
        if self._leaving is None or not events:
            return events
        return _fed(self._leaving, events)

    def ending(self, usage: Usage) -> bytes:
        """What the client hears last."""
        if self.native is not None:
            return self.native.ending
        if self._leaving is None:
            return DONE
        last: bytes = self._leaving.finish(usage)
        return last


def _fed(translator: Any, data: bytes) -> bytes:
    try:
        translated: bytes = translator.feed(data)
    except MISSHAPEN:
        raise StreamGarbled("an event of the model server's answer has not the shape that was expected") from None
    return translated
