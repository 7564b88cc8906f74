"""LiteLLM's calls about its cache of answers; 503 where answers are not kept (gateway-api contract 3.8)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from litemaas.control.answer_cache import service
from litemaas.control.answer_cache.store import CacheStore
from litemaas.control.http.work import WorkOf, WorkRoute
from litemaas.control.litellm_api.errors import Refused
from litemaas.control.litellm_api.gate import Access, facade_requires
from litemaas.core.errors import ServiceUnavailable

router = APIRouter(route_class=WorkRoute)
_READER = [facade_requires(Access.READER)]
_ADMIN = [facade_requires(Access.MASTER)]
_NO_CACHE = "Answers are not kept: LITEMAAS_ANSWER_CACHE__TYPE is none. Rate limits and keys are not touched by this."
_TYPES = {"valkey": "redis", "local": "local"}


class Deleted(BaseModel):
    keys: Annotated[list[Annotated[str, Field(min_length=1, max_length=128)]], Field(min_length=1, max_length=100)]


@router.get("/cache/ping", dependencies=_READER)
async def cache_ping(request: Request) -> dict[str, Any]:
    """Whether an answer can be kept now."""
    store = _store(request, "cache_ping")
    try:
        await store.try_out()
    except ServiceUnavailable as away:
        raise Refused(503, "cache_ping_error", "cache_ping", str(away), detail=True) from None
    params = _params(store)
    return {
        "status": "healthy",
        "cache_type": params["type"],
        "ping_response": True,
        "set_cache_response": "success",
        "litellm_cache_params": params,
        "health_check_cache_params": {},
    }


@router.get("/cache/redis/info", dependencies=_READER)
async def cache_info(request: Request) -> dict[str, Any]:
    """What Valkey says of itself."""
    store = _store(request, "cache")
    if store.settings.type != "valkey":
        raise Refused(
            503, "cache_ping_error", "cache", "Answers are kept in workers' memory, not in Valkey.", detail=True
        )
    try:
        info = await store.told()
    except ServiceUnavailable as away:
        raise Refused(503, "cache_ping_error", "cache", str(away), detail=True) from None
    return {"num_clients": info.get("connected_clients"), "info": info}


@router.post("/cache/delete", dependencies=_ADMIN)
async def cache_delete(work: WorkOf, request: Request, body: Deleted) -> dict[str, Any]:
    """The answers of these cache keys are not given any more."""
    _store(request, "cache")
    await service.forget(work, body.keys)
    return {"status": "success", "deleted_keys": body.keys}


@router.post("/cache/flushall", dependencies=_ADMIN)
async def cache_flush(work: WorkOf, request: Request) -> dict[str, Any]:
    """No answer that was kept until now is given any more; rate limits and keys stay."""
    _store(request, "cache")
    await service.forget_all(work)
    return {"status": "success"}


def _store(request: Request, param: str) -> CacheStore:
    """Errors: Refused where there is no cache."""
    store: CacheStore = request.app.state.cache_store
    if store.settings.type == "none":
        raise Refused(503, "cache_ping_error", param, _NO_CACHE, detail=True)
    return store


def _params(store: CacheStore) -> dict[str, Any]:
    """The settings in LiteLLM's words, without addresses and secrets."""
    settings = store.settings
    return {
        "type": _TYPES[settings.type], "ttl": settings.ttl_s, "namespace": settings.namespace or None,
        "mode": "default_off" if settings.on_request else "default_on",
    }  # fmt: skip
