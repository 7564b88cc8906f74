"""What do leases look like from the database's side? A model of it in memory: what the adapters do in SQL, and its failures.

``outcome`` of a worker's next request: ``answered``; ``lost`` = done, but the answer is lost; ``late`` = no answer, and it is
done some time later; ``away`` = it never arrives.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from litemaas.core.errors import ServiceUnavailable
from litemaas.gateway.heartbeat import Answer, Report, Silent
from litemaas.gateway.leasing import Grant, Lease
from litemaas.gateway.settings import BudgetSettings

TRUST_S, LOST_AFTER_S = BudgetSettings().lease_trust_s, BudgetSettings().lost_after_s


class Row:
    """A worker's lease on a scope."""

    def __init__(self) -> None:
        self.granted = 0
        self.drawn = 0
        self.free = 0
        self.order = (0, 0)


class Bank:
    """Leases and workers. ``clock``: seconds, as the database sees them."""

    def __init__(self) -> None:
        self.clock = 1_000_000.0
        self.settled: defaultdict[str, int] = defaultdict(int)
        self.rows: dict[tuple[str, str], Row] = {}
        self.workers: dict[str, Silent] = {}
        self.listeners: dict[str, Callable[[str, str, datetime, str, int], None]] = {}
        self.on_taken_back: Callable[[str], None] = lambda worker: None

    def leased(self, scope: str) -> int:
        return sum(row.granted for (_, other), row in self.rows.items() if other == scope)

    def granted(self, worker: str, scope: str) -> int:
        row = self.rows.get((worker, scope))
        return row.granted if row is not None else 0

    def settle(self, worker: str, scope: str, cost: int, held: int) -> None:
        """As ``adapters/ledger`` does: the cost leaves the lease as far as it was held and is leased."""
        self.settled[scope] += cost
        row = self.rows.get((worker, scope))
        if row is not None:
            row.granted -= min(cost, held, row.granted)

    def return_all(self, worker: str) -> None:
        self.rows = {place: row for place, row in self.rows.items() if place[0] != worker}

    def tell(self, kind: str, scope: str, window_start: datetime, worker: str, nano: int = 0) -> None:
        for name, hear in list(self.listeners.items()):
            if name != worker:
                asyncio.get_running_loop().call_soon(hear, kind, scope, window_start, worker, nano)


class Door:
    """One worker's way to the bank: its store of leases and of workers."""

    def __init__(self, bank: Bank, worker: str) -> None:
        self._bank = bank
        self._worker = worker
        self.is_cut = False
        self.next_outcome = "answered"
        self.late: list[Callable[[], object]] = []

    async def _do(self, work: Callable[[], Grant | None]) -> Grant:
        await asyncio.sleep(0)
        outcome, self.next_outcome = "away" if self.is_cut else self.next_outcome, "answered"
        if outcome == "late":
            self.late.append(work)
        done = work() if outcome in ("answered", "lost") else None
        if outcome != "answered":
            raise ServiceUnavailable(outcome)
        return done or Grant(0, 0, 0, 0)

    async def draw(self, lease: Lease, limit_nano: int, want_nano: int, need_nano: int, free_nano: int) -> Grant:
        return await self._do(lambda: self._draw(lease, limit_nano, want_nano, need_nano, free_nano))

    def _draw(self, lease: Lease, limit: int, want: int, need: int, free: int) -> Grant:
        bank, scope = self._bank, lease.scope
        row = bank.rows.get((self._worker, scope))
        settled, leased = bank.settled[scope], bank.leased(scope)
        if row is not None and row.order >= (lease.life, lease.serial):
            return Grant(0, settled, leased, row.drawn)
        row = bank.rows.setdefault((self._worker, scope), Row())
        if row.order[0] != lease.life:
            leased -= row.granted
            row.granted = row.drawn = 0
        free = max(0, free - max(0, lease.drawn - row.drawn))
        granted = max(0, min(want, limit - settled - leased))
        row.drawn += granted
        row.granted += granted
        row.free = free + granted
        row.order = lease.life, lease.serial
        others: tuple[str, ...] = ()
        if granted < need:
            beaten = {name for name, one in bank.workers.items() if one.heartbeat_at.timestamp() > bank.clock - 15}
            others = tuple(
                worker for (worker, other), one in bank.rows.items()
                if other == scope and one.granted and worker != self._worker and worker in beaten
            )  # fmt: skip
            if others:
                bank.tell("recall", scope, lease.window_start, self._worker)
        return Grant(granted, settled, leased + granted, row.drawn, others)

    async def give_back(self, lease: Lease, amount_nano: int, *, answers: bool) -> Grant:
        return await self._do(lambda: self._give_back(lease, amount_nano, answers=answers))

    def _give_back(self, lease: Lease, amount: int, *, answers: bool) -> Grant:
        bank, scope = self._bank, lease.scope
        row = bank.rows.get((self._worker, scope))
        back = 0
        if row is not None and row.order < (lease.life, lease.serial) and row.order[0] == lease.life:
            back = max(0, min(amount - max(0, lease.drawn - row.drawn), row.granted))
            row.granted -= back
            row.drawn -= back
            row.free = 0
            row.order = lease.life, lease.serial
        if answers:
            bank.tell("back", scope, lease.window_start, self._worker, back)
        drawn = row.drawn if row is not None and row.order[0] == lease.life else 0
        return Grant(0, bank.settled[scope], bank.leased(scope), drawn)

    async def end(self, lease: Lease) -> None:
        await self._do(lambda: self._end(lease))

    def _end(self, lease: Lease) -> None:
        """It waits for the lock of the window: what was begun before it has been done by then, or never will be."""
        self.late.clear()
        row = self._bank.rows.get((self._worker, lease.scope))
        if row is not None and row.order < (lease.life, lease.serial):
            del self._bank.rows[self._worker, lease.scope]

    async def answer(self, scope: str, window_start: datetime) -> None:
        await self._do(lambda: self._bank.tell("back", scope, window_start, self._worker))

    # -- workers ------------------------------------------------------------------------------------------------------

    def _seen(self, epoch: int) -> None:
        self._bank.workers[self._worker] = Silent(self._worker, epoch, datetime.fromtimestamp(self._bank.clock, UTC))

    async def register_worker(
        self, host: str, pid: int, epoch: int, lost_after_s: float, *, keeps_leases: bool = False
    ) -> None:
        def work() -> None:
            self._seen(epoch)
            if not keeps_leases:
                self._bank.return_all(self._worker)

        await self._do(work)

    async def sign_off(self, epoch: int) -> None:
        await self._do(lambda: self._bank.return_all(self._worker))

    async def beat(self, epoch: int, reports: Sequence[Report]) -> Answer:
        if self.is_cut:
            raise ServiceUnavailable("away")
        bank = self._bank
        known = bank.workers.get(self._worker)
        alive = known is not None and known.epoch == epoch
        if alive:
            self._seen(epoch)
            for report in reports:
                row = bank.rows.get((self._worker, report.scope))
                if row is not None:
                    row.free = report.free_nano
        silent = [
            one for one in bank.workers.values()
            if one.worker_id != self._worker and one.heartbeat_at.timestamp() < bank.clock - LOST_AFTER_S
        ]  # fmt: skip
        return Answer(alive=alive, recalled=[], silent=silent)

    async def take_back(self, lost: Silent) -> bool:
        bank = self._bank
        if bank.workers.get(lost.worker_id) != lost:
            return False
        del bank.workers[lost.worker_id]
        for (worker, _), row in bank.rows.items():
            if worker == lost.worker_id:
                back = min(row.granted, row.free)
                row.granted -= back
                row.drawn -= back
                row.free = 0
        bank.on_taken_back(lost.worker_id)
        return True
