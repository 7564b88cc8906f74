"""Is there room in this minute, and in parallel? What every rate limiter promises, and the one that counts in this process.

All limits of a call are looked at before any is counted, without a wait in between: a refused call uses nothing up, and an
admitted one is never one too many. Several workers count together in :mod:`litemaas.gateway.shared_rates`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from litemaas.core.digits import digits
from litemaas.core.errors import RateLimited
from litemaas.core.limits import RateRule

WINDOW_S = 60.0
DESCRIPTORS = {
    "key": "api_key", "key and model": "model_per_key", "customer": "end_user", "member": "team_member",
    "team and model": "model_per_team",
}  # fmt: skip
"""Our words for levels → the words in headers."""


class WhatIsLeft:
    """Writes the header lines of a rule (gateway-api contract 1.4)."""

    __slots__ = ("_places", "_places_text", "_requests", "_requests_text", "_tokens", "_tokens_text")

    def __init__(self, rule: RateRule) -> None:
        level = DESCRIPTORS.get(rule.level, rule.level)
        self._requests = rule.rpm or 0
        self._requests_text = _text_of(level, "requests", rule.rpm)
        self._tokens = rule.tpm or 0
        self._tokens_text = _text_of(level, "tokens", rule.tpm)
        self._places = rule.parallel or 0
        self._places_text = _text_of(level, "max_parallel_requests", rule.parallel)

    def lines(self, requests: int, tokens: int, places: int) -> str:
        """The limits and what is left of each; the numbers are what is used, and count only where there is a limit."""
        lines = ""
        if self._requests_text:
            lines = f"{self._requests_text}{digits(max(0, self._requests - requests))}\r\n"
        if self._tokens_text:
            lines = f"{lines}{self._tokens_text}{digits(max(0, self._tokens - tokens))}\r\n"
        if self._places_text:
            lines = f"{lines}{self._places_text}{digits(max(0, self._places - places))}\r\n"
        return lines


def _text_of(level: str, kind: str, limit: int | None) -> str:
    """Everything before the number that is left; nothing where there is no limit."""
    if limit is None:
        return ""
    return f"x-ratelimit-{level}-limit-{kind}: {limit}\r\nx-ratelimit-{level}-remaining-{kind}: "


Counted = tuple[RateRule, Any, WhatIsLeft]
"""A rule, what its limiter counts of its scope, and who writes its header lines.

What is counted says ``forgotten`` once it was dropped; who still has it must ask again.
"""


class Ticket:
    """One admitted call. (A base class, not a protocol: compiled code calls its methods without looking them up.)"""

    __slots__ = ()

    def close(self, used_tokens: int) -> None:
        """Gives back its place and corrects its tokens."""
        raise NotImplementedError

    def header_lines(self) -> str:
        """What is left of each limit, this call included (gateway-api contract 1.4)."""
        raise NotImplementedError


class RateLimiter:
    """Counts per scope, windows of 60 s from a scope's first request."""

    def counters(self, rules: Sequence[RateRule]) -> list[Counted]:
        """Each rule with what is counted of its scope, to be kept until that is forgotten."""
        raise NotImplementedError

    def take(self, entries: Sequence[Counted], tokens: int) -> Ticket | None:
        """Counts one call with ``tokens`` reserved on every rule, or on none. None: it takes a closer look.

        Errors: RateLimited when requests or parallel calls are used up for certain.
        """
        raise NotImplementedError

    async def draw(self, entries: Sequence[Counted], tokens: int) -> None:
        """Gets what a call with ``tokens`` lacks in this process, if it is to be had. Fails: never; ``take`` says the rest."""
        raise NotImplementedError

    def tokens_left(self, entries: Sequence[Counted]) -> tuple[int, bool]:
        """The least that any token limit has left, and whether all of them are still unused, as far as known."""
        raise NotImplementedError

    def refusal(self, entries: Sequence[Counted], tokens: int) -> RateLimited:
        """Why a call that was drawn for could not be taken."""
        raise NotImplementedError

    def forget_idle(self) -> None:
        """Drops what nobody uses, so that memory follows the callers of the last minute."""
        raise NotImplementedError


class Counter:
    """What one scope has used in its current window."""

    __slots__ = ("forgotten", "parallel", "requests", "started", "tokens")

    def __init__(self) -> None:
        self.started = float("-inf")
        self.requests = 0
        self.tokens = 0
        self.parallel = 0
        self.forgotten = False


class LocalTicket(Ticket):
    """One admitted call."""

    __slots__ = ("_entries", "_time", "_tokens")

    def __init__(self, entries: Sequence[Counted], tokens: int, time: float) -> None:
        self._entries = entries
        self._tokens = tokens
        self._time = time

    def close(self, used_tokens: int) -> None:
        for rule, counted, _ in self._entries:
            counter: Counter = counted
            counter.parallel -= 1
            if rule.tpm is not None and counter.started <= self._time:  # else the window it was counted in is over
                counter.tokens += used_tokens - self._tokens

    def header_lines(self) -> str:
        lines = ""
        for _, counted, what_is_left in self._entries:
            counter: Counter = counted
            lines += what_is_left.lines(counter.requests, counter.tokens, counter.parallel)
        return lines


def refusal_of(rule: RateRule, kind: str, limit: int, used: int, wait_s: float, now: datetime) -> RateLimited:
    """The refusal that a caller reads; ``wait_s`` from ``now`` until another try makes sense."""
    wait = max(1, ceil(wait_s))
    reset_at = now.astimezone(UTC) + timedelta(seconds=wait)
    return RateLimited(
        f"Rate limit exceeded for {rule.level}. Limit type: {kind}. Current limit: {limit}, "
        f"Remaining: {max(0, limit - used)}. Limit resets at: {reset_at:%Y-%m-%d %H:%M:%S} UTC",
        rule.level, kind, limit, wait, reset_at,
    )  # fmt: skip


class LocalRates(RateLimiter):
    """Counts in this process. ``monotonic`` in seconds; ``now`` only to tell callers when to come back."""

    def __init__(self, monotonic: Callable[[], float], now: Callable[[], datetime]) -> None:
        self._monotonic = monotonic
        self._now = now
        self._counters: dict[str, Counter] = {}

    def counters(self, rules: Sequence[RateRule]) -> list[Counted]:
        return [(rule, self._counters.setdefault(rule.scope, Counter()), WhatIsLeft(rule)) for rule in rules]

    def take(self, entries: Sequence[Counted], tokens: int) -> LocalTicket | None:
        time = self._monotonic()
        for rule, counted, _ in entries:
            counter: Counter = counted
            if time - counter.started >= WINDOW_S:
                counter.started = time
                counter.requests = counter.tokens = 0
            if rule.rpm is not None and counter.requests >= rule.rpm:
                raise self._refusal(rule, "requests", rule.rpm, counter.requests, counter, time)
            if rule.tpm is not None and counter.tokens + tokens > rule.tpm:
                return None
            if rule.parallel is not None and counter.parallel >= rule.parallel:
                raise self._refusal(rule, "max_parallel_requests", rule.parallel, counter.parallel, counter, time)
        for _, counted, _ in entries:
            counter = counted
            counter.requests += 1
            counter.parallel += 1
            counter.tokens += tokens
        return LocalTicket(entries, tokens, time)

    async def draw(self, entries: Sequence[Counted], tokens: int) -> None:
        """All that there is, is here already."""

    def refusal(self, entries: Sequence[Counted], tokens: int) -> RateLimited:
        """The refusal for tokens that do not fit: ``take`` raises every other by itself."""
        time = self._monotonic()
        rule, counter, _ = min(
            (entry for entry in entries if entry[0].tpm is not None),
            key=lambda entry: (entry[0].tpm or 0) - entry[1].tokens - tokens,
        )
        return self._refusal(rule, "tokens", rule.tpm or 0, counter.tokens, counter, time)

    def tokens_left(self, entries: Sequence[Counted]) -> tuple[int, bool]:
        time = self._monotonic()
        left, fresh = 2**62, True
        for rule, counter, _ in entries:
            if rule.tpm is not None:
                used = counter.tokens if time - counter.started < WINDOW_S else 0
                fresh = fresh and used == 0
                left = min(left, rule.tpm - used)
        return left, fresh

    def _refusal(self, rule: RateRule, kind: str, limit: int, used: int, counter: Counter, time: float) -> RateLimited:
        wait_s = 1 if kind == "max_parallel_requests" else counter.started + WINDOW_S - time
        return refusal_of(rule, kind, limit, used, wait_s, self._now())

    def forget_idle(self) -> None:
        oldest = self._monotonic() - WINDOW_S
        for scope in [s for s, c in self._counters.items() if not c.parallel and c.started < oldest]:
            self._counters.pop(scope).forgotten = True
