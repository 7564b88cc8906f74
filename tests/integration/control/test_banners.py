"""Do banners reach those whom they are meant for, and nobody else, until they are dismissed?"""

from __future__ import annotations

from typing import Any

import asyncpg
import httpx2
import pytest

People = dict[str, httpx2.AsyncClient]


async def make(people: People, name: str, **members: Any) -> str:
    body = {"name": name, "content": {"en": name}, "is_active": True} | members
    made = await people["admin"].post("/api/v1/admin/banners", json=body)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def seen(client: httpx2.AsyncClient) -> list[str]:
    answer = await client.get("/api/v1/banners")
    assert answer.status_code == 200, answer.text
    return [banner["content"]["en"] for banner in answer.json()["data"]]


async def test_each_visitor_sees_what_is_meant_for_them_the_most_important_first(
    people: People, anonymous: httpx2.AsyncClient, database: asyncpg.Connection
):
    await database.execute("update users set groups = '{staff}' where id = 'bob'")
    await make(people, "all")
    await make(people, "all too", priority=5, target_roles=[], target_users=[])
    await make(people, "ann", priority=9, target_users=["ann"])
    await make(people, "staff", priority=8, target_groups=["staff"])
    await make(people, "admins", priority=7, target_roles=["admin", "adminReadonly"])
    await make(people, "hidden", is_active=False)
    await make(people, "past", ends_at="2020-01-01T00:00:00Z")
    await make(people, "to come", starts_at="2999-01-01T00:00:00Z")
    assert await seen(anonymous) == ["all too", "all"]
    assert await seen(people["ann"]) == ["ann", "all too", "all"]
    assert await seen(people["bob"]) == ["staff", "all too", "all"]
    assert await seen(people["overseer"]) == ["admins", "all too", "all"]


async def test_a_dismissed_banner_comes_back_after_its_time_or_on_request(people: People, database: asyncpg.Connection):
    brief = await make(people, "brief", dismiss_duration_hours=2)
    for_good = await make(people, "for good")
    firm = await make(people, "firm", dismissible=False)
    for banner in (brief, for_good):
        assert (await people["ann"].post(f"/api/v1/banners/{banner}/dismiss")).status_code == 204
    assert (await people["ann"].post(f"/api/v1/banners/{firm}/dismiss")).status_code == 409
    assert (await people["ann"].post("/api/v1/banners/unknown/dismiss")).status_code == 404
    assert await seen(people["ann"]) == ["firm"]
    assert len(await seen(people["bob"])) == 3
    await database.execute("update dismissals set at = at - interval '3 hours'")
    assert set(await seen(people["ann"])) == {"firm", "brief"}
    changed = await people["admin"].patch(f"/api/v1/admin/banners/{for_good}", json={"reset_dismissals": True})
    assert changed.status_code == 200
    assert len(await seen(people["ann"])) == 3


async def test_a_change_names_only_what_it_changes(people: People, database: asyncpg.Connection):
    banner = await make(people, "one", priority=4, target_users=["ann"], link_url="https://example.org/x")
    path = f"/api/v1/admin/banners/{banner}"
    before = (await people["overseer"].get(path)).json()
    after = (await people["admin"].patch(path, json={"variant": "danger", "target_users": None})).json()
    assert after["variant"] == "danger"
    assert after["target_users"] is None
    assert (after["priority"], after["link_url"]) == (before["priority"], before["link_url"])
    hidden = await people["admin"].post("/api/v1/admin/banners/visibility", json={"banners": {banner: False}})
    assert hidden.status_code == 200
    assert await seen(people["ann"]) == []
    assert (await people["admin"].delete(path)).status_code == 204
    actions = await database.fetch("select action from audit where object_kind = 'banner' order by id")
    assert [row["action"] for row in actions] == [
        "banner.created", "banner.updated", "banner.visibility", "banner.deleted",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "members",
    [
        {"content": {"de": "nur deutsch"}},
        {"content": {"en": "x" * 501}},
        {"link_url": "javascript:alert(1)"},
        {"priority": 101},
        {"starts_at": "2030-01-02T00:00:00Z", "ends_at": "2030-01-01T00:00:00Z"},
        {"target_roles": ["king"]},
    ],
)
async def test_what_does_not_fit_is_refused(people: People, members: dict[str, Any]):
    body = {"name": "x", "content": {"en": "x"}} | members
    answer = await people["admin"].post("/api/v1/admin/banners", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR"), answer.text
