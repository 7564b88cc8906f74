"""Does a webhook get an event in the form that its address takes?"""

from __future__ import annotations

import json

import pytest

from litemaas.control.notices.delivery import message_for

TOLD = {"id": 7, "event": "budget.reached", "subject": "key:1", "at": "2026-11-26T18:00:00+00:00", "facts": {
    "name": "a <b> & c", "percent": 80, "spent": "8", "limit": "10"}}  # fmt: skip


def test_an_address_of_ones_own_gets_the_event_as_it_is():
    assert json.loads(message_for("https://hooks.example.org/slack.com", TOLD)) == TOLD


@pytest.mark.parametrize("host", ["hooks.slack.com", "hooks.slack-gov.com"])
def test_slack_gets_a_text_and_nothing_else(host: str):
    assert json.loads(message_for(f"https://{host}/services/T/B/x", TOLD)) == {
        "text": "*80 % of the budget of a &lt;b&gt; &amp; c is spent*\na &lt;b&gt; &amp; c has spent 8 of 10."
    }
