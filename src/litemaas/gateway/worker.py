"""How does a worker live under its supervisor? It is told its settings by stdin, tells when it serves, and dies with it.

    python -m litemaas.gateway.worker NAME SUPERVISOR LISTENING REPORT NUMBERS

``SUPERVISOR`` is a process id, ``LISTENING`` and ``REPORT`` are open files, ``NUMBERS`` is a directory.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog
import uvloop

from litemaas.core.errors import LiteMaaSError
from litemaas.gateway.app import serve
from litemaas.gateway.settings import GatewaySettings
from litemaas.gateway.worker_process import CANNOT_START, WRONG_SETTINGS
from litemaas.kit.logging import configure_logging
from litemaas.kit.settings import SettingsError, load_settings

_PR_SET_PDEATHSIG = 1  # Linux ABI: <linux/prctl.h>


def main(arguments: Sequence[str]) -> int:
    name, supervisor, listening, report, numbers = arguments
    _die_with(int(supervisor))
    told = sys.stdin.buffer.readline()
    if not told:
        return 0  # the supervisor does not come up
    structlog.contextvars.bind_contextvars(worker=name)
    return _work(json.loads(told), socket.socket(fileno=int(listening)), int(report), Path(numbers))


def _work(environ: Mapping[str, str], listening: socket.socket, report: int, numbers: Path) -> int:
    def say(what: Mapping[str, object]) -> None:
        os.write(report, json.dumps(what).encode() + b"\n")

    try:
        settings = load_settings(GatewaySettings, environ)
        configure_logging(settings.log_level)
        uvloop.run(serve(settings, listening=listening, numbers=numbers, on_ready=lambda: say({"ready": True})))
    except SettingsError as error:
        say({"why": str(error), "status": WRONG_SETTINGS})
        return WRONG_SETTINGS
    except LiteMaaSError as error:
        say({"why": error.message, "status": CANNOT_START})
        return CANNOT_START
    except OSError as error:
        say({"why": error.strerror or type(error).__name__, "status": CANNOT_START})
        return CANNOT_START
    return 0


def _die_with(supervisor: int) -> None:
    """The kernel ends us when the supervisor ends, however it does; records are safe in the journal."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != supervisor:  # it ended before the kernel knew that we care
        sys.exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
