"""Do an installation's own rules hold: which tokens are limited, whose budgets count, and which endpoints keys are for?"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from litemaas.gateway.settings import BudgetSettings, RateSettings

from .harness import QUESTION, Platform, answer, gateway_settings, running, scripted

MADE = {"created_by": "t", "updated_by": "t"}
REPLY = answer(
    b'{"id":"x","model":"granite-3.3-8b","choices":[],"usage":{"prompt_tokens":40,"completion_tokens":10,"total_tokens":50}}'
)


@asynccontextmanager
async def ruled(platform: Platform, database: str, state_dir: Path, **own: Any) -> AsyncIterator[Platform]:
    settings = gateway_settings(database, state_dir, worker_id="gateway-ruled", **own)
    async with running(settings, platform.sim) as other:
        yield other


@pytest.mark.parametrize(("kind", "used"), [("total", 50), ("input", 40), ("output", 10)])
async def test_limits_of_tokens_count_the_kind_that_is_said(
    platform: Platform, module_database: str, tmp_path: Path, kind: Any, used: int
):
    async with (
        scripted(REPLY) as engine,
        ruled(platform, module_database, tmp_path, rates=RateSettings(tokens=kind)) as other,
    ):
        model = f"rated-{kind}"
        await other.add_model(model, engine.url)
        key = await platform.ledger.add_key(tpm_limit=10_000)
        await other.catch_up()
        reply = await other.chat(key, model=model, max_tokens=20)
        assert reply.status_code == 200
        assert int(reply.headers["x-ratelimit-api_key-remaining-tokens"]) == 10_000 - used


@pytest.mark.parametrize("kind", ["input", "output"])
async def test_a_limit_of_one_kind_of_tokens_is_never_passed(
    platform: Platform, module_database: str, tmp_path: Path, kind: Any
):
    async with ruled(platform, module_database, tmp_path, rates=RateSettings(tokens=kind)) as other:
        key = await platform.ledger.add_key(tpm_limit=30)
        await other.catch_up()
        replies = [await other.chat(key, max_tokens=10) for _ in range(6)]
        assert {reply.status_code for reply in replies} == {200, 429}
        rows = await other.records(key, 6)
        column = "prompt_tokens" if kind == "input" else "completion_tokens"
        assert 0 < sum(row[column] for row in rows) <= 30


async def test_a_users_budget_holds_for_keys_of_teams_only_where_that_is_said(
    platform: Platform, module_database: str, tmp_path: Path
):
    ledger = platform.ledger
    for table, name in (("users", "username"), ("teams", "name")):
        await ledger._insert(table, {"id": "ruled", name: "ruled"} | MADE)
    await ledger._insert("budgets", {"scope": "user:ruled", "max_budget_nano": 0} | MADE)
    key = await ledger.add_key(user_id="ruled", team_id="ruled")
    await platform.catch_up()
    assert (await platform.chat(key)).status_code == 200
    async with ruled(platform, module_database, tmp_path, budgets=BudgetSettings(user_on_team_keys=True)) as other:
        assert (await other.chat(key)).json()["error"]["type"] == "budget_exceeded"


async def test_permissions_of_litellms_keys_hold_only_where_that_is_said(
    platform: Platform, module_database: str, tmp_path: Path
):
    extras = json.dumps({"permissions": {"allow_chat_completions": False, "allow_embeddings": True}})
    key = await platform.ledger.add_key(extras=extras)
    await platform.catch_up()
    assert (await platform.chat(key)).status_code == 200
    async with ruled(platform, module_database, tmp_path, enforce_key_permissions=True) as other:
        refused = await other.chat(key)
        assert refused.status_code == 403
        assert "detail" in refused.json()
        embedding = {"model": "nomic", "input": "a bill of lading"}
        assert (await other.post("/v1/embeddings", key, embedding)).status_code == 200
        completion = {"model": QUESTION["model"], "prompt": "How"}
        assert (await other.post("/v1/completions", key, completion)).status_code == 200


async def test_only_the_routes_that_are_named_are_answered(platform: Platform, module_database: str, tmp_path: Path):
    allowed = "/chat/completions, info_routes, /key/*"
    async with ruled(platform, module_database, tmp_path, allowed_routes=allowed) as other:
        key = await platform.ledger.add_key()
        await other.catch_up()
        headers = {"authorization": f"Bearer {key}"}
        assert (await other.chat(key)).status_code == 200
        refused = await other.post("/v1/embeddings", key, {"model": "nomic", "input": "a"})
        assert refused.status_code == 403
        assert "not offered" in refused.json()["detail"]
        asked = {
            path: (await other.http.get(path, headers=headers)).status_code
            for path in (
                "/v1/models",
                "/health/liveliness",
                "/key/info",
                "/team/list",
                "/team/list/",
                "/nowhere",
                "/metrics",
            )
        }
        assert asked == {
            "/v1/models": 200, "/health/liveliness": 200, "/key/info": 503, "/team/list": 403, "/team/list/": 403,
            "/nowhere": 403, "/metrics": 200,
        }  # fmt: skip


async def test_customers_without_a_budget_have_the_one_that_is_named(
    platform: Platform, module_database: str, tmp_path: Path
):
    async with (
        scripted(REPLY) as engine,
        ruled(platform, module_database, tmp_path, budgets=BudgetSettings(customer_budget_id="usual")) as other,
    ):
        await other.add_model("of customers", engine.url, price=(0, 0.000001))
        key = await platform.ledger.add_key()
        await platform.ledger._insert("budgets", {"scope": "customer:rich", "max_budget_nano": 10**12, **MADE})
        await platform.ledger.announce("budget", ["customer:rich"])
        await other.catch_up()

        async def answers(user: str | None, calls: int) -> list[int]:
            named = {} if user is None else {"user": user}
            return [
                (await other.chat(key, model="of customers", max_tokens=10, **named)).status_code for _ in range(calls)
            ]

        assert await answers("anyone", 1) == [503]
        assert await answers("rich", 1) + await answers(None, 1) == [200, 200]
        plan = {"id": "usual", "max_budget_nano": 20_000, "soft_budget_nano": 10_000, **MADE}
        await platform.ledger._insert("budget_plans", plan)
        await platform.ledger.announce("budget", ["customer:*"])
        await other.catch_up()
        assert await answers("anyone", 3) == [200, 200, 400]
        assert await answers("another", 1) + await answers("rich", 1) + await answers(None, 1) == [200] * 3
        await platform.ledger.connection.execute("update budget_plans set max_budget_nano = 30000 where id = 'usual'")
        await platform.ledger.announce("budget", ["customer:*"])
        await other.catch_up()
        assert await answers("anyone", 2) == [200, 400]
        await other.gateway.accountant.empty()
    found = await platform.ledger.connection.fetch(
        "select scope, kind from budget_events where scope like 'customer:%' order by scope, kind"
    )
    assert [tuple(row) for row in found] == [
        ("customer:another", "soft"), ("customer:anyone", "near_limit"), ("customer:anyone", "soft")
    ]  # fmt: skip
