"""How does somebody come into a team and leave it? By an administrator, or by a group that the team is bound to.

Whoever leaves: the keys that the team pays for them are disabled in the same transaction. A team keeps an administrator.
"""

from __future__ import annotations

from collections.abc import Collection

from litemaas.control.audit.service import record
from litemaas.control.http.feed import ChangeKind
from litemaas.control.http.refusals import Conflict
from litemaas.control.http.work import Work
from litemaas.control.notices.events import Event
from litemaas.control.notices.service import notify
from litemaas.control.teams import repository
from litemaas.core.limits import team_scope


async def join(
    work: Work, team_id: str, user_id: str, role: str, *, max_budget_nano: int | None = None, by_group: bool = False
) -> bool:
    """Whether the person was none of the team yet; then they are told."""
    connection = await work.connection()
    values = {
        "team_id": team_id, "user_id": user_id, "role": role, "max_budget_nano": max_budget_nano, "by_group": by_group,
        "joined_at": work.now, "added_by": work.actor,
    }  # fmt: skip
    if not await repository.add_member(connection, values):
        return False
    team = await repository.find(connection, team_id)
    name = team.name if team is not None else None
    work.changed(ChangeKind.BUDGET, team_scope(team_id))
    detail = {"user_id": user_id, "role": role, "max_budget_nano": max_budget_nano, "by_group": by_group}
    await record(work, "member.added", "team", team_id, detail, name)
    # A group is followed while its member signs in: nobody else is there to be named.
    actor = "Your group at the identity provider" if by_group else work.principal.name
    facts = {"team": name, "role": role, "actor": actor}
    await notify(work, Event.TEAM_JOINED, user_ids=[user_id], subject=f"team:{team_id}", facts=facts)
    return True


async def leave(work: Work, team_id: str, user_id: str, *, must_keep_admin: bool = True) -> None:
    """Ends a membership and disables its keys. The team's row must be locked.

    Errors: Conflict for the last administrator.
    """
    connection = await work.connection()
    if must_keep_admin:
        await keep_an_admin(work, team_id, user_id)
    await repository.drop_member(connection, team_id, user_id)
    reason = "its owner left the team"
    values = {"blocked": True, "status_reason": reason, **repository.stamps(work.actor, work.now)}
    disabled = await repository.disable_keys(connection, team_id, user_id, values)
    work.changed(ChangeKind.KEY, *disabled)
    work.changed(ChangeKind.BUDGET, team_scope(team_id))
    await record(work, "member.removed", "team", team_id, {"user_id": user_id, "disabled_keys": len(disabled)})


async def keep_an_admin(work: Work, team_id: str, user_id: str) -> None:
    """Errors: Conflict when ``user_id`` is the only administrator of the team, whose row must be locked."""
    connection = await work.connection()
    is_admin = await repository.role_of(connection, team_id, user_id) == "admin"
    if is_admin and not await repository.other_admins(connection, team_id, user_id):
        raise Conflict("A team keeps at least one administrator. Make somebody else one first.")


async def follow_groups(work: Work, user_id: str, groups: Collection[str]) -> None:
    """At a sign-in: joins the teams that are bound to one of ``groups``, leaves those whose group is gone."""
    connection = await work.connection()
    for held in await repository.memberships_by_group(connection, user_id):
        is_last = held.role == "admin" and not await repository.other_admins(connection, held.team_id, user_id)
        if held.group_binding not in groups and not is_last:
            await leave(work, held.team_id, user_id, must_keep_admin=False)
    for team_id in await repository.bound_teams(connection, groups):
        await join(work, team_id, user_id, "member", by_group=True)


async def join_default_team(work: Work, team_id: str, user_id: str) -> None:
    """The team of the settings; one that is archived since then takes nobody."""
    team = await repository.find(await work.connection(), team_id)
    if team is not None and team.archived_at is None:
        await join(work, team_id, user_id, "member")
