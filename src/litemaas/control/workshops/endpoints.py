"""Which paths show workshops to administrators, and make the credentials that provision them?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.auth.gates import requires
from litemaas.control.http.shapes import PROBLEMS, Body, Moment, Name, Nano, Page, PageQuery, pagination
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.keys import service as keys
from litemaas.control.workshops import repository, service
from litemaas.control.workshops.drafts import Bounds
from litemaas.core.errors import InvalidField, NotFound
from litemaas.core.permissions import Permission

router = APIRouter(
    prefix="/api/v1/admin",
    tags=["workshops"],
    route_class=WorkRoute,
    dependencies=[requires(Permission.ADMIN_WORKSHOPS_READ, Permission.ADMIN_WORKSHOPS_WRITE)],
    responses=PROBLEMS,
)
Limit = Annotated[int, Field(ge=0, le=2**31 - 1)]
BigLimit = Annotated[int, Field(ge=0, le=2**63 - 1)]


class WorkshopQuery(PageQuery):
    search: str | None = None


class WorkshopOut(BaseModel):
    """``keys``: how many live; their pot's state: ``GET /api/v1/admin/budgets/pot/{pot_id}/state``."""

    guid: str
    pot_id: str
    models: list[str]
    duration: str | None
    expires_at: datetime | None
    limits: dict[str, Any]
    metadata: dict[str, Any]
    made_by: str
    keys: int
    created_at: datetime
    updated_at: datetime


class WorkshopKey(BaseModel):
    user: str
    alias: str | None
    key_id: str
    user_id: str | None
    spent_nano: int
    max_budget_nano: int | None
    expires_at: datetime | None
    blocked: bool


class WorkshopKeys(BaseModel):
    """Without secrets."""

    data: list[WorkshopKey]


class CredentialIn(Body):
    """``pot_id``: the pot that all its keys pay from, a new one if none is given; ``pot_nano``: that pot's budget."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"name": "summit", "models": ["granite-3-8b"], "max_keys": 500, "max_budget_nano": 5_000_000_000}
        }
    )

    name: Name
    models: Annotated[list[Name], Field(min_length=1, max_length=1000)]
    max_keys: Annotated[int, Field(ge=1, le=100_000)]
    max_budget_nano: Nano | None = None
    max_rpm_limit: Limit | None = None
    max_tpm_limit: BigLimit | None = None
    pot_id: Name | None = None
    pot_nano: Nano | None = None
    valid_from: Moment | None = None
    valid_until: Moment | None = None


class CredentialOut(BaseModel):
    id: str
    hint: str
    name: str
    models: list[str]
    pot_id: str
    max_keys: int
    max_budget_nano: int | None
    max_rpm_limit: int | None
    max_tpm_limit: int | None
    valid_from: datetime | None
    valid_until: datetime | None
    created_at: datetime
    created_by: str
    revoked_at: datetime | None


class NewCredential(BaseModel):
    secret: str
    """Shown this once."""
    credential: CredentialOut


@router.get("/workshops")
async def list_workshops(work: WorkOf, query: Annotated[WorkshopQuery, Query()]) -> Page[WorkshopOut]:
    """The newest first."""
    rows, total = await repository.page(await work.connection(), query.search, query.offset, query.limit)
    data = [WorkshopOut(**{name: row._mapping[name] for name in WorkshopOut.model_fields}) for row in rows]
    return Page(data=data, pagination=pagination(query, total))


@router.get("/workshops/{guid}/keys")
async def list_keys(work: WorkOf, guid: str) -> WorkshopKeys:
    """Who has which key, and what it has spent."""
    connection = await work.connection()
    if await repository.find(connection, guid) is None:
        raise NotFound("There is no workshop with this guid.")
    rows = await repository.keys_of(connection, guid)
    spent = await keys.spend_of(work, rows)
    return WorkshopKeys(
        data=[
            WorkshopKey(
                user=row.user_name, alias=row.alias, key_id=row.key_hash, user_id=row.user_id,
                spent_nano=spent[row.key_hash], max_budget_nano=row.max_budget_nano, expires_at=row.expires_at,
                blocked=row.blocked,
            )
            for row in rows
        ]
    )  # fmt: skip


@router.delete("/workshops/{guid}", status_code=204)
async def end_workshop(work: WorkOf, guid: str) -> None:
    """Ends all keys of a workshop at once; its usage stays."""
    if await repository.find(await work.connection(), guid) is None:
        raise NotFound("There is no workshop with this guid.")
    await service.end(work, Bounds(), guid)


@router.get("/provisioning-keys")
async def list_credentials(work: WorkOf, query: Annotated[PageQuery, Query()]) -> Page[CredentialOut]:
    """The newest first; their secrets are not shown."""
    rows, total = await repository.list_credentials(await work.connection(), query.offset, query.limit)
    return Page(data=[_credential(row) for row in rows], pagination=pagination(query, total))


@router.post("/provisioning-keys", status_code=201)
async def create_credential(work: WorkOf, body: CredentialIn) -> NewCredential:
    """Makes a key that may make keys, within these bounds, and nothing else."""
    if body.valid_from and body.valid_until and body.valid_from >= body.valid_until:
        raise InvalidField("valid_until must come after valid_from.", "valid_until")
    values = body.model_dump(exclude={"pot_nano"}) | {"pot_id": body.pot_id or f"pot-{uuid4()}"}
    credential_id, secret = await service.make_credential(work, values, body.pot_nano)
    return NewCredential(secret=secret, credential=_credential(await _held(work, credential_id)))


@router.delete("/provisioning-keys/{credential_id}", status_code=204)
async def revoke_credential(work: WorkOf, credential_id: str) -> None:
    """Ends a provisioning key; the keys that it made go on."""
    if not await repository.revoke_credential(await work.connection(), credential_id, work.now):
        raise NotFound("There is no such provisioning key, or it is revoked.")
    await record(work, "provisioning_key.revoked", "provisioning_key", credential_id, {})


async def _held(work: Work, credential_id: str) -> Row[Any]:
    row = await repository.hold_credential(await work.connection(), credential_id)
    if row is None:
        raise NotFound("There is no such provisioning key.")
    return row


def _credential(row: Row[Any]) -> CredentialOut:
    return CredentialOut(**{name: row._mapping[name] for name in CredentialOut.model_fields})
