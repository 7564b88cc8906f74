"""Does what the whole installation may spend and take hold for all keys together?"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from .harness import Platform

SCOPE = "installation:all"
FOR_ONE = 30_000
"""nano-USD: what one answer of at most seven tokens to the usual question can cost, and not two."""


@pytest.fixture
async def limit(platform: Platform) -> Any:
    """Sets the installation's limits; they end with the test."""
    ledger = platform.ledger

    async def set_limits(**columns: Any) -> None:
        await ledger.connection.execute("delete from budgets where scope = $1", SCOPE)
        if columns:
            await ledger._insert("budgets", {"scope": SCOPE, "created_by": "t", "updated_by": "t", **columns})
        await ledger.announce("budget", [SCOPE])
        await platform.catch_up()

    yield set_limits
    await set_limits()


async def booked(platform: Platform) -> int:
    await platform.gateway.accountant.empty()
    nano = await platform.ledger.connection.fetchval(
        "select sum(settled_nano)::bigint from budget_windows where scope = $1", SCOPE
    )
    return nano or 0


async def test_forty_calls_at_once_with_forty_keys_on_a_budget_for_one_admit_exactly_one(
    platform: Platform, limit: Any
):
    keys = [await platform.ledger.add_key() for _ in range(40)]
    await limit(max_budget_nano=await booked(platform) + FOR_ONE)
    before = platform.sim.counters.of("chat").requests
    replies = await asyncio.gather(*(platform.chat(key, max_tokens=7) for key in keys))
    assert Counter(reply.status_code for reply in replies) == {200: 1, 400: 39}
    told = next(reply for reply in replies if reply.status_code == 400).json()["error"]
    assert told["type"] == "budget_exceeded"
    assert "installation" in told["message"]
    assert platform.sim.counters.of("chat").requests == before + 1


async def test_a_change_holds_in_the_next_call_and_free_models_and_the_master_key_go_on(
    platform: Platform, limit: Any, key: str
):
    assert (await platform.chat(key)).status_code == 200
    await limit(max_budget_nano=0)
    refused = await platform.chat(key)
    assert refused.status_code == 400
    assert (await platform.chat(key, model="free")).status_code == 200
    before = await booked(platform)
    by_master = await platform.chat(platform.gateway._settings.master_key)
    assert by_master.status_code == 200
    await platform.gateway.accountant.empty()
    assert await booked(platform) > before  # it is nobody's limit, and the installation's money all the same
    await limit()
    assert (await platform.chat(key)).status_code == 200


async def test_requests_per_minute_are_counted_over_all_keys(platform: Platform, limit: Any):
    keys = [await platform.ledger.add_key() for _ in range(4)]
    await limit(rpm_limit=3)
    replies = [await platform.chat(key) for key in keys]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429]
    assert "installation" in replies[-1].json()["error"]["message"]
