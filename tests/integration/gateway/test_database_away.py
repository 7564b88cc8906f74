"""Does work go on while PostgreSQL is gone or frozen, and is everything there when it is back?"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from litemaas.db.embedded import EmbeddedPostgres
from litemaas.db.migrate import upgrade
from litemaas.sim.testing import SimulatedServers

from .conftest import seed
from .harness import WITHIN_S, Ledger, Platform, gateway_settings, running, until

PLENTY = 10**12
CALLERS = 8
A_WHILE_S = 60.0  # a starved machine takes its time to reconnect; how long is not what is tested


class Outage:
    """A platform with a PostgreSQL of its own, which can be taken away."""

    def __init__(self, server: EmbeddedPostgres, platform: Platform) -> None:
        self.server = server
        self.platform = platform

    async def add_key(self, **columns: Any) -> str:
        """A key that the gateway knows, with all that there was to hear of it."""
        key = await self.platform.ledger.add_key(**columns)
        await self.platform.catch_up()
        assert (await self.platform.chat(key, max_tokens=20)).status_code == 200
        return key

    async def is_noticed(self) -> None:
        await until(lambda: self._readiness_is(503), A_WHILE_S)

    async def is_over(self) -> None:
        await until(lambda: self._readiness_is(200), A_WHILE_S)

    async def _readiness_is(self, status: int) -> bool:
        return (await self.platform.http.get("/health/readiness")).status_code == status

    @asynccontextmanager
    async def ledger(self) -> AsyncIterator[Ledger]:
        """The ledger, over a connection that no outage has broken."""
        connection = await asyncpg.connect(self.server.url, timeout=WITHIN_S)
        try:
            yield Ledger(connection)
        finally:
            await connection.close(timeout=WITHIN_S)


@pytest.fixture(scope="module")
async def own_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres-that-goes"))
    await asyncio.to_thread(upgrade, await server.start())
    yield server
    await server.stop()


@pytest.fixture
async def outage(own_server: EmbeddedPostgres, tmp_path: Path) -> AsyncIterator[Outage]:
    async with SimulatedServers() as sim:
        await seed(await own_server.start(), sim)
        settings = gateway_settings(own_server.url, tmp_path, trust_cache_s=1.5, database_timeout_s=3.0)
        async with running(settings, sim) as platform:
            yield Outage(own_server, platform)
            await own_server.start()


@contextmanager
def frozen(pid: int | None) -> Iterator[None]:
    """A server and its children that neither answer nor close a connection."""
    assert pid is not None
    server = psutil.Process(pid)
    processes = [server, *server.children(recursive=True)]
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


class Load:
    """Callers who ask again and again, in one piece and in streams, and count what they are answered."""

    def __init__(self, platform: Platform, key: str) -> None:
        self._platform = platform
        self._key = key
        self._goes_on = True
        self.answers: Counter[int] = Counter()
        self.ids: set[str] = set()

    async def ask(self, number: int) -> None:
        while self._goes_on:
            reply = await self._platform.chat(self._key, stream=bool(number % 2), max_tokens=20)
            self.answers[reply.status_code] += 1
            self.ids.add(reply.headers["x-litellm-call-id"])

    async def more(self, calls: int) -> None:
        """Waits until so many more calls are answered."""
        goal = self.answers.total() + calls
        await until(lambda: self._has(goal))

    async def _has(self, calls: int) -> bool:
        return self.answers.total() >= calls

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Load]:
        async with asyncio.TaskGroup() as group:
            for number in range(CALLERS):
                group.create_task(self.ask(number))
            try:
                yield self
            finally:
                self._goes_on = False


async def test_calls_under_load_go_on_while_postgresql_is_stopped_and_each_is_stored_once(outage: Outage):
    platform = outage.platform
    key = await outage.add_key(max_budget_nano=PLENTY)
    async with Load(platform, key).running() as load:
        await load.more(50)
        await outage.server.stop()
        await outage.is_noticed()
        await load.more(100)
        assert platform.gateway.journal.waiting_bytes > 0
        await outage.server.start()
        await outage.is_over()
        await load.more(50)

    assert set(load.answers) == {200}
    await platform.gateway.accountant.empty()
    async with outage.ledger() as ledger:
        rows = await ledger.records(key)
        ids = [row["request_id"] for row in rows]
        assert len(ids) == len(set(ids)) == load.answers.total() + 1
        assert set(ids) >= load.ids
        assert sum(row["completion_tokens"] for row in rows) == platform.sim.counters.of("chat").completion_tokens
        assert await ledger.settled(key) == sum(row["cost_nano"] for row in rows)
        assert platform.gateway.metrics.lost_records == 0


async def test_no_more_is_spent_than_was_leased_while_postgresql_is_away(outage: Outage):
    platform = outage.platform
    limit = 4_000_000
    key = await outage.add_key(max_budget_nano=limit)
    await platform.gateway.accountant.empty()
    leased = await platform.ledger.leased(key)

    await outage.server.stop()
    replies = [await platform.chat(key, max_tokens=20) for _ in range(150)]
    await outage.server.start()
    await outage.is_over()

    codes = Counter(reply.status_code for reply in replies)
    assert set(codes) == {200, 503}
    refused = next(reply for reply in replies if reply.status_code == 503)
    assert "database" in refused.json()["error"]["message"]
    await platform.gateway.accountant.empty()
    async with outage.ledger() as ledger:
        rows = await ledger.records(key)
        assert Counter(row["status"] for row in rows) == {"success": codes[200] + 1, "refused": codes[503]}
        spent_meanwhile = sum(row["cost_nano"] for row in rows[1:])
        assert spent_meanwhile <= leased < limit
        assert await ledger.settled(key) == sum(row["cost_nano"] for row in rows)
    assert (await platform.chat(key, max_tokens=20)).status_code == 200


async def test_keys_in_use_keep_working_while_postgresql_is_frozen(outage: Outage):
    platform = outage.platform
    key = await outage.add_key(max_budget_nano=PLENTY)
    with frozen(outage.server.pid):
        await outage.is_noticed()
        replies = [await platform.chat(key, max_tokens=20) for _ in range(20)]
        stranger = await platform.chat("sk-never-seen-before-1")
    await outage.is_over()

    assert {reply.status_code for reply in replies} == {200}
    assert (stranger.status_code, stranger.json()["error"]["type"]) == (400, "no_db_connection")
    assert stranger.headers["retry-after"] == "1"
    await platform.gateway.accountant.empty()
    async with outage.ledger() as ledger:
        rows = await ledger.records(key)
        assert len(rows) == 21
        assert await ledger.settled(key) == sum(row["cost_nano"] for row in rows)


async def test_a_key_that_was_revoked_while_postgresql_was_away_is_refused_when_it_is_back(outage: Outage):
    platform = outage.platform
    key = await outage.add_key()
    await outage.server.stop()
    await outage.is_noticed()
    assert (await platform.chat(key)).status_code == 200
    await outage.server.start()
    async with outage.ledger() as ledger:
        await ledger.change_key(key, blocked=True)

    async def is_refused() -> bool:
        return (await platform.chat(key)).status_code == 401

    await until(is_refused)
