"""Are exactly a hundred calls admitted on a budget for a hundred, however many ask at the same moment on several replicas?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest
from tests.integration.gateway.harness import QUESTION, WITHIN_S, Ledger

from litemaas.db.embedded import EmbeddedValkey
from litemaas.sim.testing import SimulatedServers

from .crowd import call_at_once, message
from .replicas import Replica, replica

TOKENS = 10
PRICE_OUT = 2_000
CALLS = 100
LIMIT = CALLS * TOKENS * PRICE_OUT
REFUSED = "400"
"""Budget exceeded, as LiteLLM 1.81 tells it."""


class Scene:
    def __init__(self, replicas: list[Replica], ledger: Ledger, sim: SimulatedServers) -> None:
        self.replicas = replicas
        self.ledger = ledger
        self.sim = sim

    @property
    def ports(self) -> list[int]:
        return [replica.port for replica in self.replicas]


@pytest.fixture
async def scene(database_url: str, valkey_server: EmbeddedValkey, tmp_path: Path) -> AsyncIterator[Scene]:
    """Two replicas with two workers each, and a model that costs by its output only, so that a call costs what it holds.

    Answers are not shortened to what is left of the budget: else a hundred and first call might get that.
    """
    async with AsyncExitStack() as stack:
        sim = await stack.enter_async_context(SimulatedServers())
        connection = await asyncpg.connect(database_url, timeout=WITHIN_S, command_timeout=WITHIN_S)
        stack.push_async_callback(connection.close, timeout=WITHIN_S)
        ledger = Ledger(connection)
        await ledger.add_model("counted", sim.chat.url + "/v1", price=(0, PRICE_OUT / 1e9))
        replicas = [
            await stack.enter_async_context(
                replica(
                    name, database_url, valkey_server.url, tmp_path, GATEWAY__BUDGETS__MIN_OUTPUT_TOKENS=str(TOKENS)
                )
            )
            for name in ("replica-a", "replica-b")
        ]
        yield Scene(replicas, ledger, sim)


async def exactly_a_hundred(scene: Scene, at_once: int) -> None:
    key = await scene.ledger.add_key(max_budget_nano=LIMIT)
    scene.sim.chat.behave(json_s=0.05)
    body = {**QUESTION, "model": "counted", "max_tokens": TOKENS, "ignore_eos": True}
    statuses = await call_at_once(scene.ports, at_once, message(key, body))
    served = scene.sim.counters.of("chat")
    assert statuses == {"200": CALLS, REFUSED: at_once - CALLS}
    assert (served.completed, served.requests, served.completion_tokens) == (CALLS, CALLS, CALLS * TOKENS)
    for one in scene.replicas:
        await one.stop()
    rows = await scene.ledger.records(key)
    assert len(rows) == at_once
    assert sum(row["cost_nano"] for row in rows) == await scene.ledger.settled(key) == LIMIT
    assert await scene.ledger.leased(key) == 0


@pytest.mark.timeout(300)
async def test_a_thousand_calls_at_once_on_a_budget_for_a_hundred_are_a_hundred(scene: Scene):
    await exactly_a_hundred(scene, 1_000)


@pytest.mark.nightly
@pytest.mark.timeout(300)
async def test_ten_thousand_calls_at_once_on_a_budget_for_a_hundred_are_a_hundred(scene: Scene):
    await exactly_a_hundred(scene, 10_000)
