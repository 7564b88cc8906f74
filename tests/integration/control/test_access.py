"""Does every route let in exactly those whom the table in the docs names?"""

from __future__ import annotations

from typing import Any

import asyncpg
import httpx2
import pytest
from fastapi.responses import StreamingResponse
from fastapi.routing import iter_route_contexts

from litemaas.control.auth.gates import Gate, Open
from litemaas.control.http.once import keep_answer
from litemaas.control.http.work import Plane
from litemaas.core.permissions import Permission, Role, permissions_of

from .people import ROLES

_WHO = {name: permissions_of(Role(role) for role in roles) for name, roles in ROLES.items()}


def every_route(app: Any) -> list[tuple[str, str, Open | Permission]]:
    """Methods, paths and what they demand."""
    found = []
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        gates = (
            [d.call for d in context.dependant.dependencies if isinstance(d.call, Gate)]
            if hasattr(context, "dependant")
            else []
        )
        if gates:
            found += [(method, context.path, gates[-1].demand(method)) for method in sorted(route.methods - {"HEAD"})]
    return found


def filled(path: str) -> str:
    """The path with something in place of its parameters that exists nowhere."""
    steps = [("00000000-0000-4000-8000-000000000000" if step.startswith("{") else step) for step in path.split("/")]
    return "/".join(steps)


async def test_nobody_passes_a_gate_without_what_it_demands(
    app: Any, anonymous: httpx2.AsyncClient, people: dict[str, httpx2.AsyncClient]
):
    wrong = []
    routes = every_route(app)
    for method, path, demand in routes:
        url = filled(path)
        if demand is not Open.PUBLIC:
            status = (await anonymous.request(method, url)).status_code
            if status != 401:
                wrong.append((method, path, "anonymous", status))
        for name, client in people.items():
            if name == "bob":
                continue  # another one like Ann
            allowed = isinstance(demand, Open) or demand in _WHO[name]
            if allowed and path.endswith(("/stream", "/auth/logout")):
                continue  # would go on for minutes, or end what the others are asked with
            answer = await client.request(method, url)
            refused = answer.status_code == 403 and answer.json()["detail"] == f"This needs the permission {demand}."
            if allowed == refused or answer.status_code >= 500 or (not allowed and not refused):
                wrong.append((method, path, name, answer.status_code))
    assert wrong == []
    assert len(routes) > 25


async def test_the_overseer_can_change_nothing(app: Any, people: dict[str, httpx2.AsyncClient]):
    for method, path, demand in every_route(app):
        if method != "GET" and isinstance(demand, Permission) and demand.startswith("admin:"):
            answer = await people["overseer"].request(method, filled(path))
            # Read-only calls that take long filters in a body are POSTs, too.
            assert answer.status_code == 403 or demand.endswith((":read", ":export")), (method, path)


async def test_a_write_without_the_pages_token_is_refused(app: Any, people: dict[str, httpx2.AsyncClient]):
    answer = await people["admin"].post("/api/v1/admin/keys", json={}, headers={"X-CSRF-Token": "wrong"})
    assert answer.status_code == 403
    assert "csrf_token" in answer.json()["detail"]


async def test_who_is_refused_is_audited(people: dict[str, httpx2.AsyncClient], database: asyncpg.Connection):
    assert (await people["ann"].get("/api/v1/admin/keys")).status_code == 403
    row = await database.fetchrow("select * from audit where action = 'auth.denied'")
    assert (row["actor"], row["actor_kind"], row["object_id"]) == ("ann", "user", "admin:api_keys:read")
    assert (row["success"], row["error_code"]) == (False, "FORBIDDEN")


async def test_roles_and_accounts_are_read_with_every_request(
    people: dict[str, httpx2.AsyncClient], database: asyncpg.Connection
):
    assert (await people["overseer"].get("/api/v1/admin/keys")).status_code == 200
    await database.execute("update users set granted_roles = '{user}' where id = 'overseer'")
    assert (await people["overseer"].get("/api/v1/admin/keys")).status_code == 403
    await database.execute("update users set is_active = false where id = 'overseer'")
    answer = await people["overseer"].get("/api/v1/admin/keys")
    assert (answer.status_code, answer.json()["code"]) == (403, "ACCOUNT_DISABLED")


async def test_sessions_end(people: dict[str, httpx2.AsyncClient], database: asyncpg.Connection):
    await database.execute("update sessions set expires_at = now() - interval '1 second' where user_id = 'admin'")
    answer = await people["admin"].get("/api/v1/admin/keys")
    assert (answer.status_code, answer.json()["code"]) == (401, "SESSION_EXPIRED")
    await database.execute("delete from sessions where user_id = 'admin'")
    answer = await people["admin"].get("/api/v1/admin/keys")
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize("given", ["lmt_unknown", "sk-unknown-0123456789", ""])
async def test_unknown_secrets_open_nothing(anonymous: httpx2.AsyncClient, given: str):
    answer = await anonymous.get("/api/v1/admin/keys", headers={"Authorization": f"Bearer {given}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_creating_request_is_done_once(client: httpx2.AsyncClient, database: asyncpg.Connection):
    headers = {"Idempotency-Key": "once-1"}
    first = await client.post("/api/v1/admin/keys", json={"alias": "a"}, headers=headers)
    again = await client.post("/api/v1/admin/keys", json={"alias": "a"}, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await client.post("/api/v1/admin/keys", json={"alias": "b"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "CONFLICT")
    assert await database.fetchval("select count(*) from virtual_keys") == 1
    sealed = await database.fetchval("select body_sealed from given_answers")
    assert first.json()["secret"].encode() not in sealed


async def test_a_refused_request_may_use_its_key_again(client: httpx2.AsyncClient):
    headers = {"Idempotency-Key": "once-2"}
    refused = await client.post("/api/v1/admin/keys", json={"rpm_limit": -1}, headers=headers)
    assert refused.status_code == 400
    assert (await client.post("/api/v1/admin/keys", json={"rpm_limit": 1}, headers=headers)).status_code == 201


async def test_what_is_streamed_or_was_broken_off_is_not_given_again(
    people: dict[str, httpx2.AsyncClient], client: httpx2.AsyncClient, database: asyncpg.Connection
):
    headers = {"Idempotency-Key": "once-3"}
    hook = {"url": "https://hooks.example.org/x"}
    made = (await people["admin"].post("/api/v1/admin/webhooks", json=hook, headers=headers)).json()
    await database.execute("update given_answers set body_sealed = null, status = 0")
    again = await people["admin"].post("/api/v1/admin/webhooks", json=hook, headers=headers)
    assert (again.status_code, again.json()["code"]) == (409, "CONFLICT")
    other = await people["admin"].post("/api/v1/admin/webhooks", json=hook, headers={"Idempotency-Key": "once-4"})
    assert other.json()["webhook"]["id"] != made["webhook"]["id"]


async def test_a_streamed_answer_frees_its_key(app: Any, database: asyncpg.Connection):
    plane: Plane = app.state.plane
    await database.execute("insert into given_answers (asker, key, request_hash) values ('ann', 'k', 'x')")
    async with plane.work() as work:
        await keep_answer(await work.connection(), work.vault, ("ann", "k"), StreamingResponse(iter([b"x"])))
    assert await database.fetchval("select count(*) from given_answers") == 0
