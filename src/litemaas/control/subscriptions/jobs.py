"""What becomes of subscriptions and models by themselves? Expiries are written down, models end on their day, quotas fill.

Readers ask for the instant themselves; these duties follow within a minute.
"""

from __future__ import annotations

from litemaas.control.http.duties import Duty
from litemaas.control.http.work import Plane
from litemaas.control.notices.events import Event
from litemaas.control.notices.service import notify
from litemaas.control.subscriptions import lifecycle, repository
from litemaas.control.subscriptions.quotas import UNITS, month_of, use_of
from litemaas.control.subscriptions.transitions import happen_to_all, people_behind
from litemaas.core.subscriptions import Event as Change
from litemaas.core.subscriptions import Status

_BATCH = 200
_THRESHOLDS = (100, 80)


async def expire_subscriptions(plane: Plane) -> None:
    """In batches, each in a transaction of its own."""
    while True:
        async with plane.work() as work:
            rows = await repository.past_their_end(await work.connection(), work.now, _BATCH)
            await happen_to_all(work, rows, Change.EXPIRE)
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


async def tell_of_quotas(plane: Plane) -> None:
    """Holders hear that 80 or 100 % of a quota are used; once per month, and of both at once only the higher."""
    async with plane.work() as work:
        start, _ = month_of(work)
        rows = await repository.with_any_use(await work.connection(), start)
        use = await use_of(work, rows)
        reached = [
            (row, unit, percent, used, quota)
            for row in rows if row.status == Status.ACTIVE
            for unit in UNITS if (quota := getattr(row, f"quota_{unit}")) is not None
            if (percent := _reached(used := getattr(use[row.id], unit), quota)) is not None
        ]  # fmt: skip
        told = await people_behind(work, [row for row, *_ in reached])
        for row, unit, percent, used, quota in reached:
            facts = {"model": row.model_name, "percent": percent, "unit": unit, "used": used, "limit": quota}
            people = told.get(row.user_id or row.team_id, [])
            if people:
                once = f"{unit}:{percent}:{start.date()}"
                await notify(
                    work, Event.QUOTA_REACHED, user_ids=people, subject=f"subscription:{row.id}", facts=facts, once=once
                )


def _reached(used: int, quota: int) -> int | None:
    """The highest threshold that is reached. Units: per cent."""
    return next((percent for percent in _THRESHOLDS if used * 100 >= quota * percent), None) if used else None


EXPIRE_SUBSCRIPTIONS = Duty("expire subscriptions", 10.0, expire_subscriptions)
END_MODELS = Duty("end models", 10.0, end_models)
TELL_OF_QUOTAS = Duty("tell of quotas", 30.0, tell_of_quotas)
