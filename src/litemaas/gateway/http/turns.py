"""When do bytes leave? At the end of a turn of the event loop, all together.

A turn handles every connection that has news. Writing each answer at once would wake its reader once per call, and waking a
sleeping process costs more than the write; written back to back, most of a turn's writes find their reader awake. The journal
goes first, in one write for all calls of the turn: a client must not hear the end of a call that could still be lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Turn:
    """Collects the writes of one turn. ``first`` is called before any of them is made. ``calls``: requests under way."""

    __slots__ = ("_first", "_loop", "_scheduled", "_writes", "calls")

    def __init__(self, first: Callable[[], None]) -> None:
        self._first = first
        self._loop: asyncio.AbstractEventLoop | None = None
        self.calls = 0
        self._scheduled = False
        self._writes: list[tuple[asyncio.Transport, bytes]] = []

    def write(self, transport: asyncio.Transport, data: bytes) -> None:
        """To be called instead of ``transport.write``."""
        self._writes.append((transport, data))
        if self.calls <= 1:
            self.flush()  # there is nobody else's to wait for, and the loop is spared another round
        elif not self._scheduled:
            self._scheduled = True
            if self._loop is None:
                self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Makes the writes now; who closes a connection calls it first."""
        self._scheduled = False
        try:
            self._first()
        except Exception as error:  # noqa: BLE001 - the calls of a turn must not all hang because of it
            _report("what comes before the writes of a turn failed", error)
        writes = self._writes
        self._writes = []
        for transport, data in writes:
            if not transport.is_closing():
                try:
                    transport.write(data)
                except Exception as error:  # noqa: BLE001 - one connection must not take the others' answers with it
                    _report("a write failed", error)
                    transport.abort()


class NoTurn(Turn):
    """For who has no turns: writes as they come, so nothing ever waits."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(lambda: None)

    def write(self, transport: asyncio.Transport, data: bytes) -> None:
        transport.write(data)

    def flush(self) -> None:
        return


def _report(what: str, error: Exception) -> None:
    asyncio.get_running_loop().call_exception_handler({"message": what, "exception": error})
