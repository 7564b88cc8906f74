"""What can become of a subscription? Seven statuses, and a closed table of what may happen in each of them.

Source: control-plane contract 7.2 and 7.3; the numbers below are its rows. What is not in the table cannot happen.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class Status(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    DENIED = "denied"
    SUSPENDED = "suspended"
    """By an administrator."""
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    """Given up."""
    INACTIVE = "inactive"
    """The model was retired."""


class Event(StrEnum):
    SUBSCRIBE = "subscribe"
    APPROVE = "approve"
    DENY = "deny"
    REQUEST_REVIEW = "request_review"
    RETURN = "return"
    SUSPEND = "suspend"
    RESUME = "resume"
    CANCEL = "cancel"
    EXPIRE = "expire"
    RESTRICT = "restrict"
    LIFT = "lift"
    RETIRE = "retire"
    REINSTATE = "reinstate"
    GRANT = "grant"
    DELETE = "delete"


class Rule(msgspec.Struct, frozen=True):
    """``to``: None = as circumstances say, see :func:`subscribed_status` and ``status_before``; for ``DELETE``, none at all.

    ``flag``: what it makes of ``needs_approval``; None = leaves it.
    """

    before: frozenset[Status | None]
    to: Status | None
    flag: bool | None = None
    needs_reason: bool = False


_NONE: frozenset[Status | None] = frozenset({None})
_GONE: frozenset[Status | None] = frozenset({Status.CANCELLED, Status.INACTIVE, Status.EXPIRED})
_OPEN: frozenset[Status | None] = frozenset({Status.PENDING, Status.ACTIVE, Status.DENIED, Status.SUSPENDED})


def _in(*statuses: Status | None) -> frozenset[Status | None]:
    return frozenset(statuses)


RULES: dict[Event, Rule] = {
    Event.SUBSCRIBE: Rule(_NONE | _GONE, None),  # 1, 2, 3; 4 is what is missing
    Event.APPROVE: Rule(_in(Status.PENDING, Status.DENIED), Status.ACTIVE, flag=False),  # 5
    Event.DENY: Rule(
        _in(Status.PENDING, Status.ACTIVE, Status.SUSPENDED), Status.DENIED, flag=True, needs_reason=True
    ),  # 6
    Event.REQUEST_REVIEW: Rule(_in(Status.DENIED), Status.PENDING),  # 7
    Event.RETURN: Rule(_in(Status.ACTIVE, Status.DENIED), Status.PENDING, flag=True),  # 8
    Event.SUSPEND: Rule(_in(Status.ACTIVE), Status.SUSPENDED, flag=True, needs_reason=True),  # 9
    Event.RESUME: Rule(_in(Status.SUSPENDED), Status.ACTIVE, flag=False),  # 10
    Event.CANCEL: Rule(_OPEN, Status.CANCELLED),  # 11
    Event.EXPIRE: Rule(_in(Status.PENDING, Status.ACTIVE, Status.SUSPENDED), Status.EXPIRED),  # 12
    Event.RESTRICT: Rule(_in(Status.ACTIVE), Status.PENDING),  # 13
    Event.LIFT: Rule(_in(Status.PENDING), Status.ACTIVE),  # 14
    Event.RETIRE: Rule(_OPEN, Status.INACTIVE),  # 15
    Event.REINSTATE: Rule(_in(Status.INACTIVE), None),  # 16
    Event.GRANT: Rule((_NONE | _GONE | _OPEN) - {Status.ACTIVE}, Status.ACTIVE, flag=False),  # 17
    Event.DELETE: Rule(_GONE | _OPEN, None),  # 18
}
HIDDEN = (Status.CANCELLED, Status.INACTIVE)
"""Lists leave these out unless asked for."""
ENDING = (Status.PENDING, Status.ACTIVE, Status.SUSPENDED)
"""What ``expires_at`` ends."""


def may_happen(event: Event, status: Status | None) -> bool:
    """``status``: None = there is no subscription."""
    return status in RULES[event].before


def status_now(status: Status, expires_at: datetime | None, now: datetime) -> Status:
    """What counts at this instant: the stored status follows an expiry some seconds later."""
    if expires_at is not None and expires_at <= now and status in ENDING:
        return Status.EXPIRED
    return status


def subscribed_status(*, approval_needed: bool, needs_approval: bool, admin_ended_it: bool) -> Status:
    """What subscribing leads to.

    ``approval_needed``: by policies or because the model is restricted. ``needs_approval``: an administrator took it away
    once. ``admin_ended_it``: it expired at an instant that an administrator had set.
    """
    return Status.PENDING if approval_needed or needs_approval or admin_ended_it else Status.ACTIVE
