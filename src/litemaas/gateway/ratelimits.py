"""Is there room in this minute, and in parallel? Windows of 60 s from a scope's first request, counted in this process.

All limits of a call are looked at before any is counted, without a wait in between: a refused call uses nothing up, and an
admitted one is never one too many.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil

import msgspec

from litemaas.core.errors import RateLimited
from litemaas.core.limits import RateRule

WINDOW_S = 60.0


class _Counter:
    """What one scope has used in its current window."""

    __slots__ = ("parallel", "requests", "started", "tokens")

    def __init__(self) -> None:
        self.started = float("-inf")
        self.requests = 0
        self.tokens = 0
        self.parallel = 0


class Room(msgspec.Struct, frozen=True):
    """What a limit has left, for the reply's headers. ``kind``: requests, tokens or max_parallel_requests."""

    level: str
    kind: str
    limit: int
    remaining: int


class Ticket:
    """One admitted call; ``close`` gives back its place and corrects its tokens."""

    __slots__ = ("_entries", "_tokens")

    def __init__(self, entries: list[tuple[RateRule, _Counter, float]], tokens: int) -> None:
        self._entries = entries
        self._tokens = tokens

    def close(self, used_tokens: int) -> None:
        for rule, counter, started in self._entries:
            counter.parallel -= 1
            if rule.tpm is not None and counter.started == started:
                counter.tokens += used_tokens - self._tokens

    def room(self) -> list[Room]:
        rooms = []
        for rule, counter, _ in self._entries:
            if rule.rpm is not None:
                rooms.append(Room(rule.level, "requests", rule.rpm, max(0, rule.rpm - counter.requests)))
            if rule.tpm is not None:
                rooms.append(Room(rule.level, "tokens", rule.tpm, max(0, rule.tpm - counter.tokens)))
            if rule.parallel is not None:
                rooms.append(
                    Room(rule.level, "max_parallel_requests", rule.parallel, max(0, rule.parallel - counter.parallel))
                )
        return rooms


class RateLimiter:
    """Counts per scope. ``monotonic`` in seconds; ``now`` only to tell callers when to come back."""

    def __init__(self, monotonic: Callable[[], float], now: Callable[[], datetime]) -> None:
        self._monotonic = monotonic
        self._now = now
        self._counters: dict[str, _Counter] = {}

    def take(self, rules: Sequence[RateRule], tokens: int) -> Ticket:
        """Counts one call with ``tokens`` reserved on every rule, or on none.

        Errors: RateLimited.
        """
        time = self._monotonic()
        entries = []
        for rule in rules:
            counter = self._current(rule, time)
            self._check(rule, counter, tokens, time)
            entries.append((rule, counter, counter.started))
        for rule, counter, _ in entries:
            counter.requests += 1
            counter.parallel += 1
            if rule.tpm is not None:
                counter.tokens += tokens
        return Ticket(entries, tokens)

    def tokens_left(self, rules: Sequence[RateRule]) -> tuple[int | None, bool]:
        """The least that any token limit has left, None without one; and whether all of them are still unused."""
        time = self._monotonic()
        left: int | None = None
        fresh = True
        for rule in rules:
            if rule.tpm is not None:
                used = self._current(rule, time).tokens
                fresh = fresh and used == 0
                rest = rule.tpm - used
                left = rest if left is None else min(left, rest)
        return left, fresh

    def _current(self, rule: RateRule, time: float) -> _Counter:
        counter = self._counters.get(rule.scope)
        if counter is None:
            counter = self._counters[rule.scope] = _Counter()
        if time - counter.started >= WINDOW_S:
            counter.started = time
            counter.requests = counter.tokens = 0
        return counter

    def _check(self, rule: RateRule, counter: _Counter, tokens: int, time: float) -> None:
        if rule.rpm is not None and counter.requests >= rule.rpm:
            raise self._refusal(rule, "requests", rule.rpm, counter.requests, counter, time)
        if rule.tpm is not None and counter.tokens + max(1, tokens) > rule.tpm:
            raise self._refusal(rule, "tokens", rule.tpm, counter.tokens, counter, time)
        if rule.parallel is not None and counter.parallel >= rule.parallel:
            raise self._refusal(rule, "max_parallel_requests", rule.parallel, counter.parallel, counter, time)

    def _refusal(self, rule: RateRule, kind: str, limit: int, used: int, counter: _Counter, time: float) -> RateLimited:
        wait_s = 1 if kind == "max_parallel_requests" else max(1, ceil(counter.started + WINDOW_S - time))
        reset_at = self._now().astimezone(UTC) + timedelta(seconds=wait_s)
        return RateLimited(
            f"Rate limit exceeded for {rule.level}. Limit type: {kind}. Current limit: {limit}, "
            f"Remaining: {max(0, limit - used)}. Limit resets at: {reset_at:%Y-%m-%d %H:%M:%S} UTC",
            rule.level, kind, limit, wait_s, reset_at,
        )  # fmt: skip

    def forget_idle(self) -> None:
        """Drops counters that nobody uses, so that memory follows the callers of the last minute."""
        oldest = self._monotonic() - WINDOW_S
        for scope in [s for s, c in self._counters.items() if not c.parallel and c.started < oldest]:
            del self._counters[scope]
