"""How do the two Rust routers from PyPI run here? As plain routers before one engine: no keys, no limits, no accounting.

Both are told to take turns among their one engine, to log errors only, and to admit as many calls as come.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from benchmarks.candidates.base import Candidate, Place, until_answers
from benchmarks.candidates.environment import installed, version_of
from benchmarks.processes import Child, free_port

_START_WITHIN_S = 60.0
_COMMON = [
    "--host", "127.0.0.1", "--policy", "round_robin", "--log-level", "error", "--prometheus-host", "127.0.0.1",
    "--worker-startup-check-interval", "1", "--max-concurrent-requests",
]  # fmt: skip

Opener = Callable[[Place], AbstractAsyncContextManager[Candidate]]


def _router(name: str, command: list[str], most_calls: str) -> Opener:
    @asynccontextmanager
    async def opened(place: Place) -> AsyncIterator[Candidate]:
        program = await asyncio.to_thread(installed, place.cache / name, name, name)
        version = await asyncio.to_thread(version_of, program, name)
        port, metrics_port = free_port(), free_port()
        environ = {name: value for name, value in os.environ.items() if not name.startswith("LITEMAAS_")}
        child = Child(
            [
                program, *command, "--worker-urls", place.upstream_url, "--port", str(port),
                "--prometheus-port", str(metrics_port), *_COMMON, most_calls,
            ],
            core=place.sut_core, log=place.folder / f"{name}.log", environ=environ,
        )  # fmt: skip
        try:
            await until_answers(child, f"http://127.0.0.1:{port}/health", _START_WITHIN_S)
            yield Candidate(name, port, pid=child.pid, version=version)
        finally:
            child.stop()

    return opened


vllm_router = _router("vllm-router", [], "1000000")
sglang_router = _router("sglang-router", ["launch"], "-1")  # which switches the limit off
