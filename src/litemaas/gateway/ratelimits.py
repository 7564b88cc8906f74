"""Is there room in this minute, and in parallel? Windows of 60 s from a scope's first request, counted in this process.

All limits of a call are looked at before any is counted, without a wait in between: a refused call uses nothing up, and an
admitted one is never one too many.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil

from litemaas.core.errors import RateLimited
from litemaas.core.limits import RateRule

WINDOW_S = 60.0
DESCRIPTORS = {"key": "api_key", "key and model": "model_per_key"}
"""Our words for levels → the words in headers."""


class Counter:
    """What one scope has used in its current window. ``forgotten``: it was dropped; who still has it must ask again."""

    __slots__ = ("forgotten", "parallel", "requests", "started", "tokens")

    def __init__(self) -> None:
        self.started = float("-inf")
        self.requests = 0
        self.tokens = 0
        self.parallel = 0
        self.forgotten = False


Counted = tuple[RateRule, Counter, str]
"""A rule, what its scope has used, and the template of its header lines."""


class Ticket:
    """One admitted call; ``close`` gives back its place and corrects its tokens."""

    __slots__ = ("_entries", "_time", "_tokens")

    def __init__(self, entries: Sequence[Counted], tokens: int, time: float) -> None:
        self._entries = entries
        self._tokens = tokens
        self._time = time

    def close(self, used_tokens: int) -> None:
        for rule, counter, _ in self._entries:
            counter.parallel -= 1
            if rule.tpm is not None and counter.started <= self._time:  # else the window it was counted in is over
                counter.tokens += used_tokens - self._tokens

    def header_lines(self) -> str:
        """What is left of each limit, this call included (gateway-api contract 1.4)."""
        lines = ""
        for rule, counter, template in self._entries:
            left: list[int] = []
            if rule.rpm is not None:
                left.append(rule.rpm - counter.requests)
            if rule.tpm is not None:
                left.append(rule.tpm - counter.tokens)
            if rule.parallel is not None:
                left.append(rule.parallel - counter.parallel)
            if min(left) < 0:
                left = [max(0, number) for number in left]
            lines += template % tuple(left)
        return lines


def _header_template(rule: RateRule) -> str:
    """The header lines of a rule, but for the numbers that are left."""
    name = DESCRIPTORS.get(rule.level, rule.level).replace("%", "")
    limits = (("requests", rule.rpm), ("tokens", rule.tpm), ("max_parallel_requests", rule.parallel))
    return "".join(
        f"x-ratelimit-{name}-limit-{kind}: {limit}\r\nx-ratelimit-{name}-remaining-{kind}: %d\r\n"
        for kind, limit in limits
        if limit is not None
    )


class RateLimiter:
    """Counts per scope. ``monotonic`` in seconds; ``now`` only to tell callers when to come back."""

    def __init__(self, monotonic: Callable[[], float], now: Callable[[], datetime]) -> None:
        self._monotonic = monotonic
        self._now = now
        self._counters: dict[str, Counter] = {}

    def counters(self, rules: Sequence[RateRule]) -> list[Counted]:
        """Each rule with its scope's counter, to be kept until that is forgotten."""
        return [(rule, self._counters.setdefault(rule.scope, Counter()), _header_template(rule)) for rule in rules]

    def take(self, entries: Sequence[Counted], tokens: int) -> Ticket | None:
        """Counts one call with ``tokens`` reserved on every rule, or on none. None: the tokens do not fit.

        Errors: RateLimited when requests or parallel calls are used up.
        """
        time = self._monotonic()
        for rule, counter, _ in entries:
            if time - counter.started >= WINDOW_S:
                counter.started = time
                counter.requests = counter.tokens = 0
            if rule.rpm is not None and counter.requests >= rule.rpm:
                raise self._refusal(rule, "requests", rule.rpm, counter.requests, counter, time)
            if rule.tpm is not None and counter.tokens + tokens > rule.tpm:
                return None
            if rule.parallel is not None and counter.parallel >= rule.parallel:
                raise self._refusal(rule, "max_parallel_requests", rule.parallel, counter.parallel, counter, time)
        for _, counter, _ in entries:
            counter.requests += 1
            counter.parallel += 1
            counter.tokens += tokens
        return Ticket(entries, tokens, time)

    def refuse_tokens(self, entries: Sequence[Counted], tokens: int) -> RateLimited:
        """The refusal for tokens that do not fit."""
        time = self._monotonic()
        rule, counter = min(
            ((r, c) for r, c, _ in entries if r.tpm is not None),
            key=lambda entry: (entry[0].tpm or 0) - entry[1].tokens - tokens,
        )
        return self._refusal(rule, "tokens", rule.tpm or 0, counter.tokens, counter, time)

    def tokens_left(self, entries: Sequence[Counted]) -> tuple[int, bool]:
        """The least that any token limit has left, and whether all of them are still unused."""
        time = self._monotonic()
        left, fresh = 2**62, True
        for rule, counter, _ in entries:
            if rule.tpm is not None:
                used = counter.tokens if time - counter.started < WINDOW_S else 0
                fresh = fresh and used == 0
                left = min(left, rule.tpm - used)
        return left, fresh

    def _refusal(self, rule: RateRule, kind: str, limit: int, used: int, counter: Counter, time: float) -> RateLimited:
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
            self._counters.pop(scope).forgotten = True
