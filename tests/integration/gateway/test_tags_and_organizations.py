"""Do budgets of tags and organizations hold for all keys together, and does a team's word reach the calls of its keys?"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from .harness import Platform

FOR_ONE = 30_000
"""nano-USD: what one answer of at most seven tokens to the usual question can cost, and not two."""


@pytest.fixture
async def limit(platform: Platform) -> AsyncIterator[Any]:
    """Sets limits of a scope; they end with the test."""
    ledger, scopes = platform.ledger, []

    async def set_limits(scope: str, **columns: Any) -> None:
        scopes.append(scope)
        await ledger.connection.execute("delete from budgets where scope = $1", scope)
        await ledger._insert("budgets", {"scope": scope, "created_by": "t", "updated_by": "t", **columns})
        await ledger.announce("budget", [scope])
        await platform.catch_up()

    yield set_limits
    await ledger.connection.execute("delete from budgets where scope = any($1)", scopes)
    await ledger.announce("budget", scopes)
    await platform.catch_up()


async def booked(platform: Platform, scope: str) -> int:
    await platform.gateway.accountant.empty()
    nano = await platform.ledger.connection.fetchval(
        "select sum(settled_nano)::bigint from budget_windows where scope = $1", scope
    )
    return nano or 0


async def add_team(platform: Platform, name: str, **extras: Any) -> str:
    await platform.ledger._insert(
        "teams", {"id": name, "name": name, "extras": json.dumps(extras), "created_by": "t", "updated_by": "t"}
    )
    return name


async def test_twenty_calls_of_twenty_keys_with_a_tag_whose_budget_is_for_one_admit_exactly_one(
    platform: Platform, limit: Any
):
    keys = [await platform.ledger.add_key() for _ in range(20)]
    await limit("tag:thesis", max_budget_nano=FOR_ONE)
    replies = await asyncio.gather(*(platform.chat(key, max_tokens=7, tags=["thesis"]) for key in keys))
    assert Counter(reply.status_code for reply in replies) == {200: 1, 400: 19}
    told = next(reply for reply in replies if reply.status_code == 400).json()["error"]
    assert told["type"] == "budget_exceeded"
    assert "tag" in told["message"]
    assert 0 < await booked(platform, "tag:thesis") <= FOR_ONE
    assert (await platform.chat(keys[0], max_tokens=7)).status_code == 200
    assert (await platform.chat(keys[0], max_tokens=7, tags=["other"])).status_code == 200


@pytest.mark.parametrize("place", ["member", "metadata", "header", "key", "notes", "team"])
async def test_a_tag_counts_wherever_it_comes_from_and_stands_in_the_record(platform: Platform, limit: Any, place: str):
    tag = f"from-{place}"
    await limit(f"tag:{tag}", max_budget_nano=10**9)
    columns: dict[str, Any] = {
        "key": {"tags": [tag]}, "notes": {"metadata": json.dumps({"tags": [tag]})},
        "team": {"team_id": await add_team(platform, "tagging", tags=[tag]) if place == "team" else None},
    }.get(place, {})  # fmt: skip
    key = await platform.ledger.add_key(**columns)
    await platform.catch_up()
    members: dict[str, Any] = {"member": {"tags": [tag]}, "metadata": {"metadata": {"tags": [tag]}}}.get(place, {})
    headers = {"authorization": f"Bearer {key}"} | ({"x-litellm-tags": tag} if place == "header" else {})
    body = {"model": "granite", "messages": [{"role": "user", "content": "Hello"}], **members}
    reply = await platform.http.post("/v1/chat/completions", json=body, headers=headers)
    assert reply.status_code == 200
    record = await platform.record(key)
    assert list(record["tags"]) == [tag]
    assert await booked(platform, f"tag:{tag}") == record["cost_nano"] > 0


async def test_a_tag_named_by_key_and_call_is_booked_once(platform: Platform, limit: Any):
    await limit("tag:twice", max_budget_nano=10**9)
    key = await platform.ledger.add_key(tags=["twice"])
    await platform.catch_up()
    assert (await platform.chat(key, tags=["twice", "twice"])).status_code == 200
    assert await booked(platform, "tag:twice") == (await platform.record(key))["cost_nano"]


async def test_a_call_with_a_customer_and_a_tag_is_held_on_both(platform: Platform, limit: Any, key: str):
    await limit("tag:joint", max_budget_nano=10**9)
    await limit("customer:ann", max_budget_nano=10**9)
    assert (await platform.chat(key, tags=["joint"], user="ann")).status_code == 200
    cost = (await platform.record(key))["cost_nano"]
    assert [await booked(platform, scope) for scope in ("tag:joint", "customer:ann")] == [cost, cost]
    await limit("customer:ann", max_budget_nano=0)
    assert (await platform.chat(key, tags=["joint"], user="ann")).status_code == 400


async def test_requests_with_a_tag_are_counted_over_all_keys(platform: Platform, limit: Any):
    keys = [await platform.ledger.add_key() for _ in range(3)]
    await limit("tag:brisk", rpm_limit=2)
    replies = [await platform.chat(key, tags=["brisk"]) for key in keys]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert replies[0].headers["x-ratelimit-tag-remaining-requests"] == "1"


async def test_a_change_of_a_tags_budget_holds_in_the_next_call_and_the_master_key_goes_on(
    platform: Platform, limit: Any, key: str
):
    await limit("tag:moving", max_budget_nano=10**9)
    assert (await platform.chat(key, tags=["moving"])).status_code == 200
    await limit("tag:moving", max_budget_nano=0)
    assert (await platform.chat(key, tags=["moving"])).status_code == 400
    assert (await platform.chat(key, model="free", tags=["moving"])).status_code == 200
    assert (await platform.chat(platform.gateway._settings.master_key, tags=["moving"])).status_code == 200


@pytest.mark.parametrize("whose", ["key", "team"])
async def test_an_organizations_budget_holds_for_its_keys_and_those_of_its_teams(
    platform: Platform, limit: Any, whose: str
):
    name = f"org-{whose}"
    if whose == "team":
        team = await add_team(platform, f"team-of-{name}", organization_id=name)
        columns: dict[str, Any] = {"team_id": team}
    else:
        columns = {"extras": json.dumps({"organization_id": name})}
    keys = [await platform.ledger.add_key(**columns) for _ in range(10)]
    await limit(f"organization:{name}", max_budget_nano=FOR_ONE)
    replies = await asyncio.gather(*(platform.chat(key, max_tokens=7) for key in keys))
    assert Counter(reply.status_code for reply in replies) == {200: 1, 400: 9}
    told = next(reply for reply in replies if reply.status_code == 400).json()["error"]
    assert "organization" in told["message"]
    await limit(f"organization:{name}", rpm_limit=100)
    reply = await platform.chat(keys[0])
    assert reply.headers["x-ratelimit-organization-limit-requests"] == "100"


async def test_a_teams_guardrails_hold_for_the_calls_of_its_keys(platform: Platform):
    team = await add_team(platform, "guarded", guardrails=["cards"])
    key = await platform.ledger.add_key(team_id=team)
    await platform.catch_up()
    refused = await platform.chat(key, messages=[{"role": "user", "content": "pay with 4111 1111 1111 1111"}])
    assert refused.status_code == 403
    assert (await platform.chat(key)).headers["x-litellm-applied-guardrails"] == "cards"
