"""Do many get a model by one call, once, and is everybody named who does not?"""

from __future__ import annotations

from typing import Any

import asyncpg
import httpx2
import pytest

from .test_subscriptions import Browsers, make_model, set_status, subscribe, told

GRANT = "/api/v1/admin/subscriptions/grant"


async def make_team(client: httpx2.AsyncClient, name: str) -> str:
    made = await client.post("/api/v1/teams", json={"name": name, "admin_ids": ["bob"]})
    assert made.status_code == 201, made.text
    team_id: str = made.json()["id"]
    return team_id


async def test_models_are_given_to_many_at_once_and_whoever_cannot_have_one_is_named(
    client: httpx2.AsyncClient, people: Browsers, database: asyncpg.Connection
):
    free, restricted, draft = (
        await make_model(client),
        await make_model(client, restricted_access=True),
        await make_model(client, status="draft"),
    )
    policy = {"name": "not bob", "effect": "deny", "models": [restricted["name"]], "users": ["bob"]}
    assert (await client.post("/api/v1/admin/access-policies", json=policy)).status_code == 201
    team_id = await make_team(client, "grants")
    await subscribe(people["ann"], free)
    waiting = await subscribe(people["reader"], free, status=403)
    assert waiting["code"] == "FORBIDDEN"
    body = {"model_ids": [free["id"], restricted["id"]], "user_ids": ["ann", "bob", "nobody", "ann"], "team_ids": [team_id],
            "reason": "course"}  # fmt: skip
    done = (await people["admin"].post(GRANT, json=body)).json()
    counts = {name: value for name, value in done.items() if name != "errors"}
    assert counts == {"successful": 5, "created": 4, "activated": 0, "already_active": 1, "failed": 3}
    named = {(error["user_id"], error["model_id"]): error["code"] for error in done["errors"]}
    assert named == {("bob", restricted["id"]): "CONFLICT", ("nobody", free["id"]): "NOT_FOUND",
                     ("nobody", restricted["id"]): "NOT_FOUND"}  # fmt: skip
    assert "subscription.granted" in await told(database, "ann")
    granted = await database.fetch(
        "select object_id, actor from audit where action = 'subscription.granted' and request_id is not null"
    )
    assert (len(granted), {row["actor"] for row in granted}) == (4, {"admin"})
    notices = await database.fetchval("select count(*) from notices")
    again = (await people["admin"].post(GRANT, json=body)).json()
    assert (again["already_active"], again["created"], again["failed"]) == (5, 0, 3)
    assert await database.fetchval("select count(*) from notices") == notices
    failed = (await people["admin"].post(GRANT, json={"model_ids": [draft["id"]], "user_ids": ["ann"]})).json()
    assert [error["code"] for error in failed["errors"]] == ["CONFLICT"]


async def test_a_bulk_grant_wakes_what_was_suspended(client: httpx2.AsyncClient, people: Browsers):
    model = await make_model(client)
    made = await subscribe(people["ann"], model)
    await set_status(people["admin"], made, "suspended")
    done = (await people["admin"].post(GRANT, json={"model_ids": [model["id"]], "user_ids": ["ann", "bob"]})).json()
    assert (done["activated"], done["created"]) == (1, 1)
    assert (await people["ann"].get(f"/api/v1/subscriptions/{made['id']}")).json()["status"] == "active"


@pytest.mark.parametrize(
    "body",
    [
        {"model_ids": ["6f1c1ae0-5f0a-4a8e-9a57-0d7c3f6a2b11"]},
        {"model_ids": [], "user_ids": ["ann"]},
        {"model_ids": ["granite"], "user_ids": ["ann"]},
        {"model_ids": [f"6f1c1ae0-5f0a-4a8e-9a57-0d7c3f6a2b{n}" for n in (11, 12, 13)],
         "user_ids": [f"u{n}" for n in range(334)]},
    ],
)  # fmt: skip
async def test_a_bulk_grant_of_nothing_or_too_much_is_refused(people: Browsers, body: dict[str, Any]):
    answer = await people["admin"].post(GRANT, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")


async def test_only_who_may_change_subscriptions_grants_to_many(people: Browsers):
    body = {"model_ids": ["6f1c1ae0-5f0a-4a8e-9a57-0d7c3f6a2b11"], "user_ids": ["overseer"]}
    for name in ("overseer", "ann", "reader"):
        assert (await people[name].post(GRANT, json=body)).status_code == 403
