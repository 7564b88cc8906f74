"""Which time zones can an installation keep its days in, and what is said of the others?"""

from __future__ import annotations

import pytest

from litemaas.kit.zones import zone_of


@pytest.mark.parametrize(
    "name",
    ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "America/Santiago", "Africa/Cairo",
     "Asia/Beirut", "Africa/Casablanca", "Pacific/Auckland", "Etc/GMT+12", "Pacific/Kiritimati"],
)  # fmt: skip
def test_zones_with_one_beginning_of_each_day_and_hour_are_taken(name: str):
    assert str(zone_of(name)) == name


@pytest.mark.parametrize("name", ["Atlantic/Azores", "America/Havana"])
def test_zones_in_which_a_day_begins_twice_are_refused(name: str):
    with pytest.raises(ValueError, match="a day would begin twice"):
        zone_of(name)


def test_zones_in_which_hours_would_overlap_are_refused():
    with pytest.raises(ValueError, match="part of an hour"):
        zone_of("Australia/Lord_Howe")


@pytest.mark.parametrize("name", ["Europe/Atlantis", "", "+01:00", "../../etc/passwd", "CEST"])
def test_what_is_no_zone_is_refused(name: str):
    with pytest.raises(ValueError, match="must be a time zone's name like Europe/Berlin"):
        zone_of(name)
