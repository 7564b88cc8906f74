"""Three gateways, three control planes: may one of each be killed under load without a failed call?"""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx2 as httpx
import pytest
from tests.deploy.topology import READY_WITHIN_S, Topology, installed
from tests.integration.gateway.harness import MASTER_KEY, until

from litemaas.sim.testing import SimulatedServers

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed"),
]
CALLERS, CALLS_BETWEEN = 6, 40
MASTER = {"Authorization": f"Bearer {MASTER_KEY}"}
Call = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


class Load:
    """Callers that call one after another; ``done`` counts what came of it."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.is_over = False

    async def goes_on(self, calls: int = CALLS_BETWEEN) -> None:
        """Waits until so many more calls have ended."""
        before = self.done.total()

        async def have_ended() -> bool:
            return self.done.total() - before >= calls

        await until(have_ended, READY_WITHIN_S)

    async def caller(self, url: str, call: Call) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:
            while not self.is_over:
                try:
                    answer = await call(http)
                    self.done["ok" if answer.status_code == 200 else f"{answer.status_code} {answer.text[:200]}"] += 1
                except httpx.TransportError as error:
                    self.done[repr(error)] += 1


@asynccontextmanager
async def under_load(url: str, call: Call) -> AsyncIterator[Load]:
    load = Load()
    callers = [asyncio.create_task(load.caller(url, call)) for _ in range(CALLERS)]
    try:
        await load.goes_on()
        yield load
    finally:
        load.is_over = True
        await asyncio.wait_for(asyncio.gather(*callers), READY_WITHIN_S)


async def _make_model_and_key(http: httpx.AsyncClient, engine: str) -> str:
    model = {"model_name": "granite", "litellm_params": {"model": "openai/granite-3.3-8b", "api_base": f"{engine}/v1"}}
    made = await http.post("/model/new", json=model, headers=MASTER)
    assert made.status_code == 200, made.text
    key = await http.post("/key/generate", json={"key_alias": "load", "models": ["granite"]}, headers=MASTER)
    assert key.status_code == 200, key.text
    return str(key.json()["key"])


def _chat(key: str) -> Call:
    body = {"model": "granite", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}

    async def call(http: httpx.AsyncClient) -> httpx.Response:
        return await http.post("/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {key}"})

    return call


def _key_info(key: str) -> Call:
    async def call(http: httpx.AsyncClient) -> httpx.Response:
        return await http.get("/key/info", params={"key": key}, headers=MASTER)

    return call


async def _kill_one_after_another(topology: Topology, plane: str, load: Load) -> None:
    """One leaves in order, one is killed; each comes back before the next goes."""
    replicas = topology.gateways if plane == "gateways" else topology.controls
    for replica, how in ((replicas[0], signal.SIGTERM), (replicas[1], signal.SIGKILL)):
        await replica.end(how)
        await load.goes_on()
        await replica.start()
        await replica.serves()
        await load.goes_on()


async def test_one_of_each_dies_under_load_and_no_call_fails(empty_database_url: str, redis_url: str, tmp_path: Path):
    async with SimulatedServers() as sim, installed(empty_database_url, redis_url, tmp_path) as topology:
        sim.chat.behave(json_s=0.02)
        async with httpx.AsyncClient(base_url=topology.url, timeout=60) as http:
            key = await _make_model_and_key(http, sim.chat.url)

            async def is_known_everywhere() -> bool:
                answers = [await _chat(key)(http) for _ in range(6)]
                return all(answer.status_code == 200 for answer in answers)

            await until(is_known_everywhere, READY_WITHIN_S)
        async with under_load(topology.url, _chat(key)) as chats:
            await _kill_one_after_another(topology, "gateways", chats)
            async with under_load(topology.url, _key_info(key)) as lookups:
                await _kill_one_after_another(topology, "controls", lookups)
        assert set(chats.done) == {"ok"}, chats.done
        assert set(lookups.done) == {"ok"}, lookups.done
        assert chats.done["ok"] > 8 * CALLS_BETWEEN
        await _everything_is_in_the_ledger(empty_database_url, chats.done["ok"] + 6)


async def _everything_is_in_the_ledger(database_url: str, calls: int) -> None:
    """At least one record per answered call, also of the gateway that was killed: it has its journal again."""
    connection = await asyncpg.connect(database_url, timeout=10)
    try:

        async def are_stored() -> bool:
            return bool(
                await connection.fetchval("select count(*) from usage_records where status = 'success'") >= calls
            )

        await until(are_stored, READY_WITHIN_S)
    finally:
        await connection.close()
