"""What can holders and administrators do with subscriptions? Asking, giving up, deciding, granting; never around the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import msgspec
from sqlalchemy import Row

from litemaas.control.catalog import repository as catalog
from litemaas.control.http.feed import ChangeKind
from litemaas.control.http.refusals import Conflict, InvalidRequestMembers, InvalidTransition, LimitAboveMaximum, Mend
from litemaas.control.http.work import Work
from litemaas.control.policies.service import payer_for, policies_now
from litemaas.control.subscriptions import quotas, repository
from litemaas.control.subscriptions.repository import Holder, holder_of
from litemaas.control.subscriptions.transitions import ask_for_approval, happen, settle, tell, write_down
from litemaas.core.catalog import Lifecycle
from litemaas.core.entitlements import Verdict, judge, model_block
from litemaas.core.errors import AlreadyExists, InvalidField, NotFound
from litemaas.core.subscriptions import ENDING, Event, Status, may_happen, subscribed_status

_MIN_JUSTIFICATION = 10


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a holder asks for. ``quotas``: those that were named, None = no limit."""

    quotas: Mapping[str, int | None] = {}
    expires_at: datetime | None = None
    justification: str | None = None
    key_ids: tuple[str, ...] = ()


async def subscribe(work: Work, holder: Holder, holder_name: str, model: Row[Any], wish: Wish) -> str:
    """The holder gets a model, or waits for approval (transitions 1–4); returns the id. ``model``: locked for others.

    Errors: NotFound for a model that the holder may not know; Conflict, AlreadyExists, InvalidField, LimitAboveMaximum.
    """
    connection = await work.connection()
    verdict = await _verdict(work, holder, model)
    if not verdict.permitted or model.status == Lifecycle.DRAFT:
        raise model_not_found()
    await _require_callable(work, model)
    row = await repository.find_of(connection, holder, model.name)
    if row is not None:
        row = await settle(work, row)
        if not may_happen(Event.SUBSCRIBE, Status(row.status)):
            raise AlreadyExists(f"There is a subscription to this model already; it is {row.status}.", "model_id")
    former = row or await repository.find_archived(connection, holder, model.name)
    ended = former is not None and former.expiry_by_admin and _has_passed(former.expires_at, work.now)
    flagged = former is not None and (former.needs_approval or ended)
    status = subscribed_status(approval_needed=verdict.needs_approval, needs_approval=flagged, admin_ended_it=ended)
    _check_wish(work, wish, needs_justification=status is Status.PENDING)
    limits = await quotas.asked_quotas(work, wish.quotas, row)
    values = {**limits, **_expiry(work, wish, row), "needs_approval": flagged, "justification": wish.justification}
    if row is None:
        row_id = await _add(work, holder, model, status, values, Event.SUBSCRIBE, None)
        if former is not None:
            await quotas.carry_over(work, former.id, row_id)
    else:
        row_id = row.id
        await happen(work, row, Event.SUBSCRIBE, None, to=status, values={**values, "status_before": None})
    await _link(work, holder, model.name, wish.key_ids)
    if status is Status.PENDING:
        await ask_for_approval(work, row_id, holder_name, model.name, wish.justification)
    return row_id


async def grant(work: Work, holder: Holder, model: Row[Any], reason: str | None = None) -> tuple[str, str]:
    """An administrator gives a model (transition 17): ``created``, ``activated`` or ``already_active``, and the id.

    Errors: Conflict when a policy forbids it or the model cannot be called.
    """
    connection = await work.connection()
    verdict = await _verdict(work, holder, model)
    if not verdict.permitted:
        named = f" ({verdict.policy.name})" if verdict.policy is not None else ""
        raise Conflict(f"A policy{named} does not let this holder use {model.name}; a grant does not go around it.")
    if model.status not in (Lifecycle.AVAILABLE, Lifecycle.DEPRECATED):
        raise Conflict(f"The model {model.name} is {model.status}; only models that can be called are granted.")
    row = await repository.find_of(connection, holder, model.name)
    if row is None:
        former = await repository.find_archived(connection, holder, model.name)
        values = {**await quotas.defaults(work), "needs_approval": False}
        row_id = await _add(work, holder, model, Status.ACTIVE, values, Event.GRANT, reason)
        if former is not None:
            await quotas.carry_over(work, former.id, row_id)
        new = await repository.find(connection, row_id)
        await tell(work, [new] if new is not None else [], Event.GRANT, reason)
        return "created", row_id
    row = await settle(work, row)
    if row.status == Status.ACTIVE:
        return "already_active", row.id
    values = {name: value for name, value in (await quotas.defaults(work)).items() if getattr(row, name) == 0}
    if _has_passed(row.expires_at, work.now):
        values |= {"expires_at": None, "expiry_by_admin": False}
    await happen(work, row, Event.GRANT, reason, values={**values, "status_before": None})
    return "activated", row.id


async def cancel(work: Work, row: Row[Any], reason: str | None = None) -> None:
    """Transition 11; the model leaves the holder's keys. Errors: InvalidTransition."""
    row = await settle(work, row)
    await happen(work, row, Event.CANCEL, reason)
    await repository.unlink(await work.connection(), holder_of(row), row.model_name)


async def request_review(work: Work, row: Row[Any], holder_name: str, comment: str | None) -> None:
    """Transition 7; again while it waits, nothing happens. Errors: InvalidTransition."""
    row = await settle(work, row)
    if row.status == Status.PENDING:
        return
    await happen(work, row, Event.REQUEST_REVIEW, comment)
    await ask_for_approval(work, row.id, holder_name, row.model_name, comment)


async def decide(work: Work, row: Row[Any], event: Event, reason: str | None) -> None:
    """Transitions 5, 6, 8, 9 and 10, by an administrator; what is so already stays, without a word.

    Errors: InvalidTransition, InvalidField, Conflict.
    """
    row = await settle(work, row)
    reached = {Event.APPROVE: Status.ACTIVE, Event.DENY: Status.DENIED}.get(event)
    if row.status == reached:
        return
    _require_unended(work, row, event)
    await happen(work, row, event, reason)


def event_for(current: Status, wanted: Status) -> Event:
    """Which of an administrator's events leads from one status to another. Errors: InvalidTransition."""
    if wanted is Status.ACTIVE:
        return Event.RESUME if current is Status.SUSPENDED else Event.APPROVE
    events = {
        Status.PENDING: Event.RETURN, Status.DENIED: Event.DENY, Status.SUSPENDED: Event.SUSPEND,
        Status.CANCELLED: Event.CANCEL,
    }  # fmt: skip
    if wanted not in events:
        raise InvalidTransition(f"Nobody sets a subscription to {wanted}: that comes by itself.")
    return events[wanted]


async def set_status(work: Work, row: Row[Any], wanted: Status, reason: str | None) -> None:
    """What an administrator says of one subscription. Errors: InvalidTransition, InvalidField."""
    row = await settle(work, row)
    event = event_for(Status(row.status), wanted)
    if event is Event.CANCEL:
        await cancel(work, row, reason)
    else:
        _require_unended(work, row, event)
        await happen(work, row, event, reason)


async def delete(work: Work, row: Row[Any], reason: str | None) -> None:
    """Transition 18: the row is put away and hidden; its flag holds for the next one."""
    await happen(work, row, Event.DELETE, reason, values={"archived_at": work.now})
    await repository.unlink(await work.connection(), holder_of(row), row.model_name)


async def change_own(work: Work, row: Row[Any], asked: Mapping[str, Any]) -> None:
    """A holder lowers quotas or brings the expiry forward, nothing else. Errors: LimitAboveMaximum, InvalidTransition."""
    row = await settle(work, row)
    if row.status not in (*ENDING, Status.DENIED):
        raise InvalidTransition(f"A subscription that is {row.status} cannot be changed; subscribe again.")
    changed: dict[str, Any] = dict(quotas.lowered(row, {n: v for n, v in asked.items() if n != "expires_at"}))
    if "expires_at" in asked and asked["expires_at"] != row.expires_at:
        sooner = asked["expires_at"]
        if sooner is None or (row.expires_at is not None and sooner > row.expires_at):
            message = "The expiry can be brought forward, not postponed; ask an administrator."
            raise LimitAboveMaximum([Mend("expires_at", message, "above_maximum")])
        _require_future(work, sooner)
        changed["expires_at"] = sooner
    await quotas.set_limits(work, row, changed)


async def change_any(work: Work, row: Row[Any], asked: Mapping[str, Any]) -> None:
    """An administrator sets quotas and expiry; both hold at once. Errors: InvalidField."""
    row = await settle(work, row)
    changed = {name: value for name, value in asked.items() if value != getattr(row, name)}
    if "expires_at" in changed:
        if changed["expires_at"] is not None:
            _require_future(work, changed["expires_at"])
        changed["expiry_by_admin"] = changed["expires_at"] is not None
    await quotas.set_limits(work, row, changed)


def model_not_found() -> NotFound:
    return NotFound("The model was not found.")


def not_found() -> NotFound:
    return NotFound("The subscription was not found.")


async def _verdict(work: Work, holder: Holder, model: Row[Any]) -> Verdict:
    payer = await payer_for(work, holder.user_id, holder.team_id)
    return judge(await policies_now(work), payer, model.name, model.tags, model.restricted_access)


async def _require_callable(work: Work, model: Row[Any]) -> None:
    deployments = await catalog.list_deployments(await work.connection(), [model.name])
    block = model_block(Lifecycle(model.status), has_endpoint=any(one.enabled for one in deployments))
    if block is not None:
        raise Conflict(f"The model {model.name} cannot be called ({block.value}); choose another one.")


def _check_wish(work: Work, wish: Wish, *, needs_justification: bool) -> None:
    """Errors: InvalidRequestMembers with everything that is wrong."""
    mends = [
        Mend(name, f"{name} must be above 0.", "too_small")
        for name, value in wish.quotas.items() if value is not None and value <= 0
    ]  # fmt: skip
    if _has_passed(wish.expires_at, work.now):
        mends.append(Mend("expires_at", "expires_at must lie in the future.", "in_the_past"))
    if needs_justification and len((wish.justification or "").strip()) < _MIN_JUSTIFICATION:
        message = f"This needs approval: say what for, in at least {_MIN_JUSTIFICATION} characters."
        mends.append(Mend("justification", message, "missing"))
    if mends:
        raise InvalidRequestMembers(mends)


def _expiry(work: Work, wish: Wish, row: Row[Any] | None) -> dict[str, Any]:
    """An end that an administrator has set holds on for who subscribes again before it."""
    if row is not None and row.expiry_by_admin and row.expires_at is not None and row.expires_at > work.now:
        sooner = wish.expires_at is not None and wish.expires_at < row.expires_at
        return {"expires_at": wish.expires_at if sooner else row.expires_at, "expiry_by_admin": True}
    return {"expires_at": wish.expires_at, "expiry_by_admin": False}


def _require_unended(work: Work, row: Row[Any], event: Event) -> None:
    """A denied one does not expire; to approve it after its end would give nothing. Errors: Conflict."""
    denied = row.status == Status.DENIED  # others cannot be approved after their end anyway
    if denied and event in (Event.APPROVE, Event.RETURN) and _has_passed(row.expires_at, work.now):
        raise Conflict("Its end has passed. Set another expires_at first, or grant it.")


def _require_future(work: Work, at: datetime) -> None:
    if _has_passed(at, work.now):
        raise InvalidField("expires_at must lie in the future.", "expires_at")


def _has_passed(at: datetime | None, now: datetime) -> bool:
    return at is not None and at <= now


async def _add(
    work: Work, holder: Holder, model: Row[Any], status: Status, values: Mapping[str, Any], event: Event,
    reason: str | None,
) -> str:  # fmt: skip
    row_id = str(uuid4())
    stamps = {"created_at": work.now, "created_by": work.actor, "updated_at": work.now, "updated_by": work.actor}
    columns = {
        "id": row_id, "user_id": holder.user_id, "team_id": holder.team_id, "model_name": model.name,
        "status": status.value, "status_reason": reason, "status_changed_at": work.now, "status_changed_by": work.actor,
    }  # fmt: skip
    if await repository.add(await work.connection(), {**columns, **stamps, **values}) is None:
        raise AlreadyExists("There is a subscription to this model already.", "model_id")
    await write_down(work, [(row_id, None, model.name)], event, status, reason)
    work.changed(ChangeKind.BUDGET, holder.scope)
    return row_id


async def _link(work: Work, holder: Holder, model: str, key_ids: Sequence[str]) -> None:
    """Errors: InvalidField naming keys that are not the holder's."""
    if not key_ids:
        return
    linked = await repository.link(await work.connection(), holder, model, key_ids)
    if missing := set(key_ids) - set(linked):
        raise InvalidField(f"These keys were not found: {', '.join(sorted(missing))}", "key_ids")
