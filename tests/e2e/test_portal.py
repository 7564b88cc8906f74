"""Do people and administrators reach in a real browser what the portal promises? Journeys against a running platform.

The journeys themselves are portal/tests/journeys/*.test.mjs. They need node, the portal's packages, its bundle and a Chromium:
``make test`` provides what it can, and without one of them this says which one is missing and skips.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.e2e.running import Up

from litemaas.control.app.portal import find_bundle

PORTAL = Path(__file__).parents[2] / "portal"
CHROMIUMS = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
WITHIN_S = 400


def _missing() -> str | None:
    chromium = os.environ.get("CHROMIUM")
    needed = {
        "node": shutil.which("node") is not None,
        "the portal's packages (make portal)": (PORTAL / "node_modules/playwright-core").is_dir(),
        "the portal's bundle (make portal)": find_bundle() is not None,
        "Chromium (apt-get install chromium)": any(Path(place).exists() for place in (chromium, *CHROMIUMS) if place),
    }
    missing = [name for name, is_there in needed.items() if not is_there]
    return f"journeys through the portal need {', '.join(missing)}" if missing else None


pytestmark = [pytest.mark.skipif(bool(reason := _missing()), reason=str(reason)), pytest.mark.timeout(WITHIN_S + 60)]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """Where the journeys' own platform is: its people have done nothing before."""
    up = Up(tmp_path_factory.mktemp("portal") / "state", "--demo")
    try:
        connection = up.ready()
        engine_port = (up.state_dir / "sim-chat.port").read_text(encoding="ascii").strip()
        yield {**connection, "LITEMAAS_SIM_URL": f"http://127.0.0.1:{engine_port}"}
        assert up.stop() == 0, up.output
    finally:
        up.kill_everything()


@pytest.mark.parametrize("journeys", ["people", "administration", "workshops", "looks", "dialogs"])
def test_the_journeys_succeed(stage: Mapping[str, str], journeys: str, tmp_path: Path):
    command = ["node", "--test", "--test-reporter=spec", f"tests/journeys/{journeys}.test.mjs"]
    environ = {**os.environ, **stage, "JOURNEY_PICTURES": str(tmp_path)}
    done = subprocess.run(
        command, cwd=PORTAL, env=environ, capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def test_the_ready_screen_names_the_portal(stage: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory):
    outputs = list(tmp_path_factory.getbasetemp().glob("portal*/*.out"))
    assert any(f"Portal          {stage['LITEMAAS_CONTROL_URL']}" in output.read_text() for output in outputs)
