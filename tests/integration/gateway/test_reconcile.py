"""Do ledger, rollups, budgets and engines tell the same after real calls of all kinds?"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from litemaas.cli.reconcile import reconcile
from litemaas.sim.testing import SimulatedServers

from .conftest import seed
from .harness import QUESTION, chunks_of, gateway_settings, running


async def test_after_calls_of_all_kinds_everything_is_equal_to_the_token_and_the_nano(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    async with SimulatedServers() as sim:
        await seed(database_url, sim)
        async with running(gateway_settings(database_url, tmp_path), sim) as platform:
            keys = [
                await platform.ledger.add_key(max_budget_nano=10**12, user_id="u1"),
                await platform.ledger.add_key(max_budget_nano=10**12, budget_duration="1d", team_id="t1", user_id="u1"),
                await platform.ledger.add_key(),
            ]
            for key in keys:
                for number in range(4):
                    assert (await platform.chat(key, max_tokens=3 + number)).status_code == 200
                streamed = await platform.chat(key, stream=True)
                assert chunks_of(streamed.content)
                body = {"model": "nomic", "input": ["one", "two"]}
                assert (await platform.post("/v1/embeddings", key, body)).status_code == 200
                assert (await platform.chat(key, model="no-such-model")).status_code == 400
            assert (await platform.chat("sk-nobody-knows-this", **QUESTION)).status_code == 401
            for key in keys:
                await platform.records(key, 7)
        assert await asyncio.to_thread(reconcile, database_url, None, None, with_engines=True, with_rebuild=False) == 0
        said = capsys.readouterr().out
        assert "rollups = settled in budget windows, per key, user and team: 5 compared, equal" in said
        assert "engine counters = ledger, since the counters began: 2 compared, equal" in said
