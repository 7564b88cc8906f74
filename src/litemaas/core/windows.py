"""When does a budget begin anew, and how long does a key live? The calendar rules of windows and durations.

Spend belongs to (budget, window start), so a reset is no job: the moment a window ends, the next call counts in the next
one. Windows written in words or in the usual day counts follow the calendar; any other length is counted in equal steps from
00:00 of the day on which the window was set.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

import msgspec

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""The start of the one window of a budget that never resets."""

_AMOUNT = re.compile(r"(\d{1,9})(mo|[smhdwy])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_CALENDAR = {
    "daily": "day", "1d": "day", "24h": "day",
    "weekly": "week", "7d": "week", "1w": "week",
    "monthly": "month", "30d": "month", "1mo": "month",
    "yearly": "year", "1y": "year",
}  # fmt: skip
CALENDAR_WINDOWS = tuple(_CALENDAR)
"""Durations whose windows begin for everybody at the same moment, whenever they were set."""


class Window(msgspec.Struct, frozen=True, gc=False):
    """One span of time in which spend is added up; ``end`` is None when it never resets."""

    start: datetime
    end: datetime | None


FOREVER = Window(EPOCH, None)


def window_at(duration: str | None, at: datetime, set_at: datetime, zone: tzinfo = UTC) -> Window:
    """The budget window that holds ``at``.

    Errors: ValueError when ``duration`` cannot be read (see :func:`check_window`).
    """
    if duration is None:
        return FOREVER
    midnight = _local_midnight(at.astimezone(zone))
    match _CALENDAR.get(duration):
        case "day":
            start, end = midnight, _local_midnight(midnight + timedelta(days=1))
        case "week":
            start = _local_midnight(midnight - timedelta(days=midnight.weekday()))
            end = _local_midnight(start + timedelta(days=7))
        case "month":
            start = midnight.replace(day=1)
            end = add_months(start, 1)
        case "year":
            start = midnight.replace(month=1, day=1)
            end = start.replace(year=start.year + 1)
        case _:
            return _stepped_window(duration, at, set_at, zone)
    return Window(start.astimezone(UTC), end.astimezone(UTC))


def _stepped_window(duration: str, at: datetime, set_at: datetime, zone: tzinfo) -> Window:
    count, unit = _parse(duration)
    if count == 0:
        raise ValueError(f"{duration!r} is not a budget window: it must be longer than nothing")
    anchor = _local_midnight(set_at.astimezone(zone))
    if unit in ("mo", "y"):
        months = count * (12 if unit == "y" else 1)
        first = anchor.replace(day=1)
        local = at.astimezone(zone)
        steps = ((local.year - first.year) * 12 + local.month - first.month) // months
        start = add_months(first, steps * months)
        return Window(start.astimezone(UTC), add_months(start, months).astimezone(UTC))
    if unit in ("d", "w"):
        days = count * (7 if unit == "w" else 1)
        first_day = anchor.date() + (day_of(at, zone) - anchor.date()) // timedelta(days=days) * timedelta(days=days)
        return Window(midnight(first_day, zone), midnight(first_day + timedelta(days=days), zone))
    length = timedelta(seconds=count * _SECONDS[unit])
    begin = anchor.astimezone(UTC)
    start = begin + (at.astimezone(UTC) - begin) // length * length
    return Window(start, start + length)


def midnight(day: date, zone: tzinfo) -> datetime:
    """When a day begins in a zone, in UTC."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def day_of(at: datetime, zone: tzinfo) -> date:
    """On which day a moment is in a zone."""
    return at.astimezone(zone).date()


def month_start(now: datetime, zone: tzinfo) -> datetime:
    """When this month began in a zone, in UTC."""
    return midnight(day_of(now, zone).replace(day=1), zone)


def check_window(duration: str) -> None:
    """Errors: ValueError with words for the caller when a budget window cannot be read."""
    window_at(duration, EPOCH, EPOCH)


def duration_end(duration: str, start: datetime) -> datetime:
    """The instant a key's ``duration`` ends: exact seconds, or the same day N months later.

    Errors: ValueError for words, signs, fractions and missing units.
    """
    count, unit = _parse(duration)
    if unit == "y":
        raise ValueError(f"{duration!r} is not a duration: use a whole number and one of s, m, h, d, w, mo")
    try:
        return add_months(start, count) if unit == "mo" else start + timedelta(seconds=count * _SECONDS[unit])
    except (OverflowError, ValueError) as error:
        raise ValueError(f"{duration!r} is too long a duration") from error


def add_months(start: datetime, months: int) -> datetime:
    """The same day ``months`` later, or that month's last day when it is shorter."""
    index = start.year * 12 + start.month - 1 + months
    year, month = divmod(index, 12)
    for day in range(start.day, start.day - 4, -1):
        try:
            return start.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    raise ValueError(f"{months} months after {start.date()} is not a date")


def _parse(duration: str) -> tuple[int, str]:
    match = _AMOUNT.fullmatch(duration)
    if match is None or not duration.isascii():
        raise ValueError(f"{duration!r} is not a duration: use a whole number and one of s, m, h, d, w, mo, like 30d")
    return int(match[1]), match[2]


def _local_midnight(moment: datetime) -> datetime:
    """Where clocks are put forward at midnight, the moment at which they are. ``fold``: not that of the moment asked about."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
