"""Do LiteLLM's key calls answer as the gateway-api contract 3.2 says?"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx2
import pytest

from litemaas.control.keys.rotating import rotate_due
from litemaas.core.keys import hash_key

GENERATE_MEMBERS = {
    "models", "spend", "max_budget", "user_id", "key_alias", "max_parallel_requests", "metadata", "tpm_limit",
    "rpm_limit", "budget_duration", "allowed_cache_controls", "config", "permissions", "model_max_budget",
    "aliases", "key", "allowed_routes", "router_settings", "access_group_ids", "key_name", "expires", "token_id",
    "token", "created_by", "updated_by", "created_at", "updated_at", "duration", "team_id", "agent_id",
    "model_rpm_limit", "model_tpm_limit", "guardrails", "policies", "prompts", "blocked", "object_permission",
    "budget_id", "tags", "enforced_params", "allowed_passthrough_routes", "allowed_vector_store_indexes",
    "rpm_limit_type", "tpm_limit_type", "organization_id", "project_id", "litellm_budget_table",
}  # fmt: skip
INFO_MEMBERS = {
    "key_name", "key_alias", "soft_budget_cooldown", "spend", "expires", "models", "aliases", "config",
    "router_settings", "user_id", "permissions", "max_parallel_requests", "metadata", "tpm_limit", "rpm_limit",
    "max_budget", "budget_duration", "budget_reset_at", "allowed_cache_controls", "allowed_routes", "policies",
    "access_group_ids", "model_spend", "model_max_budget", "created_at", "created_by", "updated_at", "updated_by",
    "rotation_count", "auto_rotate", "team_id", "agent_id", "project_id", "blocked", "budget_id", "organization_id",
    "object_permission_id", "last_active", "rotation_interval", "last_rotation_at", "key_rotation_at",
    "litellm_budget_table", "litellm_organization_table", "litellm_project_table", "object_permission",
}  # fmt: skip
WORKSHOP_KEY = {
    "models": ["granite"],
    "duration": "30d",
    "user_id": "u1",
    "key_alias": "virtkey-ab12",
    "metadata": {"guid": "ab12"},
    "max_budget": "10.0",
    "budget_duration": "30d",
    "max_parallel_requests": 5,
    "tpm_limit": "10000",
    "rpm_limit": 100,
    "something_new": {"passed": "over"},
}


async def generate(client: httpx2.AsyncClient, **members: object) -> dict[str, object]:
    answer = await client.post("/litellm/key/generate", json=members)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_generate_answers_with_every_member_of_the_contract(client: httpx2.AsyncClient):
    reply = await generate(client, **WORKSHOP_KEY)
    assert set(reply) == GENERATE_MEMBERS
    assert reply["key"].startswith("sk-")
    assert len(reply["key"]) == 25
    assert reply["token"] == reply["token_id"] == hash_key(reply["key"])
    assert reply["key_name"] == f"sk-...{reply['key'][-4:]}"
    assert reply["expires"].endswith("Z")
    assert reply["max_budget"] == 10.0
    assert reply["tpm_limit"] == 10000
    assert reply["created_by"] == "default_user_id"
    assert reply["duration"] is None
    assert reply["metadata"] == {"guid": "ab12"}


async def test_no_answer_has_a_header_that_older_roles_take_for_a_member(client: httpx2.AsyncClient):
    """Ansible's uri module puts headers and members into one dictionary, in which these are looked up."""
    made = await client.post("/litellm/key/generate", json={"key_alias": "plain"})
    key = made.json()["key"]
    answers = [made, await client.get(f"/litellm/key/info?key={key}"), await client.get("/litellm/key/list"),
               await client.get("/litellm/key/info?key=sk-nonesuch"),
               await client.post("/litellm/key/generate", json={"key_alias": "plain"}),
               await client.post("/litellm/key/delete", json={"keys": [key]})]  # fmt: skip
    assert [answer.status_code for answer in answers] == [200, 200, 200, 404, 400, 200]
    for answer in answers:
        assert not {name.lower().replace("-", "_") for name in answer.headers} & {"key", "key_id", "status", "json"}


async def test_generate_needs_no_body_at_all(client: httpx2.AsyncClient):
    answer = await client.post("/litellm/key/generate")
    assert answer.status_code == 200
    assert answer.json()["models"] == []
    assert answer.json()["expires"] is None


async def test_info_answers_with_every_member_of_the_contract_for_key_and_hash(client: httpx2.AsyncClient):
    made = await generate(client, **WORKSHOP_KEY)
    for argument in (made["key"], made["token"]):
        answer = (await client.get("/litellm/key/info", params={"key": argument})).json()
        assert answer["key"] == argument
        assert set(answer["info"]) == INFO_MEMBERS
        assert answer["info"]["expires"].endswith("+00:00")
        first = datetime.now(UTC).replace(day=1)
        reset = datetime.fromisoformat(answer["info"]["budget_reset_at"])
        assert reset.day == 1
        assert reset > first


async def test_generated_members_stand_in_metadata_and_come_back(client: httpx2.AsyncClient):
    made = await generate(
        client,
        metadata={"a": 1},
        tags=["t"],
        model_rpm_limit={"granite": 5},
        model_max_budget={"granite": {"budget_limit": "0.5", "time_period": "1d"}},
        guardrails=["pii"],
        allowed_routes=["llm_api_routes"],
    )
    assert made["metadata"] == {"a": 1, "tags": ["t"], "model_rpm_limit": {"granite": 5}}
    assert made["model_rpm_limit"] is None
    assert made["model_max_budget"] == {"granite": {"budget_limit": 0.5, "time_period": "1d"}}
    assert made["guardrails"] == ["pii"]
    assert made["allowed_routes"] == ["llm_api_routes"]


async def test_an_alias_in_use_is_refused_in_words_that_no_role_misreads(client: httpx2.AsyncClient):
    await generate(client, key_alias="virtkey-ab12")
    answer = await client.post("/litellm/key/generate", json={"key_alias": "virtkey-ab12"})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["param"], error["code"]) == ("bad_request_error", "key_alias", "400")
    assert "already exists" in error["message"]
    assert not any(word in error["message"].lower() for word in ("model", "not", "invalid"))


async def test_of_twenty_equal_aliases_at_once_one_is_made(client: httpx2.AsyncClient):
    answers = await asyncio.gather(
        *(client.post("/litellm/key/generate", json={"key_alias": "the-one"}) for _ in range(20))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 19


@pytest.mark.parametrize(
    ("body", "status", "param", "word"),
    [
        ({"duration": "soon"}, 400, "duration", "not a duration"),
        ({"duration": "-5d"}, 400, "duration", "not a duration"),
        ({"budget_duration": "1.5d"}, 400, "budget_duration", "not a duration"),
        ({"key": "my-own-key-0123456789"}, 400, "key", "sk-"),
        ({"budget_id": "b1"}, 400, "budget_id", "not found"),
        ({"max_budget": "-1"}, 400, "max_budget", "at least 0"),
        ({"max_budget": "lots"}, 422, "max_budget", "max_budget"),
        ({"models": "granite"}, 422, "models", "models"),
        ({"rpm_limit": 2**31}, 400, "rpm_limit", "between"),
        ({"metadata": {"text": "nul \0"}}, 400, None, "cannot be stored"),
    ],
)
async def test_generate_refuses_what_it_cannot_mean(
    client: httpx2.AsyncClient, body: dict[str, object], status: int, param: str | None, word: str
):
    answer = await client.post("/litellm/key/generate", json=body)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["param"] == param
    assert word in error["message"]
    assert error["code"] == str(status)
    assert ("detail" in answer.json()) == (status == 422)


async def test_bodies_are_json_whatever_their_content_type_says(client: httpx2.AsyncClient):
    for content_type in ("application/x-www-form-urlencoded", "text/plain", ""):
        headers = {"Content-Type": content_type} if content_type else {}
        answer = await client.post("/litellm/key/generate", content=b'{"key_alias": null}', headers=headers)
        assert answer.status_code == 200
    answer = await client.post("/litellm/key/generate", content=b'"sk-text-0123456789"')
    assert answer.status_code == 422
    with_type = await client.get("/litellm/key/list", headers={"Content-Type": "application/json"})
    assert with_type.status_code == 200


async def test_bad_json_is_400_and_wrong_paths_have_detail_and_error(client: httpx2.AsyncClient):
    answer = await client.post("/litellm/key/generate", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "request_body"
    for method, path, status in (("GET", "/litellm/key/nothing", 404), ("PUT", "/litellm/key/generate", 405)):
        answer = await client.request(method, path)
        assert answer.status_code == status
        assert answer.json()["detail"]
        assert answer.json()["error"]["code"] == str(status)


async def test_a_callers_own_key_is_kept_and_not_taken_twice(client: httpx2.AsyncClient):
    own = "sk-own-0123456789abcdef"
    made = await generate(client, key=own)
    assert made["key"] == own
    again = await client.post("/litellm/key/generate", json={"key": own})
    assert again.status_code == 400
    assert again.json()["error"]["param"] == "key"
    assert "already exists" in again.json()["error"]["message"]
    assert own not in again.text
    assert (await client.post("/litellm/key/delete", json={"keys": [own]})).json() == {"deleted_keys": [own]}
    assert (await generate(client, key=own))["token"] == hash_key(own)


async def test_the_master_key_has_no_record_and_unknown_keys_are_not_found(client: httpx2.AsyncClient):
    for params in ({}, {"key": "sk-unknown-0123456789"}, {"key": "0" * 64}):
        answer = await client.get("/litellm/key/info", params=params)
        assert answer.status_code == 404
        assert answer.json()["error"]["type"] == "not_found_error"
        assert answer.json()["error"]["param"] == "key"
        assert "not found" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer {}"},
        {"authorization": "bearer {}"},
        {"x-litellm-api-key": "{}"},
        {"x-litellm-api-key": "Bearer {}", "Authorization": "Bearer wrong"},
        {"api-key": "{}"},
        {"x-api-key": "{}"},
        {"x-goog-api-key": "{}"},
        {"Ocp-Apim-Subscription-Key": "{}"},
    ],
)
async def test_a_key_reads_about_itself_in_every_header_form(
    client: httpx2.AsyncClient, anonymous: httpx2.AsyncClient, headers: dict[str, str]
):
    made = await generate(client, models=["granite"])
    filled = {name: value.format(made["key"]) for name, value in headers.items()}
    answer = await anonymous.get("/litellm/key/info", headers=filled)
    assert answer.status_code == 200
    assert answer.json()["key"] == made["token"]


async def test_a_key_may_not_manage_nor_read_about_others(client: httpx2.AsyncClient, anonymous: httpx2.AsyncClient):
    mine, other = await generate(client), await generate(client)
    headers = {"Authorization": f"Bearer {mine['key']}"}
    refused = await anonymous.post("/litellm/key/generate", json={}, headers=headers)
    assert (refused.status_code, refused.json()["error"]["type"]) == (401, "auth_error")
    assert refused.json()["error"]["param"] == "None"
    assert (await anonymous.get("/litellm/key/list", headers=headers)).status_code == 403
    about_other = await anonymous.get("/litellm/key/info", params={"key": other["token"]}, headers=headers)
    assert about_other.status_code == 403


@pytest.mark.parametrize(
    ("members", "reads", "makes"),
    [
        ({"key_type": "llm_api"}, 403, 403),
        ({"key_type": "read_only"}, 200, 403),
        ({"key_type": "management"}, 200, 401),
        ({"key_type": "default"}, 200, 401),
        ({"allowed_routes": ["/key/info"]}, 200, 403),
        ({"allowed_routes": ["/key/*"]}, 200, 401),
        ({"allowed_routes": ["/v1/chat/completions"]}, 403, 403),
    ],
)
async def test_a_key_is_used_for_the_routes_that_it_is_for(
    client: httpx2.AsyncClient, anonymous: httpx2.AsyncClient, members: dict[str, object], reads: int, makes: int
):
    """401: the route would be open to the key, were it an administrator's."""
    key = (await client.post("/litellm/key/generate", json=members)).json()["key"]
    headers = {"Authorization": f"Bearer {key}"}
    read = await anonymous.get("/litellm/key/info", headers=headers)
    made = await anonymous.post("/litellm/key/block", json={"key": key}, headers=headers)
    assert (read.status_code, made.status_code) == (reads, makes)
    if reads == 403:
        assert read.json()["detail"] == read.json()["error"]["message"]


async def test_types_and_routes_that_there_are_not_are_refused(client: httpx2.AsyncClient):
    for wrong in ({"key_type": "wizard"}, {"allowed_routes": "/key/info"}, {"allowed_routes": [7]}):
        refused = await client.post("/litellm/key/generate", json=wrong)
        (name,) = wrong
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, name)


async def test_dead_keys_are_refused_by_their_kind(client: httpx2.AsyncClient, anonymous: httpx2.AsyncClient):
    blocked, expired, deleted = await generate(client), await generate(client, duration="0s"), await generate(client)
    await client.post("/litellm/key/block", json={"key": blocked["key"]})
    await client.post("/litellm/key/delete", json={"keys": [deleted["key"]], "key_aliases": None})
    expected = {
        blocked["key"]: (401, "auth_error", "None"),
        expired["key"]: (400, "expired_key", expired["key_name"]),
        deleted["key"]: (401, "token_not_found_in_db", "key"),
        "sk-never-was-0123456789": (401, "token_not_found_in_db", "key"),
        "no-sk-at-all": (401, "auth_error", "None"),
    }
    for key, (status, kind, param) in expected.items():
        answer = await anonymous.get("/litellm/key/info", headers={"Authorization": f"Bearer {key}"})
        error = answer.json()["error"]
        assert (answer.status_code, error["type"], error["param"]) == (status, kind, param)
        assert key not in answer.text
    assert (await anonymous.get("/litellm/key/info")).status_code == 401
    basic = await anonymous.get("/litellm/key/info", headers={"Authorization": "Basic c2s="})
    assert basic.status_code == 401


async def test_delete_takes_keys_hashes_and_aliases_by_post_and_delete(client: httpx2.AsyncClient):
    first, second, third = await generate(client), await generate(client), await generate(client, key_alias="a1")
    body = {"keys": [first["key"], second["token"], "f" * 64]}
    answer = await client.request("DELETE", "/litellm/key/delete", json=body)
    assert answer.json() == {"deleted_keys": [first["key"], second["token"]]}
    assert (await client.post("/litellm/key/delete", json=body)).status_code == 404
    answer = await client.post("/litellm/key/delete", json={"keys": None, "key_aliases": ["a1"]})
    assert answer.json() == {"deleted_keys": ["a1"]}
    assert (await client.post("/litellm/key/delete", json={})).status_code == 422
    assert (await client.get("/litellm/key/info", params={"key": third["token"]})).status_code == 404
    assert (await generate(client, key_alias="a1"))["key_alias"] == "a1"


async def test_update_changes_what_is_sent_and_nothing_else(client: httpx2.AsyncClient):
    made = await generate(client, **WORKSHOP_KEY)
    only_key = await client.post("/litellm/key/update", json={"key": made["key"]})
    assert "x-litemaas-change" not in only_key.headers
    assert only_key.json()["key"] == made["key"]
    assert only_key.json()["token"] == made["token"]
    body = {"key": made["token"], "duration": "1d", "max_budget": None, "models": [], "rpm_limit": 2147483647}
    reply = (await client.post("/litellm/key/update", json=body)).json()
    assert reply["max_budget"] is None
    assert reply["models"] == ["no-default-models"]
    assert reply["rpm_limit"] == 2147483647
    assert reply["tpm_limit"] == 10000
    assert datetime.fromisoformat(reply["expires"]) < datetime.fromisoformat(made["expires"])
    forever = await client.post("/litellm/key/update", json={"key": made["key"], "expires": None})
    assert forever.json()["expires"] is None
    unknown = await client.post("/litellm/key/update", json={"key": "f" * 64, "duration": "1d"})
    assert (unknown.status_code, unknown.json()["error"]["type"]) == (401, "auth_error")


async def test_a_budget_is_increased_for_a_while(client: httpx2.AsyncClient, database: asyncpg.Connection):
    made = (await client.post("/litellm/key/generate", json={"max_budget": 5})).json()
    body = {"key": made["key"], "temp_budget_increase": "2.5", "temp_budget_expiry": "10d"}
    updated = (await client.post("/litellm/key/update", json=body)).json()
    assert updated["max_budget"] == 5.0
    assert updated["metadata"]["temp_budget_increase"] == 2.5
    assert updated["metadata"]["temp_budget_expiry"].endswith("+00:00")
    stored = json.loads(await database.fetchval("SELECT extras -> 'temp_budget' FROM virtual_keys"))
    assert stored["increase_nano"] == 2_500_000_000
    kept = (await client.post("/litellm/key/update", json={"key": made["key"], "max_budget": 6})).json()
    assert (kept["max_budget"], kept["metadata"]["temp_budget_increase"]) == (6.0, 2.5)
    ended = {"key": made["key"], "temp_budget_increase": None}
    assert (await client.post("/litellm/key/update", json=ended)).json()["metadata"] == {}


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"temp_budget_increase": 1}, "temp_budget_expiry"),
        ({"temp_budget_expiry": "1d"}, "temp_budget_increase"),
        ({"temp_budget_increase": 1, "temp_budget_expiry": "soon"}, "temp_budget_expiry"),
        ({"temp_budget_increase": 1, "temp_budget_expiry": "2027-01-01T00:00:00"}, "temp_budget_expiry"),
        ({"temp_budget_increase": -1, "temp_budget_expiry": "1d"}, "temp_budget_increase"),
    ],
)
async def test_an_increase_needs_an_amount_and_an_end(
    client: httpx2.AsyncClient, members: dict[str, object], param: str
):
    made = (await client.post("/litellm/key/generate", json={"max_budget": 5})).json()
    refused = await client.post("/litellm/key/update", json={"key": made["key"], **members})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)


async def test_spend_is_the_current_windows_and_survives_a_new_window(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    made = await generate(client, max_budget=1, budget_duration="30d", spend="0.25")
    assert made["spend"] == 0.25
    await database.execute(
        "INSERT INTO budget_windows (scope, window_start, settled_nano) VALUES ($1, '2020-01-01', 5)",
        f"key:{made['token']}",
    )
    info = (await client.get("/litellm/key/info", params={"key": made["token"]})).json()["info"]
    assert info["spend"] == 0.25
    weekly = await client.post("/litellm/key/update", json={"key": made["key"], "budget_duration": "7d"})
    assert weekly.json()["spend"] == 0.25
    reset = await client.post("/litellm/key/update", json={"key": made["key"], "spend": 0})
    assert reset.json()["spend"] == 0.0
    assert await database.fetchval("SELECT count(*) FROM changes WHERE kind = 'budget'") == 2


async def test_list_pages_newest_first_and_gives_full_objects(client: httpx2.AsyncClient):
    made = [await generate(client, key_alias=f"k{n}", user_id="u1") for n in range(3)]
    await generate(client, user_id="u2")
    answer = (await client.get("/litellm/key/list", params={"user_id": "u1", "size": 2, "page": 2})).json()
    assert answer == {"keys": [made[0]["token"]], "total_count": 3, "current_page": 2, "total_pages": 2}
    full = await client.get("/litellm/key/list", params={"return_full_object": "true", "key_alias": "k1"})
    (key,) = full.json()["keys"]
    assert key["token"] == made[1]["token"]
    assert "policies" not in key
    assert key["team_models"] == []
    assert (await client.get("/litellm/key/list", params={"size": 1001})).status_code == 422
    assert (await client.get("/litellm/key/list", params={"user_id": "x"})).json()["total_pages"] == 0


async def test_a_destroy_finds_its_key_behind_five_hundred_newer_ones_and_reports_only_real_deletions(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    mine = await generate(client, key_alias="mine")
    await database.execute(
        "INSERT INTO virtual_keys (key_hash, key_name, created_by, updated_by) "
        "SELECT encode(sha256(n::text::bytea), 'hex'), 'sk-...' || n, 't', 't' FROM generate_series(1, 500) n"
    )
    listed = (await client.get("/litellm/key/list")).json()
    assert (listed["total_count"], listed["total_pages"]) == (501, 1)
    assert mine["token"] in listed["keys"]
    told = await client.post("/litellm/key/delete", json={"keys": [mine["token"], "f" * 64]})
    assert told.json() == {"deleted_keys": [mine["token"]]}
    assert (await client.get("/litellm/key/info", params={"key": mine["token"]})).status_code == 404
    assert (await client.post("/litellm/key/delete", json={"keys": [mine["token"]]})).status_code == 404


async def test_block_and_unblock_answer_with_the_row(client: httpx2.AsyncClient):
    made = await generate(client)
    blocked = (await client.post("/litellm/key/block", json={"key": made["token"]})).json()
    assert blocked["blocked"] is True
    assert blocked["token"] == made["token"]
    assert (await client.post("/litellm/key/unblock", json={"key": made["key"]})).json()["blocked"] is None
    unknown = await client.post("/litellm/key/block", json={"key": "f" * 64})
    assert (unknown.status_code, unknown.json()["error"]["type"]) == (401, "token_not_found_in_db")


async def test_list_is_filtered_and_sorted_as_it_is_asked(client: httpx2.AsyncClient):
    await client.post("/litellm/user/new", json={"user_id": "lead", "auto_create_key": False})
    await client.post(
        "/litellm/team/new", json={"team_id": "t1", "members_with_roles": [{"role": "admin", "user_id": "lead"}]}
    )
    made = {
        "own": {"user_id": "lead", "max_budget": 5}, "teams": {"team_id": "t1", "spend": 0.5, "max_budget": 1},
        "made": {"organization_id": "o1", "spend": 2}, "gone": {"user_id": "lead"},
    }  # fmt: skip
    tokens = {}
    for alias, members in made.items():
        tokens[alias] = (await client.post("/litellm/key/generate", json={"key_alias": alias, **members})).json()[
            "token"
        ]
    await client.post("/litellm/key/delete", json={"key_aliases": ["gone"]})

    async def listed(**query: object) -> list[str]:
        answer = await client.get("/litellm/key/list", params=query)
        assert answer.status_code == 200, answer.text
        names = {token: alias for alias, token in tokens.items()}
        return [names[token] for token in answer.json()["keys"]]

    assert await listed(user_id="lead") == ["own"]
    assert await listed(user_id="lead", include_team_keys=True) == ["teams", "own"]
    assert set(await listed(user_id="default_user_id", include_created_by_keys=True)) == {"own", "teams", "made"}
    assert await listed(organization_id="o1") == ["made"]
    await client.post("/litellm/team/update", json={"team_id": "t1", "organization_id": "o1"})
    assert set(await listed(organization_id="o1")) == {"made", "teams"}
    await client.post("/litellm/key/update", json={"key": tokens["teams"], "organization_id": "o2"})
    assert await listed(organization_id="o1") == ["made"]
    assert await listed(status="deleted") == ["gone"]
    assert await listed(sort_by="spend") == ["made", "teams", "own"]
    assert await listed(sort_by="max_budget", sort_order="asc") == ["teams", "own", "made"]
    full = (await client.get("/litellm/key/list", params={"expand": "user", "user_id": "lead"})).json()["keys"]
    assert full[0]["user"] == {"user_id": "lead", "user_email": None, "user_role": "internal_user"}
    refused = await client.get("/litellm/key/list", params={"sort_by": "token); drop table"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "sort_by")


async def test_a_key_that_rotates_gets_a_new_secret_when_its_interval_is_over(
    client: httpx2.AsyncClient, database: asyncpg.Connection, app: Any
):
    await client.post("/litellm/user/new", json={"user_id": "u1", "auto_create_key": False})
    wanted = {"user_id": "u1", "auto_rotate": True, "rotation_interval": "30d"}
    made = (await client.post("/litellm/key/generate", json=wanted)).json()
    other = (await client.post("/litellm/key/generate", json=wanted)).json()
    await database.execute(
        "update virtual_keys set created_at = now() - interval '31 days' where key_hash = $1", made["token"]
    )
    for expected in (1, 0):
        async with app.state.plane.work() as work:
            assert await rotate_due(work) == expected
    info = (await client.get("/litellm/key/info", params={"key": made["token"]})).json()["info"]
    assert (info["rotation_count"], info["auto_rotate"], info["rotation_interval"]) == (1, True, "30d")
    assert info["key_rotation_at"] > info["last_rotation_at"]
    row = await database.fetchrow("select * from virtual_keys where key_hash = $1", made["token"])
    assert row["secret_hash"] not in (None, made["token"])
    assert row["secret_sealed"] is not None
    assert row["old_secret_until"] - row["updated_at"] == timedelta(days=7)
    untouched = (await client.get("/litellm/key/info", params={"key": other["token"]})).json()["info"]
    assert (untouched["rotation_count"], untouched["last_rotation_at"]) == (0, None)


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"user_id": "u1", "auto_rotate": True}, "rotation_interval"),
        ({"user_id": "u1", "auto_rotate": True, "rotation_interval": "0s"}, "rotation_interval"),
        ({"user_id": "u1", "auto_rotate": True, "rotation_interval": "monthly"}, "rotation_interval"),
        ({"user_id": "u1", "auto_rotate": "yes", "rotation_interval": "30d"}, "auto_rotate"),
        ({"auto_rotate": True, "rotation_interval": "30d"}, "user_id"),
    ],
)
async def test_a_rotation_that_nobody_would_learn_of_is_refused(
    client: httpx2.AsyncClient, members: dict[str, object], param: str
):
    refused = await client.post("/litellm/key/generate", json=members)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)
