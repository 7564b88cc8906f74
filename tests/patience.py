"""How long may something take on a machine with other work, too? What the machine keeps from this process is not counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

T = TypeVar("T")
TICK_S = 0.01
_SPANS_S = (1.5, 15.0, 60.0)


class Ticks:
    """A clock that advances by what each short sleep should have taken, however late this process was woken from it."""

    def __init__(self) -> None:
        self._count = 0

    @property
    def seconds(self) -> float:
        """Since it was started; as many as on other clocks while the machine is idle, fewer while it is not."""
        return self._count * TICK_S

    async def count(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._count += 1


@asynccontextmanager
async def ticking() -> AsyncIterator[Ticks]:
    ticks = Ticks()
    counting = asyncio.create_task(ticks.count())
    try:
        yield ticks
    finally:
        counting.cancel()


@asynccontextmanager
async def patience(seconds: float) -> AsyncIterator[None]:
    """As ``asyncio.timeout``, by the clock of :class:`Ticks`.

    Errors: TimeoutError.
    """
    loop = asyncio.get_running_loop()

    async def run_out() -> None:
        for _ in range(round(seconds / TICK_S)):
            await asyncio.sleep(TICK_S)
        limit.reschedule(loop.time())

    async with asyncio.timeout(None) as limit:
        counting = asyncio.create_task(run_out())
        try:
            yield
        finally:
            counting.cancel()


async def in_time(attempt: Callable[[datetime], Awaitable[T]]) -> T:
    """What ``attempt`` returns once it was over before the instant that it was given.

    The instant is soon, so that somebody can wait for it; when the machine was too busy, a later one is given.
    """
    for span_s in _SPANS_S:
        instant = datetime.now(UTC) + timedelta(seconds=span_s)
        result = await attempt(instant)
        if datetime.now(UTC) < instant:
            return result
    raise TimeoutError(f"not even in {_SPANS_S[-1]:.0f} s")
