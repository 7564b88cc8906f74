"""What does a call cost whose client hangs up before its answer? What the engine says if that comes soon, else its prompt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.patience import patience

from litemaas.gateway.settings import UpstreamSettings
from litemaas.sim.testing import SimulatedServers

from .harness import PRICE_IN, PRICE_OUT, Platform, gateway_settings, running


@pytest.fixture(scope="module")
async def impatient(
    module_platform: Platform,
    module_database: str,
    module_sim: SimulatedServers,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Platform]:
    """A gateway that waits a second for answers whose clients have left; the other one waits as long as is usual."""
    settings = gateway_settings(
        module_database, tmp_path_factory.mktemp("impatient"), worker_id="impatient",
        upstream=UpstreamSettings(abandoned_timeout_s=1.0),
    )  # fmt: skip
    async with running(settings, module_sim) as platform:
        yield platform


async def abandoned(platform: Platform, key: str, **members: Any) -> None:
    """A call whose client leaves while the engine is at work."""
    call = asyncio.create_task(platform.chat(key, **members))
    await platform.sim.until(lambda: platform.sim.counters.servers["chat"].running == 1)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)


async def test_an_answer_that_comes_soon_is_paid_as_the_engine_counted_it(platform: Platform):
    key = await platform.ledger.add_key(max_budget_nano=10**9)
    platform.sim.chat.behave(json_s=0.5, answer_tokens=20)
    await abandoned(platform, key)
    row = await platform.record(key)
    assert (row["status"], row["http_status"], row["error_code"]) == ("cancelled", 499, "client_gone")
    assert (row["usage_source"], row["completion_tokens"]) == ("engine", 20)
    assert row["cost_nano"] == row["prompt_tokens"] * PRICE_IN + 20 * PRICE_OUT == await platform.ledger.settled(key)
    assert platform.sim.counters.of("chat").completed == 1
    await platform.no_room_is_held(key)


async def test_an_answer_that_does_not_come_is_paid_by_its_prompt_and_the_engine_stops(
    platform: Platform, impatient: Platform
):
    key = await impatient.ledger.add_key(max_budget_nano=10**9)
    platform.sim.chat.behave(json_s=60.0)
    await abandoned(impatient, key, messages=[{"role": "user", "content": "word " * 400}])
    await platform.sim.until(lambda: platform.sim.counters.of("chat").cancelled == 1)
    row = await impatient.record(key)
    assert (row["status"], row["usage_source"], row["completion_tokens"]) == ("cancelled", "estimate", 0)
    assert 400 <= row["prompt_tokens"] <= 700
    assert row["cost_nano"] == row["prompt_tokens"] * PRICE_IN < 1_000_000
    await impatient.no_room_is_held(key)


async def test_what_costs_nothing_and_a_stream_that_has_not_begun_are_given_up_at_once(platform: Platform, key: str):
    platform.sim.chat.behave(json_s=60.0, first_token_s=60.0)
    await abandoned(platform, key, model="free")
    async with patience(2.0):
        await platform.sim.until(lambda: platform.sim.counters.of("chat").cancelled == 1)
    await abandoned(platform, key, stream=True)
    async with patience(2.0):
        await platform.sim.until(lambda: platform.sim.counters.of("chat").cancelled == 2)
    assert [row["cost_nano"] for row in await platform.records(key, 2)] == [0, 0]


async def test_a_gateway_that_ends_does_not_wait_for_them(
    platform: Platform, module_database: str, module_sim: SimulatedServers, tmp_path: Any
):
    key = await platform.ledger.add_key()
    platform.sim.chat.behave(json_s=60.0)
    settings = gateway_settings(
        module_database, tmp_path, worker_id="ending", upstream=UpstreamSettings(abandoned_timeout_s=60.0),
        drain_timeout_s=0.5,
    )  # fmt: skip
    async with asyncio.timeout(30.0), running(settings, module_sim) as ending:
        await abandoned(ending, key)
    row = await platform.record(key)
    assert (row["status"], row["usage_source"]) == ("cancelled", "estimate")
