"""Is every change applied once and in order, and is nothing trusted while nobody can look?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import pytest
import structlog

from litemaas.core.errors import ServiceUnavailable
from litemaas.gateway.feed import Change, ChangeFeed

WITHIN_S = 60.0


class Book:
    """The database's side of the feed, in memory."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.failure: BaseException | None = None
        self.hangs = False

    def write(self, kind: str = "key") -> int:
        seq = len(self.changes) + 1
        self.changes.append(Change(seq, kind, [f"ref-{seq}"]))
        return seq

    async def _answer(self) -> None:
        await asyncio.sleep(3600 if self.hangs else 0)
        if self.failure is not None:
            raise self.failure

    async def latest_change(self) -> int:
        await self._answer()
        return len(self.changes)

    async def changes_since(self, seq: int) -> Sequence[Change]:
        await self._answer()
        return self.changes[seq:]


class Worker:
    """Who is told of changes."""

    def __init__(self, book: Book, trust_s: float = 60.0, timeout_s: float = WITHIN_S) -> None:
        self.applied: list[int] = []
        self.started_over = 0
        self.failure: BaseException | None = None
        self.feed = ChangeFeed(book, self._apply, self._start_over, trust_s=trust_s, timeout_s=timeout_s)

    async def _apply(self, change: Change) -> None:
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        self.applied.append(change.seq)

    async def _start_over(self) -> None:
        self.started_over += 1


@asynccontextmanager
async def following(worker: Worker) -> AsyncIterator[None]:
    task = asyncio.create_task(worker.feed.follow())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while True:
            if happened():
                return
            await asyncio.sleep(0.001)


async def test_what_was_there_at_the_start_is_read_as_a_whole_and_later_changes_one_by_one() -> None:
    book = Book()
    book.write()
    worker = Worker(book)
    assert not worker.feed.trust.is_current()
    await worker.feed.look()
    assert (worker.started_over, worker.applied) == (1, [])
    assert worker.feed.trust.is_current()
    book.write()
    book.write()
    await worker.feed.look()
    await worker.feed.look()
    assert worker.applied == [2, 3]


async def test_who_waits_for_a_change_is_woken_when_it_is_applied() -> None:
    book = Book()
    worker = Worker(book)
    async with following(worker):
        await until(worker.feed.trust.is_current)
        seq = book.write()
        assert await worker.feed.wait_for(seq, WITHIN_S)
        assert worker.applied == [seq]
        assert not await worker.feed.wait_for(seq + 1, 0.05)


@pytest.mark.parametrize("failure", [ServiceUnavailable("away"), OSError("away"), ValueError("a defect of ours")])
async def test_after_any_failure_everything_is_read_again(failure: BaseException) -> None:
    book = Book()
    worker = Worker(book)
    with structlog.testing.capture_logs():
        async with following(worker):
            await until(worker.feed.trust.is_current)
            worker.failure = failure
            seq = book.write()
            worker.feed.wake()
            await until(lambda: worker.failure is None)
            assert await worker.feed.wait_for(seq, WITHIN_S)
            assert worker.started_over == 2
            book.failure = failure
            worker.feed.wake()
            await asyncio.sleep(0)
            book.failure = None
            assert await worker.feed.wait_for(book.write(), WITHIN_S)


async def test_nothing_is_trusted_while_the_database_is_silent() -> None:
    book = Book()
    worker = Worker(book, trust_s=0.9, timeout_s=1.0)
    await worker.feed.look()
    book.hangs = True
    with pytest.raises(TimeoutError):
        await worker.feed.look()
    assert not worker.feed.trust.is_current()
    book.hangs = False
    async with asyncio.timeout(WITHIN_S):
        while not worker.feed.trust.is_current():  # a busy machine may take longer than it trusts
            await worker.feed.look()


async def test_a_look_counts_from_its_beginning() -> None:
    book = Book()
    worker = Worker(book, trust_s=0.0)
    await worker.feed.look()
    assert not worker.feed.trust.is_current()
