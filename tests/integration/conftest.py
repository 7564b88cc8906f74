"""What do the integration tests share beside the servers of the whole suite?"""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """Where a server of the test's own keeps its state; not yet there."""
    return tmp_path / "state"
