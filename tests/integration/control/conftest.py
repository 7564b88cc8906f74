"""How do the tests reach the control plane? Through ASGI, on a fresh real database, with the master key."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute
from tests.successes import NOTED, noting

from litemaas.control.app import Settings, compose, create_app
from litemaas.control.http.duties import Duty
from litemaas.control.http.work import Plane

from .people import ROLES, add_user, browser, start_session

MASTER_KEY = "sk-master-0123456789abcdef"
ENCRYPTION_KEY = "an encryption key for tests"


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url,
        master_key=MASTER_KEY,
        encryption_key=ENCRYPTION_KEY,
        backup_target=str(tmp_path / "backups"),
    )


@pytest.fixture(scope="session", autouse=True)
def prepared_routes() -> Iterator[None]:
    """What FastAPI prepares of each router for an application's first requests takes longer than most tests.

    Here it is done once for all applications; routers say nothing of the application that they are in.
    """
    prepared: dict[tuple[str, int], BaseRoute] = {}
    include_router = FastAPI.include_router

    def include(app: FastAPI, router: APIRouter) -> None:
        place = app.title, id(router)
        if place in prepared:
            app.router.routes.append(prepared[place])
        else:
            include_router(app, router)
            prepared[place] = app.router.routes[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FastAPI, "include_router", include)
        yield


@pytest.fixture(scope="session", autouse=True)
def successes(request: pytest.FixtureRequest) -> Iterator[None]:
    """Notes which routes succeed, for whoever asks at the end; see :mod:`tests.successes`."""
    with noting() as noted:
        yield
    config = request.config
    if hasattr(config, "workeroutput"):
        config.workeroutput[NOTED] = noted.plain()
    elif asking := config.pluginmanager.get_plugin("successes"):
        asking.noted.add(noted.plain())


@pytest.fixture(autouse=True)
def without_duties(monkeypatch: pytest.MonkeyPatch) -> None:
    """Duties would come in the midst of a test, and cost each test two dozen transactions.

    Tests of duties do them by themselves; ``test_duties.py`` has an application that does all of them.
    """

    async def none_of_them(plane: Plane, all_duties: Sequence[Duty]) -> None:
        return

    monkeypatch.setattr(compose, "keep_duties", none_of_them)


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[Any]:
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
