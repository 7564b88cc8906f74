"""What did a call say? Kept only where an administrator has named its key or team: body and answer, as the client knew them.

A call that is not captured pays one look at its lane. One that is gets a :class:`Recording` in place of its response,
which keeps a copy of the first bytes on their way. At its end the copy waits in a bounded queue until it is stored. A full
queue, or a database that is away, costs copies and never a call.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

import structlog
from prometheus_client.core import CounterMetricFamily, Metric

from litemaas.core.errors import ServiceUnavailable
from litemaas.gateway.http.messages import Response

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from litemaas.core.keys import Capture
    from litemaas.gateway.call import Call

MOST_BYTES: Final = 64 * 1024
"""Kept of a body, and of an answer; how long each was is noted."""
MOST_WAITING: Final = 200
"""Copies that wait for the database, some 25 MB at worst; those that come later are lost and counted."""
_AT_ONCE: Final = 20
_PAUSE_S: Final = 0.5
_CLIENT_CLOSED: Final = 499
log = structlog.get_logger(__name__)


class Payload:
    """A copy of one call. Units: seconds since 1970, bytes; the sizes are those of the whole."""

    __slots__ = (
        "answer", "answer_bytes", "body", "body_bytes", "call_id", "capture_id", "key_hash", "model", "route", "started_at",
        "status",
    )  # fmt: skip

    def __init__(self, call: Call, capture_id: str, body: bytes) -> None:
        lane, caller = call.lane, call.caller
        self.capture_id = capture_id
        self.call_id = call.id
        self.started_at = call.started_at
        self.key_hash = caller.key.key_hash if caller is not None else ""
        self.model = (lane.model.counted_as or lane.model.name) if lane is not None else ""
        self.route = call.endpoint.route
        self.status = 0
        self.body = bytes(body[:MOST_BYTES])
        self.body_bytes = len(body)
        self.answer = b""
        self.answer_bytes = 0


class PayloadStore(Protocol):
    async def store(self, payloads: Sequence[Payload]) -> None:
        """Stores those whose capture still goes on. Errors: ServiceUnavailable."""


class Recording(Response):
    """A response that keeps a copy of what goes through it to the real one, which the connection knows."""

    __slots__ = ("_captures", "_inner", "_payload", "_pieces")

    def __init__(self, inner: Response, captures: Captures, payload: Payload) -> None:
        super().__init__(inner._connection, inner._request)
        self._inner = inner
        self._captures = captures
        self._payload: Payload | None = payload
        self._pieces: list[bytes] = []

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        self._inner.send(status, headers, body)
        self.started = self.ended = True
        self.status = status
        self._keep(body)
        self.left()

    def start(self, status: int, headers: bytes) -> None:
        self._inner.start(status, headers)
        self.started = True
        self.status = status

    def write(self, data: bytes) -> None:
        self._inner.write(data)
        self._keep(data)

    @property
    def is_congested(self) -> bool:
        return self._inner.is_congested

    async def drain(self) -> None:
        await self._inner.drain()

    def end(self, last: bytes = b"") -> None:
        self._inner.end(last)
        self.ended = True
        self._keep(last)
        self.left()

    def abort(self) -> None:
        self._inner.abort()
        self.ended = True
        self.left()

    def left(self) -> None:
        payload = self._payload
        if payload is not None:
            self._payload = None
            payload.status = self.status or _CLIENT_CLOSED
            payload.answer = b"".join(self._pieces)
            self._captures.keep(payload)

    def _keep(self, data: bytes) -> None:
        payload = self._payload
        if payload is not None:
            room = MOST_BYTES - payload.answer_bytes
            payload.answer_bytes += len(data)
            if room > 0:
                self._pieces.append(data[:room])


class Captures:
    """Copies on their way to the database."""

    def __init__(self, store: PayloadStore) -> None:
        self._store = store
        self._waiting: deque[Payload] = deque()
        self._turn = asyncio.Lock()
        self.stored = 0
        self.lost = 0

    def recorded(self, call: Call, capture: Capture, body: bytes, response: Response) -> Response:
        """What the call is to be answered with, so that a copy is kept; the response itself once the capture's time is over."""
        if call.started_at >= capture.until:
            return response
        ask = call.ask
        if ask is not None and ask.wishes is not None and ask.wishes.engine is not None:
            body = ask.payload  # without the client's credential
        return Recording(response, self, Payload(call, capture.id, body))

    def keep(self, payload: Payload) -> None:
        """Never waits and never fails: without room, the copy is lost."""
        if len(self._waiting) >= MOST_WAITING:
            self.lost += 1
        else:
            self._waiting.append(payload)

    async def work(self) -> None:
        """Runs until it is cancelled."""
        while True:
            await asyncio.sleep(_PAUSE_S)
            with suppress(ServiceUnavailable):
                await self.empty()

    async def empty(self) -> None:
        """Stores what waits.

        Errors: ServiceUnavailable; what is stored by then stays stored, the rest goes on waiting.
        """
        async with self._turn:
            while self._waiting:
                first = [self._waiting[place] for place in range(min(_AT_ONCE, len(self._waiting)))]
                try:
                    await self._store.store(first)
                    self.stored += len(first)
                except ServiceUnavailable:
                    raise
                except Exception as defect:  # noqa: BLE001 - what cannot be stored must not hold up what comes behind it
                    self.lost += len(first)
                    log.warning("copies of captured calls were dropped", error=type(defect).__name__)
                for _ in first:
                    self._waiting.popleft()

    def collect(self) -> Iterable[Metric]:
        for name, text, value in (
            ("litemaas_gateway_captured_payloads", "Copies of captured calls that were stored.", self.stored),
            ("litemaas_gateway_lost_payloads", "Copies that found no room, or could not be stored.", self.lost),
        ):
            yield CounterMetricFamily(name, text, value=value)
