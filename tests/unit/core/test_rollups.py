"""Are percentiles out of histograms what the calls themselves say, to the bucket?"""

from __future__ import annotations

from bisect import bisect_right
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from litemaas.core.rollups import BOUNDS_US, BUCKETS, CUBES, DIMENSIONS, EVERY_ROLLUP, PAID, grains_of, percentile


@given(st.lists(st.integers(0, 2_000_000_000), min_size=1, max_size=200), st.sampled_from([0.01, 0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_in_the_bucket_of_the_call_at_its_rank(durations_us: list[int], share: float):
    counts = [0] * BUCKETS
    for duration in durations_us:
        counts[bisect_right(BOUNDS_US, duration)] += 1
    exact = sorted(durations_us)[ceil(share * len(durations_us)) - 1]
    found = percentile(counts, share)
    assert found is not None
    bucket = bisect_right(BOUNDS_US, exact)
    assert (BOUNDS_US[bucket - 1] if bucket else 0) <= found
    assert found <= (BOUNDS_US[bucket] if bucket < len(BOUNDS_US) else BOUNDS_US[-1] * 3 // 2)


def test_without_calls_there_is_no_percentile():
    assert percentile([0] * BUCKETS, 0.5) is None


def test_the_smaller_cubes_are_parts_of_the_full_one_and_keep_how_calls_ended():
    assert set(CUBES["full"]) == set(DIMENSIONS) == set(CUBES["model"]) | set(CUBES["key"])
    assert {"status", "error_code"} == set(CUBES["model"]) & set(CUBES["key"]) == set(CUBES["total"])
    assert {cube: set(CUBES[cube]) - set(CUBES["total"]) for cube in ("user", "team", "payer")} == {
        "user": {"user_id", *PAID}, "team": {"team_id", *PAID}, "payer": {"model", "provider", *PAID},
    }  # fmt: skip


def test_every_cube_keeps_days_weeks_and_months_and_every_question_about_an_hour_has_one_that_keeps_hours():
    assert all({"day", "week", "month"} <= set(grains_of(cube)) for cube in CUBES)
    assert "hour" in grains_of("full")
    assert set(EVERY_ROLLUP) == {(cube, grain) for cube in CUBES for grain in grains_of(cube)}
