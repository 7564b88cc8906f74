"""How does the gateway reach PostgreSQL? Over a pool of connections whose every failure is one error; and what is listened to.

Plain SQL over asyncpg: the gateway carries no ORM. What is asked stands in the modules beside this one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import asyncpg
import structlog

from litemaas.core.errors import ServiceUnavailable
from litemaas.gateway.accountant import RecordsRejected

log = structlog.get_logger(__name__)

_NO_ANSWER = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what asyncpg says of a connection that was lost while it was handed out
    OSError,
    TimeoutError,
)


class Postgres:
    """The gateway's connections to the database. ``prepare`` is run on each new one."""

    def __init__(self, url: str, prepare: str, *, connections: int, timeout_s: float) -> None:
        self._url = url
        self._prepare = prepare
        self._connections = connections
        self._timeout_s = timeout_s
        self._pool: asyncpg.Pool | None = None
        self._pool_lock = asyncio.Lock()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Errors: ServiceUnavailable when the database does not answer."""
        try:
            pool = self._pool or await self._open()
            async with pool.acquire(timeout=self._timeout_s) as connection:
                yield connection
        except asyncpg.DataError as error:
            raise RecordsRejected(type(error).__name__) from error
        except _NO_ANSWER as error:
            log.debug("the database did not answer", error=type(error).__name__)
            raise ServiceUnavailable("the database does not answer; try again") from error

    async def _open(self) -> asyncpg.Pool:
        async with self._pool_lock:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url, min_size=1, max_size=self._connections, timeout=self._timeout_s,
                    command_timeout=self._timeout_s, init=lambda connection: connection.execute(self._prepare),
                    server_settings={"application_name": "litemaas-gateway"},
                )  # fmt: skip
            return self._pool

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.terminate()

    async def ping(self) -> None:
        async with self.connection() as connection:
            await connection.execute("select 1")

    async def listen(self, wake: Callable[[], None], channels: Mapping[str, Callable[[str], None]]) -> None:
        """Calls ``wake`` for each change, and each channel's own with what is told on it, until the connection is lost.

        Errors: ServiceUnavailable.
        """
        lost = asyncio.Event()
        try:
            connection = await asyncpg.connect(self._url, timeout=self._timeout_s, command_timeout=self._timeout_s)
        except _NO_ANSWER as error:
            raise ServiceUnavailable("the database does not answer; try again") from error
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener("litemaas_changes", lambda *_: wake())
            for channel, tell in channels.items():
                await connection.add_listener(channel, lambda *news, tell=tell: tell(news[3]))
            wake()
            await lost.wait()
        except _NO_ANSWER as error:
            raise ServiceUnavailable("the database does not answer; try again") from error
        finally:
            connection.terminate()
