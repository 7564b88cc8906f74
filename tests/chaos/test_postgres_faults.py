"""Do calls that fit the leases go on while PostgreSQL is away, cut, slow or frozen, and is each of them in the ledger then?"""

from __future__ import annotations

import pytest

from .outages import KINDS, outage
from .stage import LONG_S, Stage


@pytest.mark.parametrize("kind", KINDS)
async def test_calls_that_fit_the_leases_go_on_whatever_happens_to_postgresql(stage: Stage, kind: str):
    await outage(stage, stage.postgres, kind, 3.0)


@pytest.mark.nightly
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
async def test_calls_that_fit_the_leases_go_on_for_a_minute_without_postgresql(stage: Stage, kind: str):
    await outage(stage, stage.postgres, kind, LONG_S)
