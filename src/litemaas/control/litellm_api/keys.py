"""LiteLLM's key calls: what do clients that know nothing of our API do with keys?"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query

from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.keys import repository, service
from litemaas.control.keys.drafts import KeyDraft
from litemaas.control.keys.repository import KeyFilter
from litemaas.control.litellm_api.errors import Refused
from litemaas.control.litellm_api.gate import Access, CallerOf, facade_requires
from litemaas.control.litellm_api.key_replies import generated, key_row, listed
from litemaas.control.litellm_api.key_requests import (
    KeyDeletion,
    KeyReference,
    KeyRequest,
    KeyUpdate,
    columns_of,
    nano,
)
from litemaas.core.errors import NotFound
from litemaas.core.keys import hash_key

router = APIRouter(prefix="/key", route_class=WorkRoute)
_MASTER = [facade_requires(Access.MASTER)]
_ALL = 1000


@router.post("/generate", dependencies=_MASTER)
async def generate(work: WorkOf, request: Annotated[KeyRequest | None, Body()] = None) -> dict[str, Any]:
    request = request or KeyRequest()
    draft = KeyDraft(**columns_of(request, work.now, None))
    spent = nano(request.spend, "spend") or 0
    secret = await service.create_key(work, draft, request.key, spent)
    row = await repository.find_key(await work.connection(), hash_key(secret))
    assert row is not None  # noqa: S101 — made two lines above, in this transaction
    return generated(row, secret, spent)


@router.get("/info", dependencies=[facade_requires(Access.VIRTUAL_KEY)])
async def info(work: WorkOf, caller: CallerOf, key: str | None = None) -> dict[str, Any]:
    if key is None and caller.row is None:
        raise NotFound("The master key has no record: key not found. Name one with ?key=.", "key")
    key_hash = service.hash_of(key) if key is not None else str(caller.row.key_hash) if caller.row else ""
    if caller.row is not None and key_hash not in (caller.row.key_hash, caller.row.secret_hash, caller.row.old_secret_hash):
        raise Refused(403, "auth_error", "key", "A key may only read about itself.")
    reply = await _row(work, key_hash)
    return {"key": key or key_hash, "info": reply}


@router.get("/list", dependencies=[facade_requires(Access.MASTER, refusal=403)])
async def list_keys(
    work: WorkOf,
    page: Annotated[int, Query(ge=1)] = 1,
    size: Annotated[int, Query(ge=1, le=_ALL)] = _ALL,
    user_id: str | None = None,
    team_id: str | None = None,
    key_hash: str | None = None,
    key_alias: str | None = None,
    return_full_object: bool = False,
    sort_order: str = "desc",
) -> dict[str, Any]:
    wanted = KeyFilter(key_hash=key_hash, alias=key_alias, user_id=user_id, team_id=team_id)
    rows, total = await repository.list_keys(
        await work.connection(), wanted, (page - 1) * size, size, oldest_first=sort_order == "asc"
    )
    keys: list[Any] = [row.key_hash for row in rows]
    if return_full_object:
        spent = await service.spend_of(work, rows)
        keys = [listed(row, spent[row.key_hash], work.now) for row in rows]
    return {"keys": keys, "total_count": total, "current_page": page, "total_pages": -(-total // size)}


@router.post("/update", dependencies=_MASTER)
async def update(work: WorkOf, request: KeyUpdate) -> dict[str, Any]:
    key_hash = service.hash_of(request.key)
    before = await repository.find_key(await work.connection(), key_hash, lock=True)
    if before is None:
        raise Refused(401, "auth_error", "key", "The key to update was not found.")
    await service.change_key(work, key_hash, columns_of(request, work.now, before), nano(request.spend, "spend"))
    return await _row(work, key_hash) | {"key": request.key, "token": key_hash}


@router.post("/delete", dependencies=_MASTER)
async def delete(work: WorkOf, request: KeyDeletion) -> dict[str, Any]:
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
        try:
            await service.delete_key(work, key_hash)
        except NotFound:
            continue
        deleted.append(sent[key_hash])
    if not deleted:
        raise NotFound("None of these keys was found.", "keys")
    asked = [*named, *aliases]
    return {"deleted_keys": sorted(deleted, key=asked.index)}


# A clean-up job of the workshops sends DELETE.
router.add_api_route("/delete", delete, methods=["DELETE"], dependencies=_MASTER)


@router.post("/block", dependencies=_MASTER)
async def block(work: WorkOf, request: KeyReference) -> dict[str, Any]:
    return await _set_blocked(work, request.key, blocked=True)


@router.post("/unblock", dependencies=_MASTER)
async def unblock(work: WorkOf, request: KeyReference) -> dict[str, Any]:
    return await _set_blocked(work, request.key, blocked=False)


async def _set_blocked(work: Work, key: str, *, blocked: bool) -> dict[str, Any]:
    key_hash = service.hash_of(key)
    try:
        await service.set_blocked(work, key_hash, blocked=blocked)
    except NotFound:
        raise Refused(401, "token_not_found_in_db", "key", "The key was not found.") from None
    return await _row(work, key_hash) | {"token": key_hash}


async def _row(work: Work, key_hash: str) -> dict[str, Any]:
    row = await repository.find_key(await work.connection(), key_hash)
    if row is None:
        raise service.key_not_found()
    return key_row(row, (await service.spend_of(work, [row]))[row.key_hash], work.now)
