"""Does a call that a crash ended leave its record, and a call that ended by itself none but its own?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemaas.core.price import Price
from litemaas.core.usage import Usage, UsageSource
from litemaas.gateway.journal import Journal
from litemaas.gateway.records import JOURNAL_COLUMNS, begun_text
from litemaas.gateway.running import CRASHED, NO_SLOT, SLOT_BYTES, RunningCalls, price_text, running_text

PRICE = Price(
    version=7, input_per_million=1_000_000_000, output_per_million=2_000_000_000, request_per_million=500_000_000
)
TAIL = "\t".join(
    ["/chat/completions", "h" * 64, "\\N", "\\N", "\\N", "granite", "d", "vllm", "g", "http://e/v1", "7", "[]"]
)


def noted(call_id: str = "call", held: int = 9_000) -> str:
    instant, price = "2026-11-25 12:00:00.000000+00", price_text(PRICE)
    return running_text(begun_text(call_id, instant, True, "\\N", 1, "192.0.2.1", "sdk"), held, price, TAIL)


def columns(line: str) -> dict[str, str]:
    names = [name for name, _ in JOURNAL_COLUMNS if name != "checksum"]
    return dict(zip(names, line.split("\t"), strict=True))


def after_a_crash(path: Path) -> list[dict[str, str]]:
    return [columns(line) for line in RunningCalls(path).left_behind()]


def test_a_call_without_an_answer_costs_nothing(tmp_path: Path) -> None:
    RunningCalls(tmp_path / "running").begin(NO_SLOT, noted("lost"))
    (record,) = after_a_crash(tmp_path / "running")
    assert (record["request_id"], record["status"], record["error_code"]) == ("lost", "failure", CRASHED)
    assert (record["cost_nano"], record["prompt_tokens"], record["usage_source"]) == ("0", "0", "none")
    assert (record["held_nano"], record["model"], record["price_version"]) == ("9000", "granite", "7")


def test_a_stream_is_paid_as_far_as_it_went(tmp_path: Path) -> None:
    running = RunningCalls(tmp_path / "running")
    slot = running.begin(NO_SLOT, noted())
    for tokens in (1, 2, 3):
        running.progress(slot, Usage(10, tokens, source=UsageSource.ENGINE))
    (record,) = after_a_crash(tmp_path / "running")
    assert (record["prompt_tokens"], record["completion_tokens"], record["usage_source"]) == ("10", "3", "engine")
    assert record["cost_nano"] == str(10 * 1_000 + 3 * 2_000 + 500)


def test_another_deployment_takes_the_same_slot(tmp_path: Path) -> None:
    running = RunningCalls(tmp_path / "running")
    slot = running.begin(NO_SLOT, noted("first try"))
    running.progress(slot, Usage(10, 1, source=UsageSource.ENGINE))
    assert running.begin(slot, noted("second try")) == slot
    (record,) = after_a_crash(tmp_path / "running")
    assert (record["request_id"], record["completion_tokens"]) == ("second try", "0")


def test_a_slot_is_kept_until_the_record_of_its_call_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 1 << 20, 1 << 30)
    slot = journal.running.begin(NO_SLOT, noted())
    journal.append("record")
    journal.running.end(slot)
    assert len(after_a_crash(tmp_path / "running")) == 1
    journal.flush()
    assert after_a_crash(tmp_path / "running") == []
    assert journal.running.begin(NO_SLOT, noted()) == slot
    journal.close()


def test_the_next_life_writes_what_was_left_into_its_journal_once(tmp_path: Path) -> None:
    first = Journal(tmp_path, 1 << 20, 1 << 30)
    first.running.begin(NO_SLOT, noted("lost"))
    os.close(first._lock)
    os.close(first._current)
    for life in range(2):
        journal = Journal(tmp_path, 1 << 20, 1 << 30)
        lines, size = journal.next_batch()
        assert (lines.count(b"lost\t"), bool(size)) == ((1, True) if life == 0 else (0, False))
        journal.done(size)
        journal.close()


def test_a_worker_that_ended_well_leaves_no_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 1 << 20, 1 << 30)
    journal.running.end(journal.running.begin(NO_SLOT, noted()))
    journal.append("record")
    journal.close()
    assert not (tmp_path / "running").exists()


def test_there_are_slots_for_as_many_calls_as_there_are(tmp_path: Path) -> None:
    running = RunningCalls(tmp_path / "running")
    slots = [running.begin(NO_SLOT, noted(str(number))) for number in range(1_000)]
    assert len(set(slots)) == 1_000
    assert {record["request_id"] for record in after_a_crash(tmp_path / "running")} == set(map(str, range(1_000)))


def test_a_full_disk_stops_no_call(tmp_path: Path) -> None:
    running = RunningCalls(tmp_path / "no such folder" / "running")
    slot = running.begin(NO_SLOT, noted())
    assert slot == NO_SLOT
    running.progress(slot, Usage(1, 1, source=UsageSource.ENGINE))
    running.end(slot)
    running.forget_ended()


@given(st.binary(max_size=SLOT_BYTES))
def test_no_half_written_slot_can_hinder_a_start(tmp_path_factory: pytest.TempPathFactory, torn: bytes) -> None:
    path = tmp_path_factory.mktemp("torn") / "running"
    path.write_bytes(b"\x01" + torn)
    for record in after_a_crash(path):
        assert record["status"] == "failure"
