"""What does the supervisor know of one worker? That it was started, when it serves, and how it ended."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import litemaas

WRONG_SETTINGS, CANNOT_START = 2, 1
"""Exit statuses."""
_READY_WITHIN_S = 600.0
_LOOK_EVERY_S = 0.01


class WorkerDidNotStart(Exception):
    """``status``: what the process that asked for it should end with."""

    def __init__(self, why: str, status: int = CANNOT_START) -> None:
        super().__init__(why)
        self.status = status


class WorkerProcess:
    """One worker, from its start to its end. Start it from the main thread: the kernel ends it with that thread."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], report: asyncio.StreamReader) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process
        self._said: asyncio.Future[dict[str, Any] | None] = asyncio.get_running_loop().create_future()
        self._end = asyncio.create_task(self._watch(report), name=f"watching {name}")

    @classmethod
    async def start(
        cls, name: str, listening: socket.socket, environ: Mapping[str, str], numbers: Path
    ) -> WorkerProcess:
        """Errors: OSError when there is no room for another process."""
        read, write = os.pipe()
        reader = asyncio.StreamReader()
        pipe = os.fdopen(read, "rb", 0)
        try:
            process = _process(name, listening.fileno(), write, numbers)
        except BaseException:
            pipe.close()
            raise
        finally:
            os.close(write)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        worker = cls(name, process, reader)
        worker._tell(environ)
        return worker

    def _tell(self, environ: Mapping[str, str]) -> None:
        """Less than a pipe holds, so nobody waits."""
        if self._process.stdin is not None:
            with suppress(BrokenPipeError), self._process.stdin as pipe:
                pipe.write(json.dumps(dict(environ)).encode() + b"\n")

    async def _watch(self, report: asyncio.StreamReader) -> int:
        with suppress(ValueError):
            line = await report.readline()
            self._said.set_result(json.loads(line) if line else None)
            await report.read()  # its end is the end of the process
        if not self._said.done():
            self._said.set_result(None)
        while self._process.poll() is None:  # noqa: ASYNC110 - a moment only
            await asyncio.sleep(_LOOK_EVERY_S)
        return self._process.returncode

    async def until_ready(self) -> None:
        """Errors: WorkerDidNotStart with the worker's own words."""
        try:
            async with asyncio.timeout(_READY_WITHIN_S):
                said = await asyncio.shield(self._said)
        except TimeoutError:
            self.kill()
            raise WorkerDidNotStart(f"the worker {self.name} does not come up") from None
        if said is None:
            await self.ended()
            raise WorkerDidNotStart(f"the worker {self.name} ended at its start ({self.how_it_ended()})")
        if "why" in said:
            raise WorkerDidNotStart(said["why"], said["status"])

    async def ended(self) -> None:
        """Returns when it has ended."""
        await asyncio.shield(self._end)

    @property
    def is_running(self) -> bool:
        return not self._end.done()

    def how_it_ended(self) -> str:
        status = self._process.poll()
        if status is None:
            return "running"
        return f"status {status}" if status >= 0 else signal.Signals(-status).name

    def terminate(self) -> None:
        """Asks it to leave; a second time, not to wait for running calls."""
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


def _process(name: str, listening: int, report: int, numbers: Path) -> subprocess.Popen[bytes]:
    # The code that runs here, installed or not; -P: not what happens to lie in the person's directory
    paths = [str(Path(litemaas.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    module = [sys.executable, "-P", "-m", "litemaas.gateway.worker"]
    return subprocess.Popen(  # noqa: S603  the command is ours and no shell is involved
        [*module, name, str(os.getpid()), str(listening), str(report), str(numbers)],
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        pass_fds=(listening, report),
        process_group=0,  # Ctrl-C is for the supervisor, which ends its workers in order
    )
