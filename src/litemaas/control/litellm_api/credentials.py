"""LiteLLM's credential calls: how are credentials kept under a name that models refer to?"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import Row

from litemaas.control.catalog import credentials as service
from litemaas.control.catalog.credentials_repository import every
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.litellm_api.gate import Access, facade_requires

router = APIRouter(prefix="/credentials", route_class=WorkRoute)
_READER = [facade_requires(Access.READER)]
_MASTER = [facade_requires(Access.MASTER)]
_MASK = "****"


class NewCredential(BaseModel):
    credential_name: str = Field(min_length=1, max_length=256)
    credential_info: dict[str, Any]
    credential_values: dict[str, Any] | None = None


class CredentialChange(BaseModel):
    credential_info: dict[str, Any] | None = None
    credential_values: dict[str, Any] | None = None


@router.get("", dependencies=_READER)
async def credentials(work: WorkOf) -> dict[str, Any]:
    """All credentials with a name; their values are masked."""
    rows = await every(await work.connection())
    return {"success": True, "credentials": [_shown(work, row) for row in rows]}


@router.post("", dependencies=_MASTER)
async def new(work: WorkOf, request: NewCredential) -> dict[str, Any]:
    """Keeps a credential, encrypted; models name it as ``litellm_credential_name``."""
    await service.keep(work, request.credential_name, request.credential_info, request.credential_values or {})
    return {"success": True, "message": "The credential is kept."}


@router.get("/by_name/{name}", dependencies=_READER)
async def by_name(work: WorkOf, name: str) -> dict[str, Any]:
    """One credential; its values are masked."""
    return _shown(work, await service.find(work, name))


@router.patch("/{name}", dependencies=_MASTER)
async def change(work: WorkOf, name: str, request: CredentialChange) -> dict[str, Any]:
    """Merges values; the models that name it use them in their next call."""
    await service.change(work, name, request.credential_info, request.credential_values or {})
    return {"success": True, "message": "The credential is changed."}


@router.delete("/{name}", dependencies=_MASTER)
async def delete(work: WorkOf, name: str) -> dict[str, Any]:
    """Forgets a credential that no model names."""
    await service.remove(work, name)
    return {"success": True, "message": "The credential is deleted."}


def _shown(work: Work, row: Row[Any]) -> dict[str, Any]:
    values = dict.fromkeys(service.members_of(work, row), _MASK)
    return {"credential_name": row.name, "credential_values": values, "credential_info": row.info}
