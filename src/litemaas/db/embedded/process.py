"""How does a server live under us? Started as a child that dies with us, its log bounded, its end certain."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

from litemaas.db.embedded.errors import ServerDidNotStart
from litemaas.db.embedded.unprivileged import AS_WE_ARE, Disguise

_LAUNCHER = Path(__file__).with_name("launch.py")
_LOG_BOUND_BYTES = 8 * 1024 * 1024
_LOG_TENDED_EVERY_S = 30.0
_TAIL_BYTES = 4096

Ladder = Sequence[tuple[Signals, float]]
"""Signals to end a server with, each with the seconds it gets; the last one cannot be refused."""


@dataclass(frozen=True)
class Launch:
    """What runs, where, as whom, and which signal it gets when we die."""

    command: Sequence[str | Path]
    directory: Path
    death_signal: Signals
    disguise: Disguise = AS_WE_ARE


def _start(launch: Launch, *, stdin: int, output: int) -> subprocess.Popen[bytes]:
    """The kernel ties the child's life to the calling thread: call it from one that stays, as the event loop's does."""
    arguments = [os.getpid(), int(launch.death_signal), launch.disguise.identity, launch.disguise.uid, launch.directory]
    return subprocess.Popen(  # noqa: S603  the command is ours and no shell is involved
        [sys.executable, "-I", "-S", str(_LAUNCHER), *map(str, [*arguments, *launch.command])],
        stdin=stdin,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=launch.directory,
        # PG* and locale variables of the person's shell must not change how a server behaves
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        start_new_session=True,  # Ctrl-C is for us; we end our servers in order
    )


async def run(launch: Launch, *, stdin: str = "", within_s: float) -> tuple[int, str]:
    """Runs a program to its end: exit status and output.

    Errors: ServerDidNotStart when it takes too long
    """
    child = _start(launch, stdin=subprocess.PIPE, output=subprocess.PIPE)
    try:
        output, _ = await asyncio.to_thread(child.communicate, stdin.encode(), within_s)
    except subprocess.TimeoutExpired as error:
        child.kill()
        child.communicate()
        raise ServerDidNotStart(
            f"{launch.command[0]} did not finish within {within_s:.0f} s: is the disk busy?"
        ) from error
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()  # when we were cancelled, the thread still reads its output to the end
    return child.returncode, output.decode("utf-8", "replace").strip()


async def until(reached: Callable[[], bool], within_s: float, step_s: float = 0.02) -> bool:
    """Polls until it is so or the time is over; says which."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while not reached():
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(step_s)
    return True


async def end(send: Callable[[Signals], None], is_gone: Callable[[], bool], ladder: Ladder) -> bool:
    """Climbs the ladder until the process is gone; says whether it is."""
    for signal, patience_s in ladder:
        if is_gone():
            return True
        with contextlib.suppress(ProcessLookupError):
            send(signal)
        if await until(is_gone, patience_s):
            return True
    return False


class ServerProcess:
    """One running server: what it writes goes to a log of bounded size.

    Lives in the event loop that made it.
    """

    def __init__(self, launch: Launch, log: Path, ladder: Ladder, *, stdin: str = "") -> None:
        self._log = log
        self._ladder = ladder
        log.parent.mkdir(mode=0o700, exist_ok=True)
        _bound(log)
        # Append mode: after a truncation the server goes on writing at the new end
        output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._said_before = os.fstat(output).st_size
            self._child = _start(launch, stdin=subprocess.PIPE, output=output)
        finally:
            os.close(output)
        self._feed(stdin)
        self._tending = asyncio.create_task(self._tend_log(), name=f"log of {log.stem}")

    def _feed(self, text: str) -> None:
        """Less than a pipe holds, so that it never waits for the reader."""
        if self._child.stdin is not None:
            with contextlib.suppress(BrokenPipeError), self._child.stdin as pipe:
                pipe.write(text.encode())

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def is_running(self) -> bool:
        return self._child.poll() is None

    async def wait(self) -> int:
        """Waits for the end; the exit status, negative for a signal."""
        await until(lambda: not self.is_running, math.inf, step_s=0.2)
        return int(self._child.returncode)

    async def stop(self) -> None:
        self._tending.cancel()
        await asyncio.gather(self._tending, return_exceptions=True)
        await end(self._child.send_signal, lambda: not self.is_running, self._ladder)

    def said(self) -> str:
        """The end of what this process has logged."""
        size = self._log.stat().st_size
        with self._log.open("rb") as file:
            file.seek(max(min(self._said_before, size), size - _TAIL_BYTES))
            return file.read().decode("utf-8", "replace").strip()

    async def _tend_log(self) -> None:
        while True:
            await asyncio.sleep(_LOG_TENDED_EVERY_S)
            _bound(self._log)


def _bound(log: Path) -> None:
    """Keeps one former log; what is written between copy and truncation is lost, which a log of warnings can bear."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > _LOG_BOUND_BYTES:
            shutil.copyfile(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)
