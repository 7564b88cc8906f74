"""How are people changed? Roles, limits, whether they are active; one administrator always stays.

Deactivation ends sessions and stops keys and tokens at once; anonymising removes personal data and keeps attribution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.http.feed import ChangeKind
from litemaas.control.http.refusals import Conflict
from litemaas.control.http.work import Work
from litemaas.control.users import limits, repository
from litemaas.control.users.repository import UserFilter
from litemaas.core.errors import NotFound
from litemaas.core.limits import user_scope
from litemaas.core.permissions import Role

DEACTIVATED = "deactivated"
"""Where ``extras`` note when, by whom and why somebody was deactivated."""
_LIMITS = ("max_budget_nano", "soft_budget_nano", "budget_duration", "tpm_limit", "rpm_limit", "max_parallel_requests")


async def held(work: Work, user_id: str, *, lock: bool = False) -> Row[Any]:
    """Errors: NotFound."""
    row = await repository.find(await work.connection(), user_id, lock=lock)
    if row is None:
        raise NotFound("The user was not found.")
    return row


async def held_for_change(work: Work, user_id: str) -> Row[Any]:
    """Nobody else changes the person until this is over. In the order of :func:`change`, or two would wait for one another.

    Errors: NotFound.
    """
    await repository.hold_admins(await work.connection())
    return await held(work, user_id, lock=True)


async def change(work: Work, user_id: str, values: Mapping[str, Any]) -> None:
    """Sets the named members. ``reason``: why ``is_active`` changes.

    Errors: NotFound; Conflict for the last administrator and for anonymised accounts.
    """
    connection = await work.connection()
    if "granted_roles" in values or "is_active" in values:
        await repository.hold_admins(connection)
    row = await held(work, user_id, lock=True)
    if row.anonymised_at is not None:
        raise Conflict("This account was anonymised and cannot be changed.")
    admins = await repository.count_admins(connection)
    columns = {name: values[name] for name in ("granted_roles", "is_active", "cost_centre") if name in values}
    changed = {name: value for name, value in columns.items() if getattr(row, name) != value}
    if changed:
        reason = values.get("reason")
        noted = _noted(work, row, reason, is_active=changed["is_active"]) if "is_active" in changed else {}
        await repository.change(connection, user_id, changed | noted | _stamps(work))
        await _keep_an_admin(work, admins)
        await _tell(work, row, changed, reason)
    wanted = {name: values[name] for name in _LIMITS if name in values}
    if wanted and await limits.set_limits(work, [user_scope(user_id)], wanted):
        await record(work, "user.limits_changed", "user", user_id, wanted, row.username)


def _noted(work: Work, row: Row[Any], reason: str | None, *, is_active: bool) -> dict[str, Any]:
    kept = {name: value for name, value in row.extras.items() if name != DEACTIVATED}
    return {"extras": kept if is_active else kept | _why(work, reason)}


def _why(work: Work, reason: str | None) -> dict[str, Any]:
    return {DEACTIVATED: {"at": work.now.isoformat(), "by": work.principal.name, "reason": reason}}


async def _tell(work: Work, row: Row[Any], changed: dict[str, Any], reason: str | None) -> None:
    detail = {"old": {name: getattr(row, name) for name in changed}, "new": changed}
    for name, action in (("granted_roles", "user.roles_granted"), ("cost_centre", "user.cost_centre_changed")):
        if name in changed:
            one = {side: {name: value[name]} for side, value in detail.items()}
            await record(work, action, "user", row.id, one, row.username)
    if "cost_centre" in changed:
        work.changed(ChangeKind.BUDGET, user_scope(row.id))  # the gateways write it into the ledger
    if "is_active" in changed:
        if not changed["is_active"]:
            await repository.end_access(await work.connection(), [row.id])
        work.changed(ChangeKind.BUDGET, user_scope(row.id))
        action = "user.reactivated" if changed["is_active"] else "user.deactivated"
        await record(work, action, "user", row.id, {"reason": reason} if reason else {}, row.username)


async def reset_spend(work: Work, user_id: str, reason: str) -> int:
    """Units: nano-USD, of what the window had. Errors: NotFound."""
    row = await held(work, user_id, lock=True)
    cleared = await limits.reset_spend(work, user_scope(user_id))
    detail = {"reason": reason, "cleared_nano": cleared}
    await record(work, "user.spend_reset", "user", user_id, detail, row.username)
    return cleared


async def anonymise(work: Work, user_id: str, reason: str) -> None:
    """Personal data goes for good; the id stays, and with it whom usage is attributed to. Errors: NotFound, Conflict."""
    connection = await work.connection()
    await repository.hold_admins(connection)
    row = await held(work, user_id, lock=True)
    if row.anonymised_at is not None:
        return
    admins = await repository.count_admins(connection)
    username = f"anonymised-{user_id[:60]}"
    values: dict[str, Any] = {
        "username": username, "email": None, "email_verified": False, "full_name": None,
        "language": None, "provider": None, "subject": None, "groups": [], "granted_roles": [], "derived_roles": [],
        "metadata": {}, "preferences": {}, "is_active": False, "anonymised_at": work.now,
        **_noted(work, row, None, is_active=True),
    }  # fmt: skip
    await repository.change(connection, user_id, values | _stamps(work))
    await _keep_an_admin(work, admins)
    await repository.end_access(connection, [user_id], with_tokens=True)
    await repository.forget_notices(connection, user_id)
    await repository.forget_drafts(connection, user_id)
    await repository.forget_payloads(connection, user_id)
    work.changed(ChangeKind.BUDGET, user_scope(user_id))
    await record(work, "user.anonymised", "user", user_id, {"reason": reason}, username)


async def bulk_limits(work: Work, wanted: UserFilter, values: Mapping[str, Any]) -> tuple[int, int]:
    """How many were meant, and for how many it made a difference. The limits are one statement."""
    ids = await repository.ids_of(await work.connection(), wanted)
    changed = await limits.set_limits(work, [user_scope(user_id) for user_id in ids], values)
    detail = {"limits": dict(values), "matched": len(ids), "updated": len(changed), "filter": _told(wanted)}
    await record(work, "user.bulk_limits", "user", "many", detail)
    return len(ids), len(changed)


async def bulk_grant(work: Work, wanted: UserFilter, roles: Sequence[Role]) -> tuple[int, int]:
    connection = await work.connection()
    ids = await repository.ids_of(connection, wanted)
    updated = await repository.grant(connection, ids, [role.value for role in roles], _stamps(work))
    detail = {"roles": list(roles), "matched": len(ids), "updated": updated, "filter": _told(wanted)}
    await record(work, "user.bulk_granted", "user", "many", detail)
    return len(ids), updated


async def bulk_deactivate(work: Work, wanted: UserFilter, reason: str | None) -> tuple[int, int]:
    """Errors: Conflict when no administrator would stay."""
    connection = await work.connection()
    await repository.hold_admins(connection)
    admins = await repository.count_admins(connection)
    ids = await repository.ids_of(connection, wanted)
    gone = await repository.deactivate(connection, ids, _why(work, reason), _stamps(work))
    await _keep_an_admin(work, admins)
    await repository.end_access(connection, gone)
    if gone:
        work.changed(ChangeKind.BUDGET, *map(user_scope, gone))
    detail = {
        "matched": len(ids),
        "updated": len(gone),
        "filter": _told(wanted),
        **({"reason": reason} if reason else {}),
    }
    await record(work, "user.bulk_deactivated", "user", "many", detail)
    return len(ids), len(gone)


async def _keep_an_admin(work: Work, before: int) -> None:
    if before and not await repository.count_admins(await work.connection()):
        raise Conflict("This is the last active administrator. Make somebody else one first.")


def _told(wanted: UserFilter) -> dict[str, Any]:
    named = {name: getattr(wanted, name) for name in wanted.__struct_fields__}
    kept = {name: value for name, value in named.items() if value is not None}
    if wanted.ids is not None:
        kept["ids"] = sorted(wanted.ids)[:100]
    return kept


def _stamps(work: Work) -> dict[str, Any]:
    return {"updated_at": work.now, "updated_by": work.actor}
