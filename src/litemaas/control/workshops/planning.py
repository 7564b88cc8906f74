"""What would a workshop cost at most, what else is on then, and do the models' caps bear it? From the catalogue and the plan.

Nothing is measured here and nothing guessed: where no deployment has a cap, the answer is that nobody knows.
"""

from __future__ import annotations

from typing import Literal

from litemaas.control.http.work import Work
from litemaas.control.workshops import planning_repository, service
from litemaas.control.workshops.schemas import ModelRoom, Overlap, PlanPreview, WorkshopPlan

_TIGHT = 0.7
"""Above this share of the cap, a burst fills the rest."""


async def preview(work: Work, plan: WorkshopPlan) -> PlanPreview:
    """Errors: InvalidField for a model that cannot be called."""
    await service.check_models(work, plan.models)
    connection = await work.connection()
    overlaps = await planning_repository.overlapping(connection, plan.starts_at, plan.ends_at)
    at_once = plan.seats * (plan.limits.max_parallel_requests or 1)
    rooms = []
    for name, row in (await planning_repository.room_of(connection, plan.models)).items():
        cap = row.parallel_cap if row.uncapped == 0 else None
        room = ModelRoom(
            model=name, deployments=row.deployments, healthy=row.healthy, parallel_cap=cap, wanted=at_once,
            verdict=_verdict(at_once, cap),
        )  # fmt: skip
        rooms.append(room)
    each = plan.limits.budget_nano
    return PlanPreview(
        most_nano=plan.pot_nano if each is None else min(plan.pot_nano, each * plan.seats),
        overlaps=[
            Overlap(guid=row.guid, title=row.title, starts_at=row.starts_at, ends_at=row.expires_at, seats=row.seats)
            for row in overlaps
        ],
        models=rooms,
    )


def _verdict(wanted: int, cap: int | None) -> Literal["fits", "tight", "too_much", "unknown"]:
    if cap is None:
        return "unknown"
    if wanted > cap:
        return "too_much"
    return "tight" if wanted > cap * _TIGHT else "fits"
