"""Where does a workshop stand, and may a seat be claimed now? Read off its times; nothing has to run for a state to change."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row


class State(StrEnum):
    """``claim_open``: it runs, and seats can be claimed. ``running``: also of keys that a catalogue hands out."""

    SCHEDULED = "scheduled"
    CLAIM_OPEN = "claim_open"
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"


class Claiming(StrEnum):
    """What somebody without a seat finds on the claim page."""

    NOT_OPEN = "not_open"
    OPEN = "open"
    FULL = "full"
    CLOSED = "closed"
    PAUSED = "paused"
    ENDED = "ended"


def state_at(row: Row[Any], now: datetime) -> State:
    if row.ended_at is not None or (row.expires_at is not None and row.expires_at <= now):
        return State.ENDED
    if row.paused_at is not None:
        return State.PAUSED
    if row.starts_at is not None and now < row.starts_at:
        return State.SCHEDULED
    if row.claim_mode is not None and row.claim_opens_at <= now < row.claim_closes_at:
        return State.CLAIM_OPEN
    return State.RUNNING


def claiming_at(row: Row[Any], free_seats: int, now: datetime) -> Claiming:
    match state_at(row, now):
        case State.ENDED:
            return Claiming.ENDED
        case State.PAUSED:
            return Claiming.PAUSED
    if now < row.claim_opens_at:
        return Claiming.NOT_OPEN
    if now >= row.claim_closes_at:
        return Claiming.CLOSED
    return Claiming.OPEN if free_seats else Claiming.FULL
