"""Which paths tell of kept answers, and forget them?"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from litemaas.control.answer_cache import service
from litemaas.control.answer_cache.store import CacheStore
from litemaas.control.auth.gates import requires
from litemaas.control.http.shapes import PROBLEMS
from litemaas.control.http.work import WorkOf, WorkRoute
from litemaas.core.errors import ServiceUnavailable
from litemaas.core.permissions import Permission

router = APIRouter(
    prefix="/api/v1/admin/answer-cache",
    tags=["settings"],
    route_class=WorkRoute,
    dependencies=[requires(Permission.ADMIN_SETTINGS_READ, Permission.ADMIN_SETTINGS_WRITE)],
    responses=PROBLEMS,
)


class AnswerCache(BaseModel):
    """``type``: ``none`` = answers are not kept. ``reachable``: None = there is nothing to reach."""

    type: Literal["none", "local", "valkey"]
    ttl_s: float
    shared_by: Literal["key", "team", "everybody"]
    on_request: bool
    routes: list[str]
    reachable: bool | None


class Forgotten(BaseModel):
    """``answers``: names as ``x-litellm-cache-key`` told them; null = all, which must be said."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"answers": None}})

    answers: Annotated[list[Annotated[str, Field(min_length=1, max_length=128)]], Field(max_length=100)] | None


@router.get("")
async def get_answer_cache(request: Request) -> AnswerCache:
    """Whether and for how long gateways keep answers, and whether the place for that is there."""
    store: CacheStore = request.app.state.cache_store
    settings, reachable = store.settings, None
    if settings.type == "valkey":
        try:
            await store.try_out()
            reachable = True
        except ServiceUnavailable:
            reachable = False
    return AnswerCache(
        type=settings.type, ttl_s=settings.ttl_s, shared_by=settings.shared_by, on_request=settings.on_request,
        routes=[name.strip() for name in settings.routes.split(",")], reachable=reachable,
    )  # fmt: skip


@router.post("/forget", status_code=204)
async def forget_answers(work: WorkOf, body: Forgotten) -> None:
    """Kept answers are given to nobody any more: all, or those that are named."""
    if body.answers is None:
        await service.forget_all(work)
    else:
        await service.forget(work, body.answers)
