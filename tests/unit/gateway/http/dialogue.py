"""How is a conversation in HTTP written down as a test? In memory: bytes in, bytes out, no socket, no loop, no clock."""

from __future__ import annotations

import asyncio
import gc
import json
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from hypothesis import HealthCheck, settings

from litemaas.core.errors import BodyTooLarge, ClientGone, InvalidRequest, RequestTooSlow, UpstreamFailure
from litemaas.gateway.http.answers import Origin, UpstreamConnection
from litemaas.gateway.http.client import Pool
from litemaas.gateway.http.connection import ServerConnection
from litemaas.gateway.http.limits import ClientLimits, ServerLimits
from litemaas.gateway.http.messages import Request, Response
from litemaas.gateway.http.server import Server
from litemaas.gateway.http.stepping import Run, Wake

JSON = b"content-type: application/json\r\n"
BODY_LIMIT = 1024 * 1024
Handler = Callable[[Request, Response], Coroutine[Any, Any, None]]


def examples(count: int) -> settings:
    """How many examples a property is tried with; LITEMAAS_TEST_PROFILE=nightly tries a hundred times more."""
    factor = 100 if os.environ.get("LITEMAAS_TEST_PROFILE") == "nightly" else 1
    return settings(max_examples=count * factor, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class WireTransport(asyncio.Transport):
    """The transport of a connection in memory; what is written is kept, and news is told only when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.reads = True
        self.is_closed = False
        self.is_aborted = False
        self.wrote_eof = False

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("192.0.2.7", 40000) if name == "peername" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.wrote_eof:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self.is_lost:
            raise RuntimeError("unable to perform operation; the handler is closed")
        self.written += data

    is_lost = False

    def write_eof(self) -> None:
        if self.is_lost:
            raise RuntimeError("unable to perform operation; the handler is closed")
        self.wrote_eof = True

    def pause_reading(self) -> None:
        assert self.reads, "paused twice"
        self.reads = False

    def resume_reading(self) -> None:
        assert not self.reads, "resumed twice"
        self.reads = True

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = self.is_aborted = True

    def is_closing(self) -> bool:
        return self.is_closed


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def left_behind(scene: Callable[[], object], *kinds: type) -> list[object]:
    """What a scene leaves to the garbage collector: cycles that would pile up under load."""
    gc.collect()
    gc.disable()
    try:
        before = {id(o) for o in gc.get_objects() if isinstance(o, kinds)}
        scene()
        return [o for o in gc.get_objects() if isinstance(o, kinds) and id(o) not in before]
    finally:
        gc.enable()


def read_answers(data: bytes, heads: tuple[int, ...] = ()) -> list[Answer]:
    """Reads a byte stream of answers without the parser under test; ``heads``: which of them answer a HEAD.

    An answer that is not framed by its header block takes all that follows. Fails on anything malformed or left over.
    """
    answers = []
    while data:
        head, found, data = data.partition(b"\r\n\r\n")
        assert found, f"an unfinished header block: {head!r}"
        first, *lines = head.decode("latin-1").split("\r\n")
        version, status, _ = first.split(" ", 2)
        assert version == "HTTP/1.1"
        headers = {}
        for line in lines:
            name, colon, value = line.partition(": ")
            assert colon
            assert name not in headers, f"{name} is repeated"
            headers[name] = value
        assert not {"content-length", "transfer-encoding"} <= headers.keys()
        if int(status) in (100, 204, 304) or len(answers) in heads:
            body = b""
        elif "content-length" in headers:
            length = int(headers["content-length"])
            body, data = data[:length], data[length:]
            assert len(body) == length, "the body is cut off"
        elif headers.get("transfer-encoding") == "chunked":
            body, data = _read_chunks(data)
        else:
            body, data = data, b""
        answers.append(Answer(int(status), headers, body))
    return answers


def _read_chunks(data: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        size, found, data = data.partition(b"\r\n")
        assert found, "the body is cut off"
        length = int(size, 16)
        body += data[:length]
        assert data[length : length + 2] == b"\r\n", "the body is cut off"
        data = data[length + 2 :]
        if not length:
            return body, data


@dataclass
class Seen:
    """What a handler was given; without the length, which a header block known from before does not repeat."""

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    body: bytes


class Conversation:
    """A client's connection to a server whose handler repeats what it was asked, unless another one is given."""

    def __init__(self, handler: Handler | None = None, **limits: float) -> None:
        self.seen: list[Seen] = []
        self.errors: list[Exception] = []
        self.defects: list[BaseException | None] = []
        self.refusals: list[int] = []
        self.server = Server(
            handler or self.repeat,
            ServerLimits(**limits),  # type: ignore[arg-type]
            lambda status, reason: json.dumps({"error": {"message": reason, "code": str(status)}}).encode(),
            self.defects.append,
            self.refusals.append,
        )
        self.connect()

    def connect(self) -> None:
        self.transport = WireTransport()
        self.connection = ServerConnection(self.server)
        self._kernel = b""
        self.connection.connection_made(self.transport)

    async def repeat(self, request: Request, response: Response) -> None:
        """Answers with what came; errors become what the gateway makes of them."""
        try:
            body = await request.body(BODY_LIMIT)
        except ClientGone as gone:
            self.errors.append(gone)
            return
        except InvalidRequest as error:
            self.errors.append(error)
            status = {BodyTooLarge: 413, RequestTooSlow: 408}.get(type(error), 400)
            response.send(status, JSON, json.dumps({"error": {"message": str(error)}}).encode())
            return
        headers = {name: value for name, value in request.headers.items() if name != b"content-length"}
        self.seen.append(Seen(request.method, request.path, request.query, headers, body))
        response.send(200, JSON, json.dumps([request.method, request.path, body.decode("latin-1")]).encode())

    # -- what the client does -------------------------------------------------------------------------------------------

    def say(self, *pieces: bytes) -> Conversation:
        """Sends; what the server does not want to read yet waits, as it would in the kernel."""
        for piece in pieces:
            self._kernel += piece
            self.pump()
        return self

    def pump(self) -> None:
        while self._kernel and self.transport.reads and not self.transport.is_closed:
            piece, self._kernel = self._kernel, b""
            self.connection.data_received(piece)

    @property
    def unread(self) -> int:
        """How many bytes the server has left in the kernel."""
        return len(self._kernel)

    def hang_up(self) -> None:
        if not self.connection.eof_received():
            self.transport.close()
        self.lose()

    def lose(self, error: Exception | None = None) -> None:
        self.transport.is_closed = self.transport.is_lost = True
        self.connection.connection_lost(error)

    def wait(self, seconds: float) -> None:
        """Lets time pass for the sweep."""
        self.connection.sweep(monotonic() + seconds)
        self.pump()

    # -- what it hears --------------------------------------------------------------------------------------------------

    @property
    def heard(self) -> bytes:
        return bytes(self.transport.written)

    def answers(self, heads: tuple[int, ...] = ()) -> list[Answer]:
        return read_answers(self.heard, heads)

    @property
    def statuses(self) -> list[int]:
        return [answer.status for answer in self.answers()]

    @property
    def is_over(self) -> bool:
        """Whether the server has ended the conversation, at least for its part."""
        return self.transport.is_closed or self.transport.wrote_eof


@dataclass
class Story:
    """A stepped coroutine that a test holds in its hands."""

    coroutine: Coroutine[Any, Any, Any]
    result: Any = None
    error: BaseException | None = None
    ends: int = 0
    run: Run = field(init=False)

    def __post_init__(self) -> None:
        async def body() -> None:
            self.result = await self.coroutine

        self.run = Run(body(), self._ended)
        self.run.start()

    def _ended(self, error: BaseException | None) -> None:
        self.ends += 1
        self.error = error

    @property
    def is_over(self) -> bool:
        return self.ends > 0

    def outcome(self) -> Any:
        assert self.ends == 1
        if self.error is not None:
            raise self.error
        return self.result


class Gate:
    """Where a handler of a test waits until the test opens it."""

    def __init__(self) -> None:
        self._wake = Wake()
        self.is_open = False

    async def __call__(self) -> None:
        while not self.is_open:
            await self._wake

    def open(self) -> None:
        self.is_open = True
        self._wake.fire()


class UpstreamCall:
    """One call over a connection to an upstream that the test plays."""

    def __init__(self, message: bytes | None = b"GET / HTTP/1.1\r\n\r\n", limits: ClientLimits | None = None) -> None:
        self.pool = Pool(limits or ClientLimits())
        self.connection = UpstreamConnection(self.pool, Origin("upstream.test", 80))
        self.pool._counts[self.connection.origin] = 1
        self.pool._opening.add(self.connection)
        self.transport = WireTransport()
        self.connection.connection_made(self.transport)
        if message is not None:
            self.send(message)

    def send(self, message: bytes = b"GET / HTTP/1.1\r\n\r\n", timeout_s: float = 10.0) -> None:
        self.connection.send(message, timeout_s)

    def answers(self, *pieces: bytes) -> UpstreamCall:
        for piece in pieces:
            assert self.transport.reads, "the client has asked for a pause"
            if self.transport.is_closed:
                break
            self.connection.data_received(piece)
        return self

    def closes(self, error: Exception | None = None) -> UpstreamCall:
        if error is None and not self.connection.eof_received():
            self.transport.close()
        self.transport.is_closed = self.transport.is_lost = True
        self.connection.connection_lost(error)
        return self

    async def whole(self, limit: int = BODY_LIMIT) -> tuple[int, bytes]:
        await self.connection.head()
        return self.connection.status, await self.connection.read(limit)

    def read(self, limit: int = BODY_LIMIT) -> Story:
        return Story(self.whole(limit))

    def outcome(self) -> tuple[int, bytes] | type[UpstreamFailure]:
        story = self.read()
        assert story.is_over
        if isinstance(story.error, UpstreamFailure):
            return type(story.error)
        result: tuple[int, bytes] = story.outcome()
        return result
