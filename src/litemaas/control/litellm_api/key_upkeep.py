"""LiteLLM's further key calls: many at once, a new secret, spend set back, and what a key is told about its state."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, Field
from sqlalchemy import Row

from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.keys import lifecycle, repository, service
from litemaas.control.keys.drafts import check_secret, expiry
from litemaas.control.litellm_api.budget_links import key_columns
from litemaas.control.litellm_api.errors import Refused
from litemaas.control.litellm_api.gate import Access, CallerOf, facade_requires
from litemaas.control.litellm_api.key_params import KeyParamsOf
from litemaas.control.litellm_api.key_replies import generated, with_z
from litemaas.control.litellm_api.key_requests import KeyRequest, KeyUpdate, Usd, nano
from litemaas.control.litellm_api.key_surroundings import rows_shown
from litemaas.control.litellm_api.keys import require_owner, update
from litemaas.core.errors import AlreadyExists, InvalidField, LiteMaaSError
from litemaas.core.keys import hash_key
from litemaas.core.money import usd_from_nano

router = APIRouter(route_class=WorkRoute)
_MASTER = [facade_requires(Access.MASTER)]
_ANY_KEY = [facade_requires(Access.VIRTUAL_KEY)]
_MOST = 500


class KeyList(BaseModel):
    keys: Annotated[list[str], Field(max_length=_MOST)]


class BulkUpdate(BaseModel):
    keys: Annotated[list[KeyUpdate], Field(max_length=_MOST)]


class Regeneration(KeyRequest):
    new_key: str | None = None
    grace_period: str | None = None


class SpendReset(BaseModel):
    reset_to: Usd


@router.post("/v2/key/info", dependencies=[facade_requires(Access.READER)])
async def info_of_many(work: WorkOf, request: KeyList) -> dict[str, Any]:
    """About several keys; those that are unknown are left out."""
    found = [await repository.find_key(await work.connection(), service.hash_of(key)) for key in request.keys]
    rows = [row for row in found if row is not None]
    shown = await rows_shown(work, rows)
    tokens = [{"token": row.key_hash} for row in rows]
    return {"key": request.keys, "info": [token | one for token, one in zip(tokens, shown, strict=True)]}


@router.get("/key/aliases", dependencies=_ANY_KEY)
async def aliases(work: WorkOf, caller: CallerOf) -> dict[str, Any]:
    """The aliases of all keys that the caller may see."""
    if not caller.sees_all and caller.user is None:
        return {"aliases": [caller.row.alias] if caller.row is not None and caller.row.alias else []}
    user_id = None if caller.sees_all or caller.user is None else str(caller.user.id)
    return {"aliases": await repository.aliases_of(await work.connection(), user_id)}


@router.post("/key/bulk_update", dependencies=_MASTER)
async def bulk_update(work: WorkOf, params: KeyParamsOf, request: BulkUpdate) -> dict[str, Any]:
    """Each key by itself: one that cannot be changed is named, and the others are."""
    good: list[dict[str, Any]] = []
    bad: list[dict[str, Any]] = []
    for one in request.keys:
        try:
            async with (await work.connection()).begin_nested():
                good.append({"key": one.key, "key_info": await update(work, params, one)})
        except (LiteMaaSError, Refused) as refusal:
            reason = refusal.message if isinstance(refusal, LiteMaaSError) else str(refusal.detail)
            bad.append({"key": one.key, "key_info": None, "failed_reason": reason})
    return {"total_requested": len(request.keys), "successful_updates": good, "failed_updates": bad}


@router.post("/key/regenerate", dependencies=_ANY_KEY)
async def regenerate(
    work: WorkOf,
    caller: CallerOf,
    key: Annotated[str | None, Query()] = None,
    request: Annotated[Regeneration | None, Body()] = None,
) -> dict[str, Any]:
    """Gives a key a new secret; it keeps alias, limits, spend and its place in the ledger."""
    named = key or (request.key if request is not None else None)
    if named is None and caller.row is not None:
        named = str(caller.row.key_hash)
    if named is None:
        raise Refused(422, "bad_request_error", "key", "Name the key to regenerate.", detail=True)
    return await _regenerated(work, caller, named, request or Regeneration())


@router.post("/key/{key}/regenerate", dependencies=_ANY_KEY)
async def regenerate_named(
    work: WorkOf, caller: CallerOf, key: str, request: Annotated[Regeneration | None, Body()] = None
) -> dict[str, Any]:
    """As ``/key/regenerate``, the key in the path."""
    return await _regenerated(work, caller, key, request or Regeneration())


async def _regenerated(work: Work, caller: Any, key: str, request: Regeneration) -> dict[str, Any]:
    row = await _held(work, key)
    wanted = request.model_copy(update={"key": None})
    wanted.model_fields_set.discard("key")
    if not caller.is_admin:
        await require_owner(work, caller, row.key_hash)
        if wanted.model_fields_set - {"new_key", "grace_period"}:
            raise Refused(401, "auth_error", "None", "Only the master key changes more than the secret.")
    if columns := await key_columns(work, wanted, row):
        await service.change_key(work, row.key_hash, columns, nano(request.spend, "spend"))
        row = await _held(work, row.key_hash)
    if request.new_key is not None:
        check_secret(request.new_key)
        if await repository.find_key(await work.connection(), hash_key(request.new_key)) is not None:
            raise AlreadyExists("This key already exists.", "new_key")
    secret = await lifecycle.rotate(work, row, _grace_s(work, request.grace_period), request.new_key)
    row = await _held(work, row.key_hash)
    return generated(row, secret, (await service.spend_of(work, [row]))[row.key_hash])


def _grace_s(work: Work, grace: str | None) -> int:
    if not grace:
        return 0
    return int((expiry(grace, work.now, "grace_period") - work.now).total_seconds())


@router.post("/key/{key}/reset_spend", dependencies=_MASTER)
async def reset_spend(work: WorkOf, key: str, request: SpendReset) -> dict[str, Any]:
    """Sets the spend of the current window to between 0 and what it is; the ledger stays as it is."""
    row = await _held(work, key)
    before = (await service.spend_of(work, [row]))[row.key_hash]
    wanted = nano(request.reset_to, "reset_to") or 0
    if wanted > before:
        raise InvalidField(f"reset_to must be between 0 and {usd_from_nano(before)}.", "reset_to")
    await service.change_key(work, row.key_hash, {}, wanted)
    return {
        "key_hash": row.key_hash,
        "spend": usd_from_nano(wanted),
        "previous_spend": usd_from_nano(before),
        "max_budget": None if row.max_budget_nano is None else usd_from_nano(row.max_budget_nano),
        "budget_reset_at": with_z(service.current_window(row, work.now, work.zone).end),
    }


@router.post("/key/health", dependencies=_ANY_KEY)
async def health() -> dict[str, Any]:
    """That a key gets here says that it is well; keys have no logging of their own."""
    return {"key": "healthy", "logging_callbacks": None}


async def _held(work: Work, key: str) -> Row[Any]:
    row = await repository.find_key(await work.connection(), service.hash_of(key), lock=True)
    if row is None:
        raise service.key_not_found()
    return row
