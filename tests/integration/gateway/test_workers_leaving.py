"""What becomes of running calls when workers are told to stop, and what does a person hear when they cannot start?"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from litemaas.gateway.listening import bound_socket
from litemaas.sim.testing import SimulatedServers

from .conftest import seed
from .harness import QUESTION, WITHIN_S, Platform, events_of, until
from .worker_group import STARTS_WITHIN_S, WorkerGroup, environ_of, start_gateway, worker_group

pytestmark = pytest.mark.slow
STREAM = {**QUESTION, "stream": True, "max_tokens": 4_000}


@pytest.fixture
async def sim(database_url: str) -> AsyncIterator[SimulatedServers]:
    async with SimulatedServers() as sim:
        await seed(database_url, sim)
        yield sim


@asynccontextmanager
async def a_stream(group: WorkerGroup, key: str) -> AsyncIterator[AsyncIterator[bytes]]:
    async with (
        group.client() as http,
        http.stream("POST", "/v1/chat/completions", json=STREAM, headers={"Authorization": f"Bearer {key}"}) as answer,
    ):
        assert answer.status_code == 200
        yield answer.aiter_raw()


async def until_refused(group: WorkerGroup) -> None:
    """Waits until nobody listens any more."""

    async def refused() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", group.port)
        except OSError:
            return True
        writer.close()
        return False

    await until(refused)


@pytest.mark.parametrize(("workers", "number"), [(1, signal.SIGINT), (2, signal.SIGTERM)])
async def test_a_running_stream_ends_before_its_worker_leaves(
    database_url: str, sim: SimulatedServers, tmp_path: Path, workers: int, number: signal.Signals
) -> None:
    sim.chat.behave(token_s=0.02, answer_tokens=60)
    async with worker_group(database_url, sim, tmp_path, workers) as group:
        assert len(group.workers()) == (workers if workers > 1 else 0)
        key = await group.ledger.add_key()
        async with a_stream(group, key) as pieces:
            body = await anext(pieces)
            group.process.send_signal(number)
            await until_refused(group)
            body += b"".join([piece async for piece in pieces])
        assert events_of(body)[-1] == b"data: [DONE]"
        assert await group.ended() == 0
        (row,) = await group.ledger.records(key)
        assert (row["status"], row["completion_tokens"]) == ("success", 60)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("ends_by", ["the deadline", "a second signal"])
async def test_a_stream_that_does_not_end_is_cut_off_and_paid(
    database_url: str, sim: SimulatedServers, tmp_path: Path, workers: int, ends_by: str
) -> None:
    sim.chat.behave(token_s=0.02, answer_tokens=4_000)
    drain_timeout_s = 0.5 if ends_by == "the deadline" else 600
    async with worker_group(database_url, sim, tmp_path, workers, drain_timeout_s=drain_timeout_s) as group:
        key = await group.ledger.add_key(max_budget_nano=10**12)
        async with a_stream(group, key) as pieces:
            await anext(pieces)
            group.process.send_signal(signal.SIGTERM)
            await until_refused(group)
            if ends_by == "a second signal":
                group.process.send_signal(signal.SIGTERM)
            with pytest.raises(httpx2.TransportError):
                async for _ in pieces:
                    pass
        assert await group.ended() == 0
        (row,) = await group.ledger.records(key)
        assert row["status"] == "cancelled"
        assert row["completion_tokens"] > 0
        assert row["cost_nano"] == await group.ledger.settled(key)
        assert await group.ledger.leased(key) == 0


async def test_who_has_connected_and_not_asked_yet_is_answered_by_a_worker_that_leaves(
    database_url: str, sim: SimulatedServers, tmp_path: Path
) -> None:
    async with worker_group(database_url, sim, tmp_path, workers=1) as group:
        reader, writer = await asyncio.open_connection("127.0.0.1", group.port)
        group.process.send_signal(signal.SIGTERM)
        writer.write(b"GET /health/liveness HTTP/1.1\r\nhost: gateway\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), WITHIN_S)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 200 "), answer
        assert await group.ended() == 0


async def test_a_worker_that_leaves_says_that_it_is_not_ready(platform: Platform) -> None:
    server = platform.gateway.server
    async with httpx2.AsyncClient(base_url=platform.url, timeout=WITHIN_S) as http:
        assert (await http.get("/health/readiness")).status_code == 200
        server.is_draining = True
        try:
            answer = await http.get("/health/readiness")
        finally:
            server.is_draining = False
    assert answer.status_code == 503
    assert answer.json()["status"] == "draining"
    assert answer.headers["connection"] == "close"


async def test_workers_end_when_their_terminal_is_closed(
    database_url: str, sim: SimulatedServers, tmp_path: Path
) -> None:
    person, terminal = os.openpty()
    environ = environ_of(database_url, tmp_path / "state", 0)
    process = await start_gateway(environ, tmp_path / "log", 2, stdin=terminal)
    os.close(terminal)

    async def serves() -> bool:
        return "the workers serve" in (tmp_path / "log").read_text(encoding="utf-8")

    try:
        await until(serves, STARTS_WITHIN_S)
        os.close(person)
        process.send_signal(signal.SIGHUP)
        assert await asyncio.wait_for(process.wait(), STARTS_WITHIN_S) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def says(environ: dict[str, str], log: Path, workers: int = 2) -> tuple[int, str]:
    """The exit status of a gateway that cannot start, and what it says."""
    process = await start_gateway(environ, log, workers)
    status = await asyncio.wait_for(process.wait(), STARTS_WITHIN_S)
    return status, log.read_text(encoding="utf-8")  # noqa: ASYNC240 - a short file


async def test_a_port_in_use_is_named(database_url: str, tmp_path: Path) -> None:
    for shared in (False, True):
        with bound_socket("127.0.0.1", 0, shared=shared) as taken:
            taken.listen()
            port = taken.getsockname()[1]
            for workers in (1, 2):
                environ = environ_of(database_url, tmp_path / "state", port)
                status, said = await says(environ, tmp_path / "log", workers)
                assert (status, said.count(f"port {port} of 127.0.0.1 is in use")) == (1, 1), said


WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({"LITEMAAS_GATEWAY__ERROR_PROFILE": "newest"}, 2, "LITEMAAS_GATEWAY__ERROR_PROFILE"),
    ({"LITEMAAS_GATEWAY__WORKER_ID": "../elsewhere"}, 2, "LITEMAAS_GATEWAY__WORKER_ID"),
    ({"LITEMAAS_DATABASE_URL": "postgresql://u:hush-hush@127.0.0.1:1/none"}, 1, "the database does not answer"),
]


@pytest.mark.parametrize(("change", "status", "reason"), WRONG, ids=["profile", "name", "database"])
async def test_workers_that_cannot_start_end_the_supervisor_with_their_reason(
    database_url: str, tmp_path: Path, change: dict[str, str], status: int, reason: str
) -> None:
    environ = {**environ_of(database_url, tmp_path / "state", 0, database_timeout_s=1.0), **change}
    ended, said = await says(environ, tmp_path / "log")
    assert ended == status, said
    assert said.count(f"litemaas: {reason}") == 1, said
    assert "Traceback" not in said
    assert "hush-hush" not in said


async def test_a_second_gateway_of_the_same_name_leaves_the_first_alone(
    database_url: str, sim: SimulatedServers, tmp_path: Path
) -> None:
    async with worker_group(database_url, sim, tmp_path) as group:
        status, said = await says(environ_of(database_url, group.state_dir, 0), tmp_path / "second.log")
        assert status == 1
        assert "another gateway already runs as 'gw'" in said
        assert len(group.workers()) == 2
        async with group.client() as http:
            assert (await group.numbers(http))[("litemaas_gateway_worker_starts_total", ())] == 2
