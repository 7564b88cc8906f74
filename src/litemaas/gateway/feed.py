"""How does a change reach this worker? A numbered feed in PostgreSQL, followed in order; pushes only say that there is more.

A change is in the feed in the transaction that makes it. NOTIFY and Valkey wake the follower; without either it looks every
second. While it cannot look, nothing that is cached is taken for current any more after ``trust_s``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec
import structlog

from litemaas.core.errors import ServiceUnavailable
from litemaas.gateway.trust import Trust
from litemaas.kit.ticks import monotonic

POLL_S = 1.0
log = structlog.get_logger(__name__)


class Change(msgspec.Struct, frozen=True):
    """``kind``: key, catalog, budget, or all after a restore. ``refs``: key hashes, names or scopes."""

    seq: int
    kind: str
    refs: list[str]


class FeedStore(Protocol):
    async def latest_change(self) -> int:
        """The number of the newest change, 0 when there is none."""

    async def changes_since(self, seq: int) -> Sequence[Change]:
        """Changes after ``seq``, oldest first."""


class ChangeFeed:
    """Follows the feed and tells ``apply`` of each change, and ``start_over`` when some may have been missed."""

    def __init__(
        self, store: FeedStore, apply: Callable[[Change], Awaitable[None]], start_over: Callable[[], Awaitable[None]],
        *, trust_s: float, timeout_s: float,
    ) -> None:  # fmt: skip
        self._store = store
        self._apply = apply
        self._start_over = start_over
        self._trust_s = trust_s
        self._timeout_s = timeout_s
        self._seq = 0
        self.trust = Trust()
        """Whether changes of keys, models and budgets reach us."""
        self._missed = True
        self._more = asyncio.Event()
        self._applied = asyncio.Condition()

    def wake(self) -> None:
        """There may be something new."""
        self._more.set()

    async def follow(self) -> None:
        """Runs until it is cancelled."""
        while True:
            try:
                await self.look()
            except (ServiceUnavailable, TimeoutError, OSError):
                if not self._missed:
                    log.warning("changes cannot be followed", reason="the database does not answer")
                self._missed = True
            except Exception:  # whatever it is, a worker that stops following is of no use
                log.exception("changes could not be applied; everything is read again")
                self._missed = True
            try:
                async with asyncio.timeout(POLL_S):
                    await self._more.wait()
            except TimeoutError:
                pass
            self._more.clear()

    async def look(self) -> None:
        """Applies everything that is new.

        Errors: ServiceUnavailable, TimeoutError.
        """
        async with asyncio.timeout(self._timeout_s):
            began = monotonic()
            if self._missed:
                seq = await self._store.latest_change()
                await self._start_over()
                self._seq = seq
                self._missed = False
            else:
                for change in await self._store.changes_since(self._seq):
                    await (self._start_over() if change.kind == "all" else self._apply(change))
                    self._seq = change.seq
            self.trust.until = began + self._trust_s
        async with self._applied:
            self._applied.notify_all()

    async def wait_for(self, seq: int, timeout_s: float) -> bool:
        """Waits until change ``seq`` is applied here: who made it must see it in their next call."""
        self.wake()
        try:
            async with asyncio.timeout(timeout_s), self._applied:
                await self._applied.wait_for(lambda: self._seq >= seq)
        except TimeoutError:
            return False
        return True
