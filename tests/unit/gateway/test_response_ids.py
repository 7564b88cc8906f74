"""Do ids of kept answers lead their owner back, and nobody else?"""

from __future__ import annotations

import pytest

from litemaas.gateway.response_ids import ClientIds, Place, ResponseIds

IDS = ResponseIds("a-secret-of-all-workers")
PLACE = Place("d-17", "resp_68a1")


def test_an_id_leads_its_owner_back_and_is_the_same_each_time():
    assert IDS.open(IDS.of(PLACE, "ann"), "ann") == PLACE
    assert IDS.of(PLACE, "ann") == ResponseIds("a-secret-of-all-workers").of(PLACE, "ann")


def test_an_id_is_none_for_another_key_and_under_another_secret():
    identity = IDS.of(PLACE, "ann")
    assert IDS.open(identity, "bob") is None
    assert ResponseIds("another-secret").open(identity, "ann") is None


@pytest.mark.parametrize(
    "identity",
    ["", "resp_", "resp_1", "resp_68a1", "resp_é", "resp_" + "A" * 100, "resp_" + "A" * 4000, "msg_1", "resp_%%%"],
)
def test_what_was_never_given_out_is_none(identity: str):
    assert IDS.open(identity, "ann") is None


def test_each_changed_character_makes_an_id_none():
    identity = IDS.of(PLACE, "ann")
    for place in range(5, len(identity) - 1):  # the last one has bits that do not count
        other = "A" if identity[place] != "A" else "B"
        assert IDS.open(identity[:place] + other + identity[place + 1 :], "ann") is None


def test_only_ids_of_answers_are_called_otherwise():
    ids = ClientIds(IDS, "d-17", "ann")
    renamed = ids.renamed({"id": "resp_68a1", "previous_response_id": None, "output": [{"id": "msg_1"}]})
    assert renamed == {"id": IDS.of(PLACE, "ann")}
