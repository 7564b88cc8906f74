"""Does ``/spend/logs`` show the ledger as the gateway-api contract 3.7 says?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg
import httpx2

from litemaas.core.ledger import COLUMNS, Status

AT = datetime(2026, 11, 23, 19, 3, 29, tzinfo=UTC)


def record(request_id: str, **members: object) -> dict[str, object]:
    plain = dict(  # noqa: C408 — shorter than 37 quoted names
        request_id=request_id, started_at=AT, duration_us=100_000, ttft_us=50_000, endpoint="/v1/chat/completions",
        stream=False, status=Status.SUCCESS, http_status=200, error_code=None, error_message=None, key_hash="a" * 64,
        key_alias="virtkey-ab12", user_id="u1", team_id=None, end_user=None, model="granite", deployment_id="d1",
        provider="openai", engine_model="granite-3", api_base="http://engine:8000/v1", engine_request_id="chatcmpl-1",
        prompt_tokens=11, completion_tokens=7, cached_tokens=0, cache_write_tokens=0, reasoning_tokens=0, pages=0,
        usage_source="engine", cost_nano=25_000, input_cost_nano=11_000, output_cost_nano=14_000, price_version=1,
        attempts=1, client_ip=None, user_agent=None, tags=["User-Agent: python-httpx"], metadata={}, source="api",
    )  # fmt: skip
    return plain | members


async def write(database: asyncpg.Connection, *records: dict[str, object]) -> None:
    rows = [["{}" if column == "metadata" else record[column] for column in COLUMNS] for record in records]
    await database.copy_records_to_table("usage_records", records=rows, columns=list(COLUMNS))


async def test_rows_have_every_member_of_the_contract(client: httpx2.AsyncClient, database: asyncpg.Connection):
    await write(database, record("r1"))
    (row,) = (await client.get("/litellm/spend/logs")).json()
    expected = {
        "request_id", "call_type", "api_key", "spend", "total_tokens", "prompt_tokens", "completion_tokens",
        "startTime", "endTime", "request_duration_ms", "completionStartTime", "model", "model_id", "model_group",
        "custom_llm_provider", "api_base", "user", "metadata", "cache_hit", "cache_key", "request_tags", "team_id",
        "organization_id", "end_user", "requester_ip_address", "messages", "response", "session_id", "status",
        "proxy_server_request", "mcp_namespaced_tool_name", "agent_id",
    }  # fmt: skip
    assert set(row) == expected
    assert row["request_id"] == "chatcmpl-1"
    assert row["spend"] == 0.000025
    assert row["startTime"] == "2026-11-23T19:03:29.000000Z"
    assert row["endTime"] == "2026-11-23T19:03:29.100000Z"
    assert row["completionStartTime"] == "2026-11-23T19:03:29.050000Z"
    assert row["model"] == "openai/granite-3"
    assert row["call_type"] == "acompletion"
    assert row["metadata"]["cost_breakdown"]["input_cost"] == 0.000011
    assert row["metadata"]["status"] is None


async def test_failures_say_why_and_equal_engine_ids_stay_apart(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    failed = {"status": Status.FAILURE, "http_status": 500, "error_code": "upstream_died", "error_message": "It died."}
    await write(database, record("r1"), record("r2", **failed))
    rows = (await client.get("/litellm/spend/logs")).json()
    assert len({row["request_id"] for row in rows}) == 2
    (bad,) = [row for row in rows if row["status"] == "failure"]
    information = {
        "error_code": "500",
        "error_class": "upstream_died",
        "llm_provider": "openai",
        "error_message": "It died.",
    }
    assert bad["metadata"]["error_information"] == information
    assert len((await client.get("/litellm/spend/logs", params={"request_id": "r1"})).json()) == 1


async def test_dates_sum_up_per_day_and_include_the_last_one(client: httpx2.AsyncClient, database: asyncpg.Connection):
    late = AT.replace(hour=23, minute=59)
    await write(database, record("r1"), record("r2", started_at=late), record("r3", started_at=AT + timedelta(days=1)))
    dates = {"start_date": "2026-11-23", "end_date": "2026-11-23"}
    (day,) = (await client.get("/litellm/spend/logs", params=dates)).json()
    assert day == {
        "startTime": "2026-11-23",
        "spend": 0.00005,
        "users": {"u1": 0.00005},
        "models": {"granite": 0.00005},
        "a" * 64: 0.00005,
    }
    rows = (await client.get("/litellm/spend/logs", params=dates | {"summarize": "false"})).json()
    assert len(rows) == 2
    bad = await client.get("/litellm/spend/logs", params={"start_date": "yesterday"})
    assert (bad.status_code, bad.json()["error"]["param"]) == (400, "start_date")


async def test_our_own_records_and_sums_page_and_add_up(client: httpx2.AsyncClient, database: asyncpg.Connection):
    await write(database, *(record(f"r{n:02}", started_at=AT + timedelta(seconds=n // 2)) for n in range(7)))
    await write(database, record("other", model="llama", status=Status.REFUSED, cost_nano=0))
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await client.get("/api/v1/admin/usage/records", params={"limit": 3, **cursor})).json()
        seen += [entry["request_id"] for entry in page["data"]]
        if page["pagination"]["next_cursor"] is None:
            break
        cursor = {"cursor": page["pagination"]["next_cursor"]}
    assert len(seen) == len(set(seen)) == 8
    summary = (await client.get("/api/v1/admin/usage/summary", params={"group_by": "model"})).json()
    assert (summary["total"]["requests"], summary["total"]["blocked_requests"]) == (7, 1)
    assert summary["total"]["cost_nano"] == 7 * 25_000 == sum(group["cost_nano"] for group in summary["data"])
    short = (await client.get("/api/v1/admin/usage/summary", params={"group_by": "model", "limit": 1})).json()
    assert (short["rest"]["requests"], short["rest"]["blocked_requests"]) == (0, 1)
    assert short["total"] == summary["total"]
    filters = {"status": "refused", "since": "2026-11-23T00:00:00Z", "until": "2026-11-24T00:00:00Z"}
    assert len((await client.get("/api/v1/admin/usage/records", params=filters)).json()["data"]) == 1
    assert (await client.get("/api/v1/admin/usage/records", params={"cursor": "nonsense"})).status_code == 400
    assert (await client.get("/api/v1/admin/usage/records", params={"unknown": "x"})).status_code == 400


async def test_pages_of_the_log_are_filtered_sorted_and_counted(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    failed = {"status": Status.FAILURE, "http_status": 500, "error_code": "upstream_died", "error_message": "It Died."}
    await write(
        database, record("r1", cost_nano=1_000), record("r2", started_at=AT + timedelta(seconds=1), key_alias="other"),
        record("r3", started_at=AT + timedelta(seconds=2), **failed), record("late", started_at=AT + timedelta(days=1)),
    )  # fmt: skip
    period = {"start_date": "2026-11-23 00:00:00", "end_date": "2026-11-24 00:00:00"}

    async def page(**query: object) -> dict[str, object]:
        answer = await client.get("/litellm/spend/logs/v2", params={**period, **query})
        assert answer.status_code == 200, answer.text
        return answer.json()

    whole = await page()
    assert (whole["total"], whole["page"], whole["page_size"], whole["total_pages"]) == (3, 1, 50, 1)
    assert [row["startTime"][17:19] for row in whole["data"]] == ["31", "30", "29"]
    second = await page(page=2, page_size=2, sort_by="spend", sort_order="asc")
    assert (second["total_pages"], len(second["data"])) == (2, 1)
    found = {
        "min_spend": ("0.00002", 2), "max_spend": ("0.000001", 1), "key_alias": ("other", 1), "status_filter": ("failure", 1),
        "error_code": (500, 1), "error_message": ("it died", 1), "model": ("llama", 0), "model_id": ("d1", 3),
        "api_key": ("a" * 64, 3), "user_id": ("u1", 3), "end_user": ("nobody", 0), "request_id": ("r2", 1),
    }  # fmt: skip
    for name, (value, count) in found.items():
        assert (await page(**{name: value}))["total"] == count, name
    assert (await client.get("/litellm/spend/logs/ui", params=period)).json() == whole


async def test_pages_of_the_log_need_two_instants_and_a_known_order(client: httpx2.AsyncClient):
    period = {"start_date": "2026-11-23 00:00:00", "end_date": "2026-11-24 00:00:00"}
    for wrong, field in (({"end_date": "2026-11-24"}, "end_date"), ({"start_date": ""}, "start_date"),
                         ({"sort_by": "key_hash; drop"}, "sort_by")):  # fmt: skip
        refused = await client.get("/litellm/spend/logs/v2", params=period | wrong)
        error = refused.json()["error"]
        assert (refused.status_code, error["type"], error["param"]) == (400, "bad_request", field)


async def test_a_row_has_the_clients_notes_and_what_it_calls_itself(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    await write(database, record("r1", user_agent="openai/1.2 (linux)", tags=["t"]))
    await database.execute("""update usage_records set metadata = '{"run": 1, "units": {"images": 1}}'""")
    (row,) = (await client.get("/litellm/spend/logs")).json()
    assert row["metadata"]["spend_logs_metadata"] == {"run": 1}
    assert row["request_tags"] == ["t", "User-Agent: openai", "User-Agent: openai/1.2"]


async def test_calls_to_routes_of_ones_own_are_told_as_such_whatever_their_paths_hold(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    passed = {
        "endpoint": "/search/rerank",
        "provider": "pass_through",
        "engine_model": "search/rerank",
        "model": "/search/rerank",
    }
    await write(database, record("r1", **passed))
    (row,) = (await client.get("/litellm/spend/logs")).json()
    assert (row["call_type"], row["model"]) == ("pass_through_endpoint", "pass_through/search/rerank")


async def test_a_call_whose_client_left_and_usage_that_is_estimated_are_marked(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    left = {"status": Status.CANCELLED, "http_status": 499, "error_code": "client_closed", "error_message": "It left."}
    await write(database, record("r1", **left, usage_source="estimate"))
    (row,) = (await client.get("/litellm/spend/logs")).json()
    told = row["metadata"]
    assert (row["status"], told["status"], told["error_information"]["error_code"]) == ("failure", "cancelled", "499")
    assert told["usage_estimated"] is True


async def test_rows_name_guardrails_and_the_organization_of_the_key_or_its_team(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    await client.post("/litellm/team/new", json={"team_id": "t1", "organization_id": "o1"})
    own = {"of team": {"team_id": "t1"}, "own": {"team_id": "t1", "organization_id": "o2"}, "none": {}}
    tokens = {
        name: (await client.post("/litellm/key/generate", json={"key_alias": name, **members})).json()["token"]
        for name, members in own.items()
    }
    await write(database, *(record(name, key_hash=token, engine_request_id=name) for name, token in tokens.items()))
    await database.execute(
        """update usage_records set metadata = '{"applied_guardrails": ["pii"]}' where request_id = 'own'"""
    )
    told = {row["request_id"]: row for row in (await client.get("/litellm/spend/logs")).json()}
    assert {name: row["organization_id"] for name, row in told.items()} == {"of team": "o1", "own": "o2", "none": ""}
    assert told["own"]["metadata"]["applied_guardrails"] == ["pii"]
    assert told["own"]["metadata"]["spend_logs_metadata"] is None
    assert told["none"]["metadata"]["applied_guardrails"] == []
    dates = {"start_date": "2026-11-20 00:00:00", "end_date": "2026-11-26 00:00:00"}
    paged = (await client.get("/litellm/spend/logs/v2", params=dates)).json()["data"]
    assert {row["organization_id"] for row in paged} == {"o1", "o2", ""}
