"""Which days are asked for, and which are they compared with? Dates are inclusive; days are of the installation's zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo

import msgspec

from litemaas.control.http.refusals import DateRangeTooLarge, InvalidDateRange
from litemaas.core.windows import midnight

USUAL_DAYS = 30
_SUGGESTED = (7, 30, 60, 90, 180, 365)
_MOST_SUGGESTED = 4


class Days(msgspec.Struct, frozen=True):
    """From ``first`` to ``last``, both in. ``complete``: no call can be added any more."""

    first: date
    last: date
    complete: bool
    zone: tzinfo = UTC

    @property
    def count(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def since(self) -> datetime:
        return midnight(self.first, self.zone)

    @property
    def until(self) -> datetime:
        """Out: the midnight after the last day."""
        return midnight(self.last + timedelta(days=1), self.zone)

    def before(self) -> Days:
        """The same number of days immediately before; what has passed is complete."""
        last = self.first - timedelta(days=1)
        return Days(last - timedelta(days=self.count - 1), last, complete=True, zone=self.zone)


def days_of(start: date | None, end: date | None, today: date, most: int, zone: tzinfo) -> Days:
    """The last 30 days if nothing is asked for; an end to come is cut to today.

    Errors: InvalidDateRange; DateRangeTooLarge with ranges that would do.
    """
    last = min(end or today, today)
    first = start or last - timedelta(days=USUAL_DAYS - 1)
    if start is not None and end is not None and start > end:
        raise InvalidDateRange("start_date must not come after end_date.")
    if first > last:
        raise InvalidDateRange("start_date must not come after today.")
    days = Days(first, last, complete=last < today, zone=zone)
    if days.count > most:
        fitting = [n for n in _SUGGESTED if n <= most][-_MOST_SUGGESTED:]
        ranges = ", ".join(f"{last - timedelta(days=n - 1)} to {last}" for n in fitting)
        raise DateRangeTooLarge(f"{days.count} days are more than the {most} allowed. These would do: {ranges}.")
    return days
