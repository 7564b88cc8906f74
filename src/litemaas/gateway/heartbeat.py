"""May this worker spend what it has leased, and whose leases may be taken back? Heartbeats tell, and both sides wait long.

A worker beats every few seconds and may spend its leases for ``trust_s`` after the last beat that PostgreSQL confirmed, so a
short loss of the database stops nothing. Others take its leases back only after ``lost_after_s``, which is longer, by
PostgreSQL's clock, and only when they have seen the same heartbeat unchanged in several beats of their own: after an outage of
the database the living come first. A worker that was taken for lost learns it at its next beat, and asks for every lease anew
before it spends any of it.

**Fails**: closed. What a lost worker held or had not settled when it last beat stays leased to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Protocol

import msgspec
import structlog

from litemaas.core.errors import ServiceUnavailable

if TYPE_CHECKING:
    from litemaas.gateway.budgets import Budgets
    from litemaas.gateway.leasing import Account
    from litemaas.gateway.settings import BudgetSettings

_SIGHTINGS = 3
_REPORTS = 2_000
log = structlog.get_logger(__name__)


class Report(msgspec.Struct, frozen=True):
    """What is free of a lease. Units: nano-USD."""

    scope: str
    window_start: datetime
    free_nano: int


class Silent(msgspec.Struct, frozen=True):
    """A worker that nobody has heard of for longer than it wanted to be waited for, and its last heartbeat."""

    worker_id: str
    epoch: int
    heartbeat_at: datetime


class Answer(msgspec.Struct, frozen=True):
    """``alive``: False when others took this worker for lost. ``recalled``: leases that others need."""

    alive: bool
    recalled: Sequence[tuple[str, datetime]]
    silent: Sequence[Silent]


class WorkerStore(Protocol):
    """Errors: ServiceUnavailable."""

    async def register_worker(
        self, host: str, pid: int, epoch: int, lost_after_s: float, *, keeps_leases: bool = False
    ) -> None:
        """Tells that this worker lives, with or without its earlier leases."""

    async def sign_off(self, epoch: int) -> None:
        """Returns every lease."""

    async def beat(self, epoch: int, reports: Sequence[Report]) -> Answer:
        """Tells that this worker still lives, and what is free of its leases."""

    async def take_back(self, lost: Silent) -> bool:
        """Takes the leases of a silent worker back; False when it was heard of after all."""


class Heartbeat:
    """This worker's. ``now``: seconds since 1970."""

    def __init__(
        self, store: WorkerStore, budgets: Budgets, settings: BudgetSettings, now: Callable[[], float]
    ) -> None:
        self._store = store
        self._budgets = budgets
        self._now = now
        self._trust_s = settings.lease_trust_s
        self._lost_after_s = settings.lost_after_s
        self._who = ("", 0)
        self._epoch = 0
        self._confirmed_at = float("-inf")
        self._sightings: dict[Silent, int] = {}

    async def begin(self, host: str, pid: int) -> None:
        """Registers this worker; leases of an earlier life come back.

        Errors: ServiceUnavailable.
        """
        self._who = (host, pid)
        await self._register(keeps_leases=False)

    async def end(self) -> None:
        """Errors: ServiceUnavailable."""
        await self._store.sign_off(self._epoch)

    async def beat(self) -> None:
        """Errors: ServiceUnavailable, TimeoutError."""
        sent, sent_at = self._now(), monotonic()
        reports = self._reports()
        try:
            answer = await self._store.beat(self._epoch, list(reports.values()))
        except (ServiceUnavailable, TimeoutError):
            self._sightings.clear()
            if monotonic() - self._confirmed_at >= self._trust_s:
                self._budgets.trusted_until = float("-inf")  # also where the wall clock was put back
            raise
        if not answer.alive:
            log.error("this worker was taken for lost, or another one has its name; it asks for its leases anew")
            self._budgets.doubt_all()
            await self._register(keeps_leases=True)
            return
        self._trust(sent, sent_at)
        for account, report in reports.items():
            account.reported = report.free_nano
        for scope, window_start in answer.recalled:
            self._budgets.recalled(scope, window_start)
        await self._take_back(answer.silent)

    async def _register(self, *, keeps_leases: bool) -> None:
        sent, sent_at = self._now(), monotonic()
        self._epoch = int(sent * 1e9)
        await self._store.register_worker(*self._who, self._epoch, self._lost_after_s, keeps_leases=keeps_leases)
        self._trust(sent, sent_at)

    def _trust(self, sent: float, sent_at: float) -> None:
        self._budgets.trusted_until = sent + self._trust_s
        self._confirmed_at = sent_at

    def _reports(self) -> dict[Account, Report]:
        changed = (a for a in self._budgets.every_account() if a.reported != max(0, a.free))
        return {
            account: Report(account.rule.scope, account.window.start, max(0, account.free))
            for account in islice(changed, _REPORTS)
        }

    async def _take_back(self, silent: Sequence[Silent]) -> None:
        self._sightings = {one: self._sightings.get(one, 0) + 1 for one in silent}
        for one, sightings in self._sightings.items():
            if sightings > _SIGHTINGS and await self._store.take_back(one):
                log.warning("a worker is lost; what it had free is taken back", worker=one.worker_id)
