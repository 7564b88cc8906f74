"""Which keys get a new secret by the calendar? Those that LiteLLM's clients made with ``auto_rotate``.

The owner is told and sees the new secret in the portal; the former one goes on working for a while. Where secrets are not
kept for their owners, nothing is rotated: nobody could learn the new one.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Row

from litemaas.control.http.duties import Duty
from litemaas.control.http.work import Plane, Work
from litemaas.control.keys import repository
from litemaas.control.keys import repository_views as views
from litemaas.control.keys.lifecycle import ROTATED_AT, rotate
from litemaas.control.keys.view import state_of
from litemaas.control.settings.groups import KeySettings
from litemaas.control.settings.service import read
from litemaas.core.windows import duration_end

LONGEST_GRACE = timedelta(days=7)
_log = structlog.get_logger("control.keys")


def rotation_due(row: Row[Any]) -> datetime | None:
    """When the key gets its next secret; None = never by itself."""
    extras = row.extras
    if extras.get("auto_rotate") is not True:
        return None
    since = datetime.fromisoformat(extras[ROTATED_AT]) if extras.get(ROTATED_AT) else row.created_at
    try:
        return duration_end(str(extras.get("rotation_interval")), since)
    except ValueError:
        return None


async def rotate_due(work: Work) -> int:
    """Rotates the keys that are due; returns how many. The former secret works for an interval, a week at most."""
    if not (await read(work, KeySettings)).reveal:
        return 0
    rotated = 0
    connection = await work.connection()
    for seen in await views.rotating(connection):
        if not _is_due(seen, work.now):
            continue
        row = await repository.find_key(connection, seen.key_hash, lock=True)
        if row is None or not _is_due(row, work.now):
            continue  # somebody was quicker
        interval = duration_end(str(row.extras["rotation_interval"]), work.now) - work.now
        await rotate(work, row, int(min(interval, LONGEST_GRACE).total_seconds()))
        rotated += 1
    return rotated


def _is_due(row: Row[Any], now: datetime) -> bool:
    due = rotation_due(row)
    return due is not None and due <= now and state_of(row, now) == "active"


async def _rotate(plane: Plane) -> None:
    async with plane.work() as work:
        if rotated := await rotate_due(work):
            _log.info("keys rotated by the calendar", keys=rotated)


ROTATE_KEYS = Duty("rotate keys by the calendar", 600.0, _rotate)
