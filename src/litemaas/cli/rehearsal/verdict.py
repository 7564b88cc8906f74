"""Does it hold? Time to the first token against a limit for so many people, and what the prefix cache gains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import ceil

import msgspec

from litemaas.cli.rehearsal.drive import Turn
from litemaas.cli.rehearsal.plan import Plan

SPEEDUP = 1.5


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Units: milliseconds; null where nothing was answered. ``speedup_ratio``: first turn over later turns."""

    status: str
    cache_status: str
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    mean_ms: float | None
    first_turn_p50_ms: float | None
    later_turns_p50_ms: float | None
    speedup_ratio: float | None
    p95_threshold_ms: float
    total_requests: int
    successful_requests: int
    errors: dict[str, int]
    output_tokens: int
    tokens_per_second: float
    total_time_seconds: float
    requests_per_second: float

    @property
    def passes(self) -> bool:
        return self.status.startswith("PASS")

    @property
    def fails(self) -> bool:
        return self.status.startswith("FAIL")


def usual_limit_ms(people: int) -> float:
    """The longest that one in twenty may wait (issue: 15 s up to 30 people, 30 s up to 60, 60 s above)."""
    return 15_000.0 if people <= 30 else 30_000.0 if people <= 60 else 60_000.0


def judge(plan: Plan, turns: Sequence[Turn], limit_ms: float | None = None, speedup: float = SPEEDUP) -> Verdict:
    limit = limit_ms if limit_ms is not None else usual_limit_ms(plan.people)
    good = [turn for turn in turns if turn.ttft_ms is not None]
    waits = sorted(turn.ttft_ms for turn in good if turn.ttft_ms is not None)
    first = sorted(turn.ttft_ms for turn in good if turn.turn == 0 and turn.ttft_ms is not None)
    later = sorted(turn.ttft_ms for turn in good if turn.turn > 0 and turn.ttft_ms is not None)
    p95 = percentile(waits, 0.95)
    ratio = _ratio(percentile(first, 0.5), percentile(later, 0.5))
    took = max((turn.began_s + turn.total_ms / 1000 for turn in turns), default=0.0)
    tokens = sum(turn.tokens for turn in good)
    return Verdict(
        status=_status(p95, limit, len(turns) - len(good), len(turns)), cache_status=_cache(ratio, speedup),
        p50_ms=percentile(waits, 0.5), p95_ms=p95, p99_ms=percentile(waits, 0.99),
        mean_ms=round(sum(waits) / len(waits), 2) if waits else None, first_turn_p50_ms=percentile(first, 0.5),
        later_turns_p50_ms=percentile(later, 0.5), speedup_ratio=ratio, p95_threshold_ms=limit, total_requests=len(turns),
        successful_requests=len(good), errors=dict(Counter(turn.error for turn in turns if turn.error is not None)),
        output_tokens=tokens, tokens_per_second=round(tokens / took, 2) if took else 0.0,
        total_time_seconds=round(took, 2), requests_per_second=round(len(turns) / took, 3) if took else 0.0,
    )  # fmt: skip


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The value that ``share`` of the calls do not exceed (nearest rank); None without calls."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None


def _status(p95: float | None, limit: float, failed: int, asked: int) -> str:
    """Who gets no answer waits for ever: one in twenty that fails is as bad as a p95 above all limits."""
    if p95 is None or failed * 20 > asked or p95 >= 2 * limit:
        return "FAIL ✗"
    return "PASS ✓" if p95 < limit and not failed else "WARN ⚠"


def _cache(ratio: float | None, threshold: float) -> str:
    if ratio is None:
        return "UNKNOWN"
    return "EXCELLENT ✓" if ratio > 1.5 * threshold else "GOOD ✓" if ratio > threshold else "POOR ✗"


def _ratio(first: float | None, later: float | None) -> float | None:
    return round(first / later, 3) if first and later else None
