"""How does a participant come to a seat? With a code, once; the browser that claimed shows the seat again until the end.

Wrong codes are counted per workshop and address: beyond the bound not even a right one is looked at for a while. Who claims
has no account, so the audit names the workshop and the address.
"""

from __future__ import annotations

import secrets
from typing import Any

import msgspec
from sqlalchemy import Row

from litemaas.control.audit.service import record, record_refusal
from litemaas.control.auth.service import hash_secret
from litemaas.control.http.rates import Rate, Rates, take
from litemaas.control.http.refusals import NoSeat, TooManyRequests, WrongCode
from litemaas.control.http.work import Work
from litemaas.control.keys import repository_views as catalogue
from litemaas.control.keys import service as keys
from litemaas.control.workshops import repository, seats_repository
from litemaas.control.workshops.codes import hash_code
from litemaas.control.workshops.running import not_found
from litemaas.control.workshops.schemas import ClaimModel, SeatOut
from litemaas.control.workshops.states import Claiming, State, claiming_at, state_at
from litemaas.kit.crypto import SealBroken

_CLAIMS = Rate("claim", 300)
"""A whole classroom behind one address."""
_WRONG = Rate("claim-wrong", 10)
_TOLD = Rate("claim-refusals-audited", 1)
_MESSAGES = {
    Claiming.NOT_OPEN: "Seats cannot be claimed yet.",
    Claiming.FULL: "All seats are taken.",
    Claiming.CLOSED: "Seats cannot be claimed any more.",
    Claiming.PAUSED: "The workshop is paused. Try again in a moment.",
    Claiming.ENDED: "The workshop has ended.",
}
TYPES = {"chat": "chat", "completion": "chat", "embedding": "embeddings", "conversion": "convert"}


class Claimed(msgspec.Struct, frozen=True):
    """``cookie``: what shows the seat again; kept nowhere but in the browser."""

    cookie: str
    seat: SeatOut


async def open_workshop(work: Work, guid: str) -> Row[Any]:
    """One with a claim page. Errors: NotFound."""
    row = await repository.find(await work.connection(), guid)
    if row is None or row.claim_mode is None:
        raise not_found()
    return row


async def claim(
    work: Work, rates: Rates, row: Row[Any], code: str, nickname: str, cookie: str | None, base_url: str | None
) -> Claimed:
    """A browser that has a seat gets the same one. Errors: NoSeat, WrongCode, TooManyRequests."""
    connection = await work.connection()
    if cookie is not None and (held := await _held(work, row, cookie)) is not None:
        return Claimed(cookie, await shown(work, row, held, base_url))
    await _limit(work, rates, row.guid)
    claiming = claiming_at(row, await seats_repository.free_seats(connection, row.guid), work.now)
    if claiming is not Claiming.OPEN and not (claiming is Claiming.FULL and row.claim_mode == "seat_codes"):
        raise NoSeat(_MESSAGES[claiming])
    seat = await _seat_for(work, rates, row, hash_code(row.guid, code))
    fresh = secrets.token_urlsafe(32)
    values = {"nickname": nickname.strip() or None, "claimed_at": work.now, "browser_hash": hash_secret(fresh)}
    await seats_repository.change(connection, row.guid, seat.user_name, values)
    await record(work, "workshop.seat_claimed", "workshop", row.guid, {"seat": seat.user_name}, row.title)
    held = await seats_repository.seat_named(connection, row.guid, seat.user_name)
    return Claimed(fresh, await shown(work, row, held, base_url))


async def _seat_for(work: Work, rates: Rates, row: Row[Any], hashed: str) -> Row[Any]:
    """The seat that the code opens, locked. Errors: NoSeat, WrongCode."""
    connection = await work.connection()
    if row.claim_mode == "shared_code":
        if not secrets.compare_digest(hashed, row.code_hash):
            raise await _wrong(work, rates, row.guid)
        seat = await seats_repository.first_free(connection, row.guid)
        if seat is None:
            raise NoSeat(_MESSAGES[Claiming.FULL])
        return seat
    seat = await seats_repository.seat_of_code(connection, row.guid, hashed)
    if seat is None:
        raise await _wrong(work, rates, row.guid)
    if seat.claimed_at is not None:
        used = "This code was used already. Ask the organisers to free the seat."
        raise await _wrong(work, rates, row.guid, used)
    return seat


async def seat_of(work: Work, row: Row[Any], cookie: str | None) -> Row[Any]:
    """The seat that this browser claimed. Errors: NotFound; NoSeat once the workshop has ended."""
    held = await _held(work, row, cookie) if cookie else None
    if held is None:
        raise not_found()
    if state_at(row, work.now) is State.ENDED:
        raise NoSeat(_MESSAGES[Claiming.ENDED])
    return held


async def secret_of(work: Work, row: Row[Any], seat: Row[Any]) -> str | None:
    key = await seats_repository.key_of(await work.connection(), row.guid, seat.user_name)
    if key is None or key.secret_sealed is None:
        return None
    try:
        return work.vault.open(key.secret_sealed, f"key:{key.key_hash}")
    except SealBroken:
        return None


async def shown(work: Work, row: Row[Any], seat: Any, base_url: str | None) -> SeatOut:
    connection = await work.connection()
    key = await seats_repository.key_of(connection, row.guid, seat.user_name)
    spent = (await keys.spend_of(work, [key]))[key.key_hash] if key is not None else 0
    return SeatOut(
        seat=seat.user_name, nickname=seat.nickname, key=await secret_of(work, row, seat), base_url=base_url,
        models=await models_of(work, row), ends_at=row.expires_at, announcement=row.announcement,
        is_paused=row.paused_at is not None, spent_nano=spent,
        budget_nano=key.max_budget_nano if key is not None else None, rpm_limit=key.rpm_limit if key is not None else None,
    )  # fmt: skip


async def models_of(work: Work, row: Row[Any]) -> list[ClaimModel]:
    known = await catalogue.catalogue(await work.connection(), row.models)
    return [ClaimModel(name=name, type=TYPES.get(known[name].mode) if name in known else None) for name in row.models]


async def _held(work: Work, row: Row[Any], cookie: str) -> Row[Any] | None:
    return await seats_repository.seat_of_browser(await work.connection(), row.guid, hash_secret(cookie))


def _who(work: Work, guid: str) -> str:
    return f"{guid} {work.address or 'unknown'}"


async def _limit(work: Work, rates: Rates, guid: str) -> None:
    who = _who(work, guid)
    await take(rates, _CLAIMS, who)
    if wait := await rates.wait_s(_WRONG, who, counts=False):
        raise TooManyRequests("Too many wrong codes from this address. Wait a moment.", wait)


async def _wrong(work: Work, rates: Rates, guid: str, message: str = "This code is not right.") -> WrongCode:
    """Counts the try."""
    await rates.wait_s(_WRONG, _who(work, guid))
    if await rates.wait_s(_TOLD, _who(work, guid)) == 0:
        record_refusal(work, "workshop.claim_refused", "workshop", guid, WrongCode.public_code)
    return WrongCode(message)
