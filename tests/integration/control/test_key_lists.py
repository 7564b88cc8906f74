"""Does the server sort keys by spend and last use, and filter them by used-up budgets, stable from page to page?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import httpx2
import pytest
from sqlalchemy import event

from litemaas.core.windows import window_at

KEYS = 20_000
PAGE = 100
MEASURES = (
    "calls", "estimated_calls", "prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens",
    "reasoning_tokens", "pages", "cost_nano", "input_cost_nano", "output_cost_nano", "duration_us", "ttft_us", "ttft_calls",
)  # fmt: skip
LISTS = ("/api/v1/admin/keys", "/api/v1/keys")


async def add_key(database: asyncpg.Connection, name: str, **columns: Any) -> str:
    """A key of ann's whose hash is its name."""
    values = {
        "key_hash": name,
        "key_name": name,
        "name": name,
        "user_id": "ann",
        "created_by": "x",
        "updated_by": "x",
        **columns,
    }
    places = ", ".join(f"${place + 1}" for place in range(len(values)))
    await database.execute(f"insert into virtual_keys ({', '.join(values)}) values ({places})", *values.values())  # noqa: S608 — our own names
    return name


async def spend(database: asyncpg.Connection, name: str, start: datetime, nano: int) -> None:
    await database.execute(
        "insert into budget_windows (scope, window_start, settled_nano) values ($1, $2, $3)", f"key:{name}", start, nano
    )


async def use(database: asyncpg.Connection, name: str, last_at: datetime, status: str = "called") -> None:
    """What is left of a call after it was folded in."""
    dimension = await database.fetchval(
        "insert into usage_caller_dimensions (id, key_hash, user_id, team_id, status, cost_centre, workshop)"
        " select coalesce(max(id), 0) + 1, $1, 'ann', '', $2, '', '' from usage_caller_dimensions returning id",
        name, status,
    )  # fmt: skip
    await database.execute(
        f"insert into usage_caller_months (at, dimension_id, {', '.join(MEASURES)}, last_at)"  # noqa: S608 — our own names
        f" values (date_trunc('month', $2::timestamptz), $1, {', '.join('1' for _ in MEASURES)}, $2)",
        dimension, last_at,
    )  # fmt: skip


async def names(client: httpx2.AsyncClient, path: str, **query: Any) -> list[str]:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    assert answer.json()["pagination"]["total"] == len(answer.json()["data"])
    return [key["name"] for key in answer.json()["data"]]


@pytest.fixture
async def spenders(
    people: dict[str, httpx2.AsyncClient], database: asyncpg.Connection
) -> dict[str, httpx2.AsyncClient]:
    """Ann's keys with windows of every kind; money of earlier windows is there, too, and does not count."""
    now, longest_ago = datetime.now(UTC), datetime(2020, 1, 1, tzinfo=UTC)
    for name, duration, limit, nano in (
        ("forever", None, 50, 50), ("daily", "daily", 100, 40), ("hours", "5h", 20, 30), ("days", "3d", 30, 20),
        ("none", None, None, 10),
        ("idle", "monthly", 10, 0), ("forbidden", None, 0, 0),
    ):  # fmt: skip
        set_at = now - timedelta(days=40, hours=7)
        await add_key(database, name, budget_duration=duration, max_budget_nano=limit, budget_set_at=set_at)
        if nano:
            await spend(database, name, window_at(duration, now, set_at).start, nano)
        if duration:
            await spend(database, name, longest_ago, 1_000)
    return people


@pytest.mark.parametrize("path", LISTS)
async def test_keys_are_sorted_by_what_they_spent_in_their_current_windows(
    spenders: dict[str, httpx2.AsyncClient], path: str
):
    client = spenders["admin" if "admin" in path else "ann"]
    spent = ["forever", "daily", "hours", "days", "none"]
    assert await names(client, path, sort="spend", order="desc") == [*spent, "forbidden", "idle"]
    assert await names(client, path, sort="spend", order="asc") == ["forbidden", "idle", *reversed(spent)]


@pytest.mark.parametrize("path", LISTS)
async def test_used_up_are_keys_that_spent_all_that_their_window_allows(
    spenders: dict[str, httpx2.AsyncClient], path: str
):
    client = spenders["admin" if "admin" in path else "ann"]
    assert await names(client, path, used_up=True, sort="spend") == ["forever", "hours", "forbidden"]
    assert await names(client, path, used_up=False, sort="name", order="asc") == ["daily", "days", "idle", "none"]
    exported = await spenders["admin"].get("/api/v1/admin/keys/export", params={"used_up": True, "format": "json"})
    assert {key["name"] for key in exported.json()["data"]} == {"forever", "hours", "forbidden"}


@pytest.mark.parametrize("path", LISTS)
async def test_keys_are_sorted_by_their_last_call_and_unused_ones_come_last(
    people: dict[str, httpx2.AsyncClient], database: asyncpg.Connection, path: str
):
    client, now = people["admin" if "admin" in path else "ann"], datetime.now(UTC)
    for name, days in (("old", 400), ("recent", 2), ("middle", 30)):
        await use(database, await add_key(database, name), now - timedelta(days=days))
    await use(database, "old", now - timedelta(days=500))
    await use(database, await add_key(database, "refused"), now, status="refused")
    await add_key(database, "new")
    assert await names(client, path, sort="last_used_at") == ["recent", "middle", "old", "new", "refused"]
    assert await names(client, path, sort="last_used_at", order="asc") == ["old", "middle", "recent", "new", "refused"]


async def test_call_that_waits_to_be_added_up_counts_as_last_use(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    now = datetime.now(UTC)
    for name in ("waits", "folded"):
        await use(database, await add_key(database, name), now - timedelta(days=2 if name == "folded" else 3))
    texts = ("user_id", "team_id", "model", "deployment_id", "provider", "engine_model", "endpoint", "error_code")
    await database.execute(
        f"insert into usage_deltas (at, key_hash, status, {', '.join(texts)}, {', '.join(MEASURES)}, last_at, payers_at)"  # noqa: S608 — our own names
        f" values ($1, 'waits', 'success', {', '.join(repr('') for _ in texts)}, {', '.join('1' for _ in MEASURES)}, $1, $1)",
        now,
    )  # fmt: skip
    assert await names(client, "/api/v1/admin/keys", sort="last_used_at") == ["waits", "folded"]


async def test_window_counts_from_the_day_on_which_it_was_set_in_the_zone_of_the_installation(
    client: httpx2.AsyncClient, app: Any, database: asyncpg.Connection
):
    """A moment late in the evening of UTC is the next day in Auckland, and the window of five days begins a day later."""
    app.state.plane.zone = zone = ZoneInfo("Pacific/Auckland")
    now = datetime.now(UTC)
    set_at = (now - timedelta(days=21)).replace(hour=20, minute=0)
    await add_key(database, "evening", budget_duration="5d", max_budget_nano=5, budget_set_at=set_at)
    await spend(database, "evening", window_at("5d", now, set_at, zone).start, 5)
    assert await names(client, "/api/v1/admin/keys", used_up=True) == ["evening"]


@pytest.fixture
async def many(database: asyncpg.Connection) -> None:
    """As a platform has them after a year: most keys spent and were used alike."""
    await database.execute(
        "insert into virtual_keys (key_hash, key_name, user_id, created_at, created_by, updated_by, max_budget_nano,"
        " budget_duration) select lpad(n::text, 64, '0'), 'sk-...' || n, 'user-' || n % 5000,"
        " now() - n % 7 * interval '1 hour', 'x', 'x', 3, 'daily'"
        " from generate_series(1, $1::int) n",
        KEYS,
    )
    await database.execute(
        "insert into budget_windows (scope, window_start, settled_nano)"
        " select 'key:' || key_hash, day, right(key_hash, 3)::int % 5"
        " from virtual_keys, generate_series(date_trunc('day', now(), 'UTC') - interval '9 days', now(), interval '1 day') day"
    )
    # The order is found in one cube, the moment that is shown in the other.
    for cube, more, none in (("caller", "", ""), ("key", ", error_code", ", ''")):
        await database.execute(
            f"insert into usage_{cube}_dimensions (id, key_hash, user_id, team_id, cost_centre, workshop, status{more})"  # noqa: S608 — our own names
            f" select key_hash::bigint, key_hash, user_id, '', '', '', 'success'{none} from virtual_keys"
        )
        await database.execute(
            f"insert into usage_{cube}_months (at, dimension_id, {', '.join(MEASURES)}, last_at)"  # noqa: S608 — our own names
            f" select month, id, {', '.join('1' for _ in MEASURES)}, month + id % 5 * interval '1 day'"
            f" from usage_{cube}_dimensions,"
            " generate_series(date_trunc('month', now()) - interval '11 months', now(), interval '1 month') month"
        )
    await database.execute("vacuum analyze")


@pytest.fixture
def plans(app: Any) -> Iterator[list[tuple[str, Any]]]:
    """Statements that were asked, with their values."""
    engine = app.state.plane.engine.sync_engine
    statements: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        statements.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)


@pytest.mark.usefixtures("many")
async def test_twenty_thousand_keys_come_page_by_page_each_of_them_once_and_without_reading_all_windows(
    client: httpx2.AsyncClient, app: Any, plans: list[tuple[str, Any]]
):
    """How long a page takes depends on the machine; that neither all windows nor all cells are read for it does not."""
    for sort, value in (("spend", "spent_nano"), ("last_used_at", "last_used_at")):
        seen: list[tuple[Any, str]] = []
        for page in (1, 2, 3, KEYS // PAGE - 1, KEYS // PAGE):
            answer = await client.get("/api/v1/admin/keys", params={"sort": sort, "limit": PAGE, "page": page})
            assert answer.json()["pagination"]["total"] == KEYS
            seen += [(key[value], key["id"]) for key in answer.json()["data"]]
        assert len({key_id for _, key_id in seen}) == 5 * PAGE
        by_value = sorted(seen, key=lambda one: one[1])
        assert seen == sorted(by_value, key=lambda one: one[0], reverse=True)
    used_up = await client.get(
        "/api/v1/admin/keys", params={"used_up": True, "sort": "spend", "limit": PAGE, "page": 2}
    )
    assert used_up.json()["pagination"]["total"] == KEYS * 2 // 5
    async with app.state.plane.engine.connect() as connection:
        for statement, parameters in [one for one in plans if "virtual_keys" in one[0] and "budget_windows" in one[0]]:
            plan = "\n".join((await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)).scalars())
            assert "Seq Scan on budget_windows" not in plan, plan
            assert "Seq Scan on usage_caller_months" not in plan, plan
