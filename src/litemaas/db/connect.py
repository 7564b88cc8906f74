"""How is a connection to PostgreSQL made? From a libpq URL, with a time-out on everything, times in UTC."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

CONNECT_TIMEOUT_S = 5.0
QUERY_TIMEOUT_S = 30.0


def connector(database_url: str, application: str) -> Callable[[], Awaitable[Any]]:
    """Makes connections from a libpq URL, read by asyncpg itself: ``sslmode``, ``host=/socket`` and so on all work.

    A driver named in the scheme (``postgresql+asyncpg://``) is passed over.
    """
    scheme, mark, rest = database_url.partition("://")
    dsn = f"{scheme.partition('+')[0]}{mark}{rest}"

    async def connect() -> Any:
        return await asyncpg.connect(
            dsn,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=QUERY_TIMEOUT_S,
            server_settings={"application_name": application, "timezone": "UTC"},
        )

    return connect
