"""Do those routes work, too, that no story of the other files passes by? ``--every-route-succeeds`` names new ones."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import asyncpg
import httpx2
import pytest

from litemaas.control.auth.service import SESSION_COOKIE

from .people import start_session
from .test_backup import ended
from .test_keys import People, made, models, subscribe
from .test_notices import add_webhook
from .test_subscriptions import make_model
from .test_subscriptions import subscribe as ask_for
from .test_workshops import catalogue, lab, provide

__all__ = ["catalogue", "models"]
DATES = {"start_date": "2026-01-01", "end_date": "2026-01-02"}


async def get(client: httpx2.AsyncClient, path: str, /, **query: Any) -> Any:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, (path, answer.text)
    return answer.json()


async def post(client: httpx2.AsyncClient, path: str, status: int = 200, /, **body: Any) -> Any:
    answer = await client.post(path, json=body)
    assert answer.status_code == status, (path, answer.text)
    return answer.json()


async def gone(client: httpx2.AsyncClient, path: str) -> None:
    """It is deleted, and a second time there is nothing to delete."""
    assert (await client.delete(path)).status_code == 204
    assert (await client.delete(path)).status_code == 404


async def test_an_administrator_rotates_explains_and_ends_the_key_of_somebody_else(
    people: People, database: asyncpg.Connection
):
    await subscribe(database, "ann")
    key = (await made(people["ann"]))["key"]
    admin, path = people["admin"], f"/api/v1/admin/keys/{key['id']}"
    assert [one["id"] for one in (await get(admin, "/api/v1/admin/users/ann/keys"))["data"]] == [key["id"]]
    rotated = (await post(admin, f"{path}/rotate"))["key"]
    assert rotated["old_secret_valid_until"] is not None
    assert (await post(admin, f"{path}/end-grace"))["old_secret_valid_until"] is None
    explained = await post(admin, f"{path}/explain", model="mistral")
    assert "link" in {check["name"] for check in explained["checks"] if check["passes"] is False}
    for client, of_key in ((admin, path), (people["ann"], f"/api/v1/keys/{key['id']}")):
        assert (await get(client, f"{of_key}/blocks"))["data"] == []
    listed = await admin.get("/api/v1/admin/keys/export", params={"format": "json", "user_id": "ann"})
    assert [row["id"] for row in listed.json()["data"]] == [key["id"]]
    assert (await post(admin, f"{path}/revoke", reason="left the course"))["state"] == "revoked"


async def test_a_team_gets_models_and_keys_by_its_own_paths(people: People, client: httpx2.AsyncClient):
    first, second = await make_model(client), await make_model(client)
    team = (await post(people["admin"], "/api/v1/teams", 201, name="Research", admin_ids=["ann"]))["id"]
    asked = await post(people["ann"], f"/api/v1/teams/{team}/subscriptions", 201, model_id=first["id"])
    assert (asked["status"], asked["holder"]["id"]) == ("active", team)
    granted = await post(people["admin"], f"/api/v1/admin/teams/{team}/subscriptions", model_ids=[second["id"]])
    assert len(granted["created"]) == 1
    wish = {"name": "shared", "models": [first["name"], second["name"]]}
    key = (await post(people["ann"], f"/api/v1/teams/{team}/keys", 201, **wish))["key"]
    assert key["team"] == {"id": team, "name": "Research"}
    assert [one["id"] for one in (await get(people["ann"], f"/api/v1/teams/{team}/keys"))["data"]] == [key["id"]]


async def test_a_subscription_is_looked_at_by_administrators_and_its_quota_counted_anew(
    people: People, client: httpx2.AsyncClient
):
    model = await make_model(client)
    made_of_it = await ask_for(people["ann"], model)
    path = f"/api/v1/admin/subscriptions/{made_of_it['id']}"
    assert (await get(people["overseer"], path))["holder"]["id"] == "ann"
    (entry,) = (await get(people["overseer"], f"{path}/history"))["data"]
    assert (entry["old_status"], entry["new_status"]) == (None, "active")
    assert (await get(people["ann"], f"/api/v1/subscriptions/{made_of_it['id']}/history"))["data"] == [entry]
    assert (await post(people["admin"], f"{path}/reset-quotas", reason="a fresh start"))["used_requests"] == 0
    of_ann = await get(people["overseer"], "/api/v1/admin/users/ann/subscriptions")
    assert [one["id"] for one in of_ann["data"]] == [made_of_it["id"]]


async def test_a_policy_and_a_deployment_are_shown_by_themselves(client: httpx2.AsyncClient):
    model = await make_model(client)
    policy = {"name": "Nobody", "effect": "deny", "models": [model["name"]], "everyone": True}
    path = f"/api/v1/admin/access-policies/{(await post(client, '/api/v1/admin/access-policies', 201, **policy))['id']}"
    renamed = await client.patch(path, json={"name": "Closed"})
    assert (renamed.status_code, renamed.json()["models"]) == (200, [model["name"]])
    assert (await get(client, path)) == renamed.json()
    deployment = model["deployments"][0]
    assert (await get(client, f"/api/v1/admin/deployments/{deployment['id']}"))["api_base"] == deployment["api_base"]


async def test_what_administrators_made_is_deleted_once(people: People, database: asyncpg.Connection):
    admin = people["admin"]
    wanted = {"name": "ansible", "permissions": ["admin:users:read"]}
    token = (await post(admin, "/api/v1/admin/service-tokens", 201, **wanted))["token"]
    await gone(admin, f"/api/v1/admin/service-tokens/{token['id']}")
    webhook, _ = await add_webhook(people, database, "https://127.0.0.1:9/x")
    tried = await post(admin, f"/api/v1/admin/webhooks/{webhook}/test")
    assert tried == {"ok": False, "detail": "loopback addresses are not allowed"}
    await gone(admin, f"/api/v1/admin/webhooks/{webhook}")
    backup = (await ended(admin, (await post(admin, "/api/v1/admin/backups", 202))["job_id"]))["result"]["backup_id"]
    assert (await get(admin, f"/api/v1/admin/backups/{backup}"))["id"] == backup
    await gone(admin, f"/api/v1/admin/backups/{backup}")


async def test_an_administrator_ends_a_workshop_with_all_its_keys(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    await provide(client, lab(2))
    assert (await client.delete("/api/v1/admin/workshops/ab12")).is_success
    assert await database.fetchval("select count(*) from virtual_keys where deleted_at is null") == 0


async def test_a_saved_prompt_is_changed_and_forgotten(people: People):
    saved = await post(people["ann"], "/api/v1/playground/prompts", 201, name="Five points", system="Summarise.")
    path = f"/api/v1/playground/prompts/{saved['id']}"
    changed = await people["ann"].patch(path, json={"text": "Now this."})
    assert (changed.status_code, changed.json()["system"]) == (200, "Summarise.")
    assert (await people["bob"].delete(path)).status_code == 404
    await gone(people["ann"], path)


async def test_long_filters_of_a_breakdown_come_in_a_body(people: People):
    users = [f"user-{number}" for number in range(200)]
    answer = await post(people["overseer"], "/api/v1/usage/breakdown/user", scope="all", users=users, **DATES)
    assert (answer["data"], answer["total"]["requests"]) == ([], 0)


async def test_the_number_of_unread_notices_is_streamed_until_the_reader_leaves(
    app: Any, people: People, database: asyncpg.Connection
):
    """ASGI by hand: a client would wait for the end of the answer."""
    assert people
    cookie = await start_session(database, "ann")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": "/api/v1/notifications/stream", "raw_path": b"/api/v1/notifications/stream", "query_string": b"",
        "root_path": "", "headers": [(b"cookie", f"{SESSION_COOKIE}={cookie}".encode())],
        "client": ("127.0.0.1", 1), "server": ("control", 80), "state": {},
    }  # fmt: skip
    told: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
    asked = False

    async def receive() -> Mapping[str, Any]:
        nonlocal asked
        if asked:
            await asyncio.Event().wait()
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    reading = asyncio.create_task(app(scope, receive, told.put))
    try:
        async with asyncio.timeout(30):
            assert (await told.get())["status"] == 200
            assert b'{"unread":0}' in (await told.get())["body"].replace(b" ", b"")
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


@pytest.mark.parametrize("place", ["/litellm/customer", "/litellm/end_user"])
async def test_customers_of_litellm_have_two_paths_for_everything(client: httpx2.AsyncClient, place: str):
    await post(client, f"{place}/new", user_id="c1", max_budget=2)
    await post(client, f"{place}/update", user_id="c1", alias="Acme")
    shown = await get(client, f"{place}/info", end_user_id="c1")
    assert (shown["alias"], shown["blocked"]) == ("Acme", False)
    await post(client, f"{place}/block", user_ids=["c1"])
    assert [one["blocked"] for one in await get(client, f"{place}/list")] == [True]
    await post(client, f"{place}/unblock", user_ids=["c1"])
    assert (await get(client, f"{place}/daily/activity", **DATES))["results"] == []
    await post(client, f"{place}/delete", user_ids=["c1"])
    assert (await client.get(f"{place}/info", params={"end_user_id": "c1"})).status_code == 404


async def test_litellms_other_ways_to_a_new_secret_and_to_what_members_may(
    client: httpx2.AsyncClient, anonymous: httpx2.AsyncClient
):
    old = (await post(client, "/litellm/key/generate", key_alias="ci"))["key"]
    new = (await post(client, "/litellm/key/regenerate", key=old))["key"]
    assert new != old
    info = await anonymous.get("/litellm/key/info", headers={"Authorization": f"Bearer {new}"})
    assert info.json()["info"]["key_alias"] == "ci"
    team = (await post(client, "/litellm/team/new", team_alias="blue"))["team_id"]
    kept = await get(client, "/litellm/team/permissions_list", team_id=team)
    assert (kept["team_id"], "/key/info" in kept["all_available_permissions"]) == (team, True)
