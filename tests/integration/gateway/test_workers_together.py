"""Do several workers act as one towards who scrapes them, and towards an administrator who blocks a key or adds a model?"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx2
import pytest
from tests.patience import Ticks, ticking

from litemaas.sim.testing import SimulatedServers

from .conftest import seed
from .harness import QUESTION, Ledger, until
from .worker_group import Callers, WorkerGroup, worker_group

pytestmark = pytest.mark.slow
WORKERS = 4
REQUESTS = ("litemaas_gateway_requests_total", ("granite", "success", "/chat/completions", "200"))
STARTS = ("litemaas_gateway_worker_starts_total", ())
SILENT = ("litemaas_gateway_silent_workers_total", ())
LISTENERS = "select pid from pg_stat_activity where datname = current_database() and query ilike 'listen %'"


@pytest.fixture(scope="module")
async def group(
    module_database: str, module_sim: SimulatedServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[WorkerGroup]:
    await seed(module_database, module_sim)
    async with worker_group(module_database, module_sim, tmp_path_factory.mktemp("workers"), WORKERS) as group:
        yield group


async def connected_to_all(group: WorkerGroup, stack: AsyncExitStack) -> list[httpx2.AsyncClient]:
    """Clients with a connection each, so many that every worker has one of them."""
    clients: list[httpx2.AsyncClient] = []
    while True:
        client = await stack.enter_async_context(group.client())
        clients.append(client)
        numbers = await group.numbers(client)
        served = {name: value for (what, name), value in numbers.items() if what == "litemaas_gateway_connections"}
        assert len(served) == WORKERS
        if all(served.values()):
            return clients


async def until_it_answers(
    client: httpx2.AsyncClient, key: str, status: int, model: str = "granite", ticks: Ticks | None = None
) -> float:
    """When the client got this status, by the clock ``ticks``."""
    body = {**QUESTION, "model": model}

    async def answered() -> bool:
        answer = await client.post("/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {key}"})
        return answer.status_code == status

    await until(answered)
    return ticks.seconds if ticks else 0.0


async def test_a_blocked_key_and_a_new_model_reach_every_worker_within_a_second(group: WorkerGroup) -> None:
    delays: list[float] = []
    async with AsyncExitStack() as stack, ticking() as ticks:
        clients = await connected_to_all(group, stack)
        for round_ in range(10):
            key = await group.ledger.add_key()
            await asyncio.gather(*(until_it_answers(client, key, 200) for client in clients))
            await group.ledger.change_key(key, blocked=True)
            began = ticks.seconds
            told = (until_it_answers(client, key, 401, ticks=ticks) for client in clients)
            delays += [at - began for at in await asyncio.gather(*told)]
            key = await group.ledger.add_key()
            await group.ledger.add_model(f"new-{round_}", group.sim.chat.url + "/v1")
            began = ticks.seconds
            told = (until_it_answers(client, key, 200, f"new-{round_}", ticks) for client in clients)
            delays += [at - began for at in await asyncio.gather(*told)]
    assert sorted(delays)[int(len(delays) * 0.99)] <= 1.0


async def test_a_blocked_key_reaches_every_worker_within_five_seconds_when_nobody_is_told(group: WorkerGroup) -> None:
    await until(lambda: all_listen(group.ledger))
    async with AsyncExitStack() as stack, ticking() as ticks:
        clients = await connected_to_all(group, stack)
        key = await group.ledger.add_key()
        await asyncio.gather(*(until_it_answers(client, key, 200) for client in clients))
        for row in await group.ledger.connection.fetch(LISTENERS):
            await group.ledger.connection.execute("select pg_terminate_backend($1)", row["pid"])
        await group.ledger.change_key(key, blocked=True)
        began = ticks.seconds
        heard = await asyncio.gather(*(until_it_answers(client, key, 401, ticks=ticks) for client in clients))
    assert max(heard) - began <= 5.0


async def all_listen(ledger: Ledger) -> bool:
    return len(await ledger.connection.fetch(LISTENERS)) == WORKERS


async def test_counters_are_those_of_all_workers_and_never_fall_when_some_die(group: WorkerGroup) -> None:
    key = await group.ledger.add_key()
    async with group.client() as http:
        before = await group.numbers(http)
    callers = Callers(group, key, keep_alive=False, count=4)
    await callers.until_answered(40)
    await callers.stop()
    async with group.client() as http:
        after = await group.numbers(http)
    assert after[REQUESTS] - before.get(REQUESTS, 0) == len(callers.answered)

    starts = len(group.events("the gateway serves"))
    for victim in list(group.workers().values())[:2]:
        victim.send_signal(signal.SIGKILL)
    seen = [after[REQUESTS]]

    async def all_are_back() -> bool:
        async with group.client() as http:
            try:
                numbers = await group.numbers(http)
            except httpx2.TransportError:  # a connection to a worker that was just killed
                return False
        seen.append(numbers[REQUESTS])
        return numbers[STARTS] == starts + 2

    await until(all_are_back, 60.0)
    assert set(seen) == {after[REQUESTS]}


async def test_a_worker_that_does_not_answer_is_counted_and_holds_up_nobody(group: WorkerGroup) -> None:
    async with AsyncExitStack() as stack:
        clients = await connected_to_all(group, stack)
        before = await group.numbers(clients[0])
        stuck = next(iter(group.workers().values()))
        stuck.suspend()
        try:
            tasks = [asyncio.create_task(group.numbers(client)) for client in clients]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stuck.resume()
        answered = next(iter(done)).result()
        await asyncio.gather(*tasks)
    assert answered[SILENT] >= before[SILENT] + 1
    assert answered.get(REQUESTS) == before.get(REQUESTS)
    workers = [names for (what, names) in answered if what == "litemaas_gateway_connections"]
    assert len(workers) == WORKERS - 1


async def test_what_the_workers_tell_one_another_is_private(group: WorkerGroup) -> None:
    numbers = group.state_dir / "workers" / "gw"
    files = sorted(numbers.iterdir())
    assert {path.suffix for path in files} == {"", ".sock", ".counted"}
    assert [path.name for path in [numbers, *files] if path.stat().st_mode & 0o077] == []
