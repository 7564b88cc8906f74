"""LiteLLM's view of public models: what do the deployments of one name offer together?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query

from litemaas.control.http.work import WorkOf, WorkRoute
from litemaas.control.litellm_api.gate import Access, CallerOf, facade_requires
from litemaas.control.litellm_api.models import info

router = APIRouter(route_class=WorkRoute)
_ANY_KEY = [facade_requires(Access.VIRTUAL_KEY)]
_FLAGS = (
    "supports_parallel_function_calling", "supports_vision", "supports_web_search", "supports_url_context",
    "supports_reasoning", "supports_function_calling",
)  # fmt: skip
_NULL = (
    "input_cost_per_pixel", "configurable_clientside_auth_params", "health_status", "health_response_time",
    "health_checked_at",
)  # fmt: skip


@router.get("/model_group/info", dependencies=_ANY_KEY)
async def group_info(work: WorkOf, caller: CallerOf, model_group: str | None = None) -> dict[str, Any]:
    """Each public model that the caller may use."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for entry in (await info(work, caller))["data"]:
        if model_group is None or entry["model_name"] == model_group:
            groups.setdefault(entry["model_name"], []).append(entry["model_info"])
    return {"data": [_group(name, deployments) for name, deployments in groups.items()]}


def _group(name: str, deployments: Sequence[dict[str, Any]]) -> dict[str, Any]:
    first = deployments[0]
    return {
        **dict.fromkeys(_NULL),
        "model_group": name,
        "providers": sorted({one["litellm_provider"] for one in deployments}),
        "max_input_tokens": _largest(deployments, "max_input_tokens"),
        "max_output_tokens": _largest(deployments, "max_output_tokens"),
        "input_cost_per_token": _largest(deployments, "input_cost_per_token"),
        "output_cost_per_token": _largest(deployments, "output_cost_per_token"),
        "mode": first["mode"],
        "tpm": _sum(deployments, "tpm"),
        "rpm": _sum(deployments, "rpm"),
        **{flag: any(bool(one.get(flag)) for one in deployments) for flag in _FLAGS},
        "supported_openai_params": first["supported_openai_params"],
        "is_public_model_group": False,
    }


def _largest(deployments: Sequence[dict[str, Any]], name: str) -> Any:
    return max((value for one in deployments if (value := one.get(name)) is not None), default=None)


def _sum(deployments: Sequence[dict[str, Any]], name: str) -> int | None:
    numbers = [value for one in deployments if (value := one.get(name)) is not None]
    return sum(numbers) if numbers else None


@router.get("/v2/model/info", dependencies=_ANY_KEY)
async def page_of_models(
    work: WorkOf,
    caller: CallerOf,
    model: str | None = None,
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    size: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> dict[str, Any]:
    """As ``/model/info``, in pages."""
    found = (await info(work, caller))["data"]
    every = [entry for entry in found if model is None or entry["model_name"] == model]
    place = (page - 1) * size
    return {
        "data": every[place : place + size], "total_count": len(every), "current_page": page,
        "total_pages": -(-len(every) // size), "size": size,
    }  # fmt: skip
