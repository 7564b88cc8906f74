"""Do Valkey and the store in memory keep to the same rules? One suite for both, and the same messages to both at once."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import redis.asyncio
from tests.unit.gateway.memory_counts import MemoryCounts

from litemaas.gateway.adapters.shared_counts import PREFIX, SharedCounts
from litemaas.gateway.rate_messages import (
    PLACES,
    REQUESTS,
    TOKENS,
    UNSETTLED_MS,
    Answer,
    Message,
    News,
    RateStore,
    StoreAway,
    Told,
    Want,
)

from .harness import WITHIN_S, until


@pytest.fixture(params=["memory", "valkey"])
async def store(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[RateStore]:
    if request.param == "memory":
        yield MemoryCounts(lambda: time.time_ns() // 1_000_000)
        return
    counts = SharedCounts(redis_url, timeout_s=WITHIN_S)
    yield counts
    await counts.close()


async def join(store: RateStore, member: str, *told: Told, known: tuple[str, ...] | None = None) -> Answer:
    """``known``: whom the member has heard of; itself when nothing is said, so that it is not new."""
    return await store.exchange(Message(member, 0, "join", [member] if known is None else list(known), list(told)))


async def trade(store: RateStore, member: str, *wants: Want, told: tuple[Told, ...] = ()) -> Answer:
    return await store.exchange(Message(member, 0, "trade", [], list(told), [list(wants)] if wants else []))


def rpm(limit: int, scope: str = "k") -> Want:
    return Want(scope, limit, -1, -1, 1, 0, 0)


async def members(store: RateStore, *names: str) -> None:
    """They take part, and everybody has told."""
    for name in names:
        answer = await join(store, name, known=names)
    assert sorted(answer.members) == sorted((name, False) for name in names)


async def test_who_is_alone_gets_all_and_who_is_not_a_part(store: RateStore):
    await members(store, "a/1")
    answer = await trade(store, "a/1", rpm(60))
    assert answer.draws[0].granted
    assert answer.draws[0].views[0].got_requests == 60
    await members(store, "a/1", "b/1")
    answer = await trade(store, "b/1", rpm(60, "other"))
    assert 1 < answer.draws[0].views[0].got_requests < 30


async def test_all_together_never_get_more_than_the_limit(store: RateStore):
    await members(store, "a/1", "b/1", "c/1")
    got = 0
    for number in range(60):
        answer = await trade(store, f"{'abc'[number % 3]}/1", Want("k", 20, 9000, -1, 1, 5, 0))
        got += answer.draws[0].views[0].got_requests
    assert got == 20
    view = answer.draws[0].views[0]
    assert (answer.draws[0].granted, view.requests, view.short, view.hope & REQUESTS) == (False, 20, REQUESTS, REQUESTS)


async def test_a_draw_that_one_scope_refuses_takes_nothing_from_the_others(store: RateStore):
    await members(store, "a/1", "b/1")
    answer = await trade(store, "a/1", rpm(9, "x"), rpm(0, "y"))
    assert not answer.draws[0].granted
    assert [view.window for view in answer.draws[0].views] == [0, 0], "refused calls begin no window"
    assert (await trade(store, "b/1", rpm(1, "x"))).draws[0].granted


async def test_what_is_given_back_is_there_for_others(store: RateStore):
    await members(store, "a/1", "b/1")
    first = (await trade(store, "a/1", rpm(16))).draws[0].views[0]
    assert first.got_requests == 4
    told = Told("k", first.window, 5, 1, 0, 0, -1)
    await trade(store, "a/1", told=(told,))
    got = 0
    while (answer := await trade(store, "b/1", rpm(16))).draws[0].granted:
        got += answer.draws[0].views[0].got_requests
    assert got == 15
    assert not answer.draws[0].views[0].hope


async def test_numbers_for_a_window_that_is_no_more_change_nothing(store: RateStore):
    await members(store, "a/1", "b/1")
    now = (await trade(store, "a/1", rpm(16))).draws[0].views[0]
    await trade(store, "a/1", told=(Told("k", now.window - 1, 5, 0, 0, 0, -1), Told("new", 7, 5, 3, 3, 0, -1)))
    assert (await trade(store, "b/1", rpm(16))).draws[0].views[0].requests > now.requests
    assert (await trade(store, "b/1", rpm(16, "new"))).draws[0].views[0].requests == 4


async def test_places_are_given_out_by_number_and_come_back_with_their_member(store: RateStore):
    place = Want("k", -1, -1, 2, 0, 0, 1)
    await members(store, "a/1", "b/1")
    assert (await trade(store, "a/1", place)).draws[0].granted
    assert (await trade(store, "a/1", place)).draws[0].granted
    refused = (await trade(store, "b/1", place)).draws[0]
    assert (refused.granted, refused.views[0].short, refused.views[0].hope) == (False, PLACES, PLACES)
    await store.exchange(Message("a/1", 0, "leave"))
    assert (await trade(store, "b/1", place)).draws[0].granted
    assert (await trade(store, "a/1", place)).status == "unknown"


async def test_a_new_life_of_a_worker_takes_the_place_of_the_old_one(store: RateStore):
    place = Want("k", -1, -1, 1, 0, 0, 1)
    await members(store, "a/1", "b/1")
    assert (await trade(store, "a/1", place)).draws[0].granted
    assert sorted((await join(store, "a/2")).members) == [("a/2", False), ("b/1", False)]
    assert (await trade(store, "b/1", place)).draws[0].granted


async def test_a_store_without_memory_gives_out_nothing_until_all_have_told(store: RateStore):
    assert (await trade(store, "a/1", rpm(9))).status == "unknown"
    await join(store, "a/1", Told("k", 4711, 1000, 5, 2, 50, 1), known=("a/1", "b/1"))
    waits = (await trade(store, "a/1", rpm(9), Want("k2", 9, 99, 9, 1, 9, 1))).draws[0]
    assert not waits.granted
    answer = await join(store, "b/1", Told("k", 4712, 2000, 3, 0, 30, 0), known=("a/1", "b/1"))
    view = answer.told[0]
    assert (view.requests, view.tokens, view.places) == (8, 80, 1)
    assert 58_000 < view.remaining_ms <= 59_000, "the first who tells says when it began"
    assert dict(answer.begun).keys() == {"k"}
    assert answer.placed == ["k"]
    assert (await trade(store, "a/1", rpm(9))).draws[0].granted
    assert not (await trade(store, "a/1", rpm(9))).draws[0].granted


async def test_what_a_newcomer_does_not_know_of_has_a_second_to_come_back(store: RateStore):
    await join(store, "a/1", known=())
    assert not (await trade(store, "a/1", rpm(9))).draws[0].granted

    async def granted() -> bool:
        return (await trade(store, "a/1", rpm(9))).draws[0].granted

    await until(granted)


async def test_who_never_comes_back_is_waited_for_only_so_long(store: RateStore):
    await join(store, "a/1", known=("gone/1",))

    async def granted() -> bool:
        await store.exchange(Message("a/1", 0, "refresh"))
        return (await trade(store, "a/1", rpm(9))).draws[0].granted

    await until(granted, UNSETTLED_MS / 1000 + WITHIN_S)
    assert (await join(store, "a/1")).members == [("a/1", False)]


async def test_a_late_message_changes_nothing(store: RateStore):
    await members(store, "a/1", "b/1")
    late = await store.exchange(Message("a/1", 1, "trade", [], [], [[rpm(9)]]))
    assert (late.status, late.draws) == ("late", [])
    assert (await trade(store, "b/1", rpm(1))).draws[0].granted


async def test_the_end_of_a_window_frees_what_it_counted(store: RateStore):
    await join(store, "a/1", Told("k", 1, 59_500, 9, 0, 90, -1))
    assert not (await trade(store, "a/1", rpm(9))).draws[0].granted

    async def granted() -> bool:
        return (await trade(store, "a/1", rpm(9))).draws[0].granted

    await until(granted)


@pytest.mark.parametrize("seed", range(6))
async def test_the_same_messages_get_the_same_answers(redis_url: str, seed: int):
    """The memory store's clock shows what Valkey's showed, so every number has to be the same."""
    chance = random.Random(seed)
    now_ms = 0
    memory = MemoryCounts(lambda: now_ms)
    valkey = SharedCounts(redis_url, timeout_s=WITHIN_S)
    names = ["a/1", "b/1", "c/1", "c/2"]
    try:
        await valkey.exchange(Message("a/1", 0, "join", ["a/1", "b/1"]))
        async with redis.asyncio.Redis.from_url(redis_url, socket_timeout=WITHIN_S) as client:
            await client.flushall()
            for number in range(250):
                message = _random_message(chance, names)
                answer = await valkey.exchange(message)
                now_ms = answer.now_ms
                assert _sorted(memory.execute(message)) == _sorted(answer), (number, message)
                if number == 120:
                    await client.flushall()
                    memory.flush()
    finally:
        await valkey.close()


def _random_message(chance: random.Random, names: list[str]) -> Message:
    kind = chance.choices(("trade", "join", "telling", "refresh", "leave"), (80, 8, 2, 8, 2))[0]
    scopes = ["k", "t", "u"]
    told = [
        Told(
            chance.choice(scopes),
            chance.choice((0, 4711)),
            chance.choice((-1, 10_000, 59_999)),
            chance.randrange(8),
            chance.randrange(4),
            chance.randrange(90),
            chance.choice((-1, 0, 1, 2)),
        )
        for _ in range(chance.choice((0, 0, 1, 3)))
    ]
    draws = [
        [
            Want(
                scope, chance.choice((-1, 5, 40)), chance.choice((-1, 100, 2000)), chance.choice((-1, 3, 9)),
                chance.randrange(2), chance.choice((0, 7, 60)), chance.randrange(2),
            )
            for scope in chance.sample(scopes, chance.randrange(1, 4))
        ]
        for _ in range(chance.randrange(4))
    ]  # fmt: skip
    known = chance.sample(names, chance.randrange(len(names)))
    return Message(chance.choice(names), 0, kind, known, told, draws if kind == "trade" else [], ["b/1"])


def _sorted(answer: Answer) -> Answer:
    return Answer(
        answer.status, answer.now_ms, sorted(answer.members), answer.draws, answer.told, sorted(answer.begun),
        sorted(answer.placed), answer.quiet_ms,
    )  # fmt: skip


# -- only Valkey ------------------------------------------------------------------------------------------------------


async def test_news_reach_everybody(redis_url: str):
    counts, heard, begun = SharedCounts(redis_url, timeout_s=WITHIN_S), [], asyncio.Event()
    following = asyncio.create_task(counts.follow(heard.append, begun.set))
    try:
        await asyncio.wait_for(begun.wait(), WITHIN_S)
        await members(counts, "a/1", "b/1")
        await trade(counts, "a/1", Want("k", 8, -1, 8, 1, 0, 1))
        for _ in range(9):
            await trade(counts, "b/1", Want("k", 8, -1, 8, 1, 0, 1))

        async def recalled() -> bool:
            return any(news.kind == "recall" for news in heard)

        await until(recalled)
        assert News("lost", "", "a/1") in heard
        assert [news.kind for news in heard if news.scope == "k"][:3] == ["begun", "placed", "recall"]
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        await counts.close()


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "redis://:wrong@{address}/0"])
async def test_a_store_that_cannot_be_used_is_away(redis_url: str, url: str):
    counts = SharedCounts(url.format(address=redis_url.rpartition("@")[2].partition("/")[0]))
    with pytest.raises(StoreAway):
        await counts.time_ms()
    with pytest.raises(StoreAway):
        await join(counts, "a/1")
    with pytest.raises(StoreAway):
        await asyncio.wait_for(counts.follow(lambda news: None, lambda: None), WITHIN_S)
    await counts.close()


async def test_an_address_may_call_it_valkey(redis_url: str):
    counts = SharedCounts(redis_url.replace("redis://", "valkey://"), timeout_s=WITHIN_S)
    await members(counts, "a/1")
    await counts.close()


async def test_scripts_that_were_forgotten_are_loaded_again_and_broken_data_is_no_defect(redis_url: str):
    counts = SharedCounts(redis_url, timeout_s=WITHIN_S)
    await members(counts, "a/1")
    async with redis.asyncio.Redis.from_url(redis_url, socket_timeout=WITHIN_S) as client:
        await client.script_flush()
        assert (await trade(counts, "a/1", rpm(9))).draws[0].granted
        await client.delete(f"{PREFIX}:w:k")
        await client.set(f"{PREFIX}:w:k", "not a hash")
        with pytest.raises(StoreAway):
            await trade(counts, "a/1", rpm(9))
        await client.flushall()
        await members(counts, "a/1")
        assert (await trade(counts, "a/1", Want("k", -1, 50, -1, 0, 9, 0), told=())).draws[0].views[0].tokens == 50
        assert TOKENS & (await trade(counts, "a/1", Want("k", -1, 50, -1, 0, 9, 0))).draws[0].views[0].short
    await counts.close()
