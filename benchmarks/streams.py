"""How are streams loaded and timed? Some connections that ask for one stream after the other and confirm every chunk."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from time import perf_counter_ns
from typing import Any, cast

from benchmarks import canned
from benchmarks.figures import percentile
from benchmarks.upstream import Streams

_END_OF_ANSWER = b"0\r\n\r\n"
_GRACE_S = 20.0


@dataclass
class Seen:
    """What the clients of one round saw. Units: ns."""

    streams: int = 0
    events: int = 0
    reads: int = 0
    errors: int = 0
    event_ns: list[int] = field(default_factory=list)
    first_ns: list[int] = field(default_factory=list)
    example: str = ""

    def fail(self, why: str) -> None:
        self.errors += 1
        self.example = self.example or why


class StreamClient(asyncio.Protocol):
    """One connection. A wrong answer is counted and ends it."""

    def __init__(self, request: Callable[[], tuple[int, bytes] | None], streams: Streams, seen: Seen) -> None:
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request
        self._streams = streams
        self._seen = seen
        self._transport: asyncio.Transport
        self._fd = -1
        self._number = -1
        self._asked_at = 0
        self._parts: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._fd = transport.get_extra_info("socket").fileno()
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._number >= 0:
            self._seen.fail(f"the connection was lost in the middle of a stream: {exc!r}")
        if not self.gone.done():
            self.gone.set_result(None)

    def abort(self) -> None:
        self._transport.abort()

    def _ask(self) -> None:
        wanted = self._request()
        if wanted is None:
            self._number = -1
            self._transport.close()
            return
        self._number, message = wanted
        self._parts.clear()
        self._asked_at = perf_counter_ns()
        if os.write(self._fd, message) != len(message):
            raise OSError("a request did not fit into an empty socket")

    def data_received(self, data: bytes) -> None:
        now = perf_counter_ns()
        parts = self._parts
        parts.append(data)
        if b"\n\n" in data:
            seen = self._seen
            seen.reads += 1
            if len(parts) == 1:
                seen.first_ns.append(now - self._asked_at)
            stream = self._streams.running.get(self._number)
            if stream is not None and stream.is_waiting:
                seen.event_ns.append(now - stream.sent_at)
                stream.advance()
        if data.endswith(_END_OF_ANSWER):
            self._complete()
        elif len(parts) == 1 and not data.startswith(b"HTTP/1.1 200"):
            self._refuse(data)

    def _complete(self) -> None:
        answer = b"".join(self._parts)
        self._streams.running.pop(self._number, None)
        if canned.WORD.findall(answer) != canned.WORDS or b"data: [DONE]\n\n" not in answer:
            self._refuse(answer)
            return
        self._seen.streams += 1
        self._seen.events += answer.count(b"data: {")
        self._ask()

    def _refuse(self, answer: bytes) -> None:
        self._seen.fail(f"not the stream that was expected: {answer[:600]!r}")
        self._number = -1
        self._transport.close()


class StreamLoad:
    """Runs rounds of streams; the numbers of streams never repeat, or an upstream could confirm another's."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._numbers = count(1)

    async def run(self, command: dict[str, Any]) -> dict[str, Any]:
        """One round. ``command``: port, path, model, authorization, parallel, seconds, most_streams."""
        loop = asyncio.get_running_loop()
        seen = Seen()
        unseen_before = self._streams.unseen
        deadline = loop.time() + command["seconds"]
        left = command["most_streams"]

        def request() -> tuple[int, bytes] | None:
            nonlocal left
            if left <= 0 or loop.time() >= deadline:
                return None
            left -= 1
            return self._message(command)

        started = perf_counter_ns()
        clients = [
            (await loop.create_connection(lambda: StreamClient(request, self._streams, seen), "127.0.0.1", command["port"]))[1]
            for _ in range(command["parallel"])
        ]  # fmt: skip
        _, hanging = await asyncio.wait([client.gone for client in clients], timeout=command["seconds"] + _GRACE_S)
        elapsed_ns = perf_counter_ns() - started
        for client in clients:
            if client.gone in hanging:
                client.abort()
        if hanging:
            await asyncio.wait(hanging, timeout=5)
        self._streams.running.clear()
        return {
            "streams": seen.streams,
            "events": seen.events,
            "reads": seen.reads,
            "errors": seen.errors,
            "example": seen.example,
            "unseen": self._streams.unseen - unseen_before,
            "seconds": elapsed_ns / 1e9,
            "event_p50_us": percentile(seen.event_ns, 50) / 1000,
            "event_p99_us": percentile(seen.event_ns, 99) / 1000,
            "first_p50_us": percentile(seen.first_ns, 50) / 1000,
            "first_p99_us": percentile(seen.first_ns, 99) / 1000,
        }

    def _message(self, command: dict[str, Any]) -> tuple[int, bytes]:
        number = next(self._numbers)
        body = canned.request_body(command["model"], number)
        head = (
            f"POST {command['path']} HTTP/1.1\r\nhost: 127.0.0.1:{command['port']}\r\ncontent-type: application/json\r\n"
            f"authorization: {command['authorization']}\r\naccept: text/event-stream\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return number, head.encode() + body
