"""Is anything lost when the gateway is killed?"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
from tests.deploy.ports import free_port

from litemaas.gateway.running import CRASHED
from litemaas.sim.testing import SimulatedServers

from .conftest import seed
from .harness import ENCRYPTION_KEY, MASTER_KEY, QUESTION, WITHIN_S, Ledger, until

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", QUESTION),
    ("/v1/chat/completions", {**QUESTION, "stream": True}),
    ("/v1/embeddings", {"model": "nomic", "input": "How does a bill of lading work?"}),
    ("/v1/completions", {"model": "granite", "prompt": "Once upon a time", "max_tokens": 5}),
]


@asynccontextmanager
async def gateway_process(url: str, state_dir: Path, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    environ = {
        **os.environ,
        "LITEMAAS_DATABASE_URL": url,
        "LITEMAAS_MASTER_KEY": MASTER_KEY,
        "LITEMAAS_ENCRYPTION_KEY": ENCRYPTION_KEY,
        "LITEMAAS_STATE_DIR": str(state_dir),
        "LITEMAAS_GATEWAY__PORT": str(port),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import os; from litemaas.gateway.app import run; run(os.environ)", env=environ
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), WITHIN_S)


async def is_ready(http: httpx2.AsyncClient) -> None:
    async def serves() -> bool:
        try:
            return (await http.get("/health/readiness")).status_code == 200
        except httpx2.TransportError:
            return False

    await until(serves, WITHIN_S * 2)


async def test_no_call_that_a_client_saw_end_is_missing_after_a_kill_and_none_is_there_twice(
    database_url: str, tmp_path: Path
) -> None:
    port = free_port()
    async with SimulatedServers() as sim:
        await seed(database_url, sim)
        connection = await asyncpg.connect(database_url, timeout=WITHIN_S)
        ledger = Ledger(connection)
        key = await ledger.add_key(max_budget_nano=10**12)
        finished: list[str] = []
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=WITHIN_S) as http:

            async def ask_until_it_dies(path: str, body: dict[str, Any]) -> None:
                while True:
                    try:
                        answer = await http.post(path, json=body, headers={"Authorization": f"Bearer {key}"})
                    except httpx2.TransportError:
                        return
                    assert answer.status_code == 200
                    finished.append(answer.headers["x-litellm-call-id"])

            for _ in range(2):
                finished_before = len(finished)
                async with gateway_process(database_url, tmp_path, port) as process:
                    await is_ready(http)
                    callers = [asyncio.create_task(ask_until_it_dies(*call)) for call in CALLS * 2]

                    async def more(start: int = finished_before) -> bool:
                        return len(finished) > start + 150

                    await until(more, WITHIN_S * 2)
                    process.send_signal(signal.SIGKILL)
                    await process.wait()
                    await asyncio.gather(*callers)

            async with gateway_process(database_url, tmp_path, port):
                await is_ready(http)
                rows = await ledger.records(key)
                ids = [row["request_id"] for row in rows]

        assert len(ids) == len(set(ids))
        assert set(finished) <= set(ids)
        assert sum(row["cost_nano"] for row in rows) == await ledger.settled(key)
        assert await ledger.leased(key) == 0
        await connection.close(timeout=WITHIN_S)


async def test_calls_that_a_kill_cut_off_are_in_the_ledger_and_a_stream_is_paid_as_far_as_its_client_heard_it(
    database_url: str, tmp_path: Path
) -> None:
    port = free_port()
    async with SimulatedServers() as sim:
        await seed(database_url, sim)
        sim.chat.behave(answer_tokens=200, token_s=0.02, json_s=30)
        connection = await asyncpg.connect(database_url, timeout=WITHIN_S)
        ledger = Ledger(connection)
        key = await ledger.add_key(max_budget_nano=10**12)
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=WITHIN_S) as http:
            async with gateway_process(database_url, tmp_path, port) as process:
                await is_ready(http)
                whole = asyncio.create_task(http.post(CALLS[0][0], json=QUESTION, headers=headers))
                heard = 0
                try:
                    async with http.stream("POST", CALLS[1][0], json=CALLS[1][1], headers=headers) as stream:
                        async for line in stream.aiter_lines():
                            heard += '"content"' in line
                            if heard == 21:  # the first event has no token yet
                                process.send_signal(signal.SIGKILL)
                except httpx2.TransportError:
                    pass
                await process.wait()
                assert isinstance((await asyncio.gather(whole, return_exceptions=True))[0], httpx2.TransportError)

            async with gateway_process(database_url, tmp_path, port):
                await is_ready(http)
                rows = await ledger.records(key)
        by_stream = {row["stream"]: row for row in rows}
        assert len(rows) == 2
        assert {row["error_code"] for row in rows} == {CRASHED}
        assert (by_stream[False]["cost_nano"], by_stream[False]["usage_source"]) == (0, "none")
        assert 20 <= by_stream[True]["completion_tokens"] <= sim.counters.of("chat").completion_tokens
        assert by_stream[True]["cost_nano"] == await ledger.settled(key) > 0
        assert await ledger.leased(key) == 0
        await connection.close(timeout=WITHIN_S)
