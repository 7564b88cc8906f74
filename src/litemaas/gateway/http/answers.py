"""How does an upstream's answer come in? Over one connection, parsed by httptools, at the pace of whoever reads it.

The answer to a HEAD request is never followed by another on its connection: the parser would wait for a body.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

import httptools

from litemaas.core.catalog import Tls
from litemaas.core.errors import (
    ClientGone,
    UpstreamDied,
    UpstreamFailure,
    UpstreamGarbage,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from litemaas.gateway.http.heads import KnownHead
from litemaas.gateway.http.messages import NO_BODY_STATUSES
from litemaas.gateway.http.stepping import Wake
from litemaas.kit.ticks import monotonic

if TYPE_CHECKING:
    from litemaas.gateway.http.client import Pool

_HIGH_WATER: Final = 256 * 1024
"""Bytes of an answer that may wait unread before the upstream is told to pause."""
_MOST_ABANDONED: Final = 64 * 1024 * 1024
"""Bytes of an answer that nobody will read."""


class Origin:
    """Where connections go: they are shared between deployments only if all of this is equal."""

    __slots__ = ("_hash", "host", "name", "port", "tls")

    def __init__(self, host: str, port: int, tls: Tls | None = None, name: str | None = None) -> None:
        """``name``: what its certificate must be for, where ``host`` is an address that the name was found to mean."""
        self.host = host
        self.name = name or host
        self.port = port
        self.tls = tls
        self._hash = hash((host, port, tls, self.name))

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Origin)
            and (self.host, self.port, self.tls, self.name) == (other.host, other.port, other.tls, other.name)
        )

    def __hash__(self) -> int:
        return self._hash


class AnswerHead:
    """The header block of an answer. ``passed_on``: its lines for our client, filled in by who renders them, once."""

    __slots__ = ("content_type", "headers", "is_repeatable", "passed_on", "status")

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status = status
        self.headers = headers
        types = [value for name, value in headers if name == b"content-type"]
        self.content_type = types[0] if types else b"application/json"
        names = {name for name, _ in headers}
        has_length = b"content-length" in names and b"transfer-encoding" not in names
        self.is_repeatable = has_length and status not in NO_BODY_STATUSES
        self.passed_on: bytes | None = None


class UpstreamConnection(asyncio.Protocol):
    """One connection: one call at a time."""

    __slots__ = (
        "_bodyless", "_buffered", "_chunks", "_deadline", "_error", "_last_head", "_overhead", "_parser", "_paused",
        "_pool", "_timeout_s", "_wake", "answer", "busy", "complete", "headers", "idle_since", "is_abandoned", "is_congested",
        "keep", "origin", "ready", "received", "sent_at", "served", "status", "transport",
    )  # fmt: skip

    def __init__(self, pool: Pool, origin: Origin) -> None:
        self._pool = pool
        self.origin = origin
        self._wake = Wake()
        self._error: UpstreamFailure | None = None
        self._deadline = 0.0
        self._timeout_s = 0.0
        self._paused = False
        self._last_head: KnownHead[AnswerHead] | None = None
        self.is_congested = False
        self.is_abandoned = False
        self.busy = False
        self.served = 0
        self.sent_at = 0.0
        self.idle_since = 0.0
        self._begin()

    def _begin(self) -> None:
        self._parser: Any = None  # made when an answer needs it
        self.answer: AnswerHead | None = None
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._overhead = 0  # bytes of input since the last byte of the body
        self.ready = False
        self.complete = False
        self.received = False
        self.is_abandoned = False
        self.keep = False

    # -- asyncio ------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.idle_since = monotonic()
        self._pool.made(self)

    def data_received(self, data: bytes) -> None:
        if not self.busy or self.complete:
            # Nobody asked for this: bytes behind an answer belong to no request and poison the connection.
            self.keep = False
            self.transport.abort()
            return None
        self.received = True
        self._deadline = monotonic() + self._timeout_s
        if (first := self._parser is None) and not self._bodyless and self._receive_known(data):
            return None
        if first:
            self._parser = httptools.HttpResponseParser(self)
        self._overhead += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self.complete:
                return self._fail(UpstreamGarbage("the model server did not answer in HTTP/1.1"))
            self.keep = False
        if self._overhead > self._pool.limits.max_header_bytes and not self.complete:
            return self._fail(UpstreamGarbage("the model server's header block is too large"))
        if first and self.keep:
            self._remember(data)
        self._wake.fire()
        return None

    def _remember(self, data: bytes) -> None:
        answer = self.answer
        # what begins otherwise are hints before the answer: the block would be theirs
        if answer is not None and answer.is_repeatable and data.startswith(b"HTTP/1.1 %d " % answer.status):
            self._pool.heads.learn(data, answer)

    def _receive_known(self, data: bytes) -> bool:
        """Takes a whole answer whose header block was parsed before; False if it is none."""
        head = self._last_head  # engines repeat themselves
        at = head.body_at(data) if head is not None else -1
        if at < 0:
            head = self._last_head = self._pool.heads.find(data)
            at = head.body_at(data) if head is not None else -1
        if head is None or at < 0:
            return False
        answer = head.meaning
        self.answer = answer
        self.status = answer.status
        self.headers = answer.headers
        self._chunks.append(data[at:])
        self._buffered = len(data) - at
        self.ready = self.complete = self.keep = True
        self._wake.fire()
        return True

    def eof_received(self) -> bool:
        if self.busy and self.ready and not self.complete and self._ends_with_connection():
            self.complete = True
            self.keep = False
            self._wake.fire()
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio calls it so
        self._pool.lost(self)
        self._parser = None  # it holds this connection: without it no cycle is left
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
        self._wake.fire()

    # -- httptools ----------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.complete:
            raise _Surplus

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.ready:  # else it is a trailer
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            return  # 100 Continue, 103 Early Hints: the answer is still to come
        self.status = status
        self.answer = AnswerHead(status, self.headers)
        self.ready = True
        if self._bodyless:
            self.complete = True
            raise _Surplus

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)
        self._buffered += len(body)
        self._overhead = 0
        if self._buffered > _HIGH_WATER and not self._paused:
            self._paused = True
            self._deadline = 0.0  # its silence is our doing now
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
        self._bodyless = message.startswith(b"HEAD ")
        self._timeout_s = timeout_s
        self.sent_at = monotonic()
        self._deadline = self.sent_at + timeout_s
        self._pool.turn.write(self.transport, message)

    def write(self, data: bytes, timeout_s: float) -> None:
        """A further piece of the request; the next, or the answer, is waited for no longer than ``timeout_s``."""
        self._pool.turn.write(self.transport, data)
        self.sent_at = monotonic()
        self._deadline = self.sent_at + timeout_s

    def limit(self, timeout_s: float) -> None:
        """Sets how long the upstream may be silent from now on."""
        self._timeout_s = timeout_s
        self._deadline = 0.0 if self._paused else monotonic() + timeout_s

    def news(self) -> Wake:
        """To be awaited for the next piece of the answer.

        Errors: UpstreamFailure when there will be none.
        """
        if self._error is not None:
            raise self._error
        return self._wake

    async def head(self) -> None:
        """Waits until ``status`` and ``headers`` are there.

        Errors: UpstreamFailure.
        """
        while not self.ready:
            if self._error is not None:
                raise self._error
            await self._wake

    def whole_body(self) -> bytes | None:
        """The body, if all of it is here."""
        return b"".join(self._chunks) if self.complete else None

    async def read(self, limit: int) -> bytes:
        """The whole rest of the body.

        Units: bytes. Errors: UpstreamFailure; UpstreamGarbage when it is larger than ``limit``.
        """
        while self._buffered <= limit and not self.complete:
            if self._error is not None:
                raise self._error
            self._resume()
            await self._wake
        if self._buffered > limit:
            raise UpstreamGarbage(f"the model server's answer is larger than {limit} bytes")
        chunks = self._chunks
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def outwait(self, patience_s: float) -> None:
        """The client has left: waits for the whole answer all the same, because it is to be paid. Negative: not at all.

        Errors: ClientGone when none came in time, or it is none to pay for; then the connection is released.
        """
        self.is_abandoned = True
        limit = asyncio.get_running_loop().call_later(max(0.0, patience_s), self._give_up, patience_s)
        try:
            while patience_s > 0 and self._error is None and not self.complete and self._buffered <= _MOST_ABANDONED:
                self._resume()
                await self._wake
        except ClientGone:  # the gateway ends
            patience_s = 0.0
        except BaseException:
            self.release()
            raise
        finally:
            limit.cancel()
        if self.complete and self.status < 400:
            return
        owes_input = patience_s >= 0 and not self.complete and not isinstance(self._error, UpstreamUnreachable)
        self.release()
        raise ClientGone("the client closed the connection", owes_input=owes_input)

    def _give_up(self, patience_s: float) -> None:
        self._fail(UpstreamTimeout("the model server's answer came too late for a client that has left", patience_s))

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
            if self._timeout_s:
                self._deadline = monotonic() + self._timeout_s
            self.transport.resume_reading()

    def release(self) -> None:
        """Gives the connection back; what is not cleanly finished is closed, which tells the upstream to stop.

        ``status`` and ``headers`` can still be read; the body cannot.
        """
        if not self.busy:
            return
        self._deadline = self._timeout_s = 0.0
        self.busy = False
        self._chunks.clear()
        if self.complete and self.keep and not self.is_congested and not self.transport.is_closing():
            self._resume()
            self._pool.put_back(self)
        else:
            self._error = None  # its traceback holds the frames of the call, and they hold this connection
            self.transport.abort()

    def _fail(self, error: UpstreamFailure) -> None:
        if self._error is None:
            self._error = error
            del error  # the traceback will hold this frame
            self.keep = False
            self.transport.abort()
            self._wake.fire()

    def sweep(self, now: float) -> None:
        if self._deadline and now > self._deadline and not self.complete:
            seconds = self._timeout_s
            self._deadline = 0.0
            self._fail(UpstreamTimeout(f"the model server was silent for {seconds:g} s", seconds))


class UploadConnection(UpstreamConnection):
    """For one upload, and no other call after it: whether all of it was read when an answer came, nobody knows."""

    def release(self) -> None:
        self.keep = False
        super().release()


class _Surplus(Exception):
    """Raised inside the parser's callbacks: what follows belongs to no answer."""
