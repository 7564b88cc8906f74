"""Which chaos tests run? The short ones always; those marked ``nightly`` with LITEMAAS_NIGHTLY=1 (``make test-nightly``)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from litemaas.db.embedded import EmbeddedValkey

from .stage import Stage, staged


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("LITEMAAS_NIGHTLY") == "1":
        return
    skip = pytest.mark.skip(reason="runs with LITEMAAS_NIGHTLY=1")
    for item in items:
        if "nightly" in item.keywords:
            item.add_marker(skip)


@pytest.fixture
async def stage(database_url: str, valkey_server: EmbeddedValkey, tmp_path: Path) -> AsyncIterator[Stage]:
    """A gateway whose every connection leads through a fault proxy, in front of the real servers and simulated engines."""
    async with staged(database_url, valkey_server.url, tmp_path) as played:
        yield played
