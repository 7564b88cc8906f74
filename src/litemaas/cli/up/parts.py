"""How does a plane live under ``litemaas up``? As a child that dies with us, loads early, and can be started again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import litemaas
from litemaas.cli.up.errors import PartDidNotStart
from litemaas.cli.up.leftovers import MARK_VARIABLE
from litemaas.cli.up.state import StateDirectory
from litemaas.db.embedded import launch
from litemaas.db.embedded.process import until

_LOG_BOUND_BYTES = 8 * 1024 * 1024
_TAIL_BYTES = 4096
_TAIL_LINES = 15
_START_WITHIN_S = 60.0
_KILLED_WITHIN_S = 5.0

Probe = Callable[[], Awaitable[bool]]


class Part:
    """One plane, or the simulated servers, as a process.

    Start it from a thread that lives as long as the process: on Linux the kernel ends it with that thread.
    """

    def __init__(self, name: str, title: str, log: Path, mark: str) -> None:
        """``name``: which part, see ``litemaas.cli.child``."""
        self.name = name
        self.title = title
        self.log = log
        self._mark = mark
        self._settings: bytes | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._said_before = 0

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None and self.is_running else None

    @property
    def is_running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def load(self) -> None:
        """Starts the process; it loads its code and then waits for its settings."""
        bound_log(self.log)
        environ = {name: value for name, value in os.environ.items() if not name.startswith("LITEMAAS_")}
        # The code that runs here, installed or not; -P: not what happens to lie in the person's directory
        paths = [str(Path(litemaas.__file__).parents[1]), *filter(None, [environ.get("PYTHONPATH")])]
        environ |= {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1", MARK_VARIABLE: self._mark}
        child = [sys.executable, "-P", "-m", "litemaas.cli.child", self.name]
        arguments = [str(os.getpid()), str(int(signal.SIGKILL)), "as-we-are", "-1", "/", *child]
        output = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._said_before = os.fstat(output).st_size
            self._child = subprocess.Popen(  # noqa: S603  the command is ours and no shell is involved
                [sys.executable, "-I", "-S", launch.__file__, *arguments],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environ,
                start_new_session=True,  # Ctrl-C is for us; we end our parts in order
            )
        finally:
            os.close(output)

    def serve(self, settings: Mapping[str, Any]) -> None:
        """Tells the process its settings, less than a pipe holds."""
        self._settings = json.dumps(settings).encode() + b"\n"
        self._tell()

    def restart(self) -> None:
        """Starts it anew with the settings it had."""
        self.load()
        self._tell()

    def _tell(self) -> None:
        pipe = self._child.stdin if self._child is not None else None
        if pipe is not None and self._settings is not None:
            with contextlib.suppress(BrokenPipeError), pipe:
                pipe.write(self._settings)

    async def until_ready(self, probe: Probe) -> None:
        """Errors: PartDidNotStart with the end of the log"""
        deadline = asyncio.get_running_loop().time() + _START_WITHIN_S
        while self.is_running:
            if await probe():
                return
            if asyncio.get_running_loop().time() > deadline:
                raise PartDidNotStart(self._obituary(f"is not ready after {_START_WITHIN_S:.0f} s"))
            await until(lambda: not self.is_running, 0.03)
        raise PartDidNotStart(self._obituary(f"ended at its start ({self.how_it_ended()})"))

    async def stop(self, patience_s: float, hurry: asyncio.Event) -> None:
        """Asks it to end; when patience or the person's is over, it is ended with all that it started."""
        if self._child is None:
            return
        if self._child.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._child.stdin.close()
        if self.is_running:
            self._child.terminate()
            await until(lambda: not self.is_running or hurry.is_set(), patience_s)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGKILL)
        await until(lambda: not self.is_running, _KILLED_WITHIN_S)

    def how_it_ended(self) -> str:
        status = self._child.poll() if self._child is not None else None
        if status is None:
            return "running"
        return f"status {status}" if status >= 0 else signal.Signals(-status).name

    def _obituary(self, what: str) -> str:
        return f"the {self.title} {what}; the end of {self.log}:\n{self.said() or '(nothing)'}"

    def said(self) -> str:
        """The last lines that this process has logged."""
        size = self.log.stat().st_size
        with self.log.open("rb") as file:
            file.seek(max(min(self._said_before, size), size - _TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
        return "\n".join(lines[-_TAIL_LINES:])


@dataclass(frozen=True)
class Parts:
    """All processes of ours; the simulated servers only with the demo."""

    gateway: Part
    control: Part
    sim: Part | None

    @classmethod
    def load(cls, state: StateDirectory, *, demo: bool, workers: int) -> Parts:
        """They load their code from here on; who takes longest comes first."""
        mark = state.mark()
        control = Part("control", "control plane", state.log("control"), mark)
        gateway = Part("gateway" if workers == 1 else "workers", "gateway", state.log("gateway"), mark)
        sim = Part("sim", "simulated servers", state.log("sim"), mark) if demo else None
        parts = cls(gateway, control, sim)
        for part in (control, gateway, sim):
            if part is not None:
                part.load()
        return parts

    def __iter__(self) -> Iterator[Part]:
        """In the order of stopping: who calls others comes first."""
        return iter([self.gateway, self.control, *([self.sim] if self.sim else [])])


def bound_log(log: Path) -> None:
    """Keeps one former log. The process goes on writing at the new end, as it opened the file to append."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > _LOG_BOUND_BYTES:
            former = log.with_suffix(".log.1")
            shutil.copyfile(log, former)
            former.chmod(0o600)
            os.truncate(log, 0)
