"""Does the cap hold when streams of unknown length share a budget that is nearly empty, on two gateways at once?"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from tests.integration.gateway.harness import PRICE_IN, PRICE_OUT, QUESTION, chunks_of, text_of, until

from litemaas.db.embedded import EmbeddedValkey

from .audit import ledger_equals_engines, ledger_equals_windows
from .load import DONE
from .stage import Stage, staged

AT_ONCE = 24
REFUSED = {400, 429, 503}


@pytest.fixture
async def two(database_url: str, valkey_server: EmbeddedValkey, tmp_path: Path) -> AsyncIterator[Stage]:
    """Two gateways on one database, with an engine that would talk for long."""
    async with staged(database_url, valkey_server.url, tmp_path, gateways=2) as stage:
        stage.sim.chat.behave(answer_tokens=700, token_s=0.0002)
        yield stage


async def stream(stage: Stage, number: int, key: str) -> httpx2.Response:
    platform = stage.platforms[number % len(stage.platforms)]
    return await platform.post("/v1/chat/completions", key, {**QUESTION, "model": "tight", "stream": True})


async def spent_until_refused(stage: Stage, key: str) -> list[httpx2.Response]:
    """The good streams of rounds of parallel ones, until a whole round is refused."""
    good: list[httpx2.Response] = []
    for _ in range(20):
        replies = await asyncio.gather(*(stream(stage, number, key) for number in range(AT_ONCE)))
        codes = Counter(reply.status_code for reply in replies)
        assert set(codes) <= {200} | REFUSED, codes
        served = [reply for reply in replies if reply.status_code == 200]
        assert all(reply.content.endswith(DONE) for reply in served)
        good += served
        if not served:
            return good
    raise AssertionError("a budget this small pays for no more than this")


@pytest.mark.parametrize("tokens", [1, 40, 333, 2500])
async def test_parallel_streams_of_unknown_length_never_pass_the_budget(two: Stage, tokens: int):
    prompt = 40 * PRICE_IN
    limit = prompt + tokens * PRICE_OUT
    key = await two.ledger.add_key(max_budget_nano=limit)
    for platform in two.platforms:
        await platform.catch_up()
    good = await spent_until_refused(two, key)
    await two.is_quiet()
    counted = two.sim.counters.of("chat", "qwen3-8b")
    assert counted.prompt_tokens * PRICE_IN + counted.completion_tokens * PRICE_OUT <= limit
    rows = [row for row in await two.ledger.records(key) if row["status"] == "success"]
    assert len(rows) == len(good) >= 1
    assert sum(row["cost_nano"] for row in rows) == await two.ledger.settled(key) <= limit
    for reply in good:
        chunks = chunks_of(reply.content)
        assert text_of(chunks)
        assert [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]][-1] in ("length", "stop")
    await ledger_equals_engines(two)
    await ledger_equals_windows(two)
    await two.leases_come_back()


async def test_clients_that_leave_streams_on_a_nearly_empty_budget_leave_the_rest_for_others(two: Stage):
    limit = 40 * PRICE_IN * 4 + 900 * PRICE_OUT
    key = await two.ledger.add_key(max_budget_nano=limit)
    two.sim.chat.behave(token_s=0.005)

    async def leave_early(number: int) -> None:
        platform = two.platforms[number % 2]
        body = {**QUESTION, "model": "tight", "stream": True, "max_tokens": 200}
        headers = {"Authorization": f"Bearer {key}"}
        async with platform.http.stream("POST", "/v1/chat/completions", json=body, headers=headers) as reply:
            if reply.status_code == 200:
                async for _ in reply.aiter_bytes():
                    break

    for _ in range(3):
        await asyncio.gather(*(leave_early(number) for number in range(12)))
    await two.is_quiet()
    assert await two.ledger.settled(key) <= limit
    two.sim.chat.behave(token_s=0.0)
    await two.leases_come_back()

    async def is_served() -> bool:
        return (await stream(two, 0, key)).status_code == 200

    await until(is_served)
    await spent_until_refused(two, key)
    await two.is_quiet()
    assert await two.ledger.settled(key) <= limit
    await ledger_equals_windows(two)
    assert all(platform.gateway.metrics.defects == 0 for platform in two.platforms)
