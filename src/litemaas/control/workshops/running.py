"""How is a workshop whose seats people claim set up, changed, paused and ended? Administrators set up and decide on money.

All seats' keys are made at once, as for catalogues; a claim only hands one out. What ends stays to be looked at.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.auth.gates import require
from litemaas.control.budgets import repository as budget_rows
from litemaas.control.budgets import service as budgets
from litemaas.control.budgets.drafts import BudgetDraft, BudgetKind
from litemaas.control.http.refusals import Conflict, InvalidRequestMembers, Mend
from litemaas.control.http.work import Work
from litemaas.control.workshops import repository, seats_repository, service
from litemaas.control.workshops.codes import hash_code, new_code
from litemaas.control.workshops.drafts import Bounds, Limits, Seat, WorkshopDraft
from litemaas.control.workshops.schemas import MAX_SEATS, MoreSeats, SeatLimits, WorkshopPatch, WorkshopPlan
from litemaas.control.workshops.states import State, state_at
from litemaas.core.errors import NotFound
from litemaas.core.limits import pot_scope
from litemaas.core.permissions import Permission

_GUID_BYTES = 6


async def seen(work: Work, guid: str, *, lock: bool = False) -> Row[Any]:
    """A workshop that the caller organises, or may look at as an administrator. Errors: NotFound."""
    row = await repository.find(await work.connection(), guid, lock=lock)
    if row is None or not (is_organiser(work, row) or work.principal.may(Permission.ADMIN_WORKSHOPS_READ)):
        raise not_found()
    return row


async def run(work: Work, guid: str) -> Row[Any]:
    """One that the caller may change; locked. Errors: NotFound, Conflict once it has ended."""
    row = await repository.find(await work.connection(), guid, lock=True)
    if row is None or not may_run(work, row):
        raise not_found()
    if row.claim_mode is None:
        raise Conflict("The keys of this workshop are handed out by a catalogue, which changes them, too.")
    if state_at(row, work.now) is State.ENDED:
        raise Conflict("This workshop has ended.")
    return row


def is_organiser(work: Work, row: Row[Any]) -> bool:
    return work.principal.user_id is not None and work.principal.user_id in row.organisers


def may_run(work: Work, row: Row[Any]) -> bool:
    """Also organisers need a role that may write at all."""
    organises = is_organiser(work, row) and work.principal.may(Permission.KEYS_WRITE)
    return organises or work.principal.may(Permission.ADMIN_WORKSHOPS_WRITE)


def not_found() -> NotFound:
    return NotFound("There is no workshop with this guid.")


async def create(work: Work, plan: WorkshopPlan) -> str:
    """Returns the guid. Errors: InvalidField, InvalidRequestMembers."""
    if plan.ends_at <= work.now:
        raise InvalidRequestMembers([Mend("ends_at", "ends_at must be in the future.", "in_the_past")])
    connection = await work.connection()
    people = await seats_repository.known_people(connection, plan.organisers)
    if unknown := [one for one in plan.organisers if one not in {*people, *people.values()}]:
        raise InvalidRequestMembers([Mend("organisers", f"Nobody has the id or user name {unknown[0]!r}.", "unknown")])
    guid = f"ws-{secrets.token_hex(_GUID_BYTES)}"
    names = [_name_of(number) for number in range(1, plan.seats + 1)]
    draft = WorkshopDraft(
        guid=guid, models=list(dict.fromkeys(plan.models)), duration=None, expires_at=plan.ends_at,
        limits=_limits(plan.limits), metadata={}, seats=[_seat(guid, name) for name in names], pot_nano=plan.pot_nano,
    )  # fmt: skip
    await service.provide(work, Bounds(), draft)
    opens, closes = plan.claim_window
    values = {
        "title": plan.title, "description": plan.description, "organisers": list(people), "time_zone": plan.time_zone,
        "starts_at": plan.starts_at, "claim_opens_at": opens, "claim_closes_at": closes, "claim_mode": plan.claim_mode,
    }  # fmt: skip
    if plan.claim_mode == "shared_code":
        values |= _coded(work, guid, guid)
    await repository.change(connection, guid, values)
    await _add_seats(work, guid, plan.claim_mode, names, plan.labels)
    told = {"seats": plan.seats, "models": draft.models, "pot_nano": plan.pot_nano, "claim_mode": plan.claim_mode}
    await record(work, "workshop.created", "workshop", guid, told, plan.title)
    return guid


async def change(work: Work, guid: str, patch: WorkshopPatch) -> None:
    """Errors: NotFound, Conflict, PermissionDenied, InvalidField, InvalidRequestMembers."""
    row = await run(work, guid)
    asked = patch.model_dump(exclude_unset=True)
    if {"pot_nano", "seat_budget_nano", "models"} & asked.keys():
        require(work, Permission.ADMIN_WORKSHOPS_WRITE)
    values = {name: asked[name] for name in ("title", "description", "announcement") if asked.get(name) is not None}
    values |= _times(work, row, patch)
    connection = await work.connection()
    ends = values.get("expires_at")
    of_keys: dict[str, Any] = {"expires_at": ends} if ends is not None else {}
    if patch.models is not None:
        # What the workshop has already may have been retired since.
        await service.check_models(work, [name for name in patch.models if name not in row.models])
        of_keys["models"] = values["models"] = list(dict.fromkeys(patch.models))
    if "seat_budget_nano" in asked:
        of_keys["max_budget_nano"] = patch.seat_budget_nano
        values["limits"] = {name: value for name, value in row.limits.items() if name != "max_budget_nano"}
        if patch.seat_budget_nano is not None:
            values["limits"]["max_budget_nano"] = patch.seat_budget_nano
    if of_keys:
        await service.bring_all(work, await repository.keys_of(connection, guid), of_keys)
    if patch.pot_nano is not None:
        await budgets.set_budget(work, BudgetKind.POT, row.pot_id, BudgetDraft(max_budget_nano=patch.pot_nano))
    await repository.change(connection, guid, values | {"updated_at": work.now})
    told = patch.model_dump(mode="json", exclude_unset=True)
    await record(work, "workshop.changed", "workshop", guid, told, values.get("title", row.title))


def _times(work: Work, row: Row[Any], patch: WorkshopPatch) -> dict[str, datetime]:
    ends = patch.ends_at or row.expires_at
    # Who could claim to the end can do so to the new end.
    closes = patch.claim_closes_at or (ends if row.claim_closes_at == row.expires_at else row.claim_closes_at)
    opens = patch.claim_opens_at or row.claim_opens_at
    if ends <= work.now:
        raise InvalidRequestMembers([Mend("ends_at", "ends_at must be in the future; or end the workshop.", "past")])
    if not row.starts_at <= opens < closes <= ends:
        told = "The claim window must lie within the workshop, and must not be empty."
        raise InvalidRequestMembers([Mend("claim_closes_at", told, "outside")])
    wanted = {"expires_at": ends, "claim_opens_at": opens, "claim_closes_at": closes}
    return {name: value for name, value in wanted.items() if value != row._mapping[name]}


async def add_seats(work: Work, guid: str, more: MoreSeats) -> None:
    """New keys of the same pot, limits, models and end. Errors: NotFound, Conflict, InvalidRequestMembers."""
    row = await run(work, guid)
    held = await seats_repository.list_seats(await work.connection(), guid)
    if len(held) + more.seats > MAX_SEATS:
        told = f"A workshop has at most {MAX_SEATS} seats; this one has {len(held)}."
        raise InvalidRequestMembers([Mend("seats", told, "too_many")])
    if more.labels and row.claim_mode != "seat_codes":
        told = "Seats of this workshop have no codes of their own, so nobody can be told which one is whose."
        raise InvalidRequestMembers([Mend("labels", told, "no_seat_codes")])
    first = 1 + max((int(seat.user_name.rpartition("-")[2]) for seat in held), default=0)
    names = [_name_of(number) for number in range(first, first + more.seats)]
    await _new_keys(work, row, names)
    await _add_seats(work, guid, row.claim_mode, names, more.labels)
    await record(work, "workshop.seats_added", "workshop", guid, {"seats": more.seats}, row.title)


async def pause(work: Work, guid: str, *, paused: bool) -> None:
    """No key answers until it goes on."""
    row = await run(work, guid)
    connection = await work.connection()
    await service.bring_all(work, await repository.keys_of(connection, guid), {"blocked": paused})
    await repository.change(connection, guid, {"paused_at": work.now if paused else None, "updated_at": work.now})
    await record(work, "workshop.paused" if paused else "workshop.resumed", "workshop", guid, {}, row.title)


async def finish(work: Work, guid: str) -> None:
    """Ends all keys at once. Who had which seat, and what was used, stays to be seen."""
    row = await run(work, guid)
    connection = await work.connection()
    rows = await repository.keys_of(connection, guid)
    await service.bring_all(work, rows, {"deleted_at": work.now, "secret_sealed": None})
    await repository.change(connection, guid, {"ended_at": work.now, "updated_at": work.now})
    await record(work, "workshop.ended", "workshop", guid, {"keys": len(rows)}, row.title)


async def replace_key(work: Work, guid: str, user: str) -> None:
    """The seat's key ends, and whoever holds the seat sees the new one. Errors: NotFound, Conflict."""
    row = await run(work, guid)
    await _seat_of(work, guid, user)
    await _replace_key(work, row, user)
    await record(work, "workshop.key_replaced", "workshop", guid, {"seat": user}, row.title)


async def free(work: Work, guid: str, user: str) -> None:
    """The seat is nobody's again; its key and, where it has one, its code are new. Errors: NotFound, Conflict."""
    row = await run(work, guid)
    await _seat_of(work, guid, user)
    await _replace_key(work, row, user)
    values: dict[str, Any] = {"nickname": None, "claimed_at": None, "browser_hash": None}
    if row.claim_mode == "seat_codes":
        values |= _coded(work, guid, user)
    await seats_repository.change(await work.connection(), guid, user, values)
    await record(work, "workshop.seat_freed", "workshop", guid, {"seat": user}, row.title)


async def remove_seat(work: Work, guid: str, user: str) -> None:
    """A seat that nobody holds is no more; its key ends. Errors: NotFound, Conflict."""
    row = await run(work, guid)
    if (await _seat_of(work, guid, user)).claimed_at is not None:
        raise Conflict("Somebody holds this seat. Free it first.")
    connection = await work.connection()
    if len(await seats_repository.list_seats(connection, guid)) == 1:
        raise Conflict("A workshop has at least one seat. End the workshop instead.")
    old = [key for key in await repository.keys_of(connection, guid) if key.user_name == user]
    await service.bring_all(work, old, {"deleted_at": work.now, "secret_sealed": None})
    await seats_repository.remove(connection, guid, user)
    await record(work, "workshop.seat_removed", "workshop", guid, {"seat": user}, row.title)


async def _seat_of(work: Work, guid: str, user: str) -> Row[Any]:
    seat = await seats_repository.seat_named(await work.connection(), guid, user)
    if seat is None:
        raise NotFound("There is no such seat.")
    return seat


async def _replace_key(work: Work, row: Row[Any], user: str) -> None:
    old = [key for key in await repository.keys_of(await work.connection(), row.guid) if key.user_name == user]
    await service.bring_all(work, old, {"deleted_at": work.now, "secret_sealed": None})
    await _new_keys(work, row, [user])


async def _new_keys(work: Work, row: Row[Any], users: Sequence[str]) -> None:
    """As all keys of the workshop are now: also paused."""
    draft = WorkshopDraft(
        guid=row.guid, models=list(row.models), duration=None, expires_at=row.expires_at, limits=Limits(**row.limits),
        metadata=row.metadata, seats=[_seat(row.guid, user) for user in users],
    )  # fmt: skip
    await service.provide(work, Bounds(), draft)
    if row.paused_at is not None:
        keys = await repository.keys_of(await work.connection(), row.guid)
        await service.bring_all(work, [key for key in keys if key.user_name in users], {"blocked": True})


async def _add_seats(work: Work, guid: str, claim_mode: str, names: Sequence[str], labels: Sequence[str]) -> None:
    """``labels``: one for each name, or none at all."""
    rows = [
        {"guid": guid, "user_name": name, "label": label or None}
        | (_coded(work, guid, name) if claim_mode == "seat_codes" else {})
        for name, label in zip(names, labels or [""] * len(names), strict=True)
    ]
    await seats_repository.add(await work.connection(), rows)


async def pot_of(work: Work, row: Row[Any]) -> tuple[int | None, int]:
    """Its budget, and what of it is spent. Units: nano-USD."""
    budget = await budget_rows.find_budget(await work.connection(), pot_scope(row.pot_id))
    if budget is None:
        return None, 0
    return budget.max_budget_nano, (await budgets.spend_of(work, [budget]))[budget.scope]


def _limits(limits: SeatLimits) -> Limits:
    return Limits(
        max_budget_nano=limits.budget_nano, rpm_limit=limits.rpm_limit, tpm_limit=limits.tpm_limit,
        max_parallel_requests=limits.max_parallel_requests,
    )  # fmt: skip


def _name_of(number: int) -> str:
    return f"seat-{number:04}"


def _seat(guid: str, name: str) -> Seat:
    return Seat(user=name, alias=f"{guid}-{name}", user_id=None, metadata={})


def _coded(work: Work, guid: str, owner: str) -> dict[str, Any]:
    """A new code: its hash to find it by, and a sealed copy for handouts."""
    code = new_code()
    return {"code_hash": hash_code(guid, code), "code_sealed": work.vault.seal(code, f"claim:{guid}:{owner}")}
