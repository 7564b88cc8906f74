"""How does another program start the simulation? ``python -m litemaas.sim '{"chat_port": 8000}'``."""

from __future__ import annotations

import sys

import msgspec

from litemaas.sim.app import run
from litemaas.sim.settings import SimSettings

if __name__ == "__main__":
    run(msgspec.json.decode(sys.argv[1] if len(sys.argv) > 1 else "{}", type=SimSettings))
