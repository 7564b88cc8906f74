"""What happens to keys by the calendar? Owners hear that one ends; those that ended long ago are archived.

No job ends a key: the gateways look at the clock themselves.
"""

from __future__ import annotations

from datetime import timedelta

from litemaas.control.http.duties import Duty
from litemaas.control.http.work import Plane, Work
from litemaas.control.keys import repository, service
from litemaas.control.keys import repository_views as views
from litemaas.control.keys.owning import note
from litemaas.control.keys.view import id_of, name_of
from litemaas.control.notices.events import Event
from litemaas.control.notices.service import notify

_KEPT = timedelta(days=90)
_WARNINGS = (1, 3, 7)
"""Days before the end; of several that are reached at once only the nearest is told."""
_BATCH = 1000


async def archive_expired(work: Work) -> int:
    """Hides keys that expired more than 90 days ago; returns how many. What they were used for stays attributed."""
    connection = await work.connection()
    rows = await views.expired_before(connection, work.now - _KEPT, _BATCH)
    for row in rows:
        values = {"deleted_at": work.now, "secret_sealed": None, "updated_at": work.now, "updated_by": work.actor}
        await repository.change_key(connection, row.key_hash, values)
        service.tell(work, row)
        await note(work, "key.archived", row, {"expired_at": row.expires_at.isoformat()})
    return len(rows)


async def tell_of_endings(work: Work) -> None:
    """Keys that end in 7, 3 or 1 days, and former secrets that end within a day."""
    connection = await work.connection()
    for row in await views.ending_between(connection, work.now, work.now + timedelta(days=_WARNINGS[-1])):
        left = row.expires_at - work.now
        days = next(days for days in _WARNINGS if left <= timedelta(days=days))
        if row.expires_at - row.created_at <= timedelta(days=days):
            continue  # it was made with less than that ahead of it
        facts = {"name": name_of(row), "days": days, "expires_at": row.expires_at.isoformat()}
        once = f"{days}d of {row.expires_at.isoformat()}"
        await notify(
            work, Event.KEY_EXPIRES, user_ids=[row.user_id], subject=f"key:{id_of(row)}", facts=facts, once=once
        )
    for row in await views.graces_ending(connection, work.now, work.now + timedelta(days=1)):
        facts = {"name": name_of(row), "ends_at": row.old_secret_until.isoformat()}
        once = row.old_secret_until.isoformat()
        await notify(
            work, Event.KEY_GRACE_ENDS, user_ids=[row.user_id], subject=f"key:{id_of(row)}", facts=facts, once=once
        )


async def _archive(plane: Plane) -> None:
    async with plane.work() as work:
        await archive_expired(work)


async def _tell(plane: Plane) -> None:
    async with plane.work() as work:
        await tell_of_endings(work)


ARCHIVE_KEYS = Duty("archive expired keys", 86_400.0, _archive)
TELL_OF_ENDING_KEYS = Duty("tell of keys that end", 600.0, _tell)
