"""Is what happens to one call, customer or endpoint kept from the others? Lines B5, B11, B16 of gateway-api contract 6."""

from __future__ import annotations

import asyncio

from litemaas.core.keys import hash_key

from .harness import Platform, answer, scripted, until


async def test_a_hundred_and_sixty_keys_in_one_flush_are_all_in_records_and_spend(platform: Platform) -> None:
    keys = [await platform.ledger.add_key() for _ in range(160)]
    few = asyncio.Semaphore(20)

    async def call(key: str) -> int:
        async with few:
            return (await platform.chat(key, max_tokens=1)).status_code

    assert set(await asyncio.gather(*map(call, keys))) == {200}
    hashes = [hash_key(key) for key in keys]
    connection = platform.ledger.connection

    async def all_there() -> bool:
        found = await connection.fetchval("select count(*) from usage_records where key_hash = any($1)", hashes)
        return bool(found == 160)

    await until(all_there)
    await platform.gateway.accountant.empty()
    costs = await connection.fetch("select key_hash, cost_nano from usage_records where key_hash = any($1)", hashes)
    spent = await connection.fetch(
        "select scope, settled_nano from budget_windows where scope = any($1)", [f"key:{one}" for one in hashes]
    )
    assert {row["scope"]: row["settled_nano"] for row in spent} == {
        f"key:{row['key_hash']}": row["cost_nano"] for row in costs
    }


async def test_what_an_engine_does_not_have_cools_no_other_endpoint(platform: Platform, key: str) -> None:
    done = answer(b'{"id":"1","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}')
    async with scripted(answer(b'{"detail":"Not Found"}', "404 Not Found")) as engine:
        await platform.add_model("only-chat", engine.url)
        await platform.add_model("no-images", engine.url, mode="image_generation")
        asked = {"model": "no-images", "prompt": "a boat"}
        for _ in range(5):
            assert (await platform.post("/v1/images/generations", key, asked)).status_code == 404
            assert (await platform.post("/v1/tokenize", key, {"model": "only-chat", "prompt": "x"})).status_code == 404
        engine.reply = done
        assert (await platform.chat(key, model="only-chat")).status_code == 200
        assert (await platform.post("/v1/images/generations", key, asked)).status_code == 200


async def test_a_customers_limits_hold_for_its_own_calls_and_not_for_the_next_one(platform: Platform, key: str) -> None:
    await platform.ledger._insert(
        "budgets",
        {"scope": "customer:busy", "rpm_limit": 1, "max_budget_nano": 10**9, "created_by": "t", "updated_by": "t"},
    )
    await platform.ledger.announce("budget", ["customer:busy"])
    await platform.catch_up()
    assert (await platform.chat(key, user="busy", max_tokens=1)).status_code == 200
    assert (await platform.chat(key, user="busy", max_tokens=1)).status_code == 429
    assert (await platform.chat(key, max_tokens=1)).status_code == 200
    assert (await platform.chat(key, user="another", max_tokens=1)).status_code == 200
