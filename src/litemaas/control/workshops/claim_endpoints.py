"""Which paths do participants use, without an account? The event, a claim with a code, and the seat of this browser."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request, Response

from litemaas.control.auth.gates import Open, requires
from litemaas.control.http.rates import Rate, take
from litemaas.control.http.refusals import NoSeat
from litemaas.control.http.shapes import PROBLEMS
from litemaas.control.http.work import WorkOf, WorkRoute
from litemaas.control.playground.relay import Relay
from litemaas.control.workshops import claiming, seats_repository
from litemaas.control.workshops.schemas import ClaimIn, ClaimPage, SeatOut, Tried, TryIn
from litemaas.control.workshops.states import claiming_at
from litemaas.core.errors import InvalidField

router = APIRouter(
    prefix="/api/v1/claims",
    tags=["claims"],
    route_class=WorkRoute,
    dependencies=[requires(Open.PUBLIC)],
    responses=PROBLEMS,
)
_LOOKS = Rate("claim-page", 600)
_TRIES = Rate("claim-try", 6)
_TRIED_TOKENS = 16


@router.get("/{guid}")
async def show_workshop(work: WorkOf, request: Request, guid: str) -> ClaimPage:
    """What it is, when it is, and whether seats can be claimed now. Without names, seats and codes."""
    await take(request.app.state.rates, _LOOKS, work.address or "unknown")
    row = await claiming.open_workshop(work, guid)
    free = await seats_repository.free_seats(await work.connection(), guid)
    return ClaimPage(
        title=row.title, description=row.description, claiming=claiming_at(row, free, work.now), needs=row.claim_mode,
        time_zone=row.time_zone, starts_at=row.starts_at, ends_at=row.expires_at, claim_opens_at=row.claim_opens_at,
        claim_closes_at=row.claim_closes_at, now=work.now, models=await claiming.models_of(work, row),
    )  # fmt: skip


@router.post("/{guid}", status_code=201)
async def claim_seat(work: WorkOf, request: Request, response: Response, guid: str, body: ClaimIn) -> SeatOut:
    """A seat for this browser, with its key. A browser that has one gets the same again."""
    row = await claiming.open_workshop(work, guid)
    state = request.app.state
    claimed = await claiming.claim(
        work, state.rates, row, body.code, body.nickname, request.cookies.get(_cookie(guid)), state.gateway_public_url
    )
    lives_s = max(1, int((row.expires_at - work.now).total_seconds()))
    response.set_cookie(
        _cookie(guid), claimed.cookie, max_age=lives_s, path=f"/api/v1/claims/{guid}", httponly=True, samesite="lax",
        secure=state.sign_in.secure,
    )  # fmt: skip
    return claimed.seat


@router.get("/{guid}/seat")
async def show_seat(work: WorkOf, request: Request, guid: str) -> SeatOut:
    """The seat that this browser claimed, with its key and what is left of it."""
    row = await claiming.open_workshop(work, guid)
    seat = await claiming.seat_of(work, row, request.cookies.get(_cookie(guid)))
    return await claiming.shown(work, row, seat, request.app.state.gateway_public_url)


@router.post("/{guid}/seat/try")
async def try_key(work: WorkOf, request: Request, guid: str, body: TryIn) -> Tried:
    """One small call with the seat's key, which its budget pays."""
    row = await claiming.open_workshop(work, guid)
    seat = await claiming.seat_of(work, row, request.cookies.get(_cookie(guid)))
    await take(request.app.state.rates, _TRIES, f"{guid} {seat.user_name}")
    kinds = {model.name: model.type for model in await claiming.models_of(work, row)}
    secret = await claiming.secret_of(work, row, seat)
    if secret is None:
        raise NoSeat("The key of this seat cannot be shown any more. Ask the organisers for a new one.")
    match kinds.get(body.model):
        case "chat":
            messages = [{"role": "user", "content": "Say hello."}]
            path, asked = "/v1/chat/completions", {"messages": messages, "max_tokens": _TRIED_TOKENS}
        case "embeddings":
            path, asked = "/v1/embeddings", {"input": "hello"}
        case _:
            raise InvalidField("Only chat and embeddings models of this workshop can be tried here.", "model")
    await work.pause()
    relay: Relay = request.app.state.relay
    began = time.perf_counter()
    error = await relay.complaint(path, secret, {"model": body.model, **asked}, request.state.request_id)
    return Tried(ok=error is None, error=error, milliseconds=round((time.perf_counter() - began) * 1000))


def _cookie(guid: str) -> str:
    return f"litemaas_seat_{guid}"
