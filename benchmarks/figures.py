"""How do rounds become figures? Medians with their smallest and largest value, and ratios of medians."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """A figure over the rounds of one run."""

    median: float
    low: float
    high: float


def percentile(values: Sequence[int], percent: float) -> float:
    """The value that ``percent`` of all do not exceed; 0 without values."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return float(ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)])


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def ratio(part: Spread | None, whole: Spread | None) -> float | None:
    if part is None or whole is None or not whole.median:
        return None
    return part.median / whole.median
