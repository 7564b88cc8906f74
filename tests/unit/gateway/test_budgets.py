"""Do leases keep the promise? Whatever happens in whatever order, no budget is drawn, held or spent above its limit."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemaas.core.errors import ServiceUnavailable
from litemaas.core.limits import BudgetRule
from litemaas.gateway.budgets import Account, Budgets, Grant, Hold
from litemaas.gateway.http.stepping import stepped


class Lender:
    """The database's side of leases, for several workers, in memory."""

    def __init__(self) -> None:
        self.leased: dict[str, int] = {}
        self.settled: dict[str, int] = {}
        self.away = False
        self.answer_gets_lost = False

    def _answered(self, answer: Grant) -> Grant:
        """What reaches the worker: nothing, when the connection breaks after the work was done."""
        if self.answer_gets_lost:
            self.answer_gets_lost = False
            raise ServiceUnavailable("lost")
        return answer

    async def draw(self, scope: str, window_start: datetime, limit_nano: int, want_nano: int) -> Grant:
        await asyncio.sleep(0)
        if self.away:
            raise ServiceUnavailable("away")
        leased, settled = self.leased.get(scope, 0), self.settled.get(scope, 0)
        granted = max(0, min(want_nano, limit_nano - leased - settled))
        self.leased[scope] = leased + granted
        return self._answered(Grant(granted, settled, leased + granted))

    async def give_back(self, scope: str, window_start: datetime, amount_nano: int) -> None:
        if self.away:
            raise ServiceUnavailable("away")
        self.leased[scope] -= amount_nano
        self._answered(Grant(0, 0, 0))


def worker(lender: Lender) -> Budgets:
    return Budgets(lender, lambda: 1_000_000.0, 64, 5.0)


RULES = (BudgetRule("key:k", "key", 1000), BudgetRule("team:t", "team", 1500))
actions = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from(["begin", "end", "overrun", "idle"]), st.integers(1, 400)), max_size=60
)


@given(actions)
async def test_no_sequence_of_calls_on_two_workers_passes_a_limit(steps: list[tuple[int, str, int]]) -> None:
    lender = Lender()
    workers = [worker(lender), worker(lender)]
    running: list[tuple[Hold, int]] = []
    spent = overrun = 0
    for which, action, amount in steps:
        budgets = workers[which]
        if action == "begin":
            accounts = budgets.accounts(RULES)
            await stepped(budgets.draw(accounts, amount))
            hold = budgets.try_hold(accounts, amount)
            if hold is not None:
                running.append((hold, amount))
        elif action == "idle":
            await budgets.return_idle(-1.0)
        elif running:
            hold, held = running.pop(0)
            cost = held if action == "end" else held + 7  # an engine that used more than it was allowed
            hold.close(cost)
            spent += cost
            overrun += cost - held
        for rule in RULES:
            assert lender.leased.get(rule.scope, 0) <= (rule.limit_nano or 0)
        assert spent + sum(held for _, held in running) <= 1000 + overrun


@given(
    st.lists(
        st.tuples(
            st.integers(0, 1), st.sampled_from(["begin", "end", "idle", "lose an answer", "away", "back"]),
            st.integers(0, 400),
        ),
        max_size=60,
    )
)  # fmt: skip
async def test_no_outage_and_no_lost_answer_lets_more_be_spent(steps: list[tuple[int, str, int]]) -> None:
    lender = Lender()
    workers = [worker(lender), worker(lender)]
    running: list[tuple[Hold, int]] = []
    spent = 0
    for which, action, amount in steps:
        budgets = workers[which]
        accounts = budgets.accounts(RULES)
        with suppress(ServiceUnavailable):
            match action:
                case "begin":
                    with suppress(ServiceUnavailable):
                        await stepped(budgets.draw(accounts, amount))
                    hold = budgets.try_hold(accounts, amount)
                    if hold is not None:
                        running.append((hold, amount))
                case "end" if running:
                    hold, held = running.pop(0)
                    hold.close(min(held, amount))
                    spent += min(held, amount)
                case "idle":
                    await budgets.return_idle(-1.0)
                case "lose an answer":
                    lender.answer_gets_lost = True
                case "away" | "back":
                    lender.away = action == "away"
        for account in (*workers[0].accounts(RULES), *workers[1].accounts(RULES)):
            assert account.free >= 0
            assert account.held + account.spent <= account.drawn <= (account.rule.limit_nano or 0)
        for number, rule in enumerate(RULES):
            drawn = sum(one.accounts(RULES)[number].drawn for one in workers)
            assert drawn <= lender.leased.get(rule.scope, 0) <= (rule.limit_nano or 0)
        assert spent + sum(held for _, held in running) <= 1000


async def test_forty_calls_that_wait_for_one_draw_are_all_served_where_there_is_room() -> None:
    lender = Lender()
    budgets = worker(lender)
    rules = (BudgetRule("key:k", "key", 10_000),)

    async def call() -> Hold | None:
        accounts = budgets.accounts(rules)
        await budgets.draw(accounts, 100)
        return budgets.try_hold(accounts, 100)

    holds = await asyncio.gather(*(stepped(call()) for _ in range(40)))

    assert all(hold is not None for hold in holds)


async def test_while_the_database_is_away_the_lease_goes_on_and_more_is_refused_in_words() -> None:
    lender = Lender()
    budgets = worker(lender)
    accounts = budgets.accounts((BudgetRule("key:k", "key", 100_000),))
    await stepped(budgets.draw(accounts, 10))
    lender.away = True

    assert budgets.try_hold(accounts, 10) is not None
    with pytest.raises(ServiceUnavailable, match="database"):
        await stepped(budgets.draw(accounts, 90_000))


async def test_a_lowered_limit_ends_the_old_lease_and_its_rest_goes_back() -> None:
    lender = Lender()
    budgets = worker(lender)
    old = budgets.accounts((BudgetRule("key:k", "key", 100_000),))
    await stepped(budgets.draw(old, 1000))
    hold = budgets.try_hold(old, 1000)
    assert hold is not None

    new = budgets.accounts((BudgetRule("key:k", "key", 10),))
    assert old[0].closed
    assert new[0] is not old[0]
    hold.close(400)
    await budgets.return_idle(60.0)

    assert lender.leased["key:k"] == 400


def test_a_refused_caller_reads_what_is_spent_and_spoken_for() -> None:
    budgets = worker(Lender())
    account: Account = budgets.accounts((BudgetRule("key:k", "key", 100),))[0]
    account.take(Grant(60, 30, 60), 60)
    hold = budgets.try_hold([account], 50)
    assert hold is not None

    assert account.committed == 80
    hold.close(20)
    assert account.committed == 50
