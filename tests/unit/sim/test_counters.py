"""Do the counters add up?"""

from litemaas.sim.counters import Counters


def test_every_request_ends_in_exactly_one_outcome() -> None:
    counters = Counters(10)
    counters.open_server("chat", ("a",))
    for outcome in ("completed", "failed", "cancelled"):
        entry = counters.begin("chat", "/v1/completions")
        entry.model, entry.completion_tokens = "a", 5
        counters.end(entry, outcome)
    sums = counters.of("chat", "a")
    assert (sums.requests, sums.completed, sums.failed, sums.cancelled, sums.completion_tokens) == (3, 1, 1, 1, 15)
    assert counters.of("chat") == sums
    assert [entry.cancelled for entry in counters.entries] == [False, False, True]


def test_request_for_an_unknown_model_counts_for_the_server_only() -> None:
    counters = Counters(10)
    counters.open_server("chat", ("a",))
    entry = counters.begin("chat", "/v1/completions")
    entry.model = "b"
    counters.end(entry, "failed")
    assert (counters.of("chat").requests, counters.of("chat", "a").requests) == (1, 0)


def test_request_that_began_before_a_clearing_is_not_counted_after_it() -> None:
    counters = Counters(10)
    counts = counters.open_server("chat", ("a",))
    entry = counters.begin("chat", "/v1/completions")
    counters.clear()
    counters.end(entry, "completed")
    assert (counters.of("chat").requests, counts.running, len(counters.entries)) == (0, 0, 0)


def test_peak_is_the_greatest_number_at_once_and_entries_are_bounded() -> None:
    counters = Counters(2)
    counts = counters.open_server("chat", ())
    entries = [counters.begin("chat", "/") for _ in range(3)]
    for entry in entries:
        counters.end(entry, "completed")
    assert (counts.peak_running, counts.running, len(counters.entries)) == (3, 0, 2)
    assert len(counters.report(last_entries=1)["entries"]) == 1
