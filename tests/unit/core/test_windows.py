"""Do windows and durations follow the calendar rules of the contract, row by row?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemaas.core.windows import FOREVER, Window, check_window, duration_end, window_at

NOW = datetime(2026, 11, 23, 19, 1, 10, tzinfo=UTC)  # a Monday


@pytest.mark.parametrize(
    ("duration", "reset"),
    [
        ("daily", "2026-11-24 00:00"), ("1d", "2026-11-24 00:00"), ("24h", "2026-11-24 00:00"),
        ("weekly", "2026-11-30 00:00"), ("7d", "2026-11-30 00:00"), ("1w", "2026-11-30 00:00"),
        ("monthly", "2026-12-01 00:00"), ("30d", "2026-12-01 00:00"), ("1mo", "2026-12-01 00:00"),
        ("2mo", "2027-01-01 00:00"), ("yearly", "2027-01-01 00:00"), ("1y", "2027-01-01 00:00"),
        ("30s", "2026-11-23 19:01:30"), ("5m", "2026-11-23 19:05"), ("1h", "2026-11-23 20:00"),
        ("36h", "2026-11-24 12:00"), ("48h", "2026-11-25 00:00"), ("10d", "2026-12-03 00:00"), ("2w", "2026-12-07 00:00"),
        ("45d", "2027-01-07 00:00"), ("720h", "2026-12-23 00:00"),
    ],
)  # fmt: skip
def test_a_budget_begins_anew_when_the_contract_says(duration: str, reset: str) -> None:
    window = window_at(duration, NOW, NOW)

    assert window.end == datetime.fromisoformat(reset).replace(tzinfo=UTC)
    assert window.start <= NOW < window.end


def test_without_a_duration_a_budget_never_begins_anew() -> None:
    assert window_at(None, NOW, NOW) == FOREVER


@pytest.mark.parametrize("text", ["", "0d", "-1d", "1.5h", "30", "d", "fortnight", "1 d", "1D", "١d", "30d ", "1e3s"])
def test_a_window_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        check_window(text)


@given(
    st.sampled_from(["daily", "weekly", "monthly", "yearly", "5m", "36h", "10d", "3mo", "2y"]),
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds are naive
)
def test_windows_follow_one_another_without_a_gap(duration: str, at: datetime) -> None:
    zone = ZoneInfo("Europe/Berlin")
    window = window_at(duration, at, NOW, zone)
    assert window.end is not None
    assert window.start <= at < window.end
    following = window_at(duration, window.end, NOW, zone)
    assert following.start == window.end
    assert window_at(duration, window.end - timedelta(microseconds=1), NOW, zone) == window


@pytest.mark.parametrize(
    ("duration", "end"),
    [
        ("0s", NOW),
        ("30s", NOW + timedelta(seconds=30)), ("720h", NOW + timedelta(days=30)), ("30d", NOW + timedelta(days=30)),
        ("2w", NOW + timedelta(days=14)), ("1mo", NOW.replace(month=12)),
    ],
)  # fmt: skip
def test_a_duration_is_exact_from_now(duration: str, end: datetime) -> None:
    assert duration_end(duration, NOW) == end


def test_a_month_ends_on_its_last_day_where_the_day_is_missing() -> None:
    assert duration_end("1mo", datetime(2027, 1, 31, tzinfo=UTC)) == datetime(2027, 2, 28, tzinfo=UTC)


@pytest.mark.parametrize("text", ["-1d", "1y", "1.5d", "soon", "12", "999999999w"])
def test_a_duration_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        duration_end(text, NOW)


def _local(window: Window, zone: ZoneInfo) -> tuple[str, str]:
    assert window.end is not None
    return tuple(f"{at.astimezone(zone):%Y-%m-%d %H:%M}" for at in (window.start, window.end))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("zone", "at", "duration", "begins", "ends", "hours"),
    [
        # Clocks go forward on 2026-03-29 and back on 2026-10-25 in Berlin.
        ("Europe/Berlin", "2026-03-29T12:00Z", "daily", "2026-03-29 00:00", "2026-03-30 00:00", 23),
        ("Europe/Berlin", "2026-10-25T00:30Z", "daily", "2026-10-25 00:00", "2026-10-26 00:00", 25),
        ("Europe/Berlin", "2026-10-25T01:30Z", "daily", "2026-10-25 00:00", "2026-10-26 00:00", 25),
        ("Europe/Berlin", "2026-10-31T22:59Z", "monthly", "2026-10-01 00:00", "2026-11-01 00:00", 745),
        ("Europe/Berlin", "2026-10-31T23:00Z", "monthly", "2026-11-01 00:00", "2026-12-01 00:00", 720),
        ("Europe/Berlin", "2026-03-29T22:30Z", "weekly", "2026-03-30 00:00", "2026-04-06 00:00", 168),
        ("Europe/Berlin", "2026-12-31T23:30Z", "yearly", "2027-01-01 00:00", "2028-01-01 00:00", 8760),
        ("Asia/Kolkata", "2026-11-23T18:30Z", "daily", "2026-11-24 00:00", "2026-11-25 00:00", 24),
        ("Asia/Kolkata", "2026-11-23T18:29Z", "daily", "2026-11-23 00:00", "2026-11-24 00:00", 24),
        # Clocks go forward at midnight: the day begins at 01:00.
        ("America/Santiago", "2026-09-06T12:00Z", "daily", "2026-09-06 01:00", "2026-09-07 00:00", 23),
        # The hour before midnight comes twice.
        ("America/Santiago", "2026-04-05T03:30Z", "daily", "2026-04-04 00:00", "2026-04-05 00:00", 25),
        # Days that are counted from the day it was set (23 March) stay whole days when clocks move.
        ("Europe/Berlin", "2026-04-03T12:00Z", "10d", "2026-04-02 00:00", "2026-04-12 00:00", 240),
        ("Europe/Berlin", "2026-04-01T12:00Z", "10d", "2026-03-23 00:00", "2026-04-02 00:00", 239),
    ],
)  # fmt: skip
def test_calendar_windows_follow_the_zone_through_changes_of_its_clocks(
    zone: str, at: str, duration: str, begins: str, ends: str, hours: int
) -> None:
    set_at = datetime(2026, 3, 23, 19, 1, tzinfo=UTC)
    window = window_at(duration, datetime.fromisoformat(at), set_at, where := ZoneInfo(zone))

    assert _local(window, where) == (begins, ends)
    assert window.end - window.start == timedelta(hours=hours)


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 - with the zone beside it
    st.sampled_from(["daily", "weekly", "monthly", "2mo", "10d", "36h", "5m"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/Santiago", "Asia/Kathmandu", "Pacific/Auckland"]),
)
def test_windows_of_any_zone_follow_one_another_without_gap(at: datetime, duration: str, name: str) -> None:
    zone = ZoneInfo(name)
    window = window_at(duration, at, NOW, zone)

    assert window.end is not None
    assert window.start <= at < window.end
    assert window_at(duration, window.end, NOW, zone).start == window.end
    assert window_at(duration, window.start, NOW, zone) == window
