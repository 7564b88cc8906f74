"""Does one event, and never a second, tell that a soft budget or four fifths of a hard one are spent?"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from litemaas.core.keys import hash_key

from .harness import PRICE_OUT, WITHIN_S, Platform

OUTPUT = 10
PRICE = OUTPUT * PRICE_OUT


async def events(platform: Platform, scope: str) -> list[tuple[str, int, int]]:
    """Kind, mark and spend of a scope's events, in calls' prices."""
    await platform.gateway.accountant.empty()
    rows = await platform.ledger.connection.fetch(
        "select kind, threshold_nano, settled_nano from budget_events where scope = $1 order by at, threshold_nano",
        scope,
    )
    return [(row["kind"], row["threshold_nano"] // PRICE, row["settled_nano"] // PRICE) for row in rows]


async def call(platform: Platform, key: str, **members: Any) -> None:
    """One call that costs ``PRICE``, settled."""
    reply = await platform.chat(key, model="counted", max_tokens=OUTPUT, **members)
    assert reply.status_code == 200, reply.text
    await platform.gateway.accountant.empty()


@pytest.fixture(scope="module", autouse=True)
async def counted(module_platform: Platform) -> None:
    await module_platform.add_model("counted", module_platform.sim.chat.url + "/v1", price=(0, PRICE_OUT / 1e9))


async def set_budget(platform: Platform, scope: str, **columns: Any) -> None:
    await platform.ledger._insert("budgets", {"scope": scope, "created_by": "test", "updated_by": "test", **columns})
    seq = await platform.ledger.announce("budget", [scope])
    assert await platform.gateway.feed.wait_for(seq, WITHIN_S)


async def test_a_key_that_passes_its_soft_and_then_four_fifths_of_its_hard_budget(platform: Platform):
    key = await platform.ledger.add_key(max_budget_nano=10 * PRICE, soft_budget_nano=2 * PRICE)
    scope = f"key:{hash_key(key)}"
    await call(platform, key)
    assert await events(platform, scope) == []
    for _ in range(6):
        await call(platform, key)
    assert await events(platform, scope) == [("soft", 2, 2)]
    for _ in range(3):
        await call(platform, key)
    assert await events(platform, scope) == [("soft", 2, 2), ("near_limit", 8, 8)]


async def test_a_soft_budget_alone_refuses_nobody_and_tells_once(platform: Platform):
    await set_budget(platform, "team:soft", soft_budget_nano=PRICE)
    keys = [await platform.ledger.add_key(team_id="soft") for _ in range(4)]
    await asyncio.gather(*(call(platform, key) for key in keys))

    assert [kind for kind, *_ in await events(platform, "team:soft")] == ["soft"]


async def test_a_new_window_tells_anew(platform: Platform):
    await set_budget(platform, "user:daily", soft_budget_nano=PRICE, budget_duration="daily")
    key = await platform.ledger.add_key(user_id="daily")
    await call(platform, key)
    for table in ("budget_events", "budget_windows"):
        await platform.ledger.connection.execute(
            f"update {table} set window_start = window_start - interval '1 day' where scope = 'user:daily'"  # noqa: S608 - ours
        )
    await call(platform, key)

    assert await events(platform, "user:daily") == [("soft", 1, 1)] * 2


async def test_a_budget_per_model_tells_when_it_is_nearly_spent(platform: Platform):
    key = await platform.ledger.add_key(model_limits=f'{{"counted": {{"max_budget_nano": {PRICE}}}}}')
    await call(platform, key)

    assert await events(platform, f"key:{hash_key(key)}/model:counted") == [("near_limit", 0, 1)]
    assert await events(platform, f"key:{hash_key(key)}") == []


async def test_customers_have_the_marks_of_their_own_budget_or_of_the_default(platform: Platform):
    await set_budget(platform, "customer:*", max_budget_nano=5 * PRICE, soft_budget_nano=PRICE)
    await set_budget(platform, "customer:own", max_budget_nano=5 * PRICE)
    key = await platform.ledger.add_key()
    for customer in ("any", "own"):
        await call(platform, key, user=customer)

    assert await events(platform, "customer:any") == [("soft", 1, 1)]
    assert await events(platform, "customer:own") == []
