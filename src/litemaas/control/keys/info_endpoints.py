"""What may a virtual key know of itself? Its limits, what remains, its last refusal; nothing else here opens for it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import Row

from litemaas.control.auth.gates import Open, requires
from litemaas.control.http.refusals import NotSignedIn
from litemaas.control.http.shapes import PROBLEMS
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.keys import repository, view
from litemaas.control.keys.blocks import last_block
from litemaas.control.keys.explain import explain
from litemaas.control.keys.schemas import Explanation, KeyInfo, Question
from litemaas.core.errors import KeyUnknown
from litemaas.core.keys import KEY_PREFIX, hash_key

router = APIRouter(
    prefix="/api/v1/key-info", tags=["a key about itself"], route_class=WorkRoute,
    dependencies=[requires(Open.PUBLIC)], responses=PROBLEMS,
)  # fmt: skip


@router.get("")
async def key_info(work: WorkOf, request: Request) -> KeyInfo:
    """With the key itself as `Authorization: Bearer sk-…`. A key that is disabled or expired learns so here."""
    row = await _presented(work, request)
    shown = await view.shown_one(work, row)
    limit = shown.max_budget_nano
    remaining = None if limit is None else max(0, limit - shown.spent_nano)
    return KeyInfo(key=shown, remaining_budget_nano=remaining, last_block=await last_block(work, row))


@router.post("/explain")
async def explain_itself(work: WorkOf, request: Request, body: Question) -> Explanation:
    """Would a call with this key pass? Every check, without a call."""
    return await explain(work, await _presented(work, request), body)


async def _presented(work: Work, request: Request) -> Row[Any]:
    """Errors: NotSignedIn, KeyUnknown."""
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    secret = rest.strip()
    if scheme.lower() != "bearer" or not secret.startswith(KEY_PREFIX):
        raise NotSignedIn("Send the key as 'Authorization: Bearer sk-…'.")
    row = await repository.find_by_secret(await work.connection(), hash_key(secret), work.now)
    if row is None:
        raise KeyUnknown("This key is not known.")
    return row
