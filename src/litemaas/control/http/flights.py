"""How do equal questions at one moment ask the database once? The first asks, the others wait for its answer.

For reading only: an answer is shared between requests, so nobody may change it. It is as old as the first one's snapshot,
which was taken while all that share it were waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

from litemaas.core.errors import ServiceUnavailable

T = TypeVar("T")
_LONGEST_S = 60.0


class Flights:
    """Questions that are on their way, by what they are about; there are never more than requests under way."""

    def __init__(self, longest_s: float = _LONGEST_S) -> None:
        self._longest_s = longest_s
        self._flights: dict[Hashable, asyncio.Future[Any]] = {}

    @property
    def under_way(self) -> int:
        return len(self._flights)

    async def ask(
        self, about: Hashable, question: Callable[[], Awaitable[T]], before_waiting: Callable[[], Awaitable[None]]
    ) -> T:
        """The answer to ``question``, or to the one about the same that is under way.

        ``before_waiting``: what somebody who waits gives back first, like a database connection.

        Errors: whatever the question raises; ServiceUnavailable when it takes too long, or who asked it was stopped.
        """
        if (under_way := self._flights.get(about)) is not None:
            await before_waiting()
            return await self._arrival(under_way)
        flight: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._flights[about] = flight
        try:
            answer = await question()
        except BaseException as error:
            flight.set_exception(error if isinstance(error, Exception) else _later())
            flight.exception()  # looked at, so that asyncio does not report it when nobody waits
            raise
        else:
            flight.set_result(answer)
            return answer
        finally:
            del self._flights[about]

    async def _arrival(self, flight: asyncio.Future[T]) -> T:
        try:
            async with asyncio.timeout(self._longest_s):
                return await asyncio.shield(flight)
        except TimeoutError:
            raise _later() from None


def _later() -> ServiceUnavailable:
    return ServiceUnavailable("The figures take longer than usual. Try again in a moment.")
