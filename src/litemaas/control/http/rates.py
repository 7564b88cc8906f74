"""Who asks too often? Counts of the last seconds in Valkey, shared by all replicas; without it each replica counts alone.

A count looks at the last ``per_s`` seconds exactly: there is no moment at which twice as much passes.
Fails: open to counting alone. A Valkey that does not answer in time is not asked again for some seconds.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict, deque
from typing import Protocol

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from litemaas.control.http.refusals import TooManyRequests
from litemaas.kit.clock import Clock

_TIMEOUT_S = 0.3
_AWAY_S = 5.0
_MAX_KEYS = 20_000
_TAKE = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1])
if redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[2]) then
  if ARGV[3] ~= '' then
    redis.call('ZADD', KEYS[1], now, ARGV[3])
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
  end
  return 0
end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return math.max(1, math.ceil((first[2] + ARGV[1] - now) / 1000))
"""
"""Returns 0, or after how many seconds there is room again."""
_log = structlog.get_logger("control.rates")


class Rate(msgspec.Struct, frozen=True):
    """At most ``most`` within ``per_s`` seconds. ``name``: what is counted, the same in all replicas."""

    name: str
    most: int
    per_s: int = 60


def rate_of(name: str, most: int | None) -> Rate | None:
    """Per minute; None where nothing bounds."""
    return Rate(name, most) if most is not None else None


class Rates(Protocol):
    async def wait_s(self, rate: Rate, who: str, *, counts: bool = True) -> int:
        """Counts one and returns 0; or counts nothing and returns after how many seconds there is room.

        ``counts`` False only asks whether there is room.
        """

    async def close(self) -> None:
        """Gives the connections back."""


class LocalRates:
    """Counts in memory, for this process alone; whoever was silent longest is forgotten first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._times: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    async def wait_s(self, rate: Rate, who: str, *, counts: bool = True) -> int:
        now = self._clock.monotonic()
        times = self._times.setdefault((rate.name, who), deque())
        self._times.move_to_end((rate.name, who))
        while len(self._times) > _MAX_KEYS:
            self._times.popitem(last=False)
        while times and times[0] <= now - rate.per_s:
            times.popleft()
        if len(times) < rate.most:
            if counts:
                times.append(now)
            return 0
        return max(1, round(times[0] + rate.per_s - now)) if times else rate.per_s

    async def close(self) -> None:
        return None


class SharedRates:
    def __init__(self, redis_url: str, clock: Clock) -> None:
        self._redis: Redis = Redis.from_url(redis_url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)
        self._take = self._redis.register_script(_TAKE)
        self._local = LocalRates(clock)
        self._clock = clock
        self._away_until = float("-inf")

    async def wait_s(self, rate: Rate, who: str, *, counts: bool = True) -> int:
        if self._clock.monotonic() >= self._away_until:
            try:
                key = f"litemaas:rate:{rate.name}:{who}"
                one = secrets.token_hex(8) if counts else ""
                return int(await self._take(keys=[key], args=[rate.per_s * 1000, rate.most, one]))
            except (RedisError, OSError, TimeoutError) as error:
                self._away_until = self._clock.monotonic() + _AWAY_S
                _log.warning("rates are counted by this replica alone", error=type(error).__name__)
        return await self._local.wait_s(rate, who, counts=counts)

    async def close(self) -> None:
        await self._redis.aclose()


async def take(rates: Rates, rate: Rate, who: str) -> None:
    """Errors: TooManyRequests."""
    if wait := await rates.wait_s(rate, who):
        raise TooManyRequests(f"Too many requests: {rate.most} in {rate.per_s} s are allowed.", wait)
