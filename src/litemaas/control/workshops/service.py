"""How do people of a workshop get their keys? By one call that can be repeated: who has a key gets the same one again.

All or nothing, in one transaction. A credential that is no master key makes keys only within its bounds, and a refusal says
which bound it was. Secrets are kept sealed until the key ends, for the credential that made them.
"""

from __future__ import annotations

import difflib
import secrets as random
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import msgspec
from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError

from litemaas.control.audit.service import record
from litemaas.control.budgets import service as budgets
from litemaas.control.budgets.drafts import BudgetDraft, BudgetKind
from litemaas.control.http.feed import ChangeKind
from litemaas.control.http.refusals import PermissionDenied
from litemaas.control.http.work import Work
from litemaas.control.keys.drafts import check_limits, expiry
from litemaas.control.workshops import repository
from litemaas.control.workshops.drafts import MASTER, MAX_KEYS, Bounds, Limits, Seat, WorkshopDraft
from litemaas.core.errors import AlreadyExists, InvalidField, KeyExpired, KeyUnknown, NotFound
from litemaas.core.keys import generate_key, hash_key, mask_key
from litemaas.kit.crypto import SealBroken

PREFIX = "sk-lmp-"
"""How provisioning keys begin: a key like others to clients, told apart from those that call models."""


class SeatKey(msgspec.Struct, frozen=True):
    """``status``: created, existing or updated. ``secret`` None: it cannot be opened any more."""

    user: str
    secret: str | None
    alias: str | None
    key_id: str
    user_id: str | None
    expires_at: datetime | None
    status: str


class Outcome(msgspec.Struct, frozen=True):
    guid: str
    pot_id: str
    models: list[str]
    keys: list[SeatKey]

    def count(self, status: str) -> int:
        return sum(key.status == status for key in self.keys)


async def provide(work: Work, bounds: Bounds, draft: WorkshopDraft) -> Outcome:
    """Makes the keys that are missing, brings the others to what is asked for, and returns all of them.

    Keys of people who are not asked for stay. Errors: InvalidField, AlreadyExists (an alias), PermissionDenied (a bound).
    """
    connection = await work.connection()
    _check(draft)
    await check_models(work, draft.models)
    if bounds.credential != MASTER:
        await repository.hold_credential(connection, bounds.credential)
    pot = bounds.pot_id or draft.guid
    made = {"pot_id": pot, "made_by": bounds.credential, "created_at": work.now, "updated_at": work.now}
    workshop = await repository.hold(connection, draft.guid, made)
    _check_owner(workshop, bounds)
    ends = _ends(work, draft, workshop)
    limits = _bounded(draft, bounds, ends)
    held = {row.user_name: row for row in await repository.keys_of(connection, draft.guid)}
    await _check_count(work, bounds, draft, held)
    wanted = _columns(draft, limits, ends)
    known = [(held[seat.user], seat) for seat in draft.seats if seat.user in held]
    changed = [(row, seat) for row, seat in known if _differs(row, seat, wanted)]
    await bring_all(work, [row for row, _ in changed], wanted)
    for row, seat in changed:
        if (row.alias, row.user_id) != (seat.alias, seat.user_id):
            await bring_all(work, [row], _own(draft, seat))
    missing = [(place, seat) for place, seat in enumerate(draft.seats) if seat.user not in held]
    fresh = await _make(work, draft, pot, wanted, missing)
    if draft.pot_nano is not None:
        await _set_pot(work, bounds, pot, draft.pot_nano)
    kept = {"models": draft.models, "duration": draft.duration, "expires_at": ends, "metadata": draft.metadata,
            "limits": msgspec.to_builtins(limits), "updated_at": work.now}  # fmt: skip
    await repository.change(connection, draft.guid, kept)
    if fresh or changed:
        detail = {"created": len(fresh), "updated": len(changed), "models": draft.models, "by": bounds.name}
        await record(work, "workshop.keys_provided", "workshop", draft.guid, detail)
    rows = {row.user_name: row for row in await repository.keys_of(connection, draft.guid)}
    updated = {seat.user for _, seat in changed}
    keys = []
    for seat in draft.seats:
        status = "created" if seat.user in fresh else "updated" if seat.user in updated else "existing"
        keys.append(_seat_key(work, rows[seat.user], status, fresh.get(seat.user)))
    return Outcome(draft.guid, pot, draft.models, keys)


async def show(work: Work, bounds: Bounds, guid: str) -> Outcome:
    """All keys of a workshop with their secrets. Errors: NotFound, PermissionDenied."""
    workshop = await _held(work, bounds, guid)
    rows = await repository.keys_of(await work.connection(), guid)
    return Outcome(guid, workshop.pot_id, list(workshop.models), [_seat_key(work, row, "existing") for row in rows])


async def extend(work: Work, bounds: Bounds, guid: str, duration: str) -> Outcome:
    """All keys end ``duration`` from now. Errors: NotFound, InvalidField, PermissionDenied."""
    connection = await work.connection()
    await _held(work, bounds, guid, lock=True)
    ends = expiry(duration, work.now)
    _check_end(bounds, ends)
    rows = await repository.keys_of(connection, guid)
    await bring_all(work, rows, {"expires_at": ends})
    await repository.change(connection, guid, {"duration": duration, "expires_at": ends, "updated_at": work.now})
    await record(work, "workshop.extended", "workshop", guid, {"duration": duration, "keys": len(rows)})
    return await show(work, bounds, guid)


async def end(work: Work, bounds: Bounds, guid: str) -> int:
    """Ends all keys of a workshop at once and forgets it; usage stays. Returns how many. A workshop that is none: 0."""
    connection = await work.connection()
    workshop = await repository.find(connection, guid, lock=True)
    if workshop is None:
        return 0
    _check_owner(workshop, bounds)
    rows = await repository.keys_of(connection, guid)
    await bring_all(work, rows, {"deleted_at": work.now, "secret_sealed": None})
    await repository.drop(connection, guid)
    await record(work, "workshop.ended", "workshop", guid, {"keys": len(rows)})
    return len(rows)


# -- credentials ----------------------------------------------------------------------------------------------------------


async def bounds_of(work: Work, presented: str) -> Bounds | None:
    """What a provisioning key may do; None for a secret that is none. Errors: KeyUnknown, KeyExpired."""
    if not presented.startswith(PREFIX):
        return None
    row = await repository.find_credential(await work.connection(), hash_key(presented))
    if row is None or row.revoked_at is not None:
        raise KeyUnknown("This provisioning key is not known. It may have been revoked.")
    if row.valid_from is not None and work.now < row.valid_from:
        raise PermissionDenied(f"This provisioning key is valid from {row.valid_from:%Y-%m-%d %H:%M} UTC on.")
    if row.valid_until is not None and work.now >= row.valid_until:
        raise KeyExpired(f"This provisioning key expired on {row.valid_until:%Y-%m-%d %H:%M} UTC.", mask_key(presented))
    return Bounds(
        credential=row.id, name=row.name, models=frozenset(row.models), pot_id=row.pot_id, max_keys=row.max_keys,
        max_budget_nano=row.max_budget_nano, max_rpm_limit=row.max_rpm_limit, max_tpm_limit=row.max_tpm_limit,
        valid_until=row.valid_until,
    )  # fmt: skip


async def make_credential(work: Work, values: dict[str, Any], pot_nano: int | None) -> tuple[str, str]:
    """Makes a provisioning key; returns its id and the secret, which is shown this once. Errors: InvalidField."""
    await check_models(work, values["models"])
    secret, credential_id = PREFIX + random.token_urlsafe(32), str(uuid4())
    row = values | {
        "id": credential_id, "secret_hash": hash_key(secret), "hint": mask_key(secret), "created_at": work.now,
        "created_by": work.actor,
    }  # fmt: skip
    await repository.add_credential(await work.connection(), row)
    if pot_nano is not None:
        await budgets.set_budget(work, BudgetKind.POT, values["pot_id"], BudgetDraft(max_budget_nano=pot_nano))
    detail = {name: str(value) for name, value in values.items() if value is not None}
    await record(work, "provisioning_key.created", "provisioning_key", credential_id, detail, values["name"])
    return credential_id, secret


# -- checks ---------------------------------------------------------------------------------------------------------------


def _check(draft: WorkshopDraft) -> None:
    if not draft.seats:
        raise InvalidField("keys must name at least one user.", "keys")
    if len(draft.seats) > MAX_KEYS:
        raise InvalidField(f"keys must name at most {MAX_KEYS} users in one call.", "keys")
    for field in ("user", "alias"):
        twice = [name for name, count in Counter(getattr(seat, field) for seat in draft.seats).items() if count > 1]
        if twice:
            raise InvalidField(f"keys names the {field} {twice[0]!r} more than once.", "keys")
    if not draft.models:
        raise InvalidField("models must name at least one model.", "models")
    if draft.duration is not None and draft.expires_at is not None:
        raise InvalidField("Give duration or expires_at, not both.", "duration")
    check_limits(msgspec.structs.asdict(draft.limits))


async def check_models(work: Work, wanted: Sequence[str]) -> None:
    known = await repository.known_models(await work.connection())
    usable = sorted(name for name, status in known.items() if status in ("available", "deprecated"))
    for name in wanted:
        if name not in usable:
            near = ", ".join(difflib.get_close_matches(name, usable, 3, 0.4)) or ", ".join(usable[:5]) or "none"
            what = "is not available any more" if name in known else "is not in the catalogue"
            raise InvalidField(f"The model {name!r} {what}. The nearest that are: {near}.", "models")


def _check_owner(workshop: Row[Any], bounds: Bounds) -> None:
    if bounds.credential not in (MASTER, workshop.made_by):
        raise PermissionDenied("This workshop was made with another credential.")


async def _held(work: Work, bounds: Bounds, guid: str, *, lock: bool = False) -> Row[Any]:
    workshop = await repository.find(await work.connection(), guid, lock=lock)
    if workshop is None:
        raise NotFound("There is no workshop with this guid.", "guid")
    _check_owner(workshop, bounds)
    return workshop


def _ends(work: Work, draft: WorkshopDraft, workshop: Row[Any]) -> datetime | None:
    """A repeated call with the same duration keeps the end that the first one set."""
    if draft.expires_at is not None:
        return draft.expires_at
    if draft.duration is None:
        return None
    if draft.duration == workshop.duration and workshop.expires_at is not None:
        end: datetime = workshop.expires_at
        return end
    return expiry(draft.duration, work.now)


def _bounded(draft: WorkshopDraft, bounds: Bounds, ends: datetime | None) -> Limits:
    """The limits of each key; what is not named gets the credential's maximum."""
    if bounds.models is not None and (outside := sorted(set(draft.models) - bounds.models)):
        raise PermissionDenied(
            f"This provisioning key may not give access to {outside[0]!r}. It may: {', '.join(sorted(bounds.models))}."
        )
    _check_end(bounds, ends)
    limits = msgspec.structs.asdict(draft.limits)
    for field, most in (
        ("max_budget_nano", bounds.max_budget_nano), ("rpm_limit", bounds.max_rpm_limit), ("tpm_limit", bounds.max_tpm_limit),
    ):  # fmt: skip
        if most is None:
            continue
        if limits[field] is None:
            limits[field] = most
        elif limits[field] > most:
            raise PermissionDenied(f"This provisioning key may set {field} to {most} at most.")
    return Limits(**limits)


def _check_end(bounds: Bounds, ends: datetime | None) -> None:
    if bounds.valid_until is not None and (ends is None or ends > bounds.valid_until):
        raise PermissionDenied(f"Keys of this provisioning key must end by {bounds.valid_until:%Y-%m-%d %H:%M} UTC.")


async def _check_count(work: Work, bounds: Bounds, draft: WorkshopDraft, held: dict[str, Row[Any]]) -> None:
    if bounds.max_keys is None:
        return
    others = await repository.live_keys_of(await work.connection(), bounds.credential, work.now, but=draft.guid)
    after = others + len({*held, *(seat.user for seat in draft.seats)})
    if after > bounds.max_keys:
        raise PermissionDenied(
            f"This provisioning key may have {bounds.max_keys} keys at once; this would make {after}."
        )


# -- rows -----------------------------------------------------------------------------------------------------------------


def _columns(draft: WorkshopDraft, limits: Limits, ends: datetime | None) -> dict[str, Any]:
    return {"models": draft.models, "expires_at": ends, **msgspec.structs.asdict(limits)}


def _own(draft: WorkshopDraft, seat: Seat) -> dict[str, Any]:
    meta = {**draft.metadata, "guid": draft.guid, "user": seat.user, **seat.metadata}
    return {"alias": seat.alias, "user_id": seat.user_id, "metadata": meta}


def _differs(row: Row[Any], seat: Seat, wanted: dict[str, Any]) -> bool:
    held = row._mapping
    return any(held[name] != value for name, value in wanted.items()) or (row.alias, row.user_id) != (
        seat.alias,
        seat.user_id,
    )


async def _make(
    work: Work, draft: WorkshopDraft, pot: str, wanted: dict[str, Any], missing: list[tuple[int, Seat]]
) -> dict[str, str]:
    """Returns the new secrets by user."""
    if not missing:
        return {}
    connection, made, rows, names = await work.connection(), {}, [], {}
    for place, seat in missing:
        secret = generate_key()
        key_hash = hash_key(secret)
        made[seat.user], names[key_hash] = secret, (seat.user, place)
        rows.append(
            {
                "key_hash": key_hash,
                "key_name": mask_key(secret),
                "pot_id": pot,
                "budget_set_at": work.now,
                "secret_sealed": work.vault.seal(secret, f"key:{key_hash}"),
                "created_at": work.now,
                "created_by": work.actor,
                "updated_at": work.now,
                "updated_by": work.actor,
                **wanted,
                **_own(draft, seat),
            }
        )
    try:
        async with connection.begin_nested():
            await repository.add_keys(connection, draft.guid, rows, names)
    except IntegrityError:
        taken = await repository.taken_aliases(connection, [seat.alias for _, seat in missing])
        raise AlreadyExists(f"An alias is in use already: {', '.join(taken[:3])}.", "keys") from None
    work.changed(ChangeKind.KEY, *names)
    return made


async def bring_all(work: Work, rows: Sequence[Row[Any]], values: dict[str, Any]) -> None:
    if not rows:
        return
    touched = {"updated_at": work.now, "updated_by": work.actor}
    hashes = [row.key_hash for row in rows]
    await repository.change_keys(await work.connection(), hashes, values | touched)
    others = [one for row in rows for one in (row.secret_hash, row.old_secret_hash) if one is not None]
    work.changed(ChangeKind.KEY, *hashes, *others)


async def _set_pot(work: Work, bounds: Bounds, pot: str, pot_nano: int) -> None:
    if bounds.pot_id is not None:
        raise PermissionDenied("The pot of this provisioning key is set by administrators.")
    await budgets.set_budget(work, BudgetKind.POT, pot, BudgetDraft(max_budget_nano=pot_nano))


def _seat_key(work: Work, row: Row[Any], status: str, secret: str | None = None) -> SeatKey:
    if secret is None and row.secret_sealed is not None:
        try:
            secret = work.vault.open(row.secret_sealed, f"key:{row.key_hash}")
        except SealBroken:
            secret = None
    return SeatKey(row.user_name, secret, row.alias, row.key_hash, row.user_id, row.expires_at, status)
