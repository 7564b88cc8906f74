"""Is a span of time always cut into cells that follow one another without gap or overlap?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from litemaas.control.usage.service import change_of
from litemaas.control.usage.spans import beginning, following, spans_of

_START = datetime(2025, 12, 1, tzinfo=UTC)
MOMENTS = st.timedeltas(timedelta(days=-30), timedelta(days=100)).map(lambda since: _START + since) | st.builds(
    lambda hours: _START + timedelta(hours=hours), st.integers(-200, 2_000)
)
ZONES = st.sampled_from([
    ZoneInfo(name)
    for name in ("UTC", "Europe/Berlin", "America/Santiago", "Asia/Kolkata", "Asia/Kathmandu", "Pacific/Auckland")
])  # fmt: skip
"""Whole, half and quarter hours from UTC; clocks that are moved at night, at midnight, or never."""
GRAINS = st.sampled_from([None, "hour", "day", "week", "month"])


@given(MOMENTS | st.none(), MOMENTS | st.none(), GRAINS, ZONES)
def test_spans_are_the_whole_period_once(
    since: datetime | None, until: datetime | None, grain: str | None, zone: ZoneInfo
):  # fmt: skip
    spans = spans_of(since, until, grain, zone)
    if since is not None and until is not None and since >= until:
        assert spans == []
        return
    assert (spans[0].since, spans[-1].until) == (since, until)
    assert all(one.until == other.since for one, other in pairwise(spans))
    for span in spans:
        if span.source != "records":
            edges = [edge for edge in (span.since, span.until) if edge is not None]
            assert all(beginning(span.source, edge, zone) == edge for edge in edges), span
        else:
            assert span.since is not None
            assert span.until is not None
            assert span.until - span.since < timedelta(hours=2)


@given(MOMENTS, st.sampled_from(["hour", "day", "week", "month"]), ZONES)
def test_every_moment_is_in_the_span_that_holds_it(at: datetime, grain: str, zone: ZoneInfo):
    start = beginning(grain, at, zone)
    assert start <= at < following(grain, start, zone)
    assert beginning(grain, following(grain, start, zone), zone) == following(grain, start, zone)


def test_a_quarter_is_two_whole_months_and_the_weeks_and_days_around_them():
    spans = spans_of(datetime(2026, 8, 28, tzinfo=UTC), datetime(2026, 11, 26, tzinfo=UTC), None, UTC)
    assert [(span.source, span.since.day) for span in spans if span.since] == [
        ("day", 28), ("month", 1), ("day", 1), ("week", 2), ("day", 23),
    ]  # fmt: skip


@given(MOMENTS, MOMENTS, GRAINS, ZONES)
def test_no_cell_is_longer_than_the_grain_nor_of_two_of_its_spans(
    since: datetime, until: datetime, grain: str | None, zone: ZoneInfo
):  # fmt: skip
    for span in spans_of(since, until, grain, zone):
        if grain is None or span.source == "records" or span.since is None or span.until is None:
            continue
        start = span.since
        while start < span.until:
            last = following(span.source, start, zone) - timedelta(seconds=1)
            assert beginning(grain, start, zone) == beginning(grain, last, zone)
            start = following(span.source, start, zone)


def test_changes_are_told_as_the_specification_says():
    def told(current: float | None, previous: float | None) -> tuple[float | None, str]:
        change = change_of("cost_nano", current, previous)
        return change.percentage_change, change.direction

    assert told(150, 100) == (50.0, "up")
    assert told(50, 100) == (-50.0, "down")
    assert told(101, 100) == (1.0, "stable")
    assert told(5, 0) == (None, "up")
    assert told(0, 0) == (None, "stable")
    assert told(7, 7) == (0.0, "stable")
    assert told(99.5, None) == (None, "stable")
