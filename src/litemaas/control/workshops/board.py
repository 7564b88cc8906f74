"""How does a workshop go at this moment? Seats, calls, errors and the pot, read off the ledger; asked again every few seconds.

A call appears when its gateway has stored it, within seconds.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Row

from litemaas.control.http.work import Work
from litemaas.control.keys import repository_views as views
from litemaas.control.keys import service as keys
from litemaas.control.workshops import board_repository, running, seats_repository
from litemaas.control.workshops.states import State, state_at

LATELY = timedelta(minutes=5)
_FORECAST_OVER = timedelta(minutes=15)
_MINUTES = 60


class SeatState(StrEnum):
    """``stuck``: five minutes after the claim still without a call, or all calls of the last five minutes failed."""

    FREE = "free"
    ACTIVE = "active"
    QUIET = "quiet"
    STUCK = "stuck"


class BoardSeat(BaseModel):
    """``errors``, ``calls_lately``: of the last five minutes; ``calls``: since the beginning, without refused ones."""

    user: str
    label: str | None
    nickname: str | None
    state: SeatState
    claimed_at: datetime | None
    last_call_at: datetime | None
    calls: int
    calls_lately: int
    errors: int
    spent_nano: int
    budget_nano: int | None
    is_blocked: bool


class Reason(BaseModel):
    code: str
    calls: int


class Board(BaseModel):
    """Rates and latencies are of the last five minutes, ``errors`` and ``calls_per_minute`` (oldest first) of the last hour.

    ``exhausted_at``: when the pot would be empty if spending goes on as in the last fifteen minutes; null = not within a day.
    """

    as_of: datetime
    state: State
    ends_at: datetime | None
    seats: int
    claimed: int
    active: int
    stuck: int
    requests_per_second: float
    ttft_p50_ms: float | None
    ttft_p95_ms: float | None
    pot_nano: int | None
    pot_spent_nano: int
    exhausted_at: datetime | None
    errors: list[Reason]
    calls_per_minute: list[int]
    people: list[BoardSeat]


async def read(work: Work, row: Row[Any]) -> Board:
    connection = await work.connection()
    held = {key.user_name: key for key in await board_repository.keys_of(connection, row.guid)}
    hashes = [key.key_hash for key in held.values()]
    use = await views.use_of(connection, hashes)
    spent = await keys.spend_of(work, list(held.values()))
    lately = await board_repository.lately(connection, hashes, work.now - LATELY)
    pace = await board_repository.pace(connection, hashes, work.now - LATELY)
    seats = await seats_repository.list_seats(connection, row.guid)
    people = [_seat(work.now, seat, held.get(seat.user_name), use, spent, lately) for seat in seats] or [
        _handed_out(work.now, name, key, use, spent, lately) for name, key in held.items()
    ]
    pot_nano, pot_spent = await running.pot_of(work, row)
    since = work.now - _FORECAST_OVER
    burnt = await board_repository.cost_since(connection, hashes, since)
    return Board(
        as_of=work.now, state=state_at(row, work.now), ends_at=row.ended_at or row.expires_at, seats=len(people),
        claimed=sum(one.state is not SeatState.FREE for one in people),
        active=sum(one.state is SeatState.ACTIVE for one in people),
        stuck=sum(one.state is SeatState.STUCK for one in people),
        requests_per_second=round(sum(one.calls for one in lately.values()) / LATELY.total_seconds(), 2),
        ttft_p50_ms=_ms(pace.p50), ttft_p95_ms=_ms(pace.p95), pot_nano=pot_nano, pot_spent_nano=pot_spent,
        exhausted_at=forecast(work.now, pot_nano, pot_spent, burnt),
        errors=[
            Reason(code=found.error_code, calls=found.calls)
            for found in await board_repository.errors(connection, hashes, work.now - timedelta(minutes=_MINUTES))
        ],
        calls_per_minute=await board_repository.per_minute(connection, hashes, work.now, _MINUTES), people=people,
    )  # fmt: skip


def forecast(now: datetime, pot_nano: int | None, spent_nano: int, burnt_nano: int) -> datetime | None:
    """When the pot is empty at the pace of the last fifteen minutes; None without a pot, a pace or an end within a day."""
    if pot_nano is None or burnt_nano <= 0:
        return None
    left_s = max(0, pot_nano - spent_nano) * _FORECAST_OVER.total_seconds() / burnt_nano
    return now + timedelta(seconds=left_s) if left_s <= timedelta(days=1).total_seconds() else None


def seat_state(now: datetime, claimed_at: datetime | None, calls: int, calls_lately: int, errors: int) -> SeatState:
    if claimed_at is None:
        return SeatState.FREE
    if calls_lately > errors:
        return SeatState.ACTIVE
    never_called = calls == 0 and now - claimed_at > LATELY
    return SeatState.STUCK if errors or never_called else SeatState.QUIET


def _seat(
    now: datetime, seat: Row[Any], key: Row[Any] | None, use: dict[str, Row[Any]], spent: dict[str, int],
    lately: dict[str, Row[Any]],
) -> BoardSeat:  # fmt: skip
    key_hash = key.key_hash if key is not None else ""
    used, late = use.get(key_hash), lately.get(key_hash)
    calls, calls_lately, errors = (
        int(used.calls) if used is not None else 0,
        late.calls if late is not None else 0,
        late.errors if late is not None else 0,
    )
    return BoardSeat(
        user=seat.user_name, label=seat.label, nickname=seat.nickname, claimed_at=seat.claimed_at, calls=calls,
        calls_lately=calls_lately, errors=errors, state=seat_state(now, seat.claimed_at, calls, calls_lately, errors),
        last_call_at=used.last_at if used is not None else None, spent_nano=spent.get(key_hash, 0),
        budget_nano=key.max_budget_nano if key is not None else None, is_blocked=key is not None and key.blocked,
    )  # fmt: skip


def _handed_out(
    now: datetime,
    name: str,
    key: Row[Any],
    use: dict[str, Row[Any]],
    spent: dict[str, int],
    lately: dict[str, Row[Any]],
) -> BoardSeat:
    """Of a catalogue's workshop: whoever has the key has had it since it was made."""
    seat: Any = _Taken(name, key.user_id, key.created_at)
    return _seat(now, seat, key, use, spent, lately)


class _Taken:
    """A seat that needs no claim."""

    nickname = None

    def __init__(self, user_name: str, label: str | None, claimed_at: datetime) -> None:
        self.user_name = user_name
        self.label = label
        self.claimed_at = claimed_at


def _ms(microseconds: int | None) -> float | None:
    return None if microseconds is None else round(microseconds / 1000, 1)
