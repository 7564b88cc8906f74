"""LiteLLM's user calls: how do its clients make, read, change and end people?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import uuid4

from fastapi import APIRouter, Body, Query
from pydantic import ValidationError
from sqlalchemy import Row

from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.keys import repository as keys
from litemaas.control.keys import service as key_service
from litemaas.control.keys.drafts import KeyDraft, expiry
from litemaas.control.keys.repository import KeyFilter
from litemaas.control.litellm_api.budget_links import shared_limits
from litemaas.control.litellm_api.errors import Refused
from litemaas.control.litellm_api.gate import Access, Caller, CallerOf, facade_requires
from litemaas.control.litellm_api.key_replies import generated, key_row, no_key
from litemaas.control.litellm_api.key_requests import nano
from litemaas.control.litellm_api.team_replies import MOST_KEYS, alias_of, full_rows, teams_of
from litemaas.control.litellm_api.user_replies import listed_user, role_of, user_row
from litemaas.control.litellm_api.user_requests import (
    ROLES,
    BulkUpdate,
    UserDeletion,
    UserRequest,
    UserUpdate,
    columns_of,
    limits_sent,
)
from litemaas.control.teams import membership
from litemaas.control.teams import provisioning as team_provisioning
from litemaas.control.teams import repository as teams
from litemaas.control.users import limits, provisioning, repository, service
from litemaas.control.users.repository import UserFilter
from litemaas.core.errors import AlreadyExists, InvalidField, LiteMaaSError, NotFound
from litemaas.core.keys import hash_key
from litemaas.core.limits import user_scope

router = APIRouter(prefix="/user", route_class=WorkRoute)
_MASTER = [facade_requires(Access.MASTER)]
_SORTS = {
    "user_id": "username", "user_email": "email", "user_alias": "full_name", "created_at": "created_at",
    "username": "username",
}  # fmt: skip


@router.post("/new", dependencies=_MASTER)
async def new(work: WorkOf, request: Annotated[UserRequest | None, Body()] = None) -> dict[str, Any]:
    """Makes a user, and a key of theirs unless ``auto_create_key`` is false."""
    request = request or UserRequest()
    user_id = request.user_id or str(uuid4())
    await _register(work, user_id, request)
    await _join(work, user_id, request)
    row = await _held(work, user_id)
    shown = await _shown(work, [row])
    members = {"user_email": row.email, "user_role": role_of(row), "user_alias": row.full_name}
    reply = await _first_key(work, user_id, request)
    of_user = {name: shown[0][name] for name in ("max_budget", "spend", "budget_duration", "tpm_limit", "rpm_limit",
                                                 "max_parallel_requests", "models", "metadata")}  # fmt: skip
    unknown = {"token": None, "token_id": None, "created_by": None}
    return reply | of_user | members | unknown | {"user_id": user_id, "teams": shown[0]["teams"]}


async def _register(work: Work, user_id: str, request: UserRequest) -> None:
    columns, wanted = columns_of(request), limits_sent(request)
    wanted = await shared_limits(work, user_scope(user_id), request, columns, wanted, None)
    try:
        await provisioning.register(work, user_id, columns, wanted)
    except AlreadyExists as taken:
        raise Refused(409, "bad_request_error", taken.field, taken.message, detail=True) from None
    if spent := nano(request.spend, "spend"):
        await limits.set_spend(work, user_scope(user_id), spent)


async def _join(work: Work, user_id: str, request: UserRequest) -> None:
    """Known teams get the user as a member, unknown ones are skipped."""
    seats = {seat.team_id: seat for seat in request.seats}
    for team in await team_provisioning.held_many(work, list(seats)):
        seat = seats[team.id]
        role = "admin" if seat.user_role == "admin" else "member"
        cap = nano(seat.max_budget_in_team, "max_budget_in_team")
        await membership.join(work, team.id, user_id, role, max_budget_nano=cap)


async def _first_key(work: Work, user_id: str, request: UserRequest) -> dict[str, Any]:
    """The reply's members about a key; an automatic one copies ``models``, limits are the user's."""
    if not request.auto_create_key:
        return no_key()
    ends = expiry(request.duration, work.now) if request.duration is not None else request.expires
    draft = KeyDraft(user_id=user_id, alias=request.key_alias or None, models=request.models or [], expires_at=ends)
    secret = await key_service.create_key(work, draft)
    row = await keys.find_key(await work.connection(), hash_key(secret))
    assert row is not None  # noqa: S101 — made two lines above, in this transaction
    return generated(row, secret, 0)


@router.get("/info", dependencies=[facade_requires(Access.VIRTUAL_KEY)])
async def info(work: WorkOf, caller: CallerOf, user_id: str | None = None) -> dict[str, Any]:
    """A user with keys and teams; without ``user_id`` the caller, for the master key all keys and teams."""
    if user_id is None and caller.is_master:
        every, _ = await teams.page(await work.connection(), teams.TeamFilter(), "name", False, 0, MOST_KEYS)
        shown = await full_rows(work, await teams_of(work, every))
        return {"user_id": None, "user_info": None, "keys": await _keys(work, KeyFilter()), "teams": shown}
    wanted = user_id or caller.user_id or ""
    _require_own(caller, wanted)
    row = await provisioning.known(work, wanted)
    if row is None:
        raise Refused(404, "not_found_error", "user_id", f"User {wanted[:200]} not found.", detail=True)
    [shown_user] = await _shown(work, [row])
    of_person = await team_provisioning.held_many(work, shown_user["teams"])
    own_teams = await full_rows(work, await teams_of(work, of_person))
    own_keys = await _keys(work, KeyFilter(user_id=wanted))
    return {"user_id": wanted, "user_info": shown_user, "keys": own_keys, "teams": own_teams}


def _require_own(caller: Caller, user_id: str) -> None:
    if not caller.sees_all and (caller.user is None or caller.user.id != user_id):
        raise Refused(401, "auth_error", "None", "A key may only read about its own user.")


async def _keys(work: Work, wanted: KeyFilter) -> list[dict[str, Any]]:
    rows, _ = await keys.list_keys(await work.connection(), wanted, 0, MOST_KEYS)
    spent = await key_service.spend_of(work, rows)
    paying = {row.team_id for row in rows if row.team_id is not None}
    names = {team.id: alias_of(team) for team in await team_provisioning.held_many(work, paying)}
    return [
        {
            "token": row.key_hash, **key_row(row, spent[row.key_hash], work), "team_alias": names.get(row.team_id)
        }
        for row in rows
    ]  # fmt: skip


@router.post("/update", dependencies=_MASTER)
async def update(work: WorkOf, request: UserUpdate) -> dict[str, Any]:
    """Sets the members that were sent; makes the user if there is none of this id."""
    user_id = await _updated(work, request)
    [shown] = await _shown(work, [await _held(work, user_id)])
    return {"user_id": user_id, "data": shown}


async def _updated(work: Work, request: UserUpdate) -> str:
    row = await provisioning.known(work, request.user_id, lock=True) if request.user_id else None
    if row is None and request.user_email:
        row = await provisioning.known_by_email(work, request.user_email)
    if row is None:
        user_id = request.user_id or str(uuid4())
        await _register(work, user_id, request)
        await _join(work, user_id, request)
        return user_id
    columns, wanted = columns_of(request, row), limits_sent(request)
    wanted = await shared_limits(work, user_scope(row.id), request, columns, wanted, row)
    try:
        await provisioning.change(work, row.id, columns, wanted)
    except AlreadyExists as taken:
        raise Refused(409, "bad_request_error", taken.field, taken.message, detail=True) from None
    if (spent := nano(request.spend, "spend")) is not None:
        await limits.set_spend(work, user_scope(row.id), spent)
    await _join(work, row.id, request)
    return str(row.id)


@router.post("/bulk_update", dependencies=_MASTER)
async def bulk_update(work: WorkOf, request: BulkUpdate) -> dict[str, Any]:
    """Each user by itself: one that cannot be changed is named, and the others are."""
    wanted = list(request.users)
    if request.all_users:
        try:
            ids = await repository.ids_of(await work.connection(), UserFilter(is_active=True))
            wanted = [UserUpdate.model_validate({**(request.user_updates or {}), "user_id": one}) for one in ids]
        except ValidationError:
            raise Refused(
                422, "bad_request_error", "user_updates", "user_updates is no update of a user.", detail=True
            ) from None
    results = [await _one_of_many(work, one) for one in wanted]
    good = sum(result["success"] for result in results)
    return {
        "results": results, "total_requested": len(results), "successful_updates": good,
        "failed_updates": len(results) - good,
    }  # fmt: skip


async def _one_of_many(work: Work, request: UserUpdate) -> dict[str, Any]:
    told: dict[str, Any] = {"user_id": request.user_id, "user_email": request.user_email}
    try:
        async with (await work.connection()).begin_nested():
            user_id = await _updated(work, request)
    except (LiteMaaSError, Refused) as refusal:
        message = refusal.message if isinstance(refusal, LiteMaaSError) else str(refusal.detail)
        return told | {"success": False, "error": message, "updated_user": None}
    [shown] = await _shown(work, [await _held(work, user_id)])
    return told | {"user_id": user_id, "success": True, "error": None, "updated_user": shown}


@router.get("/list", dependencies=[facade_requires(Access.READER)])
async def list_users(
    work: WorkOf,
    role: str | None = None,
    user_ids: str | None = None,
    sso_user_ids: str | None = None,
    user_email: str | None = None,
    team: str | None = None,
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    page_size: Annotated[int, Query(ge=1, le=1000)] = 25,
    sort_by: str | None = None,
    sort_order: Literal["asc", "desc"] = "asc",
) -> dict[str, Any]:
    """A page of people; ``user_email`` is a part of it."""
    if role and role not in ROLES:
        raise InvalidField(f"role must be one of: {', '.join(ROLES)}.", "role")
    wanted = UserFilter(
        ids=_listed(user_ids), sso_ids=_listed(sso_user_ids), search=user_email, team_id=team,
        role=ROLES[role] if role else None, anonymised=False,
    )  # fmt: skip
    connection = await work.connection()
    place = (page - 1) * page_size
    rows, total = await repository.page(
        connection, wanted, _SORTS.get(sort_by or "", "created_at"), sort_order == "desc", place, page_size
    )
    counts = await keys.counts_of_users(connection, [row.id for row in rows])
    standings, of_teams = await _around(work, rows)
    listed = [listed_user(row, standings[user_scope(row.id)], of_teams[row.id], counts.get(row.id, 0)) for row in rows]
    return {
        "users": listed, "total": total, "page": page, "page_size": page_size, "total_pages": -(-total // page_size)
    }  # fmt: skip


def _listed(text: str | None) -> list[str] | None:
    return [one.strip() for one in text.split(",")] if text else None


@router.post("/delete", dependencies=_MASTER)
async def delete(work: WorkOf, request: UserDeletion) -> int:
    """Ends people and their keys at once; what they used stays attributed to their ids. Returns how many."""
    ids = sorted(set(request.user_ids))
    for user_id in ids:
        if await provisioning.known(work, user_id) is None:
            raise Refused(404, "not_found_error", "user_ids", f"User {user_id[:200]} not found.", detail=True)
    for user_id in ids:
        rows, _ = await keys.list_keys(await work.connection(), KeyFilter(user_id=user_id), 0, 100_000)
        for row in sorted(rows, key=lambda one: str(one.key_hash)):
            await key_service.delete_key(work, row.key_hash)
        for seat in await teams.teams_of_people(await work.connection(), [user_id]):
            await team_provisioning.held(work, seat.team_id, lock=True)
            await membership.leave(work, seat.team_id, user_id, must_keep_admin=False)
        await service.anonymise(work, user_id, "deleted by a client of the management API")
    return len(ids)


async def _held(work: Work, user_id: str) -> Row[Any]:
    row = await provisioning.known(work, user_id)
    if row is None:
        raise NotFound(f"User {user_id[:200]} not found.", "user_id")
    return row


async def _shown(work: Work, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    standings, of_teams = await _around(work, rows)
    return [user_row(row, standings[user_scope(row.id)], of_teams[row.id]) for row in rows]


async def _around(work: Work, rows: Sequence[Row[Any]]) -> tuple[dict[str, limits.Standing], dict[str, list[str]]]:
    """Where these people stand, and their teams."""
    standings = await limits.standing_of(work, [user_scope(row.id) for row in rows])
    of_teams: dict[str, list[str]] = {row.id: [] for row in rows}
    for seat in await teams.teams_of_people(await work.connection(), list(of_teams)):
        of_teams[seat.user_id].append(seat.team_id)
    return standings, of_teams
