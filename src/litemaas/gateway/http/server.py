"""How does a request reach us? An HTTP/1.1 server on asyncio's protocols and httptools, strict where leniency is dangerous.

httptools (llhttp) refuses most malformed input by itself; what it lets pass and we refuse stands in ``_check_framing``. Every
refusal closes the connection, because nobody knows where the next request would begin.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any, cast

import httptools
import msgspec

from litemaas.core.errors import MalformedBody, RequestTooSlow
from litemaas.gateway.http.messages import Request, Response, client_gone, status_line
from litemaas.gateway.http.stepping import Run

Handler = Callable[[Request, Response], Coroutine[Any, Any, None]]
RefusalBody = Callable[[int, str], bytes]

_EARLY_BODY = 256 * 1024
"""Bytes of a body that are taken in before a stage has asked for it."""
_SWEEP_S = 0.25
_LINGER_S = 2.0


class ServerLimits(msgspec.Struct, frozen=True):
    """Units: bytes, seconds and counts as the names say."""

    max_header_bytes: int = 64 * 1024
    max_headers: int = 100
    max_connections: int = 10_000
    header_timeout_s: float = 15.0
    body_timeout_s: float = 30.0
    keepalive_timeout_s: float = 75.0
    write_timeout_s: float = 60.0


class ServerConnection(asyncio.Protocol):
    """One client connection: parses, hands requests to the handler one after the other, writes the answers in order."""

    __slots__ = (
        "_client_ip", "_closing", "_deadline", "_deaf", "_head_bytes", "_head_done", "_header_count", "_last_refusal", "_parser",
        "_paused", "_queue", "_receiving", "_request", "_response", "_run", "_server", "_target", "_transport", "is_congested",
        "write",
    )  # fmt: skip

    def __init__(self, server: Server) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[Request] = deque()
        self._receiving: Request | None = None
        self._request: Request | None = None
        self._response: Response | None = None
        self._run: Run | None = None
        self._target = b""
        self._head_bytes = 0
        self._header_count = 0
        self._paused = False
        self._head_done = False
        self._last_refusal: tuple[int, str] | None = None
        self._deaf = False  # what still arrives is thrown away
        self._closing = False
        self.is_congested = False
        self._deadline = 0.0

    # -- asyncio ------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.write = self._transport.write
        peer = transport.get_extra_info("peername")
        self._client_ip = str(peer[0]) if isinstance(peer, tuple) else ""
        self._deadline = monotonic() + self._server.limits.header_timeout_s
        self._server.joined(self)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return None
        if not self._head_done:
            self._head_bytes += len(data)
            if self._head_bytes > self._server.limits.max_header_bytes and not self._holds_whole_head(data):
                return self.refuse(431, "the header block is too large")
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return self.refuse(400, "protocol upgrades are not supported")
        except httptools.HttpParserError as error:
            return self.refuse(*_parser_refusal(error))
        if self._request is None:
            self._next()
        else:
            self._request.news()
        if self._queue or self._receiving is not None:
            self._check_inflow()
        return None

    def eof_received(self) -> bool:
        return False  # a client that closes its half is gone, as with nginx: what it asked for is cancelled

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = self._deaf = True
        self._server.left(self)
        self._queue.clear()
        run = self._run
        if run is not None:
            run.interrupt(client_gone())

    def pause_writing(self) -> None:
        self.is_congested = True
        self._deadline = monotonic() + self._server.limits.write_timeout_s

    def resume_writing(self) -> None:
        self.is_congested = False
        self._deadline = 0.0 if self._run is not None else monotonic() + self._server.limits.keepalive_timeout_s
        if self._response is not None:
            self._response.news()

    # -- httptools ----------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        now = monotonic()
        self._receiving = Request(self, self._client_ip, now)
        self._target = b""
        self._header_count = 0
        if self._run is None:
            self._deadline = now + self._server.limits.header_timeout_s

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        request = cast("Request", self._receiving)
        self._header_count += 1
        if self._header_count > self._server.limits.max_headers:
            raise _Refused(431, "too many header fields")
        name = name.lower()
        headers = request.headers
        if name in headers:
            if name in _ONCE:
                raise _Refused(400, f"the header {name.decode('latin-1')} is repeated")
            headers[name] += b", " + value
        else:
            headers[name] = value

    def on_headers_complete(self) -> None:
        request = cast("Request", self._receiving)
        parser = self._parser
        version = parser.get_http_version()
        request.method = parser.get_method().decode("latin-1")
        request.set_target(self._target)
        request.is_http_1_0 = version == "1.0"
        request.keep_alive = parser.should_keep_alive()
        headers = request.headers
        length = headers.get(b"content-length")
        if length is not None:
            if not length.isdigit() or len(length) > 18:
                raise _Refused(400, "content-length is not a number")
            request.length = int(length)
        self._check_framing(request, version)
        request.expects_continue = headers.get(b"expect", b"").lower() == b"100-continue"
        self._head_done = True
        self._queue.append(request)

    def _check_framing(self, request: Request, version: str) -> None:
        """Refuses what another server might read differently: that difference is how requests are smuggled."""
        headers = request.headers
        if version not in ("1.1", "1.0"):
            raise _Refused(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
        if b"host" not in headers and version == "1.1":
            raise _Refused(400, "the Host header is missing")
        encoding = headers.get(b"transfer-encoding")
        if encoding is not None:
            if version == "1.0" or encoding.lower() != b"chunked":
                raise _Refused(400, "the only transfer-encoding taken is chunked, in HTTP/1.1")
            if request.length is not None:
                raise _Refused(400, "content-length and transfer-encoding exclude one another")
        if not self._target.startswith(b"/") and self._target != b"*":
            raise _Refused(400, "the request target must be a path")
        if b"\x00" in self._target or request.method == "CONNECT":
            raise _Refused(400, "the request line is malformed")

    def on_body(self, body: bytes) -> None:
        request = cast("Request", self._receiving)
        request.add(body)
        if request is self._request:
            self._deadline = monotonic() + self._server.limits.body_timeout_s

    def on_message_complete(self) -> None:
        request = cast("Request", self._receiving)
        request.complete = True
        self._receiving = None
        self._head_done = False
        self._head_bytes = 0
        if request is self._request:
            self._deadline = 0.0

    # -- the conversation ---------------------------------------------------------------------------------------------

    @property
    def is_draining(self) -> bool:
        return self._server.is_draining

    def _next(self) -> None:
        queue = self._queue
        while queue and self._request is None and not self._closing:
            request = self._request = queue.popleft()
            response = self._response = Response(self, request)
            self._deadline = 0.0 if request.complete else monotonic() + self._server.limits.body_timeout_s
            run = self._run = Run(self._server.handler(request, response), self._run_ended)
            run.start()

    def wants_body(self, request: Request) -> None:
        """A stage waits for the body: lets it in, and says so to a client that asked first."""
        if request.expects_continue and not request.buffered and not request.complete:
            request.expects_continue = False
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    def response_ended(self, closing: bool) -> None:
        if not closing:
            return
        if self._request is not None and not self._request.complete:
            self._linger()
        else:
            self.close()

    def _linger(self) -> None:
        """Lets a client that is still sending read our answer: closing at once would reset the connection under it."""
        self._deaf = self._closing = True
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        self._transport.write_eof()
        self._deadline = monotonic() + _LINGER_S

    def _run_ended(self, error: BaseException | None) -> None:
        response = self._response
        self._run = self._response = self._request = None
        if self._closing or response is None:
            return None
        if error is not None or not response.ended:
            self._server.on_defect(error)
            if response.started:
                return self.abort()
            return self.refuse(500, "something went wrong on our side")
        limits = self._server.limits
        self._deadline = monotonic() + (
            limits.keepalive_timeout_s if self._receiving is None else limits.header_timeout_s
        )
        if self._queue:
            self._next()
        elif self._last_refusal is not None:
            self.refuse(*self._last_refusal)
        elif self._server.is_draining:
            self.close()
        if self._paused:
            self._check_inflow()
        return None

    def _check_inflow(self) -> None:
        """Stops reading while the client is ahead: with pipelined requests, or with a body that nobody has asked for."""
        request = self._request
        ahead = bool(self._queue) or (
            request is not None and not request.complete and request.buffered > _EARLY_BODY and not request.is_wanted
        )
        if ahead != self._paused and not self._closing:
            self._paused = ahead
            if ahead:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _holds_whole_head(self, data: bytes) -> bool:
        """Whether a large piece of input is large because of the body behind the header block."""
        head_end = data.find(b"\r\n\r\n")
        earlier = self._head_bytes - len(data)
        return head_end >= 0 and earlier + head_end <= self._server.limits.max_header_bytes

    def refuse(self, status: int, reason: str) -> None:
        """Answers what is no request and closes; answers that are still due go first."""
        self._deaf = True
        if self._run is None:
            self._server.on_refusal(status)
            body = self._server.refusal_body(status, reason)
            head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
            self.write(b"".join((status_line(status), head, body)))
            self._linger()
        elif self._request is not None and not self._request.complete:
            self._run.interrupt(MalformedBody(reason))
        else:
            self._last_refusal = (status, reason)

    def close(self) -> None:
        """Closes once everything written has been sent."""
        self._closing = self._deaf = True
        self._transport.close()

    def abort(self) -> None:
        self._closing = self._deaf = True
        self._transport.abort()

    def sweep(self, now: float) -> None:
        """Called a few times a second: ends what has waited too long."""
        if not self._deadline or now < self._deadline:
            return
        if self._closing or self.is_congested:
            self.abort()
        elif self._run is not None:
            self._deadline = 0.0
            self._deaf = True
            self._run.interrupt(RequestTooSlow("the body took too long to arrive"))
        elif self._receiving is not None or self._head_bytes:
            self.refuse(408, "the request took too long to arrive")
        else:
            self.close()

    @property
    def is_idle(self) -> bool:
        return self._run is None and self._receiving is None and not self._queue


class _Refused(Exception):
    """A request that must not be understood; raised inside the parser's callbacks."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


_ONCE = frozenset({b"host", b"content-length", b"transfer-encoding", b"authorization", b"content-type"})


def _parser_refusal(error: httptools.HttpParserError) -> tuple[int, str]:
    cause = error.__context__
    if isinstance(cause, _Refused):
        return cause.status, cause.reason
    return 400, "this is not a well-formed HTTP/1.1 request"


class Server:
    """Listens, keeps the connections, and lets them finish when it is told to stop.

    ``on_defect``: told of every handler that ended with an uncaught error. ``on_refusal``: told the status of what was refused
    before it was a request.
    """

    def __init__(
        self,
        handler: Handler,
        limits: ServerLimits,
        refusal_body: RefusalBody,
        on_defect: Callable[[BaseException | None], None],
        on_refusal: Callable[[int], None],
    ) -> None:
        self.handler = handler
        self.limits = limits
        self.refusal_body = refusal_body
        self.on_defect = on_defect
        self.on_refusal = on_refusal
        self.is_draining = False
        self._connections: set[ServerConnection] = set()
        self._listener: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    async def listen(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: ServerConnection(self), sock=sock, backlog=1024)
        self._sweep(loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = monotonic()
        for connection in list(self._connections):
            connection.sweep(now)
        self._sweeper = loop.call_later(_SWEEP_S, self._sweep, loop)

    def joined(self, connection: ServerConnection) -> None:
        self._connections.add(connection)
        if len(self._connections) > self.limits.max_connections:
            self.on_refusal(503)
            connection.refuse(503, "too many connections")

    def left(self, connection: ServerConnection) -> None:
        self._connections.discard(connection)

    @property
    def connection_count(self) -> int:
        return len(self._connections)

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
        deadline = monotonic() + timeout_s
        while self._connections and monotonic() < deadline:
            await asyncio.sleep(0.02)
        in_time = not self._connections
        for connection in list(self._connections):
            connection.abort()
        await asyncio.sleep(0)
        if self._sweeper is not None:
            self._sweeper.cancel()
        return in_time
