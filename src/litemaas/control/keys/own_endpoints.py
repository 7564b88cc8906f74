"""Which paths serve people's own keys, and those of their teams? What somebody may not see is not there for them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request, Response
from sqlalchemy import Row

from litemaas.control.auth.gates import requires
from litemaas.control.http.etags import IfMatch, require_match, tag
from litemaas.control.http.refusals import PermissionDenied
from litemaas.control.http.shapes import PROBLEMS, Page, pagination
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.keys import lifecycle, owning, rules, service, view
from litemaas.control.keys import repository_views as views
from litemaas.control.keys.blocks import blocks_of
from litemaas.control.keys.endpoints import columns_of, stats, wanted_of
from litemaas.control.keys.explain import explain
from litemaas.control.keys.repository_views import Wanted
from litemaas.control.keys.schemas import (
    VOLATILE,
    Explanation,
    KeyOut,
    KeyStats,
    NewKeyOut,
    OwnKeyIn,
    OwnKeyPatch,
    OwnKeyQuery,
    Question,
    Reassignment,
    RefusalQuery,
    Refusals,
    Rotation,
    Secret,
    Why,
)
from litemaas.control.settings.groups import KeySettings
from litemaas.control.settings.service import read
from litemaas.core.errors import InvalidField, NotFound
from litemaas.core.permissions import Permission

router = APIRouter(
    prefix="/api/v1",
    tags=["my keys"],
    route_class=WorkRoute,
    responses=PROBLEMS,
)
_GATE = [requires(Permission.KEYS_READ, Permission.KEYS_WRITE)]
_READS = [requires(Permission.KEYS_READ)]


@router.get("/keys", dependencies=_GATE)
async def list_own_keys(work: WorkOf, query: Annotated[OwnKeyQuery, Query()]) -> Page[KeyOut]:
    """One's own keys, and all keys of teams that one administers."""
    wanted = wanted_of(query, visible_to=_me(work))
    rows, total = await views.page(await work.connection(), wanted, work.now, work.zone, query.offset, query.limit)
    return Page(data=await view.shown(work, rows), pagination=pagination(query, total))


@router.post("/keys", status_code=201, dependencies=_GATE)
async def create_own_key(work: WorkOf, response: Response, body: OwnKeyIn) -> NewKeyOut:
    """A key that oneself pays for, or a team where `team_id` names one. The secret is shown this once."""
    values = columns_of(body)
    payer = await owning.payer_for(work, _me(work), values.pop("team_id", None))
    return await _made(work, response, payer, values)


@router.get("/keys/stats", dependencies=_GATE)
async def own_key_statistics(work: WorkOf) -> KeyStats:
    """How many keys there are, by state and by model."""
    return await stats(work, Wanted(visible_to=_me(work)))


@router.get("/teams/{team_id}/keys", dependencies=_GATE)
async def list_keys_of_team(work: WorkOf, team_id: str, query: Annotated[OwnKeyQuery, Query()]) -> Page[KeyOut]:
    """A team's keys as far as one sees them: all for its administrators, one's own for members."""
    if await views.role_in(await work.connection(), team_id, _me(work)) is None:
        raise NotFound("The team was not found.", "team_id")
    wanted = wanted_of(query, visible_to=_me(work), team_id=team_id)
    rows, total = await views.page(await work.connection(), wanted, work.now, work.zone, query.offset, query.limit)
    return Page(data=await view.shown(work, rows), pagination=pagination(query, total))


@router.post("/teams/{team_id}/keys", status_code=201, dependencies=_GATE)
async def create_key_of_team(work: WorkOf, response: Response, team_id: str, body: OwnKeyIn) -> NewKeyOut:
    """The same as `POST /keys` with this `team_id`."""
    values = columns_of(body)
    values.pop("team_id", None)
    return await _made(work, response, await owning.payer_for(work, _me(work), team_id), values)


@router.get("/keys/{key_id}", dependencies=_GATE)
async def get_own_key(work: WorkOf, response: Response, key_id: str) -> KeyOut:
    return tag(response, await view.shown_one(work, await _seen(work, key_id)), VOLATILE)


@router.patch("/keys/{key_id}", dependencies=_GATE)
async def change_own_key(
    work: WorkOf, response: Response, key_id: str, body: OwnKeyPatch, if_match: IfMatch = None
) -> KeyOut:
    """Sets what is sent, each member by itself; null clears a limit, as far as the maximums let it."""
    row = await _held(work, key_id)
    require_match(if_match, await view.shown_one(work, row), VOLATILE)
    if values := columns_of(body):
        await owning.change(work, row, values, bound=True)
    return tag(response, await _shown(work, key_id), VOLATILE)


@router.delete("/keys/{key_id}", status_code=204, dependencies=_GATE)
async def delete_own_key(work: WorkOf, key_id: str) -> None:
    """Revokes and hides a key; its use stays attributed."""
    await lifecycle.delete(work, await _held(work, key_id))


@router.post("/keys/{key_id}/disable", dependencies=_GATE)
async def disable_own_key(work: WorkOf, key_id: str, body: Annotated[Why | None, Body()] = None) -> KeyOut:
    await lifecycle.disable(work, await _held(work, key_id), body.reason if body is not None else None)
    return await _shown(work, key_id)


@router.post("/keys/{key_id}/enable", dependencies=_GATE)
async def enable_own_key(work: WorkOf, key_id: str) -> KeyOut:
    """Not what somebody else disabled: they enable it again, or an administrator of the team or the platform does."""
    row = await _held(work, key_id)
    if row.blocked and row.extras.get(service.DISABLED_BY) != work.actor and not await _administers(work, row):
        raise PermissionDenied("Somebody else disabled this key. Ask an administrator to enable it.")
    await lifecycle.enable(work, row)
    return await _shown(work, key_id)


@router.post("/keys/{key_id}/revoke", dependencies=_GATE)
async def revoke_own_key(work: WorkOf, key_id: str, body: Annotated[Why | None, Body()] = None) -> KeyOut:
    """For good."""
    await lifecycle.revoke(work, await _held(work, key_id), body.reason if body is not None else None)
    return await _shown(work, key_id)


@router.post("/keys/{key_id}/rotate", dependencies=_GATE)
async def rotate_own_key(
    work: WorkOf, response: Response, key_id: str, body: Annotated[Rotation | None, Body()] = None
) -> NewKeyOut:
    """A new secret; the old one works for the grace period. All else of the key stays, what it has spent, too."""
    row = await _held(work, key_id)
    grace_s = rules.grace(await read(work, KeySettings), body.grace_seconds if body else None, bound=True)
    secret = await lifecycle.rotate(work, row, grace_s)
    response.headers["Cache-Control"] = "no-store"
    return NewKeyOut(secret=secret, key=await _shown(work, key_id))


@router.post("/keys/{key_id}/end-grace", dependencies=_GATE)
async def end_own_grace(work: WorkOf, key_id: str) -> KeyOut:
    """The former secret ends now."""
    await lifecycle.end_grace(work, await _held(work, key_id))
    return await _shown(work, key_id)


@router.post("/keys/{key_id}/reveal", dependencies=_GATE)
async def reveal_own_key(work: WorkOf, request: Request, response: Response, key_id: str) -> Secret:
    """The secret once more, for its owner, after a recent sign-in. It is audited, and the owner is told."""
    response.headers["Cache-Control"] = "no-store"
    row = await _held(work, key_id)
    if row.user_id != _me(work):
        raise service.key_not_found()
    if work.once is not None:  # a kept answer would pass by the sign-in, the rate and the audit
        raise InvalidField(
            "Send this without an Idempotency-Key: a secret is not shown twice for one request.", "Idempotency-Key"
        )
    return Secret(secret=await lifecycle.reveal(work, row, request.app.state.rates))


@router.post("/keys/{key_id}/reassign", dependencies=_GATE)
async def reassign_key(work: WorkOf, key_id: str, body: Reassignment) -> KeyOut:
    """A team's key gets another owner; for administrators of the team."""
    row = await _held(work, key_id)
    if not await _administers(work, row):
        raise PermissionDenied("Only administrators of the key's team may do this.")
    await lifecycle.reassign(work, row, body.user_id)
    return await _shown(work, key_id)


@router.post("/keys/{key_id}/explain", dependencies=_READS)
async def explain_own_key(work: WorkOf, key_id: str, body: Question) -> Explanation:
    """Would a call pass? Every check, without a call."""
    return await explain(work, await _seen(work, key_id), body)


@router.get("/keys/{key_id}/blocks", dependencies=_GATE)
async def list_own_blocks(work: WorkOf, key_id: str, query: Annotated[RefusalQuery, Query()]) -> Refusals:
    """What was refused to this key, the newest first."""
    return await blocks_of(work, await _seen(work, key_id), query)


def _me(work: Work) -> str:
    """Errors: PermissionDenied for services, which own nothing."""
    if work.principal.user_id is None:
        raise PermissionDenied("Only people have keys of their own. Use the administrators' paths.")
    return work.principal.user_id


async def _administers(work: Work, row: Row[Any]) -> bool:
    """Whether the key is of a team that one administers."""
    if row.team_id is None:
        return False
    found = await views.role_in(await work.connection(), row.team_id, _me(work))
    return found is not None and found.role == "admin"


async def _made(work: Work, response: Response, payer: owning.Payer, values: dict[str, Any]) -> NewKeyOut:
    secret, key_hash = await owning.create(work, payer, values, bound=True)
    response.headers["Cache-Control"] = "no-store"
    return NewKeyOut(secret=secret, key=await _shown(work, key_hash))


async def _seen(work: Work, key_id: str, *, lock: bool = False) -> Row[Any]:
    row = await views.find_visible(await work.connection(), key_id, _me(work), lock=lock)
    if row is None:
        raise service.key_not_found()
    return row


async def _held(work: Work, key_id: str) -> Row[Any]:
    return await _seen(work, key_id, lock=True)


async def _shown(work: Work, key_id: str) -> KeyOut:
    return await view.shown_one(work, await _seen(work, key_id))
