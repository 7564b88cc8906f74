"""Does the owner of a budget learn at 50, 80 and 100 percent that it runs out, once each, and the highest only after a jump?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx2
import pytest

from litemaas.control.budgets.jobs import tell_of_budgets
from litemaas.control.http.work import Plane

People = dict[str, httpx2.AsyncClient]
MONTH = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
KEY = "a" * 64


@pytest.fixture
async def budgeted(database: asyncpg.Connection, people: People) -> None:
    """Ann has a budget and a key with one; Bob is an admin of a team with one. Each is 100 nano-USD a month."""
    await database.execute("insert into teams (id, name, created_by, updated_by) values ('t1', 'Lab', 'x', 'x')")
    await database.execute("insert into team_members values ('t1', 'bob', 'admin', null, false, now(), 'x')")
    for scope in ("user:ann", "team:t1"):
        await database.execute(
            "insert into budgets (scope, max_budget_nano, budget_duration, created_by, updated_by)"
            " values ($1, 100, 'monthly', 'x', 'x')",
            scope,
        )
    await database.execute(
        "insert into virtual_keys (key_hash, key_name, alias, user_id, max_budget_nano, soft_budget_nano, budget_duration,"
        " created_by, updated_by) values ($1, 'sk-...a', 'mine', 'ann', 100, 30, 'monthly', 'x', 'x')",
        KEY,
    )


async def spend(database: asyncpg.Connection, plane: Plane, scope: str, nano: int) -> None:
    await database.execute(
        "insert into budget_windows (scope, window_start, settled_nano) values ($1, $2, $3)"
        " on conflict (scope, window_start) do update set settled_nano = excluded.settled_nano, updated_at = now()",
        scope, MONTH, nano,
    )  # fmt: skip
    await tell_of_budgets(plane)
    await tell_of_budgets(plane)


async def told(client: httpx2.AsyncClient) -> list[tuple[str, int | None]]:
    rows = (await client.get("/api/v1/notifications")).json()["data"]
    return [(row["facts"]["name"], row["facts"].get("percent")) for row in reversed(rows)]


async def test_each_threshold_is_told_once_and_a_jump_tells_the_highest(
    app: Any, budgeted: None, people: People, database: asyncpg.Connection
):
    plane: Plane = app.state.plane
    await spend(database, plane, "user:ann", 49)
    assert await told(people["ann"]) == []
    await spend(database, plane, "user:ann", 50)
    await spend(database, plane, "user:ann", 79)
    assert await told(people["ann"]) == [("ann", 50)]
    await spend(database, plane, "user:ann", 100)
    await spend(database, plane, "user:ann", 100)
    assert await told(people["ann"]) == [("ann", 50), ("ann", 100)]


async def test_a_key_tells_its_owner_of_its_soft_budget_too(
    app: Any, budgeted: None, people: People, database: asyncpg.Connection
):
    await spend(database, app.state.plane, f"key:{KEY}", 31)
    assert await told(people["ann"]) == [("mine", None)]
    await spend(database, app.state.plane, f"key:{KEY}", 85)
    assert await told(people["ann"]) == [("mine", None), ("mine", 80)]


async def test_a_team_tells_its_admins_and_at_the_end_the_administrators(
    app: Any, budgeted: None, people: People, database: asyncpg.Connection
):
    await spend(database, app.state.plane, "team:t1", 90)
    assert await told(people["bob"]) == [("Lab", 80)]
    assert await told(people["admin"]) == []
    await spend(database, app.state.plane, "team:t1", 100)
    assert await told(people["bob"]) == [("Lab", 80), ("Lab", 100)]
    assert await told(people["admin"]) == [("Lab", 100)]


async def test_a_window_that_is_over_tells_nobody(
    app: Any, budgeted: None, people: People, database: asyncpg.Connection
):
    await database.execute(
        "insert into budget_windows (scope, window_start, settled_nano) values ('user:ann', '2020-01-01', 100)"
    )
    await tell_of_budgets(app.state.plane)
    assert await told(people["ann"]) == []
