"""Can workers that call at once use all of a budget between them, in whatever order their requests and news arrive?

Time is simulated, so a slow database costs nothing here: every request to the bank, its answer and every news takes a random
time.
"""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from litemaas.core.limits import BudgetRule
from litemaas.gateway import budgets, leasing
from litemaas.gateway.budgets import Budgets, Hold
from litemaas.gateway.heartbeat import Silent
from litemaas.gateway.http.stepping import stepped
from litemaas.gateway.leasing import Grant, Leasing

from .bank import Bank, Door
from .test_leases import Journal

SCOPE, PRICE, CALLS, CALLERS = "pot:crowded", 9, 100, 150
REST = 7
"""What is left when nobody can call any more."""
SLOWEST_S = 0.3
"""Of one message. A recall takes five of them, and a call has patience for more than that."""


class LeapingSelector(selectors.DefaultSelector):
    """Nothing happens outside: instead of waiting, the clock leaps to the next timer."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout:
            self.now += timeout
        return super().select(0)


class LeapingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = LeapingSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


class SlowBank(Bank):
    """News arrive late, but in their order."""

    def __init__(self, delay: Callable[[], float]) -> None:
        super().__init__()
        self._delay = delay
        self._arrivals: dict[str, float] = {}

    def tell(self, kind: str, scope: str, window_start: datetime, worker: str, nano: int = 0) -> None:
        loop = asyncio.get_running_loop()
        for name, hear in self.listeners.items():
            if name != worker:
                arrival = self._arrivals[name] = max(self._arrivals.get(name, 0.0), loop.time() + self._delay())
                loop.call_at(arrival, hear, kind, scope, window_start, worker, nano)


class SlowDoor(Door):
    def __init__(self, bank: Bank, worker: str, delay: Callable[[], float]) -> None:
        super().__init__(bank, worker)
        self._delay = delay

    async def _do(self, work: Callable[[], Grant | None]) -> Grant:
        await asyncio.sleep(self._delay())
        answer = await super()._do(work)
        await asyncio.sleep(self._delay())
        return answer


async def crowd(seed: int, workers: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many of the calls that begin at once on all workers are let in."""
    loop = asyncio.get_running_loop()
    for module in (leasing, budgets):
        monkeypatch.setattr(module, "monotonic", loop.time)
    chance = random.Random(seed)

    def delay() -> float:
        return chance.choice((0.001, 0.01, SLOWEST_S)) * chance.random()

    bank = SlowBank(delay)
    rule = BudgetRule(SCOPE, "pot", CALLS * PRICE + REST)
    let_in = 0

    async def held(worker: Budgets) -> Hold | None:
        """As the gateway does it: who is woken takes what there is before the next one looks."""
        accounts = worker.accounts([rule])
        hold = worker.try_hold(accounts, PRICE)
        if hold is None:
            await worker.draw(accounts, PRICE)
            hold = worker.try_hold(accounts, PRICE)
        if hold is not None:
            worker.refill(accounts, PRICE)
        return hold

    async def call(worker: Budgets) -> None:
        nonlocal let_in
        hold = await stepped(held(worker))
        if hold is not None:
            let_in += 1
            await asyncio.sleep(delay())
            hold.close(PRICE)

    async def crowd_of(name: str) -> None:
        door = SlowDoor(bank, name, delay)
        worker = Budgets(Leasing(door, 1024, 5.0), Journal(), lambda: bank.clock)
        bank.workers[name] = Silent(name, 1, datetime.fromtimestamp(bank.clock, UTC))
        bank.listeners[name] = lambda kind, scope, start, other, nano: (
            worker.recalled(scope, start) if kind == "recall" else worker.returned(scope, start, other, nano)
        )
        await asyncio.gather(*(call(worker) for _ in range(CALLERS)))

    await asyncio.gather(*(crowd_of(f"worker-{number}") for number in range(workers)))
    return let_in


@pytest.mark.parametrize("workers", [2, 3, 5])
@pytest.mark.parametrize("seed", range(30))
def test_all_of_a_budget_is_used_and_no_more(seed: int, workers: int, monkeypatch: pytest.MonkeyPatch):
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        assert runner.run(crowd(seed, workers, monkeypatch)) == CALLS
