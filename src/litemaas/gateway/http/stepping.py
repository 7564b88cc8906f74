"""How does a request wait without being a task? Its coroutine is stepped directly by whoever has news for it.

An asyncio task per request costs about 10 µs (reference/performance.md). Here the connection that received the bytes resumes
the waiting coroutine itself, in the same call::

    client bytes → Run.start → handler runs … await wake ─ suspended
    upstream bytes → wake.fire → handler runs on in this very call

A coroutine that is stepped this way may await only :class:`Wake` and what is built on it; anything that belongs to asyncio
goes through :func:`outside`, which runs it as an ordinary task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


class Wake:
    """A place where one coroutine waits for news. It carries no value: who wakes up looks at the state again."""

    __slots__ = ("_run",)

    def __init__(self) -> None:
        self._run: Run | None = None

    def __await__(self) -> Generator[Wake, None, None]:
        yield self

    def fire(self) -> None:
        """Resumes whoever waits here, within this call; without a waiter nothing happens."""
        run = self._run
        if run is not None:
            self._run = None
            run._step(None)


class Run:
    """One coroutine on its way. ``on_end`` is told once, with the error that nobody caught or None."""

    __slots__ = ("_coroutine", "_interruption", "_on_end", "_running", "_wake")

    def __init__(self, coroutine: Coroutine[Any, Any, None], on_end: Callable[[BaseException | None], None]) -> None:
        self._coroutine = coroutine
        self._on_end = on_end
        self._wake: Wake | None = None
        self._running = False
        self._interruption: BaseException | None = None

    def start(self) -> None:
        self._step(None)

    def interrupt(self, error: BaseException) -> None:
        """Raises ``error`` where the coroutine waits; where it is running, at its next wait."""
        if self._running:
            self._interruption = error
        elif self._wake is not None:
            self._wake._run = None
            self._step(error)

    def _step(self, error: BaseException | None) -> None:
        self._wake = None
        self._running = True
        try:
            while True:
                wake: Wake = self._coroutine.send(None) if error is None else self._coroutine.throw(error)
                error = self._interruption
                if error is None:
                    break
                self._interruption = None
        except StopIteration:
            self._running = False
            self._on_end(None)
        except BaseException as uncaught:  # noqa: BLE001 - the owner decides; a coroutine must not take the loop with it
            self._running = False
            self._on_end(uncaught)
        else:
            self._running = False
            self._wake = wake
            wake._run = self


async def outside(coroutine: Coroutine[Any, Any, T], timeout_s: float) -> T:
    """Awaits something of asyncio's (a database call, a connect) from within a stepped coroutine.

    Errors: TimeoutError after ``timeout_s``; whatever the coroutine raises. An interruption cancels it.
    """
    wake = Wake()
    task = asyncio.get_running_loop().create_task(_limited(coroutine, timeout_s))
    task.add_done_callback(lambda _: wake.fire())
    try:
        while not task.done():
            await wake
    except BaseException:
        task.cancel()
        raise
    return task.result()


async def _limited(coroutine: Coroutine[Any, Any, T], timeout_s: float) -> T:
    async with asyncio.timeout(timeout_s):
        return await coroutine


async def stepped(coroutine: Coroutine[Any, Any, T]) -> T:
    """The other way round: lets a task of asyncio's (a test, a background job) await a stepped coroutine."""
    ended: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    async def body() -> None:
        result = await coroutine
        if not ended.done():
            ended.set_result(result)

    def on_end(error: BaseException | None) -> None:
        if error is not None and not ended.done():
            ended.set_exception(error)

    run = Run(body(), on_end)
    run.start()
    try:
        return await ended
    except asyncio.CancelledError as cancelled:
        run.interrupt(cancelled)
        raise
