"""Does the gateway go on when Valkey goes away, freezes or comes back, and when pushes are the only news?"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis.asyncio

from litemaas.db.embedded import EmbeddedValkey
from litemaas.gateway.adapters.valkey import CHANNEL, follow_pushes
from litemaas.sim.testing import SimulatedServers

from .harness import WITHIN_S, Platform, gateway_settings, running, until


@pytest.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[EmbeddedValkey]:
    """A Valkey of the test's own, to be stopped and frozen."""
    server = EmbeddedValkey(tmp_path / "valkey")
    await server.start()
    yield server
    if server.pid is not None:
        os.kill(server.pid, signal.SIGCONT)
    await server.stop()


async def push(url: str) -> int:
    """How many subscribers heard it."""
    async with redis.asyncio.Redis.from_url(url, socket_timeout=WITHIN_S) as client:
        heard: int = await client.publish(CHANNEL, "1")
        return heard


async def works_and_hears(platform: Platform) -> None:
    """Fails unless calls are answered and a change of a key still arrives within a second."""
    key = await platform.ledger.add_key()
    assert (await platform.chat(key)).status_code == 200
    await platform.ledger.change_key(key, blocked=True)

    async def refused() -> bool:
        return (await platform.chat(key)).status_code == 401

    await until(refused, 1.0)
    assert (await platform.http.get("/health/readiness")).status_code == 200


async def test_calls_and_news_go_on_while_valkey_is_away_frozen_and_back(
    module_database: str, module_sim: SimulatedServers, platform: Platform, valkey: EmbeddedValkey, tmp_path: Path
):
    settings = gateway_settings(module_database, tmp_path, valkey.url, worker_id="gateway-valkey")
    async with running(settings, module_sim) as own:

        async def is_heard() -> bool:
            return await push(valkey.url) > 0

        await until(is_heard)
        await works_and_hears(own)
        pid = valkey.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        await works_and_hears(own)
        os.kill(pid, signal.SIGCONT)
        await valkey.stop()
        await works_and_hears(own)
        await valkey.start()
        await until(is_heard)
        await works_and_hears(own)


async def test_a_gateway_starts_and_works_though_valkey_is_not_there(
    module_database: str, module_sim: SimulatedServers, platform: Platform, tmp_path: Path
):
    settings = gateway_settings(module_database, tmp_path, "redis://127.0.0.1:1/0", worker_id="gateway-no-valkey")
    async with running(settings, module_sim) as own:
        await works_and_hears(own)


async def test_each_push_wakes_and_a_restart_of_valkey_does_too(valkey: EmbeddedValkey):
    woken = asyncio.Event()
    following = asyncio.create_task(follow_pushes(valkey.url, woken.set))
    try:
        await asyncio.wait_for(woken.wait(), WITHIN_S)  # on subscribing: something may have been missed
        for _ in range(2):
            woken.clear()
            assert await push(valkey.url) == 1
            await asyncio.wait_for(woken.wait(), WITHIN_S)
        await valkey.stop()
        woken.clear()
        await valkey.start()
        await asyncio.wait_for(woken.wait(), WITHIN_S)
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


async def test_news_arrive_without_any_push_because_the_feed_is_looked_at(platform: Platform):
    key = await platform.ledger.add_key()
    assert (await platform.chat(key)).status_code == 200
    connection = platform.ledger.connection
    await connection.execute("update virtual_keys set blocked = true")
    await connection.execute(
        "insert into changes (kind, refs) select 'key', array_agg(key_hash) from virtual_keys"
    )  # no NOTIFY

    async def refused() -> bool:
        return (await platform.chat(key)).status_code == 401

    await until(refused)


async def test_a_lost_listening_connection_is_opened_again(platform: Platform):
    connection = platform.ledger.connection
    listening = "select pid from pg_stat_activity where datname = current_database() and query ilike 'listen%'"

    async def pids() -> set[int]:
        return {row["pid"] for row in await connection.fetch(listening)}

    before = await until(pids)
    await connection.execute(f"select pg_terminate_backend(pid) from ({listening}) l")  # noqa: S608 - no input in it

    async def another() -> bool:
        now = await pids()
        return bool(now) and now.isdisjoint(before)

    await until(another)
    await works_and_hears(platform)


async def test_every_database_connection_may_be_cut_and_nothing_is_lost(platform: Platform):
    key = await platform.ledger.add_key(max_budget_nano=10**12)
    connection = platform.ledger.connection
    cut = (
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
        "and pid <> pg_backend_pid() and application_name = 'litemaas-gateway'"
    )
    answered = 0
    for _ in range(8):
        await connection.execute(cut)
        answered += [(await platform.chat(key)).status_code for _ in range(3)].count(200)
    assert answered >= 20  # a first call of an unknown key may be told to try again
    rows = await platform.ledger.records(key)

    async def all_there() -> bool:
        nonlocal rows
        rows = await platform.ledger.records(key)
        return [row["status"] for row in rows].count("success") == answered

    await until(all_there)
    assert await platform.ledger.settled(key) == sum(row["cost_nano"] for row in rows)
    await platform.no_room_is_held(key)
    assert platform.gateway.metrics.defects == 0
