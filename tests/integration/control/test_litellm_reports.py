"""Do LiteLLM's daily activity and its reports add up as the gateway-api contract 3.7 says?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import asyncpg
import httpx2
import pytest

from litemaas.core.ledger import Status

from .test_litellm_spend import AT, record, write

NINE = {
    "spend", "prompt_tokens", "completion_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "total_tokens",
    "successful_requests", "failed_requests", "api_requests",
}  # fmt: skip
DATES = {"start_date": "2026-11-20", "end_date": "2026-11-26"}


async def get(client: httpx2.AsyncClient, path: str, status: int = 200, /, **query: Any) -> Any:
    answer = await client.get(f"/litellm{path}", params=query)
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.fixture
async def ledger(database: asyncpg.Connection) -> None:
    """Three days with fifty keys each, one failure, one refused key, a team, a tag and an end user."""
    many = [
        record(f"{day}-{key}", started_at=AT + timedelta(days=day), key_hash=f"{key:064x}", key_alias=None)
        for day in range(3) for key in range(50)
    ]  # fmt: skip
    odd = record(
        "failed",
        key_hash="0" * 64,
        status=Status.FAILURE,
        http_status=500,
        cost_nano=0,
        prompt_tokens=0,
        completion_tokens=0,
    )
    stranger = record(
        "stranger",
        key_hash="",
        status=Status.REFUSED,
        http_status=401,
        cost_nano=0,
        prompt_tokens=0,
        completion_tokens=0,
    )
    paid = record(
        "paid", key_hash="b" * 64, model="llama", team_id="TB", end_user="c1", tags=["blue"], cost_nano=100_000
    )
    await write(database, *many, odd, stranger, paid)


async def test_pages_hold_whole_days_and_totals_are_of_everything(client: httpx2.AsyncClient, ledger: None):
    first = await get(client, "/user/daily/activity", **DATES, page_size=1)
    assert [day["date"] for day in first["results"]] == ["2026-11-25"]
    assert len(first["results"][0]["breakdown"]["api_keys"]) == 50
    assert (first["metadata"]["total_pages"], first["metadata"]["has_more"], first["metadata"]["page"]) == (3, True, 1)
    last = await get(client, "/user/daily/activity", **DATES, page_size=1, page=3)
    totals = {name: value for name, value in first["metadata"].items() if name.startswith("total_")}
    assert totals == {name: value for name, value in last["metadata"].items() if name.startswith("total_")}
    assert (totals["total_api_requests"], totals["total_successful_requests"], totals["total_failed_requests"]) == (
        153,
        151,
        2,
    )
    assert totals["total_spend"] == pytest.approx(150 * 0.000025 + 0.0001)
    day = last["results"][0]
    assert set(day["metrics"]) == NINE
    assert set(day["breakdown"]) == {
        "mcp_servers", "models", "model_groups", "providers", "endpoints", "api_keys", "entities"
    }  # fmt: skip
    assert set(day["breakdown"]["endpoints"]) == {"/chat/completions"}
    assert day["breakdown"]["models"]["llama"]["metrics"]["spend"] == 0.0001
    assert day["breakdown"]["models"]["granite"]["api_key_breakdown"]["0" * 64]["metrics"]["failed_requests"] == 1
    assert day["breakdown"]["api_keys"][""]["metrics"]["failed_requests"] == 1
    assert day["metrics"]["api_requests"] == 53


async def test_activity_is_narrowed_and_says_what_is_missing(client: httpx2.AsyncClient, ledger: None):
    own = await get(client, "/user/daily/activity", **DATES, api_key="b" * 64, page_size=1000)
    assert (own["metadata"]["total_spend"], own["metadata"]["total_pages"]) == (0.0001, 1)
    none = await get(client, "/user/daily/activity", **DATES, api_key="c" * 64)
    assert (none["results"], none["metadata"]["total_pages"], none["metadata"]["total_spend"]) == ([], 0, 0.0)
    for query, status in (
        ({}, 400), ({"start_date": "2026-11-20"}, 400), ({"start_date": "20.11.", "end_date": "2026-11-26"}, 400),
        ({**DATES, "page_size": 1001}, 422),
    ):  # fmt: skip
        await get(client, "/user/daily/activity", status, **query)
    teams = await get(client, "/team/daily/activity", **DATES, team_ids="TB,other")
    assert set(teams["results"][0]["breakdown"]["entities"]) == {"TB"}
    without = await get(client, "/team/daily/activity", **DATES, exclude_team_ids="TB")
    assert without["metadata"]["total_api_requests"] == 152
    customers = await get(client, "/customer/daily/activity", **DATES, end_user_ids="c1")
    assert customers["metadata"]["total_spend"] == 0.0001
    assert (await get(client, "/tag/daily/activity", **DATES, tags="blue"))["metadata"]["total_api_requests"] == 1
    whole = await get(client, "/user/daily/activity/aggregated", **DATES)
    assert len(whole["results"]) == 3


async def test_a_key_of_nobody_sees_only_its_own_activity(
    client: httpx2.AsyncClient, anonymous: httpx2.AsyncClient, ledger: None
):
    key = (await client.post("/litellm/key/generate", json={})).json()["key"]
    headers = {"Authorization": f"Bearer {key}"}
    told = await anonymous.get("/litellm/user/daily/activity", params=DATES, headers=headers)
    assert (told.status_code, told.json()["results"]) == (200, [])
    for query in ({"user_id": "u1"}, {"api_key": "b" * 64}):
        refused = await anonymous.get("/litellm/user/daily/activity", params=DATES | query, headers=headers)
        assert refused.status_code == 401
    for path in ("/global/spend", "/spend/keys", "/team/daily/activity?start_date=2026-11-20&end_date=2026-11-26"):
        assert (await anonymous.get(f"/litellm{path}", headers=headers)).status_code == 401, path


async def test_reports_name_what_cost_most(client: httpx2.AsyncClient, ledger: None):
    key = (await client.post("/litellm/key/generate", json={"key_alias": "k", "user_id": "ann"})).json()
    await client.post("/litellm/user/new", json={"user_id": "ann", "auto_create_key": False})
    assert await get(client, "/global/spend") == {"spend": pytest.approx(0.00385), "max_budget": 0.0}
    made = await client.put("/api/v1/admin/budgets/installation/all", json={"max_budget_nano": 5_000_000_000})
    assert made.status_code == 200, made.text
    assert (await get(client, "/global/spend"))["max_budget"] == 5.0
    assert (await client.delete("/api/v1/admin/budgets/installation/all")).status_code == 204
    assert (await get(client, "/global/spend/models"))[0] == {"model": "granite", "total_spend": 0.00375}
    [dearest] = await get(client, "/global/spend/keys", limit=1)
    assert (dearest["api_key"], dearest["total_spend"]) == ("b" * 64, 0.0001)
    teams = await get(client, "/global/spend/teams")
    assert teams["teams"] == ["Unassigned", "TB"]
    assert teams["daily_spend"][0] == {"date": "2026-11-23", "Unassigned": 0.00125, "TB": 0.0001}
    assert [day["spend"] for day in await get(client, "/global/spend/logs")] == [0.00135, 0.00125, 0.00125]
    assert (await get(client, "/spend/tags"))[1] == {
        "individual_request_tag": "blue",
        "log_count": 1,
        "total_spend": 0.0001,
    }
    assert len(await get(client, "/global/spend/tags", **DATES, tags="blue")) == 1
    await get(client, "/global/spend/tags", 400)
    assert (await get(client, "/global/spend/all_tag_names"))["tag_names"] == ["User-Agent: python-httpx", "blue"]
    assert (await get(client, "/global/spend/provider"))[0]["provider"] == "openai"
    assert await get(client, "/global/all_end_users") == {"end_users": ["c1"]}
    ended = (await client.post("/litellm/global/spend/end_users", json={})).json()
    assert ended == [{"end_user": "c1", "total_count": 1, "total_spend": 0.0001}]
    [row] = await get(client, "/spend/keys")
    assert (row["token"], row["key_alias"]) == (key["token"], "k")
    assert [user["key_aliases"] for user in await get(client, "/spend/users", user_id="ann")] == [["k"]]
    report = await get(client, "/global/spend/report", **DATES, group_by="customer")
    assert report[0]["customers"][-1]["customer"] in ("c1", "Unassigned")
    assert len(await get(client, "/global/spend/report", **DATES, group_by="api_key")) == 3


async def test_activity_in_all_counts_requests_and_tokens(client: httpx2.AsyncClient, ledger: None):
    told = await get(client, "/global/activity", **DATES)
    assert told["daily_data"][0] == {"date": "Nov 23", "api_requests": 52, "total_tokens": 51 * 18}
    assert told["sum_api_requests"] == 152
    models = await get(client, "/global/activity/model", **DATES)
    assert (models[0]["model"], models[0]["daily_data"][0]["model_group"]) == ("granite", "granite")
    await get(client, "/global/activity", 400)


async def test_spend_of_all_keys_is_set_back_and_the_ledger_is_not(client: httpx2.AsyncClient, ledger: None):
    key = (await client.post("/litellm/key/generate", json={"spend": 2})).json()["token"]
    assert (await client.post("/litellm/global/spend/reset")).json()["status"] == "success"
    assert (await get(client, "/key/info", key=key))["info"]["spend"] == 0.0
    assert (await get(client, "/global/spend"))["spend"] == pytest.approx(0.00385)
