"""How are the figures of a page asked side by side, and yet of one moment? Over connections that share a snapshot.

A page is a dozen questions, and PostgreSQL answers those of one connection one after another. While most of the pool is free, a
page borrows another connection or two; they take over the snapshot of the first, so that sums still add up. When the pool
is busy all is asked over the first: that takes longer and says the same.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.http.work import Work
from litemaas.control.usage import repository

Question = Callable[[AsyncConnection], Awaitable[Any]]
_MOST_HELPERS = 2


class Moment:
    """What the database holds at one moment; until the request ends or gives its connections back.

    ``work``: whose pool lends other connections; None = all is asked over this one.
    """

    def __init__(self, connection: AsyncConnection, work: Work | None = None) -> None:
        self.connection = connection
        self._work = work
        self._helpers: list[AsyncConnection] = []

    async def together(self, *questions: Question) -> list[Any]:
        """The answers in the order of the questions, which are begun in this order, too: the longest is best the first.

        Errors: those of the first question that fails; the others are stopped.
        """
        await self._find_helpers(len(questions) - 1)
        waiting = deque(enumerate(questions))
        answers: dict[int, Any] = {}

        async def answer(connection: AsyncConnection) -> None:
            while waiting:
                place, question = waiting.popleft()
                answers[place] = await question(connection)

        await _all_or_none([answer(connection) for connection in (self.connection, *self._helpers)])
        return [answers[place] for place in range(len(questions))]

    async def _find_helpers(self, useful: int) -> None:
        wanted = min(useful, _MOST_HELPERS) - len(self._helpers)
        name: str | None = None
        while self._work is not None and wanted > 0 and (helper := await self._work.spare_connection()) is not None:
            name = name or await repository.export_snapshot(self.connection)
            await repository.take_snapshot(helper, name)
            self._helpers.append(helper)
            wanted -= 1


async def _all_or_none(asking: Sequence[Awaitable[None]]) -> None:
    tasks = [asyncio.ensure_future(one) for one in asking]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
