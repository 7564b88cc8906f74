"""Are there three people to choose from on a single machine, and nobody anywhere else?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import msgspec
import pytest

from litemaas.control.app import Settings, create_app
from litemaas.control.auth.service import CSRF_HEADER


@pytest.fixture
async def single(settings: Settings) -> AsyncIterator[Any]:
    app = create_app(msgspec.structs.replace(settings, host_policy="single-machine", developer_sign_in=True))
    async with app.router.lifespan_context(app):
        yield app


def browser(app: Any, host: str = "localhost:8080") -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url=f"http://{host}")


async def test_three_people_have_three_views(single: Any):
    roles = {"admin": ["admin", "user"], "user": ["user"], "adminReadonly": ["adminReadonly"]}
    async with browser(single) as client:
        assert (await client.get("/api/v1/auth/providers")).json() == {"providers": [], "dev_users": list(roles)}
    for person, wanted in roles.items():
        for _ in range(2):
            async with browser(single) as client:
                entered = (await client.post("/api/v1/auth/dev-login", json={"dev_user": person})).json()
                assert entered["roles"] == wanted
                headers = {CSRF_HEADER: entered["csrf_token"]}
                assert (await client.get("/api/v1/auth/session")).json()["user"]["id"] == entered["user"]["id"]
                assert (await client.post("/api/v1/auth/logout", headers=headers)).json() == {"logout_url": None}
    async with browser(single) as client:
        assert (await client.post("/api/v1/auth/dev-login", json={"dev_user": "root"})).status_code == 400


async def test_a_name_that_was_made_to_lead_here_finds_nobody(single: Any):
    async with browser(single, "rebound.evil.example") as client:
        assert (await client.get("/api/v1/auth/providers")).json()["dev_users"] == []
        assert (await client.post("/api/v1/auth/dev-login", json={"dev_user": "admin"})).status_code == 404


async def test_elsewhere_these_routes_do_not_exist(app: Any):
    async with browser(app) as client:
        assert (await client.get("/api/v1/auth/providers")).json() == {"providers": [], "dev_users": []}
        assert (await client.post("/api/v1/auth/dev-login", json={"dev_user": "admin"})).status_code == 404
        assert (await client.get("/api/v1/auth/callback?state=x&code=y")).status_code == 404
