"""Do days, months and windows begin where the installation is, in everything that this plane shows and counts?"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx2
import pytest
from msgspec.structs import replace

from litemaas.control.app import Settings, create_app
from litemaas.core.ledger import COLUMNS
from litemaas.db.migrate import upgrade
from litemaas.db.rollups import fold
from litemaas.kit.settings import SettingsError

from .conftest import ENCRYPTION_KEY, MASTER_KEY
from .people import add_user
from .test_usage import any_record

ZONE = "Asia/Kolkata"
NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
"""It is 01:30 on 26 November there."""
MIDNIGHT = datetime(2026, 11, 25, 18, 30, tzinfo=UTC)
FIRST_OF_DECEMBER = datetime(2026, 11, 30, 18, 30, tzinfo=UTC)


class SetClock:
    at = NOW

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def app(database_url: str, clock: SetClock) -> AsyncIterator[Any]:
    upgrade(database_url, ZONE)
    settings = Settings(
        database_url=database_url, master_key=MASTER_KEY, encryption_key=ENCRYPTION_KEY, timezone=ZONE
    )  # fmt: skip
    app = create_app(settings, clock)
    async with app.router.lifespan_context(app):
        yield app


async def put_calls(database: asyncpg.Connection, *moments: datetime, folded: bool = True) -> None:
    """One successful call of 1000 nano-USD and 10 tokens at each moment."""
    dice, made = random.Random(3), []
    for number, at in enumerate(moments):
        made.append(any_record(dice, number) | {
            "request_id": f"{at:%d%H%M%S}{number}", "started_at": at, "key_hash": "a" * 64, "user_id": "ann", "team_id": None,
            "status": "success", "cost_nano": 1000, "input_cost_nano": 600, "output_cost_nano": 400, "prompt_tokens": 7,
            "completion_tokens": 3, "model": "granite", "price_version": None, "end_user": None,
        })  # fmt: skip
    rows = [[record[column] for column in COLUMNS] for record in made]
    await database.copy_records_to_table("usage_records", records=rows, columns=list(COLUMNS))
    if folded:
        await fold(database)


async def got(client: httpx2.AsyncClient, path: str, **params: Any) -> Any:
    answer = await client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
async def around_midnight(app: Any, database: asyncpg.Connection) -> None:
    """Two calls on the 25th there, one of them in its last second, and three on the 26th; all on the 25th in UTC."""
    second = timedelta(seconds=1)
    await put_calls(database, MIDNIGHT - timedelta(hours=3), MIDNIGHT - second, MIDNIGHT)
    await put_calls(database, MIDNIGHT + second, MIDNIGHT + timedelta(minutes=59), folded=False)


@pytest.mark.usefixtures("around_midnight")
async def test_the_analytics_days_are_local_and_today_is_not_complete(client: httpx2.AsyncClient):
    found = await got(client, "/api/v1/usage/analytics", scope="all", start_date="2026-11-24", end_date="2026-11-30")
    assert [(day["date"], day["requests"]) for day in found["daily"]] == [
        ("2026-11-24", 0), ("2026-11-25", 2), ("2026-11-26", 3),
    ]  # fmt: skip
    assert (found["period"]["end_date"], found["period"]["complete"]) == ("2026-11-26", False)
    assert {(row["date"], row["model"], row["requests"]) for row in found["daily_models"]} >= {
        ("2026-11-25", "granite", 2), ("2026-11-26", "granite", 3),
    }  # fmt: skip
    one = await got(client, "/api/v1/usage/analytics", scope="all", start_date="2026-11-25", end_date="2026-11-25")
    assert (one["requests"]["total"], one["cost"]["total_nano"], one["period"]["complete"]) == (2, 2000, True)


@pytest.mark.usefixtures("around_midnight")
async def test_series_and_breakdowns_begin_at_local_midnights_and_hours(client: httpx2.AsyncClient):
    days = await got(client, "/api/v1/admin/usage/trend", by="day", since="2026-11-24T18:30:00Z")
    assert [(point["at"], point["requests"]) for point in days["data"]] == [
        ("2026-11-24T18:30:00Z", 2), ("2026-11-25T18:30:00Z", 3),
    ]  # fmt: skip
    hours = await got(client, "/api/v1/admin/usage/trend", by="hour", since="2026-11-25T17:30:00Z")
    assert [(point["at"], point["requests"]) for point in hours["data"]][:2] == [
        ("2026-11-25T17:30:00Z", 1), ("2026-11-25T18:30:00Z", 3),
    ]  # fmt: skip
    months = await got(client, "/api/v1/admin/usage/trend", by="month", since="2026-10-31T18:30:00Z")
    assert [(point["at"], point["requests"]) for point in months["data"]] == [("2026-10-31T18:30:00Z", 5)]
    by_day = await got(client, "/api/v1/admin/usage/summary", group_by="day", sort="group", order="asc")
    assert {row["group"]: row["requests"] for row in by_day["data"]} == {"2026-11-25": 2, "2026-11-26": 3}
    by_hour = await got(client, "/api/v1/admin/usage/summary", group_by="hour")
    assert {row["group"]: row["requests"] for row in by_hour["data"]} == {
        "2026-11-25T15:30Z": 1, "2026-11-25T17:30Z": 1, "2026-11-25T18:30Z": 3,
    }  # fmt: skip


@pytest.mark.usefixtures("around_midnight")
async def test_the_heat_map_is_of_local_weekdays_and_hours(client: httpx2.AsyncClient):
    found = await got(client, "/api/v1/usage/heatmap", scope="all", start_date="2026-11-20", end_date="2026-11-26")
    busy = {(cell["weekday"], cell["hour"]): cell["requests"] for cell in found["data"] if cell["requests"]}
    assert busy == {(2, 21): 1, (2, 23): 1, (3, 0): 3}  # Wednesday and Thursday


@pytest.mark.usefixtures("around_midnight")
async def test_exports_name_local_days(client: httpx2.AsyncClient):
    params = {
        "scope": "all",
        "breakdown": "day",
        "start_date": "2026-11-25",
        "end_date": "2026-11-26",
        "format": "json",
    }
    found = await got(client, "/api/v1/usage/export", **params)
    assert [(row["date"], row["requests"]) for row in found["data"]] == [("2026-11-25", 2), ("2026-11-26", 3)]


@pytest.mark.usefixtures("around_midnight")
async def test_litellms_reports_are_of_local_days(client: httpx2.AsyncClient):
    dates = {"start_date": "2026-11-26", "end_date": "2026-11-26"}
    activity = await got(client, "/litellm/user/daily/activity", **dates)
    assert [(day["date"], day["metrics"]["api_requests"]) for day in activity["results"]] == [("2026-11-26", 3)]
    assert activity["metadata"]["total_api_requests"] == 3
    logs = await got(client, "/litellm/spend/logs", **dates)
    assert [day["startTime"] for day in logs] == ["2026-11-26"]
    in_all = await got(client, "/litellm/global/activity", start_date="2026-11-25", end_date="2026-11-26")
    assert [(day["date"], day["api_requests"]) for day in in_all["daily_data"]] == [("Nov 25", 2), ("Nov 26", 3)]


async def test_months_of_chargeback_begin_at_local_midnight(
    client: httpx2.AsyncClient, clock: SetClock, database: asyncpg.Connection
):
    second = timedelta(seconds=1)
    await put_calls(database, FIRST_OF_DECEMBER - second, FIRST_OF_DECEMBER)
    clock.at = FIRST_OF_DECEMBER + timedelta(hours=1)
    assert (await client.post("/api/v1/admin/chargeback/close", json={"month": "2026-11"})).status_code in (200, 201)
    early = await client.post("/api/v1/admin/chargeback/close", json={"month": "2026-12"})
    assert early.status_code == 400
    path = "/api/v1/admin/chargeback/export"
    for month, day, begins in (("2026-11", "30", "2026-11-29"), ("2026-12", "01", "2026-11-30")):
        lines = (await client.get(path, params={"month": month, "format": "json"})).json()["data"]
        assert [(line["day"], line["requests"]) for line in lines] == [(f"{month}-{day}", 1)]
        rows = list(
            csv.DictReader(io.StringIO((await client.get(path, params={"month": month, "format": "focus"})).text))
        )
        assert {row["ChargePeriodStart"] for row in rows} == {f"{begins}T18:30:00Z"}
    assert {row["BillingPeriodStart"] for row in rows} == {"2026-11-30T18:30:00Z"}


async def test_budgets_begin_anew_at_local_midnight(client: httpx2.AsyncClient, database: asyncpg.Connection):
    await add_user(database, "ann", ["user"])
    put = {"max_budget_nano": 10**9, "budget_duration": "daily"}
    shown = (await client.put("/api/v1/admin/budgets/user/ann", json=put)).json()
    assert shown["budget_reset_at"] == "2026-11-26T18:30:00Z"
    key = {"alias": "k", "max_budget_nano": 10**9, "budget_duration": "monthly"}
    made = (await client.post("/api/v1/admin/keys", json=key)).json()["key"]
    assert made["budget_reset_at"] == "2026-11-30T18:30:00Z"
    await database.execute(
        "insert into budget_windows (scope, window_start, settled_nano) values ('user:ann', $1, 5), ('user:ann', $2, 7)",
        MIDNIGHT, datetime(2026, 11, 25, tzinfo=UTC),
    )  # fmt: skip
    state = await got(client, "/api/v1/admin/budgets/user/ann/state")
    current = [row for row in state["windows"] if row["is_current"]]
    assert [(row["window_start"], row["settled_nano"]) for row in current] == [("2026-11-25T18:30:00Z", 5)]


async def test_what_browsers_are_told(client: httpx2.AsyncClient):
    assert (await got(client, "/api/v1/config"))["timezone"] == ZONE


async def test_a_plane_of_another_zone_than_the_databases_is_not_ready(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    assert (await client.get("/health/ready")).status_code == 200
    await database.execute("update installation set timezone = 'UTC'")
    answer = await client.get("/health/ready")
    assert answer.status_code == 503
    assert "the database keeps its days in UTC" in answer.text


@pytest.mark.parametrize("name", ["Mars/Olympus", "Atlantic/Azores"])
def test_a_zone_that_cannot_be_kept_stops_the_start(settings: Settings, name: str):
    with pytest.raises(SettingsError, match="LITEMAAS_TIMEZONE"):
        create_app(replace(settings, timezone=name))
