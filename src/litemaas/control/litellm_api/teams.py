"""LiteLLM's team calls: how do its clients make, read, change and end teams?"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import uuid4

from fastapi import APIRouter, Query

from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.keys import repository as keys
from litemaas.control.keys import service as key_service
from litemaas.control.keys.repository import KeyFilter
from litemaas.control.litellm_api.budget_links import shared_limits
from litemaas.control.litellm_api.errors import Refused
from litemaas.control.litellm_api.gate import Access, Caller, CallerOf, facade_requires
from litemaas.control.litellm_api.key_requests import nano
from litemaas.control.litellm_api.members import seat
from litemaas.control.litellm_api.team_replies import (
    full_rows,
    keys_of,
    member_budget,
    memberships,
    models_of,
    team_row,
    teams_of,
)
from litemaas.control.litellm_api.team_requests import (
    Member,
    TeamDeletion,
    TeamModels,
    TeamPermissions,
    TeamReference,
    TeamRequest,
    TeamUpdate,
    allowed_models,
    columns_of,
    limits_sent,
)
from litemaas.control.settings.service import require_guardrails
from litemaas.control.teams import provisioning
from litemaas.control.teams import repository as teams
from litemaas.control.users import limits
from litemaas.core.errors import NotFound
from litemaas.core.limits import team_scope

router = APIRouter(route_class=WorkRoute)
_MASTER = [facade_requires(Access.MASTER)]
_READER = [facade_requires(Access.READER)]
_ANY_KEY = [facade_requires(Access.VIRTUAL_KEY)]
_MOST = 10_000
PERMISSIONS = (
    "/key/generate", "/key/update", "/key/delete", "/key/info", "/key/regenerate", "/key/block", "/key/unblock",
    "/key/list", "/team/daily/activity",
)  # fmt: skip
"""What may be allowed to members; kept with the team and given back."""


@router.post("/team/new", dependencies=_MASTER)
async def new(work: WorkOf, request: TeamRequest) -> dict[str, Any]:
    """Makes a team; its members are made, too, where they are not known."""
    team_id = request.team_id or str(uuid4())
    columns, wanted = columns_of(request, None), limits_sent(request)
    await require_guardrails(work, request.guardrails or ())
    columns.setdefault("name", team_id)
    wanted = await shared_limits(work, team_scope(team_id), request, columns, wanted, None)
    people = [*request.members_with_roles, *(Member(user_id=one, role="admin") for one in request.admins)]
    people += [Member(user_id=one) for one in request.members]
    if not any(one.role == "admin" for one in people):
        columns["extras"] = columns.get("extras", {}) | {"made_by": work.actor}
    await provisioning.provision(work, team_id, columns, wanted)
    for person in people:
        await seat(work, team_id, person, None)
    if spent := nano(request.spend, "spend"):
        await limits.set_spend(work, team_scope(team_id), spent)
    return await row_of(work, team_id)


async def row_of(work: Work, team_id: str, *, changed: bool = False) -> dict[str, Any]:
    [team] = await teams_of(work, [await provisioning.held(work, team_id)])
    return team_row(team, changed=changed)


@router.get("/team/info", dependencies=_ANY_KEY)
async def info(work: WorkOf, caller: CallerOf, team_id: str) -> dict[str, Any]:
    """A team with members and keys; those in it may look, too."""
    await require_seat(work, caller, team_id)
    [team] = await teams_of(work, [await provisioning.held(work, team_id)])
    shown = team_row(team) | {"team_member_budget_table": member_budget(team)}
    return {
        "team_id": team_id, "team_info": shown, "keys": await keys_of(work, team_id),
        "team_memberships": await memberships(work, team),
    }  # fmt: skip


async def require_seat(work: Work, caller: Caller, team_id: str, *, as_admin: bool = False) -> None:
    """Whoever may not read everything is a member of the team, or asks with a key that it pays for."""
    if caller.is_admin or (caller.sees_all and not as_admin):
        return
    pays = caller.row is not None and caller.row.team_id == team_id and not as_admin
    role = await teams.role_of(await work.connection(), team_id, caller.user.id) if caller.user is not None else None
    if role != "admin" if as_admin else role is None and not pays:
        raise Refused(401, "auth_error", "None", "This call needs the master key or an administrator of the team.")


@router.get("/team/list", dependencies=_ANY_KEY)
async def list_teams(
    work: WorkOf, caller: CallerOf, user_id: str | None = None, organization_id: str | None = None
) -> list[dict[str, Any]]:
    """Every team with members and keys; without the right to read everything, one's own."""
    if not caller.sees_all:
        if caller.user is None or (user_id is not None and user_id != caller.user.id):
            raise Refused(401, "auth_error", "None", "A key may only list the teams of its own user.")
        user_id = caller.user.id
    wanted = teams.TeamFilter(member_id=user_id, organization_id=organization_id)
    rows, _ = await teams.page(await work.connection(), wanted, "created_at", True, 0, _MOST)
    return await full_rows(work, await teams_of(work, rows))


@router.get("/v2/team/list", dependencies=_READER)
async def page_of_teams(
    work: WorkOf,
    user_id: str | None = None,
    team_id: str | None = None,
    team_alias: str | None = None,
    organization_id: str | None = None,
    status: Literal["active", "deleted"] | None = None,
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    page_size: Annotated[int, Query(ge=1, le=100)] = 10,
    sort_by: str | None = None,
    sort_order: Literal["asc", "desc"] = "asc",
) -> dict[str, Any]:
    """A page of teams; ``team_alias`` is a part of it."""
    sort = "name" if sort_by == "team_alias" else "created_at"
    wanted = teams.TeamFilter(
        member_id=user_id, search=team_alias, team_id=team_id, organization_id=organization_id,
        archived=status == "deleted",
    )  # fmt: skip
    descending = sort_order == "desc"
    rows, total = await teams.page(await work.connection(), wanted, sort, descending, (page - 1) * page_size, page_size)
    shown = [team_row(team) for team in await teams_of(work, rows)]
    return {
        "teams": shown, "total": total, "page": page, "page_size": page_size, "total_pages": -(-total // page_size)
    }  # fmt: skip


@router.post("/team/update", dependencies=_MASTER)
async def update(work: WorkOf, request: TeamUpdate) -> dict[str, Any]:
    """Sets the members that were sent."""
    before = await provisioning.held(work, request.team_id, lock=True)
    columns, wanted = columns_of(request, before), limits_sent(request)
    await require_guardrails(work, request.guardrails or ())
    wanted = await shared_limits(work, team_scope(request.team_id), request, columns, wanted, before)
    await provisioning.change(work, request.team_id, columns, wanted)
    if (spent := nano(request.spend, "spend")) is not None:
        await limits.set_spend(work, team_scope(request.team_id), spent)
    return {"team_id": request.team_id, "data": await row_of(work, request.team_id, changed=True)}


@router.post("/team/delete", dependencies=_MASTER)
async def delete(work: WorkOf, request: TeamDeletion) -> dict[str, Any]:
    """Ends teams and deletes the keys that they pay for."""
    ids = sorted(set(request.team_ids))
    found = {row.id for row in await provisioning.held_many(work, ids)}
    if missing := [one for one in ids if one not in found]:
        raise NotFound(f"The team {missing[0][:200]!r} was not found.", "team_ids")
    for team_id in ids:
        rows, _ = await keys.list_keys(await work.connection(), KeyFilter(team_id=team_id), 0, 100_000)
        for row in sorted(rows, key=lambda one: str(one.key_hash)):
            await key_service.delete_key(work, row.key_hash)
        await provisioning.end(work, team_id)
    return {"deleted_teams": request.team_ids}


@router.post("/team/block", dependencies=_MASTER)
async def block(work: WorkOf, request: TeamReference) -> dict[str, Any]:
    """Stops the team's keys at once; it can be undone."""
    await provisioning.change(work, request.team_id, {"is_active": False}, {})
    return await row_of(work, request.team_id, changed=True)


@router.post("/team/unblock", dependencies=_MASTER)
async def unblock(work: WorkOf, request: TeamReference) -> dict[str, Any]:
    """Lets the keys of a blocked team call again."""
    await provisioning.change(work, request.team_id, {"is_active": True}, {})
    return await row_of(work, request.team_id, changed=True)


@router.post("/team/model/add", dependencies=_MASTER)
async def add_models(work: WorkOf, request: TeamModels) -> dict[str, Any]:
    """Names more models that the team may call."""
    before = await provisioning.held(work, request.team_id, lock=True)
    named = [name for name in models_of(before) if name != "no-default-models"]
    return await _set_models(work, request.team_id, before.extras, list(dict.fromkeys([*named, *request.models])))


@router.post("/team/model/delete", dependencies=_MASTER)
async def delete_models(work: WorkOf, request: TeamModels) -> dict[str, Any]:
    """Takes models away; a team that has none left may call none."""
    before = await provisioning.held(work, request.team_id, lock=True)
    named = models_of(before)
    left = [name for name in named if name not in request.models]
    return await _set_models(work, request.team_id, before.extras, left or (["no-default-models"] if named else []))


async def _set_models(work: Work, team_id: str, extras: dict[str, Any], models: list[str]) -> dict[str, Any]:
    columns = {"allowed_models": allowed_models(models), "extras": extras | {"models": models}}
    await provisioning.change(work, team_id, columns, {})
    return await row_of(work, team_id, changed=True)


@router.get("/team/permissions_list", dependencies=_ANY_KEY)
async def permissions_list(work: WorkOf, caller: CallerOf, team_id: str) -> dict[str, Any]:
    """What is kept with the team as allowed to its members."""
    await require_seat(work, caller, team_id)
    row = await provisioning.held(work, team_id)
    kept = row.extras.get("team_member_permissions", [])
    return {"team_id": team_id, "team_member_permissions": kept, "all_available_permissions": list(PERMISSIONS)}


@router.post("/team/permissions_update", dependencies=_MASTER)
async def permissions_update(work: WorkOf, request: TeamPermissions) -> dict[str, Any]:
    """Keeps with the team what its members may do."""
    before = await provisioning.held(work, request.team_id, lock=True)
    extras = before.extras | {"team_member_permissions": request.team_member_permissions}
    await provisioning.change(work, request.team_id, {"extras": extras}, {})
    return await row_of(work, request.team_id, changed=True)


@router.get("/team/available", dependencies=_ANY_KEY)
async def available() -> list[dict[str, Any]]:
    """Teams that anybody may join by themselves: there are none."""
    return []
