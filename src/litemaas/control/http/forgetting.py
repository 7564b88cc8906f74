"""What of the plane's own memory is dropped after a while? Kept answers after a day."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete

from litemaas.control.http.duties import Duty
from litemaas.control.http.work import Plane
from litemaas.db.tables import given_answers

_KEPT = timedelta(days=1)


async def _forget_answers(plane: Plane) -> None:
    async with plane.work() as work:
        old = delete(given_answers).where(given_answers.c.at < work.now - _KEPT)
        await (await work.connection()).execute(old)


FORGET_ANSWERS = Duty("forget kept answers", 600.0, _forget_answers)
