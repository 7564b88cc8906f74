"""How does one request get its answer, or the failure that was ordered for it?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

import orjson
from msgspec import Struct

from litemaas.sim.behaviour import Fault
from litemaas.sim.connection import Peer
from litemaas.sim.counters import Entry

JSON = b"application/json"
EVENTS = b"text/event-stream; charset=utf-8"

Headers = Iterable[tuple[bytes, bytes]]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class ClientLeft(Exception):
    """The client closed the connection before its answer was complete."""


class ConnectionCut(Exception):
    """A fault ended the answer; nothing more can be sent."""


class ReceivedRequest(Struct, frozen=True):
    """A request as it arrived; ``body`` is cut at 1 MiB."""

    method: str
    path: str
    query: str
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: str) -> str | None:
        wanted = name.lower().encode()
        return next((value.decode("latin-1") for key, value in self.headers if key == wanted), None)

    def json(self) -> Any:
        return orjson.loads(self.body)

    def report(self) -> dict[str, Any]:
        """As plain values; ``body`` is the parsed JSON, else ``None``."""
        try:
            body = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            body = None
        headers = [[key.decode("latin-1"), value.decode("latin-1")] for key, value in self.headers]
        text = self.body.decode(errors="replace")
        return {"method": self.method, "path": self.path, "query": self.query, "headers": headers, "body": body,
                "body_text": text}  # fmt: skip


class Exchange:
    """One request and the way to answer it."""

    def __init__(self, scope: Any, receive: Receive, send: Send, entry: Entry) -> None:
        self.scope = scope
        self.peer: Peer = scope["state"]["peer"]
        self.path: str = scope["path"]
        self.headers: list[tuple[bytes, bytes]] = scope["headers"]
        self.body = b""
        self.entry = entry
        self.fault: Fault | None = None
        self.outlives_answer = False  # the entry is ended by a background task, not with the answer
        self._receive = receive
        self._send = send
        self._raw = False  # the head was written past uvicorn
        self._stream = False
        self._chunks = 0

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)

    def query(self) -> dict[str, str]:
        """The last value of each query parameter."""
        return {name: values[-1] for name, values in parse_qs(self.scope["query_string"].decode("latin-1")).items()}

    async def read_body(self) -> None:
        message = await self._receive()
        parts = []
        while True:
            if message["type"] == "http.disconnect":
                raise ClientLeft
            parts.append(message["body"])
            if not message["more_body"]:
                break
            message = await self._receive()
        self.body = parts[0] if len(parts) == 1 else b"".join(parts)

    # -- the answer in one piece

    async def answer_json(self, value: Any, status: int = 200, headers: Headers = ()) -> None:
        await self.answer(status, orjson.dumps(value), JSON, headers)

    async def answer(self, status: int, body: bytes, content_type: bytes, headers: Headers = ()) -> None:
        """Sends the whole answer, unless the request's fault breaks it."""
        fault = self.fault
        if fault is not None and fault.kind == "garbage_json":
            body = _broken(body)
        await self._send_head(status, content_type, [(b"content-length", b"%d" % len(body)), *headers])
        if fault is not None and fault.kind == "die":
            await self._send_body(body[: len(body) // 2], more=True)
            await self._die(fault)
        await self._send_body(body, more=False)

    # -- the answer as a stream of events

    async def start_stream(self) -> None:
        self._stream = True
        await self._send_head(200, EVENTS, ())

    async def write(self, chunk: bytes) -> None:
        """Sends one event at once.

        Errors: ClientLeft, ConnectionCut.
        """
        if self.fault is not None:
            chunk = await self._spoil(self.fault, chunk)
        await self._send_body(chunk, more=True)
        self._chunks += 1

    async def finish(self, chunk: bytes) -> None:
        """Sends the last event and ends the answer."""
        if self.fault is not None and self.fault.kind == "die":
            await self._die(self.fault)
        await self._send_body(chunk, more=False)

    # -- below

    async def _send_head(self, status: int, content_type: bytes, headers: Headers) -> None:
        self.entry.status = status
        lines = [(b"content-type", content_type), *headers]
        if self.peer.gone:
            raise ClientLeft
        if self.fault is not None and self.fault.kind == "slow_headers":
            await self._trickle_head(status, lines, self.fault.pause_s)
            return
        await self._send({"type": "http.response.start", "status": status, "headers": lines})

    async def _trickle_head(self, status: int, lines: Headers, pause_s: float) -> None:
        # uvicorn sends a head in one piece, so this one goes past it; the body then ends with the connection.
        self._raw = True
        head = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()]
        head += [b"%s: %s\r\n" % line for line in lines]
        head += [b"connection: close\r\n", b"\r\n"]
        for line in head:
            if not await self.peer.sleep(pause_s):
                raise ClientLeft
            self.peer.transport.write(line)

    async def _send_body(self, chunk: bytes, more: bool) -> None:
        if self.peer.gone:
            raise ClientLeft
        if not self._raw:
            await self._send({"type": "http.response.body", "body": chunk, "more_body": more})
            return
        self.peer.transport.write(chunk)
        if not more:
            await self.peer.close()

    async def _spoil(self, fault: Fault, chunk: bytes) -> bytes:
        if fault.kind == "garbage_json" and self._chunks == 0:
            return b"data: " + _broken(chunk[6:].rstrip()) + b"\n\n"
        if fault.kind == "die" and self._chunks >= fault.after_chunks:
            await self._die(fault)
        return chunk

    async def _die(self, fault: Fault) -> None:
        match fault.ending:
            case "reset":
                await self.peer.reset()
            case "stall":
                await self.peer.sleep(None)
                raise ClientLeft
            case "end" if self._stream:
                await self._send_body(b"", more=False)
            case "error" if self._stream:
                error = {"message": "The engine died.", "type": "InternalServerError", "param": None, "code": 500}
                await self._send_body(b"data: %s\n\ndata: [DONE]\n\n" % orjson.dumps({"error": error}), more=False)
            case _:
                await self.peer.close()
        raise ConnectionCut

    async def suffer(self) -> bool:
        """Applies a fault that takes the answer's place; should the request still be answered?

        Errors: ClientLeft, ConnectionCut.
        """
        fault = self.fault
        if fault is None:
            return True
        match fault.kind:
            case "reset":
                await self.peer.reset()
            case "close":
                await self.peer.close()
            case "garbage":
                self.peer.transport.write(fault.raw.encode("latin-1"))
                await self.peer.close()
            case "hang":
                if not await self.peer.sleep(fault.hang_s):
                    raise ClientLeft
                return True
            case "status":
                await self._answer_status(fault)
                return False
            case _:
                return True
        raise ConnectionCut

    async def _answer_status(self, fault: Fault) -> None:
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in fault.headers.items()]
        if fault.retry_after is not None:
            headers.append((b"retry-after", b"%d" % fault.retry_after))
        if isinstance(fault.body, str):
            await self.answer(fault.status, fault.body.encode(), b"text/plain; charset=utf-8", headers)
            return
        default = {"message": "Simulated failure.", "type": "SimulatedError", "param": None, "code": fault.status}
        await self.answer_json({"error": default} if fault.body is None else fault.body, fault.status, headers)

    async def let_others_run(self) -> None:
        """Gives the loop a turn, which also puts on the wire what was written."""
        await asyncio.sleep(0)


def _broken(body: bytes) -> bytes:
    return body[: len(body) // 2] + b'"}{,'
