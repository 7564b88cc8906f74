"""What does the simulation need to know and do below HTTP? See the client leave at once, and break the connection."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for no time: closing sends RST instead of FIN
_LAST_WORDS_S = 5.0  # how long a closing connection may take to deliver what was written


class Peer:
    """The client's end of one connection."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.transport = transport
        self.gone = False
        self._loop = loop
        self._waiter: asyncio.Future[None] | None = None

    async def sleep(self, seconds: float | None) -> bool:
        """Waits (``None``: for ever) until the time is over, the client leaves or ``wake`` is called; is it still there?"""
        if self.gone or (seconds is not None and seconds <= 0):
            return not self.gone
        waiter = self._waiter = self._loop.create_future()
        timer = None if seconds is None else self._loop.call_later(seconds, self.wake)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()
        return not self.gone

    def wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def leave(self) -> None:
        """Called by the connection when it is lost."""
        self.gone = True
        self.wake()

    async def close(self) -> None:
        """Ends the connection with FIN, after what was written."""
        self.transport.close()
        await self._until_gone()

    async def reset(self) -> None:
        """Ends the connection with RST, after what was written has left this process."""
        for _ in range(100):
            await asyncio.sleep(0)  # uvloop writes at the end of the loop's turn
            if self.gone or not self.transport.get_write_buffer_size():
                break
            await self.sleep(0.01)
        connection = self.transport.get_extra_info("socket")
        if connection is not None and not self.gone:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.transport.abort()
        await self._until_gone()

    async def _until_gone(self) -> None:
        # uvicorn answers 500 for a request that ends without an answer, unless its connection is lost: so wait for that.
        if await self.sleep(_LAST_WORDS_S):
            self.transport.abort()
            await self.sleep(None)


class SimulatedConnection(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 connection, which also hands its peer to the application as ``scope["state"]["peer"]``."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._peer: Peer | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._peer = Peer(transport, self.loop)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._peer is not None:
            self._peer.leave()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["peer"] = self._peer
