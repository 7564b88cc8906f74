"""Do LiteLLM's user and team calls answer as the gateway-api contract 3.3 and 3.4 says?"""

from __future__ import annotations

from typing import Any

import asyncpg
import httpx2
import pytest

USER_MEMBERS = {
    "user_id", "user_alias", "teams", "user_role", "max_budget", "spend", "user_email", "models", "metadata", "tpm_limit",
    "rpm_limit", "budget_duration", "budget_reset_at", "allowed_cache_controls", "policies", "model_spend",
    "model_max_budget", "created_at", "updated_at", "organization_memberships", "team_id", "sso_user_id",
    "organization_id", "object_permission_id", "password", "max_parallel_requests", "litellm_organization_table",
    "invitations_created", "invitations_updated", "invitations_user", "object_permission",
}  # fmt: skip
TEAM_MEMBERS = {
    "team_alias", "team_id", "admins", "members", "members_with_roles", "team_member_permissions", "metadata",
    "tpm_limit", "rpm_limit", "max_budget", "models", "blocked", "router_settings", "access_group_ids", "spend",
    "updated_at", "created_at", "organization_id", "soft_budget", "budget_duration", "max_parallel_requests",
    "budget_reset_at", "model_id", "litellm_model_table", "object_permission", "object_permission_id",
}  # fmt: skip
ANN = {
    "user_id": "u1", "user_alias": "ann", "user_email": "a@b.c", "user_role": "internal_user", "max_budget": "100",
    "budget_duration": "30d", "tpm_limit": 100000, "rpm_limit": "120", "metadata": {"origin": "portal"},
}  # fmt: skip


async def post(client: httpx2.AsyncClient, path: str, status: int = 200, /, **body: Any) -> Any:
    answer = await client.post(f"/litellm{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def get(client: httpx2.AsyncClient, path: str, status: int = 200, /, **query: Any) -> Any:
    answer = await client.get(f"/litellm{path}", params=query)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_a_user_is_made_with_limits_and_a_key_and_read_with_every_member(client: httpx2.AsyncClient):
    made = await post(client, "/user/new", **ANN, models=["granite"])
    assert made["key"].startswith("sk-")
    assert (made["token"], made["token_id"], made["created_by"]) == (None, None, None)
    assert (made["user_email"], made["user_role"], made["max_budget"]) == ("a@b.c", "internal_user", 100.0)
    told = await get(client, "/user/info", user_id="u1")
    assert set(told["user_info"]) == USER_MEMBERS
    assert told["user_info"]["tpm_limit"] == 100000
    assert told["user_info"]["budget_reset_at"].endswith("Z")
    assert told["user_info"]["metadata"] == {"origin": "portal"}
    [key] = told["keys"]
    assert (key["models"], key["user_id"], key["max_budget"]) == (["granite"], "u1", None)
    assert key["key_name"] == f"sk-...{made['key'][-4:]}"


async def test_the_backend_of_litemaas_finds_its_user_in_the_team_at_once(client: httpx2.AsyncClient):
    team = await post(
        client, "/team/new", team_id="default", team_alias="Default Team", models=[], admins=[], max_budget=10000
    )
    assert set(team) == TEAM_MEMBERS
    assert team["members_with_roles"] == [{"user_id": "default_user_id", "user_email": None, "role": "admin"}]
    made = await post(
        client, "/user/new", user_id="u1", user_email="a@b.c", teams=["default", "no such team"], auto_create_key=False,
        max_budget=2147483647, tpm_limit=2147483647, rpm_limit=2147483647,
    )  # fmt: skip
    assert (made["key"], made["teams"], made["max_budget"]) == ("", ["default"], 2147483647.0)
    told = await get(client, "/user/info", user_id="u1")
    assert told["user_info"]["teams"] == ["default"]
    assert [one["team_id"] for one in told["teams"]] == ["default"]
    assert told["keys"] == []


@pytest.mark.parametrize("member", [{"user_id": "u1"}, {"user_id": "u2", "user_email": "A@b.c"}])
async def test_a_second_user_of_the_same_id_or_address_is_a_conflict_that_says_so(
    client: httpx2.AsyncClient, member: dict[str, str]
):
    await post(client, "/user/new", **ANN)
    refused = await post(client, "/user/new", 409, **member)
    assert "already exists" in refused["error"]["message"]
    assert refused["detail"]["error"] == refused["error"]["message"]


async def test_an_update_keeps_what_it_does_not_name_and_clears_what_is_null(client: httpx2.AsyncClient):
    await post(client, "/user/new", **ANN, auto_create_key=False)
    data = (await post(client, "/user/update", user_id="u1", max_budget=None, budget_duration="daily"))["data"]
    assert (data["max_budget"], data["budget_duration"], data["rpm_limit"]) == (None, "daily", 120)
    data = (await post(client, "/user/update", user_email="a@b.c", spend=2.5, user_role="proxy_admin_viewer"))["data"]
    assert (data["spend"], data["user_role"], data["user_alias"]) == (2.5, "proxy_admin_viewer", "ann")
    assert (await post(client, "/user/update", user_id="u1", spend=0))["data"]["spend"] == 0.0
    assert (await post(client, "/user/update", user_id="new one", max_budget=1))["user_id"] == "new one"
    assert "detail" in await post(client, "/user/update", 422, max_budget=1)
    refused = await post(client, "/user/update", 400, user_id="u1", budget_duration="fortnight")
    assert refused["error"]["param"] == "budget_duration"


async def test_many_users_are_changed_one_by_one_and_listed_in_pages(client: httpx2.AsyncClient):
    for name in ("a", "b", "c"):
        await post(client, "/user/new", user_id=name, user_email=f"{name}@x.org", auto_create_key=name == "a")
    told = await post(
        client, "/user/bulk_update", users=[{"user_id": "a", "max_budget": 1}, {"user_id": "b", "max_budget": -1}]
    )
    assert (told["total_requested"], told["successful_updates"], told["failed_updates"]) == (2, 1, 1)
    assert [result["success"] for result in told["results"]] == [True, False]
    page = await get(client, "/user/list", page_size=2, sort_by="user_id")
    assert ([user["user_id"] for user in page["users"]], page["total"], page["total_pages"]) == (["a", "b"], 3, 2)
    assert (page["users"][0]["key_count"], page["users"][0]["max_budget"]) == (1, 1.0)
    assert "password" not in page["users"][0]
    assert [u["user_id"] for u in (await get(client, "/user/list", user_ids="c,b"))["users"]] == ["b", "c"]
    everybody = await post(client, "/user/bulk_update", all_users=True, user_updates={"rpm_limit": 7})
    assert everybody["successful_updates"] == 3


async def test_a_deleted_user_is_gone_with_the_keys_and_may_come_back(client: httpx2.AsyncClient):
    await post(client, "/team/new", team_id="t1")
    made = await post(client, "/user/new", **ANN, teams=["t1"])
    assert await post(client, "/user/delete", user_ids=["u1"]) == 1
    assert "not found" in (await get(client, "/user/info", 404, user_id="u1"))["error"]["message"]
    assert (await post(client, "/user/delete", 404, user_ids=["u1"]))["error"]["type"] == "not_found_error"
    await get(client, "/key/info", 404, key=made["key"])
    assert (await get(client, "/team/info", team_id="t1"))["team_memberships"] == []
    await post(client, "/user/new", **ANN)
    assert (await get(client, "/user/info", user_id="u1"))["user_info"]["user_email"] == "a@b.c"


async def test_members_come_with_a_cap_and_go_with_their_keys(client: httpx2.AsyncClient):
    await post(client, "/team/new", team_id="t1", team_member_budget=3)
    added = await post(
        client, "/team/member_add", team_id="t1", max_budget_in_team=0.5,
        member=[{"user_id": "u1", "role": "user"}, {"user_email": "new@x.org", "role": "admin"}],
    )  # fmt: skip
    assert [user["user_email"] for user in added["updated_users"]] == [None, "new@x.org"]
    assert {one["litellm_budget_table"]["max_budget"] for one in added["updated_team_memberships"]} == {0.5}
    again = await post(client, "/team/member_add", 400, team_id="t1", member={"user_id": "u1"})
    assert (again["error"]["type"], again["error"]["param"]) == ("team_member_already_in_team", "member")
    told = await post(client, "/team/member_update", team_id="t1", user_id="u1", max_budget_in_team="1.5", role="admin")
    assert (told["max_budget_in_team"], told["user_id"], "role" in told) == (1.5, "u1", False)
    info = await get(client, "/team/info", team_id="t1")
    assert info["team_info"]["team_member_budget_table"]["max_budget"] == 3.0
    assert {one["role"] for one in info["team_info"]["members_with_roles"]} == {"admin"}
    key = (await post(client, "/key/generate", user_id="u1", team_id="t1"))["key"]
    left = await post(client, "/team/member_delete", team_id="t1", user_id="u1")
    assert [one["user_email"] for one in left["members_with_roles"]] == ["new@x.org"]
    assert (await get(client, "/key/info", key=key))["info"]["blocked"] is True
    await post(client, "/team/member_delete", 400, team_id="t1", user_id="u1")


async def test_limits_per_minute_of_members_and_of_a_teams_models_come_back(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    limits = {"team_member_rpm_limit": 5, "model_rpm_limit": {"granite": 7}, "model_tpm_limit": {"granite": 900}}
    made = await post(client, "/team/new", team_id="t1", **limits)
    assert made["metadata"] == {"model_rpm_limit": {"granite": 7}, "model_tpm_limit": {"granite": 900}}
    await post(client, "/team/member_add", team_id="t1", member={"user_id": "u1"})
    told = await post(client, "/team/member_update", team_id="t1", user_id="u1", rpm_limit=9, tpm_limit=1000)
    assert (told["rpm_limit"], told["tpm_limit"]) == (9, 1000)
    info = await get(client, "/team/info", team_id="t1")
    assert info["team_info"]["team_member_budget_table"]["rpm_limit"] == 5
    (seat,) = info["team_memberships"]
    table = seat["litellm_budget_table"]
    assert (table["rpm_limit"], table["tpm_limit"], table["max_budget"]) == (9, 1000, None)
    await post(client, "/team/member_update", team_id="t1", user_id="u1", rpm_limit=None)
    assert tuple(await database.fetchrow("SELECT rpm_limit, tpm_limit FROM team_members")) == (None, 1000)
    for wrong in (
        {"team_member_tpm_limit": -1},
        {"model_rpm_limit": {"granite": -1}},
        {"model_tpm_limit": {"a": 2**63}},
    ):
        (name,) = wrong
        refused = await post(client, "/team/update", 400, team_id="t1", **wrong)
        assert refused["error"]["param"] == name
    refused = await post(client, "/team/member_update", 400, team_id="t1", user_id="u1", tpm_limit=-1)
    assert refused["error"]["param"] == "tpm_limit"


async def test_a_team_is_changed_blocked_and_ended(client: httpx2.AsyncClient):
    await post(
        client, "/team/new", team_id="t1", team_alias="Team", models=["granite"], model_aliases={"fast": "granite"}
    )
    assert "already exists" in (await post(client, "/team/new", 400, team_id="t1"))["error"]["message"]
    told = await post(client, "/team/update", team_id="t1", max_budget="7", metadata={"a": 1}, tpm_limit=5)
    assert (told["data"]["max_budget"], told["data"]["metadata"], told["data"]["models"]) == (
        7.0,
        {"a": 1},
        ["granite"],
    )
    assert told["data"]["litellm_model_table"]["model_aliases"] == {"fast": "granite"}
    assert (await post(client, "/team/model/add", team_id="t1", models=["llama"]))["models"] == ["granite", "llama"]
    left = await post(client, "/team/model/delete", team_id="t1", models=["granite", "llama"])
    assert left["models"] == ["no-default-models"]
    assert (await post(client, "/team/block", team_id="t1"))["blocked"] is True
    assert (await post(client, "/team/unblock", team_id="t1"))["blocked"] is False
    listed = await get(client, "/team/list")
    assert [(one["team_id"], one["keys"], one["team_memberships"]) for one in listed] == [("t1", [], [])]
    page = await get(client, "/v2/team/list", team_alias="tea")
    assert (page["total"], page["teams"][0]["team_alias"]) == (1, "Team")
    permissions = await post(client, "/team/permissions_update", team_id="t1", team_member_permissions=["/key/info"])
    assert permissions["team_member_permissions"] == ["/key/info"]
    key = (await post(client, "/key/generate", team_id="t1"))["key"]
    assert await post(client, "/team/delete", team_ids=["t1"]) == {"deleted_teams": ["t1"]}
    await get(client, "/key/info", 404, key=key)
    gone: Any = [
        ("/team/delete", {"team_ids": ["t1"]}),
        ("/team/update", {"team_id": "t1"}),
        ("/team/block", {"team_id": "t1"}),
    ]
    for path, body in gone:
        assert (await post(client, path, 404, **body))["error"]["type"] == "not_found_error"
    assert (await get(client, "/team/info", 404, team_id="t1"))["error"]["param"] == "team_id"
    await post(client, "/team/new", team_id="t1")  # a script that starts over


async def test_whoever_is_no_administrator_sees_and_ends_only_what_is_theirs(
    client: httpx2.AsyncClient, anonymous: httpx2.AsyncClient
):
    await post(client, "/team/new", team_id="t1", members_with_roles=[{"role": "admin", "user_id": "lead"}])
    keys = {"plain": (await post(client, "/key/generate"))["key"]}
    viewers = {"eve": "internal_user_viewer", "root": "proxy_admin", "eye": "proxy_admin_viewer"}
    for name, role in ({"ann": "internal_user"} | viewers).items():
        keys[name] = (await post(client, "/user/new", user_id=name, user_role=role))["key"]
    keys["lead"] = (await post(client, "/key/generate", user_id="lead"))["key"]
    second = (await post(client, "/key/generate", user_id="ann"))["key"]

    async def ask(who: str, method: str, path: str, **more: Any) -> int:
        headers = {"Authorization": f"Bearer {keys[who]}"}
        return (await anonymous.request(method, f"/litellm{path}", headers=headers, **more)).status_code

    assert [await ask(who, "GET", "/user/info?user_id=ann") for who in keys] == [401, 200, 401, 200, 200, 401]
    assert [await ask(who, "GET", "/key/list") for who in keys] == [403, 200, 200, 200, 200, 200]
    assert [await ask(who, "GET", "/user/list") for who in keys] == [401, 401, 401, 200, 200, 401]
    assert [await ask(who, "GET", f"/key/info?key={second}") for who in keys] == [403, 200, 403, 200, 200, 403]
    new = {"json": {"user_id": "ann", "user_role": "proxy_admin"}}
    assert [await ask(who, "POST", "/user/update", **new) for who in ("plain", "ann", "eye", "lead")] == [401] * 4
    member = {"json": {"team_id": "t1", "member": {"user_id": "ann"}}}
    assert [await ask(who, "POST", "/team/member_add", **member) for who in ("ann", "eye", "lead")] == [401, 401, 200]
    gone = {"json": {"keys": [second]}}
    assert [await ask(who, "POST", "/key/delete", **gone) for who in ("plain", "eve", "lead", "ann")] == [
        401,
        401,
        401,
        200,
    ]
    for path, answers in (("block", [401, 401, 401, 200]), ("unblock", [401] * 4), ("delete", [401, 401, 401, 200])):
        of_team = (await post(client, "/key/generate", user_id="bob", team_id="t1"))["key"]
        body = {"json": {"keys": [of_team]} if path == "delete" else {"key": of_team}}
        assert [await ask(who, "POST", f"/key/{path}", **body) for who in ("plain", "ann", "eye", "lead")] == answers
    assert [await ask(who, "GET", f"/key/info?key={of_team}") for who in ("ann", "eye", "lead")] == [404, 404, 404]
    of_team = (await post(client, "/key/generate", user_id="bob", team_id="t1"))["key"]
    assert [await ask(who, "GET", f"/key/info?key={of_team}") for who in ("ann", "eye", "lead")] == [403, 200, 200]
    assert await ask("root", "POST", "/key/generate", json={}) == 200
    await post(client, "/user/update", 409, user_id="root", user_role="internal_user")  # the last administrator stays
    await post(client, "/user/new", user_id="second", user_role="proxy_admin")
    await post(client, "/user/update", user_id="root", user_role="internal_user")
    assert await ask("root", "POST", "/key/generate", json={}) == 401


async def test_a_team_cannot_name_a_guardrail_that_is_none_and_one_it_names_is_not_taken_away(
    client: httpx2.AsyncClient,
):
    refused = await client.post("/litellm/team/new", json={"team_id": "g", "guardrails": ["formerly"]})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "guardrails")
    words = {"guardrail_name": "words", "litellm_params": {"blocked_words": [{"keyword": "falcon"}]}}
    settings = "/api/v1/admin/settings/guardrails"
    assert (await client.put(settings, json={"guardrails": [words]})).status_code == 200
    assert (await client.post("/litellm/team/new", json={"team_id": "g", "guardrails": ["words"]})).status_code == 200
    kept = await client.put(settings, json={"guardrails": []})
    assert kept.status_code == 409
    assert "words (team g)" in kept.json()["detail"]
    changed = await client.post("/litellm/team/update", json={"team_id": "g", "guardrails": ["nonesuch"]})
    assert changed.status_code == 400


async def test_teams_are_found_by_their_organization_and_deleted_ones_when_they_are_asked_for(
    client: httpx2.AsyncClient,
):
    made = await post(client, "/team/new", team_id="t1", organization_id="o1")
    assert made["organization_id"] == "o1"
    await post(client, "/team/new", team_id="t2")
    assert [team["team_id"] for team in await get(client, "/team/list", organization_id="o1")] == ["t1"]
    assert [team["team_id"] for team in (await get(client, "/v2/team/list", organization_id="o1"))["teams"]] == ["t1"]
    await post(client, "/team/delete", team_ids=["t2"])
    assert [team["team_id"] for team in (await get(client, "/v2/team/list", status="deleted"))["teams"]] == ["t2"]
    assert [team["team_id"] for team in (await get(client, "/v2/team/list", status="active"))["teams"]] == ["t1"]


async def test_people_are_found_by_the_id_of_their_sign_in_and_an_unknown_role_finds_nobody(client: httpx2.AsyncClient):
    await post(client, "/user/new", user_id="u1", sso_user_id="sso-1", auto_create_key=False)
    await post(client, "/user/new", user_id="u2", auto_create_key=False)
    assert [user["user_id"] for user in (await get(client, "/user/list", sso_user_ids="sso-1,x"))["users"]] == ["u1"]
    assert (await get(client, "/user/list", 400, role="wizard"))["error"]["param"] == "role"


async def test_an_overseer_reads_single_calls(client: httpx2.AsyncClient, anonymous: httpx2.AsyncClient):
    for role, status in (("proxy_admin_viewer", 200), ("internal_user", 401)):
        key = (await post(client, "/user/new", user_role=role))["key"]
        logs = await anonymous.get("/litellm/spend/logs", headers={"Authorization": f"Bearer {key}"})
        assert logs.status_code == status


async def test_a_users_parallel_calls_are_limited_by_an_update(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    await post(client, "/user/new", user_id="u1", auto_create_key=False)
    changed = await post(client, "/user/update", user_id="u1", max_parallel_requests=3, soft_budget="0.5")
    assert changed["data"]["max_parallel_requests"] == 3
    assert await database.fetchval("select soft_budget_nano from budgets where scope = 'user:u1'") == 500_000_000
