"""Do LiteLLM's budget and customer calls answer as the gateway-api contract 3.5 says, and do the small ones?"""

from __future__ import annotations

import asyncpg
import httpx2
import pytest

from litemaas.control.litellm_api.about import LEFT_OUT

from .test_litellm_people import get, post
from .test_litellm_spend import record, write

BUDGET_MEMBERS = {
    "budget_id", "max_budget", "tpm_limit", "rpm_limit", "budget_duration", "budget_reset_at", "created_at", "created_by",
    "updated_at", "updated_by", "soft_budget", "max_parallel_requests", "model_max_budget", "organization", "projects",
    "keys", "end_users", "tags", "team_membership", "organization_membership",
}  # fmt: skip
CUSTOMER_MEMBERS = {
    "user_id", "blocked", "alias", "spend", "litellm_budget_table", "allowed_model_region", "default_model",
    "object_permission_id", "object_permission",
}  # fmt: skip
B1 = {"budget_id": "b1", "max_budget": "1.0", "tpm_limit": 10, "rpm_limit": 5, "budget_duration": "1d"}


async def test_a_budget_is_named_changed_and_deleted(client: httpx2.AsyncClient):
    made = await post(client, "/budget/new", **B1)
    assert set(made) == BUDGET_MEMBERS
    assert (made["max_budget"], made["created_by"], made["budget_reset_at"][-1]) == (1.0, "default_user_id", "Z")
    assert "already exists" in (await post(client, "/budget/new", 400, **B1))["error"]["message"]
    assert (await post(client, "/budget/update", budget_id="b1", rpm_limit=None, soft_budget=0.5))["rpm_limit"] is None
    assert [row["budget_id"] for row in await post(client, "/budget/info", budgets=["b1", "none"])] == ["b1"]
    assert [row["soft_budget"] for row in await get(client, "/budget/list")] == [0.5]
    assert (await get(client, "/budget/settings", budget_id="b1"))[0]["field_value"] == 1.0
    assert (await post(client, "/budget/delete", id="b1"))["budget_id"] == "b1"
    for path, body in (("delete", {"id": "b1"}), ("update", {"budget_id": "b1"})):
        assert "not found" in (await post(client, f"/budget/{path}", 404, **body))["error"]["message"]


async def test_keys_people_and_teams_have_the_limits_of_the_budget_they_name(client: httpx2.AsyncClient):
    await post(client, "/budget/new", **B1)
    key = await post(client, "/key/generate", budget_id="b1", rpm_limit=99)
    assert (key["max_budget"], key["tpm_limit"], key["rpm_limit"], key["budget_id"]) == (1.0, 10, 99, "b1")
    assert key["litellm_budget_table"]["rpm_limit"] == 5
    await post(client, "/user/new", user_id="u1", budget_id="b1")
    await post(client, "/team/new", team_id="t1", budget_id="b1", max_budget=7)
    await post(client, "/customer/new", user_id="c1", budget_id="b1")
    await post(client, "/budget/update", budget_id="b1", rpm_limit=6, max_budget=2)
    told = (await get(client, "/key/info", key=key["key"]))["info"]
    assert (told["max_budget"], told["rpm_limit"], told["budget_id"]) == (2.0, 99, "b1")
    person = (await get(client, "/user/info", user_id="u1"))["user_info"]
    assert (person["max_budget"], person["rpm_limit"]) == (2.0, 6)
    team = (await get(client, "/team/info", team_id="t1"))["team_info"]
    assert (team["max_budget"], team["rpm_limit"]) == (7.0, 6)
    refused = await post(client, "/key/generate", 400, budget_id="none")
    assert "not found" in refused["error"]["message"]
    await post(client, "/key/update", key=key["key"], budget_id=None)
    await post(client, "/budget/update", budget_id="b1", max_budget=3)
    told = (await get(client, "/key/info", key=key["key"]))["info"]
    assert (told["max_budget"], told["tpm_limit"], told["rpm_limit"], told["budget_id"]) == (None, None, 99, None)


@pytest.mark.parametrize("kind", ["key", "user", "team"])
async def test_what_a_budget_gave_goes_with_it_and_what_is_ones_own_stays(client: httpx2.AsyncClient, kind: str):
    await post(client, "/budget/new", **B1)
    await post(client, "/budget/new", budget_id="b2", max_parallel_requests=3)
    if kind == "key":
        own = {"key": (await post(client, "/key/generate", budget_id="b1", rpm_limit=99))["key"]}
    else:
        own = {f"{kind}_id": "x"}
        await post(client, f"/{kind}/new", **own, budget_id="b1", rpm_limit=99)

    async def update(**members: object) -> tuple[object, ...]:
        row = await post(client, f"/{kind}/update", **own, **members)
        names = ("max_budget", "tpm_limit", "rpm_limit", "max_parallel_requests", "budget_duration")
        return tuple(row.get("data", row)[name] for name in names)

    assert await update(metadata={"a": 1}) == (1.0, 10, 99, None, "1d")
    assert await update(rpm_limit=None) == (1.0, 10, 5, None, "1d")
    assert await update(rpm_limit=98) == (1.0, 10, 98, None, "1d")
    assert await update(budget_id="b2") == (None, None, 98, 3, None)
    assert await update(budget_id=None) == (None, None, 98, None, None)
    assert await update(budget_id="b1") == (1.0, 10, 5, None, "1d")


async def test_a_limit_sent_as_null_is_none_of_ones_own_beside_a_budget(client: httpx2.AsyncClient):
    await post(client, "/budget/new", **B1)
    key = await post(client, "/key/generate", budget_id="b1", max_budget=None, rpm_limit=None, model_max_budget={})
    assert (key["max_budget"], key["rpm_limit"]) == (1.0, 5)


async def test_what_a_budget_says_of_a_model_holds_for_keys_that_name_it(client: httpx2.AsyncClient):
    per_model = {"granite": {"budget_limit": 0.25, "time_period": "1d"}}
    made = await post(client, "/budget/new", budget_id="b1", model_max_budget=per_model)
    assert made["model_max_budget"] == per_model
    key = await post(client, "/key/generate", budget_id="b1", model_rpm_limit={"granite": 3})
    assert (key["model_max_budget"], key["metadata"]) == (per_model, {"model_rpm_limit": {"granite": 3}})
    own = await post(client, "/key/generate", budget_id="b1", model_max_budget={"qwen": {"budget_limit": 1}})
    other = {"qwen": {"budget_limit": 2.0, "time_period": None}}
    await post(client, "/budget/update", budget_id="b1", model_max_budget=other)
    told = (await get(client, "/key/info", key=key["key"]))["info"]
    assert (told["model_max_budget"], told["metadata"]) == (other, {"model_rpm_limit": {"granite": 3}})
    assert (await get(client, "/key/info", key=own["key"]))["info"]["model_max_budget"]["qwen"]["budget_limit"] == 1.0
    assert (await post(client, "/key/update", key=key["key"], budget_id=None))["model_max_budget"] == {}
    bad = {"granite": {"budget_limit": 1, "time_period": "sometimes"}}
    assert "duration" in (await post(client, "/budget/new", 400, model_max_budget=bad))["error"]["message"]
    regenerated = await post(client, f"/key/{key['token']}/regenerate", budget_id="b1")
    assert regenerated["model_max_budget"] == other


@pytest.mark.parametrize("name", ["customer", "end_user"])
async def test_a_customer_is_made_limited_blocked_and_deleted(client: httpx2.AsyncClient, name: str):
    made = await post(client, f"/{name}/new", user_id="c1", alias="z", max_budget=1, budget_duration="1d")
    assert set(made) == CUSTOMER_MEMBERS | {"budget_id"}
    assert (made["litellm_budget_table"]["max_budget"], made["blocked"], made["spend"]) == (1.0, False, 0.0)
    again = await post(client, f"/{name}/new", 400, user_id="c1")
    assert (again["error"]["type"], again["error"]["param"]) == ("bad_request", "user_id")
    assert "already exists" in again["error"]["message"]
    changed = await post(client, f"/{name}/update", user_id="c1", max_budget=2, default_model="granite")
    assert (changed["litellm_budget_table"]["max_budget"], changed["default_model"], changed["alias"]) == (
        2.0,
        "granite",
        "z",
    )
    blocked = await post(client, f"/{name}/block", user_ids=["c1", "stranger"])
    assert {row["user_id"] for row in blocked["blocked_users"]} == {"c1", "stranger"}
    left = await post(client, f"/{name}/unblock", user_ids=["c1"])
    assert [row["user_id"] for row in left["blocked_users"]] == ["stranger"]
    assert {row["user_id"] for row in await get(client, f"/{name}/list")} == {"c1", "stranger"}
    assert set(await get(client, f"/{name}/info", end_user_id="c1")) == CUSTOMER_MEMBERS
    gone = await post(client, f"/{name}/delete", user_ids=["c1"])
    assert gone["deleted_customers"] == 1
    missing = await get(client, f"/{name}/info", 404, end_user_id="c1")
    assert (missing["error"]["type"], missing["error"]["param"]) == ("not_found", "end_user_id")
    await post(client, f"/{name}/delete", 404, user_ids=["c1"])


async def test_a_customer_without_limits_shows_what_the_ledger_says(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    await write(database, record("r1", end_user="c1"))
    await post(client, "/customer/new", user_id="c1")
    assert (await get(client, "/customer/info", end_user_id="c1"))["spend"] == 0.000025


async def test_whoever_stood_behind_a_call_is_a_customer(client: httpx2.AsyncClient, database: asyncpg.Connection):
    await write(database, record("r1", end_user="seen", engine_request_id="1"), record("r2", end_user="kept"))
    await post(client, "/customer/new", user_id="kept", alias="z")
    told = await get(client, "/customer/info", end_user_id="seen")
    assert set(told) == CUSTOMER_MEMBERS
    assert (told["spend"], told["blocked"], told["litellm_budget_table"]) == (0.000025, False, None)
    assert [one["user_id"] for one in await get(client, "/customer/list")] == ["kept", "seen"]
    changed = await post(client, "/customer/update", user_id="seen", alias="y", max_budget=1)
    assert (changed["alias"], changed["litellm_budget_table"]["max_budget"]) == ("y", 1.0)
    assert "not found" in (await post(client, "/customer/update", 404, user_id="never", alias="y"))["error"]["message"]
    await get(client, "/customer/info", 404, end_user_id="never")


async def test_models_are_grouped_by_their_public_name(client: httpx2.AsyncClient, anonymous: httpx2.AsyncClient):
    for base, rpm in (("http://a:1/v1", 60), ("http://b:1/v1", 40)):
        params = {"model": "openai/granite-3", "api_base": base, "rpm": rpm, "input_cost_per_token": 0.000001}
        await post(client, "/model/new", model_name="granite", litellm_params=params)
    [group] = (await get(client, "/model_group/info"))["data"]
    assert (group["model_group"], group["providers"], group["rpm"], group["mode"]) == (
        "granite",
        ["openai"],
        100,
        "chat",
    )
    page = await get(client, "/v2/model/info", page=2, size=1)
    assert (len(page["data"]), page["total_count"], page["total_pages"], page["current_page"]) == (1, 2, 2, 2)
    key = (await post(client, "/key/generate", models=["other"]))["key"]
    own = await anonymous.get("/litellm/model_group/info", headers={"Authorization": f"Bearer {key}"})
    assert own.json() == {"data": []}
    assert (
        "temperature"
        in (await get(client, "/utils/supported_openai_params", model="granite"))["supported_openai_params"]
    )


async def test_what_is_left_out_says_so_in_a_sentence(client: httpx2.AsyncClient, anonymous: httpx2.AsyncClient):
    for beginning, sentence in LEFT_OUT.items():
        told = await post(client, f"{beginning}/new", 404)
        assert told["error"]["message"] == told["detail"]["error"] == sentence
        for word in ("enterprise license", "LiteLLM Enterprise", "LLM Model List not loaded in"):
            assert word not in sentence
    counting = await post(client, "/utils/token_counter", 501, model="granite", prompt="a")
    assert "gateway" in counting["error"]["message"]
    assert (await get(client, "/health/services", 422))["error"]["param"] == "service"
    assert (await get(client, "/health/services", service="prometheus"))["status"] == "success"
    assert "/customer/new" in (await anonymous.get("/litellm/openapi.json")).json()["paths"]
    assert "/customer/new" in (await anonymous.get("/litellm/docs")).text
    assert (await anonymous.get("/litellm/public/providers")).status_code == 200
    assert (await anonymous.get("/litellm/router/settings")).status_code == 401
    assert "/api/v1/admin/models" in (await get(client, "/router/settings", 404))["error"]["message"]


async def test_keys_are_rotated_set_back_and_asked_in_bulk(client: httpx2.AsyncClient, anonymous: httpx2.AsyncClient):
    old = await post(client, "/key/generate", key_alias="k", spend=2, max_budget=5)
    new = await post(client, f"/key/{old['token']}/regenerate", new_key="sk-chosen-0123456789", rpm_limit=3)
    assert (new["key"], new["token"], new["key_alias"], new["spend"]) == (
        "sk-chosen-0123456789",
        old["token"],
        "k",
        2.0,
    )
    assert (new["rpm_limit"], new["key_name"]) == (3, "sk-...6789")
    for key, status in ((old["key"], 401), (new["key"], 200)):
        headers = {"Authorization": f"Bearer {key}"}
        assert (await anonymous.get("/litellm/key/info", headers=headers)).status_code == status
    taken = await post(client, f"/key/{old['token']}/regenerate", 400, new_key="sk-chosen-0123456789")
    assert "already exists" in taken["error"]["message"]
    assert (await post(client, "/key/regenerate?key=sk-unknown-key-0123", 404))["error"]["param"] == "key"
    reset = await post(client, f"/key/{new['key']}/reset_spend", reset_to=0.5)
    assert (reset["spend"], reset["previous_spend"], reset["max_budget"]) == (0.5, 2.0, 5.0)
    await post(client, f"/key/{new['key']}/reset_spend", 400, reset_to=1)
    told = await post(client, "/key/bulk_update", keys=[{"key": old["token"], "tpm_limit": 9}, {"key": "none"}])
    assert (told["total_requested"], len(told["successful_updates"]), len(told["failed_updates"])) == (2, 1, 1)
    both = await post(client, "/v2/key/info", keys=[old["token"], "none"])
    assert [row["tpm_limit"] for row in both["info"]] == [9]
    assert await get(client, "/key/aliases") == {"aliases": ["k"]}
    assert await post(client, "/key/health") == {"key": "healthy", "logging_callbacks": None}
    assert "team_id" in (await post(client, "/key/service-account/generate", 400))["error"]["param"]
    await post(client, "/team/new", team_id="t1")
    assert (await post(client, "/key/service-account/generate", team_id="t1", user_id="u"))["user_id"] is None
    assert "not found" in (await post(client, "/key/generate", 400, team_id="none"))["error"]["message"]
    assert (
        await client.request("DELETE", "/litellm/key/delete", json={"key_aliases": ["k"], "keys": None})
    ).json() == {"deleted_keys": ["k"]}
