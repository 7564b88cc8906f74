"""What becomes of the usage and the leases of a worker that never comes back?"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from litemaas.core.errors import ServiceUnavailable
from litemaas.gateway.accountant import RecordsRejected
from litemaas.gateway.journal import Journal
from litemaas.gateway.metrics import Metrics
from litemaas.gateway.orphans import Orphans, open_journal
from litemaas.gateway.settings import JournalSettings
from litemaas.sim.testing import SimulatedServers

from .conftest import seed
from .harness import WITHIN_S, gateway_settings, running
from .worker_group import Callers, worker_group

SETTINGS = JournalSettings()


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def test_a_killed_worker_that_does_not_come_back_is_stored_and_returned_by_another(
    database_url: str, tmp_path: Path
) -> None:
    async with SimulatedServers() as sim:
        await seed(database_url, sim)
        own = {"worker_id": "gone", "journal__flush_interval_s": 600}
        async with worker_group(database_url, sim, tmp_path, 1, **own) as group:
            key = await group.ledger.add_key(max_budget_nano=10**12)
            callers = Callers(group, key, keep_alive=True, count=2)
            await callers.until_answered(20)
            group.process.kill()
            await group.ended()
            await callers.stop()
        async with running(gateway_settings(database_url, group.state_dir, worker_id="heir"), sim) as platform:
            assert await platform.ledger.records(key) == []
            assert await platform.ledger.leased(key) > 0
            await platform.gateway.orphans.adopt_all()
            rows = await platform.ledger.records(key)
            assert {row["request_id"] for row in rows} >= callers.answered.keys()
            assert sum(row["cost_nano"] for row in rows) == await platform.ledger.settled(key)
            assert await platform.ledger.leased(key) == 0
            workers = await platform.ledger.connection.fetch("select worker_id from workers")
            assert [row["worker_id"] for row in workers] == ["heir"]
            assert names_in(group.state_dir / "journal") == ["heir"]


class Store:
    """Where adopted records and leases go. ``gate``: what a record waits for. ``fails``: with what, until it is cleared."""

    def __init__(self) -> None:
        self.stored: list[tuple[str, bytes]] = []
        self.returned: list[str] = []
        self.fails: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    def of(self, worker_id: str) -> Any:
        outer = self

        class OfWorker:
            async def store(self, lines: bytes) -> None:
                await outer.gate.wait()
                if outer.fails is not None:
                    raise outer.fails
                outer.stored.append((worker_id, lines.rpartition(b"\t")[0]))

        return OfWorker()

    async def return_leases_of(self, worker_id: str) -> None:
        self.returned.append(worker_id)


def left_behind(directory: Path, *records: str) -> None:
    """The journal of a worker that was killed."""
    journal = Journal(directory, SETTINGS.segment_bytes, SETTINGS.max_bytes)
    for record in records:
        journal.append(record)
    journal.close()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def orphans(tmp_path: Path, store: Store) -> Orphans:
    return Orphans(tmp_path, "own", SETTINGS, store.of, store, Metrics())  # type: ignore[arg-type]


async def test_nothing_is_taken_from_a_worker_that_lives(tmp_path: Path, store: Store, orphans: Orphans) -> None:
    own, other = (Journal(tmp_path / name, SETTINGS.segment_bytes, SETTINGS.max_bytes) for name in ("own", "other"))
    other.append("a call")
    other.flush()
    await orphans.adopt_all()
    assert (store.stored, store.returned) == ([], [])
    other.close()
    await orphans.adopt_all()
    assert (store.stored, store.returned) == ([("other", b"a call")], ["other"])
    assert names_in(tmp_path) == ["own"]
    own.close()


async def test_what_the_database_does_not_take_is_there_the_next_time(
    tmp_path: Path, store: Store, orphans: Orphans
) -> None:
    left_behind(tmp_path / "gone", "a call")
    store.fails = ServiceUnavailable("away")
    for _ in range(3):
        with pytest.raises(ServiceUnavailable):
            await orphans.adopt_all()
    store.fails = None
    await orphans.adopt_all()
    assert (store.stored, store.returned) == ([("gone", b"a call")], ["gone"])
    assert names_in(tmp_path) == []


async def test_what_a_person_must_look_at_stays_and_is_adopted_once(
    tmp_path: Path, store: Store, orphans: Orphans
) -> None:
    left_behind(tmp_path / "gone", "a call that no table takes")
    store.fails = RecordsRejected("odd")
    for _ in range(3):
        await orphans.adopt_all()
    assert store.returned == ["gone"]
    assert (tmp_path / "gone" / "rejected").read_bytes().startswith(b"a call that no table takes")


async def until_exists(path: Path) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not path.exists():  # noqa: ASYNC110, ASYNC240 - a file tells nobody
            await asyncio.sleep(0.002)


async def test_a_worker_that_starts_while_it_is_adopted_waits_and_begins_with_an_empty_journal(
    tmp_path: Path, store: Store, orphans: Orphans
) -> None:
    left_behind(tmp_path / "back", "before")
    store.gate.clear()
    adoption = asyncio.create_task(orphans.adopt_all())
    await until_exists(tmp_path / "back" / "adopted")
    opening = asyncio.create_task(asyncio.to_thread(open_journal, tmp_path / "back", SETTINGS))
    done, _ = await asyncio.wait({opening}, timeout=1.5)  # longer than it waits for a worker that lives
    assert not done
    store.gate.set()
    await adoption
    journal = await asyncio.wait_for(opening, WITHIN_S)
    journal.append("after")
    lines, _ = journal.next_batch()
    assert lines.startswith(b"after\t")
    assert store.stored == [("back", b"before")]
    await orphans.adopt_all()
    assert "lock" in names_in(tmp_path / "back")
    journal.close()


async def test_two_that_adopt_at_once_store_everything_once(tmp_path: Path, store: Store) -> None:
    names = [f"gone-{number}" for number in range(8)]
    for name in names:
        left_behind(tmp_path / name, f"call of {name}")
    heirs = [Orphans(tmp_path, f"own-{n}", SETTINGS, store.of, store, Metrics()) for n in range(4)]  # type: ignore[arg-type]
    await asyncio.gather(*(heir.adopt_all() for heir in heirs))
    assert sorted(store.stored) == [(name, f"call of {name}".encode()) for name in names]
    assert names_in(tmp_path) == []


def test_a_journal_of_a_worker_that_lives_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "taken", SETTINGS.segment_bytes, SETTINGS.max_bytes)
    with pytest.raises(ServiceUnavailable, match="another gateway process already works as 'taken'"):
        open_journal(tmp_path / "taken", SETTINGS)
    journal.close()
