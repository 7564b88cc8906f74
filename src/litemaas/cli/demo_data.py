"""How is a database filled so that one can see how the portal bears it? Never one that holds anything real."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import asyncpg

from litemaas.db.connect import connector
from litemaas.db.demo_ledger import Size, fill, people
from litemaas.db.migrate import upgrade


class HasData(Exception):
    """There are calls or people in this database."""


def demo_data(database_url: str, scale: float) -> Size:
    """Errors: HasData; asyncpg's and OSError when the database is away."""
    upgrade(database_url)
    return asyncio.run(_fill(database_url, Size.scaled(scale)))


async def _fill(database_url: str, size: Size) -> Size:
    connection = await connector(database_url, "litemaas-demo-data")()
    try:
        await _check_empty(connection)
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        await people(connection, size, _say)
        await fill(connection, today, size, _say)
    finally:
        await connection.close(timeout=5)
    return size


async def _check_empty(connection: asyncpg.Connection) -> None:
    calls = await connection.fetchval("SELECT EXISTS (SELECT FROM usage_records)")
    strangers = await connection.fetchval("SELECT EXISTS (SELECT FROM users WHERE provider IS DISTINCT FROM 'dev')")
    if calls or strangers:
        raise HasData("This database holds calls or people already; demo data goes only into an empty one.")


def _say(line: str) -> None:
    print(f"· {line}", flush=True)
