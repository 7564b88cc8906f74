"""How does Valkey help? It carries the news that something changed; losing it costs a moment of freshness, nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

CHANNEL = "litemaas:changes"
_SCHEMES = {"valkey": "redis", "valkeys": "rediss"}
_TIMEOUT_S = 5.0
log = structlog.get_logger(__name__)


def as_redis(url: str) -> str:
    """The URL in the words that the client library knows."""
    scheme, separator, rest = url.partition("://")
    return f"{_SCHEMES.get(scheme, scheme)}{separator}{rest}"


async def follow_pushes(url: str, wake: Callable[[], None]) -> None:
    """Calls ``wake`` for each message, for ever; reconnects by itself with a growing pause."""
    pause_s = 0.2
    while True:
        try:
            async with (
                Redis.from_url(as_redis(url), socket_connect_timeout=_TIMEOUT_S, health_check_interval=10) as client,
                client.pubsub() as subscription,
            ):
                await subscription.subscribe(CHANNEL)
                pause_s = 0.2
                wake()
                while True:
                    message = await subscription.get_message(ignore_subscribe_messages=True, timeout=_TIMEOUT_S)
                    if message is not None:
                        wake()
        except (RedisError, OSError, TimeoutError) as error:
            log.info("pushes through Valkey pause", error=type(error).__name__)
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, 5.0)
