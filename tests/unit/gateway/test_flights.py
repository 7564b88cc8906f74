"""Is a question that many have asked once, whoever of them hangs up, and however it ends?"""

from __future__ import annotations

import asyncio

import pytest

from litemaas.gateway.flights import Flights
from litemaas.gateway.http.stepping import stepped


class Desk:
    def __init__(self) -> None:
        self.asked = 0
        self.open = asyncio.Event()
        self.error: Exception | None = None

    async def answer(self) -> int:
        self.asked += 1
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return self.asked


async def test_many_who_ask_at_once_share_one_answer() -> None:
    desk, flights = Desk(), Flights[int](5.0)
    callers = [asyncio.create_task(stepped(flights.ask("key", desk.answer))) for _ in range(50)]
    await asyncio.sleep(0)
    desk.open.set()

    assert await asyncio.gather(*callers) == [1] * 50
    assert await stepped(flights.ask("key", desk.answer)) == 2


async def test_who_hangs_up_takes_nobodys_answer_away() -> None:
    desk, flights = Desk(), Flights[int](5.0)
    first, second = (asyncio.create_task(stepped(flights.ask("key", desk.answer))) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    desk.open.set()

    assert await second == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_all_hear_of_a_failure_and_the_next_one_asks_anew() -> None:
    desk, flights = Desk(), Flights[int](5.0)
    desk.error = ValueError("no")
    desk.open.set()

    outcomes = await asyncio.gather(
        *(stepped(flights.ask("key", desk.answer)) for _ in range(3)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [ValueError] * 3

    desk.error = None
    assert await stepped(flights.ask("key", desk.answer)) == 2


async def test_a_question_without_an_answer_ends() -> None:
    with pytest.raises(TimeoutError):
        await stepped(Flights[int](0.01).ask("key", Desk().answer))
