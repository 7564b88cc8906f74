"""How does a subscription change its status? Locked, by the closed table of ``core.subscriptions``, with all that goes with it.

Each change writes history and audit, tells the holder where the contract says so, and tells the gateways to read the holder's
keys again; many rows that change alike do so in a fixed number of statements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from litemaas.control.audit.service import record_many
from litemaas.control.http.feed import ChangeKind
from litemaas.control.http.refusals import InvalidTransition
from litemaas.control.http.work import Work
from litemaas.control.notices.events import Event as Notice
from litemaas.control.notices.service import notify, notify_holders
from litemaas.control.subscriptions import repository
from litemaas.control.subscriptions.repository import holder_of
from litemaas.core.errors import InvalidField
from litemaas.core.permissions import Permission
from litemaas.core.subscriptions import RULES, Event, Status, may_happen, status_now

ACTIONS = {
    Event.SUBSCRIBE: "subscription.created", Event.APPROVE: "subscription.approved", Event.DENY: "subscription.denied",
    Event.REQUEST_REVIEW: "subscription.review_requested", Event.RETURN: "subscription.returned",
    Event.SUSPEND: "subscription.suspended", Event.RESUME: "subscription.resumed", Event.CANCEL: "subscription.cancelled",
    Event.EXPIRE: "subscription.expired", Event.RESTRICT: "subscription.restricted", Event.LIFT: "subscription.lifted",
    Event.RETIRE: "subscription.retired", Event.REINSTATE: "subscription.reinstated", Event.GRANT: "subscription.granted",
    Event.DELETE: "subscription.deleted",
}  # fmt: skip
_NOTICES = {
    Event.APPROVE: Notice.SUBSCRIPTION_APPROVED, Event.DENY: Notice.SUBSCRIPTION_DENIED,
    Event.SUSPEND: Notice.SUBSCRIPTION_SUSPENDED, Event.RESUME: Notice.SUBSCRIPTION_RESUMED,
    Event.RETURN: Notice.SUBSCRIPTION_RETURNED, Event.EXPIRE: Notice.SUBSCRIPTION_EXPIRED,
    Event.GRANT: Notice.SUBSCRIPTION_GRANTED, Event.RESTRICT: Notice.MODEL_RESTRICTED, Event.LIFT: Notice.SUBSCRIPTION_APPROVED,
}  # fmt: skip
"""What the holder is told; a model's retirement is told once per model."""


async def happen(
    work: Work, row: Row[Any], event: Event, reason: str | None = None, *, to: Status | None = None,
    values: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """One locked subscription changes. ``to``: where the table leaves it open; ``values``: columns that change with it.

    Errors: InvalidTransition; InvalidField when a reason is missing.
    """
    if not may_happen(event, Status(row.status)):
        raise InvalidTransition(f"A subscription that is {row.status} cannot do this ({event}).")
    if RULES[event].needs_reason and not reason:
        raise InvalidField("Say why: the holder reads it.", "reason")
    await happen_to_all(work, [row], event, reason, to=to, values=values)


async def happen_to_all(
    work: Work, rows: Sequence[Row[Any]], event: Event, reason: str | None = None, *, to: Status | None = None,
    values: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """All of them change alike. The caller has locked them and asked whether the event may happen."""
    if not rows:
        return
    rule = RULES[event]
    target = to or rule.to
    columns: dict[str, Any] = {"updated_at": work.now, "updated_by": work.actor, **(values or {})}
    if target is not None:
        columns |= {"status": target.value, "status_reason": reason, "status_changed_at": work.now,
                    "status_changed_by": work.actor}  # fmt: skip
    if rule.flag is not None:
        columns["needs_approval"] = rule.flag
    await repository.change(await work.connection(), [row.id for row in rows], columns)
    steps = [(row.id, row.status, row.model_name) for row in rows]
    await write_down(work, steps, event, target, reason)
    for row in rows:
        work.changed(ChangeKind.BUDGET, holder_of(row).scope)
    await tell(work, rows, event, reason)


async def write_down(
    work: Work, steps: Sequence[tuple[str, str | None, str]], event: Event, target: Status | None, reason: str | None
) -> None:
    """History and audit of changes: ids, statuses before, names of models."""
    new = target.value if target else None
    principal = work.principal
    await repository.add_history(
        await work.connection(),
        [
            {"subscription_id": row_id, "event": event.value, "old_status": old, "new_status": new, "reason": reason,
             "actor": work.actor, "actor_kind": principal.kind.value, "actor_name": principal.name, "at": work.now}
            for row_id, old, _ in steps
        ],
    )  # fmt: skip
    details = [
        (row_id, {"old": {"status": old}, "new": {"status": new}, "reason": reason, "model": model}, model)
        for row_id, old, model in steps
    ]
    await record_many(work, ACTIONS[event], "subscription", details)


async def settle(work: Work, row: Row[Any]) -> Row[Any]:
    """The locked row as it is at this instant: an expiry that has passed is written down before anything else happens."""
    if status_now(Status(row.status), row.expires_at, work.now) == row.status:
        return row
    await happen_to_all(work, [row], Event.EXPIRE)
    again = await repository.find(await work.connection(), row.id, lock=True)
    assert again is not None  # noqa: S101 — locked above, in this transaction
    return again


async def ask_for_approval(work: Work, subscription_id: str, holder: str, model: str, reason: str | None) -> None:
    facts = {"holder": holder, "model": model, "reason": reason}
    subject = f"subscription:{subscription_id}"
    await notify_holders(
        work, Permission.ADMIN_SUBSCRIPTIONS_WRITE, Notice.SUBSCRIPTION_REQUESTED, subject=subject, facts=facts
    )


async def people_behind(work: Work, rows: Sequence[Row[Any]]) -> dict[str | None, list[str]]:
    """Whom to tell: a person by their own id, a team's admins by the team's."""
    told: dict[str | None, list[str]] = {row.user_id: [row.user_id] for row in rows if row.user_id is not None}
    teams = sorted({row.team_id for row in rows if row.team_id is not None})
    if teams:
        for team_id, user_id in await repository.admins_of(await work.connection(), teams):
            told.setdefault(team_id, []).append(user_id)
    return told


async def tell(work: Work, rows: Sequence[Row[Any]], event: Event, reason: str | None) -> None:
    """Tells holders of what happened to subscriptions of theirs, once per model."""
    notice = _NOTICES.get(event)
    if notice is None:
        return
    told = await people_behind(work, rows)
    for model in dict.fromkeys(row.model_name for row in rows):
        alike = [row for row in rows if row.model_name == model]
        people = {person for row in alike for person in told.get(row.user_id or row.team_id, ())}
        subject = f"subscription:{alike[0].id}" if len(alike) == 1 else f"subscriptions:{model}"
        await notify(work, notice, user_ids=people, subject=subject, facts={"model": model, "reason": reason})
