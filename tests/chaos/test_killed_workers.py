"""Is anything lost, doubled or kept when workers are killed again and again under load?"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
from tests.integration.gateway.harness import WITHIN_S, Ledger, until

from litemaas.db.embedded import EmbeddedValkey
from litemaas.sim.testing import SimulatedServers

from .load import CALLS, DONE
from .replicas import Replica, replica
from .stage import LONG_S, add_models

CALLERS = 6


class Callers:
    """Callers who ask two replicas in turn, and keep what they were answered in full."""

    def __init__(self, replicas: list[Replica], key: str) -> None:
        self._replicas = replicas
        self._headers = {"Authorization": f"Bearer {key}"}
        self._goes_on = True
        self.whole: dict[str, int] = {}
        """Call id → completion tokens that the answer named, 0 where it named none."""
        self.cut = 0
        self.refused: list[str] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            for number in range(CALLERS):
                group.create_task(self._ask(number))
            try:
                yield
            finally:
                self._goes_on = False

    async def more(self, calls: int) -> None:
        goal = len(self.whole) + calls

        async def has() -> bool:
            return len(self.whole) >= goal

        await until(has, LONG_S)

    async def _ask(self, number: int) -> None:
        turn = number
        while self._goes_on:
            turn += 1
            path, body = CALLS[turn % len(CALLS)]
            url = self._replicas[turn % len(self._replicas)].url
            try:
                async with httpx2.AsyncClient(base_url=url, timeout=LONG_S) as http:
                    self._note(await http.post(path, json=body, headers=self._headers), body)
            except httpx2.TransportError:
                self.cut += 1

    def _note(self, reply: httpx2.Response, body: dict[str, Any]) -> None:
        if reply.status_code != 200 or (body.get("stream") and not reply.content.endswith(DONE)):
            self.refused.append(reply.text[-300:])
            return
        usage = None if body.get("stream") else json.loads(reply.content).get("usage")
        self.whole[reply.headers["x-litellm-call-id"]] = (usage or {}).get("completion_tokens", 0)


class Scene:
    def __init__(self, replicas: list[Replica], ledger: Ledger, sim: SimulatedServers) -> None:
        self.replicas = replicas
        self.ledger = ledger
        self.sim = sim

    async def leases(self) -> int:
        """What is leased on all budgets, and agreed upon by both tables."""
        row = await self.ledger.connection.fetchrow(
            "select (select coalesce(sum(granted_nano), 0)::bigint from leases) as granted, "
            "(select coalesce(sum(leased_nano), 0)::bigint from budget_windows) as leased"
        )
        assert row["granted"] == row["leased"]
        return int(row["granted"])


@pytest.fixture
async def scene(database_url: str, valkey_server: EmbeddedValkey, tmp_path: Path) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        sim = await stack.enter_async_context(SimulatedServers())
        connection = await asyncpg.connect(database_url, timeout=WITHIN_S, command_timeout=WITHIN_S)
        stack.push_async_callback(connection.close, timeout=WITHIN_S)
        ledger = Ledger(connection)
        await add_models(ledger, sim.chat.url, sim.embeddings.url)
        replicas = [
            await stack.enter_async_context(replica(name, database_url, valkey_server.url, tmp_path))
            for name in ("replica-a", "replica-b")
        ]
        yield Scene(replicas, ledger, sim)


async def killed_again_and_again(scene: Scene, kills: int) -> tuple[str, Callers]:
    """Kills workers under load, looks at the ledger, and returns the key and the callers for a second look."""
    key = await scene.ledger.add_key(max_budget_nano=10**12)
    scene.sim.chat.behave(json_s=0.01, token_s=0.001)
    chance = random.Random(17)
    callers = Callers(scene.replicas, key)
    async with callers.running():
        await callers.more(20)
        for number in range(kills):
            await scene.replicas[number % len(scene.replicas)].kill_one(chance)
            await callers.more(10)
    assert callers.refused == []
    assert sum(one.killed for one in scene.replicas) == kills
    for one in scene.replicas:
        await one.is_complete()
    await every_answer_is_in_the_ledger(scene, key, callers)
    return key, callers


async def every_answer_is_in_the_ledger(scene: Scene, key: str, callers: Callers) -> None:
    """Fails unless all whole answers are there, each record once, and none costs what no engine served."""

    async def are_stored() -> bool:
        return callers.whole.keys() <= {row["request_id"] for row in await scene.ledger.records(key)}

    await until(are_stored, LONG_S)
    # One snapshot: records of calls that were cut off may still arrive, from the journals of killed workers.
    async with scene.ledger.connection.transaction(isolation="repeatable_read", readonly=True):
        rows = await scene.ledger.records(key)
        settled = await scene.ledger.settled(key)
    assert settled == sum(row["cost_nano"] for row in rows)
    ids = [row["request_id"] for row in rows]
    assert len(ids) == len(set(ids))
    assert len(ids) <= len(callers.whole) + callers.cut
    told = {row["request_id"]: row["completion_tokens"] for row in rows}
    assert not {i: t for i, t in callers.whole.items() if t and told[i] != t}
    served = scene.sim.counters.of("chat").completion_tokens
    assert sum(told[call_id] for call_id in callers.whole) <= sum(told.values()) <= served


@pytest.mark.timeout(300)
async def test_nothing_is_lost_doubled_or_kept_when_workers_are_killed_under_load(scene: Scene):
    key, callers = await killed_again_and_again(scene, 5)
    for one in scene.replicas:
        await one.stop()
    await every_answer_is_in_the_ledger(scene, key, callers)
    assert await scene.leases() == 0


@pytest.mark.nightly
@pytest.mark.timeout(3000)
async def test_two_hundred_kills_lose_double_and_keep_nothing_and_leases_are_back_within_a_minute(scene: Scene):
    await killed_again_and_again(scene, 200)

    async def are_back() -> bool:
        return await scene.leases() == 0

    await until(are_back, LONG_S)
