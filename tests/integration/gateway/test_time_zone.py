"""Do the gateway's budgets begin anew at midnight where the installation is?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace
from tests.databases import lent_database

from litemaas.core.keys import hash_key
from litemaas.core.windows import day_of, midnight, month_start
from litemaas.db.embedded import EmbeddedPostgres
from litemaas.db.migrate import upgrade
from litemaas.gateway.app import Gateway
from litemaas.kit.settings import SettingsError
from litemaas.sim.testing import SimulatedServers

from .conftest import seed
from .harness import gateway_settings, running

ZONE = ZoneInfo("Asia/Kolkata")


@pytest.fixture
async def zoned(postgres_server: EmbeddedPostgres, template_database: str) -> AsyncIterator[str]:
    async with lent_database(postgres_server.url, template_database) as url:
        upgrade(url, str(ZONE))
        yield url


async def test_calls_are_held_and_booked_in_the_local_day_and_month(
    zoned: str, module_sim: SimulatedServers, tmp_path: Path
):  # fmt: skip
    await seed(zoned, module_sim)
    settings = replace(gateway_settings(zoned, tmp_path), timezone=str(ZONE))
    async with running(settings, module_sim) as platform:
        began = datetime.now(UTC)
        daily = await platform.ledger.add_key(max_budget_nano=10**9, budget_duration="daily")
        monthly = await platform.ledger.add_key(budget_duration="monthly")
        for secret in (daily, monthly):
            assert (await platform.chat(secret, max_tokens=5)).status_code == 200
            await platform.record(secret)
        if day_of(datetime.now(UTC), ZONE) != day_of(began, ZONE):
            pytest.skip("midnight came in between")
        for secret, start in (
            (daily, midnight(day_of(began, ZONE), ZONE)),
            (monthly, month_start(began, ZONE)),
        ):
            rows = await platform.ledger.connection.fetch(
                "select window_start, settled_nano from budget_windows where scope = $1", f"key:{hash_key(secret)}"
            )
            assert [row["window_start"] for row in rows] == [start]
            assert rows[0]["settled_nano"] == (await platform.record(secret))["cost_nano"] > 0


async def test_a_gateway_of_another_zone_than_the_databases_does_not_start(zoned: str, tmp_path: Path):
    gateway = Gateway(gateway_settings(zoned, tmp_path))
    with pytest.raises(
        SettingsError, match="LITEMAAS_TIMEZONE is UTC, but the database keeps its days in Asia/Kolkata"
    ):
        await gateway.start()
    await gateway.postgres.close()
    gateway.journal.close()


def test_a_zone_that_cannot_be_kept_stops_the_start(tmp_path: Path):
    settings = replace(gateway_settings("postgresql://127.0.0.1:1/none", tmp_path), timezone="Australia/Lord_Howe")
    with pytest.raises(
        SettingsError, match="LITEMAAS_TIMEZONE: in Australia/Lord_Howe clocks move by a part of an hour"
    ):
        Gateway(settings)
