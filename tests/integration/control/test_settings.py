"""Do settings hold what administrators put, within their bounds, and is each change audited?"""

from __future__ import annotations

import json

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
