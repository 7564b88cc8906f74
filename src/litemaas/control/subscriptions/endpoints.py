"""Which paths do holders reach their subscriptions by? Their own, and those of teams that they belong to."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Query
from sqlalchemy import Row

from litemaas.control.auth.gates import requires
from litemaas.control.http.refusals import PermissionDenied
from litemaas.control.http.shapes import PROBLEMS, Page, PageQuery, pagination
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.subscriptions import repository, service
from litemaas.control.subscriptions.quotas import warnings_for
from litemaas.control.subscriptions.repository import Holder, SubscriptionFilter
from litemaas.control.subscriptions.schemas import (
    Comment,
    HistoryEntry,
    OwnStats,
    QuotaOut,
    SubscriptionIn,
    SubscriptionOut,
    SubscriptionPatch,
    SubscriptionQuery,
    TeamSubscriptionIn,
)
from litemaas.control.subscriptions.service import Wish
from litemaas.control.subscriptions.showing import Surroundings, history_entry, with_history
from litemaas.core.errors import NotFound
from litemaas.core.permissions import Permission
from litemaas.core.subscriptions import Status

router = APIRouter(
    prefix="/api/v1",
    tags=["subscriptions"],
    route_class=WorkRoute,
    dependencies=[requires(Permission.SUBSCRIPTIONS_READ, Permission.SUBSCRIPTIONS_WRITE)],
    responses=PROBLEMS,
)
_QUOTAS = ("quota_requests", "quota_tokens")


@router.get("/subscriptions")
async def list_own(work: WorkOf, query: Annotated[SubscriptionQuery, Query()]) -> Page[SubscriptionOut]:
    """One's own and those of one's teams; cancelled and inactive ones only when asked for by ``statuses``."""
    holders = await _holders(work)
    if query.team_id is not None:
        holders = tuple(holder for holder in holders if holder.team_id == query.team_id)
    return await _page(work, query, holders)


@router.post("/subscriptions", status_code=201)
async def subscribe(work: WorkOf, body: SubscriptionIn) -> SubscriptionOut:
    """Active at once, or pending where approval is needed."""
    if body.team_id is not None:
        return await _subscribe(work, await _team_for_admin(work, body.team_id), body)
    if work.principal.user_id is None:
        raise PermissionDenied("Services have no subscriptions of their own; grant them to people or teams.")
    return await _subscribe(work, Holder(user_id=work.principal.user_id), body)


@router.get("/subscriptions/stats")
async def count_own(work: WorkOf) -> OwnStats:
    """How many there are in each status, hidden ones included."""
    wanted = SubscriptionFilter(holders=await _holders(work))
    counted = await repository.counts(await work.connection(), wanted, work.now)
    return OwnStats(total=sum(counted.values()), by_status={status: counted.get(status, 0) for status in Status})


@router.get("/subscriptions/{subscription_id}")
async def get_own(work: WorkOf, subscription_id: UUID) -> SubscriptionOut:
    """One subscription with its history."""
    row = await _own(work, subscription_id)
    return await with_history(work, row, (await Surroundings.read(work, [row])).shown(row))


@router.patch("/subscriptions/{subscription_id}")
async def change_own(work: WorkOf, subscription_id: UUID, body: SubscriptionPatch) -> SubscriptionOut:
    """Lowers quotas or brings the expiry forward."""
    row = await _own(work, subscription_id, write=True)
    await service.change_own(work, row, body.model_dump(exclude_unset=True))
    return await get_own(work, subscription_id)


@router.post("/subscriptions/{subscription_id}/cancel")
async def cancel(
    work: WorkOf, subscription_id: UUID, body: Annotated[Comment | None, Body()] = None
) -> SubscriptionOut:
    """Gives it up: the model leaves the holder's keys; the keys stay."""
    row = await _own(work, subscription_id, write=True)
    await service.cancel(work, row, body.comment if body else None)
    return await get_own(work, subscription_id)


@router.post("/subscriptions/{subscription_id}/request-review")
async def request_review(
    work: WorkOf, subscription_id: UUID, body: Annotated[Comment | None, Body()] = None
) -> SubscriptionOut:
    """A denied one goes back to those who decide."""
    row = await _own(work, subscription_id, write=True)
    await service.request_review(work, row, work.principal.name, body.comment if body else None)
    return await get_own(work, subscription_id)


@router.get("/subscriptions/{subscription_id}/quota")
async def show_quota(work: WorkOf, subscription_id: UUID) -> QuotaOut:
    """What is used of this calendar month's quotas, and when they begin anew."""
    row = await _own(work, subscription_id)
    return (await Surroundings.read(work, [row])).quota(row)


@router.get("/subscriptions/{subscription_id}/history")
async def show_history(work: WorkOf, subscription_id: UUID, query: Annotated[PageQuery, Query()]) -> Page[HistoryEntry]:
    """Every change of status, the newest first."""
    row = await _own(work, subscription_id)
    entries, total = await repository.history(await work.connection(), row.id, query.offset, query.limit)
    return Page(data=[history_entry(entry) for entry in entries], pagination=pagination(query, total))


@router.get("/teams/{team_id}/subscriptions")
async def list_of_team(
    work: WorkOf, team_id: str, query: Annotated[SubscriptionQuery, Query()]
) -> Page[SubscriptionOut]:
    """A team's; for its members."""
    if work.principal.user_id is None or team_id not in await _teams(work):
        raise _team_not_found()
    return await _page(work, query, (Holder(team_id=team_id),))


@router.post("/teams/{team_id}/subscriptions", status_code=201)
async def subscribe_team(work: WorkOf, team_id: str, body: TeamSubscriptionIn) -> SubscriptionOut:
    """For a team's admins."""
    return await _subscribe(work, await _team_for_admin(work, team_id), body)


async def _subscribe(work: Work, holder: Holder, body: SubscriptionIn | TeamSubscriptionIn) -> SubscriptionOut:
    model = await repository.lock_model(await work.connection(), str(body.model_id), share=True)
    if model is None:
        raise service.model_not_found()
    wish = Wish(
        quotas={name: getattr(body, name) for name in _QUOTAS if name in body.model_fields_set},
        expires_at=body.expires_at, justification=body.justification, key_ids=tuple(body.key_ids),
    )  # fmt: skip
    row_id = await service.subscribe(work, holder, work.principal.name, model, wish)
    shown = await get_own(work, UUID(row_id))
    shown.warnings = warnings_for(wish.quotas)
    return shown


async def _page(work: Work, query: SubscriptionQuery, holders: tuple[Holder, ...]) -> Page[SubscriptionOut]:
    wanted = SubscriptionFilter(
        statuses=tuple(query.statuses), models=tuple(query.models), search=query.search, holders=holders,
        hidden_too=False,
    )  # fmt: skip
    rows, total = await repository.page(
        await work.connection(), wanted, work.now, query.sort, query.order == "desc", query.offset, query.limit
    )
    surroundings = await Surroundings.read(work, rows)
    return Page(data=[surroundings.shown(row) for row in rows], pagination=pagination(query, total))


async def _holders(work: Work) -> tuple[Holder, ...]:
    """The person and the teams that they belong to; services have none."""
    if work.principal.user_id is None:
        return ()
    return (Holder(user_id=work.principal.user_id), *(Holder(team_id=team) for team in await _teams(work)))


async def _teams(work: Work) -> dict[str, str]:
    user_id = work.principal.user_id
    return await repository.roles_in_teams(await work.connection(), user_id) if user_id is not None else {}


async def _team_for_admin(work: Work, team_id: str) -> Holder:
    role = (await _teams(work)).get(team_id)
    if role is None:
        raise _team_not_found()
    if role != "admin":
        raise PermissionDenied("Only the admins of a team ask for models for it.")
    return Holder(team_id=team_id)


async def _own(work: Work, subscription_id: UUID, *, write: bool = False) -> Row[Any]:
    """One's own, or one of a team: its members see it, its admins change it. Errors: NotFound, PermissionDenied."""
    row = await repository.find(await work.connection(), str(subscription_id), lock=write)
    user_id = work.principal.user_id
    if row is None or user_id is None:
        raise service.not_found()
    if row.team_id is None:
        if row.user_id != user_id:
            raise service.not_found()
        return row
    role = (await _teams(work)).get(row.team_id)
    if role is None:
        raise service.not_found()
    if write and role != "admin":
        raise PermissionDenied("Only the admins of a team change its subscriptions.")
    return row


def _team_not_found() -> NotFound:
    return NotFound("The team was not found.")
