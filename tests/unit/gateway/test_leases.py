"""Is whatever a worker may still spend leased to it in the database, at every moment?

The model is the database's side as ``adapters/postgres`` has it: a settlement takes the cost off the worker's lease as far as
that goes, records are flushed some time after their calls, and an answer of the database may be lost after the fact.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from litemaas.core.errors import ServiceUnavailable
from litemaas.core.limits import BudgetRule
from litemaas.gateway.budgets import Account, Budgets, Grant, Hold
from litemaas.gateway.http.stepping import stepped

LIMIT = 1000
RULE = BudgetRule("key:k", "key", LIMIT)


class Bank:
    """Leases of two workers on one budget. ``mute``: answers are lost, though the work is done."""

    def __init__(self) -> None:
        self.settled = 0
        self.leases: defaultdict[int, int] = defaultdict(int)
        self.mute = False

    @property
    def leased(self) -> int:
        return sum(self.leases.values())

    def settle(self, worker: int, cost: int, covered: int) -> None:
        """``covered``: what of the cost the calls had been held at."""
        self.settled += cost
        self.leases[worker] -= min(self.leases[worker], covered)


class Window:
    """One worker's door to the bank."""

    def __init__(self, bank: Bank, worker: int) -> None:
        self._bank = bank
        self._worker = worker

    async def draw(self, scope: str, window_start: datetime, limit_nano: int, want_nano: int) -> Grant:
        await asyncio.sleep(0)
        bank = self._bank
        granted = max(0, min(want_nano, limit_nano - bank.settled - bank.leased))
        bank.leases[self._worker] += granted
        self._answer()
        return Grant(granted, bank.settled, bank.leased)

    async def give_back(self, scope: str, window_start: datetime, amount_nano: int) -> None:
        await asyncio.sleep(0)
        if self._bank.leases[self._worker] >= amount_nano:
            self._bank.leases[self._worker] -= amount_nano
        self._answer()

    def _answer(self) -> None:
        if self._bank.mute:
            raise ServiceUnavailable("the answer was lost")


class Clerk:
    """A worker: its budgets, its running calls and the records it has not flushed."""

    def __init__(self, bank: Bank, worker: int) -> None:
        self._bank = bank
        self._worker = worker
        self.budgets = Budgets(Window(bank, worker), lambda: 1_000_000.0, 4, 5.0)
        self.running: list[Hold] = []
        self.unflushed = 0
        self.covered = 0

    @property
    def account(self) -> Account:
        return self.budgets.accounts((RULE,))[0]

    async def act(self, action: str, amount: int) -> int:
        """Returns by how much an engine used more than its call was allowed."""
        if action == "begin":
            account = self.account
            account.dry_until = 0.0
            try:
                await stepped(self.budgets.draw([account], amount))
            except ServiceUnavailable:
                return 0
            hold = self.budgets.try_hold([account], amount)
            if hold is not None:
                self.running.append(hold)
        elif action == "idle":
            try:
                await self.budgets.return_idle(-1.0)
            except ServiceUnavailable:
                return 0
        elif action == "flush":
            self._bank.settle(self._worker, self.unflushed, self.covered)
            self.unflushed = self.covered = 0
        elif self.running:
            hold = self.running.pop(0)
            cost = {"end": hold.amount, "cheap": hold.amount // 2, "overrun": hold.amount + amount}[action]
            hold.close(cost)
            self.unflushed += cost
            self.covered += min(cost, hold.amount)
            return max(0, cost - hold.amount)
        return 0


async def spent_beyond(steps: list[tuple[int, str, int]], lost: frozenset[int] = frozenset()) -> tuple[int, int]:
    """How much more than the limit was admitted, and by how much engines used more than they were allowed."""
    bank = Bank()
    clerks = [Clerk(bank, 0), Clerk(bank, 1)]
    overrun = 0
    for place, (which, action, amount) in enumerate(steps):
        bank.mute = place in lost
        overrun += await clerks[which].act(action, amount)
        for worker, clerk in enumerate(clerks):
            account = clerk.account
            assert account.held == sum(hold.amount for hold in clerk.running)
            promised = account.held + max(0, account.free)
            assert promised <= bank.leases[worker], (place, promised, bank.leases[worker])
        bank.mute = False
    for worker, clerk in enumerate(clerks):
        while clerk.running:
            await clerk.act("end", 0)
        bank.settle(worker, clerk.unflushed, clerk.covered)
        clerk.unflushed = 0
        await clerk.budgets.return_idle(-1.0)
    return bank.settled - LIMIT, overrun


def walks(*actions: str) -> st.SearchStrategy[list[tuple[int, str, int]]]:
    step = st.tuples(st.integers(0, 1), st.sampled_from(actions), st.integers(1, 400))
    return st.lists(step, max_size=40)


@given(walks("begin", "begin", "end", "cheap", "idle", "flush"))
async def test_what_a_worker_may_spend_is_leased_to_it_while_engines_keep_their_bounds(
    steps: list[tuple[int, str, int]],
) -> None:
    beyond, _ = await spent_beyond(steps)
    assert beyond <= 0


@example([(0, "begin", 250), (0, "overrun", 250), (0, "begin", 100), (0, "flush", 1)])
@given(walks("begin", "begin", "end", "overrun", "idle", "flush"))
@settings(max_examples=300)
async def test_an_engine_that_overshoots_takes_no_room_from_the_promises_to_others(
    steps: list[tuple[int, str, int]],
) -> None:
    beyond, overrun = await spent_beyond(steps)
    assert beyond <= overrun


@pytest.mark.parametrize("lost", ["draw", "idle"])
async def test_a_lost_answer_of_the_database_never_makes_room_twice(lost: str) -> None:
    steps = [(0, "begin", 400), (0, "cheap", 1), (0, "flush", 1), (0, "idle", 1), (1, "begin", 400), (0, "begin", 400)]
    place = 0 if lost == "draw" else 3
    beyond, _ = await spent_beyond(steps, frozenset({place}))
    assert beyond <= 0
