"""Is a limit never passed by one, and does a refused call use nothing up?"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemaas.core.errors import RateLimited
from litemaas.core.limits import RateRule
from litemaas.gateway.ratelimits import LocalRates, LocalTicket


class Time:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def limiter(time: Time) -> LocalRates:
    return LocalRates(time, lambda: datetime(2026, 11, 25, 12, tzinfo=UTC))


def test_as_many_requests_pass_as_allowed_and_then_the_next_minute(limiter: LocalRates, time: Time) -> None:
    entries = limiter.counters([RateRule("k", "key", rpm=2)])
    assert limiter.take(entries, 0)
    assert limiter.take(entries, 0)
    for _ in range(5):
        with pytest.raises(RateLimited) as refusal:
            limiter.take(entries, 0)
    assert refusal.value.retry_after_s == 60

    time.now_s += 60
    assert limiter.take(entries, 0)
    assert limiter.take(entries, 0)


def test_a_call_that_one_level_refuses_is_counted_on_none(limiter: LocalRates) -> None:
    entries = limiter.counters([RateRule("a", "key", rpm=9), RateRule("b", "team", rpm=0)])

    with pytest.raises(RateLimited):
        limiter.take(entries, 5)

    assert [counter.requests for _, counter, _ in entries] == [0, 0]


def test_reserved_tokens_are_corrected_by_what_was_used(limiter: LocalRates) -> None:
    entries = limiter.counters([RateRule("k", "key", tpm=100)])
    ticket = limiter.take(entries, 80)
    assert ticket is not None
    assert limiter.take(entries, 30) is None

    ticket.close(10)

    assert limiter.tokens_left(entries) == (90, False)
    assert limiter.take(entries, 90) is not None


def test_a_call_that_ends_in_the_next_minute_does_not_lower_its_count(limiter: LocalRates, time: Time) -> None:
    entries = limiter.counters([RateRule("k", "key", tpm=100)])
    early = limiter.take(entries, 80)
    assert early is not None
    time.now_s += 61
    limiter.take(entries, 50)

    early.close(5)

    assert limiter.tokens_left(entries) == (50, False)


def test_places_in_parallel_come_back(limiter: LocalRates, time: Time) -> None:
    entries = limiter.counters([RateRule("k", "key", parallel=1)])
    ticket = limiter.take(entries, 0)
    assert ticket is not None
    time.now_s += 3600
    with pytest.raises(RateLimited):
        limiter.take(entries, 0)

    ticket.close(0)

    assert limiter.take(entries, 0)


def test_a_counter_that_was_forgotten_says_so_and_one_in_use_is_kept(limiter: LocalRates, time: Time) -> None:
    idle = limiter.counters([RateRule("idle", "key", rpm=1)])
    busy = limiter.counters([RateRule("busy", "key", rpm=1)])
    ticket = limiter.take(idle, 0)
    assert ticket is not None
    ticket.close(0)
    limiter.take(busy, 0)
    time.now_s += 120

    limiter.forget_idle()

    assert [idle[0][1].forgotten, busy[0][1].forgotten] == [True, False]


def test_headers_name_each_limit_and_never_a_negative_rest(limiter: LocalRates) -> None:
    entries = limiter.counters([RateRule("k", "key", rpm=10, tpm=100, parallel=3)])
    ticket = limiter.take(entries, 90)
    assert ticket is not None
    ticket.close(400)

    lines = ticket.header_lines().split("\r\n")

    assert "x-ratelimit-api_key-remaining-requests: 9" in lines
    assert "x-ratelimit-api_key-limit-tokens: 100" in lines
    assert "x-ratelimit-api_key-remaining-tokens: 0" in lines
    assert "x-ratelimit-api_key-remaining-max_parallel_requests: 3" in lines


RULES = (
    RateRule("k", "key", rpm=5, tpm=300, parallel=3),
    RateRule("t", "team", rpm=7, tpm=400),
    RateRule("m", "key and model", tpm=250),
)


@given(st.lists(st.tuples(st.sampled_from(["take", "end", "overrun", "wait"]), st.integers(0, 120)), max_size=80))
def test_whatever_happens_no_window_admits_more_than_its_limits(steps: list[tuple[str, int]]) -> None:
    time = Time()
    limiter = LocalRates(time, lambda: datetime(2026, 11, 25, 12, tzinfo=UTC))
    entries = limiter.counters(RULES)
    running: list[tuple[LocalTicket, int]] = []
    for action, amount in steps:
        before = [(counter.requests, counter.tokens, counter.parallel) for _, counter, _ in entries]
        windows = [counter.started for _, counter, _ in entries]
        if action == "wait":
            time.now_s += amount
        elif action == "take":
            ticket = None
            with suppress(RateLimited):
                ticket = limiter.take(entries, amount)
            if ticket is not None:
                running.append((ticket, amount))
                for rule, counter, _ in entries:
                    assert rule.rpm is None or counter.requests <= rule.rpm
                    assert rule.tpm is None or counter.tokens <= rule.tpm
            else:  # refused: nothing was used up, but a window that was over may have begun anew
                for was, window, (_, counter, _) in zip(before, windows, entries, strict=True):
                    expected = was if counter.started == window else (0, 0, was[2])
                    assert (counter.requests, counter.tokens, counter.parallel) == expected
        elif running:
            ticket, reserved = running.pop(0)
            ticket.close(reserved + amount if action == "overrun" else min(reserved, amount))
        for _, counter, _ in entries:
            assert counter.parallel == len(running) <= 3
            assert counter.tokens >= 0
