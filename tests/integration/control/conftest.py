"""How do the tests reach the control plane? Through ASGI, on a fresh real database, with the master key."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest

from litemaas.control.app import Settings, compose, create_app
from litemaas.control.catalog import checks
from litemaas.control.http.duties import Duty
from litemaas.control.http.work import Plane

from .people import ROLES, add_user, browser, start_session

MASTER_KEY = "sk-master-0123456789abcdef"
ENCRYPTION_KEY = "an encryption key for tests"


async def _nothing(_: Plane) -> None:
    return


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url,
        master_key=MASTER_KEY,
        encryption_key=ENCRYPTION_KEY,
        backup_target=str(tmp_path / "backups"),
    )


@pytest.fixture
async def app(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """Looks at no endpoint and checks no sums by itself: on a busy machine that would come in the midst of a test."""
    monkeypatch.setattr(compose, "DUTIES", tuple(duty for duty in compose.DUTIES if duty is not compose.CHECK_DAILY))
    monkeypatch.setattr(checks, "checking_health", lambda prober: Duty("check health", 3600.0, _nothing))
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def anonymous(app: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """A client without a key."""
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://control") as client:
        yield client


@pytest.fixture
async def client(app: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with the master key."""
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {MASTER_KEY}"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://control", headers=headers) as client:
        yield client


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def people(app: Any, database: asyncpg.Connection) -> AsyncIterator[dict[str, httpx2.AsyncClient]]:
    """Clients of one signed-in person per entry of :data:`people.ROLES`, by username, which is the user's id, too."""
    async with contextlib.AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(
                browser(app, await start_session(database, await add_user(database, name, roles)))
            )
            for name, roles in ROLES.items()
        }
