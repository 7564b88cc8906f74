"""Are ids unique, in order and in the layout of a UUID of version 7?"""

from __future__ import annotations

from uuid import RFC_4122, UUID

from litemaas.kit.clock import SystemClock
from litemaas.kit.ids import RequestIds


def test_ids_are_uuids_of_version_7_with_the_time_in_front() -> None:
    next_id = RequestIds(lambda: 1_764_000_000_123).next
    identity = UUID(next_id())
    assert (identity.version, identity.variant) == (7, RFC_4122)
    assert identity.int >> 80 == 1_764_000_000_123


def test_no_two_ids_are_equal_within_a_millisecond_or_between_processes() -> None:
    one, other = RequestIds(lambda: 5).next, RequestIds(lambda: 5).next
    ids = [source() for source in (one, other) for _ in range(50_000)]
    assert len(set(ids)) == len(ids)


def test_later_ids_sort_behind_earlier_ones() -> None:
    time = iter(range(1_000_000))
    next_id = RequestIds(lambda: next(time)).next
    ids = [next_id() for _ in range(1000)]
    assert ids == sorted(ids)


def test_the_clock_tells_aware_time_and_never_runs_backwards() -> None:
    clock = SystemClock()
    assert clock.now().utcoffset() is not None
    assert clock.monotonic() <= clock.monotonic()
