"""How do the gateways hear of a change? A row in the change feed, NOTIFY with the commit, and a PUBLISH after it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Protocol

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import changes

CHANNEL = "litemaas:changes"
NOTIFY_CHANNEL = "litemaas_changes"
_ORDER_LOCK = 0x4C4D_0002
"""Held from taking a number until the commit, so that the feed's order is the order of commits ("LM", 2)."""
_PUBLISH_TIMEOUT_S = 0.3


class ChangeKind(StrEnum):
    KEY = "key"
    CATALOG = "catalog"
    BUDGET = "budget"


async def append_changes(connection: AsyncConnection, pending: Mapping[ChangeKind, Iterable[str]]) -> int:
    """Writes the feed's rows and returns the last one's number; nothing may follow in the transaction but the commit."""
    await connection.execute(select(func.pg_advisory_xact_lock(_ORDER_LOCK)))
    seq = 0
    for kind, refs in pending.items():
        row = insert(changes).values(kind=kind.value, refs=list(refs)).returning(changes.c.seq)
        seq = (await connection.execute(row)).scalar_one()
        await connection.execute(select(func.pg_notify(NOTIFY_CHANNEL, str(seq))))
    return seq


class Publisher(Protocol):
    async def publish(self, seq: int) -> None:
        """Tells whoever listens; never raises."""

    async def ping(self) -> bool | None:
        """Whether it can be reached; None: there is nothing to reach."""

    async def close(self) -> None:
        """Gives the connections back."""


class SilentPublisher:
    """Without Valkey: PostgreSQL's NOTIFY alone tells the gateways."""

    async def publish(self, seq: int) -> None:  # noqa: ARG002 — the interface's
        return None

    async def ping(self) -> bool | None:
        return None

    async def close(self) -> None:
        return None


class ValkeyPublisher:
    """Fails: open. The change is committed and NOTIFY has told of it; a lost PUBLISH is counted and logged."""

    def __init__(self, redis_url: str) -> None:
        self._redis: Redis = Redis.from_url(
            redis_url, socket_timeout=_PUBLISH_TIMEOUT_S, socket_connect_timeout=_PUBLISH_TIMEOUT_S
        )
        self._log = structlog.get_logger("control.feed")
        self.failures = 0

    async def publish(self, seq: int) -> None:
        try:
            async with asyncio.timeout(_PUBLISH_TIMEOUT_S):
                await self._redis.publish(CHANNEL, str(seq))
        except (RedisError, OSError, TimeoutError) as error:
            self.failures += 1
            self._log.warning("publish failed", seq=seq, failures=self.failures, error=type(error).__name__)

    async def ping(self) -> bool | None:
        try:
            async with asyncio.timeout(_PUBLISH_TIMEOUT_S):
                await self._redis.ping()
        except (RedisError, OSError, TimeoutError):
            return False
        return True

    async def close(self) -> None:
        await self._redis.aclose()
