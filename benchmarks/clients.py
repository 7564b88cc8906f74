"""How does a client of the load look? One connection that asks again as soon as it has its answer, and checks every one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import cast

from benchmarks import canned
from benchmarks.upstream import Streams

Ask = Callable[[], tuple[int, bytes] | None]
"""The next call's number and message; None when the round is over."""
_END_OF_STREAM = b"0\r\n\r\n"
_COUNTED = b'"completion_tokens":%d' % canned.COMPLETION_TOKENS
_ANSWER = canned.ANSWER.encode()


@dataclass
class Seen:
    """What the clients of one round saw. ``first_ns``: until the whole answer, or until a stream's first event. Units: ns."""

    answers: int = 0
    events: int = 0
    reads: int = 0
    errors: int = 0
    first_ns: list[int] = field(default_factory=list)
    event_ns: list[int] = field(default_factory=list)
    example: str = ""

    def fail(self, why: str) -> None:
        self.errors += 1
        self.example = self.example or why


class Client(asyncio.Protocol):
    """One connection. A wrong answer is counted and ends it."""

    def __init__(self, ask: Ask, seen: Seen) -> None:
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ask = ask
        self._seen = seen
        self._transport: asyncio.Transport
        self._fd = -1
        self._number = -1
        self._asked_at = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._fd = transport.get_extra_info("socket").fileno()
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._number >= 0:
            self._seen.fail(f"the connection was lost in the middle of an answer: {exc!r}")
        if not self.gone.done():
            self.gone.set_result(None)

    def abort(self) -> None:
        self._transport.abort()

    def _next(self) -> None:
        wanted = self._ask()
        if wanted is None:
            self._number = -1
            self._transport.close()
            return
        self._number, message = wanted
        self._asked_at = perf_counter_ns()
        if os.write(self._fd, message) != len(message):
            raise OSError("a request did not fit into an empty socket")

    def _refuse(self, answer: bytes) -> None:
        self._seen.fail(f"not the answer that was expected: {answer[:600]!r}")
        self._number = -1
        self._transport.close()


class CallClient(Client):
    """Takes whole answers. ``model``: how the answer has to call it."""

    def __init__(self, ask: Ask, seen: Seen, model: str) -> None:
        super().__init__(ask, seen)
        self._model = b'"model":"%b"' % model.encode()
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        now = perf_counter_ns()
        if self._rest:
            data = self._rest + data
        head_end = data.find(b"\r\n\r\n")
        at = data.lower().find(b"content-length:", 0, head_end) if head_end >= 0 else -1
        if at >= 0 and len(data) >= head_end + 4 + int(data[at + 15 : data.find(b"\r\n", at)]):
            self._rest = b""
            self._complete(data, now)
        elif head_end >= 0 and at < 0:
            self._refuse(data)
        else:
            self._rest = data

    def _complete(self, answer: bytes, now: int) -> None:
        right = (
            answer.startswith(b"HTTP/1.1 200") and _ANSWER in answer and self._model in answer and _COUNTED in answer
        )
        if not right:
            self._refuse(answer)
            return
        self._seen.answers += 1
        self._seen.first_ns.append(now - self._asked_at)
        self._next()


class StreamClient(Client):
    """Takes streams and confirms each event to the upstream."""

    def __init__(self, ask: Ask, seen: Seen, streams: Streams) -> None:
        super().__init__(ask, seen)
        self._streams = streams
        self._parts: list[bytes] = []

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
        if data.endswith(_END_OF_STREAM):
            self._complete()
        elif len(parts) == 1 and not data.startswith(b"HTTP/1.1 200"):
            self._refuse(data)

    def _complete(self) -> None:
        answer = b"".join(self._parts)
        self._parts.clear()
        self._streams.running.pop(self._number, None)
        if canned.WORD.findall(answer) != canned.WORDS or b"data: [DONE]\n\n" not in answer:
            self._refuse(answer)
            return
        self._seen.answers += 1
        self._seen.events += answer.count(b"data: {")
        self._next()
