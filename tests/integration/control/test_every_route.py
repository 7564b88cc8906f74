"""What holds for each route of the contract, whatever it is for? New routes are walked without being named here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import asyncpg
import httpx2
import msgspec
from sqlalchemy import event

from litemaas.control.app import Settings, create_app
from litemaas.control.auth.gates import Open
from litemaas.control.auth.service import SESSION_COOKIE
from litemaas.core.permissions import MATRIX, Permission, Role

from .conftest import MASTER_KEY
from .people import ROLES
from .test_access import every_route

People = dict[str, httpx2.AsyncClient]
NOWHERE = "00000000-0000-4000-8000-000000000000"
PROBLEM = {"type", "title", "status", "detail", "code", "request_id"}
ENDLESS = ("/stream",)
WHOLE = {
    "/api/v1/admin/audit/actions", "/api/v1/admin/audit/types", "/api/v1/admin/backups",
    "/api/v1/admin/capacity/history", "/api/v1/admin/chargeback", "/api/v1/admin/chargeback/months",
    "/api/v1/admin/discovery", "/api/v1/admin/models/problems",
    "/api/v1/admin/service-tokens", "/api/v1/admin/settings/currency/supported", "/api/v1/admin/webhooks",
    "/api/v1/admin/workshops/{guid}/keys", "/api/v1/banners", "/api/v1/me/sessions", "/api/v1/me/tokens",
    "/api/v1/permissions", "/api/v1/roles", "/api/v1/usage/budget", "/api/v1/usage/heatmap", "/api/v1/usage/timeseries",
    "/api/v1/admin/usage/trend", "/api/v1/workshop-drafts",
}  # fmt: skip
"""Lists that are short by what they list, and always come whole."""
NEWEST = {"/api/v1/admin/webhooks/{webhook_id}/deliveries", "/api/v1/admin/usage/checks"}
"""Logs of which the newest are shown, as many as are asked for."""
OTHERWISE = {"/api/v1/keys/{key_id}/blocks", "/api/v1/admin/keys/{key_id}/blocks"}
"""By the moment of the last one that was shown."""
ONE_OF = {
    "/api/v1/teams/{team_id}/members", "/api/v1/admin/models/test", "/api/v1/admin/subscriptions/reset-quotas",
    "/api/v1/admin/deployments/{deployment_id}/prices",
}  # fmt: skip
"""Each member may be left out, but not all of them; and that a model is free of charge must be said."""

NEEDS_NO_DATABASE = {
    ("GET", path) for path in (
        "/api/v1/admin/answer-cache", "/api/v1/admin/auth", "/api/v1/admin/backups", "/api/v1/admin/guardrails/known",
        "/api/v1/admin/settings/currency/supported", "/api/v1/auth/providers",
        "/api/v1/me/permissions", "/api/v1/permissions", "/api/v1/roles", "/api/v1/usage/budget", "/health/live",
    )
}  # fmt: skip
"""What the code, the settings or the store of backups say; and the master key, which is nobody, has no budget."""


def operations(app: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def schema_of(app: Any, operation: dict[str, Any], kind: str = "answer") -> dict[str, Any]:
    """Of the JSON that a route takes or gives, references followed."""
    if kind == "body":
        content = operation.get("requestBody", {}).get("content", {})
    else:
        done = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
        content = done[0].get("content", {}) if done else {}
    schema: dict[str, Any] = content.get("application/json", {}).get("schema", {})
    while "$ref" in schema:
        schema = app.openapi()["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    return schema


def at(path: str, value: str) -> str:
    return "/".join(value if step.startswith("{") else step for step in path.split("/"))


def is_problem(answer: httpx2.Response) -> bool:
    if not answer.headers.get("content-type", "").startswith("application/problem+json"):
        return False
    body = answer.json()
    return set(body) >= PROBLEM and body["status"] == answer.status_code


async def test_what_cannot_be_meant_is_refused_by_every_route_in_the_one_shape(app: Any, client: httpx2.AsyncClient):
    """Unknown query members, bodies that are no JSON or hold the unknown, ids that are none."""
    wrong = []
    for method, path, operation in operations(app):
        if path.endswith(ENDLESS):
            continue
        tries: list[tuple[str, dict[str, Any], set[int]]] = []
        if any(one["in"] == "query" for one in operation.get("parameters", [])):
            # There is no provider here; and what is deleted is looked for first.
            absent = {404} if path.startswith("/api/v1/auth/") or method == "DELETE" else set()
            tries.append((at(path, NOWHERE), {"params": {"no_such_member": "1"}}, {400} | absent))
        if "requestBody" in operation:
            headers = {"Content-Type": "application/json"}
            tries.append((at(path, NOWHERE), {"content": b'{"a": ', "headers": headers}, {400}))
            tries.append((at(path, NOWHERE), {"json": {"no_such_member": 1}}, {400, 404, 503}))
        if "{" in path:
            tries.append((at(path, "no%20such%20thing"), {}, {200, 400, 401, 403, 404, 405, 409, 503}))
        for url, given, expected in tries:
            answer = await client.request(method, url, **given)
            if answer.status_code not in expected or (answer.status_code >= 400 and not is_problem(answer)):
                wrong.append((method, path, given, answer.status_code))
    for method, url in (("PUT", "/api/v1/me"), ("GET", "/api/v1/nothing"), ("DELETE", "/api/v1/admin/stats")):
        answer = await client.request(method, url)
        assert answer.status_code in (404, 405)
        assert is_problem(answer)
    assert not wrong, wrong


async def test_lists_refuse_orders_pages_and_days_that_there_are_not(app: Any, client: httpx2.AsyncClient):
    bad = {
        "sort": "password", "order": "sideways", "page": "0", "limit": "0", "cursor": "not-a-cursor",
        "start_date": "2026-02-30", "since": "yesterday", "format": "exe", "month": "2026-13",
    }  # fmt: skip
    wrong, tried = [], 0
    for method, path, operation in operations(app):
        for parameter in operation.get("parameters", []):
            if (
                method == "GET"
                and parameter["in"] == "query"
                and parameter["name"] in bad
                and not path.endswith(ENDLESS)
            ):
                tried += 1
                answer = await client.get(at(path, NOWHERE), params={parameter["name"]: bad[parameter["name"]]})
                known = answer.status_code == 404 and "{" in path  # the object is looked for first
                if answer.status_code != 400 and not known:
                    wrong.append((path, parameter["name"], answer.status_code))
    assert not wrong, wrong
    assert tried > 80


async def test_with_the_database_away_every_route_says_so_and_invents_nothing(settings: Settings):
    """Whoever must be known is told so; only what needs no database is answered, or refused for what it says itself."""
    away = msgspec.structs.replace(settings, database_url="postgresql://nobody:very-secret@127.0.0.1:1/nothing")
    app = create_app(away)
    public = {(method, path) for method, path, demand in every_route(app) if demand is Open.PUBLIC}
    known = [{"Cookie": f"{SESSION_COOKIE}=x"}, {"Authorization": "Bearer lmt_x"}]
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    answered, unsaid = set(), []
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://control") as client,
    ):
        for method, path, _ in operations(app):
            for headers in (*known, {"Authorization": f"Bearer {MASTER_KEY}"}):
                answer = await client.request(method, at(path, NOWHERE), headers=headers)
                if answer.is_success:
                    answered.add((method, path))
                    continue
                refused = (method, path) in public or headers not in known or "/key-info" in path
                told = is_problem(answer) and "127.0.0.1" not in answer.text and "very-secret" not in answer.text
                if not told or answer.status_code not in ({400, 401, 403, 404, 409, 503} if refused else {503}):
                    unsaid.append((method, path, answer.status_code))
    assert not unsaid
    assert answered == NEEDS_NO_DATABASE


async def test_what_is_not_there_is_not_found(app: Any, people: People):
    there = {"/api/v1/branding/images/{kind}", "/api/v1/usage/breakdown/{dimension}", "/api/v1/admin/settings/{group}",
             "/api/v1/admin/budgets/{kind}/{owner_id}", "/api/v1/admin/budgets/{kind}/{owner_id}/state"}  # fmt: skip
    wrong = []
    for method, path, _ in operations(app):
        if method == "GET" and "{" in path and path not in there:
            answer = await people["admin"].get(at(path, NOWHERE))
            if answer.status_code != 404:
                wrong.append((path, answer.status_code))
    assert not wrong, wrong


def test_a_body_may_be_left_out_where_all_its_members_may(app: Any):
    wrong = [
        (method, path) for method, path, operation in operations(app)
        if method == "POST" and path not in ONE_OF and operation.get("requestBody", {}).get("required")
        and (schema := schema_of(app, operation, "body")).get("type") == "object" and not schema.get("required")
    ]  # fmt: skip
    assert not wrong, wrong


def test_a_patch_answers_with_what_a_get_would_show(app: Any):
    shown = {path: schema_of(app, operation) for method, path, operation in operations(app) if method == "GET"}
    changed = {path: schema_of(app, operation) for method, path, operation in operations(app) if method == "PATCH"}
    assert len(changed) > 10
    assert {path for path, schema in changed.items() if path in shown and schema != shown[path]} == set()
    assert {path for path, schema in changed.items() if not schema.get("properties")} == set()


def test_no_list_ends_without_saying_so(app: Any):
    goes_on = {"pagination", "next_cursor", "groups"}
    silent = {
        path for method, path, operation in operations(app)
        if method == "GET"
        and (members := schema_of(app, operation).get("properties", {})).get("data", {}).get("type") == "array"
        and not goes_on & set(members)
    }  # fmt: skip
    assert silent == WHOLE | NEWEST | OTHERWISE


async def test_every_permission_of_a_route_is_in_the_matrix_and_is_checked_alike(app: Any, people: People):
    demanded = sorted({demand for _, _, demand in every_route(app) if not isinstance(demand, Open)})
    assert set(demanded) <= MATRIX[Role.ADMIN] <= set(Permission)
    listed = (await people["admin"].get("/api/v1/permissions")).json()["data"]
    assert set(demanded) <= set(listed)
    for name, roles in ROLES.items():
        held = {permission for role in roles for permission in MATRIX[Role(role)]}
        body = {"permissions": list(demanded), "require_all": False}
        checked = (await people[name].post("/api/v1/permissions/check", json=body)).json()
        assert set(checked["missing"]) == set(demanded) - held, name


async def test_no_image_is_read_to_say_which_there_are(app: Any, anonymous: httpx2.AsyncClient, people: People):
    png = b"\x89PNG\r\n\x1a\n" + bytes(64)
    put = await people["admin"].put("/api/v1/admin/branding/images/login-logo", content=png)
    assert put.is_success, put.text
    asked = _statements(app)
    for path in ("/api/v1/branding", "/api/v1/config"):
        assert (await anonymous.get(path)).status_code == 200
    assert asked
    assert not [statement for statement in asked if "brand_images.content" in statement]
    assert (await anonymous.get("/api/v1/branding/images/login-logo")).content == png
    assert [statement for statement in asked if "brand_images.content" in statement]


async def test_lists_cost_as_many_statements_for_many_rows_as_for_few(
    app: Any, people: People, database: asyncpg.Connection
):
    paths = (
        "/api/v1/admin/users", "/api/v1/admin/keys", "/api/v1/admin/subscriptions", "/api/v1/admin/models", "/api/v1/teams",
        "/api/v1/admin/audit", "/api/v1/models", "/api/v1/usage/analytics?scope=all", "/api/v1/admin/budgets",
    )  # fmt: skip

    async def costs() -> dict[str, int]:
        found = {}
        for path in paths:
            asked = _statements(app)
            answer = await people["admin"].get(path, params={"limit": 100} if "?" not in path else {})
            assert answer.status_code == 200, (path, answer.text)
            found[path] = len(asked)
        return found

    await _fill(database, 0, 2)
    await costs()  # the first connection asks the server who it is
    few = await costs()
    await _fill(database, 2, 40)
    assert await costs() == few


async def _fill(database: asyncpg.Connection, first: int, end: int) -> None:
    for n in range(first, end):
        await database.execute(
            "insert into users (id, username, granted_roles, created_by, updated_by) values ($1, $1, '{user}', 't', 't')",
            f"u{n}",
        )
        await database.execute(
            "insert into teams (id, name, created_by, updated_by) values ($1, $1, 't', 't')", f"t{n}"
        )
        await database.execute("insert into models (name, mode) values ($1, 'chat')", f"m{n}")
        await database.execute(
            "insert into subscriptions (id, user_id, model_name, status, status_changed_by, created_by, updated_by)"
            " values ($1, $2, $3, 'active', 't', 't', 't')", f"s{n}", f"u{n}", f"m{n}",
        )  # fmt: skip
        await database.execute(
            "insert into virtual_keys (key_hash, public_id, key_name, user_id, team_id, models, governed, created_by,"
            " updated_by)"
            " values ($1, $1, 'sk-...1', $2, $3, array[$4], true, 't', 't')", f"k{n}", f"u{n}", f"t{n}", f"m{n}",
        )  # fmt: skip
        await database.execute(
            "insert into budgets (scope, max_budget_nano, created_by, updated_by) values ($1, 5, 't', 't')",
            f"user:u{n}",
        )


def _statements(app: Any) -> list[str]:
    """What the application asks the database from now on; what its background work asks is left out."""
    asked: list[str] = []
    background = ("duties", "jobs", "deliveries", "sign_ins", "given_answers")

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not any(table in statement for table in background):
            asked.append(statement)

    event.listen(app.state.plane.engine.sync_engine, "before_cursor_execute", note)
    return asked
