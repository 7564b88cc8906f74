"""What is added up of usage records? Measures per hour, day, week and month, by what the calls have in common.

A *cell* is one span of time with one combination of dimensions. Ten cubes keep the same calls: ``full`` by all dimensions,
``model`` without who asked, ``key`` without what served, ``caller`` of these only whether they called, ``user`` and ``team`` by
that alone, ``payer`` by who pays for which model, ``demand`` by which people use which model, ``key_demand`` by which keys
call which model, ``total`` without all of these; a smaller one answers sooner if it can.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

ASKED = ("key_hash", "user_id", "team_id")
PAID = ("cost_centre", "workshop")
"""Who paid at the moment of the call; in no record, but found when its delta is folded (see ``db/payers.py``)."""
SERVED = ("model", "deployment_id", "provider", "engine_model", "endpoint")
ENDED = ("status", "error_code")
DIMENSIONS = ASKED + SERVED + ENDED + PAID
"""What cells are told apart by. A call without a known key has no model here: what strangers write is not added up."""
GRAINS = ("hour", "day", "week", "month")
"""Spans of a cell, in the installation's time zone; weeks begin on Monday."""
CUBES: dict[str, tuple[str, ...]] = {
    "total": ENDED,
    "team": ("team_id", *ENDED, *PAID),
    "model": SERVED + ENDED,
    "payer": ("model", "provider", *ENDED, *PAID),
    "user": ("user_id", *ENDED, *PAID),
    "caller": (*ASKED, "status", *PAID),
    "key": ASKED + ENDED + PAID,
    "demand": ("user_id", "team_id", "model", "provider", *ENDED, *PAID),
    "key_demand": (*ASKED, "model", "provider", "status", *PAID),
    "full": DIMENSIONS,
}
"""The smallest first: there are fewer teams than models, and fewer people than keys."""
_REFUSED_OR_CALLED = {"status": "CASE WHEN status = 'refused' THEN 'refused' ELSE 'called' END"}
COARSE = {"caller": _REFUSED_OR_CALLED, "key_demand": _REFUSED_OR_CALLED}
"""Cubes that tell less of a dimension, and what of it: keys are many, and most questions only ask whether they called."""
_DAYS_ONLY = {"payer", "caller", "demand", "key_demand"}
"""Questions about them are about days; of an hour they have about as many cells as ``full``."""

MEASURES = (
    "calls", "estimated_calls", "prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens",
    "reasoning_tokens", "pages", "cost_nano", "input_cost_nano", "output_cost_nano", "duration_us", "ttft_us", "ttft_calls",
)  # fmt: skip
"""Sums over a cell's calls; ``estimated_calls``: not counted by the engine; ``ttft_calls``: those of which an answer began."""

BOUNDS_US = tuple(round(2_000 * 1.5**step) for step in range(32))
"""Where a bucket of the latency histograms ends and the next begins: from 2 ms to 9.6 minutes, each half as large again."""
BUCKETS = len(BOUNDS_US) + 1
DURATION_BUCKETS = tuple(f"d{bucket:02}" for bucket in range(BUCKETS))
TTFT_BUCKETS = tuple(f"t{bucket:02}" for bucket in range(BUCKETS))
"""Numbers of successful calls by duration, and by time to first token; null = none."""


def measures_of(cube: str) -> tuple[str, ...]:
    """The sums that each cell of ``cube`` holds. Those that do not know how calls ended have no latencies of good ones."""
    return MEASURES if cube in COARSE else (*MEASURES, *DURATION_BUCKETS, *TTFT_BUCKETS)


def grains_of(cube: str) -> tuple[str, ...]:
    """The spans of which ``cube`` keeps cells; what lies between is read of a larger cube."""
    return GRAINS[1:] if cube in _DAYS_ONLY else GRAINS


EVERY_ROLLUP = tuple((cube, grain) for cube in CUBES for grain in grains_of(cube))


def rollup_table(cube: str, grain: str) -> str:
    """The table that holds the cells of ``cube`` per ``grain``."""
    return f"usage_{cube}_{grain}s"


def told_by(cube: str, dimension: str) -> str:
    """The SQL over a delta that says what ``cube`` tells of ``dimension``."""
    return COARSE.get(cube, {}).get(dimension, dimension)


def dimension_table(cube: str) -> str:
    """The table that holds each combination of dimensions that occurs in ``cube``."""
    return f"usage_{cube}_dimensions"


def percentile(counts: Sequence[int], share: float) -> int | None:
    """The latency that ``share`` (above 0, at most 1) of the calls in a histogram do not exceed; None without calls.

    Units: microseconds. Right to the bucket; inside one, calls are taken as evenly spread.
    """
    total = sum(counts)
    if total == 0:
        return None
    rank = share * total
    reached = list(accumulate(counts))
    bucket = bisect_left(reached, rank)
    low = BOUNDS_US[bucket - 1] if bucket else 0
    high = BOUNDS_US[bucket] if bucket < len(BOUNDS_US) else low * 3 // 2
    before = reached[bucket] - counts[bucket]
    return round(low + (high - low) * (rank - before) / counts[bucket])
