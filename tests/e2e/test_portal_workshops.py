"""Do workshops work in a real browser, and is what opens above a page fit for everybody?

On a platform of their own: these change what the first five minutes of a person are about.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.e2e.journeys import WHERE_THEY_CAN, run_journeys

pytestmark = WHERE_THEY_CAN


@pytest.mark.parametrize("journeys", ["workshops", "dialogs"])
def test_the_journeys_succeed(portal_stage: Mapping[str, str], journeys: str, tmp_path: Path):
    run_journeys(portal_stage, journeys, tmp_path)
