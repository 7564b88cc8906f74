"""Which paths serve all virtual keys? An administrator's: no maximums bind them, and other people's keys are in reach."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.auth.gates import limited, requires
from litemaas.control.http.etags import IfMatch, require_match, tag
from litemaas.control.http.exports import EXPORTS, as_csv, as_json, attachment, rows_of
from litemaas.control.http.shapes import PROBLEMS, Page, pagination
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.keys import lifecycle, owning, repository, rules, service, view
from litemaas.control.keys import repository_views as views
from litemaas.control.keys.blocks import blocks_of
from litemaas.control.keys.drafts import KeyDraft, ModelLimit, expiry
from litemaas.control.keys.explain import explain
from litemaas.control.keys.jobs import archive_expired
from litemaas.control.keys.repository_views import Wanted
from litemaas.control.keys.schemas import (
    VOLATILE,
    AdminKeyIn,
    Cleanup,
    Explanation,
    KeyChoice,
    KeyExport,
    KeyIn,
    KeyOut,
    KeyPatch,
    KeyQuery,
    KeyStats,
    Lookup,
    MustSayWhy,
    NewKeyOut,
    OwnKeyIn,
    OwnKeyPatch,
    OwnKeyQuery,
    Question,
    RefusalQuery,
    Refusals,
    Rotation,
    Why,
)
from litemaas.control.settings.groups import KeySettings
from litemaas.control.settings.service import read
from litemaas.core.errors import InvalidField, NotFound
from litemaas.core.keys import hash_key
from litemaas.core.permissions import Permission

router = APIRouter(
    prefix="/api/v1/admin",
    tags=["keys"],
    route_class=WorkRoute,
    responses=PROBLEMS,
)
_GATE = [requires(Permission.ADMIN_KEYS_READ, Permission.ADMIN_KEYS_WRITE)]
_READS = [requires(Permission.ADMIN_KEYS_READ)]


@router.get("/keys", dependencies=_GATE)
async def list_keys(work: WorkOf, query: Annotated[KeyQuery, Query()]) -> Page[KeyOut]:
    """All keys, those of LiteLLM's clients too."""
    return await _page(work, query, wanted_of(query))


@router.post("/keys", status_code=201, dependencies=_GATE)
async def create_key(work: WorkOf, body: KeyIn | None = None) -> NewKeyOut:
    """A key as LiteLLM's clients make them: it needs no subscription. For a person, use `/admin/users/{user_id}/keys`."""
    values = columns_of(body or KeyIn())
    duration = values.pop("duration", None)
    if duration is not None:
        if values.get("expires_at") is not None:
            raise InvalidField("Give duration or expires_at, not both.", "duration")
        values["expires_at"] = expiry(duration, work.now)
    secret = await service.create_key(work, KeyDraft(**values))
    return NewKeyOut(secret=secret, key=await _shown(work, hash_key(secret)))


@router.get("/keys/stats", dependencies=_GATE)
async def key_statistics(work: WorkOf) -> KeyStats:
    """How many keys there are, by state and by model."""
    return await stats(work, Wanted())


@router.get("/keys/export", dependencies=[*_READS, limited(EXPORTS)], response_class=StreamingResponse)
async def export_keys(work: WorkOf, request: Request, query: Annotated[KeyExport, Query()]) -> StreamingResponse:
    """All keys that the filters choose, as a file without any secret; audited."""
    told = query.model_dump(mode="json", exclude_defaults=True)
    await record(work, "key.exported", "key", "many", told)
    found = await views.chosen(await work.connection(), wanted_of(query), work.now, work.zone)
    records = rows_of(request.app.state.plane, found, lambda row: dict(row._mapping))
    content = as_csv(views.EXPORTED, records) if query.format == "csv" else as_json({"filters": told}, records)
    return attachment(f"keys-{work.now:%Y-%m-%d}", query.format, content)


@router.post("/keys/lookup", dependencies=_GATE)
async def look_up_key(work: WorkOf, body: Lookup) -> KeyOut:
    """Whose a pasted secret is; the secret is neither logged nor kept. A former secret is found while its key lives."""
    row = await repository.find_key(await work.connection(), hash_key(body.secret))
    if row is None:
        raise service.key_not_found()
    await owning.note(work, "key.looked_up", row, {})
    return await view.shown_one(work, row)


@router.post("/keys/cleanup", dependencies=_GATE)
async def clean_up_keys(work: WorkOf) -> Cleanup:
    """Archives keys that expired more than 90 days ago; a duty does the same every day."""
    return Cleanup(archived=await archive_expired(work))


@router.get("/keys/{key_id}", dependencies=_GATE)
async def get_key(work: WorkOf, response: Response, key_id: str) -> KeyOut:
    return tag(response, await _shown(work, key_id), VOLATILE)


@router.patch("/keys/{key_id}", dependencies=_GATE)
async def change_key(
    work: WorkOf, response: Response, key_id: str, body: KeyPatch, if_match: IfMatch = None
) -> KeyOut:  # fmt: skip
    """Sets what is sent; null clears a limit."""
    row = await _held(work, key_id)
    require_match(if_match, await view.shown_one(work, row), VOLATILE)
    values = columns_of(body)
    spent = values.pop("spent_nano", None)
    if values:
        await owning.change(work, row, values, bound=False)
    if spent is not None:
        await service.change_key(work, row.key_hash, {}, spent)
    return tag(response, await _shown(work, key_id), VOLATILE)


@router.delete("/keys/{key_id}", status_code=204, dependencies=_GATE)
async def delete_key(
    work: WorkOf, key_id: str, reason: Annotated[str | None, Query(min_length=1, max_length=1000)] = None
) -> None:
    """Revokes and hides a key; its use stays attributed. The audit trail keeps the reason."""
    row = await _held(work, key_id)
    if row.governed:
        await lifecycle.delete(work, row, reason)
    else:
        await service.delete_key(work, row.key_hash, reason)


@router.post("/keys/{key_id}/disable", dependencies=_GATE)
async def disable_key(work: WorkOf, key_id: str, body: Annotated[Why | None, Body()] = None) -> KeyOut:
    await lifecycle.disable(work, await _held(work, key_id), body.reason if body is not None else None)
    return await _shown(work, key_id)


@router.post("/keys/{key_id}/enable", dependencies=_GATE)
async def enable_key(work: WorkOf, key_id: str) -> KeyOut:
    await lifecycle.enable(work, await _held(work, key_id))
    return await _shown(work, key_id)


@router.post("/keys/{key_id}/block", dependencies=_GATE)
async def block_key(work: WorkOf, key_id: str) -> KeyOut:
    """LiteLLM's word for disabling."""
    await service.set_blocked(work, key_id, blocked=True)
    return await _shown(work, key_id)


@router.post("/keys/{key_id}/unblock", dependencies=_GATE)
async def unblock_key(work: WorkOf, key_id: str) -> KeyOut:
    """LiteLLM's word for enabling."""
    await service.set_blocked(work, key_id, blocked=False)
    return await _shown(work, key_id)


@router.post("/keys/{key_id}/revoke", dependencies=_GATE)
async def revoke_key(work: WorkOf, key_id: str, body: Annotated[Why | None, Body()] = None) -> KeyOut:
    """For good."""
    await lifecycle.revoke(work, await _held(work, key_id), body.reason if body is not None else None)
    return await _shown(work, key_id)


@router.post("/keys/{key_id}/rotate", dependencies=_GATE)
async def rotate_key(
    work: WorkOf, response: Response, key_id: str, body: Annotated[Rotation | None, Body()] = None
) -> NewKeyOut:
    """A new secret; the old one works for the grace period."""
    row = await _held(work, key_id)
    grace_s = rules.grace(await read(work, KeySettings), body.grace_seconds if body else None, bound=False)
    secret = await lifecycle.rotate(work, row, grace_s)
    response.headers["Cache-Control"] = "no-store"
    return NewKeyOut(secret=secret, key=await _shown(work, key_id))


@router.post("/keys/{key_id}/end-grace", dependencies=_GATE)
async def end_grace(work: WorkOf, key_id: str) -> KeyOut:
    await lifecycle.end_grace(work, await _held(work, key_id))
    return await _shown(work, key_id)


@router.post("/keys/{key_id}/reset-spend", dependencies=_GATE)
async def reset_spend(work: WorkOf, key_id: str, body: MustSayWhy) -> KeyOut:
    """The key's own budget window begins at nothing; owner, team, pot and the ledger stay as they are."""
    await lifecycle.reset_spend(work, await _held(work, key_id), body.reason)
    return await _shown(work, key_id)


@router.post("/keys/{key_id}/explain", dependencies=_READS)
async def explain_key(work: WorkOf, key_id: str, body: Question) -> Explanation:
    """Would a call pass? Every check, without a call."""
    return await explain(work, await _held(work, key_id), body)


@router.get("/keys/{key_id}/blocks", dependencies=_GATE)
async def list_blocks(work: WorkOf, key_id: str, query: Annotated[RefusalQuery, Query()]) -> Refusals:
    """What was refused to this key, the newest first."""
    return await blocks_of(work, await _held(work, key_id), query)


@router.get("/users/{user_id}/keys", dependencies=_GATE)
async def list_keys_of_user(work: WorkOf, user_id: str, query: Annotated[OwnKeyQuery, Query()]) -> Page[KeyOut]:
    """One person's, those that teams pay for, too."""
    await _require_user(work, user_id)
    return await _page(work, query, wanted_of(query, user_id=user_id))


@router.post("/users/{user_id}/keys", status_code=201, dependencies=_GATE)
async def create_key_for_user(work: WorkOf, user_id: str, body: AdminKeyIn) -> NewKeyOut:
    """A key for somebody else, with any limits; `grant_missing` grants the subscriptions that the payer lacks."""
    await _require_user(work, user_id)
    values = columns_of(body)
    team_id, grant_missing = values.pop("team_id", None), values.pop("grant_missing", False)
    if team_id is not None and await views.role_in(await work.connection(), team_id, user_id) is None:
        raise InvalidField("The user does not belong to this team.", "team_id")
    payer = owning.Payer(user_id, team_id)
    secret, key_hash = await owning.create(work, payer, values, bound=False, grant_missing=grant_missing)
    return NewKeyOut(secret=secret, key=await _shown(work, key_hash))


def wanted_of(query: OwnKeyQuery | KeyExport, **more: Any) -> Wanted:
    members = query.model_dump(exclude={"page", "limit", "order", "status", "format"})
    if isinstance(query, KeyChoice) and query.status is not None:
        members["live"] = query.status == "live"
    descending = query.order == "desc" if isinstance(query, OwnKeyQuery) else True
    return Wanted(**members | more, descending=descending)


async def _page(work: Work, query: OwnKeyQuery, wanted: Wanted) -> Page[KeyOut]:
    rows, total = await views.page(await work.connection(), wanted, work.now, work.zone, query.offset, query.limit)
    return Page(data=await view.shown(work, rows), pagination=pagination(query, total))


async def stats(work: Work, wanted: Wanted) -> KeyStats:
    by_state, by_model = await views.counts(await work.connection(), wanted, work.now)
    return KeyStats(total=sum(by_state.values()), by_state=by_state, by_model=by_model)


def columns_of(body: KeyIn | OwnKeyIn | OwnKeyPatch) -> dict[str, Any]:
    """What was sent, absent members left out."""
    values = body.model_dump(exclude_unset=True)
    if "model_limits" in values:
        values["model_limits"] = {model: ModelLimit(**limit) for model, limit in values["model_limits"].items()}
    return values


async def _require_user(work: Work, user_id: str) -> None:
    if user_id not in await views.owners(await work.connection(), [user_id]):
        raise NotFound("The user was not found.", "user_id")


async def _held(work: Work, key_id: str) -> Row[Any]:
    row = await views.find_visible(await work.connection(), key_id, None, lock=True)
    if row is None:
        raise service.key_not_found()
    return row


async def _shown(work: Work, key_id: str) -> KeyOut:
    row = await views.find_visible(await work.connection(), key_id, None)
    if row is None:
        raise service.key_not_found()
    return await view.shown_one(work, row)
