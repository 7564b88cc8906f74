"""How do tests come by a database of their own on a server that they share? As a copy, which is dropped when it was used."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg

WITHIN_S = 30.0


def on_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def administer(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=WITHIN_S)
    try:
        await connection.execute(statement, timeout=WITHIN_S)
    finally:
        await connection.close(timeout=WITHIN_S)


@asynccontextmanager
async def lent_database(server_url: str, template: str) -> AsyncIterator[str]:
    """Its URL. Files are copied, which on a server that does not wait for the disk is half of the work of logging them."""
    name = f"test_{secrets.token_hex(8)}"
    await administer(server_url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    try:
        yield on_database(server_url, name)
    finally:
        await drop_database(server_url, name)


async def drop_database(url: str, name: str) -> None:
    """Ends whoever is still connected; an autovacuum worker, which nobody may end, is waited for."""
    async with asyncio.timeout(WITHIN_S * 3):
        while True:
            try:
                return await administer(url, f"DROP DATABASE {name} WITH (FORCE)")
            except asyncpg.InsufficientPrivilegeError:
                await asyncio.sleep(0.2)
