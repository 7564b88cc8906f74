"""LiteLLM's calls for routes of one's own: which paths lead to services that are no models?"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter
from pydantic import BaseModel, BeforeValidator, Field
from sqlalchemy import Row

from litemaas.control.catalog import pass_through as service
from litemaas.control.catalog.pass_through_repository import every
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.litellm_api.gate import Access, facade_requires
from litemaas.core.money import MILLION, NANO

router = APIRouter(prefix="/config/pass_through_endpoint", route_class=WorkRoute)
_READER = [facade_requires(Access.READER)]
_MASTER = [facade_requires(Access.MASTER)]
_OURS = {"default_query_params": "query", "auth": "needs_key", "cost_per_request": "cost"}
"""LiteLLM's words for our members, where they differ."""
_CLEARED: dict[str, Any] = {
    "headers": {}, "default_query_params": {}, "include_subpath": False, "cost_per_request": 0, "auth": True, "methods": [],
}  # fmt: skip
"""What null means in a change."""


def _texts(value: Any) -> Any:
    """Numbers and truth values as they are written in headers and queries."""
    if not isinstance(value, dict):
        return value
    return {
        name: str(one).lower() if isinstance(one, bool) else str(one) if isinstance(one, int | float) else one
        for name, one in value.items()
    }


Texts = Annotated[dict[str, str], BeforeValidator(_texts)]


class PassThroughChange(BaseModel):
    path: str | None = None
    target: str | None = None
    headers: Texts | None = None
    default_query_params: Texts | None = None
    include_subpath: bool | None = None
    cost_per_request: float | None = Field(default=None, allow_inf_nan=False)
    auth: bool | None = None
    methods: list[str] | None = None

    def values(self) -> dict[str, Any]:
        """What was sent, in our words; null clears."""
        sent = self.model_dump(include=self.model_fields_set)
        cleared = {
            name: _CLEARED[name] if value is None and name in _CLEARED else value for name, value in sent.items()
        }
        return {_OURS.get(name, name): value for name, value in cleared.items() if value is not None}


class NewPassThrough(PassThroughChange):
    id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,100}$")
    path: str
    target: str


@router.get("", dependencies=_READER)
async def pass_through_endpoints(work: WorkOf, endpoint_id: str | None = None) -> dict[str, Any]:
    """Routes of one's own, one or all; values of headers and of the query are masked."""
    rows = await every(await work.connection()) if endpoint_id is None else [await service.find(work, endpoint_id)]
    return _shown(work, *rows)


@router.post("", dependencies=_MASTER)
async def new(work: WorkOf, request: NewPassThrough) -> dict[str, Any]:
    """Adds a route; it can be called in a moment. ``auth`` is true unless false is sent."""
    values = request.values()
    route_id = values.pop("id", None) or str(uuid4())
    return _shown(work, await service.add(work, route_id, service.Draft(**values)))


@router.post("/{endpoint_id}", dependencies=_MASTER)
async def change(work: WorkOf, endpoint_id: str, request: PassThroughChange) -> dict[str, Any]:
    """Changes the members that are sent; a value sent as ``****`` stays."""
    return _shown(work, await service.change(work, endpoint_id, request.values()))


@router.delete("", dependencies=_MASTER)
async def delete(work: WorkOf, endpoint_id: str) -> dict[str, Any]:
    """Removes a route and tells what it was."""
    return _shown(work, await service.remove(work, endpoint_id))


def _shown(work: Work, *rows: Row[Any]) -> dict[str, Any]:
    return {"endpoints": [_one(work, row) for row in rows]}


def _one(work: Work, row: Row[Any]) -> dict[str, Any]:
    secrets = service.secrets_of(work, row)
    return {
        "id": row.id,
        "path": row.path,
        "target": row.target,
        "headers": dict.fromkeys(secrets["headers"], service.MASK),
        "default_query_params": dict.fromkeys(secrets["query"], service.MASK),
        "include_subpath": row.include_subpath,
        "cost_per_request": row.request_per_million / (MILLION * NANO),
        "auth": row.needs_key,
        "methods": list(row.methods),
    }
