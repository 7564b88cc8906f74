"""Does the check of routes tell a route that succeeded from one that only refused?"""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, HTTPException
from tests.successes import Noted, Successes, noting


def small_app() -> FastAPI:
    """Three routes behind a prefix: one answers, one refuses, one is not part of the contract."""
    router, app = APIRouter(prefix="/api"), FastAPI(title="Small")

    @router.get("/good/{name}")
    async def good(name: str) -> str:
        return name

    @router.post("/bad")
    async def bad() -> None:
        raise HTTPException(409)

    @router.get("/hidden", include_in_schema=False)
    async def hidden() -> None:
        raise HTTPException(404)

    app.include_router(router)
    return app


async def ask(app: FastAPI) -> list[int]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://small") as client:
        asked = [client.get("/api/good/one"), client.post("/api/bad"), client.get("/api/nothing")]
        return [(await one).status_code for one in asked]


@pytest.fixture(autouse=True)
def apart() -> Iterator[Noted]:
    """The block around the tests of this process, where there is one, hears nothing of the small application."""
    with noting() as around:
        yield around


@pytest.fixture
async def noted(apart: Noted) -> Noted:
    with noting() as seen:
        assert await ask(small_app()) == [200, 409, 404]
    return seen


def test_a_route_counts_by_its_template_and_only_when_it_succeeded(noted: Noted):
    assert noted.succeeded == {("Small", "GET", "/api/good/{name}")}
    assert noted.missing() == [("Small", "POST", "/api/bad")]


def test_what_processes_noted_apart_is_one(noted: Noted):
    both = Noted()
    both.add(noted.plain())
    both.add({"declared": [], "succeeded": [["Small", "POST", "/api/bad"]]})
    assert both.missing() == []
    both.add(noted.plain())
    assert (both.declared, len(both.succeeded)) == (noted.declared, 2)


def test_what_a_block_notes_is_not_told_to_the_block_around_it(apart: Noted, noted: Noted):
    assert noted.declared
    assert apart.plain() == {"declared": [], "succeeded": []}


async def test_outside_of_the_block_nothing_is_noted():
    with noting() as seen:
        pass
    await ask(small_app())
    assert seen.plain() == {"declared": [], "succeeded": []}


def test_a_run_that_asked_nothing_does_not_pass_as_complete(noted: Noted):
    asking = Successes()
    assert asking.complaints() == ["no test has asked the control plane anything"]
    asking.noted.add(noted.plain())
    assert "POST /api/bad (Small)" in asking.complaints()
