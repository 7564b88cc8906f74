"""Is the database that demo data fills a whole one, and does it never touch one that holds anything?"""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from litemaas.cli.demo_data import HasData, demo_data
from litemaas.db.demo_ledger import Size


async def test_demo_data_fills_an_empty_database_once(database_url: str):
    size = await asyncio.to_thread(demo_data, database_url, 0.0002)
    assert size == Size(records=2_000, keys=4, users=1, teams=1, models=50)
    connection = await asyncpg.connect(database_url)
    try:
        records = await connection.fetchrow(
            "select count(*) as calls, sum(cost_nano)::bigint as cost from usage_records"
        )
        rollups = await connection.fetchrow(
            "select sum(calls)::bigint as calls, sum(cost_nano)::bigint as cost from usage_total_months"
        )
        assert (records["calls"], records["cost"]) == (rollups["calls"], rollups["cost"])
        assert records["calls"] == 2_000
        assert (
            await connection.fetchval("select count(*) from usage_records r join users u on u.id = r.user_id") == 2_000
        )
        assert await connection.fetchval("select count(*) from virtual_keys") == 4
    finally:
        await connection.close()
    with pytest.raises(HasData):
        await asyncio.to_thread(demo_data, database_url, 0.0002)
