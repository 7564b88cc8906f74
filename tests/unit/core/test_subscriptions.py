"""Does the table of transitions say what the contract says, and nothing else?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from litemaas.core.subscriptions import RULES, Event, Status, may_happen, status_now, subscribed_status

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
_CONTRACT = {
    Event.SUBSCRIBE: "none cancelled inactive expired",
    Event.APPROVE: "pending denied",
    Event.DENY: "pending active suspended",
    Event.REQUEST_REVIEW: "denied",
    Event.RETURN: "active denied",
    Event.SUSPEND: "active",
    Event.RESUME: "suspended",
    Event.CANCEL: "pending active denied suspended",
    Event.EXPIRE: "pending active suspended",
    Event.RESTRICT: "active",
    Event.LIFT: "pending",
    Event.RETIRE: "pending active denied suspended",
    Event.REINSTATE: "inactive",
    Event.GRANT: "none pending denied suspended expired cancelled inactive",
    Event.DELETE: "pending active denied suspended expired cancelled inactive",
}
"""Control-plane contract 7.3."""


def test_every_event_happens_from_exactly_the_statuses_of_the_contract():
    for event in Event:
        allowed = {status or "none" for status in (None, *Status) if may_happen(event, status)}
        assert allowed == set(_CONTRACT[event].split()), event


def test_only_deny_and_suspend_need_a_reason():
    assert {event for event, rule in RULES.items() if rule.needs_reason} == {Event.DENY, Event.SUSPEND}


def test_what_an_administrator_took_away_is_flagged_until_an_administrator_gives_it_back():
    assert {event for event, rule in RULES.items() if rule.flag is True} == {Event.DENY, Event.RETURN, Event.SUSPEND}
    assert {event for event, rule in RULES.items() if rule.flag is False} == {Event.APPROVE, Event.RESUME, Event.GRANT}


@pytest.mark.parametrize("status", Status)
def test_an_expiry_counts_at_its_instant(status: Status):
    ends = status in (Status.PENDING, Status.ACTIVE, Status.SUSPENDED)
    assert status_now(status, NOW, NOW) is (Status.EXPIRED if ends else status)
    assert status_now(status, NOW + timedelta(microseconds=1), NOW) is status
    assert status_now(status, None, NOW) is status


@pytest.mark.parametrize("reason", ["approval_needed", "needs_approval", "admin_ended_it"])
def test_subscribing_waits_for_approval_for_any_one_reason(reason: str):
    none = {"approval_needed": False, "needs_approval": False, "admin_ended_it": False}
    assert subscribed_status(**none) is Status.ACTIVE
    assert subscribed_status(**none | {reason: True}) is Status.PENDING
