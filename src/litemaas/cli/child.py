"""How does a part start under ``litemaas up``? It loads first and is told its settings by stdin.

So the parts load while PostgreSQL starts, and no secret stands in an environment that other programs can list.
"""

from __future__ import annotations

import gc
import json
import signal
import sys
from collections.abc import Callable
from typing import Any

from litemaas.kit.settings import SettingsError


def _load_gateway() -> Callable[[dict[str, Any]], None]:
    from litemaas.gateway.app import run

    return run


def _load_workers() -> Callable[[dict[str, Any]], None]:
    from litemaas.gateway.supervisor import run

    return run


def _load_control() -> Callable[[dict[str, Any]], None]:
    from litemaas.control.app.server import run  # the package itself would load it only when it is called
    from litemaas.control.app.settings import Settings
    from litemaas.kit.settings import load_settings

    return lambda environ: run(load_settings(Settings, environ))


def _load_sim() -> Callable[[dict[str, Any]], None]:
    import msgspec

    from litemaas.sim.app import run
    from litemaas.sim.settings import SimSettings

    return lambda settings: run(msgspec.convert(settings, SimSettings))


_PARTS = {"gateway": _load_gateway, "workers": _load_workers, "control": _load_control, "sim": _load_sim}


def main(part: str) -> int:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    gc.disable()  # nothing that is loaded is garbage, and to look for some takes a third of the time
    run = _PARTS[part]()
    gc.enable()
    told = sys.stdin.buffer.readline()
    if not told:
        return 0  # the platform does not come up
    try:
        run(json.loads(told))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
