"""Do leases keep the promise? What a call meets: room, recalls, outages, changed limits, and words when there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from litemaas.core.errors import ServiceUnavailable
from litemaas.core.limits import BudgetRule
from litemaas.gateway.budgets import Budgets, Hold
from litemaas.gateway.heartbeat import Heartbeat
from litemaas.gateway.http.stepping import stepped
from litemaas.gateway.leasing import Account, Grant, Leasing
from litemaas.gateway.settings import BudgetSettings

from .bank import LOST_AFTER_S, TRUST_S, Bank, Door

KEY = BudgetRule("key:k", "key", 1000)


class AllStored:
    """Records that are in the database at once."""

    def position(self) -> int | None:
        return 0

    def is_stored(self, position: int) -> bool:
        return True


class Worker:
    def __init__(self, bank: Bank, name: str) -> None:
        self.bank = bank
        self.name = name
        self.door = Door(bank, name)
        self.budgets = Budgets(Leasing(self.door, 64, 5.0, recall_s=5.0), AllStored(), lambda: bank.clock)
        self.heartbeat = Heartbeat(self.door, self.budgets, BudgetSettings(), lambda: bank.clock)
        bank.listeners[name] = lambda kind, scope, start, *told: (
            self.budgets.recalled(scope, start) if kind == "recall" else self.budgets.returned(scope, start, *told)
        )

    async def begin(self, rules: Sequence[BudgetRule], amount: int) -> Hold | None:
        return await stepped(self._begin(rules, amount))

    async def _begin(self, rules: Sequence[BudgetRule], amount: int) -> Hold | None:
        """As the admission does it."""
        self.budgets.check_trust()
        accounts = self.budgets.accounts(rules)
        hold = self.budgets.try_hold(accounts, amount)
        if hold is None:
            await self.budgets.draw(accounts, amount)
            hold = self.budgets.try_hold(accounts, amount)
        return hold

    def account(self, rule: BudgetRule = KEY) -> Account:
        return self.budgets.accounts((rule,))[0]


async def two_workers() -> tuple[Bank, Worker, Worker]:
    bank = Bank()
    workers = Worker(bank, "one"), Worker(bank, "two")
    for worker in workers:
        await worker.heartbeat.begin("host", 1)
    return bank, *workers


async def test_forty_calls_that_wait_for_one_draw_are_all_served_where_there_is_room() -> None:
    _, one, _ = await two_workers()
    rule = BudgetRule("key:k", "key", 10_000)

    holds = await asyncio.gather(*(one.begin((rule,), 100) for _ in range(40)))

    assert all(hold is not None for hold in holds)


async def test_room_that_others_have_leased_and_do_not_need_is_recalled_for_a_waiting_call() -> None:
    bank, one, two = await two_workers()
    kept = await one.begin((KEY,), 100)
    assert bank.granted("one", "key:k") > 100

    hold = await two.begin((KEY,), 900)

    assert kept is not None
    assert hold is not None
    assert bank.leased("key:k") == 1000
    assert await one.begin((KEY,), 1) is None


async def test_a_recalled_worker_draws_no_more_than_its_calls_need_for_a_while() -> None:
    bank, one, two = await two_workers()
    rule = BudgetRule("key:k", "key", 100_000)
    assert await one.begin((rule,), 100) is not None
    assert await two.begin((rule,), 95_000) is not None

    one.budgets.refill([one.account(rule)], 100)
    assert await one.begin((rule,), 200) is not None

    assert bank.granted("one", "key:k") <= 300
    assert one.account(rule).free == 0


async def test_room_that_could_not_be_drawn_ahead_is_recalled_for_a_call_that_needs_it() -> None:
    _, one, two = await two_workers()
    leased = await one.begin((KEY,), 900)
    assert leased is not None
    leased.close(0)
    hold = await two.begin((KEY,), 100)
    assert hold is not None
    two.account().small_until = 0.0

    two.budgets.refill(hold.accounts, 100)
    await asyncio.gather(*two.budgets.leasing._tasks)

    assert await two.begin((KEY,), 900) is not None


async def test_two_starved_workers_with_half_of_it_each_admit_one_of_two_calls_for_all_of_it() -> None:
    _, one, two = await two_workers()
    for worker in (one, two):
        hold = await worker.begin((KEY,), 500)
        assert hold is not None
        hold.close(0)

    holds = await asyncio.gather(one.begin((KEY,), 1000), two.begin((KEY,), 1000))

    assert [hold is not None for hold in holds].count(True) == 1


async def test_a_caller_is_refused_at_once_when_the_others_need_what_they_have() -> None:
    _, one, two = await two_workers()
    assert await one.begin((KEY,), 1000) is not None

    async with asyncio.timeout(2.0):  # a recall without an answer takes five
        assert await two.begin((KEY,), 1) is None


async def test_a_worker_that_has_forgotten_the_budget_answers_a_recall_too() -> None:
    _, one, two = await two_workers()
    assert await one.begin((KEY,), 1000) is not None
    one.budgets._accounts.clear()

    async with asyncio.timeout(2.0):
        assert await two.begin((KEY,), 1) is None


async def test_a_call_is_held_on_all_levels_or_on_none() -> None:
    _, one, _ = await two_workers()
    rules = KEY, BudgetRule("team:t", "team", 300), BudgetRule("pot:p", "pot", 800)
    assert await one.begin(rules, 200) is not None

    assert await one.begin(rules, 200) is None

    assert [account.held for account in one.budgets.accounts(rules)] == [200, 200, 200]


async def test_while_the_database_is_away_the_lease_goes_on_and_more_is_refused_in_words() -> None:
    _, one, _ = await two_workers()
    rule = BudgetRule("key:k", "key", 100_000)
    assert await one.begin((rule,), 10) is not None
    one.door.is_cut = True

    assert await one.begin((rule,), 10) is not None
    with pytest.raises(ServiceUnavailable, match="database"):
        await one.begin((rule,), 90_000)


@pytest.mark.parametrize("lost", ["draw", "give back"])
@pytest.mark.parametrize("how", ["lost", "late", "away"])
async def test_room_of_which_the_answer_was_lost_is_not_lost(lost: str, how: str) -> None:
    bank, one, _ = await two_workers()
    if lost == "give back":
        hold = await one.begin((KEY,), 300)
        assert hold is not None
        hold.close(0)
    one.door.next_outcome = how
    with pytest.raises(ServiceUnavailable):
        await (one.begin((KEY,), 300) if lost == "draw" else one.budgets.return_idle(-1.0))

    one.account().dry_until = 0.0
    assert await one.begin((KEY,), 1000) is not None
    for work in one.door.late:  # a request that comes after a later one
        work()

    assert bank.granted("one", "key:k") == 1000
    assert one.account().free == 0


async def test_a_lease_that_nobody_uses_goes_back_as_a_whole() -> None:
    bank, one, _ = await two_workers()
    hold = await one.begin((KEY,), 100)
    assert hold is not None
    hold.close(100)
    bank.settle("one", "key:k", 100, 100)

    await one.budgets.return_idle(-1.0)

    assert not bank.rows
    assert not list(one.budgets.every_account())


async def test_giving_back_twice_at_once_ends_a_lease_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bank, one, _ = await two_workers()
    hold = await one.begin((KEY,), 100)
    assert hold is not None
    hold.close(100)
    bank.settle("one", "key:k", 100, 100)
    end, ended = one.budgets.leasing.end, 0

    async def slowly(account: Account, life: int) -> None:
        nonlocal ended
        ended += 1
        await asyncio.sleep(0)
        await end(account, life)

    monkeypatch.setattr(one.budgets.leasing, "end", slowly)
    await asyncio.gather(one.budgets.return_idle(-1.0), one.budgets.return_idle(-1.0))

    assert ended == 1
    assert not bank.rows


async def test_what_is_spent_and_not_yet_stored_stays_leased(monkeypatch: pytest.MonkeyPatch) -> None:
    bank, one, _ = await two_workers()
    monkeypatch.setattr(AllStored, "is_stored", lambda self, position: False)
    hold = await one.begin((KEY,), 100)
    assert hold is not None
    hold.close(100)

    await one.budgets.return_idle(-1.0)

    assert bank.granted("one", "key:k") == 100


async def test_an_answer_says_nothing_when_there_is_a_later_request() -> None:
    account = Worker(Bank(), "one").account()
    first, second = account.next_request(), account.next_request()

    account.take(Grant(0, 0, 500, 500), first)
    assert account.free == 0
    account.take(Grant(0, 0, 300, 300), second)
    assert account.free == 300


async def test_a_lease_in_use_is_not_given_back() -> None:
    bank, one, _ = await two_workers()
    assert await one.begin((KEY,), 100) is not None
    leased = bank.granted("one", "key:k")

    await one.budgets.return_idle(60.0)

    assert bank.granted("one", "key:k") == leased


async def test_a_lowered_limit_ends_what_is_free_at_once_and_it_goes_back() -> None:
    bank, one, _ = await two_workers()
    rule = BudgetRule("key:k", "key", 100_000)
    hold = await one.begin((rule,), 1000)
    assert hold is not None

    lowered = BudgetRule("key:k", "key", 1500)
    assert one.account(lowered).free == 0
    assert await one.begin((lowered,), 501) is None
    assert await one.begin((lowered,), 500) is not None

    assert bank.leased("key:k") == 1500


async def test_a_raised_limit_can_be_drawn_at_once() -> None:
    _, one, _ = await two_workers()
    assert await one.begin((KEY,), 1000) is not None
    assert await one.begin((KEY,), 1) is None

    assert await one.begin((BudgetRule("key:k", "key", 1001),), 1) is not None


async def test_rules_that_change_to_and_fro_are_one_account() -> None:
    _, one, _ = await two_workers()
    rules = KEY, BudgetRule("key:k", "key", 1000, "daily"), KEY
    held = [await one.begin((rule,), 100) for rule in rules]
    assert all(held)

    first, _, third = (hold.accounts[0] for hold in held if hold is not None)
    assert first is third
    assert first.held == 200


async def test_a_worker_of_whom_nobody_has_heard_for_long_spends_nothing() -> None:
    bank, one, _ = await two_workers()
    rule = BudgetRule("key:k", "key", 100_000)
    assert await one.begin((rule,), 10) is not None
    one.door.is_cut = True
    bank.clock += TRUST_S - 1
    assert await one.begin((rule,), 10) is not None

    bank.clock += 1
    with pytest.raises(ServiceUnavailable, match="budgets cannot be checked"):
        await one.begin((rule,), 10)

    one.door.is_cut = False
    await one.heartbeat.beat()
    assert await one.begin((rule,), 10) is not None


async def test_a_lost_workers_free_lease_comes_back_and_what_it_held_stays() -> None:
    bank, one, two = await two_workers()
    assert await one.begin((KEY,), 600) is not None
    free = one.account().free
    await one.heartbeat.beat()
    one.door.is_cut = True
    bank.clock += LOST_AFTER_S + 1

    for _ in range(5):
        await two.heartbeat.beat()

    assert bank.granted("one", "key:k") == 600
    assert await two.begin((KEY,), 401) is None
    assert free >= 0
    two.account().dry_until = 0.0
    assert await two.begin((KEY,), 400) is not None


async def test_after_an_outage_the_living_are_heard_before_anything_is_taken_back() -> None:
    bank, one, two = await two_workers()
    assert await one.begin((KEY,), 100) is not None
    bank.clock += 10 * LOST_AFTER_S  # nobody reached the database for so long

    await two.heartbeat.beat()
    await two.heartbeat.beat()
    await one.heartbeat.beat()
    for _ in range(5):
        await two.heartbeat.beat()

    assert "one" in bank.workers
    assert bank.granted("one", "key:k") >= 100


async def test_a_worker_that_was_taken_for_lost_asks_for_its_leases_anew_and_keeps_what_its_calls_cost() -> None:
    bank, one, two = await two_workers()
    hold = await one.begin((KEY,), 100)
    assert hold is not None
    await one.heartbeat.beat()
    assert one.account().free == 150
    bank.clock += LOST_AFTER_S + 1
    for _ in range(5):
        await two.heartbeat.beat()

    await one.heartbeat.beat()

    assert one.account().free == 0
    assert bank.leased("key:k") == 100
    assert await one.begin((KEY,), 901) is None
    one.account().dry_until = 0.0
    assert await one.begin((KEY,), 900) is not None
    assert bank.leased("key:k") == 1000


async def test_a_worker_that_does_not_know_yet_that_it_was_lost_gives_back_nothing_that_its_calls_need() -> None:
    bank, one, two = await two_workers()
    assert await one.begin((KEY,), 100) is not None
    await one.heartbeat.beat()
    assert one.account().free == 150
    bank.clock += LOST_AFTER_S + 1
    for _ in range(5):
        await two.heartbeat.beat()
    assert bank.granted("one", "key:k") == 100

    await one.budgets.return_idle(-1.0)

    assert bank.granted("one", "key:k") == 100


def test_a_refused_caller_reads_what_is_spent_and_spoken_for() -> None:
    one = Worker(Bank(), "one")
    account = one.account(BudgetRule("key:k", "key", 100))
    account.take(Grant(60, 30, 60, 60), account.next_request())
    hold = one.budgets.try_hold([account], 50)
    assert hold is not None

    assert account.committed == 80
    hold.close(20)
    assert account.committed == 50
