"""How do the tests of the HTTP layer meet the network? On uvloop and loopback, with a deadline for everything."""

from __future__ import annotations

import asyncio
import functools
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import uvloop

from litemaas.gateway.http.limits import ServerLimits
from litemaas.gateway.http.messages import Request, Response
from litemaas.gateway.http.server import Server
from litemaas.gateway.http.turns import Turn

WITHIN_S = 60.0
JSON = b"content-type: application/json\r\n"
Handler = Callable[[Request, Response], Coroutine[Any, Any, None]]
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def on_uvloop(scene: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Runs a test's scene on a loop of its own, and fails if anything was reported to the loop or takes too long."""

    @functools.wraps(scene)
    def test(*args: Any, **kwargs: Any) -> None:
        reports: list[dict[str, Any]] = []

        async def body() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
            async with asyncio.timeout(WITHIN_S):
                await scene(*args, **kwargs)

        uvloop.run(body())
        assert reports == []

    return test


async def until(happened: Callable[[], Any]) -> None:
    async with asyncio.timeout(WITHIN_S / 2):
        while not happened():  # noqa: ASYNC110 - what happens there sets no event
            await asyncio.sleep(0.002)


class Serving:
    """A server of ours on a free port."""

    def __init__(self, handler: Handler, limits: ServerLimits, turn: Turn | None) -> None:
        self.defects: list[BaseException | None] = []
        self.refusals: list[int] = []
        self.server = Server(
            handler,
            limits,
            lambda status, reason: json.dumps({"error": {"message": reason, "code": str(status)}}).encode(),
            self.defects.append,
            self.refusals.append,
            turn,
        )
        self.port = 0

    async def connect(self) -> Client:
        return await Client.connect(self.port)


@asynccontextmanager
async def serving(handler: Handler, *, turns: bool = False, **limits: float) -> AsyncIterator[Serving]:
    host = Serving(handler, ServerLimits(**limits), Turn(lambda: None) if turns else None)  # type: ignore[arg-type]
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    host.port = sock.getsockname()[1]
    await host.server.listen(sock)
    try:
        yield host
    finally:
        await host.server.drain(0.0)
        assert host.server.connection_count == 0


class Client:
    """A client that says exactly what the test tells it to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, port: int) -> Client:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hear(self) -> tuple[int, dict[str, str], bytes]:
        """One answer."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ")[1])
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        body = b""
        if "content-length" in headers:
            body = await self.reader.readexactly(int(headers["content-length"]))
        elif headers.get("transfer-encoding") == "chunked":
            chunks = []
            while size := int(await self.reader.readline(), 16):
                chunks.append((await self.reader.readexactly(size + 2))[:-2])
            await self.reader.readexactly(2)
            body = b"".join(chunks)
        return status, headers, body

    async def hear_all(self) -> bytes:
        """Everything until the server ends the connection; a reset loses nothing that came before."""
        heard = b""
        with suppress(ConnectionResetError):
            while piece := await self.reader.read(65536):
                heard += piece
        return heard

    def reset(self) -> None:
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


class Upstream:
    """A model server that plays one script per connection; the last script is played again and again."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = scripts
        self.connections = 0
        self.requests: list[bytes] = []
        self.port = 0

    async def request(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(head)
        return head

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = self._scripts[min(self.connections, len(self._scripts) - 1)]
        self.connections += 1
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await script(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@asynccontextmanager
async def playing(upstream: Upstream, **options: Any) -> AsyncIterator[Upstream]:
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(upstream.meet(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, **options)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        for _ in range(10):
            await asyncio.sleep(0)  # for what was accepted in the last turn
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
