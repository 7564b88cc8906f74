"""Do people who ask the same at the same moment cost the database one answer, and get it whatever becomes of the first?"""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import httpx2
import pytest

from litemaas.control.http.flights import Flights
from litemaas.core.errors import InvalidField, ServiceUnavailable


async def nothing() -> None:
    return None


async def test_equal_questions_at_once_are_asked_once_and_different_ones_apart():
    flights, gate, asked, gave_back = Flights(), asyncio.Event(), [], []

    async def question(about: str) -> str:
        asked.append(about)
        await gate.wait()
        return about.upper()

    async def give_back() -> None:
        gave_back.append(1)

    waiting = [
        asyncio.create_task(flights.ask(about, lambda about=about: question(about), give_back))
        for about in ("a", "a", "b", "a")
    ]
    while len(gave_back) < 2:  # noqa: ASYNC110 — both that wait have begun to
        await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*waiting) == ["A", "A", "B", "A"]
    assert sorted(asked) == ["a", "b"]
    assert await flights.ask("a", lambda: question("a"), give_back) == "A"
    assert sorted(asked) == ["a", "a", "b"]  # later is another moment


async def test_a_refusal_is_everybodys_and_who_is_stopped_leaves_nobody_waiting():
    flights, began = Flights(), asyncio.Event()

    async def refused() -> str:
        began.set()
        await asyncio.sleep(0)
        raise InvalidField("no", "x")

    first = asyncio.create_task(flights.ask("a", refused, nothing))
    await began.wait()
    second = asyncio.create_task(flights.ask("a", refused, nothing))
    for task in (first, second):
        with pytest.raises(InvalidField):
            await task
    stopped = asyncio.create_task(flights.ask("b", asyncio.Event().wait, nothing))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(flights.ask("b", asyncio.Event().wait, nothing))
    await asyncio.sleep(0)
    stopped.cancel()
    with pytest.raises(ServiceUnavailable):
        await waiting


async def test_nobody_waits_for_ever():
    flights = Flights(longest_s=0.01)
    first = asyncio.create_task(flights.ask("a", asyncio.Event().wait, nothing))
    await asyncio.sleep(0)
    with pytest.raises(ServiceUnavailable):
        await flights.ask("a", nothing, nothing)
    first.cancel()


async def test_equal_requests_get_equal_answers_of_their_own_scope(
    people: dict[str, httpx2.AsyncClient], app: Any, database: asyncpg.Connection
):
    """Twenty-four at once on ten connections: who waits holds none."""
    await database.execute("insert into teams (id, name, created_by, updated_by) values ('t1', 'Platform', 'x', 'x')")
    clients = [("admin", "all"), ("overseer", "all"), ("ann", "me"), ("bob", "me")] * 6
    answers = await asyncio.gather(
        *(people[who].get("/api/v1/usage/analytics", params={"scope": scope}) for who, scope in clients)
    )
    assert {answer.status_code for answer in answers} == {200}
    for (_, scope), answer in zip(clients, answers, strict=True):
        assert (answer.json()["top_users"] is None) == (scope == "me")
    assert app.state.flights.under_way == 0
