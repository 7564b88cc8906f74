"""Do all writes of a turn leave together, after the journal, and does one that fails harm no other?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.gateway.http.dialogue import WireTransport

from litemaas.gateway.http.turns import Turn


def busy(first: Callable[[], None]) -> Turn:
    """The turn of a gateway with several calls under way."""
    turn = Turn(first)
    turn.calls = 2
    return turn


class Order(WireTransport):
    def __init__(self, log: list[str], name: str) -> None:
        super().__init__()
        self._log, self._name = log, name

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._log.append(f"{self._name} {bytes(data).decode()}")
        super().write(data)


async def test_writes_leave_in_order_at_the_end_of_the_turn_and_the_first_thing_is_first() -> None:
    log: list[str] = []
    turn = busy(lambda: log.append("journal"))
    a, b = Order(log, "a"), Order(log, "b")
    turn.write(a, b"1")
    turn.write(b, b"2")
    turn.write(a, b"3")
    assert log == []
    await asyncio.sleep(0)
    assert log == ["journal", "a 1", "b 2", "a 3"]
    turn.write(a, b"4")
    await asyncio.sleep(0)
    assert log[4:] == ["journal", "a 4"]


async def test_the_bytes_of_a_lone_call_wait_for_nobody() -> None:
    log: list[str] = []
    turn = Turn(lambda: log.append("journal"))
    turn.calls = 1
    turn.write(Order(log, "a"), b"1")
    assert log == ["journal", "a 1"]
    await asyncio.sleep(0)
    assert log.count("a 1") == 1


async def test_who_closes_writes_at_once_and_nothing_is_written_twice() -> None:
    log: list[str] = []
    turn = busy(lambda: log.append("journal"))
    turn.write(Order(log, "a"), b"1")
    turn.flush()
    assert log == ["journal", "a 1"]
    await asyncio.sleep(0)
    assert log.count("a 1") == 1


async def test_nothing_is_written_to_a_connection_that_closed_in_the_same_turn() -> None:
    transport = WireTransport()
    turn = busy(lambda: None)
    turn.write(transport, b"1")
    transport.close()
    await asyncio.sleep(0)
    assert transport.written == b""


@pytest.fixture
def reports() -> Any:
    async def collect(play: Callable[[], None]) -> list[BaseException]:
        loop = asyncio.get_running_loop()
        seen: list[BaseException] = []
        loop.set_exception_handler(lambda _, context: seen.append(context["exception"]))
        try:
            play()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        finally:
            loop.set_exception_handler(None)
        return seen

    return collect


async def test_a_write_that_fails_ends_its_connection_and_no_other(reports: Any) -> None:
    broken, good = WireTransport(), WireTransport()
    broken.is_lost = True  # writing raises, as it does on a closed handle
    turn = busy(lambda: None)

    def play() -> None:
        turn.write(broken, b"1")
        turn.write(good, b"2")

    assert [type(error) for error in await reports(play)] == [RuntimeError]
    assert good.written == b"2"
    assert broken.is_aborted


async def test_a_first_thing_that_fails_holds_nothing_back(reports: Any) -> None:
    good = WireTransport()

    def journal() -> None:
        raise OSError("the disk is gone")

    turn = busy(journal)
    assert [type(error) for error in await reports(lambda: turn.write(good, b"2"))] == [OSError]
    assert good.written == b"2"
