"""Does a rehearsal judge what it saw, and does its report say the same?"""

from __future__ import annotations

import pytest

from litemaas.cli.rehearsal.drive import Turn
from litemaas.cli.rehearsal.plan import Plan, document, question, usual_workers
from litemaas.cli.rehearsal.report import page
from litemaas.cli.rehearsal.verdict import judge, percentile, usual_limit_ms

PLAN = Plan(model="<m>", people=2, turns=10, workers=2)


def turns(first_ms: float, later_ms: float, failed: int = 0) -> list[Turn]:
    made = [
        Turn(person=p, turn=t, began_s=t, ttft_ms=first_ms if t == 0 else later_ms, total_ms=500, tokens=5)
        for p in range(2)
        for t in range(10)
    ]
    return [Turn(person=0, turn=0, began_s=0, error="HTTP 503")] * failed + made[failed:]


@pytest.mark.parametrize(("people", "limit"), [(1, 15_000), (30, 15_000), (31, 30_000), (60, 30_000), (61, 60_000)])
def test_the_limit_follows_the_number_of_people(people: int, limit: float):
    assert usual_limit_ms(people) == limit


@pytest.mark.parametrize(("people", "workers"), [(30, 2), (31, 4), (61, 8), (101, 16)])
def test_so_do_those_who_talk_at_once(people: int, workers: int):
    assert usual_workers(people) == workers


@pytest.mark.parametrize(
    ("played", "status"),
    [
        (turns(900, 300), "PASS ✓"),
        (turns(20_000, 20_000), "WARN ⚠"),
        (turns(30_000, 30_000), "FAIL ✗"),
        (turns(900, 300, failed=1), "WARN ⚠"),
        (turns(900, 300, failed=2), "FAIL ✗"),
        ([], "FAIL ✗"),
    ],
)
def test_passing_needs_short_waits_and_answers_for_everybody(played: list[Turn], status: str):
    assert judge(PLAN, played).status == status


@pytest.mark.parametrize(("first", "word"), [(300, "POOR"), (500, "GOOD"), (900, "EXCELLENT")])
def test_the_prefix_cache_is_judged_by_first_and_later_turns(first: float, word: str):
    verdict = judge(PLAN, turns(first, 300))
    assert verdict.cache_status.startswith(word)
    assert verdict.speedup_ratio == round(first / 300, 3)


def test_a_single_turn_says_nothing_of_the_cache():
    verdict = judge(PLAN, [turn for turn in turns(900, 300) if turn.turn == 0])
    assert (verdict.cache_status, verdict.speedup_ratio) == ("UNKNOWN", None)


def test_percentiles_are_values_that_occurred():
    assert percentile([1, 2, 3, 4], 0.5) == 2
    assert percentile(list(range(1, 101)), 0.95) == 95
    assert percentile([7], 0.99) == 7
    assert percentile([], 0.5) is None


def test_everybody_reads_the_same_document_and_asks_something_else():
    assert document(PLAN) == document(PLAN)
    assert len(document(PLAN).split()) >= PLAN.document_words
    assert question(PLAN, 0, 1) == question(PLAN, 0, 1)
    assert len({question(PLAN, person, 1) for person in range(50)}) > 20


def test_the_report_runs_no_script_and_escapes_names():
    written = page(PLAN, judge(PLAN, turns(900, 300, failed=1)), turns(900, 300, failed=1), "http://<gateway>")
    assert "<m>" not in written
    assert "&lt;m&gt;" in written
    assert "<script" not in written
    assert "HTTP 503" in written
    assert written.count("<svg") == 2
