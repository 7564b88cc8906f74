"""What did an earlier run leave behind when it was killed? Processes that carry this state directory's mark."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from litemaas.db.embedded.process import end

MARK_VARIABLE = "LITEMAAS_RUN_MARK"
_LADDER = ((signal.SIGTERM, 1.0), (signal.SIGKILL, 5.0))


def marked_processes(mark: str) -> list[int]:
    """All processes but this one that were started with the mark; a number alone would not prove whose they are.

    Fails: empty where the system does not show environments.
    """
    wanted = f"{MARK_VARIABLE}={mark}"
    found = _by_proc(wanted.encode()) if sys.platform == "linux" else _by_ps(wanted)
    return sorted(pid for pid in found if pid != os.getpid())


def _by_proc(wanted: bytes) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # ended meanwhile, or somebody else's
            if wanted in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


def _by_ps(wanted: str) -> list[int]:
    command = ["/bin/ps", "-Eaxww", "-o", "pid=,command="]
    listing = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=5, check=False)  # noqa: S603  fixed command
    return [int(line.split()[0]) for line in listing.stdout.splitlines() if re.search(rf"\s{wanted}(\s|$)", line)]


async def end_leftovers(mark: str) -> int:
    """Ends them all; how many there were."""
    pids = marked_processes(mark)

    def send(number: signal.Signals) -> None:
        for pid in marked_processes(mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    if pids:
        await end(send, lambda: not marked_processes(mark), _LADDER)
    return len(pids)
