"""What do people read? A title and a sentence per event, in English; the portal has its own for each language.

Texts name facts in braces; a fact that is missing stands as a dash, so that a text never fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litemaas.control.notices.events import Event

TEXTS: dict[Event, tuple[str, str]] = {
    Event.SUBSCRIPTION_REQUESTED: ("Access to {model} requested", "{holder} asks for access to {model}. {reason}"),
    Event.SUBSCRIPTION_APPROVED: ("Access to {model} approved", "You may use {model} now. {reason}"),
    Event.SUBSCRIPTION_DENIED: ("Access to {model} denied", "Your request for {model} was denied: {reason}"),
    Event.SUBSCRIPTION_SUSPENDED: ("Access to {model} suspended", "Your access to {model} was suspended: {reason}"),
    Event.SUBSCRIPTION_RESUMED: ("Access to {model} resumed", "You may use {model} again. {reason}"),
    Event.SUBSCRIPTION_RETURNED: (
        "Access to {model} under review",
        "Your access to {model} waits for a decision. {reason}",
    ),
    Event.SUBSCRIPTION_EXPIRED: ("Access to {model} expired", "Your access to {model} has expired."),
    Event.SUBSCRIPTION_GRANTED: ("Access to {model} granted", "An administrator gave you access to {model}. {reason}"),
    Event.MODEL_RESTRICTED: ("{model} needs approval now", "{model} was restricted. Your access waits for a decision."),
    Event.MODEL_DEPRECATED: (
        "{model} is deprecated",
        "{model} will be retired on {retires_at}. {advice}",
    ),
    Event.MODEL_RETIRES: (
        "{model} retires in {days} days",
        "{model} will be retired on {retires_at}. {advice}",
    ),
    Event.MODEL_RETIRED: ("{model} was retired", "{model} cannot be called any more. {advice}"),
    Event.BUDGET_REACHED: ("{percent} % of the budget of {name} is spent", "{name} has spent {spent} of {limit}."),
    Event.BUDGET_SOFT: ("The soft budget of {name} is passed", "{name} has spent {spent}; its soft budget is {limit}."),
    Event.QUOTA_REACHED: (
        "{percent} % of the quota for {model} is used",
        "{used} of {limit} {unit} are used this month.",
    ),
    Event.KEY_EXPIRES: ("Key {name} expires in {days} days", "The key {name} expires on {expires_at}."),
    Event.KEY_REVEALED: ("Key {name} was shown", "The secret of the key {name} was shown from {address}."),
    Event.KEY_CHANGED: ("Key {name} was changed", "{actor} changed your key {name}: {change}."),
    Event.KEY_GRACE_ENDS: (
        "The old secret of {name} ends soon",
        "The old secret of the key {name} works until {ends_at}.",
    ),
    Event.PAYLOADS_CAPTURED: (
        "Calls of {name} are recorded",
        "{actor} has prompts and answers of {name} recorded until {until}: {reason}",
    ),
    Event.TEAM_JOINED: ("You joined the team {team}", "{actor} added you to the team {team} as {role}."),
    Event.JOB_ENDED: ("{job} {outcome}", "{job} {outcome}. {detail}"),
    Event.BACKUP_FAILED: ("A backup failed", "The backup that began at {began_at} failed: {error}"),
    Event.LEDGER_CHECK_FAILED: (
        "Sums do not agree",
        "The check of rollups against the ledger found differences: {detail}",
    ),
    Event.WEBHOOK_DISABLED: ("A webhook was disabled", "The webhook to {host} failed {failures} times in a row."),
    Event.TEST: ("A test", "This is a test of LiteMaaS's notifications."),
}


class _Facts(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return "–"


def written(event: str, facts: Mapping[str, Any]) -> tuple[str, str]:
    """Title and sentence."""
    title, sentence = TEXTS.get(Event(event), TEXTS[Event.TEST]) if event in set(Event) else (event, "")
    known = _Facts({name: value for name, value in facts.items() if value is not None})
    known.setdefault("reason", "")
    known["advice"] = f"Use {known['successor']} instead." if "successor" in known else ""
    return title.format_map(known).strip(), sentence.format_map(known).strip()
