"""How do many calls that need the same answer ask for it once? The first asks, and all of them wait for that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from litemaas.gateway.http.stepping import outside

T = TypeVar("T")


class Flights(Generic[T]):
    """Questions that are on their way, by what they are about. A caller that hangs up takes nobody's answer away."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._flights: dict[object, asyncio.Task[T]] = {}

    async def ask(self, about: object, question: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The answer to ``question``, or to the one about the same that is under way.

        Errors: TimeoutError; whatever the question raises.
        """
        flight = self._flights.get(about)
        if flight is None:
            flight = asyncio.get_running_loop().create_task(self._bounded(question()))
            self._flights[about] = flight
            flight.add_done_callback(lambda task: self._landed(about, task))
        return await outside(_arrival(flight), self._timeout_s)

    async def _bounded(self, question: Coroutine[Any, Any, T]) -> T:
        async with asyncio.timeout(self._timeout_s):
            return await question

    def _landed(self, about: object, task: asyncio.Task[T]) -> None:
        del self._flights[about]
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not report an error that nobody waits for any more


async def _arrival(flight: asyncio.Task[T]) -> T:
    return await asyncio.shield(flight)
