"""What does ``litemaas bench`` do, in which order, and how does it end?"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec

from litemaas.cli.rehearsal.drive import Turn, rehearse
from litemaas.cli.rehearsal.plan import Plan
from litemaas.cli.rehearsal.report import page
from litemaas.cli.rehearsal.verdict import Verdict, judge

FAIL_ON = ("fail", "warn", "never")


def run(
    url: str, api_key: str, plan: Plan, *, limit_ms: float | None, fail_on: str, html: Path | None, json: Path | None
) -> int:
    """Plays the rehearsal, says and writes its outcome; returns the process's status. Without one answer it is a failure."""
    turns = asyncio.run(rehearse(url, api_key, plan, _progress(plan)))
    verdict = judge(plan, turns, limit_ms)
    print(_summary(verdict))
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(_result(plan, verdict, turns))) + b"\n")
    if html is not None:
        html.write_text(page(plan, verdict, turns, url), encoding="utf-8")
    if fail_on == "never":
        return 0
    return 1 if verdict.fails or (fail_on == "warn" and not verdict.passes) else 0


def _result(plan: Plan, verdict: Verdict, turns: list[Turn]) -> dict[str, object]:
    return {"plan": plan, "result": verdict, "turns": turns}


def _summary(verdict: Verdict) -> str:
    waits = (
        "nothing was answered"
        if verdict.p95_ms is None
        else f"first token after {(verdict.p50_ms or 0) / 1000:.2f} s (p50), {verdict.p95_ms / 1000:.2f} s (p95, "
        f"limit {verdict.p95_threshold_ms / 1000:.0f} s), {(verdict.p99_ms or 0) / 1000:.2f} s (p99)"
    )
    errors = "".join(f"\n  {count} × {kind}" for kind, count in verdict.errors.items())
    return (
        f"{verdict.status}  {waits}\n  {verdict.successful_requests} of {verdict.total_requests} requests answered in "
        f"{verdict.total_time_seconds:.1f} s, {verdict.tokens_per_second:.0f} tokens/s; "
        f"prefix cache {verdict.cache_status}{errors}"
    )


class _Progress:
    def __init__(self, total: int) -> None:
        self._total = total
        self._shown = 0

    def __call__(self, done: int) -> None:
        step = max(1, self._total // 20)
        if done // step > self._shown or done == self._total:
            self._shown = done // step
            print(f"  {done}/{self._total} turns", file=sys.stderr, flush=True)


def _progress(plan: Plan) -> _Progress:
    return _Progress(plan.requests)
