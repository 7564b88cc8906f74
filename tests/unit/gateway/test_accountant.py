"""Does every record reach the database that can, whatever the others are like and however often it is away?"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from litemaas.core.errors import ServiceUnavailable
from litemaas.gateway.accountant import Accountant, RecordsRejected
from litemaas.gateway.journal import Journal
from litemaas.gateway.metrics import Metrics


class Shelf:
    """Takes lines in batches and refuses a batch with a bad one as a whole, as COPY does."""

    def __init__(self) -> None:
        self.stored: list[bytes] = []
        self.failures: list[Exception] = []
        self.took = asyncio.Event()

    async def store(self, lines: bytes) -> None:
        if self.failures:
            raise self.failures.pop(0)
        batch = [line.rpartition(b"\t")[0] for line in lines.splitlines()]
        if b"bad" in batch:
            raise RecordsRejected("DataError")
        self.stored += batch
        self.took.set()


def office(directory: Path, interval_s: float = 0.001) -> tuple[Journal, Shelf, Metrics, Accountant]:
    journal, shelf, metrics = Journal(directory, 1 << 16, 1 << 30), Shelf(), Metrics()
    return journal, shelf, metrics, Accountant(journal, shelf, metrics, interval_s)


@given(st.lists(st.sampled_from(["good", "bad"]), max_size=40))
async def test_bad_records_are_set_aside_and_all_others_stored_in_order(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[str]
) -> None:
    directory = tmp_path_factory.mktemp("journal")
    journal, shelf, metrics, accountant = office(directory)
    names = [kind if kind == "bad" else f"{kind} {place}" for place, kind in enumerate(kinds)]
    for name in names:
        journal.append(name)
    with structlog.testing.capture_logs():
        await accountant.empty()
    assert shelf.stored == [name.encode() for name in names if name != "bad"]
    assert metrics.lost_records == names.count("bad")
    rejected = directory / "rejected"
    assert (rejected.read_bytes().count(b"bad\t") if rejected.exists() else 0) == names.count("bad")
    assert journal.waiting_bytes == 0
    journal.close()


@pytest.mark.parametrize("failure", [ServiceUnavailable("away"), OSError("disk"), RuntimeError("a defect of ours")])
async def test_whatever_goes_wrong_the_next_turn_stores_what_waits(tmp_path: Path, failure: Exception) -> None:
    journal, shelf, metrics, accountant = office(tmp_path)
    journal.append("one")
    shelf.failures = [failure, failure]
    with structlog.testing.capture_logs() as logs:
        task = asyncio.create_task(accountant.work())
        async with asyncio.timeout(60):
            await shelf.took.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert shelf.stored == [b"one"]
    assert metrics.failed_flushes == 2
    assert len(logs) == 2
    journal.close()


async def test_two_who_empty_at_once_store_each_record_once(tmp_path: Path) -> None:
    journal, shelf, _, accountant = office(tmp_path)
    for number in range(50):
        journal.append(str(number))
    await asyncio.gather(accountant.empty(), accountant.empty())
    assert shelf.stored == [str(number).encode() for number in range(50)]
    journal.close()
