"""Is the place there where gateways keep answers? Asked by whoever looks after the cache; calls do not depend on it."""

from __future__ import annotations

import asyncio
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from litemaas.core.answer_cache import AnswerCacheSettings
from litemaas.core.errors import ServiceUnavailable

_TIMEOUT_S = 2.0
_TRIAL = "litemaas:answer-trial"
_TOLD = (
    "redis_version", "valkey_version", "uptime_in_seconds", "connected_clients", "used_memory", "used_memory_human",
    "maxmemory", "maxmemory_policy", "evicted_keys", "expired_keys", "keyspace_hits", "keyspace_misses",
)  # fmt: skip
"""Of what Valkey says about itself; the rest is its operator's."""


class CacheStore:
    """``settings``: as the gateways have them. Of answers in workers' memory there is nothing to ask."""

    def __init__(self, settings: AnswerCacheSettings, redis_url: str | None) -> None:
        self.settings = settings
        url = settings.url or redis_url
        self._redis: Redis | None = None
        if settings.type == "valkey" and url is not None:
            self._redis = Redis.from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)

    async def try_out(self) -> None:
        """Writes something and reads it again. Errors: ServiceUnavailable."""
        if self._redis is None:
            return
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await self._redis.set(_TRIAL, b"1", px=1000)
                await self._redis.get(_TRIAL)
        except (RedisError, OSError, TimeoutError) as error:
            raise ServiceUnavailable(f"Valkey does not take answers: {type(error).__name__}.") from None

    async def told(self) -> dict[str, Any]:
        """What Valkey says of itself; nothing where answers are in workers' memory. Errors: ServiceUnavailable."""
        if self._redis is None:
            return {}
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                info = await self._redis.info()
        except (RedisError, OSError, TimeoutError) as error:
            raise ServiceUnavailable(f"Valkey does not answer: {type(error).__name__}.") from None
        return {name: info[name] for name in _TOLD if name in info}

    async def close(self) -> None:
        if self._redis is not None:
            await self._redis.aclose()
