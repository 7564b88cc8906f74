"""In which time zone do days begin? One of the IANA's names, if days and hours can be told apart in it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_FROM, _UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


@lru_cache(maxsize=16)  # thousands of days are looked at
def zone_of(name: str) -> ZoneInfo:
    """Offsets of half and quarter hours are fine, as long as clocks are moved by whole hours and not back over midnight.

    Errors: ValueError with words for the operator.
    """
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be a time zone's name like Europe/Berlin that this machine knows") from None
    for at, before, after in _changes(zone):
        if (after - before) % _HOUR:
            raise ValueError(
                f"in {name} clocks move by a part of an hour (on {at:%Y-%m-%d}), so hours would overlap; "
                "choose a zone with the same offset and without that"
            )
        repeated_from, repeated_until = (at + after).replace(tzinfo=None), (at + before).replace(tzinfo=None)
        midnight = (repeated_until - timedelta(microseconds=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        if repeated_from <= midnight < repeated_until:
            raise ValueError(
                f"in {name} clocks are put back over midnight (on {at:%Y-%m-%d}), so a day would begin twice; "
                "choose a zone with the same offset and without that, like Etc/GMT+1"
            )
    return zone


def _changes(zone: ZoneInfo) -> Iterator[tuple[datetime, timedelta, timedelta]]:
    """When clocks are changed in these years, with the offsets before and after."""
    at, offset = _FROM, _offset(zone, _FROM)
    while at < _UNTIL:
        following = at + _DAY
        if (after := _offset(zone, following)) != offset:
            low, high = at, following
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) / 2
                low, high = (middle, high) if _offset(zone, middle) == offset else (low, middle)
            yield high.replace(microsecond=0), offset, after
            offset = after
        at = following


def _offset(zone: ZoneInfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()
