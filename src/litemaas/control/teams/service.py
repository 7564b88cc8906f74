"""How does a team come to be, change and end? Platform administrators decide on it, its own administrators on members.

Whoever is neither sees a team as if it did not exist.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import uuid4

from sqlalchemy import Row

from litemaas.control.audit.service import record, record_refusal
from litemaas.control.http.feed import ChangeKind
from litemaas.control.http.refusals import Conflict, InvalidRequestMembers, Mend, PermissionDenied
from litemaas.control.http.work import Work
from litemaas.control.settings import service as settings
from litemaas.control.settings.groups import TeamSettings
from litemaas.control.teams import membership, repository
from litemaas.control.teams.schemas import OF_TEAM_ADMINS
from litemaas.control.users import limits
from litemaas.core.errors import AlreadyExists, NotFound
from litemaas.core.limits import team_scope
from litemaas.core.permissions import Permission

_KEYS_FOLLOW = frozenset({"allowed_models", "member_default_budget_nano", "is_active", "cost_centre"})
"""Members that the gateways read with a key."""


async def seen(work: Work, team_id: str, permission: Permission, *, lock: bool = False) -> tuple[Row[Any], str | None]:
    """A team that the caller belongs to, or may look at by ``permission``; with the caller's role in it.

    Errors: NotFound.
    """
    connection = await work.connection()
    row = await repository.find(connection, team_id, lock=lock)
    user_id = work.principal.user_id
    role = await repository.role_of(connection, team_id, user_id) if user_id is not None else None
    if row is None or (role is None and not work.principal.may(permission)):
        raise NotFound("The team was not found.")
    return row, role


async def managed(work: Work, team_id: str, *, lock: bool = True) -> Row[Any]:
    """A team whose members the caller may decide on. Errors: NotFound; PermissionDenied; Conflict when it is archived."""
    row, role = await seen(work, team_id, Permission.ADMIN_TEAMS_WRITE, lock=lock)
    if role != "admin" and not work.principal.may(Permission.ADMIN_TEAMS_WRITE):
        record_refusal(work, "auth.denied", "team", team_id, "FORBIDDEN")
        raise PermissionDenied("This needs an administrator of the team.")
    if row.archived_at is not None:
        raise Conflict("This team is archived and cannot be changed.")
    return row


async def create(work: Work, values: Mapping[str, Any], admin_ids: Collection[str]) -> str:
    """Returns the id. Errors: AlreadyExists, InvalidRequestMembers."""
    connection = await work.connection()
    admins = list(dict.fromkeys(admin_ids or ([work.principal.user_id] if work.principal.user_id else [])))
    await _check_admins(work, admins)
    team_id = str(uuid4())
    stamps = {"created_at": work.now, "created_by": work.actor, **repository.stamps(work.actor, work.now)}
    columns = {name: value for name, value in values.items() if name not in limits.NAMES}
    if not await repository.add(connection, {"id": team_id, **columns, **stamps}):
        raise AlreadyExists("There is a team of this name.", "name")
    chosen = await settings.read(work, TeamSettings)
    defaults = {name: getattr(chosen, name, None) for name in limits.NAMES}
    given = {name: values[name] for name in limits.NAMES if name in values}
    await limits.set_limits(work, [team_scope(team_id)], defaults | given)
    detail = {"limits": defaults | given, "members": sorted(columns), "admin_ids": admins}
    await record(work, "team.created", "team", team_id, detail, values["name"])
    for user_id in admins:
        await membership.join(work, team_id, user_id, "admin")
    return team_id


async def change(work: Work, team_id: str, values: Mapping[str, Any]) -> None:
    """Sets the named members. Errors: NotFound, PermissionDenied, Conflict, AlreadyExists."""
    before = await managed(work, team_id)
    if not work.principal.may(Permission.ADMIN_TEAMS_WRITE) and (beyond := set(values) - OF_TEAM_ADMINS):
        raise PermissionDenied(f"Only platform administrators set {', '.join(sorted(beyond))}.")
    named = {name: value for name, value in values.items() if name not in limits.NAMES}
    columns = {name: value for name, value in named.items() if getattr(before, name) != value}
    if columns.get("is_active") and not await repository.other_admins(await work.connection(), team_id, ""):
        raise Conflict("An active team needs an administrator. Make somebody one first.")
    if columns:
        stamps = repository.stamps(work.actor, work.now)
        if not await repository.change(await work.connection(), team_id, columns | stamps):
            raise AlreadyExists("There is a team of this name.", "name")
        if not _KEYS_FOLLOW.isdisjoint(columns):
            work.changed(ChangeKind.BUDGET, team_scope(team_id))
        old = {name: getattr(before, name) for name in columns}
        await record(work, "team.updated", "team", team_id, {"old": old, "new": columns}, before.name)
    wanted = {name: values[name] for name in limits.NAMES if name in values}
    if wanted and await limits.set_limits(work, [team_scope(team_id)], wanted):
        await record(work, "team.limits_changed", "team", team_id, wanted, before.name)


async def archive(work: Work, team_id: str) -> None:
    """Ends a team: its keys are revoked at once; what was used stays attributed to it. Errors: NotFound."""
    connection = await work.connection()
    row, _ = await seen(work, team_id, Permission.ADMIN_TEAMS_WRITE, lock=True)
    if row.archived_at is not None:
        return
    stamps = repository.stamps(work.actor, work.now)
    await repository.change(connection, team_id, {"archived_at": work.now, "is_active": False, **stamps})
    revoked = {"revoked_at": work.now, "blocked": True, "status_reason": "its team was archived", **stamps}
    hashes = await repository.disable_keys(connection, team_id, None, revoked)
    work.changed(ChangeKind.KEY, *hashes)
    work.changed(ChangeKind.BUDGET, team_scope(team_id))
    await record(work, "team.archived", "team", team_id, {"revoked_keys": len(hashes)}, row.name)


async def reset_spend(work: Work, team_id: str, reason: str) -> int:
    """Units: nano-USD, of what the window had. Errors: NotFound."""
    row, _ = await seen(work, team_id, Permission.ADMIN_TEAMS_WRITE, lock=True)
    cleared = await limits.reset_spend(work, team_scope(team_id))
    detail = {"reason": reason, "cleared_nano": cleared}
    await record(work, "team.spend_reset", "team", team_id, detail, row.name)
    return cleared


async def change_member(work: Work, team_id: str, user_id: str, values: Mapping[str, Any]) -> None:
    """Errors: NotFound, PermissionDenied, Conflict for the last administrator."""
    team = await managed(work, team_id)
    connection = await work.connection()
    before = await repository.member(connection, team_id, user_id)
    if before is None:
        raise NotFound("The member was not found.")
    changed = {name: value for name, value in values.items() if getattr(before, name) != value}
    if not changed:
        return
    if "role" in changed and changed["role"] != "admin":
        await membership.keep_an_admin(work, team_id, user_id)
    await repository.change_member(connection, team_id, user_id, changed)
    work.changed(ChangeKind.BUDGET, team_scope(team_id))
    old = {name: getattr(before, name) for name in changed}
    await record(work, "member.updated", "team", team_id, {"user_id": user_id, "old": old, "new": changed}, team.name)


async def _check_admins(work: Work, admins: Collection[str]) -> None:
    """Errors: InvalidRequestMembers."""
    if not admins:
        raise InvalidRequestMembers([Mend("admin_ids", "A team needs at least one administrator.", "missing")])
    known = await repository.active_people(await work.connection(), admins)
    if unknown := [user_id for user_id in admins if user_id not in known]:
        raise InvalidRequestMembers(
            [Mend("admin_ids", f"There is no active user {user_id!r}.", "unknown") for user_id in unknown]
        )
