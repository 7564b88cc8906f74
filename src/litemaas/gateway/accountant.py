"""How do usage records get from the journal into PostgreSQL? In batches, in order, until the database has them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import structlog

from litemaas.core.errors import ServiceUnavailable

if TYPE_CHECKING:
    from litemaas.gateway.journal import Journal
    from litemaas.gateway.metrics import Metrics

_MAX_PAUSE_S = 5.0
log = structlog.get_logger(__name__)


class RecordsRejected(Exception):
    """The database can never take these lines as they are."""


class RecordStore(Protocol):
    async def store(self, lines: bytes) -> None:
        """Errors: ServiceUnavailable; RecordsRejected."""


class Accountant:
    """Empties the journal. A record that the database rejects is set aside; it never holds up the others."""

    def __init__(self, journal: Journal, store: RecordStore, metrics: Metrics, interval_s: float) -> None:
        self._journal = journal
        self._store = store
        self._metrics = metrics
        self._interval_s = interval_s
        self._turn = asyncio.Lock()

    async def work(self) -> None:
        """Runs until it is cancelled."""
        pause_s = self._interval_s
        while True:
            await asyncio.sleep(pause_s)
            try:
                await self.empty()
                pause_s = self._interval_s
            except Exception as error:  # whatever it is, the next turn tries again: records must not stop
                known = isinstance(error, ServiceUnavailable | OSError)
                self._metrics.failed_flushes += 1
                log.warning(
                    "usage records wait for the database", bytes=self._journal.waiting_bytes,
                    reason=str(error) if known else type(error).__name__, exc_info=None if known else error,
                )  # fmt: skip
                pause_s = min(max(pause_s, 0.1) * 2, _MAX_PAUSE_S)
                with suppress(OSError):
                    await asyncio.to_thread(self._journal.sync)

    async def empty(self) -> None:
        """Stores everything that waits now. What comes meanwhile is for the next time: each batch has a price of its own.

        Errors: ServiceUnavailable; what is stored by then stays stored.
        """
        async with self._turn:
            self._journal.flush()
            now = self._journal.written_bytes
            while not self._journal.is_stored(now):
                lines, size = self._journal.next_batch()
                if not size:
                    return
                if lines:
                    await self._store_lines(lines)
                self._journal.done(size)

    async def _store_lines(self, lines: bytes) -> None:
        try:
            await self._store.store(lines)
        except RecordsRejected as error:
            halves = _halves(lines)
            if halves is None:
                log.warning("a usage record was set aside", reason=str(error))
                self._metrics.lost_records += 1
                self._journal.set_aside(lines)
                return
            for half in halves:
                await self._store_lines(half)


def _halves(lines: bytes) -> tuple[bytes, bytes] | None:
    """Two parts at a line's end, or None for a single line."""
    middle = lines.find(b"\n", len(lines) // 2) + 1
    if middle in (0, len(lines)):
        middle = lines.rfind(b"\n", 0, len(lines) - 1) + 1
    return (lines[:middle], lines[middle:]) if 0 < middle < len(lines) else None
