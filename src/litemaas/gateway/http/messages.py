"""What does a request look like to the stages, and how do they answer it?"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from litemaas.core.errors import BodyTooLarge, ClientGone
from litemaas.gateway.http.stepping import Wake

if TYPE_CHECKING:
    from litemaas.gateway.http.server import ServerConnection

REASONS = {
    100: "Continue", 200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 301: "Moved Permanently", 302: "Found",
    303: "See Other", 304: "Not Modified", 307: "Temporary Redirect", 308: "Permanent Redirect", 400: "Bad Request",
    401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    406: "Not Acceptable", 408: "Request Timeout", 409: "Conflict", 410: "Gone", 411: "Length Required",
    412: "Precondition Failed", 413: "Content Too Large", 414: "URI Too Long", 415: "Unsupported Media Type",
    417: "Expectation Failed", 422: "Unprocessable Content", 424: "Failed Dependency", 425: "Too Early", 429: "Too Many Requests",
    431: "Request Header Fields Too Large", 499: "Client Closed Request", 500: "Internal Server Error", 501: "Not Implemented",
    502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout", 505: "HTTP Version Not Supported",
}  # fmt: skip
STATUS_LINES = {status: f"HTTP/1.1 {status} {reason}\r\n".encode() for status, reason in REASONS.items()}
NO_BODY_STATUSES = frozenset({204, 304})


def status_line(status: int) -> bytes:
    return STATUS_LINES.get(status) or b"HTTP/1.1 %d Status\r\n" % status


class Request:
    """One request as it was received; the header block is complete, the body may still be arriving.

    ``headers``: names in lower case; repeated ones joined with a comma. ``path`` is percent-decoded.
    """

    __slots__ = (
        "_body_wake", "_chunks", "_connection", "_limit", "_size", "client_ip", "complete", "expects_continue", "headers",
        "is_http_1_0", "keep_alive", "length", "method", "path", "query", "received_at", "target",
    )  # fmt: skip

    def __init__(self, connection: ServerConnection, client_ip: str, received_at: float) -> None:
        self._connection = connection
        self.client_ip = client_ip
        self.received_at = received_at
        self.method = ""
        self.path = ""
        self.query = b""
        self.target = b""
        self.headers: dict[bytes, bytes] = {}
        self.length: int | None = None
        self.is_http_1_0 = False
        self.keep_alive = True
        self.expects_continue = False
        self.complete = False
        self._chunks: list[bytes] = []
        self._size = 0
        self._limit = -1
        self._body_wake: Wake | None = None

    def set_target(self, target: bytes) -> None:
        self.target = target
        raw_path, _, self.query = target.partition(b"?")
        self.path = (unquote_to_bytes(raw_path) if b"%" in raw_path else raw_path).decode("latin-1")

    async def body(self, limit: int) -> bytes:
        """The whole body.

        Units: bytes. Errors: BodyTooLarge as soon as that is certain; ClientGone.
        """
        if not self.complete or self._size > limit:
            await self._receive(limit)
        chunks = self._chunks
        if len(chunks) == 1:
            return chunks[0]
        return b"".join(chunks)

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

    def add(self, chunk: bytes) -> None:
        """Called by the connection for each piece of the body."""
        self._chunks.append(chunk)
        self._size += len(chunk)

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
    """The answer to one request: either ``send`` once, or ``start``, ``write`` … ``end``."""

    __slots__ = ("_chunked", "_closing", "_connection", "_drain", "_request", "ended", "started", "status")

    def __init__(self, connection: ServerConnection, request: Request) -> None:
        self._connection = connection
        self._request = request
        self._drain: Wake | None = None
        self._chunked = False
        self._closing = False
        self.started = False
        self.ended = False
        self.status = 0

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """Answers in one piece. ``headers`` are complete lines, each with its CRLF; framing is added here."""
        self.started = self.ended = True
        self.status = status
        closing = self._closes()
        framing = b"" if status in NO_BODY_STATUSES else b"content-length: %d\r\n" % len(body)
        if self._request.method == "HEAD":
            body = b""
        self._connection.write(
            b"".join(
                (status_line(status), headers, framing, b"connection: close\r\n" if closing else b"", b"\r\n", body)
            )
        )
        self._connection.response_ended(closing)

    def start(self, status: int, headers: bytes) -> None:
        """Begins an answer whose length is not known."""
        self.started = True
        self.status = status
        self._chunked = not self._request.is_http_1_0
        self._closing = self._closes() or not self._chunked
        framing = b"transfer-encoding: chunked\r\n" if self._chunked else b""
        closing = b"connection: close\r\n" if self._closing else b""
        self._connection.write(b"".join((status_line(status), headers, framing, closing, b"\r\n")))

    def write(self, data: bytes) -> None:
        if data:
            self._connection.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

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
        self.ended = True
        if self._chunked:
            tail = b"%x\r\n%b\r\n0\r\n\r\n" % (len(last), last) if last else b"0\r\n\r\n"
        else:
            tail = last
        if tail:
            self._connection.write(tail)
        self._connection.response_ended(self._closing)

    def abort(self) -> None:
        """Ends a streamed answer in a way that the client cannot take for a complete one."""
        self.ended = True
        self._connection.abort()

    def _closes(self) -> bool:
        request = self._request
        return not request.keep_alive or not request.complete or self._connection.is_draining


def client_gone() -> ClientGone:
    return ClientGone("the client closed the connection")
