"""Do teams belong to their people: who decides, who sees, and what happens to keys when somebody leaves?"""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import httpx2
import pytest

from litemaas.control.http.work import Plane
from litemaas.control.teams import membership

People = dict[str, httpx2.AsyncClient]
TEAMS = "/api/v1/teams"


@pytest.fixture
async def team(people: People) -> str:
    """Ann administers it, Bob is a member, the reader looks on."""
    made = await people["admin"].post(TEAMS, json={"name": "Research", "admin_ids": ["ann"]})
    assert made.status_code == 201, made.text
    team_id = made.json()["id"]
    for who, role in (("bob", "member"), ("reader", "viewer")):
        added = await people["ann"].post(f"{TEAMS}/{team_id}/members", json={"username": who, "role": role})
        assert added.status_code == 201, added.text
    return team_id


async def add_key(database: asyncpg.Connection, key_hash: str, team_id: str, user_id: str) -> None:
    await database.execute(
        "insert into virtual_keys (key_hash, key_name, team_id, user_id, created_by, updated_by) "
        "values ($1, 'sk-...', $2, $3, 't', 't')", key_hash, team_id, user_id,
    )  # fmt: skip


async def test_a_team_has_its_fields_and_defaults(people: People, team: str):
    admin = people["admin"]
    shown = (await admin.get(f"{TEAMS}/{team}")).json()
    assert (shown["max_budget_nano"], shown["budget_duration"], shown["tpm_limit"], shown["rpm_limit"]) == (
        10_000 * 10**9, "monthly", 50_000, 1_000,
    )  # fmt: skip
    assert (shown["allowed_models"], shown["members"], shown["role"]) == (None, 3, None)
    patch = {"allowed_models": [], "metadata": {"a": [1, "x,{\"y\"}\n"]}, "max_parallel_requests": 0, "alias": "R&D",
             "rpm_limit": None, "group_binding": "g,1", "cost_centre": "4711"}  # fmt: skip
    changed = await admin.patch(f"{TEAMS}/{team}", json=patch)
    assert {name: changed.json()[name] for name in patch} == patch
    assert changed.json()["tpm_limit"] == 50_000
    stale = await admin.patch(f"{TEAMS}/{team}", json={"alias": "x"}, headers={"If-Match": '"old"'})
    assert stale.status_code == 412
    taken = await admin.post(TEAMS, json={"name": "RESEARCH", "admin_ids": ["ann"]})
    assert (taken.status_code, taken.json()["code"]) == (409, "ALREADY_EXISTS")
    for wrong in ({"name": "x", "admin_ids": ["nobody"]}, {"name": ""}, {"name": "x", "color": 1}):
        assert (await admin.post(TEAMS, json=wrong)).status_code == 400, wrong
    assert (await admin.patch(f"{TEAMS}/{team}", json={"name": None})).status_code == 400
    own = await admin.post(TEAMS, json={"name": "Mine"})
    assert own.json()["role"] == "admin"


async def test_others_see_no_team_and_members_only_theirs(people: People, team: str):
    assert (await people["ann"].get(f"{TEAMS}/{team}")).json()["role"] == "admin"
    assert (await people["reader"].get(f"{TEAMS}/{team}/budget")).status_code == 200
    assert [row["id"] for row in (await people["bob"].get(TEAMS)).json()["data"]] == [team]
    await people["ann"].delete(f"{TEAMS}/{team}/members/bob")
    for path in ("", "/members", "/budget"):
        assert (await people["bob"].get(f"{TEAMS}/{team}{path}")).status_code == 404
    assert (await people["bob"].patch(f"{TEAMS}/{team}", json={"description": "x"})).status_code == 404
    assert (await people["bob"].get(TEAMS)).json()["pagination"]["total"] == 0
    assert (await people["overseer"].get(TEAMS)).json()["pagination"]["total"] == 1
    assert (await people["admin"].get(f"{TEAMS}?mine=true")).json()["pagination"]["total"] == 0


async def test_who_decides_on_what(people: People, team: str):
    ann, bob = people["ann"], people["bob"]
    assert (
        await ann.patch(f"{TEAMS}/{team}", json={"description": "d", "member_default_budget_nano": 5})
    ).status_code == 200
    for beyond in ({"max_budget_nano": None}, {"rpm_limit": 1}, {"allowed_models": None}, {"is_active": False}):
        assert (await ann.patch(f"{TEAMS}/{team}", json=beyond)).status_code == 403, beyond
    assert (await ann.post(TEAMS, json={"name": "x"})).status_code == 403
    assert (await ann.delete(f"{TEAMS}/{team}")).status_code == 403
    assert (await ann.post(f"{TEAMS}/{team}/reset-spend", json={"reason": "r"})).status_code == 403
    for who in ("bob", "reader", "overseer"):
        client = people[who]
        assert (await client.patch(f"{TEAMS}/{team}", json={"description": "x"})).status_code == 403, who
        assert (await client.post(f"{TEAMS}/{team}/members", json={"user_id": "admin"})).status_code == 403, who
        assert (await client.delete(f"{TEAMS}/{team}/members/bob")).status_code == 403, who
    assert (await bob.patch(f"{TEAMS}/{team}/members/bob", json={"role": "admin"})).status_code == 403


async def test_a_team_keeps_an_administrator(people: People, team: str):
    ann = people["ann"]
    assert (await ann.delete(f"{TEAMS}/{team}/members/ann")).status_code == 409
    assert (await ann.patch(f"{TEAMS}/{team}/members/ann", json={"role": "member"})).status_code == 409
    assert (await ann.patch(f"{TEAMS}/{team}/members/bob", json={"role": "admin"})).status_code == 200
    answers = await asyncio.gather(
        *(people["admin"].patch(f"{TEAMS}/{team}/members/{who}", json={"role": "viewer"}) for who in ("ann", "bob"))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_a_leaving_members_team_keys_stop_at_once(people: People, team: str, database: asyncpg.Connection):
    await add_key(database, "of-team", team, "bob")
    await database.execute(
        "insert into virtual_keys (key_hash, key_name, user_id, created_by, updated_by) values ('own', 'k', 'bob', 't', 't')"
    )
    assert (await people["ann"].delete(f"{TEAMS}/{team}/members/bob")).status_code == 204
    rows = {
        row["key_hash"]: row["blocked"] for row in await database.fetch("select key_hash, blocked from virtual_keys")
    }
    assert rows == {"of-team": True, "own": False}
    assert await database.fetchval("select count(*) from changes where kind = 'key' and refs = '{of-team}'") == 1


async def test_caps_and_spend_of_members(people: People, team: str, database: asyncpg.Connection):
    ann = people["ann"]
    await ann.patch(f"{TEAMS}/{team}", json={"member_default_budget_nano": 7})
    await ann.patch(f"{TEAMS}/{team}/members/bob", json={"max_budget_nano": 3})
    await database.execute(
        "insert into budget_windows (scope, window_start, settled_nano) "
        "values ($1, date_trunc('month', now() at time zone 'UTC') at time zone 'UTC', 2)", f"member:{team}/bob",
    )  # fmt: skip
    members = {row["user_id"]: row for row in (await ann.get(f"{TEAMS}/{team}/members")).json()["data"]}
    assert {who: (row["cap_nano"], row["spent_nano"]) for who, row in members.items()} == {
        "ann": (7, 0), "bob": (3, 2), "reader": (7, 0),
    }  # fmt: skip
    own = (await people["bob"].get(f"{TEAMS}/{team}/budget")).json()
    assert (own["own_max_budget_nano"], own["own_spent_nano"], own["remaining_nano"]) == (3, 2, 10_000 * 10**9)
    await database.execute("update budget_windows set scope = $1", f"team:{team}")
    reset = await people["admin"].post(f"{TEAMS}/{team}/reset-spend", json={"reason": "r"})
    assert reset.json() == {"cleared_nano": 2}


async def test_an_archived_team_revokes_its_keys_and_keeps_its_name_in_usage(people: People, team: str,
                                                                             database: asyncpg.Connection):  # fmt: skip
    await add_key(database, "k1", team, "bob")
    assert (await people["admin"].delete(f"{TEAMS}/{team}")).status_code == 204
    assert await database.fetchval("select revoked_at is not null and blocked from virtual_keys")
    assert (await people["admin"].get(f"{TEAMS}/{team}")).json()["is_active"] is False
    assert (await people["ann"].patch(f"{TEAMS}/{team}", json={"description": "x"})).status_code == 409
    assert (await people["admin"].get(TEAMS)).json()["pagination"]["total"] == 0
    assert (await people["admin"].get(f"{TEAMS}?archived=true")).json()["pagination"]["total"] == 1
    assert (await people["admin"].post(TEAMS, json={"name": "Research", "admin_ids": ["ann"]})).status_code == 201


async def test_a_bound_group_makes_and_ends_memberships(
    app: Any, people: People, team: str, database: asyncpg.Connection
):
    plane: Plane = app.state.plane
    await people["admin"].patch(f"{TEAMS}/{team}", json={"group_binding": "physics"})

    async def sign_in(user_id: str, *groups: str) -> str | None:
        async with plane.work() as work:
            await membership.follow_groups(work, user_id, groups)
        return await database.fetchval("select role from team_members where user_id = $1", user_id)

    assert await sign_in("overseer", "physics", "other") == "member"
    assert await sign_in("bob", "other") == "member"  # taken in by hand: stays
    await add_key(database, "k", team, "overseer")
    assert await sign_in("overseer") is None
    assert await database.fetchval("select blocked from virtual_keys")
    assert await sign_in("overseer", "physics") == "member"
    await people["admin"].patch(f"{TEAMS}/{team}/members/overseer", json={"role": "admin"})
    await people["ann"].delete(f"{TEAMS}/{team}/members/ann")
    assert await sign_in("overseer") == "admin"  # the last one


async def test_who_joins_is_told(people: People, team: str):
    notes = (await people["bob"].get("/api/v1/notifications")).json()["data"]
    assert [(note["event"], note["facts"]["team"]) for note in notes] == [("team.joined", "Research")]
    assert [note["message"] for note in notes] == ["ann added you to the team Research as member."]
