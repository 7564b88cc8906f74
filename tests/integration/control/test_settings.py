"""Do settings hold what administrators put, within their bounds, and is each change audited?"""

from __future__ import annotations

import json
from typing import Any

import asyncpg
import httpx2
import pytest


async def test_groups_have_defaults_until_they_are_put(people: dict[str, httpx2.AsyncClient]):
    shown = (await people["overseer"].get("/api/v1/admin/settings")).json()
    assert shown["users"]["max_budget_nano"] == 100 * 10**9
    assert shown["api_keys"]["maximums"]["rpm_limit"] is None
    assert shown["counts"] == {"keys_per_user": 10, "keys_per_team": 100}


async def test_a_change_holds_and_is_audited_with_old_and_new(
    people: dict[str, httpx2.AsyncClient], database: asyncpg.Connection
):
    path = "/api/v1/admin/settings/counts"
    put = await people["admin"].put(path, json={"keys_per_user": 3, "keys_per_team": 100})
    assert put.status_code == 200, put.text
    assert (await people["admin"].get(path)).json() == {"keys_per_user": 3, "keys_per_team": 100}
    same = await people["admin"].put(path, json={"keys_per_user": 3, "keys_per_team": 100})
    assert same.status_code == 200
    (row,) = await database.fetch("select * from audit where action = 'settings.updated'")
    assert json.loads(row["detail"]) == {"old": {"keys_per_user": 10}, "new": {"keys_per_user": 3}}
    assert (await people["ann"].get("/api/v1/config/keys")).json()["keys_per_user"] == 3


@pytest.mark.parametrize(
    ("group", "body", "field"),
    [
        ("counts", {"keys_per_user": -1}, "keys_per_user"),
        ("counts", {"unknown": 1}, "unknown"),
        ("users", {"budget_duration": "soon"}, "budget_duration"),
        ("currency", {"code": "XXX", "symbol": "?", "name": "none"}, ""),
        ("api-keys", {"defaults": {"rpm_limit": 9}, "maximums": {"rpm_limit": 5}}, ""),
        ("subscriptions", {"quota_requests": 9, "max_quota_requests": 5}, ""),
    ],
)
async def test_what_does_not_fit_is_refused(
    people: dict[str, httpx2.AsyncClient], group: str, body: object, field: str
):
    answer = await people["admin"].put(f"/api/v1/admin/settings/{group}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")
    assert answer.json()["errors"][0]["field"] == field


async def test_a_change_of_what_was_changed_meanwhile_is_refused(people: dict[str, httpx2.AsyncClient]):
    path = "/api/v1/admin/settings/retention"
    read = await people["admin"].get(path)
    first = await people["admin"].put(path, json={"audit_days": 100}, headers={"If-Match": read.headers["ETag"]})
    assert first.status_code == 200
    second = await people["admin"].put(path, json={"audit_days": 200}, headers={"If-Match": read.headers["ETag"]})
    assert (second.status_code, second.json()["code"]) == (412, "PRECONDITION_FAILED")
    third = await people["admin"].put(path, json={"audit_days": 200}, headers={"If-Match": first.headers["ETag"]})
    assert third.status_code == 200


async def test_an_unknown_group_is_refused(people: dict[str, httpx2.AsyncClient]):
    assert (await people["admin"].get("/api/v1/admin/settings/nothing")).status_code in (400, 404)


COMPANY = {
    "guardrail_name": "company",
    "litellm_params": {
        "guardrail": "litellm_content_filter", "mode": "pre_call",
        "patterns": [{"pattern_type": "regex", "name": "employee_number", "pattern": r"\bEMP-\d{6}\b", "action": "BLOCK"}],
    },
}  # fmt: skip
GUARDRAILS = "/api/v1/admin/settings/guardrails"


async def test_guardrails_of_ones_own_are_listed_named_and_stay_while_they_are_named(
    people: dict[str, httpx2.AsyncClient], client: httpx2.AsyncClient, database: asyncpg.Connection
):
    unknown = await client.post("/litellm/key/generate", json={"guardrails": ["company"]})
    assert (unknown.status_code, unknown.json()["error"]["param"]) == (400, "guardrails")
    before = await database.fetchval("select coalesce(max(seq), 0) from changes")
    put = await people["admin"].put(GUARDRAILS, json={"guardrails": [COMPANY]})
    assert (put.status_code, put.json()) == (200, {"guardrails": [COMPANY]}), put.text
    told = await database.fetch("select kind, refs from changes where seq > $1", before)
    assert [(row["kind"], row["refs"]) for row in told] == [("catalog", ["guardrails"])]
    (listed, builtin, *_) = (await client.get("/litellm/guardrails/list")).json()["guardrails"]
    assert listed == {**COMPANY, "guardrail_id": None, "guardrail_info": None}
    assert builtin["guardrail_name"] == "pii"
    key = (await client.post("/litellm/key/generate", json={"guardrails": ["company", "pii"]})).json()["key"]
    kept = await people["admin"].put(GUARDRAILS, json={"guardrails": []})
    assert (kept.status_code, kept.json()["code"]) == (409, "CONFLICT")
    assert "company (key sk-" in kept.json()["detail"]
    changed = await client.post("/litellm/key/update", json={"key": key, "guardrails": []})
    assert changed.status_code == 200, changed.text
    assert (await people["admin"].put(GUARDRAILS, json={"guardrails": []})).status_code == 200


async def test_a_guardrail_that_cannot_be_held_is_refused_with_its_reason(people: dict[str, httpx2.AsyncClient]):
    wrong = {**COMPANY, "litellm_params": {"patterns": [{"name": "x", "pattern": "ba+"}]}}
    answer = await people["admin"].put(GUARDRAILS, json={"guardrails": [wrong]})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "guardrails")
    assert "'company': patterns[0].pattern repeats something without a bound" in answer.text
    assert (await people["overseer"].put(GUARDRAILS, json={"guardrails": []})).status_code == 403


async def test_a_guardrail_is_tried_before_it_holds(
    people: dict[str, httpx2.AsyncClient], database: asyncpg.Connection
):
    known = (await people["overseer"].get("/api/v1/admin/guardrails/known")).json()
    assert "email" in known["groups"]["pii"]
    assert set(known["groups"]["pii"]) <= set(known["patterns"])
    params = {
        "mode": ["pre_call", "post_call"],
        "patterns": [{"pattern_type": "prebuilt", "pattern_name": "email", "action": "MASK"}],
        "blocked_words": [{"keyword": "falcon", "action": "BLOCK"}],
    }
    wanted = {"guardrail_name": "trial", "litellm_params": params}
    text = "Falcon is led by ann@example.org."
    tried = await people["overseer"].post("/api/v1/admin/guardrails/try", json={"guardrail": wanted, "text": text})
    assert tried.status_code == 200, tried.text
    assert tried.json()["refused"] == ["keyword"]
    assert "ann@example.org" not in tried.json()["masked"]
    assert set(tried.json()["kinds"]) == {"keyword", "email"}
    wrong = wanted | {"litellm_params": params | {"mode": "never"}}
    refused = await people["admin"].post("/api/v1/admin/guardrails/try", json={"guardrail": wrong, "text": text})
    assert (refused.status_code, refused.json()["code"]) == (400, "VALIDATION_ERROR")
    assert "pre_call" in refused.json()["detail"]
    assert (await people["ann"].get("/api/v1/admin/guardrails/known")).status_code == 403
    assert await database.fetchval("select count(*) from audit where detail::text like '%Falcon%'") == 0


ASKING = {
    "guardrail_name": "asking",
    "litellm_params": {
        "guardrail": "generic_guardrail_api", "mode": "pre_call", "api_base": "http://guard.internal:8080",
        "api_key": "guard-credential-1", "headers": {"X-Team": "guard-credential-2"},
    },
}  # fmt: skip


def asking(**params: Any) -> dict[str, Any]:
    return {"guardrails": [{**ASKING, "litellm_params": {**ASKING["litellm_params"], **params}}]}


async def test_credentials_of_a_guardrails_service_are_sealed_and_shown_to_nobody(
    people: dict[str, httpx2.AsyncClient], client: httpx2.AsyncClient, database: asyncpg.Connection
):
    admin = people["admin"]
    put = await admin.put(GUARDRAILS, json=asking())
    assert put.status_code == 200, put.text
    shown = asking(api_key="****", headers={"X-Team": "****"})
    assert put.json() == (await admin.get(GUARDRAILS)).json() == shown
    assert (await admin.get("/api/v1/admin/settings")).json()["guardrails"] == shown
    stored = await database.fetchval("select value::text from settings where name = 'guardrails'")
    audited = await database.fetchval("select string_agg(detail::text, '') from audit")
    assert "guard-credential" not in stored + audited
    assert "sealed:" not in audited
    (listed, *_) = (await client.get("/litellm/guardrails/list")).json()["guardrails"]
    assert listed["litellm_params"] == {"guardrail": "generic_guardrail_api", "mode": "pre_call"}

    again = await admin.put(GUARDRAILS, json=asking(api_key="****", headers={"X-Team": "****"}, mode="post_call"))
    assert again.status_code == 200, again.text
    same = await database.fetchval("select value::text from settings where name = 'guardrails'")
    assert same == stored.replace("pre_call", "post_call")
    assert (await admin.put(GUARDRAILS, json=asking(mode="post_call"))).status_code == 200
    assert await database.fetchval("select value::text from settings where name = 'guardrails'") == same
    assert (await admin.put(GUARDRAILS, json={"guardrails": []})).status_code == 200


@pytest.mark.parametrize(("params", "says"), [
    ({"api_base": "http://elsewhere", "api_key": "****"}, "has changed; give api_key anew"),
    ({"headers": {"X-Other": "****"}}, "has no headers.X-Other yet"),
    ({"api_key": "sealed:AAAA"}, "cannot begin with sealed:"),
    ({"api_base": "http://169.254.169.254"}, "link-local"),
])  # fmt: skip
async def test_a_kept_credential_follows_no_other_address(
    people: dict[str, httpx2.AsyncClient], params: dict[str, Any], says: str
):
    admin = people["admin"]
    assert (await admin.put(GUARDRAILS, json=asking())).status_code == 200
    refused = await admin.put(GUARDRAILS, json=asking(**params))
    assert (refused.status_code, says in refused.text) == (400, True), refused.text
    assert (await admin.put(GUARDRAILS, json={"guardrails": []})).status_code == 200


async def test_a_guardrail_that_asks_a_service_is_not_tried_here(people: dict[str, httpx2.AsyncClient]):
    [entry] = asking()["guardrails"]
    tried = await people["admin"].post("/api/v1/admin/guardrails/try", json={"guardrail": entry, "text": "hello"})
    assert (tried.status_code, "asks a service" in tried.text) == (400, True)
