"""Which paths serve virtual keys?"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import Row

from litemaas.control.auth.gates import requires
from litemaas.control.http.shapes import PROBLEMS, Page, pagination
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.keys import repository, service
from litemaas.control.keys.drafts import KeyDraft, ModelLimit, expiry
from litemaas.control.keys.repository import KeyFilter
from litemaas.control.keys.schemas import KeyIn, KeyOut, KeyPatch, KeyQuery, NewKeyOut
from litemaas.core.errors import InvalidField
from litemaas.core.keys import hash_key
from litemaas.core.permissions import Permission

router = APIRouter(
    prefix="/api/v1/admin/keys",
    tags=["keys"],
    route_class=WorkRoute,
    dependencies=[requires(Permission.ADMIN_KEYS_READ, Permission.ADMIN_KEYS_WRITE)],
    responses=PROBLEMS,
)


@router.get("")
async def list_keys(work: WorkOf, query: Annotated[KeyQuery, Query()]) -> Page[KeyOut]:
    wanted = KeyFilter(
        **query.model_dump(include={"search", "alias", "user_id", "team_id", "pot_id", "model", "blocked"}),
        expired_at=work.now if query.status == "expired" else None,
        live_at=work.now if query.status == "live" else None,
    )
    rows, total = await repository.list_keys(await work.connection(), wanted, query.offset, query.limit)
    spent = await service.spend_of(work, rows)
    return Page(data=[_key_out(work, row, spent[row.key_hash]) for row in rows], pagination=pagination(query, total))


@router.post("", status_code=201)
async def create_key(work: WorkOf, body: KeyIn) -> NewKeyOut:
    values = _columns(body)
    duration = values.pop("duration", None)
    if duration is not None:
        if values.get("expires_at") is not None:
            raise InvalidField("Give duration or expires_at, not both.", "duration")
        values["expires_at"] = expiry(duration, work.now)
    secret = await service.create_key(work, KeyDraft(**values))
    return NewKeyOut(secret=secret, key=await _key(work, hash_key(secret)))


@router.get("/{key_id}")
async def get_key(work: WorkOf, key_id: str) -> KeyOut:
    return await _key(work, key_id)


@router.patch("/{key_id}")
async def change_key(work: WorkOf, key_id: str, body: KeyPatch) -> KeyOut:
    values = _columns(body)
    spent = values.pop("spent_nano", None)
    await service.change_key(work, key_id, values, spent)
    return await _key(work, key_id)


@router.post("/{key_id}/block")
async def block_key(work: WorkOf, key_id: str) -> KeyOut:
    await service.set_blocked(work, key_id, blocked=True)
    return await _key(work, key_id)


@router.post("/{key_id}/unblock")
async def unblock_key(work: WorkOf, key_id: str) -> KeyOut:
    await service.set_blocked(work, key_id, blocked=False)
    return await _key(work, key_id)


@router.delete("/{key_id}", status_code=204)
async def delete_key(work: WorkOf, key_id: str) -> None:
    await service.delete_key(work, key_id)


def _columns(body: KeyIn | KeyPatch) -> dict[str, Any]:
    values = body.model_dump(exclude_unset=True)
    if "model_limits" in values:
        values["model_limits"] = {model: ModelLimit(**limit) for model, limit in values["model_limits"].items()}
    return values


async def _key(work: Work, key_hash: str) -> KeyOut:
    row = await repository.find_key(await work.connection(), key_hash)
    if row is None:
        raise service.key_not_found()
    return _key_out(work, row, (await service.spend_of(work, [row]))[key_hash])


def _key_out(work: Work, row: Row[Any], spent_nano: int) -> KeyOut:
    values = row._mapping
    return KeyOut(
        **{field: values[field] for field in KeyOut.model_fields.keys() & values.keys()},
        id=row.key_hash,
        budget_reset_at=service.current_window(row, work.now).end,
        spent_nano=spent_nano,
    )
