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
from typing import Any, Final, TypeVar

T = TypeVar("T")
_next: Final = next  # compiled code looks built-ins up by their names


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
            run._step()


class Run:
    """One coroutine on its way. ``on_end`` is told once, with the error that nobody caught or None."""

    __slots__ = ("_coroutine", "_interruption", "_on_end", "_running", "_steps", "_wake")

    def __init__(self, coroutine: Coroutine[Any, Any, None], on_end: Callable[[BaseException | None], None]) -> None:
        self._coroutine = coroutine
        self._steps = coroutine.__await__()
        self._on_end = on_end
        self._wake: Wake | None = None
        self._running = False
        self._interruption: BaseException | None = None

    def start(self) -> None:
        self._step()

    def interrupt(self, error: BaseException) -> None:
        """Raises ``error`` where the coroutine waits; where it is running, at its next wait."""
        wake = self._wake
        if wake is None and not self._running:
            return
        self._interruption = error
        del error  # see _step
        if wake is not None:
            wake._run = None
            self._step()

    def _step(self) -> None:
        self._wake = None
        self._running = True
        wake: Wake | None
        try:
            while True:
                error = self._interruption
                if error is None:
                    wake = _next(self._steps, None)  # as send(None), whose end would be an exception: that costs more
                    if wake is None:
                        self._running = False
                        self._on_end(None)
                        return
                else:
                    self._interruption = None
                    wake = self._coroutine.throw(error)
                if self._interruption is None:
                    break
        except StopIteration:
            self._running = False
            self._on_end(None)
        except BaseException as uncaught:  # noqa: BLE001 - the owner decides; a coroutine must not take the loop with it
            self._running = False
            error = None  # its traceback holds this frame: a cycle that would keep the whole request alive
            self._on_end(uncaught)
        else:
            self._running = False
            self._wake = wake
            wake._run = self


async def outside(coroutine: Coroutine[Any, Any, T], timeout_s: float) -> T:
    """Awaits something of asyncio's (a database call, a connect) from within a stepped coroutine.

    Errors: TimeoutError after ``timeout_s``; whatever the coroutine raises. An interruption cancels it.
    """
    loop = asyncio.get_running_loop()
    wake = Wake()
    task = loop.create_task(
        coroutine
    )  # itself, without a wrapper: what is cancelled before its first step must not warn

    def news(task: asyncio.Task[T]) -> None:
        del task  # see the end
        wake.fire()

    task.add_done_callback(news)
    is_too_late = False  # not told by the cancellation's message: another cancellation would replace it

    def expire(task: asyncio.Task[T]) -> None:
        nonlocal is_too_late
        is_too_late = True
        task.cancel()

    limit = loop.call_later(timeout_s, expire, task)
    try:
        while not task.done():
            await wake
        return task.result()
    except asyncio.CancelledError:
        if is_too_late:
            raise TimeoutError from None
        raise
    finally:
        limit.cancel()
        if not task.cancel() and not task.cancelled():
            task.exception()  # looked at, so that asyncio does not report an error that nobody waits for any more
        del task  # it holds the error that is raised here, and that holds this frame


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
