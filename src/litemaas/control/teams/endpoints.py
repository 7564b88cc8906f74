"""Which paths serve teams? The same ones for platform administrators and for a team's own people, who see only theirs.

Writing needs a role that may write at all (``api_keys:write``), and then an administrator of the team or of the platform.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.auth.gates import limited, requires
from litemaas.control.http.etags import IfMatch, require_match, tag
from litemaas.control.http.exports import EXPORTS, as_csv, as_json, attachment, rows_of
from litemaas.control.http.refusals import Conflict
from litemaas.control.http.shapes import PROBLEMS, Page, pagination
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.teams import membership, repository, service
from litemaas.control.teams.repository import TeamFilter
from litemaas.control.teams.schemas import (
    VOLATILE,
    BecauseOf,
    MemberIn,
    MemberOut,
    MemberPatch,
    MemberQuery,
    SpendReset,
    TeamBudget,
    TeamChoice,
    TeamExport,
    TeamIn,
    TeamLimits,
    TeamOut,
    TeamPatch,
    TeamQuery,
)
from litemaas.control.users import limits
from litemaas.core.errors import AlreadyExists, NotFound
from litemaas.core.limits import member_scope, team_scope
from litemaas.core.permissions import Permission

router = APIRouter(prefix="/api/v1/teams", tags=["teams"], route_class=WorkRoute, responses=PROBLEMS)
_TEAM = [requires(Permission.TEAMS_READ, Permission.KEYS_WRITE)]
_PLATFORM = [requires(Permission.ADMIN_TEAMS_READ, Permission.ADMIN_TEAMS_WRITE)]
_EXPORTED = ("id", "name", "alias", "description", "cost_centre", "is_active", "archived_at", "created_at")


@router.get("", dependencies=_TEAM)
async def list_teams(work: WorkOf, query: Annotated[TeamQuery, Query()]) -> Page[TeamOut]:
    """One's teams; administrators see all unless they ask for theirs."""
    wanted, descending = _filter(work, query), query.order == "desc"
    rows, total = await repository.page(
        await work.connection(), wanted, query.sort, descending, query.offset, query.limit
    )
    return Page(data=await _shown(work, rows), pagination=pagination(query, total))


@router.get("/export", dependencies=[*_PLATFORM, limited(EXPORTS)], response_class=StreamingResponse)
async def export_teams(work: WorkOf, request: Request, query: Annotated[TeamExport, Query()]) -> StreamingResponse:
    """All teams that the filters choose, as a file; audited."""
    told = query.model_dump(mode="json", exclude_defaults=True)
    await record(work, "team.exported", "team", "many", told)
    chosen = repository.chosen(_filter(work, query)).order_by("name")
    records = rows_of(request.app.state.plane, chosen, lambda row: {name: row._mapping[name] for name in _EXPORTED})
    content = as_csv(_EXPORTED, records) if query.format == "csv" else as_json({"filters": told}, records)
    return attachment(f"teams-{work.now:%Y-%m-%d}", query.format, content)


@router.post("", status_code=201, dependencies=_PLATFORM)
async def create_team(work: WorkOf, body: TeamIn) -> TeamOut:
    """Makes a team with at least one administrator of its own."""
    values = body.model_dump(exclude_unset=True)
    admin_ids = values.pop("admin_ids", [])
    return await _one(work, await service.create(work, values, admin_ids))


@router.get("/{team_id}", dependencies=_TEAM)
async def get_team(work: WorkOf, team_id: str, response: Response) -> TeamOut:
    """One team with its limits and spend."""
    return tag(response, await _one(work, team_id), VOLATILE)


@router.patch("/{team_id}", dependencies=_TEAM)
async def change_team(
    work: WorkOf, team_id: str, body: TeamPatch, response: Response, if_match: IfMatch = None
) -> TeamOut:
    """Changes what is named; a team's own administrators its description and the usual cap of members."""
    if if_match is not None:
        require_match(if_match, await _one(work, team_id), VOLATILE)
    await service.change(work, team_id, body.model_dump(exclude_unset=True))
    return tag(response, await _one(work, team_id), VOLATILE)


@router.delete("/{team_id}", status_code=204, dependencies=_PLATFORM)
async def archive_team(work: WorkOf, team_id: str) -> None:
    """Archives a team: its keys are revoked at once, its usage stays attributed, its name is free."""
    await service.archive(work, team_id)


@router.post("/{team_id}/reset-spend", dependencies=_PLATFORM)
async def reset_spend(work: WorkOf, team_id: str, body: BecauseOf) -> SpendReset:
    """Lets the team's current budget window begin with nothing spent; ledger and analytics stay as they are."""
    return SpendReset(cleared_nano=await service.reset_spend(work, team_id, body.reason))


@router.get("/{team_id}/budget", dependencies=_TEAM)
async def get_budget(work: WorkOf, team_id: str) -> TeamBudget:
    """Where the team's budget stands, and the caller's own part of it."""
    row, role = await service.seen(work, team_id, Permission.ADMIN_TEAMS_READ)
    scope, user_id = team_scope(team_id), work.principal.user_id
    standing = (await limits.standing_of(work, [scope]))[scope]
    most = standing.max_budget_nano
    cap = spent = None
    if role is not None and user_id is not None:
        member = await repository.member(await work.connection(), team_id, user_id)
        own = member_scope(team_id, user_id)
        cap = _cap(row, member) if member is not None else None
        spent = (await limits.spent_inside(work, scope, [own]))[own]
    return TeamBudget(
        **{name: getattr(standing, name) for name in TeamLimits.model_fields},
        spent_nano=standing.spent_nano,
        remaining_nano=None if most is None else max(0, most - standing.spent_nano),
        budget_reset_at=standing.budget_reset_at,
        own_max_budget_nano=cap,
        own_spent_nano=spent,
    )


# -- members ------------------------------------------------------------------------------------------------------------


@router.get("/{team_id}/members", dependencies=_TEAM)
async def list_members(work: WorkOf, team_id: str, query: Annotated[MemberQuery, Query()]) -> Page[MemberOut]:
    """Who belongs to the team, by name, with caps and spend inside it."""
    team, _ = await service.seen(work, team_id, Permission.ADMIN_TEAMS_READ)
    rows, total = await repository.members(await work.connection(), team_id, query.search, query.offset, query.limit)
    return Page(data=await _members(work, team, rows), pagination=pagination(query, total))


@router.post("/{team_id}/members", status_code=201, dependencies=_TEAM)
async def add_member(work: WorkOf, team_id: str, body: MemberIn) -> MemberOut:
    """Takes somebody into the team; they are told."""
    team = await service.managed(work, team_id)
    person = await repository.find_person(await work.connection(), body.user_id, body.username)
    if person is None:
        raise NotFound("The user was not found.", "user_id")
    if not person.is_active:
        raise Conflict("This account is not active.")
    if not await membership.join(work, team_id, person.id, body.role, max_budget_nano=body.max_budget_nano):
        raise AlreadyExists("This person belongs to the team already.", "user_id")
    return await _member(work, team, person.id)


@router.patch("/{team_id}/members/{user_id}", dependencies=_TEAM)
async def change_member(work: WorkOf, team_id: str, user_id: str, body: MemberPatch) -> MemberOut:
    """Changes a member's role or cap."""
    await service.change_member(work, team_id, user_id, body.model_dump(exclude_unset=True))
    team, _ = await service.seen(work, team_id, Permission.ADMIN_TEAMS_READ)
    return await _member(work, team, user_id)


@router.delete("/{team_id}/members/{user_id}", status_code=204, dependencies=_TEAM)
async def remove_member(work: WorkOf, team_id: str, user_id: str) -> None:
    """Ends a membership; the keys that the team pays for this person are disabled at once."""
    await service.managed(work, team_id)
    if await repository.role_of(await work.connection(), team_id, user_id) is None:
        raise NotFound("The member was not found.")
    await membership.leave(work, team_id, user_id)


# -- what is shown ------------------------------------------------------------------------------------------------------


def _filter(work: Work, query: TeamChoice) -> TeamFilter:
    named = query.model_dump(include={"search", "is_active", "cost_centre", "archived"})
    sees_all = work.principal.may(Permission.ADMIN_TEAMS_READ) and not query.mine
    return TeamFilter(**named, member_id=None if sees_all else work.principal.user_id or "")


async def _one(work: Work, team_id: str) -> TeamOut:
    row, _ = await service.seen(work, team_id, Permission.ADMIN_TEAMS_READ)
    return (await _shown(work, [row]))[0]


async def _shown(work: Work, rows: Sequence[Row[Any]]) -> list[TeamOut]:
    connection, user_id = await work.connection(), work.principal.user_id
    standing = await limits.standing_of(work, [team_scope(row.id) for row in rows])
    counts = await repository.counts(connection, [row.id for row in rows])
    roles = await repository.roles_of(connection, user_id) if user_id is not None else {}
    computed = {"role", "members", "keys", "spent_nano", "budget_reset_at", *limits.NAMES}
    return [
        TeamOut(
            **{name: row._mapping[name] for name in TeamOut.model_fields if name not in computed},
            **{name: getattr(standing[team_scope(row.id)], name) for name in TeamLimits.model_fields},
            role=roles.get(row.id),
            members=counts[row.id][0],
            keys=counts[row.id][1],
            spent_nano=standing[team_scope(row.id)].spent_nano,
            budget_reset_at=standing[team_scope(row.id)].budget_reset_at,
        )
        for row in rows
    ]


async def _member(work: Work, team: Row[Any], user_id: str) -> MemberOut:
    row = await repository.member(await work.connection(), team.id, user_id)
    if row is None:
        raise NotFound("The member was not found.")
    return (await _members(work, team, [row]))[0]


async def _members(work: Work, team: Row[Any], rows: Sequence[Row[Any]]) -> list[MemberOut]:
    scopes = {row.user_id: member_scope(team.id, row.user_id) for row in rows}
    spent = await limits.spent_inside(work, team_scope(team.id), list(scopes.values()))
    return [
        MemberOut(
            **{name: row._mapping[name] for name in MemberOut.model_fields if name not in ("cap_nano", "spent_nano")},
            cap_nano=_cap(team, row),
            spent_nano=spent[scopes[row.user_id]],
        )
        for row in rows
    ]


def _cap(team: Row[Any], member: Row[Any]) -> int | None:
    """Units: nano-USD."""
    own: int | None = member.max_budget_nano if member.max_budget_nano is not None else team.member_default_budget_nano
    return own
