"""Which paths do administrators decide by? The approval queue, single subscriptions, grants and quotas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.auth.gates import limited, requires
from litemaas.control.http.etags import IfMatch, require_match, tag
from litemaas.control.http.exports import EXPORTS, as_csv, as_json, attachment, rows_of
from litemaas.control.http.problems import code_of
from litemaas.control.http.shapes import PROBLEMS, Page, PageQuery, pagination
from litemaas.control.http.work import Work, WorkOf, WorkRoute, apart
from litemaas.control.subscriptions import quotas, repository, service
from litemaas.control.subscriptions.quotas import has_room, month_of
from litemaas.control.subscriptions.repository import Holder, SubscriptionFilter
from litemaas.control.subscriptions.schemas import (
    AdminSubscriptionOut,
    AdminSubscriptionPatch,
    Decided,
    DecisionError,
    Decisions,
    Denials,
    Granted,
    Grants,
    HistoryEntry,
    QueueExport,
    QueueQuery,
    QueueStats,
    QuotaReset,
    QuotaResetDone,
    ReasonIn,
    StatusIn,
)
from litemaas.control.subscriptions.showing import fully_shown, history_entry, with_history
from litemaas.core.errors import InvalidField, LiteMaaSError, NotFound
from litemaas.core.permissions import Permission
from litemaas.core.subscriptions import Event, Status
from litemaas.core.windows import day_of, midnight

router = APIRouter(
    prefix="/api/v1/admin",
    tags=["subscriptions"],
    route_class=WorkRoute,
    dependencies=[requires(Permission.ADMIN_SUBSCRIPTIONS_READ, Permission.ADMIN_SUBSCRIPTIONS_WRITE)],
    responses=PROBLEMS,
)
_EXPORTED = (
    "id", "holder_kind", "holder_id", "holder", "model_name", "status", "status_reason", "status_changed_at",
    "status_changed_by", "justification", "quota_requests", "quota_tokens", "expires_at", "created_at", "asked_at",
)  # fmt: skip
_VOLATILE = frozenset({
    "used_requests", "used_tokens", "remaining_requests", "remaining_tokens", "utilisation", "reset_at", "effective",
    "blocked_by", "model", "holder", "history", "warnings", "asked_at", "keys", "key_count",
})  # fmt: skip


@router.get("/subscriptions")
async def list_queue(work: WorkOf, query: Annotated[QueueQuery, Query()]) -> Page[AdminSubscriptionOut]:
    """Everybody's; what waits longest comes first."""
    rows, total = await repository.page(
        await work.connection(), _filter(query), work.now, query.sort, query.order == "desc", query.offset, query.limit
    )
    return Page(data=await fully_shown(work, rows), pagination=pagination(query, total))


@router.get("/subscriptions/export", dependencies=[limited(EXPORTS)], response_class=StreamingResponse)
async def export_queue(work: WorkOf, request: Request, query: Annotated[QueueExport, Query()]) -> StreamingResponse:
    """The list as a file, with the same filters, never cut."""
    told = query.model_dump(mode="json", exclude_defaults=True)
    await record(work, "subscription.exported", "subscription", "many", told)
    statement = repository.chosen(_filter(query), work.now)
    records = rows_of(request.app.state.plane, statement, lambda row: {name: row._mapping[name] for name in _EXPORTED})
    content = as_csv(_EXPORTED, records) if query.format == "csv" else as_json({"filters": told}, records)
    return attachment("subscriptions", query.format, content)


@router.get("/subscriptions/stats")
async def count_queue(work: WorkOf) -> QueueStats:
    """What waits, and what was decided today, in the installation's time zone."""
    connection = await work.connection()
    counted = await repository.counts(connection, SubscriptionFilter(), work.now)
    began = midnight(day_of(work.now, work.zone), work.zone)
    decided = await repository.decided_since(connection, began)
    three = (counted.get(Status.PENDING, 0), decided.get("approve", 0), decided.get("deny", 0))
    by_status = {status: counted.get(status, 0) for status in Status}
    return QueueStats(
        pending=three[0], approved_today=three[1], denied_today=three[2], total=sum(three), by_status=by_status
    )


@router.post("/subscriptions/approve")
async def approve(work: WorkOf, request: Request, body: Decisions) -> Decided:
    """Approves up to 500, each in a transaction of its own."""
    return await _decide_each(work, request, body.subscription_ids, Event.APPROVE, body.reason)


@router.post("/subscriptions/deny")
async def deny(work: WorkOf, request: Request, body: Denials) -> Decided:
    """Denies up to 500, each in a transaction of its own; the holders read the reason."""
    return await _decide_each(work, request, body.subscription_ids, Event.DENY, body.reason)


@router.post("/subscriptions/reset-quotas")
async def reset_quotas(work: WorkOf, body: QuotaReset) -> QuotaResetDone:
    """Counts this month anew for some, for all of a user, or for all that have used up a quota."""
    if sum((body.subscription_ids is not None, body.user_id is not None, body.all_due)) != 1:
        raise InvalidField("Name one of subscription_ids, user_id and all_due.", "subscription_ids")
    connection = await work.connection()
    if body.subscription_ids is not None:
        rows: Sequence[Row[Any]] = [await _held(work, one) for one in sorted(set(body.subscription_ids))]
    elif body.user_id is not None:
        rows = await repository.all_of(connection, Holder(user_id=body.user_id))
    else:
        found = await repository.with_any_use(connection, month_of(work)[0])
        use = await quotas.use_of(work, found)
        rows = [row for row in found if not has_room(row, use[row.id])]
    await quotas.reset(work, rows, body.reason)
    return QuotaResetDone(reset=len(rows))


@router.get("/subscriptions/{subscription_id}")
async def get_subscription(work: WorkOf, subscription_id: UUID, response: Response) -> AdminSubscriptionOut:
    """One subscription with its history."""
    return await _shown(work, subscription_id, response)


@router.get("/subscriptions/{subscription_id}/history")
async def show_history(work: WorkOf, subscription_id: UUID, query: Annotated[PageQuery, Query()]) -> Page[HistoryEntry]:
    """Every change of status, the newest first."""
    connection = await work.connection()
    if await repository.find(connection, str(subscription_id)) is None:
        raise service.not_found()
    entries, total = await repository.history(connection, str(subscription_id), query.offset, query.limit)
    return Page(data=[history_entry(entry) for entry in entries], pagination=pagination(query, total))


@router.post("/subscriptions/{subscription_id}/status")
async def set_status(work: WorkOf, subscription_id: UUID, body: StatusIn, response: Response) -> AdminSubscriptionOut:
    """Approves, denies, suspends, resumes, returns to the queue or cancels; anything else is refused."""
    await service.set_status(work, await _held(work, subscription_id), body.status, body.reason)
    return await _shown(work, subscription_id, response)


@router.patch("/subscriptions/{subscription_id}")
async def change_subscription(
    work: WorkOf, subscription_id: UUID, body: AdminSubscriptionPatch, response: Response, if_match: IfMatch = None
) -> AdminSubscriptionOut:
    """Sets quotas and expiry."""
    row = await _held(work, subscription_id)
    require_match(if_match, (await fully_shown(work, [row]))[0], _VOLATILE)
    await service.change_any(work, row, body.model_dump(exclude_unset=True))
    return await _shown(work, subscription_id, response)


@router.delete("/subscriptions/{subscription_id}", status_code=204)
async def delete_subscription(
    work: WorkOf, subscription_id: UUID, reason: Annotated[str | None, Query(max_length=1000)] = None
) -> None:
    """Puts it away: hidden, its model off the holder's keys; history and audit stay."""
    await service.delete(work, await _held(work, subscription_id), reason)


@router.post("/subscriptions/{subscription_id}/reset-quotas")
async def reset_quota(
    work: WorkOf, subscription_id: UUID, response: Response, body: Annotated[ReasonIn | None, Body()] = None
) -> AdminSubscriptionOut:
    """Counts this month anew."""
    await quotas.reset(work, [await _held(work, subscription_id)], body.reason if body else None)
    return await _shown(work, subscription_id, response)


@router.get("/users/{user_id}/subscriptions")
async def list_of_user(work: WorkOf, user_id: str, query: Annotated[QueueQuery, Query()]) -> Page[AdminSubscriptionOut]:
    """A person's own."""
    await require_user(work, user_id)
    return await list_queue(work, query.model_copy(update={"users": [user_id], "teams": []}))


@router.post("/users/{user_id}/subscriptions")
async def grant_to_user(work: WorkOf, user_id: str, body: Grants) -> Granted:
    """Gives models to a person without their asking; policies still hold."""
    await require_user(work, user_id)
    return await _grant(work, Holder(user_id=user_id), body)


@router.post("/teams/{team_id}/subscriptions")
async def grant_to_team(work: WorkOf, team_id: str, body: Grants) -> Granted:
    """Gives models to a team without its asking; policies still hold."""
    await require_team(work, team_id)
    return await _grant(work, Holder(team_id=team_id), body)


def _filter(query: QueueQuery | QueueExport) -> SubscriptionFilter:
    return SubscriptionFilter(
        statuses=tuple(query.statuses), models=tuple(query.models), users=tuple(query.users), teams=tuple(query.teams),
        changed_from=query.changed_from, changed_until=query.changed_until,
        asked_from=query.asked_from, asked_until=query.asked_until, search=query.search, hidden_too=False,
    )  # fmt: skip


async def _grant(work: Work, holder: Holder, body: Grants) -> Granted:
    done: dict[str, list[str]] = {"created": [], "activated": [], "already_active": []}
    for model_id in sorted(set(map(str, body.model_ids))):
        model = await repository.lock_model(await work.connection(), model_id, share=True)
        if model is None:
            raise service.model_not_found()
        outcome, row_id = await service.grant(work, holder, model, body.reason)
        done[outcome].append(row_id)
    return Granted(**done)


async def _decide_each(work: Work, request: Request, ids: Sequence[UUID], event: Event, reason: str | None) -> Decided:
    if work.once is None:
        await work.pause()  # each item has a connection of its own; the request's would only be held
    errors = []
    wanted = sorted(set(ids))
    for subscription_id in wanted:
        try:
            async with apart(work, request.app.state.plane) as item:
                await service.decide(item, await _held(item, subscription_id), event, reason)
        except LiteMaaSError as error:
            errors.append(
                DecisionError(subscription_id=str(subscription_id), code=code_of(error), message=error.message)
            )
    return Decided(successful=len(wanted) - len(errors), failed=len(errors), errors=errors)


async def _held(work: Work, subscription_id: UUID) -> Row[Any]:
    row = await repository.find(await work.connection(), str(subscription_id), lock=True)
    if row is None:
        raise service.not_found()
    return row


async def require_user(work: Work, user_id: str) -> None:
    if user_id not in await repository.people(await work.connection(), [user_id]):
        raise NotFound("The user was not found.")


async def require_team(work: Work, team_id: str) -> None:
    if team_id not in await repository.team_rows(await work.connection(), [team_id]):
        raise NotFound("The team was not found.")


async def _shown(work: Work, subscription_id: UUID, response: Response) -> AdminSubscriptionOut:
    row = await repository.find(await work.connection(), str(subscription_id))
    if row is None:
        raise service.not_found()
    shown = tag(response, (await fully_shown(work, [row]))[0], _VOLATILE)
    return await with_history(work, row, shown)
