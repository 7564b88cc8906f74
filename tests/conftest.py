"""Which real servers do the tests share? One PostgreSQL and one Valkey per test process, a fresh database per test."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis.asyncio
from hypothesis import HealthCheck, settings
from tests.databases import administer, lent_database, on_database

from litemaas.db.embedded import EmbeddedPostgres, EmbeddedValkey
from litemaas.kit.logging import configure_logging

# What tests start is the code they test, not what was compiled of an earlier state; `make test-compiled` says otherwise.
os.environ.setdefault("PYTHONPATH", str(Path(__file__).parents[1] / "src"))

# How long an example takes says nothing on a shared machine.
UNTIMED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("usual", **UNTIMED)
settings.register_profile("nightly", max_examples=2_500, stateful_step_count=50, print_blob=True, **UNTIMED)
settings.load_profile("nightly" if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else "usual")

_LONGEST_FIRST = ("ansible", "e2e", "chaos", "migration", "integration")
_TEMPLATE = "litemaas_template"
_WITHIN_S = 30.0
_LONGEST_RUN = timedelta(minutes=25)
_NEW_DAYS_FIRST = timedelta(minutes=10)
"""Some tests need a few minutes of today that are over."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-route-succeeds",
        action="store_true",
        help="fail when a route of the control plane has no test in which it succeeds; for runs of all tests",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--every-route-succeeds") and not hasattr(config, "workerinput"):
        from tests.successes import Successes  # here: whoever does not ask need not wait for the framework

        config.pluginmanager.register(Successes(), "successes")


def pytest_sessionstart(session: pytest.Session) -> None:
    """All tests together begin and end on one day: modules take its date when they are read, long before they are run."""
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(
        days=(now + _LONGEST_RUN).day != now.day
    )
    pause = midnight + _NEW_DAYS_FIRST - now
    if session.config.getoption("numprocesses", None) and pause > timedelta():
        until = f"{midnight + _NEW_DAYS_FIRST:%H:%M} UTC"
        session.config.get_terminal_writer().line(f"waiting until {until}, so that no midnight comes between")
        time.sleep(pause.total_seconds())


@pytest.hookimpl(trylast=True)  # after the shuffle, which this leaves as it is within each group
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files begin first, so that no process waits at the end for another's.

    Tests on the shared ``litemaas up`` come last: it works from their first one until the end of all tests.
    """
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if "running_platform" in getattr(item, "fixturenames", ()) and "ansible" not in item.path.parts:
        return len(_LONGEST_FIRST) + 1
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    return _LONGEST_FIRST.index(folder) if folder in _LONGEST_FIRST else len(_LONGEST_FIRST)


@pytest.fixture(scope="session", autouse=True)
def logging_as_in_production() -> None:
    """Before the first logger is used: one would else keep the stream of the test that happened to be first."""
    configure_logging()


@pytest.fixture(scope="session")
async def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedPostgres]:
    """A running PostgreSQL that never waits for the disk; its own database stays empty."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), fleeting=True)
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

    await administer(postgres_server.url, f"CREATE DATABASE {_TEMPLATE}")
    await asyncio.to_thread(upgrade, on_database(postgres_server.url, _TEMPLATE))
    return _TEMPLATE


@pytest.fixture
async def database_url(postgres_server: EmbeddedPostgres, template_database: str) -> AsyncIterator[str]:
    """A fresh database with the current schema."""
    async with lent_database(postgres_server.url, template_database) as url:
        yield url


@pytest.fixture
async def empty_database_url(postgres_server: EmbeddedPostgres) -> AsyncIterator[str]:
    """A fresh database with nothing in it."""
    async with lent_database(postgres_server.url, "template1") as url:
        yield url


@pytest.fixture
async def redis_url(valkey_server: EmbeddedValkey) -> str:
    """A Valkey with nothing in it."""
    async with redis.asyncio.Redis.from_url(valkey_server.url, socket_timeout=_WITHIN_S) as client:
        await client.flushall()
    return valkey_server.url
