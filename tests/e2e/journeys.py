"""What do journeys through the portal need, and how is a file of them run?

The journeys themselves are portal/tests/journeys/*.test.mjs. They need node, the portal's packages, its bundle and a Chromium:
``make test`` provides what it can, and without one of them :func:`missing` says which one it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from litemaas.control.app.portal import find_bundle

PORTAL = Path(__file__).parents[2] / "portal"
CHROMIUMS = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
WITHIN_S = 900


def missing() -> str | None:
    chromium = os.environ.get("CHROMIUM")
    needed = {
        "node": shutil.which("node") is not None,
        "the portal's packages (make portal)": (PORTAL / "node_modules/playwright-core").is_dir(),
        "the portal's bundle (make portal)": find_bundle() is not None,
        "Chromium (apt-get install chromium)": any(Path(place).exists() for place in (chromium, *CHROMIUMS) if place),
    }
    lacking = [name for name, is_there in needed.items() if not is_there]
    return f"journeys through the portal need {', '.join(lacking)}" if lacking else None


WHERE_THEY_CAN = [
    pytest.mark.skipif(bool(reason := missing()), reason=str(reason)),
    pytest.mark.timeout(WITHIN_S + 60),
]
"""The marks of a module of journeys."""


def run_journeys(stage: Mapping[str, str], name: str, pictures: Path) -> None:
    """Fails with what node's test runner says."""
    command = ["node", "--test", "--test-reporter=spec", f"tests/journeys/{name}.test.mjs"]
    environ = {**os.environ, **stage, "JOURNEY_PICTURES": str(pictures)}
    done = subprocess.run(
        command, cwd=PORTAL, env=environ, capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
