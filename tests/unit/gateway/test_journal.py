"""Does the journal keep what it was given, through crashes and full disks?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemaas.core.errors import ServiceUnavailable
from litemaas.gateway.journal import Journal


def opened(directory: Path, segment_bytes: int = 1 << 20, max_bytes: int = 1 << 30) -> Journal:
    return Journal(directory, segment_bytes, max_bytes)


def abandoned(journal: Journal) -> None:
    """As after a kill: the files stay as they are, the lock goes with the process."""
    os.close(journal._lock)
    os.close(journal._current)


def torn(journal: Journal, beginning: bytes) -> None:
    """As after a kill in the middle of a copy into the segment."""
    assert journal._memory is not None
    at = journal._size - journal._mapped_from
    journal._memory[at : at + len(beginning)] = beginning


def drained(journal: Journal) -> list[str]:
    lines: list[str] = []
    while True:
        batch, size = journal.next_batch()
        if not size:
            return lines
        lines += [line.rpartition(b"\t")[0].decode() for line in batch.split(b"\n")[:-1]]
        journal.done(size)


def test_records_come_out_in_order_and_once(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    for number in range(100):
        journal.append(f"record {number}")
    journal.flush()

    assert drained(journal) == [f"record {number}" for number in range(100)]
    assert drained(journal) == []
    assert journal.waiting_bytes == 0


def test_what_a_crash_left_behind_is_read_again_by_the_next_life(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.append("one")
    first.append("two\\twith a tab")
    first.flush()
    abandoned(first)

    second = opened(tmp_path)
    second.append("three")

    assert drained(second) == ["one", "two\\twith a tab", "three"]


def test_half_a_line_at_the_end_of_a_crashed_segment_is_no_record(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.append("whole")
    first.flush()
    torn(first, b"torn in the midd")
    abandoned(first)

    second = opened(tmp_path)

    assert drained(second) == ["whole"]
    assert second.waiting_bytes == 0


def test_a_line_that_was_changed_on_disk_is_set_aside_and_blocks_nothing(tmp_path: Path) -> None:
    first = opened(tmp_path)
    for text in ("good", "bad", "fine"):
        first.append(text)
    first.flush()
    abandoned(first)
    segment = next(tmp_path.glob("*.log"))
    segment.write_bytes(segment.read_bytes().replace(b"bad", b"bat"))

    second = opened(tmp_path)

    assert drained(second) == ["good", "fine"]
    assert b"bat" in (tmp_path / "rejected").read_bytes()


def test_segments_follow_one_another_and_go_when_they_are_stored(tmp_path: Path) -> None:
    journal = opened(tmp_path, segment_bytes=200)
    for number in range(50):
        journal.append(f"record number {number:04}")
        journal.flush()
    assert len(list(tmp_path.glob("*.log"))) > 3

    assert len(drained(journal)) == 50
    assert len(list(tmp_path.glob("*.log"))) == 1


def test_two_processes_never_share_a_workers_name(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    with pytest.raises(ServiceUnavailable):
        opened(tmp_path)
    journal.close()
    opened(tmp_path).close()


def test_what_a_full_disk_does_not_take_is_kept_and_new_calls_are_refused_until_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(tmp_path)
    with monkeypatch.context() as disk:
        disk.setattr(os, "posix_fallocate", full)
        journal.append("kept")
        journal.flush()
        with pytest.raises(ServiceUnavailable):
            journal.check_room()

    journal.check_room()

    assert drained(journal) == ["kept"]


def test_a_disk_that_becomes_full_still_takes_what_it_promised_and_none_of_the_rest_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(tmp_path, segment_bytes=64 << 20)
    journal.append("before")
    journal.flush()
    large = "x" * 200_000
    with monkeypatch.context() as disk:
        disk.setattr(os, "posix_fallocate", full)
        taken = 0
        while not journal.is_failing:
            journal.append(f"{taken} {large}")
            journal.flush()
            taken += 1
        assert taken > 1
        assert len(drained(journal)) == taken  # the one before, and all but the last
        with pytest.raises(ServiceUnavailable):
            journal.check_room()

    journal.check_room()

    assert drained(journal) == [f"{taken - 1} {large}"]
    assert journal.waiting_bytes == 0


def test_a_kill_while_the_disk_is_full_loses_nothing_that_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = opened(tmp_path)
    first.append("written")
    first.flush()
    with monkeypatch.context() as disk:
        disk.setattr(os, "posix_fallocate", full)
        first.append("x" * (1 << 20))  # its client has not heard the end of the call, and its slot is still taken
        first.flush()
        abandoned(first)

    assert drained(opened(tmp_path)) == ["written"]


def test_what_was_allocated_and_not_written_is_no_record_and_is_given_back(tmp_path: Path) -> None:
    first = opened(tmp_path, segment_bytes=100)
    first.append("x" * 100)
    first.flush()  # the segment is full
    first.append("y")
    first.flush()
    left, newest = sorted(tmp_path.glob("*.log"))
    assert left.stat().st_size < 200
    assert newest.stat().st_size > 4096
    waiting = first.waiting_bytes
    abandoned(first)

    second = opened(tmp_path)
    assert second.waiting_bytes == waiting
    assert drained(second) == ["x" * 100, "y"]
    assert not (tmp_path / "rejected").exists()


def test_a_page_that_a_power_failure_kept_from_the_disk_costs_its_records_and_no_others(tmp_path: Path) -> None:
    first = opened(tmp_path)
    texts = [f"{number} " + "x" * 1000 for number in range(20)]
    for text in texts:
        first.append(text)
    first.flush()
    abandoned(first)
    segment = next(tmp_path.glob("*.log"))
    written = bytearray(segment.read_bytes())
    written[4096:8192] = bytes(4096)
    segment.write_bytes(written)

    second = opened(tmp_path)

    found = drained(second)
    assert len(found) == 20 - 5  # a page holds a part of five
    assert found == [text for text in texts if text in found]
    assert second.waiting_bytes == 0


def test_a_position_is_stored_once_everything_before_it_is(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.append("before")
    position = journal.position()
    assert position is not None
    assert not journal.is_stored(position)
    journal.append("after")
    journal.flush()

    journal.done(position)

    assert journal.is_stored(position)
    assert journal.waiting_bytes > 0
    assert drained(journal) == ["after"]


def test_what_the_disk_does_not_take_has_no_position(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = opened(tmp_path)
    journal.append("kept in memory")
    with monkeypatch.context() as disk:
        disk.setattr(os, "posix_fallocate", full)
        assert journal.position() is None

    assert journal.position() == journal.waiting_bytes


def full(*_: object) -> int:
    raise OSError(28, "No space left on device")


def test_too_much_that_waits_for_the_database_refuses_new_calls(tmp_path: Path) -> None:
    journal = opened(tmp_path, max_bytes=50)
    journal.append("x" * 100)
    journal.flush()

    with pytest.raises(ServiceUnavailable):
        journal.check_room()


def test_a_record_larger_than_a_read_is_one_record_and_loses_none_behind_it(tmp_path: Path) -> None:
    journal = opened(tmp_path, segment_bytes=6 << 20)
    huge = "x" * (9 << 20)
    for record in ("before", huge, "after", "last"):
        journal.append(record)
        journal.flush()

    assert drained(journal) == ["before", huge, "after", "last"]
    assert journal.waiting_bytes == 0


def test_half_a_line_that_a_crash_left_behind_is_set_aside(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.append("whole")
    first.flush()
    torn(first, b"hal")
    abandoned(first)

    second = opened(tmp_path)

    assert drained(second) == ["whole"]
    assert (tmp_path / "rejected").read_bytes() == b"hal\n"
    assert second.waiting_bytes == 0


def test_a_new_segment_that_cannot_be_opened_leaves_the_old_one_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(tmp_path, segment_bytes=10)
    real_open = os.open

    def full(path: Path, flags: int, mode: int = 0o777) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "open", full)
    for text in ("one", "two"):
        journal.append(text)
        journal.flush()
    os.fstat(journal._current)  # it is open, and still the file
    monkeypatch.setattr(os, "open", real_open)
    journal.append("three")
    journal.flush()

    assert len(list(tmp_path.glob("*.log"))) == 2
    assert drained(journal) == ["one", "two", "three"]
    assert journal.waiting_bytes == 0


@given(
    st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])), min_size=1, max_size=8),
    st.data(),
)
def test_of_whatever_a_crash_left_of_a_segment_every_whole_line_is_read_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("journal")
    first = opened(directory)
    for text in texts:
        first.append(text)
    first.flush()
    abandoned(first)
    segment = next(directory.glob("*.log"))
    written = segment.read_bytes()
    kept = data.draw(st.integers(0, len(written)))
    tail = data.draw(st.sampled_from([b"", b"\0" * 40, b"\0" * 40 + b"\n", b"\xff\xfe\n"]))
    segment.write_bytes(written[:kept] + tail)

    second = opened(directory)
    whole = written[:kept].count(b"\n")
    second.append("after")
    assert drained(second) == [*texts[:whole], "after"]
    assert second.waiting_bytes == 0
    second.close()


def test_a_journal_that_is_full_takes_the_running_calls_and_opens_again_when_the_database_has_taken_them(
    tmp_path: Path,
) -> None:
    journal = opened(tmp_path, max_bytes=50)
    for _ in range(5):
        journal.append("x" * 20)
        journal.flush()
    with pytest.raises(ServiceUnavailable):
        journal.check_room()

    assert len(drained(journal)) == 5
    journal.check_room()
