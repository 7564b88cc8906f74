"""Of what are people told? One event per row of control-plane contract 13, and whether it always reaches the inbox."""

from __future__ import annotations

from enum import StrEnum


class Event(StrEnum):
    SUBSCRIPTION_REQUESTED = "subscription.requested"
    SUBSCRIPTION_APPROVED = "subscription.approved"
    SUBSCRIPTION_DENIED = "subscription.denied"
    SUBSCRIPTION_SUSPENDED = "subscription.suspended"
    SUBSCRIPTION_RESUMED = "subscription.resumed"
    SUBSCRIPTION_RETURNED = "subscription.returned"
    SUBSCRIPTION_EXPIRED = "subscription.expired"
    SUBSCRIPTION_GRANTED = "subscription.granted"
    MODEL_RESTRICTED = "model.restricted"
    MODEL_DEPRECATED = "model.deprecated"
    MODEL_RETIRES = "model.retires"
    MODEL_RETIRED = "model.retired"
    BUDGET_REACHED = "budget.reached"
    """50, 80 or 100 % of a budget; ``facts.percent`` says which."""
    BUDGET_SOFT = "budget.soft"
    QUOTA_REACHED = "quota.reached"
    KEY_EXPIRES = "key.expires"
    KEY_REVEALED = "key.revealed"
    KEY_CHANGED = "key.changed"
    KEY_GRACE_ENDS = "key.grace_ends"
    PAYLOADS_CAPTURED = "payloads.captured"
    """Prompts and answers of one's key or team are kept (contract 12)."""
    TEAM_JOINED = "team.joined"
    JOB_ENDED = "job.ended"
    BACKUP_FAILED = "backup.failed"
    LEDGER_CHECK_FAILED = "ledger.check_failed"
    WEBHOOK_DISABLED = "webhook.disabled"
    TEST = "test"


DECISIONS = frozenset({
    Event.SUBSCRIPTION_APPROVED, Event.SUBSCRIPTION_DENIED, Event.SUBSCRIPTION_SUSPENDED, Event.SUBSCRIPTION_RESUMED,
    Event.SUBSCRIPTION_RETURNED, Event.SUBSCRIPTION_GRANTED,
})  # fmt: skip
"""These reach the inbox whatever somebody chose."""


def always_in_inbox(event: Event, facts: dict[str, object]) -> bool:
    return (
        event in DECISIONS
        or event is Event.PAYLOADS_CAPTURED
        or (event in {Event.BUDGET_REACHED, Event.QUOTA_REACHED} and facts.get("percent") == 100)
    )
