"""Who listens, and who ends what has gone on for too long? The HTTP/1.1 server that owns the client connections."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from litemaas.gateway.http.connection import ServerConnection
from litemaas.gateway.http.heads import HeadCache
from litemaas.gateway.http.limits import ServerLimits
from litemaas.gateway.http.messages import Request, RequestHead, Response
from litemaas.gateway.http.turns import NoTurn, Turn
from litemaas.kit.ticks import monotonic

Handler = Callable[[Request, Response], Coroutine[Any, Any, None]]
RefusalBody = Callable[[int, str], bytes]

_SWEEP_S = 0.25
_LINGER_S = 2.0
_ACCEPTING_S = 0.5


class Server:
    """Listens, keeps the connections, and lets them finish when it is told to stop.

    ``on_defect``: told of every handler that ended with an uncaught error. ``on_refusal``: told the status of what was refused
    before it was a request. ``turn``: collects what is written; without one it is written at once.
    """

    def __init__(
        self,
        handler: Handler,
        limits: ServerLimits,
        refusal_body: RefusalBody,
        on_defect: Callable[[BaseException | None], None],
        on_refusal: Callable[[int], None],
        turn: Turn | None = None,
    ) -> None:
        self.handler = handler
        self.limits = limits
        self.refusal_body = refusal_body
        self.on_defect = on_defect
        self.on_refusal = on_refusal
        self.turn = turn if turn is not None else NoTurn()
        self.is_draining = False
        self.heads: HeadCache[RequestHead] = HeadCache()
        self._connections: set[ServerConnection] = set()
        self._all_gone = asyncio.Event()
        self._listener: Any = None  # uvloop's differs from asyncio's in the types of its attributes
        self._sweeper: asyncio.TimerHandle | None = None

    async def listen(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: ServerConnection(self), sock=sock, backlog=1024)
        self._sweep(loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self._sweeper = loop.call_later(_SWEEP_S, self._sweep, loop)
        now = monotonic()
        for connection in list(self._connections):
            connection.sweep(now)

    def joined(self, connection: ServerConnection) -> None:
        self._connections.add(connection)
        self._all_gone.clear()
        if self.is_draining:
            connection.close()
        elif len(self._connections) > self.limits.max_connections:
            connection.refuse(503, "too many connections")

    def left(self, connection: ServerConnection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._all_gone.set()

    @property
    def connection_count(self) -> int:
        return len(self._connections)

    async def stop_listening(self) -> None:
        """Takes in whom the system has connected already, and then nobody else; whoever is in is served until the drain.

        What waits in the system's queue when a listening socket closes is reset.
        """
        listener, self._listener = self._listener, None
        if listener is None:
            return
        queue = select.poll()
        queue.register(listener.sockets[0].fileno(), select.POLLIN)
        deadline = monotonic() + _ACCEPTING_S
        while queue.poll(0) and monotonic() < deadline:  # noqa: ASYNC110 - the loop accepts them in its turns
            await asyncio.sleep(0)
        listener.close()
        for _ in range(3):  # those who came in last are told of in the next turns
            await asyncio.sleep(0)

    async def drain(self, timeout_s: float) -> bool:
        """Takes no new connections, lets the requests that run finish, and then ends what is left.

        Returns whether everything finished in time.
        """
        self.is_draining = True
        if self._listener is not None:
            self._listener.close()
        for connection in list(self._connections):
            if connection.is_idle:
                connection.close()
        in_time = await self._are_gone_within(timeout_s)
        for connection in list(self._connections):
            connection.abort()
        await self._are_gone_within(_LINGER_S)
        if self._sweeper is not None:
            self._sweeper.cancel()
        return in_time

    async def _are_gone_within(self, timeout_s: float) -> bool:
        if self._connections:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._all_gone.wait(), timeout_s)
        return not self._connections
