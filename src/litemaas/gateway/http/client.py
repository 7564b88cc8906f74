"""How do we call an upstream? A pooled HTTP/1.1 client: connections are kept by origin, opened, given back and ended here.

A call is retried here in one case only: a kept connection that the server closed before a byte of the answer came. All else is
the caller's decision. A connection goes back to the pool only after a complete, cleanly framed answer to a request that was
sent in full.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Final

from litemaas.core.catalog import Tls
from litemaas.core.errors import (
    ClientGone,
    UpstreamUnreachable,
)
from litemaas.gateway.http.answers import AnswerHead, Origin, UploadConnection, UpstreamConnection
from litemaas.gateway.http.heads import HeadCache
from litemaas.gateway.http.limits import ClientLimits
from litemaas.gateway.http.stepping import outside
from litemaas.gateway.http.turns import NoTurn, Turn
from litemaas.kit.ticks import monotonic

if TYPE_CHECKING:
    from litemaas.gateway.spool import Outgoing

_SWEEP_S: Final = 0.25


class Pool:
    """Keeps idle connections per origin, newest first, and ends those that waited or stayed silent too long."""

    def __init__(self, limits: ClientLimits, turn: Turn | None = None) -> None:
        self.limits = limits
        self.turn = turn if turn is not None else NoTurn()
        self._idle: dict[Origin, list[UpstreamConnection]] = {}
        self._all: set[UpstreamConnection] = set()
        self._opening: set[UpstreamConnection] = set()
        self._counts: dict[Origin, int] = {}  # of both
        self._is_closed = False
        self._contexts: dict[Tls, ssl.SSLContext] = {}
        self.heads: HeadCache[AnswerHead] = HeadCache()
        self._sweeper: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._sweep(asyncio.get_running_loop())

    async def open(
        self, origin: Origin, message: bytes, timeout_s: float, patience_s: float = -1.0
    ) -> UpstreamConnection:
        """Sends ``message`` and waits for the head of the answer. The caller releases the connection.

        ``patience_s``: how long a client that leaves is outwaited.
        Errors: UpstreamUnreachable, UpstreamTimeout, UpstreamGarbage, ClientGone; then nothing is left to release.
        """
        connection = self._take(origin)
        if connection is not None:
            connection.send(message, timeout_s)
            try:
                while not connection.ready:
                    await connection.news()
            except UpstreamUnreachable:
                connection.release()
                if connection.received:
                    raise
                # The server had most likely given up the kept connection before it saw the request: a fresh one may carry it.
            except ClientGone:
                await connection.outwait(patience_s)
                return connection
            except BaseException:
                connection.release()
                raise
            else:
                return connection
        connection = await self._connect(origin)
        connection.send(message, timeout_s)
        try:
            await connection.head()
        except ClientGone:
            await connection.outwait(patience_s)
        except BaseException:
            connection.release()
            raise
        return connection

    async def upload(
        self, origin: Origin, head: bytes, body: Outgoing, timeout_s: float, patience_s: float = -1.0
    ) -> UpstreamConnection:
        """As :meth:`open`, for a request whose body is sent piece by piece at the server's pace, on a connection of its own.

        An answer that begins before the end, such as a refusal, ends the sending.
        Errors: as :meth:`open`; what ``body`` raises.
        """
        connection = await self._connect(origin, UploadConnection)
        connection.send(head, timeout_s)
        try:
            while not connection.ready and (piece := await body.next()):
                news = connection.news()
                while connection.is_congested and not connection.ready:
                    await news
                    news = connection.news()
                if not connection.ready:
                    connection.write(piece, timeout_s)
        except BaseException:
            connection.release()
            raise
        try:
            await connection.head()
        except ClientGone:
            await connection.outwait(patience_s)
        except BaseException:
            connection.release()
            raise
        return connection

    def _take(self, origin: Origin) -> UpstreamConnection | None:
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if not connection.transport.is_closing():
                return connection
        return None

    async def _connect(self, origin: Origin, kind: type[UpstreamConnection] = UpstreamConnection) -> UpstreamConnection:
        count = self._counts.get(origin, 0)
        if count >= self.limits.max_connections_per_origin:
            raise UpstreamUnreachable("too many calls are under way to this model server", is_ours=True)
        if self._is_closed:
            raise UpstreamUnreachable("the gateway is about to stop", is_ours=True)
        self._counts[origin] = count + 1
        connection = kind(self, origin)
        self._opening.add(connection)
        try:
            await self._dial(connection, origin)
        except BaseException:
            if connection in self._opening:
                self._opening.discard(connection)
                self._uncount(origin)
            elif connection in self._all:
                connection.transport.abort()
                self.lost(connection)  # uvloop does not say so when a connect was cancelled
            raise
        if connection.transport.is_closing():
            raise UpstreamUnreachable("the model server closed the connection at once")
        return connection

    async def _dial(self, connection: UpstreamConnection, origin: Origin) -> None:
        try:
            context = self._context(origin.tls) if origin.tls is not None else None
            dialling = asyncio.get_running_loop().create_connection(
                lambda: connection, origin.host, origin.port, ssl=context,
                server_hostname=origin.name if context is not None else None,
            )  # fmt: skip
            await outside(dialling, self.limits.connect_timeout_s)
        except TimeoutError as error:
            raise UpstreamUnreachable("the model server did not accept a connection in time") from error
        except ssl.SSLError as error:
            raise UpstreamUnreachable("the model server's certificate or TLS is not acceptable") from error
        except (OSError, ValueError, OverflowError) as error:  # the latter two: no host or port can be called so
            raise UpstreamUnreachable("the model server cannot be reached") from error

    def _context(self, tls: Tls) -> ssl.SSLContext:
        context = self._contexts.get(tls)
        if context is None:
            context = ssl.create_default_context(cadata=tls.ca)
            if not tls.verify:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            self._contexts[tls] = context
        return context

    def put_back(self, connection: UpstreamConnection) -> None:
        connection.idle_since = monotonic()
        self._idle.setdefault(connection.origin, []).append(connection)

    def made(self, connection: UpstreamConnection) -> None:
        if connection in self._opening:
            self._opening.discard(connection)
            self._all.add(connection)
        else:  # its call was interrupted in this very turn
            connection.transport.abort()

    def lost(self, connection: UpstreamConnection) -> None:
        if connection not in self._all:
            return
        self._all.discard(connection)
        self._uncount(connection.origin)
        idle = self._idle.get(connection.origin)
        if idle and connection in idle:
            idle.remove(connection)

    def _uncount(self, origin: Origin) -> None:
        self._counts[origin] -= 1
        if not self._counts[origin]:
            del self._counts[origin]
            self._idle.pop(origin, None)  # clients may name any number of origins, once each

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self._sweeper = loop.call_later(_SWEEP_S, self._sweep, loop)
        now = monotonic()
        oldest = now - self.limits.keepalive_timeout_s
        for connection in list(self._all):
            if connection.busy:
                connection.sweep(now)
            elif connection.idle_since < oldest:
                self.lost(connection)
                connection.transport.close()

    def close(self) -> None:
        self._is_closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self._all):
            connection.transport.abort()
