"""LiteLLM's key calls: what do clients that know nothing of our API do with keys?"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Body, Query
from sqlalchemy import Row

from litemaas.control.budgets import plans
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.keys import repository, service
from litemaas.control.keys.drafts import KeyDraft
from litemaas.control.keys.repository import KeyFilter
from litemaas.control.litellm_api.budget_links import key_columns
from litemaas.control.litellm_api.errors import Refused
from litemaas.control.litellm_api.gate import Access, Caller, CallerOf, facade_requires
from litemaas.control.litellm_api.key_params import KeyParams, KeyParamsOf
from litemaas.control.litellm_api.key_replies import generated, listed
from litemaas.control.litellm_api.key_requests import (
    KeyDeletion,
    KeyReference,
    KeyRequest,
    KeyUpdate,
    nano,
)
from litemaas.control.litellm_api.key_surroundings import owners_of, plans_of, rows_shown
from litemaas.control.teams import provisioning as teams
from litemaas.control.teams import repository as team_rows
from litemaas.core.errors import InvalidField, NotFound
from litemaas.core.keys import hash_key
from litemaas.core.permissions import Role

router = APIRouter(prefix="/key", route_class=WorkRoute)
_MASTER = [facade_requires(Access.MASTER)]
_ANY_KEY = [facade_requires(Access.VIRTUAL_KEY)]
_ALL = 1000


@router.post("/generate", dependencies=_MASTER)
async def generate(
    work: WorkOf, params: KeyParamsOf, request: Annotated[KeyRequest | None, Body()] = None
) -> dict[str, Any]:
    """Makes a key; the secret is in the answer and nowhere else."""
    request = request or KeyRequest()
    of_team = await _given_by_team(work, request, params)
    budget_id = request.budget_id or params.defaults.get("budget_id")
    planned = await plans.limits_of(work, budget_id) if budget_id else {}
    names = [name.removesuffix("_nano") for name in planned]
    request = params.applied(request, work.now, of_team=of_team, planned=names)
    columns = await key_columns(work, request, None)
    spent = nano(request.spend, "spend") or 0
    secret = await service.create_key(work, KeyDraft(**columns), request.key, spent)
    row = await repository.find_key(await work.connection(), hash_key(secret))
    assert row is not None  # noqa: S101 — made two lines above, in this transaction
    [plan] = await plans_of(work, [row])
    return generated(row, secret, spent) | plan


async def _given_by_team(work: Work, request: KeyRequest, params: KeyParams) -> dict[str, Any]:
    """What a team has for keys of its members. Errors: InvalidField for a team that there is not."""
    team_id = request.team_id or params.defaults.get("team_id")
    if team_id is None:
        return {}
    team = await _require_team(work, team_id)
    lives = team.extras.get("team_member_key_duration")
    return {"duration": lives} if lives is not None and request.user_id is not None else {}


async def _require_team(work: Work, team_id: str) -> Row[Any]:
    """Errors: InvalidField for a team that there is not."""
    try:
        return await teams.held(work, team_id)
    except NotFound:
        raise InvalidField(f"The team {team_id[:200]!r} was not found.", "team_id") from None


@router.post("/service-account/generate", dependencies=_MASTER)
async def generate_for_a_service(work: WorkOf, params: KeyParamsOf, request: KeyRequest) -> dict[str, Any]:
    """Makes a key that belongs to a team and to nobody in it."""
    if request.team_id is None:
        raise Refused(400, "bad_request_error", "team_id", "Name the team of the service in team_id.", detail=True)
    for_nobody = msgspec.structs.replace(
        params, defaults={name: value for name, value in params.defaults.items() if name != "user_id"}
    )
    return await generate(work, for_nobody, request.model_copy(update={"user_id": None}))


@router.get("/info", dependencies=[facade_requires(Access.VIRTUAL_KEY)])
async def info(work: WorkOf, caller: CallerOf, key: str | None = None) -> dict[str, Any]:
    """About a key; without ``key`` about the one that asks."""
    if key is None and caller.row is None:
        raise NotFound("The master key has no record: key not found. Name one with ?key=.", "key")
    key_hash = service.hash_of(key) if key is not None else str(caller.row.key_hash) if caller.row else ""
    row = await _held(work, key_hash)
    if not caller.sees_all and not caller.owns(row) and not await _leads_team_of(work, caller, row):
        raise Refused(403, "auth_error", "key", "A key may only read about itself.")
    return {"key": key or key_hash, "info": (await rows_shown(work, [row]))[0]}


async def _held(work: Work, key_hash: str) -> Row[Any]:
    row = await repository.find_key(await work.connection(), key_hash)
    if row is None:
        raise service.key_not_found()
    return row


@router.get("/list", dependencies=[facade_requires(Access.VIRTUAL_KEY, refusal=403)])
async def list_keys(
    work: WorkOf,
    caller: CallerOf,
    page: Annotated[int, Query(ge=1)] = 1,
    size: Annotated[int, Query(ge=1, le=_ALL)] = _ALL,
    user_id: str | None = None,
    team_id: str | None = None,
    organization_id: str | None = None,
    key_hash: str | None = None,
    key_alias: str | None = None,
    return_full_object: bool = False,
    include_team_keys: bool = False,
    include_created_by_keys: bool = False,
    sort_by: str | None = None,
    sort_order: Literal["asc", "desc"] = "desc",
    status: Literal["active", "deleted"] | None = None,
    expand: Annotated[list[str] | None, Query()] = None,
) -> dict[str, Any]:
    """A page of keys, the newest first; a key of a person who may not read everything lists that person's.

    ``include_team_keys``: besides, those of the teams that the person administers. ``expand=user``: whole objects, with whom
    they belong to.
    """
    if not caller.sees_all:
        if caller.user is None or (user_id is not None and user_id != caller.user.id):
            raise Refused(
                403, "auth_error", "None", "This call needs the master key, or lists the keys of your own user."
            )
        user_id = caller.user.id
    if (sort_by or "created_at") not in repository.ORDERS:
        raise InvalidField(f"sort_by must be one of: {', '.join(repository.ORDERS)}.", "sort_by")
    connection = await work.connection()
    roles = await team_rows.roles_of(connection, user_id) if include_team_keys and user_id else {}
    administered = tuple(team for team, role in roles.items() if role == "admin")
    wanted = KeyFilter(
        key_hash=service.hash_of(key_hash) if key_hash else None, alias=key_alias, user_id=user_id, team_id=team_id,
        organization_id=organization_id, or_of_teams=administered,
        or_created_by=user_id if include_created_by_keys else None, deleted=status == "deleted",
    )  # fmt: skip
    rows, total = await repository.list_keys(
        connection, wanted, (page - 1) * size, size, ascending=sort_order == "asc", by=sort_by or "created_at"
    )
    keys: list[Any] = [row.key_hash for row in rows]
    if return_full_object or expand:
        spent = await service.spend_of(work, rows)
        around = await owners_of(work, rows)
        keys = [listed(row, spent[row.key_hash], work) | around[row.key_hash] for row in rows]
        if "user" in (expand or ()):
            keys = [key | {"user": _person_of(key)} for key in keys]
    return {"keys": keys, "total_count": total, "current_page": page, "total_pages": -(-total // size)}


def _person_of(key: dict[str, Any]) -> dict[str, Any] | None:
    """Whom a full object belongs to."""
    if key["user_id"] is None:
        return None
    return {name: key[name] for name in ("user_id", "user_email", "user_role")}


@router.post("/update", dependencies=_MASTER)
async def update(work: WorkOf, params: KeyParamsOf, request: KeyUpdate) -> dict[str, Any]:
    """Sets the members that were sent."""
    key_hash = service.hash_of(request.key)
    before = await repository.find_key(await work.connection(), key_hash, lock=True)
    if before is None:
        raise Refused(401, "auth_error", "key", "The key to update was not found.")
    columns = await key_columns(work, request, before)
    if params.no_models_means_all and "models" in columns:
        columns["models"] = request.models or []
    if request.team_id is not None and request.team_id != before.team_id:
        await _require_team(work, request.team_id)
    await service.change_key(work, before.key_hash, columns, nano(request.spend, "spend"))
    return await _row(work, key_hash) | {"key": request.key, "token": before.key_hash}


@router.post("/delete", dependencies=_ANY_KEY)
async def delete(work: WorkOf, caller: CallerOf, request: KeyDeletion) -> dict[str, Any]:
    """Ends keys at once, by key, hash or alias; who may not manage everything ends their own, and those of teams they lead."""
    named = [*(request.keys or []), *([request.key] if request.key else [])]
    aliases = request.key_aliases or []
    if request.keys is None and request.key_aliases is None and request.key is None:
        raise Refused(422, "bad_request_error", "keys", "Name the keys to delete in keys or key_aliases.", detail=True)
    sent = {service.hash_of(key): key for key in named}
    by_alias = await repository.hashes_of_aliases(await work.connection(), aliases)
    sent.update({key_hash: alias for alias, key_hash in by_alias.items()})
    deleted = []
    # Always in the same order, so that two clean-ups at once do not wait for one another in a circle.
    for key_hash in sorted(sent):
        if not caller.is_admin:
            await _require_say(work, caller, key_hash)
        try:
            await service.delete_key(work, key_hash)
        except NotFound:
            continue
        deleted.append(sent[key_hash])
    if not deleted:
        raise NotFound("None of these keys was found.", "keys")
    asked = [*named, *aliases]
    return {"deleted_keys": sorted(deleted, key=asked.index)}


async def require_owner(work: Work, caller: Caller, key_hash: str) -> None:
    """A person's keys are theirs to end; a key that belongs to nobody does not end itself. Errors: Refused 401."""
    row = await repository.find_key(await work.connection(), key_hash)
    is_theirs = row is not None and caller.user is not None and row.user_id == caller.user.id
    if not is_theirs or Role.USER not in caller.roles:
        raise Refused(401, "auth_error", "None", "This call needs the master key, or is about a key of your own user.")


async def _require_say(work: Work, caller: Caller, key_hash: str) -> None:
    """As :func:`require_owner`, and keys that a team pays for are its administrators' to stop. Errors: Refused 401."""
    row = await repository.find_key(await work.connection(), key_hash)
    if row is None or not await _leads_team_of(work, caller, row):
        await require_owner(work, caller, key_hash)


async def _leads_team_of(work: Work, caller: Caller, row: Row[Any]) -> bool:
    """Whether the caller's person administers the team that pays for a key of LiteLLM's clients (gateway-api contract 2)."""
    if caller.user is None or row.team_id is None or row.governed or Role.USER not in caller.roles:
        return False
    role: str | None = await team_rows.role_of(await work.connection(), row.team_id, caller.user.id)
    return role == "admin"


# A clean-up job of the workshops sends DELETE.
router.add_api_route("/delete", delete, methods=["DELETE"], dependencies=_ANY_KEY)


@router.post("/block", dependencies=_ANY_KEY)
async def block(work: WorkOf, caller: CallerOf, request: KeyReference) -> dict[str, Any]:
    """Stops a key at once; administrators can undo it. Who may not manage everything stops whichever they could end."""
    if not caller.is_admin:
        await _require_say(work, caller, service.hash_of(request.key))
    return await _set_blocked(work, request.key, blocked=True)


@router.post("/unblock", dependencies=_MASTER)
async def unblock(work: WorkOf, request: KeyReference) -> dict[str, Any]:
    """Lets a blocked key call again."""
    return await _set_blocked(work, request.key, blocked=False)


async def _set_blocked(work: Work, key: str, *, blocked: bool) -> dict[str, Any]:
    key_hash = service.hash_of(key)
    try:
        await service.set_blocked(work, key_hash, blocked=blocked)
    except NotFound:
        raise Refused(401, "token_not_found_in_db", "key", "The key was not found.") from None
    return await _row(work, key_hash) | {"token": key_hash}


async def _row(work: Work, key_hash: str) -> dict[str, Any]:
    return (await rows_shown(work, [await _held(work, key_hash)]))[0]
