"""Whose usage may be seen? One's own, a team's by its admins and viewers, or everybody's by administrators.

A scope narrows every figure, breakdown, option list and export; names outside of it, known or not, are refused alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from litemaas.control.analytics import repository
from litemaas.control.auth.gates import require
from litemaas.control.http.refusals import PermissionDenied
from litemaas.control.http.work import Work
from litemaas.control.usage.filters import UsageFilter
from litemaas.core.errors import InvalidField
from litemaas.core.permissions import Permission

ME, ALL, TEAM = "me", "all", "team:"


class Scope(msgspec.Struct, frozen=True):
    """``user_id`` or ``team_id`` narrow it; neither = everybody."""

    name: str
    user_id: str | None = None
    team_id: str | None = None

    @property
    def shows_people(self) -> bool:
        return self.user_id is None


async def scope_of(work: Work, name: str, *, exporting: bool = False) -> Scope:
    """Errors: InvalidField; PermissionDenied, also for a team that does not exist."""
    principal = work.principal
    if name == ALL:
        require(work, Permission.ADMIN_USAGE_EXPORT if exporting else Permission.ADMIN_USAGE_READ)
        return Scope(ALL)
    if exporting:
        require(work, Permission.USAGE_EXPORT)
    if name == ME:
        if principal.user_id is None:
            raise InvalidField("A service has no usage of its own. Ask with scope=all.", "scope")
        return Scope(ME, user_id=principal.user_id)
    if not name.startswith(TEAM):
        raise InvalidField("scope must be me, all or team:<id>.", "scope")
    team_id = name.removeprefix(TEAM)
    if not principal.may(Permission.ADMIN_USAGE_READ):
        role = await repository.role_in_team(await work.connection(), team_id, principal.user_id)
        if role not in ("admin", "viewer"):
            raise PermissionDenied("Only admins and viewers of a team see its usage.")
    return Scope(name, team_id=team_id)


async def narrowed(work: Work, scope: Scope, wanted: UsageFilter) -> UsageFilter:
    """``wanted`` within the scope. Errors: PermissionDenied for names outside of it."""
    if scope.user_id is not None:
        _only(wanted.users, scope.user_id)
        await _known_keys(work, scope, wanted.keys)
        return msgspec.structs.replace(wanted, users=(scope.user_id,))
    if scope.team_id is not None:
        _only(wanted.teams, scope.team_id)
        await _known_keys(work, scope, wanted.keys)
        known = await repository.people_of_team(await work.connection(), scope.team_id, wanted.users)
        if set(wanted.users) - known:
            raise _outside()
        return msgspec.structs.replace(wanted, teams=(scope.team_id,))
    return wanted


def _only(asked: Sequence[str], allowed: str) -> None:
    if set(asked) - {allowed}:
        raise _outside()


async def _known_keys(work: Work, scope: Scope, asked: Sequence[str]) -> None:
    if asked:
        known = await repository.keys_within(await work.connection(), asked, scope.user_id, scope.team_id)
        if set(asked) - known:
            raise _outside()


def _outside() -> PermissionDenied:
    return PermissionDenied("A filter names something outside of this scope.")
