"""How do processes start, cost and end here? Pinned to one core, measured by the kernel's own clock, ended by their ids."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_END_WITHIN_S = 15.0
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


class Child:
    """A process of this run. It dies with us, even if we are killed; Ctrl-C reaches only us."""

    def __init__(
        self, command: Sequence[str | Path], *, core: int, log: Path, environ: Mapping[str, str] | None = None,
        pipes: bool = False, last_signal: str = "KILL",
    ) -> None:  # fmt: skip
        self._log = log
        pinned = ["setpriv", f"--pdeathsig={last_signal}", "taskset", "-c", str(core), *map(str, command)]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                pinned,
                stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipes else output,
                stderr=output,
                env=dict(environ) if environ is not None else None,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def tell(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()

    def hear(self) -> bytes:
        """The next line that it says; waits for it."""
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def said(self) -> str:
        """The end of its log."""
        return self._log.read_text("utf-8", "replace")[-2000:]

    def stop(self) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        if self.is_running:
            self._process.terminate()
        try:
            self._process.wait(_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait(_END_WITHIN_S)
        if self._process.stdout is not None:
            self._process.stdout.close()


def tree(pid: int) -> list[int]:
    """The process and all that descend from it."""
    found = [pid]
    for one in found:
        for task in _tasks(one):
            with contextlib.suppress(OSError):
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def cpu_ns(pids: Iterable[int]) -> int:
    """The processor time of all threads of these processes, user and system. Units: ns.

    Source: Linux, Documentation/scheduler/sched-stats.rst, ``/proc/<pid>/schedstat``: first field; utime and stime of
    ``/proc/<pid>/stat`` would only be exact to 10 ms.
    """
    total = 0
    for pid in pids:
        for task in _tasks(pid):
            with contextlib.suppress(OSError):
                total += int((task / "schedstat").read_text().split()[0])
    return total


def rss_bytes(pids: Iterable[int]) -> int:
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    return total


def core_busy_ns(core: int) -> int:
    """How long anything at all ran on a core since the machine started, stolen time included. Exact to 10 ms. Units: ns."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            user, nice, system, _, _, irq, softirq, steal = map(int, line.split()[1:9])
            return (user + nice + system + irq + softirq + steal) * _TICK_NS
    raise ValueError(f"there is no core {core}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []  # ended meanwhile
