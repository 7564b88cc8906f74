"""Which paths do organisers use? The same ones as administrators, who see all workshops and are the only ones to make one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.auth.gates import requires
from litemaas.control.http.shapes import PROBLEMS, Page, pagination
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.workshops import board, planning, running, seats_repository
from litemaas.control.workshops.board import Board
from litemaas.control.workshops.schemas import (
    EventOut,
    EventQuery,
    Handouts,
    HandoutSeat,
    MoreSeats,
    PlanPreview,
    SeatLimits,
    WorkshopPatch,
    WorkshopPlan,
)
from litemaas.control.workshops.states import state_at
from litemaas.core.permissions import Permission
from litemaas.kit.crypto import SealBroken

router = APIRouter(prefix="/api/v1/workshops", tags=["workshops"], route_class=WorkRoute, responses=PROBLEMS)
_ORGANISER = [requires(Permission.TEAMS_READ, Permission.KEYS_WRITE)]
_PLATFORM = [requires(Permission.ADMIN_WORKSHOPS_WRITE)]


@router.get("", dependencies=_ORGANISER)
async def list_workshops(work: WorkOf, query: Annotated[EventQuery, Query()]) -> Page[EventOut]:
    """Those that one organises; administrators see all. The newest first."""
    sees_all = work.principal.may(Permission.ADMIN_WORKSHOPS_READ)
    organiser = None if sees_all else work.principal.user_id or ""
    rows, total = await seats_repository.page(
        await work.connection(), organiser, query.search, query.offset, query.limit
    )
    return Page(data=[await _shown(work, row) for row in rows], pagination=pagination(query, total))


@router.post("", status_code=201, dependencies=_PLATFORM)
async def create_workshop(work: WorkOf, body: WorkshopPlan) -> EventOut:
    """Makes a workshop with all its seats, keys and codes."""
    return await _one(work, await running.create(work, body))


@router.post("/preview", dependencies=_PLATFORM)
async def preview_workshop(work: WorkOf, body: WorkshopPlan) -> PlanPreview:
    """What it can cost at most, what else is on at that time, and whether the models' caps are enough. Makes nothing."""
    return await planning.preview(work, body)


@router.get("/{guid}", dependencies=_ORGANISER)
async def show_workshop(work: WorkOf, guid: str) -> EventOut:
    """One workshop."""
    return await _one(work, guid)


@router.patch("/{guid}", dependencies=_ORGANISER)
async def change_workshop(work: WorkOf, guid: str, body: WorkshopPatch) -> EventOut:
    """Its words, its times, an announcement; for administrators also its money and models, for all of its keys."""
    await running.change(work, guid, body)
    return await _one(work, guid)


@router.post("/{guid}/pause", dependencies=_ORGANISER)
async def pause_workshop(work: WorkOf, guid: str) -> EventOut:
    """No key of it answers until it goes on."""
    await running.pause(work, guid, paused=True)
    return await _one(work, guid)


@router.post("/{guid}/resume", dependencies=_ORGANISER)
async def resume_workshop(work: WorkOf, guid: str) -> EventOut:
    """All its keys answer again."""
    await running.pause(work, guid, paused=False)
    return await _one(work, guid)


@router.post("/{guid}/end", dependencies=_ORGANISER)
async def end_workshop(work: WorkOf, guid: str) -> EventOut:
    """Ends all keys at once; it cannot be undone. Its board and its usage stay."""
    await running.finish(work, guid)
    return await _one(work, guid)


@router.post("/{guid}/seats", status_code=201, dependencies=_ORGANISER)
async def add_seats(work: WorkOf, guid: str, body: MoreSeats) -> EventOut:
    """More seats, each with a key of its own. The pot stays as it is: what it may cost at most does not change."""
    await running.add_seats(work, guid, body)
    return await _one(work, guid)


@router.delete("/{guid}/seats/{user}", status_code=204, dependencies=_ORGANISER)
async def remove_seat(work: WorkOf, guid: str, user: str) -> None:
    """Takes a seat away that nobody holds, with its key. The pot stays as it is."""
    await running.remove_seat(work, guid, user)


@router.post("/{guid}/seats/{user}/free", status_code=204, dependencies=_ORGANISER)
async def free_seat(work: WorkOf, guid: str, user: str) -> None:
    """The seat can be claimed again, with a new key and code; who held it is out."""
    await running.free(work, guid, user)


@router.post("/{guid}/seats/{user}/replace-key", status_code=204, dependencies=_ORGANISER)
async def replace_key(work: WorkOf, guid: str, user: str) -> None:
    """Who holds the seat gets a new key; the old one ends."""
    await running.replace_key(work, guid, user)


@router.get("/{guid}/board", dependencies=_ORGANISER)
async def show_board(work: WorkOf, guid: str) -> Board:
    """How it goes now: seats, calls, errors, and what is left of the pot."""
    return await board.read(work, await running.seen(work, guid))


@router.get("/{guid}/handouts", dependencies=_ORGANISER)
async def show_handouts(work: WorkOf, request: Request, guid: str) -> Handouts:
    """The codes, to be printed or told; never a key. Audited. Only for who may change the workshop."""
    row = await running.run(work, guid)
    seats = await seats_repository.list_seats(await work.connection(), guid)
    await record(work, "workshop.codes_shown", "workshop", guid, {"seats": len(seats)}, row.title)
    return Handouts(
        title=row.title, code=_opened(work, guid, guid, row), base_url=request.app.state.gateway_public_url,
        seats=[
            HandoutSeat(user=seat.user_name, label=seat.label, code=_opened(work, guid, seat.user_name, seat))
            for seat in seats
        ],
    )  # fmt: skip


def _opened(work: Work, guid: str, owner: str, row: Row[Any]) -> str | None:
    if row.code_sealed is None:
        return None
    try:
        return work.vault.open(row.code_sealed, f"claim:{guid}:{owner}")
    except SealBroken:
        return None


async def _one(work: Work, guid: str) -> EventOut:
    await running.seen(work, guid)
    row = await seats_repository.find(await work.connection(), guid)
    if row is None:
        raise running.not_found()
    return await _shown(work, row)


async def _shown(work: Work, row: Row[Any]) -> EventOut:
    people = await seats_repository.known_people(await work.connection(), row.organisers)
    pot_nano, spent = await running.pot_of(work, row)
    limits = {name: row.limits.get(name) for name in ("rpm_limit", "tpm_limit", "max_parallel_requests")}
    return EventOut(
        guid=row.guid, title=row.title, description=row.description, state=state_at(row, work.now), organisers=people,
        time_zone=row.time_zone, starts_at=row.starts_at, ends_at=row.ended_at or row.expires_at,
        claim_opens_at=row.claim_opens_at, claim_closes_at=row.claim_closes_at, claim_mode=row.claim_mode,
        announcement=row.announcement, models=row.models,
        limits=SeatLimits(budget_nano=row.limits.get("max_budget_nano"), **limits),
        seats=row.seats, claimed=row.claimed, pot_nano=pot_nano, pot_spent_nano=spent,
        may_run=running.may_run(work, row) and row.claim_mode is not None, created_at=row.created_at,
    )  # fmt: skip
