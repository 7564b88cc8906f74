"""How do we call an upstream? A pooled HTTP/1.1 client on asyncio's protocols and httptools.

A call is retried here in one case only: a kept connection that the server closed before a byte of the answer came. All else is
the caller's decision. A connection goes back to the pool only after a complete, cleanly framed answer.
"""

from __future__ import annotations

import asyncio
import ssl
from time import monotonic
from typing import cast

import httptools
import msgspec

from litemaas.core.catalog import Tls
from litemaas.core.errors import UpstreamDied, UpstreamFailure, UpstreamGarbage, UpstreamTimeout, UpstreamUnreachable
from litemaas.gateway.http.stepping import Wake, outside

_SWEEP_S = 0.25
_HIGH_WATER = 256 * 1024
"""Bytes of an answer that may wait unread before the upstream is told to pause."""


class ClientLimits(msgspec.Struct, frozen=True):
    """Units: seconds, bytes and counts as the names say.

    ``keepalive_timeout_s`` stays below the 5 s after which uvicorn, and with it vLLM, closes idle connections (uvicorn
    settings, ``timeout_keep_alive``, 2026-11).
    """

    connect_timeout_s: float = 5.0
    keepalive_timeout_s: float = 4.0
    max_connections_per_origin: int = 2000
    max_header_bytes: int = 64 * 1024


class Origin(msgspec.Struct, frozen=True):
    """Where connections go: they are shared between deployments only if all of this is equal."""

    host: str
    port: int
    tls: Tls | None = None


class UpstreamConnection(asyncio.Protocol):
    """One connection: one call at a time."""

    __slots__ = (
        "_buffered", "_chunks", "_deadline", "_error", "_head_bytes", "_parser", "_paused", "_pool", "_timeout_s", "_wake",
        "busy", "complete", "headers", "idle_since", "is_congested", "keep", "origin", "ready", "received", "served", "status",
        "transport",
    )  # fmt: skip

    def __init__(self, pool: Pool, origin: Origin) -> None:
        self._pool = pool
        self.origin = origin
        self._wake = Wake()
        self._error: UpstreamFailure | None = None
        self._deadline = 0.0
        self._timeout_s = 0.0
        self._paused = False
        self.is_congested = False
        self.busy = True
        self.served = 0
        self.idle_since = 0.0
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._head_bytes = 0
        self.ready = False
        self.complete = False
        self.received = False
        self.keep = False

    # -- asyncio ------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if not self.busy or self.complete:
            # Nobody asked for this: bytes behind an answer belong to no request and poison the connection.
            self.keep = False
            self.transport.abort()
            return None
        self.received = True
        if self._timeout_s:
            self._deadline = monotonic() + self._timeout_s
        if not self.ready:
            self._head_bytes += len(data)
            if self._head_bytes > self._pool.limits.max_header_bytes and b"\r\n\r\n" not in data:
                return self._fail(UpstreamGarbage("the model server's header block is too large"))
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self.complete:
                return self._fail(UpstreamGarbage("the model server did not answer in HTTP/1.1"))
            self.keep = False
        self._wake.fire()
        return None

    def eof_received(self) -> bool:
        if self.busy and self.ready and not self.complete and self._ends_with_connection():
            self.complete = True
            self.keep = False
            self._wake.fire()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.lost(self)
        if not self.busy or self.complete:
            return
        if self.ready:
            self._fail(UpstreamDied("the model server broke off in the middle of its answer"))
        else:
            self._fail(UpstreamUnreachable("the model server closed the connection without an answer"))

    def pause_writing(self) -> None:
        self.is_congested = True

    def resume_writing(self) -> None:
        self.is_congested = False

    # -- httptools ----------------------------------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            return  # 100 Continue, 103 Early Hints: the answer is still to come
        self.status = status
        self.ready = True

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)
        self._buffered += len(body)
        if self._buffered > _HIGH_WATER and not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def on_message_complete(self) -> None:
        if not self.ready:
            self.headers = []
            return
        self.complete = True
        self.keep = self._parser.should_keep_alive()

    def _ends_with_connection(self) -> bool:
        return not any(name in (b"content-length", b"transfer-encoding") for name, _ in self.headers)

    # -- the call -----------------------------------------------------------------------------------------------------

    def send(self, message: bytes, timeout_s: float) -> None:
        """Sends a whole request; its answer must begin, and each further piece follow, within ``timeout_s``."""
        if self.served:
            self._begin()
        self.served += 1
        self.busy = True
        self.limit(timeout_s)
        self.transport.write(message)

    def limit(self, timeout_s: float) -> None:
        """Sets how long the upstream may be silent from now on."""
        self._timeout_s = timeout_s
        self._deadline = monotonic() + timeout_s

    async def head(self) -> None:
        """Waits until ``status`` and ``headers`` are there.

        Errors: UpstreamFailure.
        """
        while not self.ready:
            if self._error is not None:
                raise self._error
            await self._wake

    async def read(self, limit: int) -> bytes:
        """The whole rest of the body.

        Units: bytes. Errors: UpstreamFailure; UpstreamGarbage when it is larger than ``limit``.
        """
        while not self.complete:
            if self._error is not None:
                raise self._error
            if self._buffered > limit:
                raise UpstreamGarbage(f"the model server's answer is larger than {limit} bytes")
            self._resume()
            await self._wake
        chunks = self._chunks
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def next_bytes(self) -> bytes:
        """What has arrived of the body since the last call; empty once it is complete.

        Errors: UpstreamFailure, after everything that arrived before it was given out.
        """
        while not self._chunks:
            if self.complete:
                return b""
            if self._error is not None:
                raise self._error
            self._resume()
            await self._wake
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._chunks = []
        self._buffered = 0
        return data

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self.transport.resume_reading()

    def release(self) -> None:
        """Gives the connection back; what is not cleanly finished is closed, which tells the upstream to stop."""
        self._deadline = self._timeout_s = 0.0
        self.busy = False
        if self.complete and self.keep and self._error is None and not self._paused and not self.transport.is_closing():
            self._pool.put_back(self)
        else:
            self.transport.abort()

    def _fail(self, error: UpstreamFailure) -> None:
        if self._error is None:
            self._error = error
            self.keep = False
            self.transport.abort()
            self._wake.fire()

    def sweep(self, now: float) -> None:
        if self._deadline and now > self._deadline:
            seconds = self._timeout_s
            self._deadline = 0.0
            self._fail(UpstreamTimeout(f"the model server was silent for {seconds:g} s", seconds))


class Pool:
    """Keeps idle connections per origin, newest first, and ends those that waited or stayed silent too long."""

    def __init__(self, limits: ClientLimits) -> None:
        self.limits = limits
        self._idle: dict[Origin, list[UpstreamConnection]] = {}
        self._all: set[UpstreamConnection] = set()
        self._contexts: dict[Tls, ssl.SSLContext] = {}
        self._sweeper: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._sweep(asyncio.get_running_loop())

    async def open(self, origin: Origin, message: bytes, timeout_s: float) -> UpstreamConnection:
        """Sends ``message`` and waits for the head of the answer. The caller releases the connection.

        Errors: UpstreamUnreachable, UpstreamTimeout, UpstreamGarbage; then nothing is left to release.
        """
        connection = self._take(origin)
        if connection is not None:
            connection.send(message, timeout_s)
            try:
                await connection.head()
            except UpstreamUnreachable:
                if connection.received:
                    raise
                # The server had given up the kept connection; it has not seen the request, so a fresh one may carry it.
            except BaseException:
                connection.release()
                raise
            else:
                return connection
        connection = await self._connect(origin)
        connection.send(message, timeout_s)
        try:
            await connection.head()
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

    async def _connect(self, origin: Origin) -> UpstreamConnection:
        if sum(1 for c in self._all if c.origin == origin) >= self.limits.max_connections_per_origin:
            raise UpstreamUnreachable("too many calls are under way to this model server")
        context = self._context(origin.tls) if origin.tls is not None else None
        loop = asyncio.get_running_loop()
        connecting = loop.create_connection(
            lambda: UpstreamConnection(self, origin), origin.host, origin.port, ssl=context,
            server_hostname=origin.host if context is not None else None,
        )  # fmt: skip
        try:
            _, connection = await outside(connecting, self.limits.connect_timeout_s)
        except TimeoutError as error:
            raise UpstreamUnreachable("the model server did not accept a connection in time") from error
        except ssl.SSLError as error:
            raise UpstreamUnreachable("the model server's certificate or TLS is not acceptable") from error
        except OSError as error:
            raise UpstreamUnreachable("the model server cannot be reached") from error
        self._all.add(connection)
        return connection

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

    def lost(self, connection: UpstreamConnection) -> None:
        self._all.discard(connection)
        idle = self._idle.get(connection.origin)
        if idle and connection in idle:
            idle.remove(connection)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = monotonic()
        oldest = now - self.limits.keepalive_timeout_s
        for connection in list(self._all):
            if connection.busy:
                connection.sweep(now)
            elif connection.idle_since < oldest:
                self.lost(connection)
                connection.transport.close()
        self._sweeper = loop.call_later(_SWEEP_S, self._sweep, loop)

    def close(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self._all):
            connection.transport.abort()
