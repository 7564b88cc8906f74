"""How are the figures of a page asked side by side, and yet of one moment? Over connections that share a snapshot.

A page is a dozen questions, and PostgreSQL answers those of one connection one after another. While most of the pool is free, a
page borrows another connection or two; they take over the snapshot of the first, so that sums still add up. When the pool
is busy all is asked over the first: that takes longer and says the same.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
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
        waiting = deque(enumerate(questions))
        answers: dict[int, Any] = {}

        async def answer(connection: AsyncConnection) -> None:
            if len(questions) > 1 + _MOST_HELPERS:
                # The processors have enough to do: to divide each question among them costs more than it saves.
                await repository.without_parallel_workers(connection)
            while waiting:
                place, question = waiting.popleft()
                answers[place] = await question(connection)

        async def help_out(snapshot: str) -> None:
            helper = await self._work.spare_connection() if self._work is not None and waiting else None
            if helper is not None:
                await repository.take_snapshot(helper, snapshot)
                self._helpers.append(helper)
                await answer(helper)

        more = min(len(questions) - 1, _MOST_HELPERS) - len(self._helpers)
        asking = [answer(helper) for helper in self._helpers]
        if more > 0 and self._work is not None and self._work.has_spare_connection:
            snapshot = await repository.export_snapshot(self.connection)
            asking += [help_out(snapshot) for _ in range(more)]
        # The own connection begins while the others are fetched.
        await _all_or_none([answer(self.connection), *asking])
        return [answers[place] for place in range(len(questions))]


async def _all_or_none(asking: Sequence[Coroutine[Any, Any, None]]) -> None:
    tasks = [asyncio.create_task(one) for one in asking]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
