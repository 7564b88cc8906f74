"""Do tags, notes and the end user of a header reach the record, and is nobody believed who writes the gateway's own notes?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from litemaas.core.limits import customer_scope

from .harness import QUESTION, Platform, gateway_settings, running


async def ask(platform: Platform, key: str, headers: dict[str, str], **members: Any) -> httpx2.Response:
    sent = {"Authorization": f"Bearer {key}", **headers}
    return await platform.http.post("/v1/chat/completions", json={**QUESTION, "max_tokens": 2, **members}, headers=sent)


async def test_headers_tag_the_record_and_leave_notes_beside_those_of_the_body(platform: Platform, key: str):
    said = {"x-litellm-tags": "course, lab 1 ,,", "x-litellm-spend-logs-metadata": '{"run": 7}'}
    body = {"tags": ["own"], "metadata": {"spend_logs_metadata": {"part": "b"}}}
    assert (await ask(platform, key, said, **body)).status_code == 200
    record = await platform.record(key)
    assert sorted(record["tags"]) == ["course", "lab 1", "own"]
    assert json.loads(record["metadata"]) == {"part": "b", "run": 7}


@pytest.mark.parametrize("header", ["x-litellm-customer-id", "x-litellm-end-user-id"])
async def test_the_end_user_of_a_header_goes_before_the_bodys_and_its_limits_hold(platform: Platform, header: str):
    key = await platform.ledger.add_key()
    await platform.ledger.connection.execute(
        "insert into budgets (scope, max_budget_nano, created_by, updated_by) values ($1, 0, 'test', 'test')",
        customer_scope(f"poor-{header}"),
    )
    await platform.ledger.announce("budget", [customer_scope(f"poor-{header}")])
    await platform.catch_up()
    assert (await ask(platform, key, {header: "rich"}, user="other")).status_code == 200
    refused = await ask(platform, key, {header: f"poor-{header}"}, user="rich")
    assert refused.json()["error"]["type"] == "budget_exceeded"
    records = await platform.records(key, 2)
    assert [record["end_user"] for record in records] == ["rich", f"poor-{header}"]


async def test_a_safety_identifier_names_the_end_user_where_nothing_else_does_and_goes_on(platform: Platform, key: str):
    assert (await ask(platform, key, {}, safety_identifier="s1")).status_code == 200
    assert (await platform.record(key))["end_user"] == "s1"


async def test_notes_that_are_no_object_are_refused_naming_the_header(platform: Platform, key: str):
    refused = await ask(platform, key, {"x-litellm-spend-logs-metadata": "[1]"})
    assert refused.status_code == 400
    assert "x-litellm-spend-logs-metadata" in refused.json()["error"]["message"]


async def test_what_the_gateway_notes_itself_is_not_taken_from_clients(platform: Platform, key: str):
    forged = {"litemaas_refusal": {"code": "made_up"}, "units": {"images": 9}, "own": 1}
    said = {"x-litellm-spend-logs-metadata": json.dumps(forged)}
    await ask(platform, key, said, metadata={"spend_logs_metadata": forged})
    assert json.loads((await platform.record(key))["metadata"]) == {"own": 1}


async def test_hostile_labels_are_stored_short_and_end_no_line(platform: Platform, key: str):
    tags = ",".join(["x" * 1000, "a\tb", "c\\d", *(f"t{n}" for n in range(50))])
    assert (await ask(platform, key, {"x-litellm-tags": tags})).status_code == 200
    stored = (await platform.record(key))["tags"]
    assert len(stored) == 32
    assert max(map(len, stored)) == 256
    assert {"a\tb", "c\\d"} <= set(stored)


async def test_header_of_the_installation_names_the_end_user_who_must_be_named(
    module_database: str, platform: Platform, tmp_path: Path
):
    settings = gateway_settings(module_database, tmp_path, user_header="X-Course-Member", enforce_user=True)
    async with running(settings, platform.sim) as own:
        key = await own.ledger.add_key()
        await own.catch_up()
        assert (await ask(own, key, {"x-course-member": "ann"})).status_code == 200
        assert (await ask(own, key, {}, user="bob")).status_code == 200
        refused = await ask(own, key, {})
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "user")
        records = await own.records(key, 3)
        assert [record["end_user"] for record in records] == ["ann", "bob", None]


async def test_calls_of_a_key_must_have_the_members_that_it_demands(platform: Platform):
    key = await platform.ledger.add_key(extras=json.dumps({"enforced_params": ["user", "metadata.generation_name"]}))
    whole = {"user": "u1", "metadata": {"generation_name": "g"}}
    assert (await ask(platform, key, {}, **whole)).status_code == 200
    assert (await ask(platform, key, {}, **whole)).status_code == 200  # known by now
    for missing, without in (("user", {"metadata": whole["metadata"]}), ("metadata.generation_name", {"user": "u1"}),
                             ("metadata.generation_name", {"user": "u1", "metadata": {"generation_name": None}})):  # fmt: skip
        refused = await ask(platform, key, {}, **without)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, missing)
    response = await platform.post("/v1/responses", key, {"model": "granite", "input": "x", "user": "u1"})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "metadata.generation_name")


async def test_what_a_key_demands_is_demanded_of_a_model_too_that_answered_as_a_fallback(platform: Platform):
    key = await platform.ledger.add_key(extras=json.dumps({"enforced_params": ["user"]}))
    await platform.add_model("unreachable", "http://127.0.0.1:9/v1")
    fallen = await ask(platform, key, {}, model="unreachable", fallbacks=["granite"], num_retries=0, user="u1")
    assert (fallen.status_code, fallen.headers["x-litellm-attempted-fallbacks"]) == (200, "1")
    refused = await ask(platform, key, {})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "user")
