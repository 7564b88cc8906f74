"""Do PostgreSQL and Python mean the same by a day, and is an installation's time zone one for all and for good?"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from litemaas.control.usage.spans import beginning
from litemaas.core.windows import midnight
from litemaas.db.migrate import upgrade
from litemaas.db.reconciliation import check_everything, kept_span
from litemaas.db.rollups import fold, rebuild
from litemaas.db.zones import ZoneDiffers, check_zone, set_zone, zone_kept

from .test_rollups import agree, any_record, cells, store

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Africa/Cairo",
]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url, server_settings={"timezone": "UTC"})
    yield connection
    await connection.close()


@pytest.mark.parametrize("name", ZONES)
async def test_both_begin_hours_days_weeks_and_months_at_the_same_moment(database: asyncpg.Connection, name: str):
    dice, zone = random.Random(name), ZoneInfo(name)
    moments = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=dice.randrange(2 * 525_600)) for _ in range(3_000)]
    changes = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=30 * step) for step in range(17_520)]
    moments += [
        at
        for at in changes
        if at.astimezone(zone).utcoffset() != (at + timedelta(hours=2)).astimezone(zone).utcoffset()
    ]
    moments += [at + timedelta(hours=1, minutes=20) for at in moments[3_000:]]
    for grain in ("hour", "day", "week", "month"):
        query = f"SELECT date_trunc('{grain}', at, $2) FROM unnest($1::timestamptz[]) AS at"  # noqa: S608 — our own words
        found = [row[0] for row in await database.fetch(query, moments, name)]
        wrong = [(at, there) for at, there in zip(moments, found, strict=True) if beginning(grain, at, zone) != there]
        assert wrong == [], grain


@pytest.mark.parametrize("name", ["Europe/Berlin", "Asia/Kolkata", "America/Santiago"])
async def test_rollups_of_any_zone_say_what_the_ledger_says_and_counting_anew_changes_nothing(
    database: asyncpg.Connection, name: str
):
    await set_zone(database, name)
    dice = random.Random(7)
    records = [any_record(dice, number) for number in range(300)]
    # Through the night in which clocks go back in Berlin.
    night = datetime(2026, 10, 24, 20, tzinfo=UTC)
    records += [any_record(dice, 300 + n) | {"started_at": night + timedelta(minutes=10 * n)} for n in range(60)]
    for start in range(0, 360, 90):
        await store(database, *records[start : start + 90])
        await fold(database)
    await agree(database)
    zone = await zone_kept(database)
    assert str(zone) == name
    days = {row["at"] for row in await database.fetch("SELECT DISTINCT at FROM usage_total_days")}
    assert days == {beginning("day", record["started_at"], zone) for record in records}
    before = await cells(database)
    await rebuild(database, date(2026, 10, 20), date(2026, 12, 1))
    assert await cells(database) == before
    span = await kept_span(database, None, None)
    checks = await check_everything(database, span)
    differing = [check.what for check in checks if check.differences]
    assert differing == ["rollups = settled in budget windows, per key, user and team"]  # which nobody booked here
    assert len(checks) > 10


async def test_a_days_records_are_those_of_the_local_day(database: asyncpg.Connection):
    await set_zone(database, "Asia/Kolkata")
    zone, day = ZoneInfo("Asia/Kolkata"), date(2026, 11, 23)
    first = midnight(day, zone)
    assert first == datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
    dice = random.Random(1)
    at = [first - timedelta(seconds=1), first, first + timedelta(hours=24, seconds=-1), first + timedelta(hours=24)]
    await store(database, *(any_record(dice, number) | {"started_at": moment} for number, moment in enumerate(at)))
    await fold(database)
    assert await database.fetchval("SELECT sum(calls) FROM usage_total_days WHERE at = $1", first) == 2
    assert await database.fetchval("SELECT sum(calls) FROM usage_total_hours WHERE at = $1", first) == 1


async def test_a_zone_is_set_before_anything_is_used_and_stays(database_url: str, database: asyncpg.Connection):
    upgrade(database_url, "Europe/Berlin")
    await check_zone(database, "Europe/Berlin")
    upgrade(database_url)  # who names none leaves it
    upgrade(database_url, "Asia/Kolkata")  # nothing was used yet
    await store(database, any_record(random.Random(2), 1))
    upgrade(database_url, "Asia/Kolkata")
    with pytest.raises(ZoneDiffers, match="LITEMAAS_TIMEZONE is UTC, but the database keeps its days in Asia/Kolkata"):
        upgrade(database_url, "UTC")
    assert str(await zone_kept(database)) == "Asia/Kolkata"


async def test_a_budget_that_was_spent_on_counts_as_use(database_url: str, database: asyncpg.Connection):
    await database.execute("INSERT INTO budget_windows (scope, window_start) VALUES ('key:x', now())")
    with pytest.raises(ZoneDiffers):
        upgrade(database_url, "Europe/Berlin")
