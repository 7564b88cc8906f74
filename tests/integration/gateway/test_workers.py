"""Do several workers on one port keep what one promises, while they are killed and replaced?"""

from __future__ import annotations

import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from litemaas.sim.testing import SimulatedServers

from .conftest import seed
from .harness import Rows, until
from .worker_group import Callers, WorkerGroup, worker_group

pytestmark = pytest.mark.slow
BUDGET_NANO = 10**12


@pytest.fixture
async def group(database_url: str, tmp_path: Path) -> AsyncIterator[WorkerGroup]:
    """Two workers that store their records now and then, so that a kill finds some in the journal."""
    async with SimulatedServers() as sim:
        await seed(database_url, sim)
        async with worker_group(database_url, sim, tmp_path, journal__flush_interval_s=0.5) as group:
            yield group


async def is_settled(group: WorkerGroup, key: str, *callers: Callers) -> None:
    """Fails unless each answered call is in the ledger once, as the engine counted it, and is booked on the key."""
    answered = {call_id: usage for some in callers for call_id, usage in some.answered.items()}

    async def all_there() -> Rows | None:
        rows = await group.ledger.records(key)
        return rows if {row["request_id"] for row in rows} >= answered.keys() else None

    rows = await until(all_there)
    booked = {row["request_id"]: row for row in rows}
    assert len(booked) == len(rows)
    counted = {entry.engine_id: entry for entry in group.sim.counters.entries}
    for call_id, usage in answered.items():
        row = booked[call_id]
        engine = counted[row["engine_request_id"]]
        tokens = (row["prompt_tokens"], row["completion_tokens"])
        assert tokens == (usage["prompt_tokens"], usage["completion_tokens"])
        assert tokens == (engine.prompt_tokens, engine.completion_tokens)
    assert sum(row["cost_nano"] for row in rows) == await group.ledger.settled(key)


async def nothing_is_leased(group: WorkerGroup, key: str) -> None:
    assert await group.ledger.leased(key) == 0
    assert await group.ledger.connection.fetchval("select count(*) from leases") == 0
    assert await group.ledger.connection.fetchval("select count(*) from workers") == 0


async def test_killed_workers_come_back_and_no_answered_call_is_lost_or_booked_twice(group: WorkerGroup) -> None:
    key = await group.ledger.add_key(max_budget_nano=BUDGET_NANO)
    chosen = random.Random(7)
    callers = Callers(group, key, keep_alive=True, count=6)
    for kill in range(1, 4):
        await callers.until_answered(40)
        chosen.choice(sorted(group.workers().values(), key=lambda worker: worker.pid)).send_signal(signal.SIGKILL)
        await group.until_all_serve(2 + kill)
    await callers.until_answered(40)
    await callers.stop()
    assert set(group.workers()) == {"gw-0", "gw-1"}
    assert len(group.events("a worker died")) == 3

    assert await group.stop() == 0
    await is_settled(group, key, callers)
    await nothing_is_leased(group, key)


async def test_a_worker_that_is_killed_just_before_the_stop_leaves_nothing_behind(group: WorkerGroup) -> None:
    key = await group.ledger.add_key(max_budget_nano=BUDGET_NANO)
    callers = Callers(group, key, keep_alive=False, count=4)
    await callers.until_answered(40)
    await callers.stop()
    group.workers()["gw-0"].send_signal(signal.SIGKILL)
    assert await group.stop() == 0
    await is_settled(group, key, callers)
    await nothing_is_leased(group, key)


async def test_workers_are_replaced_one_after_another_without_a_failed_call(group: WorkerGroup) -> None:
    key = await group.ledger.add_key(max_budget_nano=BUDGET_NANO)
    former = {worker.pid for worker in group.workers().values()}
    short, kept = (Callers(group, key, keep_alive=keep_alive, count=6) for keep_alive in (False, True))
    await short.until_answered(20)
    group.process.send_signal(signal.SIGHUP)

    async def replaced() -> bool:
        return len(group.events("the workers were replaced")) == 1

    await until(replaced, 60.0)
    for callers in (short, kept):
        await callers.until_answered(20)
        await callers.stop()
        assert callers.failures == []
    now = {worker.pid for worker in group.workers().values()}
    assert len(now) == 2
    assert not now & former
    assert await group.stop() == 0
    await is_settled(group, key, short, kept)
    await nothing_is_leased(group, key)


async def test_a_replacement_that_cannot_start_leaves_those_that_work(group: WorkerGroup, database_url: str) -> None:
    key = await group.ledger.add_key()
    former = {worker.pid for worker in group.workers().values()}
    name = database_url.rpartition("/")[2]
    await group.ledger.connection.execute(f'alter database "{name}" connection limit 0')
    group.process.send_signal(signal.SIGHUP)

    async def given_up() -> bool:
        return len(group.events("the workers are not replaced; those there go on")) == 1

    try:
        await until(given_up, 60.0)
    finally:
        await group.ledger.connection.execute(f'alter database "{name}" connection limit -1')
    assert {worker.pid for worker in group.workers().values()} == former
    callers = Callers(group, key, keep_alive=False, count=2)
    await callers.until_answered(10)
    await callers.stop()
    assert callers.failures == []


async def test_workers_end_when_their_supervisor_is_killed(group: WorkerGroup) -> None:
    workers = list(group.workers().values())
    assert len(workers) == 2
    group.process.kill()
    await group.ended()

    async def gone() -> bool:
        return not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers)

    await until(gone)
