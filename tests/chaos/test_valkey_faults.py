"""Do calls go on, within their limits, while Valkey is away, cut, slow or frozen?"""

from __future__ import annotations

import pytest

from .outages import KINDS, outage
from .stage import LONG_S, Stage


@pytest.mark.parametrize("kind", KINDS)
async def test_calls_go_on_whatever_happens_to_valkey(stage: Stage, kind: str):
    await outage(stage, stage.valkey, kind, 3.0)


@pytest.mark.nightly
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
async def test_calls_go_on_for_a_minute_without_valkey(stage: Stage, kind: str):
    await outage(stage, stage.valkey, kind, LONG_S)
