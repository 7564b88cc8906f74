"""Do subscriptions follow the table of transitions, with all that goes with it, whoever asks and however many at once?"""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx2
import pytest

from litemaas.control.subscriptions.jobs import end_models, expire_subscriptions, tell_of_quotas

Browsers = dict[str, httpx2.AsyncClient]
WHY = {"justification": "for the weekly report"}
_made = 0


async def make_model(client: httpx2.AsyncClient, **values: Any) -> dict[str, Any]:
    global _made
    _made += 1
    deployment = {"provider": "hosted_vllm", "engine_model": "e", "api_base": "http://engine:8000/v1"}
    body = {"name": f"model-{_made}", "pricing": {"input_per_million": 5}, "deployments": [deployment]} | values
    made = await client.post("/api/v1/admin/models", json=body)
    assert made.status_code == 201, made.text
    return made.json()


async def subscribe(person: httpx2.AsyncClient, model: dict[str, Any], status: int = 201, **values: Any) -> Any:
    answer = await person.post("/api/v1/subscriptions", json={"model_id": model["id"], **values})
    assert answer.status_code == status, answer.text
    return answer.json()


async def set_status(
    admin: httpx2.AsyncClient,
    subscription: dict[str, Any],
    wanted: str,
    status: int = 200,
    reason: str | None = "because",
) -> Any:
    path = f"/api/v1/admin/subscriptions/{subscription['id']}/status"
    answer = await admin.post(path, json={"status": wanted, "reason": reason})
    assert answer.status_code == status, answer.text
    return answer.json()


async def add_key(database: asyncpg.Connection, name: str, models: list[str], **columns: Any) -> str:
    values = {"key_hash": f"hash-{name}", "key_name": name, "public_id": name, "governed": True, "models": models,
              "created_by": "tests", "updated_by": "tests"} | columns  # fmt: skip
    places = ", ".join(f"${i + 1}" for i in range(len(values)))
    statement = f"insert into virtual_keys ({', '.join(values)}) values ({places})"  # noqa: S608 — our own names
    await database.execute(statement, *values.values())
    return name


async def use(database: asyncpg.Connection, subscription: dict[str, Any], unit: str, amount: int) -> None:
    month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    await database.execute(
        "insert into budget_windows (scope, window_start, settled_nano) values ($1, $2, $3)"
        " on conflict (scope, window_start) do update set settled_nano = excluded.settled_nano",
        f"quota:{subscription['id']}/{unit}", month, amount,
    )  # fmt: skip


async def end(database: asyncpg.Connection, subscription: dict[str, Any]) -> None:
    await database.execute(
        "update subscriptions set expires_at = now() - interval '1 second' where id = $1", subscription["id"]
    )


async def told(database: asyncpg.Connection, user_id: str) -> list[str]:
    rows = await database.fetch("select event from notices where user_id = $1 order by at, id", user_id)
    return [row["event"] for row in rows]


async def test_an_open_model_is_active_at_once_with_default_quotas(client: httpx2.AsyncClient, people: Browsers):
    model = await make_model(client, display_name="M", capabilities=["streaming"], context_length=1000)
    made = await subscribe(people["ann"], model)
    assert (made["status"], made["effective"], made["blocked_by"]) == ("active", True, None)
    assert (made["quota_requests"], made["quota_tokens"], made["used_tokens"]) == (10_000, 1_000_000, 0)
    assert made["model"]["pricing"]["input_per_million"] == 5
    assert made["holder"] == {"kind": "user", "id": "ann", "name": "ann", "full_name": None, "email": "ann@example.org"}
    assert [(step["old_status"], step["new_status"]) for step in made["history"]] == [(None, "active")]
    await subscribe(people["ann"], model, 409)
    assert (await people["bob"].get(f"/api/v1/subscriptions/{made['id']}")).status_code == 404
    assert (await people["bob"].post(f"/api/v1/subscriptions/{made['id']}/cancel")).status_code == 404
    assert (await people["ann"].get("/api/v1/subscriptions")).json()["pagination"]["total"] == 1
    assert (await people["bob"].get("/api/v1/subscriptions")).json()["data"] == []


async def test_a_restricted_model_waits_for_approval_and_tells_who_decides(
    client: httpx2.AsyncClient, people: Browsers, database: asyncpg.Connection
):
    model = await make_model(client, restricted_access=True)
    refused = await subscribe(people["ann"], model, 400)
    assert refused["errors"][0]["field"] == "justification"
    made = await subscribe(people["ann"], model, **WHY)
    assert (made["status"], made["blocked_by"]) == ("pending", "subscription_pending")
    assert await told(database, "admin") == ["subscription.requested"]
    assert await told(database, "overseer") == []
    again = (await people["ann"].post(f"/api/v1/subscriptions/{made['id']}/request-review")).json()
    assert again["status"] == "pending"
    ids = {"subscription_ids": [made["id"]]}
    done = (await people["admin"].post("/api/v1/admin/subscriptions/approve", json=ids)).json()
    assert done == {"successful": 1, "failed": 0, "errors": []}
    assert await told(database, "ann") == ["subscription.approved"]
    again = (await people["admin"].post("/api/v1/admin/subscriptions/approve", json=ids)).json()
    assert again["successful"] == 1
    assert await told(database, "ann") == ["subscription.approved"]
    stats = (await people["overseer"].get("/api/v1/admin/subscriptions/stats")).json()
    assert (stats["pending"], stats["approved_today"], stats["denied_today"], stats["total"]) == (0, 1, 0, 1)
    actions = await database.fetch("select action, actor from audit where object_kind = 'subscription' order by id")
    assert [tuple(row) for row in actions] == [("subscription.created", "ann"), ("subscription.approved", "admin")]


async def test_the_queue_is_filtered_and_bulk_decisions_name_what_failed(client: httpx2.AsyncClient, people: Browsers):
    model = await make_model(client, restricted_access=True)
    first = await subscribe(people["ann"], model, **WHY)
    second = await subscribe(people["bob"], model, **WHY)
    admin = people["admin"]
    queue = (
        await admin.get("/api/v1/admin/subscriptions", params={"statuses": "pending", "models": model["id"]})
    ).json()
    assert [one["id"] for one in queue["data"]] == [first["id"], second["id"]]
    only = (await admin.get("/api/v1/admin/subscriptions", params={"users": "bob", "search": "BOB"})).json()
    assert [one["id"] for one in only["data"]] == [second["id"]]
    later = {"changed_from": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}
    assert (await admin.get("/api/v1/admin/subscriptions", params=later)).json()["data"] == []
    assert (await admin.get("/api/v1/admin/subscriptions", params={"sort": "secret"})).status_code == 400
    no_reason = await admin.post("/api/v1/admin/subscriptions/deny", json={"subscription_ids": [first["id"]]})
    assert no_reason.status_code == 400
    nobody = "00000000-0000-4000-8000-000000000000"
    body = {"subscription_ids": [first["id"], nobody, second["id"]], "reason": "no budget"}
    done = (await admin.post("/api/v1/admin/subscriptions/deny", json=body)).json()
    assert (done["successful"], done["failed"]) == (2, 1)
    assert (done["errors"][0]["subscription_id"], done["errors"][0]["code"]) == (nobody, "NOT_FOUND")
    denied = (await people["ann"].get(f"/api/v1/subscriptions/{first['id']}")).json()
    assert (denied["status"], denied["status_reason"]) == ("denied", "no budget")


async def test_nobody_turns_a_denied_or_suspended_one_active_by_cancelling(
    client: httpx2.AsyncClient, people: Browsers
):
    model = await make_model(client)
    for wanted in ("denied", "suspended"):
        made = await subscribe(people["ann"], model, **WHY)
        if made["status"] == "pending":
            await set_status(people["admin"], made, "active")
        await set_status(people["admin"], made, wanted)
        assert (await people["ann"].post(f"/api/v1/subscriptions/{made['id']}/cancel")).json()["status"] == "cancelled"
        again = await subscribe(people["ann"], model, **WHY)
        assert (again["id"], again["status"]) == (made["id"], "pending")
        assert (await people["ann"].post(f"/api/v1/subscriptions/{made['id']}/cancel")).status_code == 200
    deleted = await people["admin"].delete(f"/api/v1/admin/subscriptions/{made['id']}", params={"reason": "clean"})
    assert deleted.status_code == 204
    assert (await people["ann"].get(f"/api/v1/subscriptions/{made['id']}")).status_code == 404
    anew = await subscribe(people["ann"], model, **WHY)
    assert anew["id"] != made["id"]
    assert anew["status"] == "pending"
    assert len(anew["history"]) > 6


@pytest.mark.parametrize("gone", ["cancelled", "expired", "inactive"])
async def test_approval_does_not_wake_what_is_over_but_a_grant_does(
    client: httpx2.AsyncClient, people: Browsers, database: asyncpg.Connection, gone: str
):
    model = await make_model(client)
    made = await subscribe(people["ann"], model)
    path = f"/api/v1/admin/models/{model['id']}"
    if gone == "cancelled":
        await people["ann"].post(f"/api/v1/subscriptions/{made['id']}/cancel")
    elif gone == "expired":
        await end(database, made)
    else:
        await people["admin"].post(f"{path}/retire")
        await people["admin"].post(f"{path}/reinstate")
    answer = await set_status(people["admin"], made, "active", 409)
    assert answer["code"] == "INVALID_TRANSITION"
    failed = await people["admin"].post("/api/v1/admin/subscriptions/approve", json={"subscription_ids": [made["id"]]})
    assert failed.json()["errors"][0]["code"] == "INVALID_TRANSITION"
    await database.execute("update subscriptions set quota_tokens = 0 where id = $1", made["id"])
    granted = await people["admin"].post("/api/v1/admin/users/ann/subscriptions", json={"model_ids": [model["id"]]})
    assert granted.json() == {"created": [], "activated": [made["id"]], "already_active": []}
    now = (await people["ann"].get(f"/api/v1/subscriptions/{made['id']}")).json()
    assert (now["status"], now["effective"], now["quota_tokens"], now["expires_at"]) == (
        "active",
        True,
        1_000_000,
        None,
    )


async def test_a_holder_lowers_quotas_and_brings_the_end_forward_and_nothing_else(
    client: httpx2.AsyncClient, people: Browsers
):
    model = await make_model(client)
    soon, later = (datetime.now(UTC) + timedelta(days=days) for days in (1, 9))
    made = await subscribe(people["ann"], model, quota_requests=100, expires_at=later.isoformat())
    path = f"/api/v1/subscriptions/{made['id']}"
    ann = people["ann"]
    for bad in (
        {"quota_requests": 101}, {"quota_requests": None}, {"expires_at": None}, {"quota_requests": 0},
        {"expires_at": (later + timedelta(days=1)).isoformat()}, {"status": "active"}, {"needs_approval": False},
        {"expires_at": "2020-01-01T00:00:00Z"},
    ):  # fmt: skip
        assert (await ann.patch(path, json=bad)).status_code == 400, bad
    changed = (await ann.patch(path, json={"quota_requests": 50, "expires_at": soon.isoformat()})).json()
    assert (changed["quota_requests"], changed["quota_tokens"]) == (50, 1_000_000)
    assert (await ann.patch(path, json={"quota_requests": 51})).status_code == 400
    assert (await ann.post(f"{path}/cancel")).status_code == 200
    raised = await subscribe(ann, model, 400, quota_requests=100)
    assert raised["code"] == "LIMIT_ABOVE_MAXIMUM"
    assert (await subscribe(ann, model))["quota_requests"] == 50
    for method, where in (("POST", "status"), ("PATCH", ""), ("POST", "reset-quotas")):
        refused = await ann.request(method, f"/api/v1/admin/subscriptions/{made['id']}/{where}".rstrip("/"), json={})
        assert refused.status_code == 403


async def test_an_administrators_end_cannot_be_escaped(
    client: httpx2.AsyncClient, people: Browsers, database: asyncpg.Connection
):
    model = await make_model(client)
    made = await subscribe(people["ann"], model)
    ending = datetime.now(UTC) + timedelta(days=2)
    path = f"/api/v1/admin/subscriptions/{made['id']}"
    assert (await people["admin"].patch(path, json={"expires_at": ending.isoformat()})).status_code == 200
    await people["ann"].post(f"/api/v1/subscriptions/{made['id']}/cancel")
    again = await subscribe(people["ann"], model)
    assert again["status"] == "active"
    assert datetime.fromisoformat(again["expires_at"]) == ending
    await end(database, made)
    waits = await subscribe(people["ann"], model, **WHY)
    assert waits["status"] == "pending"
    await people["ann"].post(f"/api/v1/subscriptions/{made['id']}/cancel")
    assert (await subscribe(people["ann"], model, **WHY))["status"] == "pending"


async def test_quotas_and_expiry_hold_at_the_instant_and_resets_count_anew(
    client: httpx2.AsyncClient, people: Browsers, database: asyncpg.Connection, app: Any
):
    model = await make_model(client)
    made = await subscribe(people["ann"], model, quota_requests=10)
    await use(database, made, "requests", 5)
    path = f"/api/v1/subscriptions/{made['id']}"
    quota = (await people["ann"].get(f"{path}/quota")).json()
    assert (quota["used_requests"], quota["remaining_requests"], quota["utilisation"]) == (5, 5, 50.0)
    await use(database, made, "requests", 10)
    full = (await people["ann"].get(path)).json()
    assert (full["status"], full["effective"], full["blocked_by"]) == ("active", False, "quota_exceeded")
    reset = (await people["admin"].post("/api/v1/admin/subscriptions/reset-quotas", json={"all_due": True})).json()
    assert reset == {"reset": 1}
    assert (await people["ann"].get(path)).json()["used_requests"] == 0
    await end(database, made)
    over = (await people["ann"].get(path)).json()
    assert (over["status"], over["blocked_by"]) == ("expired", "subscription_expired")
    listed = await people["admin"].get("/api/v1/admin/subscriptions", params={"statuses": "expired"})
    assert [one["id"] for one in listed.json()["data"]] == [made["id"]]
    await expire_subscriptions(app.state.plane)
    assert await database.fetchval("select status from subscriptions") == "expired"
    assert "subscription.expired" in await told(database, "ann")


async def test_what_was_denied_past_its_end_gets_another_end_before_it_is_approved(
    client: httpx2.AsyncClient, people: Browsers, database: asyncpg.Connection
):
    model = await make_model(client)
    made = await subscribe(people["ann"], model)
    await set_status(people["admin"], made, "denied")
    await end(database, made)
    assert (await set_status(people["admin"], made, "active", 409))["code"] == "CONFLICT"
    path = f"/api/v1/admin/subscriptions/{made['id']}"
    assert (await people["admin"].patch(path, json={"expires_at": None})).status_code == 200
    assert (await set_status(people["admin"], made, "active"))["effective"] is True


async def test_links_stay_while_dormant_and_go_with_cancel(
    client: httpx2.AsyncClient, people: Browsers, database: asyncpg.Connection
):
    model = await make_model(client)
    mine = await add_key(database, "k1", [], user_id="ann")
    of_bob = await add_key(database, "k2", [], user_id="bob")
    refused = await subscribe(people["ann"], model, 400, key_ids=[mine, of_bob])
    assert of_bob in refused["detail"]
    made = await subscribe(people["ann"], model, key_ids=[mine])
    links = "select models from virtual_keys where public_id = 'k1'"
    assert await database.fetchval(links) == [model["name"]]
    since = await database.fetchval("select max(seq) from changes")
    await set_status(people["admin"], made, "suspended")
    assert await database.fetchval(links) == [model["name"]]
    await set_status(people["admin"], made, "active")
    news = await database.fetch("select kind, refs from changes where seq > $1 order by seq", since)
    assert [tuple(row) for row in news] == [("budget", ["user:ann"])] * 2
    await people["ann"].post(f"/api/v1/subscriptions/{made['id']}/cancel")
    assert await database.fetchval(links) == []


async def test_a_team_subscribes_through_its_admins(
    client: httpx2.AsyncClient, people: Browsers, database: asyncpg.Connection
):
    model = await make_model(client)
    await database.execute("insert into teams (id, name, created_by, updated_by) values ('t1', 'Team', 'x', 'x')")
    for user, role in (("ann", "admin"), ("bob", "member")):
        await database.execute(
            "insert into team_members (team_id, user_id, role, added_by) values ('t1', $1, $2, 'x')", user, role
        )
    await subscribe(people["bob"], model, 403, team_id="t1")
    await subscribe(people["reader"], model, 403)
    await subscribe(people["admin"], model, 404, team_id="t1")
    made = await subscribe(people["ann"], model, team_id="t1")
    assert (made["holder"]["kind"], made["holder"]["name"]) == ("team", "Team")
    own = await subscribe(people["ann"], model)
    assert own["id"] != made["id"]
    assert (await people["bob"].get(f"/api/v1/subscriptions/{made['id']}")).status_code == 200
    assert (await people["bob"].post(f"/api/v1/subscriptions/{made['id']}/cancel")).status_code == 403
    listed = (await people["bob"].get("/api/v1/teams/t1/subscriptions")).json()
    assert [one["id"] for one in listed["data"]] == [made["id"]]
    await set_status(people["admin"], made, "suspended")
    assert await told(database, "ann") == ["subscription.suspended"]
    assert await told(database, "bob") == []


async def test_parallel_requests_make_one_and_decide_once(
    client: httpx2.AsyncClient, people: Browsers, database: asyncpg.Connection
):
    model = await make_model(client, restricted_access=True)
    body = {"model_id": model["id"], **WHY}
    answers = await asyncio.gather(*(people["ann"].post("/api/v1/subscriptions", json=body) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 5]
    made = next(answer.json() for answer in answers if answer.status_code == 201)
    path = f"/api/v1/admin/subscriptions/{made['id']}/status"
    decisions = [people["admin"].post(path, json={"status": "active", "reason": "ok"}) for _ in range(5)]
    codes = sorted(answer.status_code for answer in await asyncio.gather(*decisions))
    assert codes == [200, *[409] * 4]
    assert await database.fetchval("select count(*) from subscription_history where event = 'approve'") == 1
    assert await told(database, "ann") == ["subscription.approved"]


async def test_restricting_sends_back_to_the_queue_and_lifting_it_approves_those_alone(
    client: httpx2.AsyncClient, people: Browsers
):
    model = await make_model(client)
    ann, bob = await subscribe(people["ann"], model), await subscribe(people["bob"], model)
    path = f"/api/v1/admin/models/{model['id']}/restrict"
    await people["admin"].post(path, json={"existing": "keep"})
    assert (await people["ann"].get(f"/api/v1/subscriptions/{ann['id']}")).json()["status"] == "active"
    await people["admin"].post(path, json={"restricted_access": False})
    await set_status(people["admin"], bob, "pending")
    restricted = await people["admin"].post(path)
    assert restricted.json()["restricted_access"] is True
    assert (await people["ann"].get(f"/api/v1/subscriptions/{ann['id']}")).json()["status"] == "pending"
    await people["admin"].post(path, json={"restricted_access": False})
    assert (await people["ann"].get(f"/api/v1/subscriptions/{ann['id']}")).json()["status"] == "active"
    assert (await people["bob"].get(f"/api/v1/subscriptions/{bob['id']}")).json()["status"] == "pending"


async def test_retiring_touches_its_own_alone_and_can_be_undone(
    client: httpx2.AsyncClient, people: Browsers, database: asyncpg.Connection
):
    model, other = await make_model(client), await make_model(client)
    mine, elsewhere = await subscribe(people["ann"], model), await subscribe(people["ann"], other)
    bobs = await subscribe(people["bob"], model)
    await set_status(people["admin"], bobs, "denied")
    await add_key(database, "k1", [model["name"], other["name"]], user_id="ann")
    path = f"/api/v1/admin/models/{model['id']}"
    impact = (await people["overseer"].get(f"{path}/impact")).json()
    assert (impact["subscriptions"], impact["users"], impact["keys"]) == (2, 1, 1)
    retired = await people["admin"].post(f"{path}/retire", json={"successor_id": other["id"]})
    assert (retired.json()["status"], retired.json()["successor"]["name"]) == ("retired", other["name"])
    assert (await people["admin"].post(f"{path}/retire")).status_code == 409
    statuses = {row["id"]: row["status"] for row in await database.fetch("select id, status from subscriptions")}
    assert statuses == {mine["id"]: "inactive", bobs["id"]: "inactive", elsewhere["id"]: "active"}
    assert await database.fetchval("select models from virtual_keys") == [model["name"], other["name"]]
    assert await told(database, "ann") == ["model.retired"]
    await subscribe(people["ann"], model, 409)
    problems = (await people["overseer"].get("/api/v1/admin/models/problems")).json()["data"]
    # Nobody serves these models, which a health check may have found out by now.
    found = {one["name"]: set(one["problems"]) - {"no_healthy_endpoint"} for one in problems}
    assert {name: kinds for name, kinds in found.items() if kinds} == {model["name"]: {"keys_on_retired"}}
    back = await people["admin"].post(f"{path}/reinstate", json={"restore": True})
    assert back.json()["status"] == "available"
    statuses = {row["id"]: row["status"] for row in await database.fetch("select id, status from subscriptions")}
    assert statuses == {mine["id"]: "active", bobs["id"]: "denied", elsewhere["id"]: "active"}


async def test_a_deprecated_model_reminds_its_holders_and_ends_on_its_day(
    client: httpx2.AsyncClient, people: Browsers, database: asyncpg.Connection, app: Any
):
    model = await make_model(client)
    await subscribe(people["ann"], model)
    path = f"/api/v1/admin/models/{model['id']}/deprecate"
    assert (await people["admin"].post(path, json={"retires_at": "2020-01-01T00:00:00Z"})).status_code == 400
    ending = datetime.now(UTC) + timedelta(days=5)
    assert (await people["admin"].post(path, json={"retires_at": ending.isoformat()})).json()["status"] == "deprecated"
    await end_models(app.state.plane)
    assert await told(database, "ann") == ["model.deprecated"]
    await database.execute(
        "update models set retires_at = now() + interval '20 hours', status_changed_at = now() - interval '40 days'"
    )
    for _ in range(2):
        await end_models(app.state.plane)
    assert await told(database, "ann") == ["model.deprecated", "model.retires"]
    facts = await database.fetchval("select facts from notices where event = 'model.retires'")
    assert '"days": 1' in facts
    await database.execute("update models set retires_at = now() - interval '1 second'")
    await end_models(app.state.plane)
    assert await database.fetchval("select status from models") == "retired"
    assert await database.fetchval("select status from subscriptions") == "inactive"


async def test_policies_hide_demand_and_waive(
    client: httpx2.AsyncClient, people: Browsers, database: asyncpg.Connection
):
    model = await make_model(client, tags=["code"], restricted_access=True)
    await database.execute("update users set groups = '{research}' where id = 'ann'")
    policies = "/api/v1/admin/access-policies"
    waive = {"name": "W", "effect": "auto_approve", "tags": ["code"], "groups": ["research"]}
    assert (await people["admin"].post(policies, json=waive)).status_code == 201
    made = await subscribe(people["ann"], model)
    assert made["status"] == "active"
    deny = {"name": "D", "effect": "deny", "models": [model["name"]], "users": ["ann"]}
    denied = (await people["admin"].post(policies, json=deny)).json()
    now = (await people["ann"].get(f"/api/v1/subscriptions/{made['id']}")).json()
    assert (now["status"], now["effective"], now["blocked_by"]) == ("active", False, "policy_denied")
    await people["ann"].post(f"/api/v1/subscriptions/{made['id']}/cancel")
    await subscribe(people["ann"], model, 404)
    grant = {"model_ids": [model["id"]]}
    assert (await people["admin"].post("/api/v1/admin/users/ann/subscriptions", json=grant)).status_code == 409
    query = {"model_id": model["id"], "user_id": "ann"}
    said = (await people["overseer"].get(f"{policies}/evaluate", params=query)).json()
    assert (said["permitted"], said["policy"]["name"], len(said["matching"])) == (False, "D", 2)
    assert (await people["admin"].delete(f"{policies}/{denied['id']}")).status_code == 204
    assert (await subscribe(people["ann"], model))["status"] == "active"
    wrong = {"name": "X", "effect": "deny", "models": ["no-such-model"], "users": ["nobody"]}
    refused = await people["admin"].post(policies, json=wrong)
    assert {one["field"] for one in refused.json()["errors"]} == {"models", "users"}


async def test_a_model_that_is_subscribed_to_is_retired_and_not_deleted(client: httpx2.AsyncClient, people: Browsers):
    model = await make_model(client)
    await subscribe(people["ann"], model)
    path = f"/api/v1/admin/models/{model['id']}"
    assert (await client.delete(path)).json()["code"] == "CONFLICT"
    (deployment,) = model["deployments"]
    gone = await client.post("/litellm/model/delete", json={"id": deployment["id"]})
    assert gone.status_code == 200
    left = (await client.get(path)).json()
    assert (left["status"], left["deployments"]) == ("available", [])
    held = (await people["ann"].get("/api/v1/subscriptions")).json()["data"][0]
    assert (held["status"], held["blocked_by"]) == ("active", "model_unavailable")


async def test_the_list_leaves_as_a_file_with_its_filters(client: httpx2.AsyncClient, people: Browsers):
    model = await make_model(client, restricted_access=True)
    why = '=1+1, for "ann" and others'
    await subscribe(people["ann"], model, justification=why)
    await subscribe(people["bob"], model, **WHY)
    path = "/api/v1/admin/subscriptions/export"
    assert (await people["ann"].get(path)).status_code == 403
    written = await people["overseer"].get(path, params={"users": "ann", "statuses": "pending"})
    (line,) = csv.DictReader(io.StringIO(written.text))
    assert (line["holder"], line["status"], line["justification"]) == ("ann", "pending", "'" + why)
    told = (await people["overseer"].get(path, params={"format": "json"})).json()
    assert told["metadata"]["record_count"] == 2
    assert (await people["overseer"].get(path, params={"statuses": "no such status"})).status_code == 400


async def test_holders_hear_of_their_quotas_once_and_of_a_jump_only_the_highest(
    client: httpx2.AsyncClient, people: Browsers, database: asyncpg.Connection, app: Any
):
    model = await make_model(client)
    anns = await subscribe(people["ann"], model, quota_requests=10, quota_tokens=1000)
    bobs = await subscribe(people["bob"], model, quota_requests=10)
    for subscription, amount in ((anns, 8), (bobs, 10)):
        await use(database, subscription, "requests", amount)
    for _ in range(2):
        await tell_of_quotas(app.state.plane)
    await use(database, anns, "requests", 10)
    await tell_of_quotas(app.state.plane)
    rows = await database.fetch(
        "select user_id, facts ->> 'percent' as percent from notices where event = 'quota.reached'"
    )
    assert sorted(tuple(row) for row in rows) == [("ann", "100"), ("ann", "80"), ("bob", "100")]
