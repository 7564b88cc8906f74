"""What becomes of subscriptions and models by time alone? Expiries are written down, deprecated models end on their day.

Readers ask for the instant themselves; these duties follow within a minute.
"""

from __future__ import annotations

from litemaas.control.http.duties import Duty
from litemaas.control.http.work import Plane
from litemaas.control.subscriptions import lifecycle, repository
from litemaas.control.subscriptions.transitions import happen_to_all
from litemaas.core.subscriptions import Event

_BATCH = 200


async def expire_subscriptions(plane: Plane) -> None:
    """In batches, each in a transaction of its own."""
    while True:
        async with plane.work() as work:
            rows = await repository.past_their_end(await work.connection(), work.now, _BATCH)
            await happen_to_all(work, rows, Event.EXPIRE)
        if len(rows) < _BATCH:
            return


async def end_models(plane: Plane) -> None:
    """Deprecated models whose day has come are retired; holders of others are reminded."""
    async with plane.work() as work:
        due = [row.id for row in await repository.due_models(await work.connection())]
    for model_id in due:
        async with plane.work() as work:
            model = await repository.lock_model(await work.connection(), model_id)
            if model is None or model.status != "deprecated" or model.retires_at is None:
                continue
            if model.retires_at <= work.now:
                await lifecycle.retire(work, model)
            else:
                await lifecycle.warn(work, model)


EXPIRE_SUBSCRIPTIONS = Duty("expire subscriptions", 10.0, expire_subscriptions)
END_MODELS = Duty("end models", 10.0, end_models)
