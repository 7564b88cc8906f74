"""Do keys of the portal call only what the access rule lets them, at every instant, and do quotas hold over all workers?"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.patience import in_time

from litemaas.control.app import Settings, create_app
from litemaas.core.keys import hash_key
from litemaas.sim.testing import SimulatedServers

from .harness import ENCRYPTION_KEY, MASTER_KEY, Ledger, Platform, gateway_settings, running, until

OWNER = "ann"


async def governed(ledger: Ledger, **columns: Any) -> str:
    """A key of the portal that is linked to ``granite``; its owner has a subscription of each status that a test makes."""
    values = {
        "governed": True,
        "public_id": secrets.token_hex(8),
        "models": ["granite"],
        "user_id": OWNER,
        "name": "laptop",
    }
    return await ledger.add_key(**(values | columns))


async def holder(ledger: Ledger, **columns: Any) -> str:
    user = f"u-{secrets.token_hex(4)}"
    await ledger._insert("users", {"id": user, "username": user, "created_by": "t", "updated_by": "t", **columns})
    return user


async def subscribe(ledger: Ledger, user: str, **columns: Any) -> str:
    identity = secrets.token_hex(8)
    values = {
        "id": identity, "user_id": user, "model_name": "granite", "status": "active", "status_changed_by": "t",
        "created_by": "t", "updated_by": "t", **columns,
    }  # fmt: skip
    await ledger._insert("subscriptions", values)
    return identity


async def set_status(platform: Platform, user: str, status: str) -> None:
    await platform.ledger.connection.execute("update subscriptions set status = $2 where user_id = $1", user, status)
    await platform.ledger.announce("budget", [f"user:{user}"])
    await platform.catch_up()


def code_of(reply: httpx2.Response) -> str:
    return str(reply.json()["error"]["refusal"]["code"])


async def test_every_status_but_active_stops_the_model_at_once_and_active_brings_it_back(platform: Platform):
    user = await holder(platform.ledger)
    key = await governed(platform.ledger, user_id=user)
    missing = await platform.chat(key)
    assert (missing.status_code, code_of(missing)) == (401, "subscription_missing")
    await subscribe(platform.ledger, user)
    words = {"pending": "pending", "denied": "denied", "suspended": "suspended", "expired": "expired",
             "cancelled": "ended", "inactive": "ended"}  # fmt: skip
    for status, word in words.items():
        await set_status(platform, user, "active")
        assert (await platform.chat(key)).status_code == 200
        await set_status(platform, user, status)
        refused = await platform.chat(key)
        assert code_of(refused) == f"subscription_{word}"
        assert refused.json()["error"]["refusal"]["action"]


async def test_an_empty_list_grants_nothing_and_other_models_are_not_on_the_key(platform: Platform):
    user = await holder(platform.ledger)
    await subscribe(platform.ledger, user)
    empty = await governed(platform.ledger, user_id=user, models=[])
    assert code_of(await platform.chat(empty)) == "model_not_on_key"
    key = await governed(platform.ledger, user_id=user)
    assert code_of(await platform.chat(key, model="free")) == "model_not_on_key"
    by_alias = await governed(platform.ledger, user_id=user, aliases='{"granite": "free"}')
    assert code_of(await platform.chat(by_alias)) == "model_not_on_key"
    listed = await platform.http.get("/v1/models", headers={"Authorization": f"Bearer {key}"})
    assert [model["id"] for model in listed.json()["data"]] == ["granite"]


async def test_a_subscription_ends_at_its_instant_without_any_news(platform: Platform):
    async def call_before(end: datetime) -> tuple[str, httpx2.Response]:
        user = await holder(platform.ledger)
        await subscribe(platform.ledger, user, expires_at=end)
        key = await governed(platform.ledger, user_id=user)
        return key, await platform.chat(key)

    key, reply = await in_time(call_before)
    assert reply.status_code == 200

    async def ended() -> bool:
        reply = await platform.chat(key)
        return reply.status_code != 200 and code_of(reply) == "subscription_expired"

    await until(ended)


async def test_a_policy_a_disabled_account_and_a_retired_model_stop_it(platform: Platform):
    database = platform.ledger.connection
    user = await holder(platform.ledger, groups=["staff"])
    await subscribe(platform.ledger, user)
    key = await governed(platform.ledger, user_id=user)
    assert (await platform.chat(key)).status_code == 200
    await platform.ledger._insert("access_policies", {
        "id": "p", "name": "none", "effect": "deny", "models": ["granite"], "groups": ["staff"], "created_by": "t",
        "updated_by": "t",
    })  # fmt: skip
    await platform.ledger.announce("catalog", ["granite"])
    await platform.catch_up()
    assert code_of(await platform.chat(key)) == "policy_denied"
    await database.execute("delete from access_policies")
    await database.execute("update models set status = 'retired' where name = 'granite'")
    await platform.ledger.announce("catalog", ["granite"])
    await platform.catch_up()
    assert code_of(await platform.chat(key)) == "model_retired"
    await database.execute("update models set status = 'available' where name = 'granite'")
    await database.execute("update users set is_active = false where id = $1", user)
    await platform.ledger.announce("catalog", ["granite"])
    await platform.ledger.announce("budget", [f"user:{user}"])
    await platform.catch_up()
    assert code_of(await platform.chat(key)) == "account_disabled"


async def test_permissions_are_kinds_of_endpoints(platform: Platform):
    user = await holder(platform.ledger)
    await subscribe(platform.ledger, user)
    tagged = await governed(platform.ledger, user_id=user, permissions=["chat"], tags=["ci"])
    assert (await platform.chat(tagged, metadata={"tags": ["own"]})).status_code == 200
    assert (await platform.record(tagged))["tags"] == ["own", "ci"]
    key = await governed(platform.ledger, user_id=user, permissions=["embeddings"], tags=["ci"])
    refused = await platform.chat(key)
    assert (refused.status_code, code_of(refused)) == (403, "endpoint_not_permitted")


async def test_two_secrets_are_one_key_and_the_old_one_ends_with_its_grace(platform: Platform):
    user = await holder(platform.ledger)
    await subscribe(platform.ledger, user)

    async def rotate(grace_ends: datetime) -> tuple[str, str, list[int]]:
        old = await governed(platform.ledger, user_id=user, max_budget_nano=10**12)
        new = f"sk-{secrets.token_urlsafe(24)}"
        assert (await platform.chat(old)).status_code == 200
        await platform.ledger.connection.execute(
            "update virtual_keys set secret_hash = $2, old_secret_hash = $1, old_secret_until = $3 where key_hash = $1",
            hash_key(old), hash_key(new), grace_ends,
        )  # fmt: skip
        await platform.ledger.announce("key", [hash_key(old), hash_key(new)])
        await platform.catch_up()
        return old, new, [(await platform.chat(secret)).status_code for secret in (old, new)]

    old, new, statuses = await in_time(rotate)
    assert statuses == [200, 200]

    async def gone() -> bool:
        return (await platform.chat(old)).status_code == 401

    await until(gone)
    assert (await platform.chat(new)).status_code == 200
    await platform.gateway.accountant.empty()
    served = [row for row in await platform.ledger.records(old) if row["status"] == "success"]
    assert len(served) >= 4
    assert await platform.ledger.settled(old) == sum(row["cost_nano"] for row in served)


async def test_a_refusal_reads_the_same_in_the_answer_and_in_the_record(platform: Platform):
    user = await holder(platform.ledger)
    for columns, code in (
        ({"blocked": True}, "key_disabled"),
        ({"revoked_at": datetime.now(UTC)}, "key_revoked"),
        ({}, None),
    ):
        key = await governed(platform.ledger, user_id=user, **columns)
        told = (await platform.chat(key)).json()["error"]["refusal"]
        assert told["code"] == code or code is None
        record = await platform.record(key)
        assert record["status"] == "refused"
        assert json.loads(record["metadata"])["litemaas_refusal"] == told
        assert told["request_id"] == record["request_id"]
        assert key not in json.dumps(told)


@pytest.mark.parametrize("unit", ["requests", "tokens"])
async def test_a_quota_holds_over_two_gateways_for_all_keys_of_the_holder(
    module_database: str, module_sim: SimulatedServers, platform: Platform, tmp_path: Path, unit: str
):
    async with running(gateway_settings(module_database, tmp_path, worker_id="another"), module_sim) as other:
        user = await holder(platform.ledger)
        limit = 20 if unit == "requests" else 600
        subscription = await subscribe(platform.ledger, user, **{f"quota_{unit}": limit})
        keys = [await governed(platform.ledger, user_id=user) for _ in range(2)]
        members = {"max_tokens": 9}
        replies = await asyncio.gather(
            *(one.chat(key, **members) for one in (platform, other) for key in keys for _ in range(20))
        )
        codes = Counter(reply.status_code for reply in replies)
        assert set(codes) <= {200, 429}
        refused = next(reply for reply in replies if reply.status_code == 429)
        told = refused.json()["error"]["refusal"]
        assert (told["code"], told["level"], told["limit"], told["unit"]) == (
            "quota_exceeded",
            "subscription",
            limit,
            unit,
        )
        assert told["frees_at"].endswith("-01T00:00:00Z")
        await platform.gateway.accountant.empty()
        await other.gateway.accountant.empty()
        used = {
            "requests": codes[200],
            "tokens": sum(r.json()["usage"]["total_tokens"] for r in replies if r.is_success),
        }
        for counted, number in used.items():
            settled = await platform.ledger.connection.fetchval(
                "select settled_nano from budget_windows where scope = $1", f"quota:{subscription}/{counted}"
            )
            assert settled == number
        assert used[unit] <= limit
        assert used[unit] == limit or unit == "tokens"


async def test_a_key_from_the_control_plane_works_rotates_and_tells_what_was_refused(
    module_database: str, platform: Platform
):
    user = await holder(platform.ledger)
    app = create_app(Settings(database_url=module_database, master_key=MASTER_KEY, encryption_key=ENCRYPTION_KEY))
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app), base_url="http://control",
            headers={"Authorization": f"Bearer {MASTER_KEY}"},
        ) as control,
    ):  # fmt: skip
        wish = {
            "name": "laptop",
            "models": ["granite"],
            "grant_missing": True,
            "max_budget_nano": 10**9,
            "permissions": ["chat"],
        }
        made = (await control.post(f"/api/v1/admin/users/{user}/keys", json=wish)).json()
        path, old = f"/api/v1/admin/keys/{made['key']['id']}", made["secret"]
        await platform.catch_up()
        assert (await platform.chat(old, max_tokens=9)).status_code == 200
        new = (await control.post(f"{path}/rotate")).json()["secret"]
        await platform.catch_up()
        assert [(await platform.chat(secret, max_tokens=9)).status_code for secret in (old, new)] == [200, 200]
        await control.post(f"{path}/end-grace")
        await platform.catch_up()
        assert [(await platform.chat(secret, max_tokens=9)).status_code for secret in (old, new)] == [401, 200]
        await control.patch(path, json={"max_budget_nano": 0})
        await platform.catch_up()
        told = (await platform.chat(new)).json()["error"]["refusal"]
        assert (told["code"], told["limit"], told["unit"]) == ("budget_exceeded", 0, "nano")
        await platform.gateway.accountant.empty()
        (block,) = (await control.get(f"{path}/blocks")).json()["data"]
        assert block == told
        info = await control.get("/api/v1/key-info", headers={"Authorization": f"Bearer {new}"})
        assert info.json()["last_block"]["request_id"] == told["request_id"]
        assert info.json()["key"]["spent_nano"] == await platform.ledger.settled(old) > 0
        await control.post(f"{path}/revoke")
        await platform.catch_up()
        assert code_of(await platform.chat(new)) == "key_revoked"
