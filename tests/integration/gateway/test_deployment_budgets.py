"""Is a deployment whose own budget, or whose provider's, is spent left out of routing, and is no budget ever passed?"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import msgspec
import pytest
from tests.patience import patience

from litemaas.core.errors import InvalidField
from litemaas.gateway.settings import RoutingSettings
from litemaas.gateway.tag_routing import bearing

from .harness import Platform, answer, gateway_settings, running, scripted

FOR_ONE = 0.00003
"""USD: what one answer of at most seven tokens to the usual question can cost, and not two."""


def served_by(reply: Any) -> str:
    return str(reply.headers["x-litellm-model-id"])


async def spent(platform: Platform, scope: str) -> int:
    await platform.gateway.accountant.empty()
    nano = await platform.ledger.connection.fetchval(
        "select sum(settled_nano)::bigint from budget_windows where scope = $1", scope
    )
    return nano or 0


async def leased(platform: Platform, scope: str) -> int:
    nano = await platform.ledger.connection.fetchval(
        "select sum(leased_nano)::bigint from budget_windows where scope = $1", scope
    )
    return nano or 0


async def test_of_twenty_calls_at_once_one_goes_to_the_deployment_with_a_budget_for_one(platform: Platform, key: str):
    url = platform.sim.chat.url + "/v1"
    poor = await platform.ledger.add_model("twofold", url, params=json.dumps({"max_budget": FOR_ONE}), weight=1000)
    rich = await platform.add_model("twofold", url)
    replies = await asyncio.gather(*(platform.chat(key, model="twofold", max_tokens=7) for _ in range(20)))
    assert {reply.status_code for reply in replies} == {200}
    assert Counter(map(served_by, replies)) == {poor: 1, rich: 19}
    records = await platform.records(key, 20)
    [its_own] = [row["cost_nano"] for row in records if row["deployment_id"] == poor]
    assert await spent(platform, f"deployment:{poor}") == its_own <= FOR_ONE * 1e9
    assert await spent(platform, f"deployment:{rich}") == 0
    assert await platform.ledger.settled(key) == sum(row["cost_nano"] for row in records)


async def test_without_another_the_caller_is_told_when_to_come_again_and_the_key_pays_nothing(
    platform: Platform, key: str
):
    params = json.dumps({"max_budget": "0.00003", "budget_duration": "1d"})
    await platform.add_model("lonely", platform.sim.chat.url + "/v1", params=params)
    assert (await platform.chat(key, model="lonely", max_tokens=7)).status_code == 200
    paid = await platform.records(key, 1)
    refused = await platform.chat(key, model="lonely", max_tokens=7)
    assert refused.status_code == 429
    assert "Budget of the deployment is spent" in refused.json()["error"]["message"]
    assert 1 <= int(refused.headers["retry-after"]) <= 3600
    assert await platform.ledger.settled(key) == paid[0]["cost_nano"]
    await platform.no_room_is_held(key)


async def test_a_fallback_answers_when_the_budget_is_spent(platform: Platform, key: str):
    await platform.add_model("spent", platform.sim.chat.url + "/v1", params=json.dumps({"max_budget": 0}))
    reply = await platform.chat(key, model="spent", fallbacks=["granite"])
    assert (reply.status_code, reply.headers["x-litellm-model-group"]) == (200, "granite")


async def test_a_failed_attempt_gives_back_what_it_held(platform: Platform, key: str):
    async with scripted(answer(b'{"error": "out of order"}', "500 Internal Server Error")) as engine:
        params = json.dumps({"max_budget": FOR_ONE})
        broken = await platform.add_model("broken", engine.url, params=params)
        for _ in range(3):
            assert (await platform.chat(key, model="broken", max_tokens=7)).status_code == 500
        engine.reply = answer(
            b'{"id":"x","model":"granite-3.3-8b","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7}}'
        )
        assert (await platform.chat(key, model="broken", max_tokens=7)).status_code == 200
        assert await spent(platform, f"deployment:{broken}") == 25_000
        assert (await platform.chat(key, model="broken", max_tokens=7)).status_code == 429


async def test_a_stream_is_held_and_booked_on_its_deployment_too(platform: Platform, key: str):
    one = await platform.add_model("streaming", platform.sim.chat.url + "/v1", params=json.dumps({"max_budget": 1}))
    reply = await platform.chat(key, model="streaming", stream=True)
    assert b"[DONE]" in reply.content
    record = await platform.record(key)
    assert await spent(platform, f"deployment:{one}") == record["cost_nano"] > 0


async def test_a_providers_budget_takes_all_of_its_deployments_out(platform: Platform, key: str):
    ledger = platform.ledger
    url = platform.sim.chat.url + "/v1"
    own = [await ledger.add_model("mixed", url, provider="mistral", weight=1000) for _ in range(2)]
    other = await platform.add_model("mixed", url)
    await ledger._insert(
        "budgets", {"scope": "provider:mistral", "max_budget_nano": 30_000, "created_by": "t", "updated_by": "t"}
    )
    await ledger.announce("budget", ["provider:mistral"])
    await platform.catch_up()
    replies = [await platform.chat(key, model="mixed", max_tokens=7) for _ in range(6)]
    counted = Counter(map(served_by, replies))
    assert sum(counted[deployment] for deployment in own) == 1
    assert counted[other] == 5
    assert 0 < await spent(platform, "provider:mistral") <= 30_000


async def test_a_raised_budget_brings_the_deployment_back(platform: Platform, key: str):
    one = await platform.add_model("raised", platform.sim.chat.url + "/v1", params=json.dumps({"max_budget": 0}))
    assert (await platform.chat(key, model="raised")).status_code == 429
    await platform.ledger.connection.execute(
        "update deployments set params = $2 where id = $1", one, json.dumps({"max_budget": 1})
    )
    await platform.ledger.announce("catalog", ["raised"])
    await platform.catch_up()
    assert (await platform.chat(key, model="raised")).status_code == 200


async def test_leases_of_a_deployments_budget_come_back_when_it_is_idle(platform: Platform, key: str):
    one = await platform.add_model("idle", platform.sim.chat.url + "/v1", params=json.dumps({"max_budget": 5}))
    assert (await platform.chat(key, model="idle")).status_code == 200
    await platform.gateway.accountant.empty()
    async with patience(30):
        while await leased(platform, f"deployment:{one}"):
            await platform.gateway.budgets.return_idle(0.0)
            await asyncio.sleep(0.01)
    assert await spent(platform, f"deployment:{one}") > 0


class Bearing:
    """What is looked at of a target."""

    def __init__(self, *tags: str) -> None:
        self.deployment = self
        self.tags = tags


FREE, PAID, DEFAULT, PLAIN = Bearing("free"), Bearing("paid", "fast"), Bearing("default"), Bearing()


@pytest.mark.parametrize(
    ("targets", "tags", "expected"),
    [
        ([FREE, PAID, PLAIN], ["free"], [FREE]),
        ([FREE, PAID, PLAIN], ["fast", "free"], [FREE, PAID]),
        ([FREE, PAID, PLAIN], [], [PLAIN]),
        ([FREE, DEFAULT, PLAIN], ["unknown"], [DEFAULT]),
        ([FREE, PLAIN], ["unknown"], [PLAIN]),
    ],
)
def test_calls_go_to_the_deployments_that_bear_their_tags(targets: Any, tags: list[str], expected: Any):
    assert bearing(targets, tags, "granite") == expected


def test_a_call_that_no_deployment_is_for_is_refused_by_name():
    targets: Any = [FREE, PAID]
    with pytest.raises(InvalidField, match="fast, free, paid"):
        bearing(targets, [], "granite")


async def test_where_calls_are_routed_by_tags_keys_and_bodies_say_where_to(
    module_database: str, platform: Platform, tmp_path: Any
):
    ledger, url = platform.ledger, platform.sim.chat.url + "/v1"
    free = await ledger.add_model("tagged", url, params=json.dumps({"tags": ["free"]}))
    paid = await ledger.add_model("tagged", url, params=json.dumps({"tags": ["paid"]}))
    settings = gateway_settings(module_database, tmp_path, worker_id="gateway-tags", routing=RoutingSettings(
        retries=0, allowed_failures_alone=1_000_000, probe_interval_s=0, tag_filtering=True,
    ))  # fmt: skip
    async with running(msgspec.structs.replace(settings), platform.sim) as routed:
        key, paying = await ledger.add_key(), await ledger.add_key(tags=["paid"])
        await routed.catch_up()
        for _ in range(5):
            assert served_by(await routed.chat(key, model="tagged", tags=["free"])) == free
            assert served_by(await routed.chat(paying, model="tagged")) == paid
        refused = await routed.chat(key, model="tagged")
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "tags")
        assert (await routed.chat(key)).status_code == 200
    await platform.catch_up()
    assert {served_by(await platform.chat(key, model="tagged", tags=["free"])) for _ in range(20)} == {free, paid}


async def test_a_call_that_ends_while_it_waits_for_the_deployments_money_gives_its_place_back(
    platform: Platform, key: str
):
    columns = {"params": json.dumps({"max_budget": 5}), "max_parallel_requests": 1}
    await platform.add_model("narrow", platform.sim.chat.url + "/v1", **columns)
    budgets = platform.gateway.budgets
    trusted_until, budgets.trusted_until = budgets.trusted_until, 0.0
    try:
        assert (await platform.chat(key, model="narrow")).status_code == 503
    finally:
        budgets.trusted_until = trusted_until
    assert (await platform.chat(key, model="narrow")).status_code == 200
