"""What is measured? JSON and streams at several degrees of parallelism, in short rounds that take turns."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["json", "sse"]
Load = Literal["own", "wrk"]


class Case(NamedTuple):
    """One load. ``parallel``: connections that always have one call under way."""

    kind: Kind
    parallel: int

    @property
    def title(self) -> str:
        return f"JSON, {self.parallel} connections" if self.kind == "json" else f"SSE, {self.parallel} streams"


class Plan(NamedTuple):
    """``tries``: how often a round is repeated when something else took its core meanwhile. ``load``: what loads JSON."""

    cases: tuple[Case, ...]
    rounds: int
    seconds: float
    warm_up_s: float
    tries: int
    load: Load
    most_calls: int = 1_000_000


_CASES = (Case("json", 1), Case("json", 8), Case("json", 64), Case("sse", 8), Case("sse", 32))


def make_plan(*, quick: bool, only: str | None, load: Load) -> Plan:
    cases = tuple(case for case in _CASES if only in (None, case.kind))
    if only == "rss":
        cases = (Case("json", 64), Case("sse", 32))
    if quick or only == "rss":
        return Plan(cases, rounds=3, seconds=1, warm_up_s=1, tries=1, load=load)
    return Plan(cases, rounds=5, seconds=2, warm_up_s=1, tries=2, load=load)
