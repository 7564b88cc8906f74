"""Do the figures of a page, asked over several connections side by side, show one moment, and does a busy pool still answer?"""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import asyncpg
import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.usage import service
from litemaas.control.usage.callers import callers, count_active
from litemaas.control.usage.filters import UsageFilter
from litemaas.control.usage.moment import Moment
from litemaas.core.errors import InvalidField
from litemaas.core.ledger import COLUMNS
from litemaas.db.rollups import fold

from .test_usage import NOW, any_record

BACKEND, CALLS = "SELECT pg_backend_pid()", "SELECT count(*) FROM usage_records"


async def store(database: asyncpg.Connection, numbers: range) -> list[dict[str, Any]]:
    dice = random.Random(numbers.start)
    made = [any_record(dice, number) for number in numbers]
    rows = [[record[column] for column in COLUMNS] for record in made]
    await database.copy_records_to_table("usage_records", records=rows, columns=list(COLUMNS))
    return made


async def value(connection: AsyncConnection, query: str) -> Any:
    return (await connection.exec_driver_sql(query)).scalar_one()


async def test_questions_asked_side_by_side_see_what_was_there_at_the_first(app: Any, database: asyncpg.Connection):
    """Each waits until all are asked, so that each has a connection of its own; records come in between."""
    await store(database, range(20))
    all_ask = asyncio.Barrier(3)

    async def question(connection: AsyncConnection) -> tuple[int, int]:
        await all_ask.wait()
        return await value(connection, BACKEND), await value(connection, CALLS)

    async with app.state.plane.work() as work:
        moment = await service.moment(work)
        assert await value(moment.connection, CALLS) == 20
        await store(database, range(100, 130))
        answers = await moment.together(question, question, question)
        assert len({backend for backend, _ in answers}) == 3
        assert [calls for _, calls in answers] == [20, 20, 20]
        assert await moment.together(lambda connection: value(connection, CALLS)) == [20]
    async with app.state.plane.work() as work:
        assert await value(await work.connection(), CALLS) == 50


async def test_a_busy_pool_lends_nothing_and_the_answers_keep_their_order(app: Any):
    plane = app.state.plane
    async with AsyncExitStack() as others:
        for _ in range(5):
            await others.enter_async_context(plane.engine.connect())
        async with plane.work() as work:
            moment = await service.moment(work)

            async def question(connection: AsyncConnection, number: int) -> tuple[int, int]:
                return number, await value(connection, BACKEND)

            answers = await moment.together(*(lambda one, n=n: question(one, n) for n in range(4)))
            own = await value(moment.connection, BACKEND)
            assert answers == [(number, own) for number in range(4)]
            assert plane.engine.pool.checkedout() == 6
    assert plane.engine.pool.checkedout() == 0


async def test_a_question_that_fails_stops_the_others_and_every_connection_comes_back(app: Any):
    both_ask, stopped = asyncio.Barrier(2), []

    async def fails(connection: AsyncConnection) -> None:
        await both_ask.wait()
        raise InvalidField("no", "x")

    async def waits(connection: AsyncConnection) -> None:
        await both_ask.wait()
        try:
            await value(connection, "SELECT 1 FROM pg_sleep(60)")
        except asyncio.CancelledError:
            stopped.append(1)
            raise

    pool = app.state.plane.engine.pool
    with pytest.raises(InvalidField):
        async with app.state.plane.work() as work:
            await (await service.moment(work)).together(fails, waits)
    assert stopped == [1]
    assert pool.checkedout() == 0


async def test_without_a_pool_everything_is_asked_over_the_one_connection(app: Any):
    async with app.state.plane.work() as work:
        one = Moment(await service.snapshot(work))
        backends = await one.together(*[lambda connection: value(connection, BACKEND)] * 3)
        assert len(set(backends)) == 1


async def test_more_pages_at_once_than_connections_all_get_the_same_figures(
    client: httpx2.AsyncClient, database: asyncpg.Connection
):
    """Thirty on ten connections; each asks for something else, so that none shares another's answer."""
    await store(database, range(40))
    await fold(database)
    pages = await asyncio.gather(
        *(client.get("/api/v1/usage/analytics", params={"scope": "all", "top_n": n % 9 + 1}) for n in range(30))
    )
    assert [page.status_code for page in pages if page.status_code not in (200, 429)] == []
    assert len({page.json()["requests"]["total"] for page in pages if page.status_code == 200}) == 1


ASKED = [
    {}, {"users": ("u1",)}, {"models": ("qwen",)}, {"teams": ("t1", "")}, {"tags": ("red",)}, {"statuses": ("failure",)},
    {"cost_centres": ("",)}, {"providers": ("openai",)}, {"models": ("qwen",), "providers": ("openai",)},
]  # fmt: skip
PERIODS = [
    (None, None),
    (NOW - timedelta(days=41, hours=3, minutes=7), None),
    (NOW - timedelta(days=60), NOW - timedelta(hours=9)),
]


@pytest.mark.parametrize("asked", ASKED, ids=str)
async def test_keys_users_and_teams_of_a_period_are_those_of_its_records(
    app: Any, database: asyncpg.Connection, asked: dict[str, tuple[str, ...]]
):
    """Half of the records are folded; periods end between hours, too."""
    records = await store(database, range(150))
    await fold(database)
    records += await store(database, range(500, 650))
    for since, until in PERIODS:
        wanted = UsageFilter(**asked, since=since, until=until, zone=app.state.plane.zone)
        met = [
            record
            for record in records
            if (since is None or record["started_at"] >= since) and (until is None or record["started_at"] < until)
            if "users" not in asked or record["user_id"] == "u1"
            if "providers" not in asked or record["provider"] == "openai"
            if "models" not in asked or record["model"] == "qwen"
            if "tags" not in asked or "red" in record["tags"]
            if "statuses" not in asked or record["status"] == "failure"
        ]
        async with app.state.plane.work() as work:
            connection = await service.snapshot(work)
            found = await callers(connection, wanted, dearest=(3, 500, 500), busiest=500)
            active = await count_active(connection, wanted)
        for kind, column, counted in zip(found, ("key_hash", "user_id", "team_id"), (*active, None), strict=True):
            costs: dict[str, int] = {}
            for record in met:
                costs[record[column] or ""] = costs.get(record[column] or "", 0) + record["cost_nano"]
            dearest = sorted(costs.items(), key=lambda group: (-group[1], group[0]))
            assert kind.dearest == (dearest[:3] if column == "key_hash" else dearest)
            calls = [record[column] for record in met if record[column]]
            assert kind.busiest == sorted(set(calls), key=lambda name: (-calls.count(name), name))
            called = {record[column] for record in met if record["status"] != "refused" and record[column]}
            assert kind.active == len(called)
            assert counted in (None, len(called))


async def test_whole_numbers_are_added_up_as_postgresql_adds_them(database: asyncpg.Connection):
    numbers = "unnest(ARRAY[3, NULL, 9007199254740993, -4]::bigint[]) AS number"
    assert await database.fetchval(f"SELECT usage_sum(number) = sum(number) FROM {numbers}")  # noqa: S608 — as below: ours
    assert await database.fetchval(f"SELECT usage_sum(number) IS NULL FROM {numbers} WHERE number IS NULL")  # noqa: S608
    with pytest.raises(asyncpg.NumericValueOutOfRangeError):
        await database.fetchval("SELECT usage_sum(number) FROM unnest(ARRAY[9223372036854775807, 1]) AS number")
