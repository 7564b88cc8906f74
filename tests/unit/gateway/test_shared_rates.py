"""What does one of several workers admit: in step, cut off, standing still, and when limits change?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest

from litemaas.core.errors import RateLimited
from litemaas.core.limits import RateRule
from litemaas.gateway.http.stepping import stepped
from litemaas.gateway.rate_link import RateLink
from litemaas.gateway.rate_sharing import NoStore, rate_limits
from litemaas.gateway.ratelimits import LocalRates
from litemaas.gateway.settings import GatewaySection, GatewaySettings, RateSettings
from litemaas.gateway.shared_rates import SharedRates
from litemaas.gateway.standing import LEASE_S, Standing
from litemaas.kit.clock import SystemClock

from .rate_world import RULES, Worker, World

REQUESTS, PLACES = (1,), (2,)
"""Which rules a call is counted on: twelve requests of the team; two places of the user."""


def in_world(*names: str) -> Callable[[Callable[[World], Coroutine[Any, Any, None]]], Callable[[], None]]:
    def decorate(test: Callable[[World], Coroutine[Any, Any, None]]) -> Callable[[], None]:
        async def run() -> None:
            world = World(3, names, patience_s=(0.0, 0.0, 0.0))
            await world.begin()
            await test(world)

        def synchronous() -> None:
            asyncio.run(run())

        synchronous.__name__ = test.__name__
        return synchronous

    return decorate


async def served(worker: Worker, which: tuple[int, ...], calls: int) -> int:
    return sum([await worker.call(which, 0) for _ in range(calls)])


@in_world("a", "b")
async def test_one_worker_may_use_what_another_took_and_did_not_need(world: World) -> None:
    a, b = world.workers
    assert await served(a, REQUESTS, 1) == 1
    assert a.entries[1][1].requests > 0, "a slice"
    assert await served(b, REQUESTS, 20) == 11


@in_world("a")
async def test_who_is_alone_asks_once_a_minute(world: World) -> None:
    (a,) = world.workers
    await served(a, REQUESTS, 1)
    world.store.away = True
    assert await served(a, REQUESTS, 20) == 11
    await world.wait(61)
    assert await served(a, REQUESTS, 20) == 12, "alone, the whole limit is its share"


@in_world("a", "b", "c")
async def test_a_lost_store_leaves_permits_then_equal_shares(world: World) -> None:
    a, b, c = world.workers
    await served(a, REQUESTS, 1)
    world.store.away = True
    await world.wait(3)
    used = 1 + await served(a, REQUESTS, 20) + await served(b, REQUESTS, 20)
    assert 1 < used < 12, "what lies here is used, and nothing that might lie elsewhere"
    await world.wait(61)
    assert [await served(worker, REQUESTS, 20) for worker in (a, b, c)] == [4, 4, 4]


@in_world("a", "b", "c")
async def test_a_scope_that_nobody_used_is_shared_out_soon(world: World) -> None:
    world.store.away = True
    await world.wait(LEASE_S + 3)
    assert [await served(worker, REQUESTS, 20) for worker in world.workers] == [4, 4, 4]


@in_world("a", "b", "c")
async def test_of_a_limit_below_the_number_of_workers_the_first_names_get_one(world: World) -> None:
    world.store.away = True
    await world.wait(LEASE_S + 3)
    assert [await served(worker, PLACES, 3) for worker in world.workers] == [1, 1, 0]


@in_world("a", "b")
async def test_back_in_step_the_first_thing_told_is_what_was_used(world: World) -> None:
    a, b = world.workers
    world.store.away = True
    await world.wait(LEASE_S + 3)
    assert await served(a, REQUESTS, 20) == await served(b, REQUESTS, 2) * 3 == 6
    world.store.flush()
    world.store.away = False
    await world.wait(3)
    assert await served(a, REQUESTS, 20) + await served(b, REQUESTS, 20) == 12 - 8


@in_world("a", "b")
async def test_the_share_of_a_worker_that_is_cut_off_alone_is_kept_for_it(world: World) -> None:
    a, b = world.workers
    b.wire.is_cut = True
    await world.wait(LEASE_S + 3)
    assert await served(a, REQUESTS, 20) == 6
    assert await served(b, REQUESTS, 20) == 6


@in_world("a", "b")
async def test_what_dead_workers_had_is_free_when_their_heartbeat_has_ended_too(world: World) -> None:
    a, b = world.workers
    assert await served(b, PLACES, 2) == 2
    world.kill(b)
    await world.wait(10)
    assert await served(a, PLACES, 2) == 0
    await world.wait(20)
    assert await served(a, PLACES, 3) == 2
    assert list(world.store.members) == [a.link.member]


@in_world("a")
async def test_a_second_source_that_does_not_answer_holds_up_nothing(world: World) -> None:
    """A database that is frozen took the lease away: who lives was asked between two messages to the store."""
    (a,) = world.workers
    asked, never = asyncio.Event(), asyncio.Event()

    async def silent() -> frozenset[str]:
        asked.set()
        await never.wait()
        return frozenset()

    a.link._census = silent
    counting = asyncio.create_task(a.link.count())
    await asked.wait()
    a._counts_at = float("inf")
    await world.wait(LEASE_S * 2)
    assert await served(a, REQUESTS, 1) == 1
    assert a.standing.in_step
    assert not counting.done()
    counting.cancel()


@in_world("a", "b")
async def test_places_of_others_are_asked_for_anew_while_one_is_cut_off(world: World) -> None:
    a, b = world.workers
    assert await served(a, PLACES, 2) == 2
    b.wire.is_cut = True
    await world.wait(LEASE_S + 3)
    a.end(0, 0)
    await a.turn()
    assert await served(a, PLACES, 1) == 0, "that place is the other's share now"
    await world.wait(61)
    assert await served(b, PLACES, 2) == 1


@in_world("a", "b")
async def test_a_worker_that_stood_still_admits_nothing_before_it_has_looked_for_the_store(world: World) -> None:
    a, _ = world.workers
    for rule in (REQUESTS, PLACES):
        await served(a, rule, 1)
    a.is_frozen = True
    await world.wait(90)
    assert await served(a, PLACES, 1) == 0
    world.store.away = True
    a.is_frozen = False
    await world.wait(0.5)
    a.is_frozen = True
    await world.wait(120)
    assert await served(a, REQUESTS, 1) == 0
    world.store.away = a.is_frozen = False
    await world.wait(3)
    assert await served(a, REQUESTS, 1) == 1


@in_world("a", "b")
async def test_a_late_message_of_a_lost_connection_takes_nothing(world: World) -> None:
    a, b = world.workers
    a.wire.delays = True
    assert await served(a, REQUESTS, 1) == 0
    await world.wait(9)
    assert await served(b, REQUESTS, 20) == 12


@in_world("a", "b")
async def test_a_message_that_arrives_after_its_worker_has_told_anew_is_not_executed(world: World) -> None:
    a, b = world.workers
    a.wire.delays = True
    await served(a, REQUESTS, 1)
    held, world.late = world.late, []
    await world.wait(3)
    assert a.link.in_step
    assert [world.store.execute(message).status for message in held] == ["late"]
    assert await served(b, REQUESTS, 20) == 12


@in_world("a", "b")
async def test_without_the_store_places_are_reduced_to_the_share_before_others_use_theirs(world: World) -> None:
    a, b = world.workers
    assert await served(a, PLACES, 2) == 2
    world.store.away = True
    await world.wait(3)
    a.end(0, 0)
    assert await served(a, PLACES, 1) == 1, "for the moment it has two"
    await world.wait(LEASE_S)
    a.end(0, 0)
    assert await served(a, PLACES, 1) == 0
    assert await served(b, PLACES, 1) == 0, "others may still run on what they had"
    await world.wait(61)
    assert await served(b, PLACES, 2) == 1
    a.end(0, 0)
    assert await served(a, PLACES, 2) == 1


@in_world("a", "b")
async def test_a_store_whose_clock_is_put_back_or_forward_does_not_stop_anybody(world: World) -> None:
    a, b = world.workers
    await served(a, REQUESTS, 12)
    world.ahead_ms -= 3_600_000
    await world.wait(3)
    assert await served(b, REQUESTS, 1) == 0
    await world.wait(61)
    assert await served(b, REQUESTS, 20) == 12, "at most one more minute"
    world.ahead_ms += 7_200_000
    await world.wait(61)
    assert await served(a, REQUESTS, 3) == 3


@in_world("a", "b")
async def test_a_limit_that_is_lowered_binds_and_one_that_is_raised_frees(world: World) -> None:
    a, _ = world.workers
    rates = a.rates

    async def takes(rule: RateRule, calls: int) -> int:
        count = 0
        for _ in range(calls):
            entries = rates.counters([rule])
            drawing = asyncio.ensure_future(stepped(rates.draw(entries, 1)))
            while not drawing.done():
                await asyncio.sleep(0)
                for worker in world.workers:
                    await worker.turn()
            try:
                count += rates.take(entries, 1) is not None
            except RateLimited:
                break
        return count

    assert await takes(RateRule("x", "key", rpm=10, tpm=1000), 4) == 4
    assert await takes(RateRule("x", "key", rpm=6), 9) == 2
    assert await takes(RateRule("x", "key", rpm=8, parallel=3), 9) == 0, "six are running"
    assert await takes(RateRule("x", "key", rpm=8, parallel=9), 9) == 2
    assert await takes(RateRule("x", "key", parallel=9), 9) == 1


@in_world("a", "b")
async def test_what_nobody_uses_is_forgotten_and_free_for_others(world: World) -> None:
    a, b = world.workers
    await served(a, (1, 2), 1)
    a.end(0, 0)
    permits = [permits for _, permits, _ in a.entries]
    for _ in range(14):
        a.rates.forget_idle()
        await world.wait(10)
    assert [one.forgotten for one in permits] == [True] * 3
    assert not a.rates._permits
    assert not any(world.store.places["u"].values())
    a.entries = a.rates.counters(RULES)
    assert await served(a, REQUESTS, 1) + await served(b, REQUESTS, 20) == 12


@in_world("a", "b")
async def test_callers_read_what_is_left_for_all_and_when_to_come_back(world: World) -> None:
    a, b = world.workers
    await a.call((0,), 100)
    lines = a.calls[-1].ticket.header_lines()
    assert "x-ratelimit-api_key-limit-requests: 7\r\n" in lines
    assert "x-ratelimit-api_key-remaining-requests: 6\r\n" in lines
    assert "x-ratelimit-api_key-remaining-tokens: 200\r\n" in lines
    assert "x-ratelimit-api_key-remaining-max_parallel_requests: 2\r\n" in lines
    await world.wait(20)
    await served(b, REQUESTS, 20)
    await served(a, REQUESTS, 1)
    with pytest.raises(
        RateLimited, match=r"for team\. Limit type: requests\. Current limit: 12, Remaining: 0"
    ) as refusal:
        a.rates.take([a.entries[1]], 0)
    assert 58 <= refusal.value.retry_after_s <= 60


@in_world("a")
async def test_a_worker_that_leaves_leaves_nothing_behind(world: World) -> None:
    await world.add("b")
    a, b = world.workers
    await world.wait(2)
    await served(b, (1, 2), 1)
    b.end(0, 0)
    await b.link.end()
    world.kill(b)
    assert await served(a, REQUESTS, 20) == 11
    assert await served(a, PLACES, 3) == 2


# -- how it is put together -------------------------------------------------------------------------------------------


async def nobody() -> frozenset[str]:
    return frozenset()


def settings(**section: Any) -> GatewaySettings:
    return GatewaySettings("postgresql://", "sk-", "", gateway=GatewaySection(**section))


def test_one_worker_without_valkey_counts_for_itself():
    rates, link = rate_limits(settings(), "w", nobody, SystemClock())
    assert isinstance(rates, LocalRates)
    assert link is None


@pytest.mark.parametrize("section", [{"workers": 4}, {"rates": RateSettings(replica_count=4)}])
def test_several_workers_without_valkey_divide_the_limit(section: dict[str, Any]):
    rates, link = rate_limits(settings(**section), "w", nobody, SystemClock())
    assert isinstance(rates, SharedRates)
    assert isinstance(link, RateLink)

    async def use() -> int:
        await link.begin()
        await link.turn()
        entries = rates.counters([RateRule("k", "key", rpm=60)])
        await stepped(rates.draw(entries, 0))
        count = 0
        try:
            while rates.take(entries, 0) is not None:
                count += 1
        except RateLimited:
            pass
        return count

    assert asyncio.run(use()) == 15


def test_nothing_comes_of_a_store_that_is_none():
    async def ask() -> None:
        standing = Standing("w", 2, 0.0)
        standing.divide()
        rates = SharedRates(standing, lambda: 5.0, lambda: datetime(2026, 11, 25, tzinfo=UTC))
        link = RateLink(rates, NoStore(), nobody, lambda: 5.0)
        await link.begin()
        assert not link.in_step
        entries = rates.counters([RateRule("k", "key", rpm=3, parallel=0)])
        with pytest.raises(RateLimited, match=r"max_parallel_requests\. Current limit: 0"):
            rates.take(entries, 0)
        await link.end()

    asyncio.run(ask())
