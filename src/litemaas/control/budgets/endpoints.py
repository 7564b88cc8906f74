"""Which paths serve budgets?"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from sqlalchemy import Row

from litemaas.control.auth.gates import requires
from litemaas.control.budgets import repository, service
from litemaas.control.budgets.drafts import BudgetDraft, BudgetKind, SpendKind, scope_of
from litemaas.control.budgets.schemas import (
    BudgetIn,
    BudgetOut,
    BudgetQuery,
    EventOut,
    EventQuery,
    LeaseOut,
    Released,
    StateOut,
    WindowOut,
)
from litemaas.control.http.shapes import PROBLEMS, Page, pagination
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.core.permissions import Permission
from litemaas.core.windows import window_at

Owner = Annotated[str, Path(min_length=1, max_length=256)]
_SILENT_S = 15.0
router = APIRouter(
    prefix="/api/v1/admin/budgets",
    tags=["budgets"],
    route_class=WorkRoute,
    dependencies=[requires(Permission.ADMIN_USERS_READ, Permission.ADMIN_USERS_WRITE)],
    responses=PROBLEMS,
)


@router.get("")
async def list_budgets(work: WorkOf, query: Annotated[BudgetQuery, Query()]) -> Page[BudgetOut]:
    rows, total = await repository.list_budgets(
        await work.connection(), query.kind, query.id, query.search, query.offset, query.limit
    )
    spent = await service.spend_of(work, rows)
    return Page(data=[_budget_out(work, row, spent[row.scope]) for row in rows], pagination=pagination(query, total))


@router.get("/events")
async def list_events(work: WorkOf, query: Annotated[EventQuery, Query()]) -> Page[EventOut]:
    """Soft budgets that were passed and hard ones that are nearly spent, the newest first."""
    rows, total = await repository.list_events(await work.connection(), query.kind, query.offset, query.limit)
    return Page(data=[EventOut(**row._mapping) for row in rows], pagination=pagination(query, total))


@router.get("/{kind}/{owner_id:path}/state")
async def get_state(work: WorkOf, kind: SpendKind, owner_id: Owner) -> StateOut:
    """What is settled and leased in each window, by whom, and what was told of it; also of those without limits."""
    rules = await service.rules_of(work, kind, owner_id)
    windows, leases, events = await service.windows_of(work, kind, owner_id)
    shown = []
    for row in windows:
        rule = rules.get(row.scope)
        current = window_at(rule.duration, work.now, rule.set_at, work.zone) if rule is not None else None
        is_current = current is not None and current.start == row.window_start
        place = (row.scope, row.window_start)
        shown.append(
            WindowOut(
                scope=row.scope,
                window_start=row.window_start,
                window_end=current.end if current is not None and is_current else None,
                is_current=is_current,
                limit_nano=rule.limit_nano if rule is not None else None,
                settled_nano=row.settled_nano,
                leased_nano=row.leased_nano,
                requests=row.requests,
                leases=[_lease_out(lease) for lease in leases if (lease.scope, lease.window_start) == place],
                events=[EventOut(**event._mapping) for event in events if (event.scope, event.window_start) == place],
            )
        )
    return StateOut(kind=kind, id=owner_id, windows=shown)


@router.post("/{kind}/{owner_id:path}/release")
async def release_lost(work: WorkOf, kind: SpendKind, owner_id: Owner) -> Released:
    """Gives back what lost workers still have leased. Only when their journals are lost, too: it may have been spent."""
    return Released(released_nano=await service.release_lost(work, kind, owner_id))


@router.get("/{kind}/{owner_id:path}")
async def get_budget(work: WorkOf, kind: BudgetKind, owner_id: Owner) -> BudgetOut:
    return await _budget(work, kind, owner_id)


@router.put("/{kind}/{owner_id:path}")
async def set_budget(work: WorkOf, kind: BudgetKind, owner_id: Owner, body: BudgetIn) -> BudgetOut:
    await service.set_budget(work, kind, owner_id, BudgetDraft(**body.model_dump()))
    return await _budget(work, kind, owner_id)


@router.delete("/{kind}/{owner_id:path}", status_code=204)
async def delete_budget(work: WorkOf, kind: BudgetKind, owner_id: Owner) -> None:
    await service.delete_budget(work, kind, owner_id)


async def _budget(work: Work, kind: BudgetKind, owner_id: str) -> BudgetOut:
    row = await repository.find_budget(await work.connection(), scope_of(kind, owner_id))
    if row is None:
        raise service.budget_not_found()
    return _budget_out(work, row, (await service.spend_of(work, [row]))[row.scope])


def _budget_out(work: Work, row: Row[Any], spent_nano: int) -> BudgetOut:
    values = row._mapping
    kind, _, owner_id = row.scope.partition(":")
    return BudgetOut(
        **{field: values[field] for field in BudgetOut.model_fields.keys() & values.keys()},
        kind=BudgetKind(kind),
        id=owner_id,
        budget_reset_at=service.current_window(row, work.now, work.zone).end,
        spent_nano=spent_nano,
    )


def _lease_out(row: Row[Any]) -> LeaseOut:
    age = row.heartbeat_age_s
    return LeaseOut(
        worker_id=row.worker_id,
        state="lost" if age is None else "silent" if age > _SILENT_S else "live",
        heartbeat_age_s=None if age is None else round(float(age), 1),
        leased_nano=row.granted_nano,
        free_nano=min(row.free_nano, row.granted_nano),
    )
