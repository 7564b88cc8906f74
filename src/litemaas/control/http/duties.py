"""What does the platform do from time to time, and who of many replicas does it? Whoever takes the duty's row first, alone.

A duty is a name, how often, and a coroutine that gets the plane. Its row says when it is due and who holds it until when;
a replica that dies in the middle loses the hold, and another does the duty again: duties must bear being begun twice.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import msgspec
import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert

from litemaas.control.http.work import Plane
from litemaas.db.tables import duties

_LOOK_EVERY_S = 1.0
_log = structlog.get_logger("control.duties")


class Duty(msgspec.Struct, frozen=True):
    """Units: seconds. ``within_s``: after this the duty is given up, and others may take it."""

    name: str
    every_s: float
    do: Callable[[Plane], Awaitable[None]]
    within_s: float = 60.0


async def keep_duties(plane: Plane, all_duties: Sequence[Duty]) -> None:
    """Runs until cancelled; each duty in turn has its own task, so that a slow one holds up no other."""
    async with asyncio.TaskGroup() as group:
        for duty in all_duties:
            group.create_task(_keep(plane, duty), name=f"duty {duty.name}")


async def _keep(plane: Plane, duty: Duty) -> None:
    holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    while True:
        try:
            if await take(plane, duty, holder):
                await _do(plane, duty, holder)
        except Exception as error:  # noqa: BLE001 — the next round tries again
            _log.warning("duty failed", duty=duty.name, error=type(error).__name__)
        await asyncio.sleep(min(_LOOK_EVERY_S, duty.every_s))


async def take(plane: Plane, duty: Duty, holder: str) -> bool:
    """Whether the duty is due and now ours."""
    now = plane.clock.now()
    async with plane.engine.begin() as connection:
        due = select(duties.c.next_at, duties.c.held_until).where(duties.c.name == duty.name)
        row = (await connection.execute(due)).first()
        if row is None:
            await connection.execute(insert(duties).values(name=duty.name, next_at=now).on_conflict_do_nothing())
        elif row.next_at > now or (row.held_until is not None and row.held_until > now):
            return False
        free = or_(duties.c.held_until.is_(None), duties.c.held_until <= now)
        taken = update(duties).where(duties.c.name == duty.name, duties.c.next_at <= now, free)
        new = {"holder": holder, "held_until": now + timedelta(seconds=duty.within_s), "last_began_at": now}
        return (await connection.execute(taken.values(**new).returning(duties.c.name))).first() is not None


async def _do(plane: Plane, duty: Duty, holder: str) -> None:
    failure: str | None = None
    try:
        async with asyncio.timeout(duty.within_s):
            await duty.do(plane)
    except Exception as error:  # noqa: BLE001 — told of, and done again when it is due
        failure = type(error).__name__
        _log.warning("duty failed", duty=duty.name, error=type(error).__name__)
    now = plane.clock.now()
    async with plane.engine.begin() as connection:
        done = update(duties).where(duties.c.name == duty.name, duties.c.holder == holder)
        new = {
            "next_at": now + timedelta(seconds=duty.every_s),
            "held_until": None,
            "last_ended_at": now,
            "last_error": failure,
        }
        await connection.execute(done.values(**new))
