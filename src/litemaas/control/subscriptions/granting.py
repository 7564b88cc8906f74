"""How do many get a model at once? Every pair of a holder and a model in a transaction of its own; what fails is named."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from fastapi import APIRouter, Request

from litemaas.control.auth.gates import requires
from litemaas.control.http.problems import code_of
from litemaas.control.http.shapes import PROBLEMS
from litemaas.control.http.work import Work, WorkOf, WorkRoute, apart
from litemaas.control.subscriptions import repository, service
from litemaas.control.subscriptions.admin import require_team, require_user
from litemaas.control.subscriptions.repository import Holder
from litemaas.control.subscriptions.schemas import BulkGranted, BulkGrants, GrantError
from litemaas.core.errors import LiteMaaSError
from litemaas.core.permissions import Permission

router = APIRouter(
    prefix="/api/v1/admin",
    tags=["subscriptions"],
    route_class=WorkRoute,
    dependencies=[requires(Permission.ADMIN_SUBSCRIPTIONS_WRITE)],
    responses=PROBLEMS,
)


@router.post("/subscriptions/grant")
async def grant_to_many(work: WorkOf, request: Request, body: BulkGrants) -> BulkGranted:
    """Gives models to many people and teams without their asking; policies still hold, and each holder is told.

    Sent again, it gives what was missing and changes nothing else.
    """
    if work.once is None:
        await work.pause()  # each pair has a connection of its own; the request's would only be held
    holders = [Holder(user_id=one) for one in sorted(set(body.user_ids))]
    holders += [Holder(team_id=one) for one in sorted(set(body.team_ids))]
    done: Counter[str] = Counter()
    errors = []
    for holder in holders:
        for model_id in sorted(set(body.model_ids)):
            try:
                async with apart(work, request.app.state.plane) as item:
                    done[await _grant(item, holder, model_id, body.reason)] += 1
            except LiteMaaSError as error:
                who = {"user_id": holder.user_id, "team_id": holder.team_id, "model_id": str(model_id)}
                errors.append(GrantError(**who, code=code_of(error), message=error.message))
    return BulkGranted(
        successful=done.total(), created=done["created"], activated=done["activated"],
        already_active=done["already_active"], failed=len(errors), errors=errors,
    )  # fmt: skip


async def _grant(work: Work, holder: Holder, model_id: UUID, reason: str | None) -> str:
    """``created``, ``activated`` or ``already_active``. Errors: NotFound, Conflict."""
    if holder.user_id is not None:
        await require_user(work, holder.user_id)
    else:
        await require_team(work, holder.team_id or "")
    model = await repository.lock_model(await work.connection(), str(model_id), share=True)
    if model is None:
        raise service.model_not_found()
    outcome, _ = await service.grant(work, holder, model, reason)
    return outcome
