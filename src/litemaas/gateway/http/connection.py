"""How does a client talk to us? One connection: HTTP/1.1 by httptools, strict where leniency is dangerous.

httptools (llhttp) refuses most malformed input by itself; what it lets pass and we refuse stands in ``_check_framing``. Every
refusal closes the connection, because nobody knows where the next request would begin.

Decisions: chunk extensions are skipped and trailers dropped, both within ``max_header_bytes``; offers to upgrade are ignored; a
client that closes its half of the connection is gone, as with nginx, and what it asked for is cancelled.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import TYPE_CHECKING, Any, cast

import httptools

from litemaas.core.errors import ClientGone, MalformedBody, RequestTooSlow
from litemaas.gateway.http.messages import Request, RequestHead, Response, client_gone, status_line
from litemaas.gateway.http.stepping import Run
from litemaas.gateway.http.upgrades import BodyCallbacks, body_parser, has_body
from litemaas.kit.ticks import monotonic

if TYPE_CHECKING:
    from litemaas.gateway.http.heads import KnownHead
    from litemaas.gateway.http.server import Server

_EARLY_BODY = 256 * 1024
"""Bytes of a body that are taken in before a stage has asked for it."""
_MAX_PIPELINED = 1000
"""Requests that may wait behind the first: one piece of input could hold thousands, each a hundred times its size in memory."""
_LINGER_S = 2.0
_ONCE = frozenset({b"host", b"content-length", b"transfer-encoding", b"authorization", b"content-type"})
_UNREPEATABLE = frozenset({b"transfer-encoding", b"expect", b"upgrade"})
_CONTROL = re.compile("[\x00-\x1f\x7f]")


class ServerConnection(asyncio.Protocol):
    """One client connection: parses, hands requests to the handler one after the other, writes the answers in order."""

    __slots__ = (
        "_advancing", "_client_ip", "_closing", "_deadline", "_deaf", "_fields", "_header_count", "_is_mute",
        "_last_head", "_last_refusal", "_lost", "_overhead", "_parser", "_paused", "_queue", "_receiving", "_request",
        "_response", "_run", "_server", "_target", "_transport", "_turn", "_upgrade", "is_congested",
    )  # fmt: skip

    def __init__(self, server: Server) -> None:
        self._server = server
        self._parser: Any = httptools.HttpRequestParser(self)
        self._queue: deque[Request] = deque()
        self._receiving: Request | None = None
        self._fields: dict[bytes, bytes] = {}
        self._request: Request | None = None
        self._response: Response | None = None
        self._run: Run | None = None
        self._target = b""
        self._overhead = 0  # bytes of input since the last byte of a body
        self._header_count = 0
        self._upgrade = False  # the header block that is read offers another protocol
        self._paused = False
        self._last_head: KnownHead[RequestHead] | None = None
        self._last_refusal: tuple[int, str] | None = None
        self._advancing = False
        self._deaf = False  # what still arrives is thrown away
        self._closing = False
        self._lost = False
        self.is_congested = False
        self._is_mute = False  # nobody is there to read
        self._deadline = 0.0

    # -- asyncio ------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._turn = self._server.turn
        peer = transport.get_extra_info("peername")
        self._client_ip = str(peer[0]) if isinstance(peer, tuple) else ""
        self._deadline = monotonic() + self._server.limits.header_timeout_s
        self._server.joined(self)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return None
        between = self._request is None and self._receiving is None and not self._overhead and not self._queue
        if between and self._receive_known(data):
            return None
        receiving = self._receiving
        if receiving is None or receiving.length is None:  # in a header block, or among chunks
            self._overhead += len(data)
            if self._overhead > self._server.limits.max_header_bytes:
                return self._receive_in_parts(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return self._ignore_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            return self.refuse(*self._refusal(error))
        if self._request is not None:
            self._request.news()
        elif self._queue:
            if between and len(self._queue) == 1:
                self._remember(data, self._queue[0])
            self._next()
        if self._queue or self._receiving is not None:
            self._check_inflow()
        return None

    def _receive_known(self, data: bytes) -> bool:
        """Takes a whole request whose header block was parsed before; False if it is none."""
        head = self._last_head  # most clients repeat themselves
        at = head.body_at(data) if head is not None else -1
        if at < 0:
            head = self._last_head = self._server.heads.find(data)
            at = head.body_at(data) if head is not None else -1
        if head is None or at < 0:
            return False
        request = Request(self, self._client_ip, monotonic())
        request.take_whole(head.meaning, data[at:])
        self._queue.append(request)
        self._next()
        if self._queue:
            self._check_inflow()
        return True

    def _remember(self, data: bytes, request: Request) -> None:
        plain = data.startswith(request.method.encode()) and _UNREPEATABLE.isdisjoint(request.headers)
        if plain and request.complete and not request.is_http_1_0:
            self._server.heads.learn(data, RequestHead(request))

    def _receive_in_parts(self, data: bytes) -> None:
        """Takes a large piece in such portions that a header block which is too large ends a portion."""
        limit = self._server.limits.max_header_bytes
        self._overhead -= len(data)
        start = 0
        while start < len(data) and not self._deaf:
            room = limit - self._overhead
            if not room:
                what = (
                    "the header block"
                    if self._receiving is None or not self._receiving.method
                    else "what surrounds the chunks"
                )
                return self.refuse(431, f"{what} is too large")
            self.data_received(data[start : start + room])
            start += room
        return None

    def _ignore_upgrade(self, rest: bytes) -> None:
        self._upgrade = False
        request = self._receiving
        if request is None:
            self._parser = httptools.HttpRequestParser(self)
        else:
            self._parser = body_parser(request, BodyCallbacks(self.on_body, self._upgrade_ignored))
        self.data_received(rest)

    def _upgrade_ignored(self) -> None:
        self.on_message_complete()
        self._parser = httptools.HttpRequestParser(self)

    def eof_received(self) -> bool:
        self._turn.flush()  # what is answered already it shall have
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio calls it so
        self._lost = self._closing = self._deaf = True
        self._deadline = 0.0
        self.is_congested = False
        self._is_mute = True
        self._queue.clear()
        self._receiving = self._parser = None  # they hold this connection: without them no cycle is left
        if self._run is None:
            self._server.left(self)
        elif not cast("Response", self._response).ended:
            self._run.interrupt(client_gone())

    def pause_writing(self) -> None:
        self.is_congested = True
        self._deadline = monotonic() + self._server.limits.write_timeout_s

    def resume_writing(self) -> None:
        limits = self._server.limits
        self.is_congested = False
        if self._closing:
            self._deadline = monotonic() + limits.write_timeout_s
        elif self._request is None:
            self._deadline = monotonic() + limits.keepalive_timeout_s
            if self._queue:
                self._next()
        else:
            self._deadline = 0.0 if self._request.complete else monotonic() + limits.body_timeout_s
            cast("Response", self._response).news()

    # -- httptools ----------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if len(self._queue) > _MAX_PIPELINED:
            raise _Refused(400, "too many requests were sent without waiting for answers")
        now = monotonic()
        request = self._receiving = Request(self, self._client_ip, now)
        self._fields = request.headers
        self._target = b""
        self._header_count = 0
        if self._run is None:
            self._deadline = now + self._server.limits.header_timeout_s

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_count += 1
        if self._header_count > self._server.limits.max_headers:
            raise _Refused(431, "too many header fields")
        name = name.lower()
        headers = self._fields
        if name in headers:
            if name in _ONCE:
                raise _Refused(400, f"the header {name.decode('latin-1')} is repeated")
            headers[name] += b", " + value
        else:
            headers[name] = value

    def on_headers_complete(self) -> None:
        request: Request = self._receiving  # type: ignore[assignment]  # a cast is a call; this is the hot path
        parser = self._parser
        version = parser.get_http_version()
        request.method = parser.get_method().decode("latin-1")
        request.set_target(self._target)
        request.is_http_1_0 = version == "1.0"
        request.keep_alive = parser.should_keep_alive() and not request.is_http_1_0
        headers = request.headers
        length = headers.get(b"content-length")
        if length is not None:
            if not length.isdigit() or len(length) > 18:
                raise _Refused(400, "content-length is not a number")
            request.length = int(length)
        self._check_framing(request, version)
        if b"expect" in headers:
            request.expects_continue = headers[b"expect"].lower() == b"100-continue" and version == "1.1"
        if b"transfer-encoding" in headers:
            self._fields = {}  # for trailers; they never become headers
        if b"upgrade" in headers:
            self._upgrade = parser.should_upgrade()
        self._queue.append(request)

    def _check_framing(self, request: Request, version: str) -> None:
        """Refuses what another server might read differently: that difference is how requests are smuggled."""
        headers = request.headers
        target = self._target
        if version not in ("1.1", "1.0"):
            raise _Refused(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
        if not headers.get(b"host") and version == "1.1":
            raise _Refused(400, "the Host header is missing")
        encoding = headers.get(b"transfer-encoding")
        if encoding is not None and (version == "1.0" or encoding.lower() != b"chunked"):
            raise _Refused(400, "the only transfer-encoding taken is chunked, in HTTP/1.1")
        if request.method == "CONNECT" or (not target.startswith(b"/") and target != b"*"):
            raise _Refused(400, "the request target must be a path")
        if b"#" in target or (b"%" in target and _CONTROL.search(request.path)):
            raise _Refused(400, "the request target holds characters that have no place there")

    def on_body(self, body: bytes) -> None:
        request: Request = self._receiving  # type: ignore[assignment]  # a cast is a call; this is the hot path
        request.add(body)
        self._overhead = 0
        if request is self._request:
            self._deadline = monotonic() + self._server.limits.body_timeout_s

    def on_message_complete(self) -> None:
        request: Request = self._receiving  # type: ignore[assignment]  # a cast is a call; this is the hot path
        self._overhead = 0
        if self._upgrade and has_body(request):
            return  # llhttp only thinks so
        request.complete = True
        self._receiving = None
        if request is self._request and not self.is_congested:
            self._deadline = 0.0

    # -- the conversation ---------------------------------------------------------------------------------------------

    @property
    def is_draining(self) -> bool:
        return self._server.is_draining

    def _next(self) -> None:
        """Hands out the requests that are there, one after the other, and ends the conversation if it is over."""
        self._advancing = True
        queue = self._queue
        while queue and self._request is None and not self._closing and not self.is_congested:
            request = self._request = queue.popleft()
            response = self._response = Response(self, request)
            self._deadline = 0.0 if request.complete else monotonic() + self._server.limits.body_timeout_s
            self._turn.calls += 1
            run = self._run = Run(self._server.handler(request, response), self._run_ended)
            run.start()
            if queue:
                self._turn.flush()  # or nobody would notice how much the client leaves unread
        self._advancing = False
        if self._request is None and not queue and not self._closing:
            if self._last_refusal is not None:
                self._server.on_refusal(self._last_refusal[0])
                self._answer_refusal(*self._last_refusal)
            elif self._server.is_draining:
                self.close()
        if self._paused:
            self._check_inflow()

    def write(self, data: bytes) -> None:
        if not self._is_mute:
            self._turn.write(self._transport, data)

    def wants_body(self, request: Request) -> None:
        """A stage waits for the body: lets it in, and says so to a client that asked first.

        Errors: ClientGone when nothing will come any more.
        """
        if self._closing:
            raise client_gone()
        if request.expects_continue and not request.buffered and not cast("Response", self._response).started:
            request.expects_continue = False
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._paused:
            self._paused = False
            self._deadline = monotonic() + self._server.limits.body_timeout_s
            self._transport.resume_reading()

    def response_ended(self, closing: bool) -> None:
        if not closing or self._closing:
            return
        if cast("Request", self._request).complete:
            self.close()
        else:
            self._linger()

    def _linger(self) -> None:
        """Lets a client that is still sending read our answer: closing at once would reset the connection under it."""
        self._deaf = self._closing = True
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        self._turn.flush()
        self._transport.write_eof()
        self._is_mute = True
        self._deadline = monotonic() + (self._server.limits.write_timeout_s if self.is_congested else _LINGER_S)

    def _run_ended(self, error: BaseException | None) -> None:
        response: Response = self._response  # type: ignore[assignment]  # as above
        self._run = self._response = self._request = None
        self._turn.calls -= 1
        if error is not None and not (self._closing and isinstance(error, ClientGone)):
            self._server.on_defect(error)
        elif not response.ended and not self._closing:
            self._server.on_defect(None)
        if self._lost:
            self._server.left(self)
        elif self._closing:
            pass
        elif response.ended:
            if not self.is_congested:
                limits = self._server.limits
                waiting_s = limits.keepalive_timeout_s if self._receiving is None else limits.header_timeout_s
                self._deadline = monotonic() + waiting_s
            if not self._advancing:
                self._next()
        elif response.started:
            self.abort()
        else:
            self._answer_refusal(500, "something went wrong on our side")

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
                if request is not None and not self.is_congested:
                    self._deadline = 0.0  # if it sends nothing now, that is our doing
            else:
                self._transport.resume_reading()

    def refuse(self, status: int, reason: str) -> None:
        """Answers what is no request and closes; answers that are still due go first."""
        self._deaf = True
        receiving = self._receiving
        self._receiving = None
        if receiving is not None and receiving is self._request:
            cast("Run", self._run).interrupt(MalformedBody(reason))
            return
        if self._queue and self._queue[-1] is receiving:
            self._queue.pop()  # its header block was good, but its body is not
        self._last_refusal = (status, reason)
        if self._request is not None:
            self._request.news()  # the body may have ended in the same piece of input
        self._next()

    def _answer_refusal(self, status: int, reason: str) -> None:
        body = self._server.refusal_body(status, reason)
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.write(b"".join((status_line(status), head, body)))
        self._linger()

    def _refusal(self, error: httptools.HttpParserError) -> tuple[int, str]:
        cause = error.__context__
        if isinstance(cause, _Refused):
            return cause.status, cause.reason
        if isinstance(error, httptools.HttpParserCallbackError):
            self._server.on_defect(cause)
        return 400, "this is not a well-formed HTTP/1.1 request"

    def close(self) -> None:
        """Closes once everything written has been sent; a client that does not read it is cut off later."""
        self._closing = self._deaf = True
        self._deadline = monotonic() + self._server.limits.write_timeout_s
        self._turn.flush()
        self._transport.close()

    def abort(self) -> None:
        if not self._lost:
            self._closing = self._deaf = True
            self._transport.abort()
        elif self._run is not None:  # its client has left before, and it still waits for an answer to bill
            self._run.interrupt(client_gone())

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
        elif self._receiving is not None or self._overhead:
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
