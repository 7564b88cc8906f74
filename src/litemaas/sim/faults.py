"""What if the network between two programs fails? A TCP proxy that stands between them and can be told to fail.

``async with FaultProxy(server_url) as proxy: connect(proxy.url)``, then ``proxy.freeze()``, ``proxy.cut()``, ``proxy.heal()``.
It knows nothing of what it carries: PostgreSQL, Valkey and HTTP are all the same to it. Conditions hold for connections that
are there and for those to come, in one direction or in both. What waits for delivery is bounded: a source whose bytes do not
get through is not read any more, so that it feels the pressure as it would from a frozen program.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Literal, Self, cast
from urllib.parse import urlsplit, urlunsplit

Direction = Literal["to_server", "to_client"]
Ending = Literal["close", "reset", "half_close", "freeze"]

_MOST_WAITING = 256 * 1024
"""Bytes per direction of a connection; a single read may bring as much again."""
_SLICE_S = 0.02
"""A throttled direction gets what it may send in this time at once."""
_CONNECT_WITHIN_S = 5.0
_LAST_WORDS_S = 1.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for no time: closing sends RST instead of FIN


class Conditions:
    """What happens to bytes in one direction. Units: seconds; bytes. ``passed``: bytes delivered so far."""

    __slots__ = ("bytes_per_s", "delay_s", "ending", "ends_after", "is_frozen", "passed")

    def __init__(self) -> None:
        self.passed = 0
        self.heal()

    def heal(self) -> None:
        self.is_frozen = False
        self.delay_s = 0.0
        self.bytes_per_s: float | None = None
        self.ends_after: int | None = None
        self.ending: Ending = "close"


class _Flow:
    """One direction of one connection: what was read on one side and is not yet written to the other."""

    __slots__ = (
        "_conditions", "_free_at", "_link", "_loop", "_queue", "_timer", "_waiting", "ended", "is_frozen", "left", "source",
        "target",
    )  # fmt: skip

    def __init__(self, link: _Link, conditions: Conditions, loop: asyncio.AbstractEventLoop) -> None:
        self._link = link
        self._conditions = conditions
        self._loop = loop
        self._queue: deque[tuple[float, bytes]] = deque()  # (due, bytes); no bytes = the source has ended
        self._waiting = 0
        self._timer: asyncio.TimerHandle | None = None
        self._free_at = 0.0
        self.left = conditions.ends_after
        self.is_frozen = False
        self.ended = False
        self.source: _Side | None = None
        self.target: _Side | None = None

    def take(self, data: bytes) -> None:
        """Bytes from the source, or its end."""
        if self.ended:
            return
        self._queue.append((self._loop.time() + self._conditions.delay_s, data))
        self._waiting += len(data)
        if self._timer is None:
            self.deliver()
        if self._waiting > _MOST_WAITING and self.source is not None:
            self.source.pause()

    def deliver(self) -> None:
        """Hands over what is due, as far as the conditions let it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        target, conditions = self.target, self._conditions
        while (
            target is not None and self._queue and not (conditions.is_frozen or self.is_frozen or target.is_congested)
        ):
            now = self._loop.time()
            due, data = self._queue.popleft()
            wait_s = max(due, self._free_at) - now
            if wait_s > 0:
                self._queue.appendleft((due, data))
                self._timer = self._loop.call_later(wait_s, self.deliver)
                break
            if not data:
                self.end()
                break
            self._hand_over(target, data, due, now)
        if self._waiting <= _MOST_WAITING and self.source is not None:
            self.source.resume()

    def _hand_over(self, target: _Side, data: bytes, due: float, now: float) -> None:
        rate = self._conditions.bytes_per_s
        portion = len(data)
        if rate is not None:
            portion = min(portion, max(1, int(rate * _SLICE_S)))
            self._free_at = max(self._free_at, now) + portion / rate
        if self.left is not None:
            portion = min(portion, self.left)
            self.left -= portion
        if portion < len(data):
            self._queue.appendleft((due, data[portion:]))
        self._waiting -= portion
        self._conditions.passed += portion
        if portion:
            target.write(data[:portion])
        if self.left == 0:
            self.left = None
            self._link.finish(self, self._conditions.ending)

    def heal(self) -> None:
        """What waits is due now."""
        self.is_frozen = False
        self.left = None
        self._free_at = 0.0
        self._queue = deque((0.0, data) for _, data in self._queue)
        self.deliver()

    def end(self) -> None:
        """The target hears that nothing more will come; what still comes is thrown away."""
        self.close()
        if self.target is not None:
            self.target.write_eof()
        self._link.direction_ended()

    def close(self) -> None:
        self.ended = True
        self._queue.clear()
        self._waiting = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Side(asyncio.Protocol):
    """One of the two sockets of a connection."""

    def __init__(self, link: _Link, outgoing: _Flow, incoming: _Flow) -> None:
        self._link = link
        self._outgoing = outgoing  # what this side's program sends
        self._incoming = incoming
        self._transport: asyncio.Transport | None = None
        self._reads = True
        self._eof_written = False
        self.is_congested = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_MOST_WAITING)
        self._outgoing.source = self._incoming.target = self
        self._link.joined(self)
        self._incoming.deliver()

    def data_received(self, data: bytes) -> None:
        self._outgoing.take(data)

    def eof_received(self) -> bool:
        self._outgoing.take(b"")
        return True

    def pause_writing(self) -> None:
        self.is_congested = True

    def resume_writing(self) -> None:
        self.is_congested = False
        self._incoming.deliver()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._link.lost(exc)

    def pause(self) -> None:
        if self._reads and self._transport is not None:
            self._reads = False
            self._transport.pause_reading()

    def resume(self) -> None:
        if not self._reads and self._transport is not None and not self._transport.is_closing():
            self._reads = True
            self._transport.resume_reading()

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._eof_written:
            self._transport.write(data)

    def write_eof(self) -> None:
        if self._transport is not None and not self._eof_written and not self._transport.is_closing():
            self._eof_written = True
            try:
                self._transport.write_eof()
            except OSError:  # asyncio shuts down at once, and the other end may have reset the connection
                self._transport.abort()

    @property
    def has_unwritten(self) -> bool:
        return self._transport is not None and self._transport.get_write_buffer_size() > 0

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        if self._transport is not None:
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._transport.abort()


class _Link:
    """One connection through the proxy: two sides and the flows between them."""

    def __init__(self, proxy: FaultProxy, loop: asyncio.AbstractEventLoop) -> None:
        self._proxy = proxy
        self._loop = loop
        self.flows: dict[Direction, _Flow] = {
            "to_server": _Flow(self, proxy.conditions["to_server"], loop),
            "to_client": _Flow(self, proxy.conditions["to_client"], loop),
        }
        self._sides: list[_Side] = []
        self._lost = 0
        self._over = False
        self._connecting: asyncio.Task[None] | None = None
        self.client = _Side(self, self.flows["to_server"], self.flows["to_client"])
        self._server = _Side(self, self.flows["to_client"], self.flows["to_server"])

    def joined(self, side: _Side) -> None:
        self._sides.append(side)
        if side is self.client:
            self._proxy.links.add(self)
            self._connecting = self._loop.create_task(self._connect())
        elif self._over:
            side.reset()

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(_CONNECT_WITHIN_S):
                await self._loop.create_connection(lambda: self._server, self._proxy.host, self._proxy.port)
        except (OSError, TimeoutError):
            self.reset()

    def direction_ended(self) -> None:
        if all(flow.ended for flow in self.flows.values()):
            self.close()

    def lost(self, error: Exception | None) -> None:
        self._lost += 1
        if error is None:
            self.close()
        else:
            self.reset()
        if self._lost == len(self._sides) and (self._connecting is None or self._connecting.done()):
            self._proxy.links.discard(self)

    def close(self) -> None:
        """Both sides hear the end, after what was already handed over."""
        self._end()
        for side in self._sides:
            side.close()

    def reset(self) -> None:
        """Both sides hear a reset, at once."""
        self._end()
        for side in self._sides:
            side.reset()

    def _end(self) -> None:
        self._over = True
        for flow in self.flows.values():
            flow.close()
        if self._connecting is not None and not self._connecting.done() and self._server not in self._sides:
            self._connecting.cancel()
            self._proxy.links.discard(self)

    def finish(self, flow: _Flow, ending: Ending) -> None:
        """A flow has carried as many bytes as it may."""
        match ending:
            case "close":
                self.close()
            case "reset":
                self._end()
                self._reset_once_written(self._loop.time() + _LAST_WORDS_S)
            case "half_close":
                flow.end()
            case "freeze":
                flow.is_frozen = True

    def _reset_once_written(self, deadline: float) -> None:
        """What was handed over shall arrive before the reset does."""
        if self._loop.time() < deadline and any(side.has_unwritten for side in self._sides):
            self._loop.call_later(0.002, self._reset_once_written, deadline)
        else:
            self.reset()


class FaultProxy:
    """A proxy in front of the server at ``server_url``, on a loopback port that the system chose.

    ``url``: the same address through the proxy. ``accepted``: connections since the start; ``links``: those that are there.
    """

    def __init__(self, server_url: str) -> None:
        parts = urlsplit(server_url)
        if parts.hostname is None or parts.port is None:
            raise ValueError("the server's address needs a host and a port")
        self.host = parts.hostname
        self.port = parts.port
        self.conditions: dict[Direction, Conditions] = {"to_server": Conditions(), "to_client": Conditions()}
        self.links: set[_Link] = set()
        self.accepted = 0
        self._parts = parts
        self._address = ("127.0.0.1", 0)
        self._holder: socket.socket | None = None
        self._listener: asyncio.Server | None = None

    @property
    def url(self) -> str:
        login, found, _ = self._parts.netloc.rpartition("@")
        host, port = self._address
        return urlunsplit(self._parts._replace(netloc=f"{login}{found}{host}:{port}"))

    # -- life ---------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Errors: OSError."""
        self._holder = _bound(self._address)  # keeps the port while connections are refused
        self._address = self._holder.getsockname()
        await self.accept()

    async def stop(self) -> None:
        await self.refuse()
        self.reset()
        if self._holder is not None:
            self._holder.close()
            self._holder = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _meet(self) -> _Side:
        self.accepted += 1
        return _Link(self, asyncio.get_running_loop()).client

    # -- faults -------------------------------------------------------------------------------------------------------

    async def refuse(self) -> None:
        """Nobody listens any more; connections that are there stay."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            await asyncio.sleep(0)  # uvloop closes the socket in its next turn

    async def accept(self) -> None:
        """Listens again."""
        if self._listener is None:
            self._listener = await asyncio.get_running_loop().create_server(
                self._meet, sock=_bound(self._address), backlog=1024
            )

    def cut(self) -> None:
        """Ends every connection with FIN."""
        for link in list(self.links):
            link.close()

    def reset(self) -> None:
        """Ends every connection with RST."""
        for link in list(self.links):
            link.reset()

    def half_close(self, direction: Direction) -> None:
        """Ends one direction of every connection; the other goes on."""
        for link in list(self.links):
            link.flows[direction].end()

    def freeze(self, direction: Direction | None = None) -> None:
        """Nothing passes, nothing is closed, and new connections are taken and left without an answer."""
        for conditions in self._towards(direction):
            conditions.is_frozen = True

    def delay(self, seconds: float, direction: Direction | None = None) -> None:
        """Whatever is sent from now on arrives so much later."""
        for conditions in self._towards(direction):
            conditions.delay_s = seconds

    def throttle(self, bytes_per_s: float, direction: Direction | None = None) -> None:
        """Each connection passes no more than this, in each direction by itself."""
        for conditions in self._towards(direction):
            conditions.bytes_per_s = bytes_per_s

    def end_after(self, count: int, ending: Ending, direction: Direction) -> None:
        """Each connection that is there or comes passes ``count`` more bytes, at least one, and then ends in this way."""
        if count < 1:
            raise ValueError("at least one byte must pass; cut() and reset() end connections at once")
        conditions = self.conditions[direction]
        conditions.ends_after, conditions.ending = count, ending
        for link in self.links:
            link.flows[direction].left = count

    async def heal(self) -> None:
        """Bytes pass as if the proxy were not there, and connections are accepted."""
        for conditions in self.conditions.values():
            conditions.heal()
        for link in list(self.links):
            for flow in link.flows.values():
                flow.heal()
        await self.accept()

    def _towards(self, direction: Direction | None) -> Iterator[Conditions]:
        if direction is not None:
            yield self.conditions[direction]
        else:
            yield from self.conditions.values()


def _bound(address: tuple[str, int]) -> socket.socket:
    """A socket on an address that several of our sockets may share, of which only one listens."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    bound.setblocking(False)
    return bound
