"""What stands behind every candidate? A model server that costs next to nothing and answers like vLLM.

A stream advances when the load side has seen its last chunk: exactly one chunk of it is on its way at any time, so that no
candidate can save work by relaying several at once, and none waits for a timer.
"""

from __future__ import annotations

import asyncio
import os
import re
from time import perf_counter_ns
from typing import cast

from benchmarks import canned

_STREAM = re.compile(rb'"stream": ?true')
_INCLUDE_USAGE = re.compile(rb'"include_usage": ?true')
_CONTINUOUS_USAGE = re.compile(rb'"continuous_usage_stats": ?true')
_REPLY = canned.reply()
_MODELS = canned.model_list()
_USAGE_CHUNK = canned.usage_chunk()
_END = canned.end_of_stream()
_CHUNKS = {continuous: canned.chunks(continuous_usage=continuous) for continuous in (False, True)}


class Streams:
    """The streams that are under way, by the number their client gave them. ``served``: answers begun, streamed or not."""

    def __init__(self) -> None:
        self.running: dict[int, RunningStream] = {}
        self.served = 0
        self.unseen = 0

    def advance_stalled(self, older_than_ns: int) -> None:
        """A candidate that holds a chunk back until the next one comes would stop for ever; it is counted instead."""
        now = perf_counter_ns()
        for stream in list(self.running.values()):
            if stream.is_waiting and now - stream.sent_at > older_than_ns:
                self.unseen += 1
                stream.advance()


class Upstream(asyncio.Protocol):
    """One connection of a candidate."""

    def __init__(self, loop: asyncio.AbstractEventLoop, streams: Streams) -> None:
        self.is_open = True
        self._loop = loop
        self._streams = streams
        self._rest = b""
        self._transport: asyncio.Transport
        self._fd = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._fd = transport.get_extra_info("socket").fileno()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.is_open = False

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        while (head_end := data.find(b"\r\n\r\n")) >= 0:
            head = data[:head_end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(data) < head_end + 4 + length:
                break
            body = data[head_end + 4 : head_end + 4 + length]
            data = data[head_end + 4 + length :]
            self._answer(head, body)
        self._rest = data

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"get "):
            self.write(_MODELS)
            return
        self._streams.served += 1
        if b'"stream"' in body and _STREAM.search(body):
            number = canned.STREAM_ID.search(body)
            stream = RunningStream(
                self, self._loop, _CHUNKS[_CONTINUOUS_USAGE.search(body) is not None],
                reports_usage=_INCLUDE_USAGE.search(body) is not None,
            )  # fmt: skip
            if number is not None:
                self._streams.running[int(number[1])] = stream
            stream.send()
        else:
            self.write(_REPLY)

    def write(self, data: bytes) -> None:
        """Hands the bytes to the kernel now; the transport would collect what is written in one turn of the loop."""
        if not self.is_open:
            return
        if self._transport.get_write_buffer_size():
            self._transport.write(data)
            return
        try:
            sent = os.write(self._fd, data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._transport.abort()
            return
        if sent < len(data):
            self._transport.write(data[sent:])


class RunningStream:
    """One answer on its way. ``sent_at``: when its last chunk was written. Units: ns."""

    __slots__ = ("_chunks", "_connection", "_loop", "_next", "_reports_usage", "is_waiting", "sent_at")

    def __init__(
        self, connection: Upstream, loop: asyncio.AbstractEventLoop, chunks: list[bytes], *, reports_usage: bool
    ) -> None:
        self._connection = connection
        self._loop = loop
        self._chunks = chunks
        self._reports_usage = reports_usage
        self._next = 0
        self.is_waiting = False
        self.sent_at = 0

    def advance(self) -> None:
        """The last chunk has arrived at the client."""
        if not self.is_waiting:
            return
        if self._next < len(self._chunks):
            self.send()
            return
        self.is_waiting = False
        if self._reports_usage:  # a client that did not ask for it would never confirm this chunk
            self._connection.write(_USAGE_CHUNK)
            self._loop.call_soon(self._connection.write, _END)
        else:
            self._connection.write(_END)

    def send(self) -> None:
        chunk = self._chunks[self._next]
        self._next += 1
        self.is_waiting = True
        self.sent_at = perf_counter_ns()
        self._connection.write(chunk)
