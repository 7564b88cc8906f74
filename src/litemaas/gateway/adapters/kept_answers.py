"""Where are answers that all workers share? In Valkey, sealed; when it is away, nothing is kept and no call waits for it."""

from __future__ import annotations

import asyncio
import heapq
from collections import OrderedDict

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from litemaas.gateway.adapters.valkey import as_redis
from litemaas.gateway.http.stepping import outside
from litemaas.kit.crypto import SealBroken, Vault
from litemaas.kit.ticks import monotonic

PREFIX = "litemaas:answer:"
_CONNECTIONS = 16
_MOST_WAITING_BYTES = 16 * 1024 * 1024
_PAUSE_S = 1.0
_AWAY = (RedisError, OSError, TimeoutError)
log = structlog.get_logger(__name__)


class SharedAnswers:
    """An :class:`~litemaas.gateway.answer_cache.AnswerStore`.

    ``timeout_s``: the most that a call waits for it. ``most_bytes``: of what this worker has put there and is not over: the
    Valkey may be the one that counts rate limits, and must not become full.
    """

    def __init__(self, url: str, vault: Vault, timeout_s: float, most_bytes: int) -> None:
        pool = BlockingConnectionPool.from_url(
            as_redis(url), max_connections=_CONNECTIONS, timeout=timeout_s, socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
        )  # fmt: skip
        self._client = Redis.from_pool(pool)
        self._vault = vault
        self._timeout_s = timeout_s
        self._waiting: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._waiting_bytes = 0
        self._most_bytes = most_bytes
        self._kept: list[tuple[float, int]] = []
        self._kept_bytes = 0
        self._news = asyncio.Event()
        self._away_until = 0.0

    async def get(self, name: str) -> bytes | None:
        waiting = self._waiting.get(name)
        if waiting is not None:
            return waiting[0]
        if monotonic() < self._away_until:
            return None
        try:
            sealed = await outside(self._read(name), self._timeout_s)
            return None if sealed is None else self._vault.open_bytes(sealed, PREFIX + name)
        except SealBroken:
            return None
        except _AWAY as error:
            self._pause(error)
            return None

    def put(self, name: str, value: bytes, ttl_s: float) -> None:
        """Waits for its turn; what finds no room is not kept."""
        size = len(value)
        if name in self._waiting or self._waiting_bytes + size > _MOST_WAITING_BYTES or not self._has_room(size):
            return
        self._waiting[name] = value, ttl_s
        self._waiting_bytes += size
        heapq.heappush(self._kept, (monotonic() + ttl_s, size))
        self._kept_bytes += size
        self._news.set()

    def _has_room(self, size: int) -> bool:
        while self._kept and self._kept[0][0] <= monotonic():
            self._kept_bytes -= heapq.heappop(self._kept)[1]
        return self._kept_bytes + size <= self._most_bytes

    async def _read(self, name: str) -> bytes | None:
        found = await self._client.get(PREFIX + name)
        return found.encode() if isinstance(found, str) else found  # text only where a URL asks for decoding

    async def work(self) -> None:
        """Stores what waits, until it is cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                name, (value, ttl_s) = next(iter(self._waiting.items()))
                try:
                    async with asyncio.timeout(self._timeout_s):
                        sealed = self._vault.seal_bytes(value, PREFIX + name)
                        await self._client.set(PREFIX + name, sealed, px=max(1, int(ttl_s * 1000)))
                except _AWAY as error:
                    self._pause(error)
                finally:
                    del self._waiting[name]
                    self._waiting_bytes -= len(value)

    async def close(self) -> None:
        await self._client.aclose()

    def _pause(self, error: BaseException) -> None:
        if monotonic() >= self._away_until:
            log.warning("answers cannot be kept: Valkey does not answer", error=type(error).__name__)
        self._away_until = monotonic() + _PAUSE_S
