"""Which cells make up a span of time? As few as possible: whole months, then weeks, days, hours, and records at ragged ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec

Grain = Literal["hour", "day", "week", "month"]
Source = Literal["records", "hour", "day", "week", "month"]
_FINER: dict[Source, Source] = {"month": "week", "week": "day", "day": "hour", "hour": "records"}


class Span(msgspec.Struct, frozen=True):
    """From ``since`` (in, None = ever) to ``until`` (out, None = ever), read out of ``source``."""

    source: Source
    since: datetime | None
    until: datetime | None


def spans_of(since: datetime | None, until: datetime | None, grain: Grain | None) -> list[Span]:
    """Disjoint spans that together are the one asked for; no cell is longer than ``grain`` (None = one sum over all)."""
    return _split(grain or "month", since, until, crosses_months=grain != "month")


def _split(source: Source, since: datetime | None, until: datetime | None, *, crosses_months: bool) -> list[Span]:
    """``crosses_months``: whether a week may be taken that is of two months."""
    if since is not None and until is not None and since >= until:
        return []
    if source == "records":
        return [Span(source, since, until)]
    first = None if since is None else beginning(source, since)
    if since is not None and first is not None and first < since:
        first = following(source, first)
    end = None if until is None else beginning(source, until)
    finer = "day" if source == "month" and not crosses_months else _FINER[source]
    if first is not None and end is not None and first >= end:
        return _split(finer, since, until, crosses_months=crosses_months)
    found = [Span(source, first, end)]
    if since is not None and first != since:
        found = _split(finer, since, first, crosses_months=crosses_months) + found
    if until is not None and end != until:
        found = found + _split(finer, end, until, crosses_months=crosses_months)
    return found


def beginning(grain: Grain | Source, at: datetime) -> datetime:
    """The start of the hour, day, ISO week or month that holds ``at`` (UTC)."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    if grain == "hour":
        return hour
    day = hour.replace(hour=0)
    if grain == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if grain == "month" else day


def following(grain: Grain | Source, start: datetime) -> datetime:
    """The start of the next one."""
    if grain == "month":
        return (start + timedelta(days=32)).replace(day=1)
    return start + timedelta(days=7 if grain == "week" else 1) if grain != "hour" else start + timedelta(hours=1)
