"""What does a request look like to the stages, and how do they answer it?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from litemaas.core.errors import BodyTooLarge, ClientGone
from litemaas.gateway.http.stepping import Wake

if TYPE_CHECKING:
    from litemaas.gateway.http.connection import ServerConnection

REASONS = {
    100: "Continue", 200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 301: "Moved Permanently", 302: "Found",
    303: "See Other", 304: "Not Modified", 307: "Temporary Redirect", 308: "Permanent Redirect", 400: "Bad Request",
    401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    406: "Not Acceptable", 408: "Request Timeout", 409: "Conflict", 410: "Gone", 411: "Length Required",
    412: "Precondition Failed", 413: "Content Too Large", 414: "URI Too Long", 415: "Unsupported Media Type",
    417: "Expectation Failed", 422: "Unprocessable Content", 424: "Failed Dependency", 425: "Too Early",
    429: "Too Many Requests", 431: "Request Header Fields Too Large", 499: "Client Closed Request",
    500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Gateway Timeout", 505: "HTTP Version Not Supported",
}  # fmt: skip
STATUS_LINES: Final = {status: f"HTTP/1.1 {status} {reason}\r\n".encode() for status, reason in REASONS.items()}
NO_BODY_STATUSES: Final = frozenset({204, 304})
_MAX_PIECES: Final = 1024
"""Pieces of a body that are kept apart: a body sent two bytes at a time must not take twenty times its size."""


def status_line(status: int) -> bytes:
    return STATUS_LINES.get(status) or b"HTTP/1.1 %d Status\r\n" % status


class RequestHead:
    """A header block that was understood once, for the next one like it. It lacks the length: that may differ."""

    __slots__ = ("has_length", "headers", "keep_alive", "method", "notes", "path", "query", "target")

    def __init__(self, request: Request) -> None:
        self.method, self.target, self.path, self.query = request.method, request.target, request.path, request.query
        self.headers = {name: value for name, value in request.headers.items() if name != b"content-length"}
        self.notes = request.notes
        self.keep_alive = request.keep_alive
        self.has_length = request.length is not None


class Request:
    """One request as it was received; the header block is complete, the body may still be arriving.

    ``notes``: what the stages found out from the header block alone; requests under the same block share it.
    ``headers``: names in lower case; repeated ones joined with a comma; shared like the notes, so never to be changed.
    ``target`` is as it came, ``path`` percent-decoded.
    """

    __slots__ = (
        "_body_wake", "_chunks", "_connection", "_limit", "_size", "client_ip", "complete", "expects_continue", "headers",
        "is_http_1_0", "keep_alive", "length", "method", "notes", "path", "query", "received_at", "target",
    )  # fmt: skip

    def __init__(self, connection: ServerConnection, client_ip: str, received_at: float) -> None:
        self._connection = connection
        self.client_ip = client_ip
        self.received_at = received_at
        self.method = ""
        self.target = b""
        self.path = ""
        self.query = b""
        self.headers: dict[bytes, bytes] = {}
        self.notes: dict[str, str] = {}
        self.length: int | None = None
        self.is_http_1_0 = False
        self.keep_alive = True
        self.expects_continue = False
        self.complete = False
        self._chunks: list[bytes | bytearray] = []
        self._size = 0
        self._limit = -1
        self._body_wake: Wake | None = None

    def set_target(self, target: bytes) -> None:
        self.target = target
        raw_path, _, self.query = target.partition(b"?")
        self.path = (unquote_to_bytes(raw_path) if b"%" in raw_path else raw_path).decode("latin-1")

    def take_whole(self, head: RequestHead, body: bytes) -> None:
        """Fills in a request that arrived in one piece under a known header block."""
        self.method, self.target, self.path, self.query = head.method, head.target, head.path, head.query
        self.headers = head.headers
        self.notes = head.notes
        self.keep_alive = head.keep_alive
        self._size = len(body)
        if head.has_length:
            self.length = self._size
        if body:
            self._chunks.append(body)
        self.complete = True

    def whole_body(self, limit: int) -> bytes | None:
        """The body, if all of it is here and it is not larger than ``limit`` bytes."""
        if not self.complete or self._size > limit:
            return None
        return b"".join(self._chunks)  # of a single piece that is the piece itself, without a copy

    async def body(self, limit: int) -> bytes:
        """The whole body.

        Units: bytes. Errors: BodyTooLarge as soon as that is certain; ClientGone.
        """
        if not self.complete or self._size > limit:
            await self._receive(limit)
        chunks = self._chunks
        return b"".join(chunks)  # of a single piece that is the piece itself, without a copy

    async def _receive(self, limit: int) -> None:
        self._limit = limit
        wake = self._body_wake = Wake()
        if self._size <= limit and (self.length is None or self.length <= limit):
            self._connection.wants_body(self)
        while not self.complete or self._size > limit:
            if self._size > limit or (self.length is not None and self.length > limit):
                raise BodyTooLarge(f"the body is larger than {limit} bytes, the most that is taken here")
            await wake
        self._body_wake = None

    async def take(self) -> bytes:
        """What has arrived of the body since the last call, so that all of it is never here; empty at its end.

        The client is slowed down to the pace of whoever takes. Errors: ClientGone.
        """
        while not self._chunks:
            if self.complete:
                return b""
            self._connection.wants_body(self)
            wake = self._body_wake = Wake()
            await wake
            self._body_wake = None
        data = b"".join(self._chunks)
        self._chunks = []
        self._size = 0
        return data

    def add(self, chunk: bytes) -> None:
        """Called by the connection for each piece of the body."""
        chunks = self._chunks
        chunks.append(chunk)
        self._size += len(chunk)
        if len(chunks) > _MAX_PIECES:
            self._merge()

    def _merge(self) -> None:
        first, *rest = self._chunks
        merged = first if isinstance(first, bytearray) else bytearray(first)
        merged += b"".join(rest)  # in place: all of a body is copied a few times at most
        self._chunks = [merged]

    def news(self) -> None:
        """Called by the connection when more of the body has arrived."""
        if self._body_wake is not None:
            self._body_wake.fire()

    @property
    def buffered(self) -> int:
        return self._size

    @property
    def is_wanted(self) -> bool:
        return self._limit >= self._size


class Response:
    """The answer to one request: either ``send`` once, or ``start``, ``write`` … ``end``.

    Nothing that is called after the end, or after the client has gone, reaches the wire or fails.
    """

    __slots__ = ("_chunked", "_closing", "_connection", "_drain", "_mute", "_request", "ended", "started", "status")

    def __init__(self, connection: ServerConnection, request: Request) -> None:
        self._connection = connection
        self._request = request
        self._drain: Wake | None = None
        self._chunked = False
        self._closing = False
        self._mute = False
        self.started = False
        self.ended = False
        self.status = 0

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """Answers in one piece. ``headers`` are complete lines, each with its CRLF; framing is added here."""
        if self.started:
            raise RuntimeError("the request was answered twice")
        self.started = self.ended = True
        self.status = status
        request = self._request
        if request.keep_alive and request.complete and not self._connection.is_draining and request.method != "HEAD":
            closing, ending = False, b"\r\n"
        else:
            closing = self._closes()
            ending = b"connection: close\r\n\r\n" if closing else b"\r\n"
        if status in NO_BODY_STATUSES:
            self._connection.write(status_line(status) + headers + ending)
        else:
            shown = b"" if request.method == "HEAD" else body
            self._connection.write(
                b"%b%bcontent-length: %d\r\n%b%b" % (status_line(status), headers, len(body), ending, shown)
            )
        if closing:
            self._connection.response_ended(closing)

    def start(self, status: int, headers: bytes) -> None:
        """Begins an answer whose length is not known."""
        if self.started:
            raise RuntimeError("the request was answered twice")
        self.started = True
        self.status = status
        request = self._request
        self._mute = status in NO_BODY_STATUSES or request.method == "HEAD"
        self._chunked = not request.is_http_1_0 and not self._mute
        self._closing = self._closes()
        framing = b"transfer-encoding: chunked\r\n" if self._chunked else b""
        closing = b"connection: close\r\n" if self._closing else b""
        self._connection.write(b"".join((status_line(status), headers, framing, closing, b"\r\n")))

    def write(self, data: bytes) -> None:
        if not data or self.ended:
            return
        if self._chunked:
            self._connection.write(b"%x\r\n%b\r\n" % (len(data), data))
        elif not self._mute:
            self._connection.write(data)

    @property
    def is_congested(self) -> bool:
        """Whether the client reads more slowly than we write."""
        return self._connection.is_congested

    async def drain(self) -> None:
        """Waits until the client has caught up.

        Errors: ClientGone.
        """
        while self._connection.is_congested:
            wake = self._drain = Wake()
            await wake

    def news(self) -> None:
        if self._drain is not None:
            self._drain.fire()

    def end(self, last: bytes = b"") -> None:
        """Ends a streamed answer, after ``last``."""
        if self.ended:
            return
        self.ended = True
        if self._chunked:
            self._connection.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(last), last) if last else b"0\r\n\r\n")
        elif last and not self._mute:
            self._connection.write(last)
        self._connection.response_ended(self._closing)

    def abort(self) -> None:
        """Ends a streamed answer in a way that the client cannot take for a complete one."""
        self.ended = True
        self._connection.abort()

    def left(self) -> None:
        """The client has gone, and nobody will write any more: nothing to do, but for who keeps a copy."""

    def _closes(self) -> bool:
        request = self._request
        return not request.keep_alive or not request.complete or self._connection.is_draining


def client_gone() -> ClientGone:
    return ClientGone("the client closed the connection")
