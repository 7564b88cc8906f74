"""Which cells make up a span of time? As few as possible: whole months, then weeks, days, hours, and records at ragged ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal

import msgspec

from litemaas.core.windows import day_of, midnight

Grain = Literal["hour", "day", "week", "month"]
Source = Literal["records", "hour", "day", "week", "month"]
_FINER: dict[Source, Source] = {"month": "week", "week": "day", "day": "hour", "hour": "records"}


class Span(msgspec.Struct, frozen=True):
    """From ``since`` (in, None = ever) to ``until`` (out, None = ever), read out of ``source``."""

    source: Source
    since: datetime | None
    until: datetime | None


def spans_of(since: datetime | None, until: datetime | None, grain: Grain | None, zone: tzinfo) -> list[Span]:
    """Disjoint spans that together are the one asked for; no cell is longer than ``grain`` (None = one sum over all)."""
    return _split(grain or "month", since, until, zone, crosses_months=grain != "month")


def _split(
    source: Source, since: datetime | None, until: datetime | None, zone: tzinfo, *, crosses_months: bool
) -> list[Span]:  # fmt: skip
    """``crosses_months``: whether a week may be taken that is of two months."""
    if since is not None and until is not None and since >= until:
        return []
    if source == "records":
        return [Span(source, since, until)]
    first = None if since is None else beginning(source, since, zone)
    if since is not None and first is not None and first < since:
        first = following(source, first, zone)
    end = None if until is None else beginning(source, until, zone)
    finer = "day" if source == "month" and not crosses_months else _FINER[source]
    if first is not None and end is not None and first >= end:
        return _split(finer, since, until, zone, crosses_months=crosses_months)
    found = [Span(source, first, end)]
    if since is not None and first != since:
        found = _split(finer, since, first, zone, crosses_months=crosses_months) + found
    if until is not None and end != until:
        found = found + _split(finer, end, until, zone, crosses_months=crosses_months)
    return found


def beginning(grain: Grain | Source, at: datetime, zone: tzinfo) -> datetime:
    """The start of the hour, day, ISO week or month that holds ``at`` in a zone, in UTC."""
    if grain == "hour":
        offset = at.astimezone(zone).utcoffset() or timedelta()
        return (at.astimezone(UTC) + offset).replace(minute=0, second=0, microsecond=0) - offset
    day = day_of(at, zone)
    if grain == "week":
        day -= timedelta(days=day.weekday())
    return midnight(day.replace(day=1) if grain == "month" else day, zone)


def following(grain: Grain | Source, start: datetime, zone: tzinfo) -> datetime:
    """The start of the next one, in UTC."""
    if grain == "hour":
        return start + timedelta(hours=1)
    day = day_of(start, zone)
    if grain == "month":
        return midnight((day + timedelta(days=32)).replace(day=1), zone)
    return midnight(day + timedelta(days=7 if grain == "week" else 1), zone)
