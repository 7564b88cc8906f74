"""Do people and administrators reach in a real browser what the portal promises? Journeys against a running platform."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.e2e.journeys import WHERE_THEY_CAN, run_journeys

pytestmark = WHERE_THEY_CAN


@pytest.mark.parametrize("journeys", ["people", "administration", "looks"])
def test_the_journeys_succeed(portal_stage: Mapping[str, str], journeys: str, tmp_path: Path):
    run_journeys(portal_stage, journeys, tmp_path)


def test_the_ready_screen_names_the_portal(portal_stage: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory):
    outputs = list(tmp_path_factory.getbasetemp().glob("portal*/*.out"))
    assert any(f"Portal          {portal_stage['LITEMAAS_CONTROL_URL']}" in output.read_text() for output in outputs)
