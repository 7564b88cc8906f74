"""How does Valkey count for all workers? By one script, in which a message is executed as a whole or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from litemaas.gateway.adapters.valkey import as_redis
from litemaas.gateway.rate_messages import HUSH_MS, LEASE_MS, UNSETTLED_MS, WINDOW_MS, Answer, Message, News, StoreAway

PREFIX = "{litemaas:rates}"
"""In braces, so that a cluster keeps all of it in one place."""
TIMEOUT_S = 0.2
_GRACE_S = 0.04
_FOLLOW_TIMEOUT_S = 5.0
_SCRIPT = Path(__file__).with_name("rates.lua")
T = TypeVar("T")
log = structlog.get_logger(__name__)


class SharedCounts:
    """Shared counts in the Valkey or Redis at ``url``."""

    def __init__(self, url: str, prefix: str = PREFIX, timeout_s: float = TIMEOUT_S) -> None:
        self._url = url = as_redis(url)
        self._prefix = prefix
        self._timeout_s = timeout_s
        self._client = Redis.from_url(url, retry=Retry(NoBackoff(), 0), socket_timeout=None, max_connections=1)
        self._script = _SCRIPT.read_text("utf-8")
        self._sha = ""
        self._said = ""

    async def exchange(self, message: Message) -> Answer:
        raw = await self._within(self._run(msgspec.msgpack.encode(message)))
        try:
            return msgspec.msgpack.decode(raw, type=Answer)
        except (msgspec.DecodeError, TypeError) as error:
            raise StoreAway from error

    async def time_ms(self) -> int:
        seconds, microseconds = await self._within(self._time())
        return int(seconds) * 1000 + int(microseconds) // 1000

    async def follow(self, hear: Callable[[News], None], on_begin: Callable[[], None]) -> None:
        try:
            async with (
                Redis.from_url(self._url, socket_connect_timeout=_FOLLOW_TIMEOUT_S, health_check_interval=10) as client,
                client.pubsub() as subscription,
            ):
                await subscription.subscribe(f"{self._prefix}:news")
                on_begin()
                while True:
                    message = await subscription.get_message(ignore_subscribe_messages=True, timeout=_FOLLOW_TIMEOUT_S)
                    if message is not None:
                        with suppress(msgspec.DecodeError):
                            hear(msgspec.msgpack.decode(message["data"], type=News))
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreAway from error

    async def close(self) -> None:
        with suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                await self._client.aclose()

    async def _time(self) -> tuple[int, int]:
        return await self._client.time()

    async def _run(self, message: bytes) -> Any:
        arguments = (self._prefix, message, WINDOW_MS, LEASE_MS, HUSH_MS, UNSETTLED_MS)
        if not self._sha:
            self._sha = await self._client.script_load(self._script)
        try:
            return await self._client.evalsha(self._sha, 1, *arguments)
        except NoScriptError:
            self._sha = await self._client.script_load(self._script)
            return await self._client.evalsha(self._sha, 1, *arguments)

    async def _within(self, asking: Coroutine[Any, Any, T]) -> T:
        """Errors: StoreAway when no answer comes in time."""
        task = asyncio.ensure_future(asking)
        try:
            await asyncio.wait((task,), timeout=self._timeout_s)
            if not task.done():  # if this process was held up, the answer is there and only has to be read
                await asyncio.wait((task,), timeout=_GRACE_S)
            if not task.done():
                raise StoreAway
            return task.result()
        except (RedisError, OSError, TimeoutError) as error:
            self._say(type(error).__name__)
            raise StoreAway from error
        finally:
            task.cancel()

    def _say(self, error: str) -> None:
        """Once per kind: a Valkey that refuses everything would else fill the log."""
        if error != self._said:
            self._said = error
            log.warning("Valkey does not count", error=error)
