"""Do sessions and tokens open exactly what they should, for exactly as long as they should?"""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx2
import msgspec
import pytest

from litemaas.control.app import Settings, create_app

from .people import add_user, browser, start_session

People = dict[str, httpx2.AsyncClient]


@asynccontextmanager
async def script(app: Any, secret: str) -> Any:
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://control", headers=headers) as client:
        yield client


async def test_a_personal_token_can_do_what_it_names_while_its_owner_can(
    app: Any, people: People, database: asyncpg.Connection
):
    admin = people["admin"]
    wanted = {"name": "report", "permissions": ["admin:users:read", "models:read"]}
    made = (await admin.post("/api/v1/me/tokens", json=wanted)).json()
    assert made["secret"].startswith("lmt_")
    assert made["token"]["hint"] == made["secret"][-4:]
    assert (
        await database.fetchval("select count(*) from tokens t where t::text like '%' || $1 || '%'", made["secret"])
        == 0
    )
    async with script(app, made["secret"]) as client:
        assert (await client.get("/api/v1/admin/users")).status_code == 200
        assert (await client.patch("/api/v1/admin/users/ann", json={"rpm_limit": 1})).status_code == 403
        assert (await client.get("/api/v1/me/permissions")).json()["permissions"] == ["admin:users:read", "models:read"]
        await database.execute("update users set granted_roles = '{user}' where id = 'admin'")
        assert (await client.get("/api/v1/admin/users")).status_code == 403
        await database.execute("update tokens set expires_at = now()")
        assert (await client.get("/api/v1/me")).json()["code"] == "SESSION_EXPIRED"
        assert (await admin.delete(f"/api/v1/me/tokens/{made['token']['id']}")).status_code == 204
        assert (await client.get("/api/v1/me")).status_code == 401


async def test_tokens_are_bounded(app: Any, people: People):
    ann = people["ann"]

    async def refused(client: httpx2.AsyncClient, **members: Any) -> int:
        body = {"name": "t", "permissions": ["models:read"]} | members
        return (await client.post("/api/v1/me/tokens", json=body)).status_code

    late = datetime.now(UTC) + timedelta(days=366)
    assert await refused(ann, expires_at=late.isoformat()) == 400
    assert await refused(ann, expires_at=datetime.now(UTC).isoformat()) == 400
    assert await refused(ann, permissions=["admin:users:write"]) == 400
    assert await refused(ann, permissions=["root"]) == 400
    assert await refused(ann, permissions=[]) == 400
    assert await refused(people["reader"]) == 403
    made = (await ann.post("/api/v1/me/tokens", json={"name": "t", "permissions": ["tokens:write"]})).json()
    async with script(app, made["secret"]) as client:
        assert await refused(client, permissions=["tokens:write"]) == 403
    assert (await people["bob"].delete(f"/api/v1/me/tokens/{made['token']['id']}")).status_code == 404


async def test_a_service_has_an_identity_of_its_own(app: Any, people: People, database: asyncpg.Connection):
    wanted = {"name": "ansible", "permissions": ["admin:users:write", "admin:users:read"]}
    async with browser(app, await start_session(database, "admin", age=timedelta(minutes=20))) as stale:
        refused = await stale.post("/api/v1/admin/service-tokens", json=wanted)
        assert (refused.status_code, refused.json()["code"]) == (403, "REAUTHENTICATION_REQUIRED")
    made = (await people["admin"].post("/api/v1/admin/service-tokens", json=wanted)).json()
    async with script(app, made["secret"]) as service:
        assert (await service.patch("/api/v1/admin/users/ann", json={"rpm_limit": 3})).status_code == 200
        assert (await service.get("/api/v1/me")).status_code == 403
        assert (await service.get("/api/v1/admin/audit")).status_code == 403
    row = await database.fetchrow("select * from audit where action = 'user.limits_changed'")
    assert (row["actor"], row["actor_kind"], row["actor_name"]) == (made["token"]["id"], "service", "ansible")
    listed = (await people["admin"].get("/api/v1/admin/service-tokens")).json()["data"]
    assert [(token["name"], "secret" in token) for token in listed] == [("ansible", False)]
    assert (await people["overseer"].get("/api/v1/admin/service-tokens")).status_code == 403


async def test_the_bootstrap_token_makes_the_first_service_token(settings: Settings, database: asyncpg.Connection):
    secret = "lmt_" + "b" * 40
    app = create_app(msgspec.structs.replace(settings, bootstrap_token=secret))
    async with app.router.lifespan_context(app), script(app, secret) as client:
        answer = await client.post("/api/v1/admin/service-tokens", json={"name": "a", "permissions": ["admin:health"]})
        assert answer.status_code == 201
    assert await database.fetchval("select actor from audit where action = 'token.created'") == "bootstrap"


async def test_sessions_are_listed_and_ended_by_their_owner_alone(
    app: Any, people: People, database: asyncpg.Connection
):
    ann = people["ann"]
    other = await start_session(database, "ann")
    sessions = (await ann.get("/api/v1/me/sessions")).json()["data"]
    assert sorted(session["is_current"] for session in sessions) == [False, True]
    second = next(session["id"] for session in sessions if not session["is_current"])
    assert (await people["admin"].delete(f"/api/v1/me/sessions/{second}")).status_code == 404
    async with browser(app, other) as elsewhere:
        assert (await elsewhere.get("/api/v1/me")).status_code == 200
        assert (await ann.delete(f"/api/v1/me/sessions/{second}")).status_code == 204
        assert (await elsewhere.get("/api/v1/me")).status_code == 401
    for _ in range(2):
        await start_session(database, "ann")
    assert (await ann.delete("/api/v1/me/sessions")).json() == {"ended": 2}
    assert (await ann.get("/api/v1/me")).status_code == 200


async def test_a_session_cannot_be_renewed_beyond_its_end(people: People, database: asyncpg.Connection):
    await database.execute("update sessions set ends_at = now() + interval '10 hours'")
    ends_at = await database.fetchval("select ends_at from sessions where user_id = 'ann'")
    first = datetime.fromisoformat((await people["ann"].post("/api/v1/auth/session/renew")).json()["expires_at"])
    assert timedelta(hours=7) < first - datetime.now(UTC) <= timedelta(hours=8)
    await database.execute("update settings set value = '{\"hours\": 24}' where name = 'sessions'")
    await database.execute("insert into settings (name, value, updated_by) values ('sessions', '{\"hours\": 24}', 't')")
    last = datetime.fromisoformat((await people["ann"].post("/api/v1/auth/session/renew")).json()["expires_at"])
    assert last == ends_at


async def test_principals_that_ask_too_often_wait(settings: Settings, database: asyncpg.Connection):
    control = msgspec.structs.replace(settings.control, requests_per_minute=3, browser_requests_per_minute=4)
    app = create_app(msgspec.structs.replace(settings, control=control))
    async with app.router.lifespan_context(app):
        await add_user(database, "ann", ["user"])
        async with browser(app, await start_session(database, "ann")) as client:
            wish = {"name": "script", "permissions": ["usage:read"]}
            tokens = [(await client.post("/api/v1/me/tokens", json=wish)).json()["secret"] for _ in range(2)]
            statuses = [(await client.get("/api/v1/me")).status_code for _ in range(4)]
            assert statuses == [200, 200, 429, 429]
            assert int((await client.get("/api/v1/me")).headers["Retry-After"]) >= 1
        async with script(app, tokens[0]) as one, script(app, tokens[1]) as other:
            statuses = [(await client.get("/api/v1/me")).status_code for client in (one, other, one, other, one)]
            assert statuses == [200, 200, 200, 429, 429]  # another token of the same person is no way around


async def test_a_script_asks_ten_analytics_a_minute_and_a_page_more(app: Any, people: People):
    wish = {"name": "script", "permissions": ["usage:read"]}
    secret = (await people["ann"].post("/api/v1/me/tokens", json=wish)).json()["secret"]
    async with script(app, secret) as client:
        asked = [await client.get("/api/v1/usage/filter-options") for _ in range(11)]
    assert [answer.status_code for answer in asked] == [200] * 10 + [429]
    assert 1 <= int(asked[-1].headers["Retry-After"]) <= 60
    page = [await people["ann"].get("/api/v1/usage/filter-options") for _ in range(11)]
    assert {answer.status_code for answer in page} == {200}


@pytest.mark.parametrize("headers", [{"Origin": "http://control"}, {"User-Agent": "admin"}, {"Referer": "http://control/"},
                                     {"X-Forwarded-User": "admin"}, {"Cookie": "litemaas_session=admin"}])  # fmt: skip
async def test_without_credentials_nobody_is_anybody(
    anonymous: httpx2.AsyncClient, people: People, headers: dict[str, str]
):
    assert (await anonymous.get("/api/v1/me", headers=headers)).status_code == 401
