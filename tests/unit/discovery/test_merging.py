"""Does discovery keep its hands off what somebody has edited, whatever was edited, written and declared?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from litemaas.discovery.merging import merge

VALUES = st.dictionaries(st.sampled_from("abc"), st.integers(1, 3))


@given(VALUES, VALUES, VALUES)
def test_only_what_discovery_wrote_or_nobody_has_set_is_changed(wanted, current, wrote):
    merged = merge(wanted, current, wrote)
    for member in merged.changes:
        assert current.get(member) is None or current[member] == wrote.get(member)
    after = current | merged.changes
    assert {member for member, value in wanted.items() if after.get(member) != value} == merged.drift.keys()


@given(VALUES, VALUES, VALUES)
def test_a_second_look_changes_nothing(wanted, current, wrote):
    first = merge(wanted, current, wrote)
    second = merge(wanted, current | first.changes, first.wrote)
    assert (second.changes, second.wrote, second.drift) == ({}, first.wrote, first.drift)


def test_a_deployment_that_somebody_switched_off_is_not_taken_over_by_an_outage():
    mine = merge({"enabled": True}, {"enabled": False}, {"enabled": True})
    away = merge({"enabled": False}, {"enabled": False}, mine.wrote)
    back = merge({"enabled": True}, {"enabled": False}, away.wrote)
    assert back.changes == {}
    assert back.drift["enabled"] == {"cluster": True, "catalogue": False}
