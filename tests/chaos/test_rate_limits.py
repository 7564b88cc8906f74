"""Is a rate limit one limit on four workers of two replicas, whatever happens to Valkey and to workers?"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress

import asyncpg
import httpx2
import pytest
from tests.databases import lent_database
from tests.integration.gateway.harness import QUESTION, WITHIN_S, Ledger, add_usual_models, until

from litemaas.db.embedded import EmbeddedPostgres, EmbeddedValkey
from litemaas.sim.testing import SimulatedServers

from .crowd import call_at_once, message
from .replicas import Replica, replica

CLIENTS = 40
OK, REFUSED = "200", "429"
BACK_WITHIN_S = 60.0


class Scene:
    def __init__(self, replicas: list[Replica], ledger: Ledger, sim: SimulatedServers, valkey: EmbeddedValkey) -> None:
        self.replicas = replicas
        self.ledger = ledger
        self.sim = sim
        self.valkey = valkey

    async def flood(self, key: str, rounds: int = 4, **members: object) -> Counter[str]:
        """Forty clients at once, each on a connection of its own, so that all workers get some."""
        sum_of: Counter[str] = Counter()
        for _ in range(rounds):
            body = {**QUESTION, **members}
            sum_of += await call_at_once([one.port for one in self.replicas], CLIENTS, message(key, body))
        return sum_of

    async def chat(self, key: str, number: int = 0, **members: object) -> httpx2.Response:
        async with httpx2.AsyncClient(base_url=self.replicas[number].url, timeout=WITHIN_S * 3) as http:
            return await http.post(
                "/v1/chat/completions", json={**QUESTION, **members}, headers={"Authorization": f"Bearer {key}"}
            )


@pytest.fixture(scope="module")
async def module_scene(
    postgres_server: EmbeddedPostgres, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Scene]:
    directory = tmp_path_factory.mktemp("rates")
    valkey = EmbeddedValkey(directory / "valkey")
    async with AsyncExitStack() as stack:
        database_url = await stack.enter_async_context(lent_database(postgres_server.url, template_database))
        sim = await stack.enter_async_context(SimulatedServers())
        connection = await asyncpg.connect(database_url, timeout=WITHIN_S, command_timeout=WITHIN_S)
        stack.push_async_callback(connection.close, timeout=WITHIN_S)
        ledger = Ledger(connection)
        await add_usual_models(ledger, sim)
        await valkey.start()
        stack.push_async_callback(valkey.stop)
        replicas = [
            await stack.enter_async_context(replica(name, database_url, valkey.url, directory))
            for name in ("rates-a", "rates-b")
        ]
        yield Scene(replicas, ledger, sim, valkey)


@pytest.fixture
async def scene(module_scene: Scene) -> Scene:
    module_scene.sim.reset()
    return module_scene


async def all_is_usable(scene: Scene) -> None:
    """Waits until everybody is in step: a whole limit is given out."""

    async def whole() -> bool:
        key = await scene.ledger.add_key(rpm_limit=60)
        return (await scene.flood(key))[OK] == 60

    await until(whole, BACK_WITHIN_S)


@pytest.mark.timeout(300)
async def test_sixty_requests_fifty_tokens_and_two_at_once_are_that_for_forty_clients(scene: Scene):
    key = await scene.ledger.add_key(rpm_limit=60)
    assert await scene.flood(key, 5) == {OK: 60, REFUSED: 140}

    scene.sim.chat.behave(answer_tokens=3)
    key = await scene.ledger.add_key(tpm_limit=50)
    before = scene.sim.counters.of("chat").prompt_tokens + scene.sim.counters.of("chat").completion_tokens
    await scene.flood(key, messages=[{"role": "user", "content": "a b"}], max_tokens=5)
    after = scene.sim.counters.of("chat").prompt_tokens + scene.sim.counters.of("chat").completion_tokens
    assert 0 < after - before <= 50

    scene.sim.chat.behave(json_s=0.02)
    key = await scene.ledger.add_key(max_parallel_requests=2)
    most, busy = 0, asyncio.Event()

    async def watch() -> None:
        nonlocal most
        while not busy.is_set():
            most = max(most, scene.sim.counters.servers["chat"].running)
            await asyncio.sleep(0.001)

    watching = asyncio.create_task(watch())
    answers = await scene.flood(key, 10)
    busy.set()
    await watching
    assert most == 2
    assert answers[OK] >= 20, "places come back and are used"


@pytest.mark.timeout(300)
async def test_places_of_killed_workers_come_back(scene: Scene):
    key = await scene.ledger.add_key(max_parallel_requests=2)
    scene.sim.chat.behave(first_token_s=120)
    holding = [asyncio.create_task(scene.chat(key, 0, stream=True)) for _ in range(2)]
    await scene.sim.until(lambda: scene.sim.counters.servers["chat"].running == 2)
    scene.sim.chat.reset_behaviour()
    assert (await scene.chat(key, 1)).status_code == 429
    for pid in scene.replicas[0].worker_pids():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for task in holding:
        with suppress(httpx2.TransportError):
            await task

    async def both_are_free() -> bool:
        scene.sim.chat.behave(json_s=0.2)
        answers = await asyncio.gather(*(scene.chat(key, 1) for _ in range(3)))
        assert [answer.status_code for answer in answers].count(200) <= 2
        return [answer.status_code for answer in answers].count(200) == 2

    await until(both_are_free, BACK_WITHIN_S)
    await scene.replicas[0].is_complete()


@pytest.mark.timeout(300)
async def test_workers_that_die_in_mid_minute_give_nobody_more(scene: Scene):
    await all_is_usable(scene)
    key = await scene.ledger.add_key(rpm_limit=60)
    chance = random.Random(4)
    answers: Counter[str] = Counter()
    for number in range(4):
        answers += await scene.flood(key, 1)
        if number < 2:
            await scene.replicas[number].kill_one(chance)
            await scene.replicas[number].is_complete()
    assert answers[OK] <= 60
    await all_is_usable(scene)


@pytest.mark.timeout(300)
async def test_a_valkey_that_is_killed_in_mid_minute_gives_nobody_more_and_stops_nobody(scene: Scene):
    await all_is_usable(scene)
    key, idle = [await scene.ledger.add_key(rpm_limit=60) for _ in range(2)]
    answers = await scene.flood(key, 1)
    assert scene.valkey.pid is not None
    os.kill(scene.valkey.pid, signal.SIGKILL)
    await scene.valkey.wait()
    answers += await scene.flood(key, 2)

    async def has_a_share() -> bool:
        return (await scene.chat(idle)).status_code == 200

    await until(has_a_share, BACK_WITHIN_S)
    await scene.valkey.start()
    answers += await scene.flood(key, 2)
    assert answers[OK] <= 60
    await all_is_usable(scene)
