"""Which path switches many keys off or on, or ends them for good? Each by itself: one that refuses stops no other."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import Row

from litemaas.control.auth.gates import requires
from litemaas.control.http.problems import code_of
from litemaas.control.http.shapes import PROBLEMS
from litemaas.control.http.work import Work, WorkOf, WorkRoute, apart
from litemaas.control.keys import lifecycle, service
from litemaas.control.keys import repository_views as views
from litemaas.control.keys.schemas import KeyRefused, ManyKeys, ManyKeysDone
from litemaas.core.errors import LiteMaaSError
from litemaas.core.permissions import Permission

router = APIRouter(
    prefix="/api/v1/admin/keys",
    tags=["keys"],
    route_class=WorkRoute,
    dependencies=[requires(Permission.ADMIN_KEYS_WRITE)],
    responses=PROBLEMS,
)


@router.post("/bulk")
async def change_many_keys(work: WorkOf, request: Request, body: ManyKeys) -> ManyKeysDone:
    """Up to 500 keys, each in a transaction of its own; what is so already stays as it is."""
    if work.once is None:
        await work.pause()  # each key has a connection of its own; the request's would only be held
    errors = []
    wanted = sorted(set(body.key_ids))
    for key_id in wanted:
        try:
            async with apart(work, request.app.state.plane) as item:
                await _change(item, key_id, body)
        except LiteMaaSError as error:
            errors.append(KeyRefused(key_id=key_id, code=code_of(error), message=error.message))
    return ManyKeysDone(successful=len(wanted) - len(errors), failed=len(errors), errors=errors)


async def _change(work: Work, key_id: str, body: ManyKeys) -> None:
    """Errors: NotFound; InvalidTransition for a revoked key; Conflict when its owner has as many as there may be."""
    row: Row[Any] | None = await views.find_visible(await work.connection(), key_id, None, lock=True)
    if row is None:
        raise service.key_not_found()
    if body.action == "enable":
        await lifecycle.enable(work, row)
    elif body.action == "revoke":
        if row.revoked_at is None:
            await lifecycle.revoke(work, row, body.reason)
    elif not row.blocked or row.revoked_at is not None:
        await lifecycle.disable(work, row, body.reason)
