"""How do the tests run several workers? As a person does, as processes; and who calls them notes how each call ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import psutil
from prometheus_client.parser import text_string_to_metric_families
from tests.deploy.ports import free_port

from litemaas.sim.testing import SimulatedServers

from .harness import ENCRYPTION_KEY, MASTER_KEY, QUESTION, Ledger, until

STARTS_WITHIN_S = 60.0
STOPS_WITHIN_S = 40.0


class WorkerGroup:
    """A supervisor with its workers, or one worker without."""

    def __init__(
        self, process: asyncio.subprocess.Process, port: int, log: Path, ledger: Ledger, sim: SimulatedServers
    ) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.ledger = ledger
        self.sim = sim
        self.state_dir = log.parent / "state"
        self._log = log

    @property
    def said(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def events(self, event: str) -> list[dict[str, Any]]:
        """What they have logged with these words."""
        lines = (json.loads(line) for line in self.said.splitlines() if line.startswith("{"))
        return [line for line in lines if line["event"] == event]

    def workers(self) -> dict[str, psutil.Process]:
        """Name → process of the living workers."""
        found = {}
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children():
                with contextlib.suppress(psutil.Error, ValueError, IndexError):
                    arguments = child.cmdline()
                    found[arguments[arguments.index("litemaas.gateway.worker") + 1]] = child
        return found

    async def until_all_serve(self, starts: int) -> None:
        """Waits until workers have begun to serve ``starts`` times in all."""

        async def enough() -> bool:
            assert self.process.returncode is None, self.said
            return len(self.events("the gateway serves")) >= starts

        await until(enough, STARTS_WITHIN_S)

    async def ended(self) -> int:
        return await asyncio.wait_for(self.process.wait(), STOPS_WITHIN_S)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return await self.ended()

    def client(self, **options: Any) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(base_url=self.url, timeout=STOPS_WITHIN_S, trust_env=False, **options)

    async def numbers(self, http: httpx2.AsyncClient) -> dict[tuple[str, tuple[str, ...]], float]:
        """Every sample of ``/metrics``, by name and its labels' values."""
        answer = await http.get("/metrics")
        assert answer.status_code == 200, answer.text
        families = list(text_string_to_metric_families(answer.text))
        assert len({family.name for family in families}) == len(families)
        return {(s.name, tuple(v for _, v in sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def environ_of(database_url: str, state_dir: Path, port: int, **own: Any) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LITEMAAS_")}
    return {
        **inherited,
        "LITEMAAS_DATABASE_URL": database_url,
        "LITEMAAS_MASTER_KEY": MASTER_KEY,
        "LITEMAAS_ENCRYPTION_KEY": ENCRYPTION_KEY,
        "LITEMAAS_STATE_DIR": str(state_dir),
        "LITEMAAS_GATEWAY__PORT": str(port),
        "LITEMAAS_GATEWAY__WORKER_ID": "gw",
        **{f"LITEMAAS_GATEWAY__{name.upper()}": str(value) for name, value in own.items()},
    }


async def start_gateway(
    environ: dict[str, str], log: Path, workers: int, stdin: int = asyncio.subprocess.DEVNULL
) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "litemaas", "gateway", "--workers", str(workers)]
    with log.open("wb") as output:
        return await asyncio.create_subprocess_exec(
            *command, env=environ, stdin=stdin, stdout=output, stderr=output, start_new_session=True
        )


@asynccontextmanager
async def worker_group(
    database_url: str, sim: SimulatedServers, tmp_path: Path, workers: int = 2, **own: Any
) -> AsyncIterator[WorkerGroup]:
    """A group that serves; its database has what it needs. Nothing of it outlives the block."""
    port = free_port()
    connection = await asyncpg.connect(database_url, timeout=STARTS_WITHIN_S, command_timeout=STARTS_WITHIN_S)
    log = tmp_path / "gateway.log"
    process = await start_gateway(environ_of(database_url, tmp_path / "state", port, **own), log, workers)
    group = WorkerGroup(process, port, log, Ledger(connection), sim)
    try:
        await group.until_all_serve(workers)
        yield group
    finally:
        if process.returncode is None:
            process.kill()  # its workers follow
            await process.wait()
        await connection.close(timeout=STOPS_WITHIN_S)


class Callers:
    """Clients that call until they are told to stop. ``answered``: id and usage of each call whose answer was heard."""

    def __init__(self, group: WorkerGroup, key: str, *, keep_alive: bool, count: int) -> None:
        self._group = group
        self._key = key
        self._stopped = False
        self.answered: dict[str, dict[str, int]] = {}
        self.failures: list[str] = []
        call = self._call_again_and_again if keep_alive else self._connect_again_and_again
        self._tasks = [asyncio.create_task(call()) for _ in range(count)]

    async def until_answered(self, more: int) -> None:
        wanted = len(self.answered) + more

        async def enough() -> bool:
            return len(self.answered) >= wanted

        await until(enough, STOPS_WITHIN_S)

    async def stop(self) -> None:
        self._stopped = True
        await asyncio.wait_for(asyncio.gather(*self._tasks), STOPS_WITHIN_S)

    def _note(self, status: int, call_id: str, body: bytes) -> None:
        if status == 200:
            assert call_id not in self.answered
            self.answered[call_id] = json.loads(body)["usage"]
        else:
            self.failures.append(f"{status} {body[:200]!r}")

    async def _call_again_and_again(self) -> None:
        headers = {"Authorization": f"Bearer {self._key}"}
        async with self._group.client() as http:
            while not self._stopped:
                try:
                    answer = await http.post("/v1/chat/completions", json=QUESTION, headers=headers)
                except httpx2.TransportError as error:
                    self.failures.append(repr(error))
                    await asyncio.sleep(0.01)  # a worker that was killed takes its connections with it
                else:
                    self._note(answer.status_code, answer.headers["x-litellm-call-id"], answer.content)

    async def _connect_again_and_again(self) -> None:
        """One connection per call, and no second try."""
        body = json.dumps(QUESTION).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {self._key}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        while not self._stopped:
            try:
                async with asyncio.timeout(STOPS_WITHIN_S):
                    reader, writer = await asyncio.open_connection("127.0.0.1", self._group.port)
                    writer.write(head.encode() + body)
                    answer, _, content = (await reader.read()).partition(b"\r\n\r\n")
                    writer.close()
            except (OSError, TimeoutError) as error:
                self.failures.append(repr(error))
                await asyncio.sleep(0.01)
                continue
            lines = answer.decode("latin-1").split("\r\n")
            ids = [line.partition(": ")[2] for line in lines if line.startswith("x-litellm-call-id: ")]
            status = int(lines[0].split(" ")[1]) if lines[0] else 0  # 0: hung up without an answer
            self._note(status, "".join(ids), content)
