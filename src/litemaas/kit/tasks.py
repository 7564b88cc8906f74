"""Who owns what runs in the background? One owner a process: it notices a task that dies, begins it anew, and ends all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

_CANCEL_EVERY_S = 0.5
Work = Callable[[], Coroutine[Any, Any, None]]


class Background:
    """Keeps works going until it is stopped.

    ``on_defect`` hears what ended a work that should have gone on; after ``pause_s`` the work begins anew.
    """

    def __init__(self, on_defect: Callable[[str, Exception], None], pause_s: float = 1.0) -> None:
        self._on_defect = on_defect
        self._pause_s = pause_s
        self._tasks: list[asyncio.Task[None]] = []

    def keep(self, name: str, work: Work) -> None:
        self._tasks.append(asyncio.create_task(self._again_and_again(name, work), name=name))

    async def stop(self) -> None:
        """Ends all. A client library may swallow a cancellation (redis-py does while it connects), so it is repeated."""
        while running := [task for task in self._tasks if not task.done()]:
            for task in running:
                task.cancel()
            await asyncio.wait(running, timeout=_CANCEL_EVERY_S)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _again_and_again(self, name: str, work: Work) -> None:
        while True:
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - whatever it is, the process needs this work
                self._on_defect(name, error)
            await asyncio.sleep(self._pause_s)
