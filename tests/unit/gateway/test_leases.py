"""Is no level ever spent above its limit, whatever happens to workers and the database, and does everything unspent come back?

A state machine: three workers on three levels, the database's side as in :mod:`.bank`. Calls begin alone or at once, end, are
flushed; answers and news are lost or late; workers are cut off, taken for lost, killed and begun anew.
``HYPOTHESIS_PROFILE=nightly`` makes it walk more than 100,000 steps.
"""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import Coroutine
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from litemaas.core.errors import ServiceUnavailable
from litemaas.core.limits import BudgetRule
from litemaas.gateway.budgets import Budgets, Hold
from litemaas.gateway.heartbeat import Heartbeat
from litemaas.gateway.http.stepping import stepped
from litemaas.gateway.leasing import Leasing
from litemaas.gateway.settings import BudgetSettings

from .bank import LOST_AFTER_S, Bank, Door

T = TypeVar("T")
TEAM = BudgetRule("team:t", "team", 1500)
LEVELS = {
    "a": (BudgetRule("key:a", "key", 1000), TEAM),
    "b": (BudgetRule("key:b", "key", 800), BudgetRule("pot:p", "pot", 1200), TEAM),
    "c": (TEAM,),
}
RULES = {rule.scope: rule for rules in LEVELS.values() for rule in rules}
LIMITS = {scope: rule.limit_nano or 0 for scope, rule in RULES.items()}


class Record:
    """A call that has ended."""

    def __init__(self, hold: Hold, cost: int) -> None:
        self.cost = cost
        self.held = hold.amount
        self.scopes = [account.rule.scope for account in hold.accounts]


class Journal:
    """A worker's records; it outlives the worker."""

    def __init__(self) -> None:
        self.waiting: list[Record] = []
        self.appended = 0

    def append(self, record: Record) -> None:
        self.waiting.append(record)
        self.appended += 1

    def position(self) -> int | None:
        return self.appended

    def is_stored(self, position: int) -> bool:
        return self.appended - len(self.waiting) >= position


class Clerk:
    """A worker: its budgets, its running calls and the records it has not flushed."""

    def __init__(self, bank: Bank, name: str, journal: Journal) -> None:
        self.bank = bank
        self.name = name
        self.journal = journal
        self.door = Door(bank, name)
        leasing = Leasing(self.door, 4, 5.0, recall_s=0.02)
        self.budgets = Budgets(leasing, journal, lambda: bank.clock)
        self.heartbeat = Heartbeat(self.door, self.budgets, BudgetSettings(), lambda: bank.clock)
        self.running: list[Hold] = []
        self.is_deaf = False
        bank.listeners[name] = self.hear

    def hear(self, kind: str, scope: str, window_start: datetime, worker: str, nano: int) -> None:
        if self.is_deaf or self.door.is_cut:
            return
        if kind == "recall":
            self.budgets.recalled(scope, window_start)
        else:
            self.budgets.returned(scope, window_start, worker, nano)

    @property
    def answers(self) -> bool:
        return not self.is_deaf and not self.door.is_cut and self.door.next_outcome == "answered"

    @property
    def is_trusted(self) -> bool:
        return self.bank.clock < self.budgets.trusted_until

    async def begin(self, key: str, amount: int) -> bool:
        accounts = self.budgets.accounts(LEVELS[key])
        for account in accounts:
            account.dry_until = account.small_until = 0.0
        with suppress(ServiceUnavailable):
            self.budgets.check_trust()
            if self.budgets.try_hold(accounts, 10**9) is None:
                await stepped(self.budgets.draw(accounts, amount))
            hold = self.budgets.try_hold(accounts, amount)
            if hold is not None:
                self.running.append(hold)
                return True
        return False

    def end(self, cost: int) -> None:
        hold = self.running.pop(0)
        hold.close(cost)
        self.journal.append(Record(hold, cost))

    def flush(self) -> None:
        for record in self.journal.waiting:
            for scope in record.scopes:
                self.bank.settle(self.name, scope, record.cost, record.held)
        self.journal.waiting.clear()

    def engaged(self, scope: str) -> int:
        """Held by running calls, or spent and not flushed."""
        held = sum(hold.amount for hold in self.running for account in hold.accounts if account.rule.scope == scope)
        return held + sum(record.cost for record in self.journal.waiting if scope in record.scopes)

    def spendable(self, scope: str) -> int:
        if not self.is_trusted:
            return 0
        accounts = [account for account in self.budgets.every_account() if account.rule.scope == scope]
        return sum(max(0, account.free) for account in accounts)


places = st.integers(0, 2)
keys = st.sampled_from(sorted(LEVELS))
amounts = st.integers(1, 400)


class Workers(RuleBasedStateMachine):
    """``beyond``: what nobody can keep within a limit: overshoot of engines, and what a worker spent after its last sign."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.bank = Bank()
        self.bank.on_taken_back = self._taken_back
        self.beyond: defaultdict[str, int] = defaultdict(int)
        self.clerks = [Clerk(self.bank, name, Journal()) for name in ("one", "two", "three")]
        self.dead: set[int] = set()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        async def and_rest() -> T:
            result = await work
            while True:  # news are told in later turns
                for _ in range(3):
                    await asyncio.sleep(0)
                tasks = [task for clerk in self.clerks for task in clerk.budgets.leasing._tasks]
                if not tasks:
                    return result
                await asyncio.gather(*tasks)

        everybody_answers = not self.dead and all(clerk.answers for clerk in self.clerks)
        for clerk in self.clerks:
            clerk.budgets.leasing._recall_s = 60.0 if everybody_answers else 0.0  # how long is the same on any machine
        return self.loop.run_until_complete(and_rest())

    def _taken_back(self, worker: str) -> None:
        [(place, clerk)] = [(place, clerk) for place, clerk in enumerate(self.clerks) if clerk.name == worker]
        assert place in self.dead or not clerk.is_trusted
        for scope in LIMITS:
            self.beyond[scope] += max(0, clerk.engaged(scope) - self.bank.granted(worker, scope))

    @initialize()
    def all_register(self) -> None:
        for clerk in self.clerks:
            self.do(clerk.heartbeat.begin("host", 1))

    def living(self, place: int) -> Clerk:
        """A rule that found nobody would be a lost step."""
        living = [clerk for number, clerk in enumerate(self.clerks) if number not in self.dead]
        return living[place % len(living)]

    # -- calls --------------------------------------------------------------------------------------------------------

    @rule(place=places, key=keys, amount=amounts)
    def a_call_begins(self, place: int, key: str, amount: int) -> None:
        self.do(self.living(place).begin(key, amount))

    @rule(calls=st.lists(st.tuples(places, keys, amounts), min_size=2, max_size=6))
    def calls_begin_at_once(self, calls: list[tuple[int, str, int]]) -> None:
        async def all_at_once() -> None:
            await asyncio.gather(*(self.living(place).begin(key, amount) for place, key, amount in calls))

        self.do(all_at_once())

    @rule(place=places, part=st.integers(0, 4), over=st.sampled_from([0, 0, 0, 50]))
    def a_call_ends(self, place: int, part: int, over: int) -> None:
        """``part``: quarters of what it was held at that it cost; an engine may overshoot when it cost all."""
        busy = [clerk for clerk in self.clerks if clerk.running]
        if busy:
            clerk = busy[place % len(busy)]
            hold = clerk.running[0]
            over = over if part == 4 else 0
            for account in hold.accounts:
                self.beyond[account.rule.scope] += over
            clerk.end(hold.amount * part // 4 + over)

    @rule(place=places, key=keys, amount=amounts, part=st.integers(1, 4), flushed=st.booleans(), idle=st.booleans())
    def a_call_is_served(self, place: int, key: str, amount: int, part: int, flushed: bool, idle: bool) -> None:
        """What happens most: a call begins and ends, its record is flushed or waits, and the lease may go back after it."""
        clerk = self.living(place)
        if self.do(clerk.begin(key, amount)):
            clerk.running.insert(0, clerk.running.pop())
            clerk.end(clerk.running[0].amount * part // 4)
        if flushed:
            self.records_are_flushed(place)
        if idle:
            self.idle_leases_go_back(place, -1.0)

    @rule(place=places)
    def records_are_flushed(self, place: int) -> None:
        clerk = self.living(place)
        if not clerk.door.is_cut:
            clerk.flush()

    @rule(place=places, idle_s=st.sampled_from([-1.0, -1.0, 1000.0]))
    def idle_leases_go_back(self, place: int, idle_s: float) -> None:
        with suppress(ServiceUnavailable):
            self.do(self.living(place).budgets.return_idle(idle_s))

    # -- what goes wrong ----------------------------------------------------------------------------------------------

    @rule(place=places, outcome=st.sampled_from(["lost", "late", "away"]))
    def the_next_answer_fails(self, place: int, outcome: str) -> None:
        self.clerks[place].door.next_outcome = outcome

    @rule(place=places)
    def what_was_late_is_done(self, place: int) -> None:
        self._arrive(self.clerks[place])

    def _arrive(self, clerk: Clerk) -> None:
        async def arrive() -> None:
            while clerk.door.late:
                clerk.door.late.pop(0)()

        self.do(arrive())

    @rule(place=places, deaf=st.booleans())
    def news_do_not_reach(self, place: int, deaf: bool) -> None:
        self.clerks[place].is_deaf = deaf

    @rule(place=places, cut=st.booleans())
    def the_database_is_away_for(self, place: int, cut: bool) -> None:
        self.clerks[place].door.is_cut = cut

    @precondition(lambda self: len(self.dead) < 2)
    @rule(place=places)
    def a_worker_is_killed(self, place: int) -> None:
        """What its running calls cost is in no record: nobody hears the end of them."""
        clerk = self.clerks[place]
        self.dead.add(place)
        clerk.running.clear()
        clerk.door.late.clear()
        self.bank.listeners.pop(clerk.name, None)

    @precondition(lambda self: self.dead)
    @rule(place=places)
    def a_killed_worker_begins_anew(self, place: int) -> None:
        if place in self.dead:
            old = self.clerks[place]
            clerk = self.clerks[place] = Clerk(self.bank, old.name, old.journal)
            clerk.flush()
            self.do(clerk.heartbeat.begin("host", 2))
            self.dead.discard(place)

    # -- time ---------------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([5.0, 60.0, 1000.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.bank.clock += seconds
        for place in range(len(self.clerks)):
            self.a_heart_beats(place, 1)

    @rule(place=places)
    def a_silent_worker_is_taken_for_lost(self, place: int) -> None:
        self.clerks[place].door.is_cut = True
        self.bank.clock += LOST_AFTER_S
        for other in range(len(self.clerks)):
            if other != place:
                self.a_heart_beats(other, 5)

    @rule(place=places, beats=st.integers(1, 5))
    def a_heart_beats(self, place: int, beats: int) -> None:
        for _ in range(beats if place not in self.dead else 0):
            with suppress(ServiceUnavailable):
                self.do(self.clerks[place].heartbeat.beat())

    # -- what must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def no_level_is_spent_above_its_limit(self) -> None:
        for scope, limit in LIMITS.items():
            possible = self.bank.settled[scope]
            for place, clerk in enumerate(self.clerks):
                possible += clerk.engaged(scope) + (clerk.spendable(scope) if place not in self.dead else 0)
            assert possible <= limit + self.beyond[scope], (scope, possible, self.beyond[scope])

    @invariant()
    def whatever_a_worker_may_spend_is_leased_to_it(self) -> None:
        for scope in LIMITS:
            for place, clerk in enumerate(self.clerks):
                promised = clerk.engaged(scope) + (clerk.spendable(scope) if place not in self.dead else 0)
                assert promised <= self.bank.granted(clerk.name, scope) + self.beyond[scope], (clerk.name, scope)

    @invariant()
    def no_request_is_left_without_an_end(self) -> None:
        for place, clerk in enumerate(self.clerks):
            if place not in self.dead:
                assert all(account.waiting is None for account in clerk.budgets.every_account())

    def teardown(self) -> None:
        try:
            self._everything_unspent_comes_back()
        finally:
            self.loop.close()

    def _everything_unspent_comes_back(self) -> None:
        for place in sorted(self.dead):
            self.a_killed_worker_begins_anew(place)
        for clerk in self.clerks:
            clerk.door.is_cut, clerk.door.next_outcome = False, "answered"
        for clerk in self.clerks:
            self._arrive(clerk)
            self.do(clerk.heartbeat.beat())
            while clerk.running:
                clerk.end(clerk.running[0].amount)
            clerk.flush()
            self.do(clerk.budgets.return_idle(-1.0))
            assert not any(self.bank.granted(clerk.name, scope) for scope in LIMITS)
            self.no_level_is_spent_above_its_limit()


IS_NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
TestWorkers = Workers.TestCase
TestWorkers.settings = settings() if IS_NIGHTLY else settings(max_examples=100, stateful_step_count=40, deadline=None)
TestWorkers.pytestmark = [pytest.mark.timeout(14_400 if IS_NIGHTLY else 600)]
