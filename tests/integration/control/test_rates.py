"""Do replicas count together, exactly, and alone when Valkey is away?"""

from __future__ import annotations

import asyncio

import redis.asyncio

from litemaas.control.http.rates import LocalRates, Rate, SharedRates
from litemaas.kit.clock import SystemClock

_FIVE = Rate("test", 5, 60)


class Hand(SystemClock):
    """A clock whose seconds are set."""

    def __init__(self) -> None:
        self.at = 100.0

    def monotonic(self) -> float:  # type: ignore[override]
        return self.at


async def test_replicas_share_one_count(redis_url: str):
    replicas = [SharedRates(redis_url, SystemClock()) for _ in range(2)]
    try:
        waits = await asyncio.gather(*(replicas[n % 2].wait_s(_FIVE, "ann") for n in range(12)))
        assert sorted(waits)[:5] == [0] * 5
        assert all(1 <= wait <= 60 for wait in sorted(waits)[5:])
        assert await replicas[0].wait_s(_FIVE, "bob") == 0
        async with redis.asyncio.Redis.from_url(redis_url) as valkey:
            assert 0 < await valkey.pttl("litemaas:rate:test:ann") <= 60_000
    finally:
        for replica in replicas:
            await replica.close()


async def test_without_valkey_a_replica_counts_alone():
    rates = SharedRates("redis://127.0.0.1:9", SystemClock())
    try:
        assert [await rates.wait_s(_FIVE, "ann") == 0 for _ in range(7)] == [True] * 5 + [False] * 2
    finally:
        await rates.close()


async def test_a_count_looks_at_the_last_seconds():
    clock = Hand()
    rates = LocalRates(clock)
    for _ in range(5):
        assert await rates.wait_s(_FIVE, "ann") == 0
        clock.at += 10
    assert await rates.wait_s(_FIVE, "ann") == 10
    clock.at += 10
    assert await rates.wait_s(_FIVE, "ann") == 0
    assert await rates.wait_s(_FIVE, "ann") == 10
    assert await rates.wait_s(Rate("none", 0), "ann") == 60
