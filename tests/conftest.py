"""Which real servers do the tests share? One PostgreSQL and one Valkey per test process, a fresh database per test."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import redis.asyncio
from hypothesis import HealthCheck, settings

from litemaas.db.embedded import EmbeddedPostgres, EmbeddedValkey
from litemaas.kit.logging import configure_logging

# What tests start is the code they test, not what was compiled of an earlier state; `make test-compiled` says otherwise.
os.environ.setdefault("PYTHONPATH", str(Path(__file__).parents[1] / "src"))

# How long an example takes says nothing on a shared machine.
UNTIMED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("usual", **UNTIMED)
settings.register_profile("nightly", max_examples=2_500, stateful_step_count=50, print_blob=True, **UNTIMED)
settings.load_profile("nightly" if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else "usual")

_TEMPLATE = "litemaas_template"
_WITHIN_S = 10.0


@pytest.fixture(scope="session", autouse=True)
def logging_as_in_production() -> None:
    """Before the first logger is used: one would else keep the stream of the test that happened to be first."""
    configure_logging()


def _on_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def _administer(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=_WITHIN_S)
    try:
        await connection.execute(statement, timeout=_WITHIN_S)
    finally:
        await connection.close(timeout=_WITHIN_S)


async def drop_database(url: str, name: str) -> None:
    """Ends whoever is still connected; an autovacuum worker, which nobody may end, is waited for."""
    async with asyncio.timeout(_WITHIN_S * 3):
        while True:
            try:
                return await _administer(url, f"DROP DATABASE {name} WITH (FORCE)")
            except asyncpg.InsufficientPrivilegeError:
                await asyncio.sleep(0.2)


async def _lend_database(url: str, source: str) -> AsyncIterator[str]:
    name = f"test_{secrets.token_hex(8)}"
    await _administer(url, f"CREATE DATABASE {name} {source}")
    yield _on_database(url, name)
    await drop_database(url, name)


@pytest.fixture(scope="session")
async def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedPostgres]:
    """A running PostgreSQL; its own database stays empty."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"))
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="session")
async def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedValkey]:
    """A running Valkey."""
    server = EmbeddedValkey(tmp_path_factory.mktemp("valkey"))
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="session")
async def template_database(postgres_server: EmbeddedPostgres) -> str:
    """The name of a migrated database, to be copied and never connected to."""
    from litemaas.db.migrate import upgrade  # here, so that tests without a schema run without migrations

    await _administer(postgres_server.url, f"CREATE DATABASE {_TEMPLATE}")
    await asyncio.to_thread(upgrade, _on_database(postgres_server.url, _TEMPLATE))
    return _TEMPLATE


@pytest.fixture
async def database_url(postgres_server: EmbeddedPostgres, template_database: str) -> AsyncIterator[str]:
    """A fresh database with the current schema."""
    async for url in _lend_database(postgres_server.url, f"TEMPLATE {template_database}"):
        yield url


@pytest.fixture
async def empty_database_url(postgres_server: EmbeddedPostgres) -> AsyncIterator[str]:
    """A fresh database with nothing in it."""
    async for url in _lend_database(postgres_server.url, "TEMPLATE template1"):
        yield url


@pytest.fixture
async def redis_url(valkey_server: EmbeddedValkey) -> str:
    """A Valkey with nothing in it."""
    async with redis.asyncio.Redis.from_url(valkey_server.url, socket_timeout=_WITHIN_S) as client:
        await client.flushall()
    return valkey_server.url
