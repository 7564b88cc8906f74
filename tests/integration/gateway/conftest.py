"""What do the gateway's integration tests share? One running platform per module, with fresh keys for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from tests.databases import lent_database

from litemaas.db.embedded import EmbeddedPostgres
from litemaas.sim.testing import SimulatedServers

from .harness import WITHIN_S, Ledger, Platform, add_usual_models, gateway_settings, running


@pytest.fixture(scope="module")
async def module_database(postgres_server: EmbeddedPostgres, template_database: str) -> AsyncIterator[str]:
    async with lent_database(postgres_server.url, template_database) as url:
        yield url


@pytest.fixture(scope="module")
async def module_sim() -> AsyncIterator[SimulatedServers]:
    async with SimulatedServers() as servers:
        yield servers


@pytest.fixture(scope="module")
async def module_platform(
    module_database: str, module_sim: SimulatedServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Platform]:
    await seed(module_database, module_sim)
    settings = gateway_settings(module_database, tmp_path_factory.mktemp("gateway"))
    async with running(settings, module_sim) as platform:
        yield platform


@pytest.fixture
async def platform(module_platform: Platform) -> Platform:
    """The module's platform, with engines that behave and have counted nothing."""
    module_platform.sim.reset()
    return module_platform


@pytest.fixture
async def sim(platform: Platform) -> SimulatedServers:
    return platform.sim


@pytest.fixture
async def key(platform: Platform) -> str:
    """A key without limits."""
    return await platform.ledger.add_key()


async def seed(database_url: str, sim: SimulatedServers) -> None:
    """The usual models, in a database that no gateway has looked at yet."""
    connection = await asyncpg.connect(database_url, timeout=WITHIN_S)
    try:
        await add_usual_models(Ledger(connection), sim)
    finally:
        await connection.close(timeout=WITHIN_S)
