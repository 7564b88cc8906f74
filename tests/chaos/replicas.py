"""How do the chaos tests run replicas? As operators do: ``litemaas gateway --workers N``, each with a directory of its own."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx2
import psutil
from tests.deploy.ports import free_port
from tests.integration.gateway.harness import ENCRYPTION_KEY, MASTER_KEY, until

START_WITHIN_S = 60.0
END_WITHIN_S = 60.0


class Replica:
    """One ``litemaas gateway`` and its workers."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, workers: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.workers = workers
        self.log = log
        self.killed = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def worker_pids(self) -> list[int]:
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.process.pid).children()
            return [child.pid for child in children if child.status() != psutil.STATUS_ZOMBIE]
        return []

    async def is_complete(self) -> None:
        """Waits until all of its workers serve."""

        async def serves() -> bool:
            if self.process.returncode is not None:
                raise AssertionError(f"the replica ended: {self.log.read_text()[-2000:]}")
            if len(self.worker_pids()) < self.workers:
                return False
            try:
                async with httpx2.AsyncClient(base_url=self.url, timeout=5.0) as http:
                    return (await http.get("/health/readiness")).status_code == 200
            except httpx2.TransportError:
                return False

        await until(serves, START_WITHIN_S)

    async def kill_one(self, chance: random.Random) -> None:
        """``kill -9`` for one of the workers."""

        async def are_there() -> list[int]:
            return self.worker_pids()

        victim = chance.choice(await until(are_there, START_WITHIN_S))
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
            self.killed += 1

    async def kill_all(self) -> None:
        """``kill -9`` for the supervisor; its workers end with it."""
        pids = self.worker_pids()
        self.process.kill()
        await self.process.wait()

        async def are_gone() -> bool:
            return not any(psutil.pid_exists(pid) for pid in pids)

        await until(are_gone, END_WITHIN_S)

    async def stop(self) -> None:
        if self.process.returncode is None:
            self.process.terminate()
            await asyncio.wait_for(self.process.wait(), END_WITHIN_S)


@asynccontextmanager
async def replica(
    name: str, database_url: str, redis_url: str, state_dir: Path, workers: int = 2, **settings: str
) -> AsyncIterator[Replica]:
    """``settings``: further ones, without their prefix."""
    port = free_port()
    environ = {key: value for key, value in os.environ.items() if not key.startswith("LITEMAAS_")}
    environ |= {
        "LITEMAAS_DATABASE_URL": database_url,
        "LITEMAAS_REDIS_URL": redis_url,
        "LITEMAAS_MASTER_KEY": MASTER_KEY,
        "LITEMAAS_ENCRYPTION_KEY": ENCRYPTION_KEY,
        "LITEMAAS_STATE_DIR": str(state_dir / name),
        "LITEMAAS_GATEWAY__PORT": str(port),
        "LITEMAAS_GATEWAY__WORKER_ID": name,
        "LITEMAAS_GATEWAY__WORKERS": str(workers),
        **{f"LITEMAAS_{key}": value for key, value in settings.items()},
    }
    log = state_dir / f"{name}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "litemaas", "gateway", env=environ, stdout=output, stderr=output
        )
    running = Replica(process, port, workers, log)
    try:
        await running.is_complete()
        yield running
    finally:
        await running.stop()
