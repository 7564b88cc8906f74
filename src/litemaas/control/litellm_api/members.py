"""LiteLLM's calls about members: who belongs to a team, and what may they spend in it?"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from fastapi import APIRouter

from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.keys.drafts import check_limits
from litemaas.control.litellm_api.errors import Refused
from litemaas.control.litellm_api.gate import Access, Caller, CallerOf, facade_requires
from litemaas.control.litellm_api.key_requests import nano
from litemaas.control.litellm_api.team_replies import memberships, team_row, teams_of
from litemaas.control.litellm_api.team_requests import Member, MemberAddition, MemberReference, MemberUpdate
from litemaas.control.litellm_api.user_replies import user_row
from litemaas.control.teams import membership, provisioning
from litemaas.control.teams import repository as teams
from litemaas.control.users import limits
from litemaas.control.users import provisioning as people
from litemaas.core.limits import user_scope
from litemaas.core.permissions import Role

router = APIRouter(prefix="/team", route_class=WorkRoute)
_ANY_KEY = [facade_requires(Access.VIRTUAL_KEY)]


async def seat(work: Work, team_id: str, person: Member, cap_nano: int | None) -> str:
    """Makes somebody a member, and the user where there is none. Units: nano-USD. Errors: Refused when they are one."""
    user_id = await find_person(work, person.user_id, person.user_email)
    if user_id is None:
        user_id = person.user_id or str(uuid4())
        columns = {"email": person.user_email, "granted_roles": [Role.USER.value]}
        await people.register(work, user_id, columns, {})
    role = "admin" if person.role == "admin" else "member"
    if not await membership.join(work, team_id, user_id, role, max_budget_nano=cap_nano):
        message = f"The user {user_id[:200]!r} is in this team and already exists there."
        raise Refused(400, "team_member_already_in_team", "member", message, detail=True)
    return user_id


async def find_person(work: Work, user_id: str | None, email: str | None) -> str | None:
    row = await people.known(work, user_id) if user_id else None
    if row is None and email and not user_id:
        row = await people.known_by_email(work, email)
    return None if row is None else str(row.id)


@router.post("/member_add", dependencies=_ANY_KEY)
async def member_add(work: WorkOf, caller: CallerOf, request: MemberAddition) -> dict[str, Any]:
    """Adds one person or several; administrators of the team may, too."""
    await _require_admin(work, caller, request.team_id)
    await provisioning.held(work, request.team_id, lock=True)
    cap = nano(request.max_budget_in_team, "max_budget_in_team")
    added = [await seat(work, request.team_id, person, cap) for person in request.people]
    [team] = await teams_of(work, [await provisioning.held(work, request.team_id)])
    seats = [one for one in await memberships(work, team) if one["user_id"] in added]
    return team_row(team, changed=True) | {
        "updated_users": [await _user(work, one) for one in added], "updated_team_memberships": seats
    }  # fmt: skip


async def _require_admin(work: Work, caller: Caller, team_id: str) -> None:
    if caller.is_admin:
        return
    role = await teams.role_of(await work.connection(), team_id, caller.user.id) if caller.user is not None else None
    if role != "admin":
        raise Refused(401, "auth_error", "None", "This call needs the master key or an administrator of the team.")


async def _user(work: Work, user_id: str) -> dict[str, Any]:
    row = await people.known(work, user_id)
    assert row is not None  # noqa: S101 — joined a team in this transaction
    standing = (await limits.standing_of(work, [user_scope(user_id)]))[user_scope(user_id)]
    of_teams = await teams.teams_of_people(await work.connection(), [user_id])
    return user_row(row, standing, [one.team_id for one in of_teams])


@router.post("/member_update", dependencies=_ANY_KEY)
async def member_update(work: WorkOf, caller: CallerOf, request: MemberUpdate) -> dict[str, Any]:
    """Sets a member's cap, limits per minute or role; absent = keep, null = as of members without their own."""
    await _require_admin(work, caller, request.team_id)
    user_id = await _member(work, request)
    values: dict[str, Any] = {}
    if "max_budget_in_team" in request.model_fields_set:
        values["max_budget_nano"] = nano(request.max_budget_in_team, "max_budget_in_team")
    for name in ("tpm_limit", "rpm_limit"):
        if name in request.model_fields_set:
            values[name] = getattr(request, name)
    check_limits(values)
    if request.role is not None:
        values["role"] = "admin" if request.role == "admin" else "member"
    await provisioning.change_member(work, request.team_id, user_id, values)
    sent = request.model_dump(mode="json", exclude={"role"})
    budget = request.max_budget_in_team
    return sent | {"user_id": user_id, "max_budget_in_team": None if budget is None else float(budget)}


async def _member(work: Work, request: MemberReference) -> str:
    """Errors: Refused 400 for who is no member."""
    await provisioning.held(work, request.team_id, lock=True)
    user_id = await find_person(work, request.user_id, request.user_email)
    role = await teams.role_of(await work.connection(), request.team_id, user_id) if user_id is not None else None
    if user_id is None or role is None:
        raise Refused(400, "bad_request_error", "user_id", "The user was not found in this team.", detail=True)
    return user_id


@router.post("/member_delete", dependencies=_ANY_KEY)
async def member_delete(work: WorkOf, caller: CallerOf, request: MemberReference) -> dict[str, Any]:
    """Ends a membership; keys that the team pays for that person are disabled at once."""
    await _require_admin(work, caller, request.team_id)
    user_id = await _member(work, request)
    await membership.leave(work, request.team_id, user_id, must_keep_admin=False)
    [team] = await teams_of(work, [await provisioning.held(work, request.team_id)])
    return team_row(team, changed=True)
