"""Do people's keys keep the promises of the control-plane contract 8, and its pitfalls 17 and 34 to 42?"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx2
import pytest

from litemaas.control.keys.jobs import tell_of_endings
from litemaas.core.keys import hash_key

from .people import add_user, browser, start_session

People = dict[str, httpx2.AsyncClient]


@pytest.fixture(autouse=True)
async def models(app: Any, database: asyncpg.Connection) -> None:
    """Two models that can be called; ann and bob have subscriptions to the first."""
    for name in ("granite", "mistral"):
        await database.execute("insert into models (name, mode, context_length) values ($1, 'chat', 4096)", name)
        version = await database.fetchval(
            "insert into prices (deployment_id, created_by) values ($1, 't') returning version", f"d-{name}"
        )
        await database.execute(
            "insert into deployments (id, model_name, provider, engine_model, api_base, price_version, created_by, updated_by)"
            " values ($1, $2, 'hosted_vllm', 'm', 'http://engine/v1', $3, 't', 't')",
            f"d-{name}", name, version,
        )  # fmt: skip


async def subscribe(database: asyncpg.Connection, holder: str, model: str = "granite", **columns: Any) -> None:
    values = {
        "id": f"s-{holder}-{model}", "user_id": holder, "model_name": model, "status": "active", "status_changed_by": "t",
        "created_by": "t", "updated_by": "t", **columns,
    }  # fmt: skip
    names, places = ", ".join(values), ", ".join(f"${i + 1}" for i in range(len(values)))
    await database.execute(f"insert into subscriptions ({names}) values ({places})", *values.values())  # noqa: S608 — our own names


async def setting(client: httpx2.AsyncClient, group: str, value: dict[str, Any]) -> None:
    answer = await client.put(f"/api/v1/admin/settings/{group}", json=value)
    assert answer.is_success, answer.text


async def made(client: httpx2.AsyncClient, **members: Any) -> dict[str, Any]:
    answer = await client.post("/api/v1/keys", json={"name": "laptop", "models": ["granite"], **members})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_a_key_is_made_shown_changed_and_revoked(people: People, database: asyncpg.Connection):
    ann, bob = people["ann"], people["bob"]
    await subscribe(database, "ann")
    new = await made(ann, tags=["ci"], permissions=["chat"], guardrails=["pii"], metadata={"a": [None, {"b": 1}]})
    secret, key = new["secret"], new["key"]
    assert len(secret) >= 3 + 32
    assert (key["state"], key["owner"]["username"], key["prefix"], key["last4"]) == (
        "active",
        "ann",
        secret[:7],
        secret[-4:],
    )
    assert (key["tags"], key["permissions"], key["guardrails"]) == (["ci"], ["chat"], ["pii"])
    assert key["metadata"] == {"a": [None, {"b": 1}]}
    assert key["models"][0] | {"id": ""} == {
        "id": "", "name": "granite", "type": "chat", "context_length": 4096, "effective": True, "blocked_by": None,
    }  # fmt: skip
    path = f"/api/v1/keys/{key['id']}"
    assert (await ann.get(path)).json() == key
    assert (await bob.get(path)).status_code == 404
    assert (await people["admin"].get(f"/api/v1/admin/keys/{key['id']}")).json()["id"] == key["id"]
    changed = (await ann.patch(path, json={"rpm_limit": 5})).json()
    changed = (await ann.patch(path, json={"name": "desk", "max_budget_nano": 7})).json()
    assert (changed["name"], changed["rpm_limit"], changed["max_budget_nano"], changed["tags"]) == (
        "desk",
        5,
        7,
        ["ci"],
    )
    assert (await ann.patch(path, json={"rpm_limit": None})).json()["rpm_limit"] is None
    assert (await ann.patch(path, json={"models": []})).json()["models"] == []
    assert (await ann.post(f"{path}/disable")).json()["state"] == "disabled"
    assert (await ann.post(f"{path}/enable")).json()["state"] == "active"
    assert (await ann.post(f"{path}/revoke", json={"reason": "lost"})).json()["state"] == "revoked"
    assert (await ann.patch(path, json={"name": "x"})).status_code == 409
    assert (await ann.post(f"{path}/enable")).status_code == 409
    assert (await ann.delete(path)).status_code == 204
    assert (await ann.get(path)).status_code == 404


async def test_defaults_are_filled_in_and_all_violations_come_at_once(people: People, database: asyncpg.Connection):
    await subscribe(database, "ann")
    await setting(people["admin"], "api-keys", {
        "defaults": {"max_budget_nano": 5, "tpm_limit": 50, "expiration_days": 3, "budget_duration": "monthly"},
        "maximums": {"max_budget_nano": 10, "tpm_limit": 100, "rpm_limit": 7, "expiration_days": 30},
    })  # fmt: skip
    key = (await made(people["ann"], rpm_limit=7))["key"]
    assert (key["max_budget_nano"], key["tpm_limit"], key["budget_duration"]) == (5, 50, "monthly")
    assert datetime.fromisoformat(key["expires_at"]) - datetime.now(UTC) < timedelta(days=3)
    far = (datetime.now(UTC) + timedelta(days=31)).isoformat()
    wish = {"name": "x", "models": ["mistral", "nobody"], "max_budget_nano": None, "tpm_limit": 101, "expires_at": far}
    refused = await people["ann"].post("/api/v1/keys", json=wish)
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (400, "LIMIT_ABOVE_MAXIMUM")
    assert {error["field"] for error in problem["errors"]} == {
        "models", "models.1", "max_budget_nano", "tpm_limit", "rpm_limit", "expires_at",
    }  # fmt: skip
    path = f"/api/v1/keys/{key['id']}"
    for wish in ({"max_budget_nano": None}, {"rpm_limit": 8}, {"expires_at": None}, {"tpm_limit": 2147483647}):
        assert (await people["ann"].patch(path, json=wish)).status_code == 400, wish
    assert (await people["ann"].patch(path, json={"cost_centre": "x"})).status_code == 400
    bound_by_none = await people["admin"].patch(
        f"/api/v1/admin/keys/{key['id']}", json={"max_budget_nano": None, "rpm_limit": 99}
    )
    assert (bound_by_none.json()["max_budget_nano"], bound_by_none.json()["rpm_limit"]) == (None, 99)


async def test_limits_of_a_model_need_its_link_and_stay_below_the_keys(people: People, database: asyncpg.Connection):
    await subscribe(database, "ann")
    wish = {"name": "x", "models": ["granite"], "rpm_limit": 5,
            "model_limits": {"granite": {"rpm": 6}, "mistral": {"tpm": 1}}}  # fmt: skip
    problem = (await people["ann"].post("/api/v1/keys", json=wish)).json()
    assert {error["field"] for error in problem["errors"]} == {"model_limits.granite.rpm", "model_limits.mistral"}
    key = (await made(people["ann"], rpm_limit=5, model_limits={"granite": {"rpm": 4}}))["key"]
    assert key["model_limits"]["granite"]["rpm"] == 4


async def test_requests_at_once_do_not_pass_the_count(people: People, database: asyncpg.Connection):
    await subscribe(database, "ann")
    await setting(people["admin"], "counts", {"keys_per_user": 3})
    wish = {"name": "x", "models": ["granite"]}
    answers = await asyncio.gather(*(people["ann"].post("/api/v1/keys", json=wish) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 5
    first = next(answer for answer in answers if answer.status_code == 201).json()["key"]["id"]
    assert (await people["ann"].post(f"/api/v1/keys/{first}/disable")).status_code == 200
    assert (await people["ann"].post("/api/v1/keys", json=wish)).status_code == 201
    assert (await people["ann"].post(f"/api/v1/keys/{first}/enable")).status_code == 409


async def test_rotation_changes_the_secret_and_nothing_else(
    people: People, client: httpx2.AsyncClient, database: asyncpg.Connection
):
    await subscribe(database, "ann")
    new = await made(people["ann"], max_budget_nano=100, rpm_limit=3)
    path, old = f"/api/v1/keys/{new['key']['id']}", new["secret"]
    await database.execute(
        "insert into budget_windows (scope, window_start, settled_nano) values ($1, 'epoch', 42)",
        f"key:{new['key']['ledger_id']}",
    )
    rotated = (await people["ann"].post(f"{path}/rotate", json={"grace_seconds": 60})).json()
    changing = {
        "prefix",
        "last4",
        "key_name",
        "updated_at",
        "old_secret_valid_until",
        "spent_nano",
        "budget_utilisation",
    }
    kept = {name: value for name, value in new["key"].items() if name not in changing}
    assert {name: rotated["key"][name] for name in kept} == kept
    assert (rotated["key"]["spent_nano"], rotated["key"]["budget_utilisation"]) == (42, 42.0)
    info = "/api/v1/key-info"

    async def opens(secret: str) -> int:
        return (await client.get(info, headers={"Authorization": f"Bearer {secret}"})).status_code

    assert [await opens(old), await opens(rotated["secret"])] == [200, 200]
    bounds = {"grace_hours": 2, "max_grace_hours": 3}
    put = await client.put("/api/v1/admin/settings/api-keys", json=bounds)
    assert put.status_code == 200, put.text
    long = await people["ann"].post(f"{path}/rotate", json={"grace_seconds": 3 * 3600 + 1})
    assert (long.status_code, long.json()["code"]) == (400, "LIMIT_ABOVE_MAXIMUM")
    assert long.json()["errors"][0]["field"] == "grace_seconds"
    assert (await people["ann"].get("/api/v1/config/keys")).json()["max_grace_hours"] == 3
    answer = (await people["ann"].post(f"{path}/rotate")).json()
    third, until = answer["secret"], datetime.fromisoformat(answer["key"]["old_secret_valid_until"])
    assert timedelta(minutes=119) < until - datetime.now(UTC) <= timedelta(hours=2)
    assert [await opens(s) for s in (old, rotated["secret"], third)] == [401, 200, 200]
    ended = (await people["ann"].post(f"{path}/end-grace")).json()
    assert ended["old_secret_valid_until"] is None
    assert [await opens(rotated["secret"]), await opens(third)] == [401, 200]
    facade = await client.get("/litellm/key/info", headers={"Authorization": f"Bearer {old}"})
    assert facade.status_code == 401
    found = await client.post("/api/v1/admin/keys/lookup", json={"secret": third})
    assert found.json()["id"] == new["key"]["id"]
    refs = await database.fetchval("select refs from changes where kind = 'key' order by seq desc limit 1")
    assert {hash_key(old), hash_key(rotated["secret"])} & set(refs)


async def test_reveal_is_for_the_owner_who_has_just_signed_in(people: People, app: Any, database: asyncpg.Connection):
    await subscribe(database, "ann")
    new = await made(people["ann"])
    path = f"/api/v1/keys/{new['key']['id']}/reveal"
    shown = await people["ann"].post(path)
    assert shown.json() == {"secret": new["secret"]}
    assert shown.headers["cache-control"] == "no-store"
    assert (await people["bob"].post(path)).status_code == 404
    async with browser(app, await start_session(database, "ann", age=timedelta(minutes=16))) as long_ago:
        assert (await long_ago.post(path)).json()["code"] == "REAUTHENTICATION_REQUIRED"
    assert (await people["ann"].post(path, headers={"Idempotency-Key": "again"})).status_code == 400
    for _ in range(7):
        assert (await people["ann"].post(path)).status_code == 200
    # The eleventh and twelfth within five minutes: neither another address nor another sign-in is a way around.
    async with browser(app, await start_session(database, "ann")) as again:
        statuses = [
            (
                await again.post(path, headers={"X-Forwarded-For": f"10.0.0.{n}", "Forwarded": f"for=10.0.0.{n}"})
            ).status_code
            for n in range(3)
        ]
    assert statuses == [200, 429, 429]
    rows = await database.fetch(
        "select action, success, error_code from audit where action like 'key.reveal%' order by id"
    )
    assert [row["action"] for row in rows].count("key.revealed") == 9
    assert {row["error_code"] for row in rows if not row["success"]} == {"REAUTHENTICATION_REQUIRED", "RATE_LIMITED"}


async def test_no_secret_is_in_the_database_or_the_audit(
    people: People, client: httpx2.AsyncClient, database: asyncpg.Connection
):
    await subscribe(database, "ann")
    new = await made(people["ann"])
    rotated = (await people["ann"].post(f"/api/v1/keys/{new['key']['id']}/rotate")).json()["secret"]
    await client.post("/api/v1/admin/keys/lookup", json={"secret": rotated})
    await people["ann"].post(f"/api/v1/keys/{new['key']['id']}/reveal")
    tables = await database.fetch("select tablename from pg_tables where schemaname = 'public'")
    for table in tables:
        dump = await database.fetchval(f"select coalesce(string_agg(t::text, ' '), '') from \"{table['tablename']}\" t")  # noqa: S608
        assert new["secret"] not in dump, table
        assert rotated not in dump, table
        assert rotated[3:].encode().hex() not in dump, table


async def test_an_administrator_makes_a_key_and_grants_what_is_missing(people: People, database: asyncpg.Connection):
    path = "/api/v1/admin/users/bob/keys"
    wish = {"name": "for bob", "models": ["granite", "mistral"], "max_budget_nano": 10**15, "cost_centre": "cc"}
    assert (await people["admin"].post(path, json=wish)).status_code == 400
    answer = await people["admin"].post(path, json=wish | {"grant_missing": True})
    assert answer.status_code == 201, answer.text
    assert {model["effective"] for model in answer.json()["key"]["models"]} == {True}
    assert (
        await database.fetchval("select count(*) from subscriptions where user_id = 'bob' and status = 'active'") == 2
    )
    (listed,) = (await people["bob"].get("/api/v1/keys")).json()["data"]
    assert listed["cost_centre"] == "cc"
    assert await database.fetchval("select count(*) from notices where user_id = 'bob' and event = 'key.changed'") == 1
    assert (await people["overseer"].post(path, json=wish)).status_code == 403


async def test_only_the_keys_own_window_is_reset_and_only_by_administrators(
    people: People, database: asyncpg.Connection
):
    await subscribe(database, "ann")
    key = (await made(people["ann"], max_budget_nano=100))["key"]
    for scope in (f"key:{key['ledger_id']}", "user:ann"):
        await database.execute(
            "insert into budget_windows (scope, window_start, settled_nano) values ($1, 'epoch', 42)", scope
        )
    path = f"/api/v1/admin/keys/{key['id']}/reset-spend"
    assert (await people["ann"].post(path, json={"reason": "please"})).status_code == 403
    assert (await people["admin"].post(path)).status_code == 400
    assert (await people["admin"].post(path, json={"reason": "a test run"})).json()["spent_nano"] == 0
    settled = dict(await database.fetch("select scope, settled_nano from budget_windows"))
    assert settled == {f"key:{key['ledger_id']}": 0, "user:ann": 42}


async def test_explain_says_which_check_fails_and_what_to_do(
    people: People, client: httpx2.AsyncClient, database: asyncpg.Connection
):
    await subscribe(database, "ann", quota_requests=5)
    new = await made(people["ann"], max_budget_nano=100, permissions=["chat"])
    path = f"/api/v1/keys/{new['key']['id']}/explain"
    passing = (await people["ann"].post(path, json={"model": "granite", "endpoint": "chat"})).json()
    assert passing["allowed"], passing
    await database.execute("update subscriptions set status = 'suspended'")
    await database.execute(
        "insert into budget_windows (scope, window_start, settled_nano) values ($1, 'epoch', 100)",
        f"key:{new['key']['ledger_id']}",
    )
    own = {"Authorization": f"Bearer {new['secret']}"}
    told = (
        await client.post("/api/v1/key-info/explain", json={"model": "granite", "endpoint": "embeddings"}, headers=own)
    ).json()
    failed = {check["name"]: check["code"] for check in told["checks"] if check["passes"] is False}
    assert failed == {
        "subscription": "subscription_suspended", "endpoint": "endpoint_not_permitted", "budget": "budget_exceeded",
    }  # fmt: skip
    assert all(check["action"] for check in told["checks"] if check["passes"] is False)
    other = (await people["ann"].post(path, json={"model": "mistral"})).json()
    assert {check["code"] for check in other["checks"] if check["passes"] is False} >= {
        "model_not_on_key",
        "subscription_missing",
    }
    shown = (await people["ann"].get(f"/api/v1/keys/{new['key']['id']}")).json()
    assert shown["models"][0]["blocked_by"] == "subscription_suspended"


@pytest.mark.parametrize(("scope", "said"), [
    ("organization:o1", '{"organization_id": "o1"}'), ("tag:red", '{"tags": ["red"]}'),
])  # fmt: skip
async def test_explain_looks_at_the_organization_and_the_tags_of_the_keys_team(
    people: People, database: asyncpg.Connection, scope: str, said: str
):
    await database.execute("insert into teams (id, name, created_by, updated_by) values ('t1', 'Red', 't', 't')")
    await database.execute(
        "insert into team_members (team_id, user_id, role, added_by) values ('t1', 'ann', 'admin', 't')"
    )
    await subscribe(database, "t1", user_id=None, team_id="t1")
    key = (await made(people["ann"], team_id="t1"))["key"]
    await database.execute(
        "insert into budgets (scope, max_budget_nano, created_by, updated_by) values ($1, 5, 't', 't')", scope
    )
    await database.execute(
        "insert into budget_windows (scope, window_start, settled_nano) values ($1, 'epoch', 5)", scope
    )

    async def stopped_by() -> list[str]:
        told = (await people["ann"].post(f"/api/v1/keys/{key['id']}/explain", json={"model": "granite"})).json()
        return [check["subject"] for check in told["checks"] if check["passes"] is False]

    assert await stopped_by() == []
    await database.execute("update teams set extras = $1::jsonb where id = 't1'", said)
    assert await stopped_by() == [scope]


async def test_team_keys_belong_to_members_and_their_administrators(
    people: People, app: Any, database: asyncpg.Connection
):
    await database.execute("insert into teams (id, name, created_by, updated_by) values ('t1', 'Red', 't', 't')")
    for user, role in (("ann", "admin"), ("bob", "member"), ("reader", "viewer")):
        await database.execute(
            "insert into team_members (team_id, user_id, role, added_by) values ('t1', $1, $2, 't')", user, role
        )
    await subscribe(database, "t1", user_id=None, team_id="t1")
    bobs = (await made(people["bob"], team_id="t1"))["key"]
    path = f"/api/v1/keys/{bobs['id']}"
    assert bobs["team"] == {"id": "t1", "name": "Red"}
    assert (await people["ann"].get(path)).status_code == 200
    assert (await people["reader"].get(path)).status_code == 404
    assert (await people["ann"].post(f"{path}/reveal")).status_code == 404
    assert (await people["bob"].post(f"{path}/reassign", json={"user_id": "ann"})).status_code == 403
    assert (await people["ann"].post(f"{path}/reassign", json={"user_id": "reader"})).status_code == 400
    assert (await people["ann"].post(f"{path}/reassign", json={"user_id": "ann"})).json()["owner"]["id"] == "ann"
    assert (await people["bob"].get(path)).status_code == 404
    async with browser(app, await start_session(database, await add_user(database, "eve", ["user"]))) as eve:
        wish = {"name": "x", "models": ["granite"], "team_id": "t1"}
        assert (await eve.post("/api/v1/keys", json=wish)).status_code == 404
        assert (await eve.get("/api/v1/teams/t1/keys")).status_code == 404


async def test_keys_that_ended_long_ago_are_archived_and_filters_find_the_rest(
    people: People, database: asyncpg.Connection
):
    await subscribe(database, "ann")
    old = (await made(people["ann"], tags=["old"]))["key"]["id"]
    new = (await made(people["ann"], name="new one"))["key"]["id"]
    await database.execute("update virtual_keys set expires_at = now() - interval '91 days' where public_id = $1", old)
    for query, found in (
        ({"state": "expired"}, [old]),
        ({"state": "active"}, [new]),
        ({"tag": "old"}, [old]),
        ({"search": "NEW"}, [new]),
    ):
        listed = (await people["ann"].get("/api/v1/keys", params=query)).json()["data"]
        assert [key["id"] for key in listed] == found
    stats = (await people["ann"].get("/api/v1/keys/stats")).json()
    assert stats == {"total": 2, "by_state": {"expired": 1, "active": 1}, "by_model": {"granite": 2}}
    assert (await people["admin"].post("/api/v1/admin/keys/cleanup")).json() == {"archived": 1}
    assert (await people["ann"].get(f"/api/v1/keys/{old}")).status_code == 404
    detail = await database.fetchval("select detail from audit where action = 'key.archived'")
    assert json.loads(detail)["ledger_id"]


async def test_what_an_administrator_disabled_its_owner_cannot_enable(people: People, database: asyncpg.Connection):
    await subscribe(database, "ann")
    key = (await made(people["ann"]))["key"]["id"]
    own, admins = f"/api/v1/keys/{key}", f"/api/v1/admin/keys/{key}"
    await people["ann"].post(f"{own}/disable")
    await people["admin"].post(f"{admins}/disable", json={"reason": "found on a public page"})
    assert (await people["ann"].patch(own, json={"name": "mine"})).json()["state"] == "disabled"
    assert (await people["ann"].post(f"{own}/rotate")).status_code == 200
    assert (await people["ann"].post(f"{own}/enable")).status_code == 403
    assert (await people["admin"].post(f"{admins}/enable")).json()["state"] == "active"


async def test_owners_hear_once_that_a_key_ends(people: People, app: Any, database: asyncpg.Connection):
    await subscribe(database, "ann")
    key = (await made(people["ann"], expires_at=(datetime.now(UTC) + timedelta(days=30)).isoformat()))["key"]["id"]
    for days, told in ((8, 0), (6, 1), (2, 2), (0.5, 3)):
        await database.execute("update virtual_keys set created_at = now() - interval '40 days', expires_at = $1",
                               datetime.now(UTC) + timedelta(days=days))  # fmt: skip
        for _ in range(2):
            async with app.state.plane.work() as work:
                await tell_of_endings(work)
            await database.execute("update virtual_keys set description = 'x' where public_id = $1", key)
        count = await database.fetchval("select count(*) from notices where event = 'key.expires' and user_id = 'ann'")
        assert count == told


async def test_keys_are_shown_with_what_policies_say_of_their_models(people: People, database: asyncpg.Connection):
    await subscribe(database, "ann")
    await made(people["ann"])
    policy = {"name": "not today", "effect": "deny", "models": ["granite"], "users": ["ann"]}
    answer = await people["admin"].post("/api/v1/admin/access-policies", json=policy)
    assert answer.status_code == 201, answer.text
    (key,) = (await people["ann"].get("/api/v1/keys")).json()["data"]
    assert [(model["effective"], model["blocked_by"]) for model in key["models"]] == [(False, "policy_denied")]
    assert (await people["admin"].get("/api/v1/admin/keys")).status_code == 200


async def test_many_keys_are_switched_off_on_and_ended_each_by_itself(people: People, database: asyncpg.Connection):
    await subscribe(database, "ann")
    one, two, ended = [(await made(people["ann"], name=name))["key"]["id"] for name in ("one", "two", "ended")]
    admin = people["admin"]
    assert (await admin.post(f"/api/v1/admin/keys/{ended}/revoke")).json()["state"] == "revoked"

    async def bulk(action: str, *ids: str, **more: Any) -> dict[str, Any]:
        answer = await admin.post("/api/v1/admin/keys/bulk", json={"action": action, "key_ids": [*ids], **more})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def states() -> list[str]:
        return [(await admin.get(f"/api/v1/admin/keys/{key_id}")).json()["state"] for key_id in (one, two, ended)]

    done = await bulk("disable", one, two, ended, "no-such-key", two, reason="End of the course")
    assert (done["successful"], done["failed"]) == (2, 2)
    assert {error["key_id"]: error["code"] for error in done["errors"]} == {
        ended: "INVALID_TRANSITION", "no-such-key": "NOT_FOUND",
    }  # fmt: skip
    assert await states() == ["disabled", "disabled", "revoked"]
    reasons = await database.fetch("select detail from audit where action = 'key.disabled' order by id")
    assert [json.loads(row["detail"])["reason"] for row in reasons] == ["End of the course"] * 2
    assert (await bulk("disable", one))["successful"] == 1
    assert len(await database.fetch("select 1 from audit where action = 'key.disabled'")) == 2, "it was off already"
    assert (await bulk("enable", one))["failed"] == 0
    assert (await bulk("revoke", two, ended))["successful"] == 2
    assert await states() == ["active", "revoked", "revoked"]


async def test_many_keys_are_not_for_people_and_at_most_five_hundred(people: People):
    body = {"action": "revoke", "key_ids": ["key"]}
    for name in ("ann", "overseer"):
        assert (await people[name].post("/api/v1/admin/keys/bulk", json=body)).status_code == 403
    for wrong in ({"key_ids": []}, {"key_ids": ["key"] * 501}, {"action": "delete"}):
        assert (await people["admin"].post("/api/v1/admin/keys/bulk", json=body | wrong)).status_code == 400


async def test_two_changes_of_the_models_of_one_key_do_not_overwrite_one_another(
    people: People, database: asyncpg.Connection
):
    """What a model is called is part of the version of a key; whether it can be called now is not."""
    await subscribe(database, "ann")
    await subscribe(database, "ann", "mistral")
    ann, path = people["ann"], f"/api/v1/keys/{(await made(people['ann']))['key']['id']}"
    read = {"If-Match": (await ann.get(path)).headers["ETag"]}
    await database.execute("update subscriptions set status = 'suspended' where id = 's-ann-granite'")
    assert not (await ann.get(path)).json()["models"][0]["effective"]
    first = await ann.patch(path, json={"models": ["granite", "mistral"]}, headers=read)
    assert first.status_code == 200, first.text
    late = await ann.patch(path, json={"models": ["granite"]}, headers=read)
    assert late.status_code == 412
    assert [model["name"] for model in (await ann.get(path)).json()["models"]] == ["granite", "mistral"]


async def test_an_administrator_ends_and_deletes_a_key_of_somebody_with_a_reason(
    people: People, database: asyncpg.Connection
):
    await subscribe(database, "ann")
    key = (await made(people["ann"]))["key"]
    path = f"/api/v1/admin/keys/{key['id']}"
    assert (await people["overseer"].delete(path)).status_code == 403
    revoked = await people["admin"].post(f"{path}/revoke", json={"reason": "leaked"})
    assert (revoked.json()["state"], revoked.json()["status_reason"]) == ("revoked", "leaked")
    assert (await people["ann"].get(f"/api/v1/keys/{key['id']}")).json()["status_reason"] == "leaked"
    assert (await people["admin"].delete(path, params={"reason": "not needed"})).status_code == 204
    assert (await people["ann"].get(f"/api/v1/keys/{key['id']}")).status_code == 404
    assert await database.fetchval("select detail->>'reason' from audit where action = 'key.deleted'") == "not needed"
