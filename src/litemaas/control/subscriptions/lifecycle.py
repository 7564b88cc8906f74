"""What does a model's life do to subscriptions? Restricting, deprecating, retiring and reinstating, with all of its holders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.catalog import repository as catalog
from litemaas.control.catalog.service import set_lifecycle
from litemaas.control.http.feed import ChangeKind
from litemaas.control.http.refusals import InvalidTransition
from litemaas.control.http.work import Work
from litemaas.control.notices.events import Event as Notice
from litemaas.control.notices.service import notify
from litemaas.control.policies.service import policies_now
from litemaas.control.subscriptions import repository
from litemaas.control.subscriptions.transitions import happen_to_all, people_behind
from litemaas.core.catalog import CALLABLE, Lifecycle
from litemaas.core.entitlements import Payer, judge
from litemaas.core.errors import InvalidField
from litemaas.core.subscriptions import RULES, Event, Status, status_now

WARN_DAYS = (30, 7, 1)
"""So many days before a retirement holders are told again (control-plane contract 13)."""
Existing = Literal["review", "keep"]


async def restrict(work: Work, model: Row[Any], *, restricted: bool, existing: Existing) -> None:
    """Sets whether subscribing to a locked model needs approval, and what that means for those who have it or wait for it."""
    if model.restricted_access == restricted:
        return
    await catalog.change_model(await work.connection(), model.name, {"restricted_access": restricted})
    work.changed(ChangeKind.CATALOG, model.name)
    if restricted:
        held = await _live_of(work, model.name, [Status.ACTIVE]) if existing == "review" else []
        # Who need not ask, because a policy says so, need not ask now either.
        rows = await _with_approval(work, model, held, restricted=True, needed=True)
        await happen_to_all(work, rows, Event.RESTRICT, "The model was restricted.")
    else:
        waiting = [row for row in await _live_of(work, model.name, [Status.PENDING]) if not row.needs_approval]
        rows = await _with_approval(work, model, waiting, restricted=False, needed=False)
        await happen_to_all(work, rows, Event.LIFT, "The model needs no approval any more.")
    detail = {"old": {"restricted_access": not restricted}, "new": {"restricted_access": restricted},
              "existing": existing if restricted else None, "subscriptions": len(rows)}  # fmt: skip
    await record(work, "model.restrict" if restricted else "model.unrestrict", "model", model.id, detail, model.name)


async def deprecate(work: Work, model: Row[Any], retires_at: datetime, successor_id: str | None) -> None:
    """A locked model gets a last day; its holders are told. Errors: InvalidTransition, InvalidField."""
    if model.status not in CALLABLE:
        raise InvalidTransition(f"A model that is {model.status} cannot be deprecated.")
    if retires_at <= work.now:
        raise InvalidField("retires_at must lie in the future; retire the model instead.", "retires_at")
    successor = await _successor(work, model, successor_id)
    values = {"retires_at": retires_at, "successor_id": successor_id}
    await set_lifecycle(work, model, Lifecycle.DEPRECATED, "model.deprecate", values)
    facts = _facts(model, successor) | {"retires_at": retires_at.isoformat()}
    await _tell_holders(work, model, Notice.MODEL_DEPRECATED, facts, once=retires_at.isoformat())


async def retire(work: Work, model: Row[Any], successor_id: str | None = None) -> None:
    """A locked model ends: no key calls it, its open subscriptions become inactive; nothing else is touched.

    Errors: InvalidTransition, InvalidField.
    """
    if model.status == Lifecycle.RETIRED:
        raise InvalidTransition("The model is retired already.")
    successor = await _successor(work, model, successor_id or model.successor_id)
    connection = await work.connection()
    told = await people_behind(work, await repository.holders_of_model(connection, model.name))
    values = {"retires_at": work.now, "successor_id": successor_id or model.successor_id}
    rows = await _live_of(work, model.name, [s for s in Status if s in RULES[Event.RETIRE].before])
    await set_lifecycle(work, model, Lifecycle.RETIRED, "model.retire", values, {"subscriptions": len(rows)})
    for status in {row.status for row in rows}:
        alike = [row for row in rows if row.status == status]
        await happen_to_all(work, alike, Event.RETIRE, "The model was retired.", values={"status_before": status})
    people = {person for many in told.values() for person in many}
    await notify(
        work, Notice.MODEL_RETIRED, user_ids=people, subject=f"model:{model.id}", facts=_facts(model, successor)
    )


async def reinstate(work: Work, model: Row[Any], *, restore: bool) -> int:
    """A locked model can be called again; ``restore`` gives back what its retirement ended. Returns how many those are.

    Errors: InvalidTransition.
    """
    if model.status not in (Lifecycle.RETIRED, Lifecycle.DEPRECATED):
        raise InvalidTransition(f"A model that is {model.status} cannot be reinstated.")
    connection = await work.connection()
    ended = [row for row in await repository.of_model(connection, model.name, [Status.INACTIVE]) if row.status_before]
    rows = ended if restore else []
    values = {"retires_at": None, "successor_id": None}
    await set_lifecycle(work, model, Lifecycle.AVAILABLE, "model.reinstate", values, {"subscriptions": len(rows)})
    for former in {row.status_before for row in rows}:
        alike = [row for row in rows if row.status_before == former]
        reason = "The model was reinstated."
        await happen_to_all(work, alike, Event.REINSTATE, reason, to=Status(former), values={"status_before": None})
    await repository.forget_former_status(connection, model.name)
    return len(rows)


async def warn(work: Work, model: Row[Any]) -> None:
    """Tells holders that a deprecated model's last day is near; of several thresholds passed, only the last."""
    passed = [
        days for days in WARN_DAYS
        if model.status_changed_at < (at := model.retires_at - timedelta(days=days)) and at <= work.now
    ]  # fmt: skip
    if passed:
        successor = await _successor(work, model, model.successor_id)
        facts = _facts(model, successor) | {"retires_at": model.retires_at.isoformat(), "days": min(passed)}
        once = f"{min(passed)}:{model.retires_at.isoformat()}"
        await _tell_holders(work, model, Notice.MODEL_RETIRES, facts, once=once)


async def _tell_holders(work: Work, model: Row[Any], notice: Notice, facts: dict[str, Any], *, once: str) -> None:
    holders = await repository.holders_of_model(await work.connection(), model.name)
    people = {person for many in (await people_behind(work, holders)).values() for person in many}
    if people:
        await notify(work, notice, user_ids=people, subject=f"model:{model.id}", facts=facts, once=once)


async def _live_of(work: Work, name: str, statuses: Sequence[Status]) -> list[Row[Any]]:
    """Locked rows that are in these statuses now; an expiry that has passed is written down first."""
    rows = await repository.of_model(await work.connection(), name, statuses)
    late = [row for row in rows if status_now(Status(row.status), row.expires_at, work.now) != row.status]
    await happen_to_all(work, late, Event.EXPIRE)
    gone = {row.id for row in late}
    return [row for row in rows if row.id not in gone]


async def _with_approval(
    work: Work, model: Row[Any], rows: Sequence[Row[Any]], *, restricted: bool, needed: bool
) -> list[Row[Any]]:
    """Those of whom policies and the restriction together say that approval is needed, or that it is not."""
    policies = await policies_now(work)
    users = [row.user_id for row in rows if row.user_id is not None]
    people = await repository.people(await work.connection(), users) if policies and users else {}
    kept = []
    for row in rows:
        person = people.get(row.user_id)
        payer = Payer(row.user_id, frozenset(person.groups) if person is not None else frozenset(), row.team_id)
        if judge(policies, payer, model.name, model.tags, restricted).needs_approval == needed:
            kept.append(row)
    return kept


async def _successor(work: Work, model: Row[Any], successor_id: str | None) -> Row[Any] | None:
    """Errors: InvalidField."""
    if successor_id is None:
        return None
    row = await catalog.find_model_by_id(await work.connection(), successor_id)
    if row is None or row.id == model.id:
        raise InvalidField("The successor must be another model of the catalogue.", "successor_id")
    return row


def _facts(model: Row[Any], successor: Row[Any] | None) -> dict[str, Any]:
    return {"model": model.name, "successor": successor.name if successor is not None else None}
