"""One call for all keys of a workshop, on the gateway's port beside LiteLLM's calls: labs know no other address.

The master key may do everything; a provisioning key stays within its bounds. Money is in USD here, as in all calls of this API.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from litemaas.control.auth.repository import may_write
from litemaas.control.auth.service import Authenticator
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.litellm_api.gate import Access, FacadeGate, presented_key
from litemaas.control.litellm_api.key_requests import nano
from litemaas.control.workshops import service
from litemaas.control.workshops.drafts import MAX_KEYS, Bounds, Limits, Seat, WorkshopDraft
from litemaas.core.errors import MasterKeyRequired, ServiceUnavailable
from litemaas.core.principals import MASTER, Principal, PrincipalKind

Name = Annotated[str, Field(min_length=1, max_length=256)]


class ProvisioningGate(FacadeGate):
    """Lets the master key in, and provisioning keys with their bounds."""

    def __init__(self) -> None:
        super().__init__(Access.MASTER, 401)

    async def __call__(self, request: Request) -> None:
        authenticator: Authenticator = request.app.state.authenticator
        work: Work = request.state.work
        presented = presented_key(request)
        if request.method != "GET" and not await may_write(await work.connection()):
            raise ServiceUnavailable("A backup is being restored. Try again in a moment.")
        if authenticator.is_master(presented):
            work.act_as(MASTER)
            request.state.bounds = Bounds()
            return
        bounds = await service.bounds_of(work, presented)
        if bounds is None:
            raise MasterKeyRequired("This call needs the master key or a provisioning key.")
        work.act_as(Principal(kind=PrincipalKind.SERVICE, id=bounds.credential, name=bounds.name))
        request.state.bounds = bounds


def _bounds(request: Request) -> Bounds:
    bounds: Bounds = request.state.bounds
    return bounds


BoundsOf = Annotated[Bounds, Depends(_bounds)]
router = APIRouter(prefix="/workshop", route_class=WorkRoute, dependencies=[Depends(ProvisioningGate())])


class SeatIn(BaseModel):
    """``user``: who within the workshop, like ``user1``."""

    model_config = ConfigDict(extra="forbid")

    user: Name
    key_alias: Name
    user_id: Name | None = None
    metadata: dict[str, Any] = {}


class KeysIn(BaseModel):
    """``max_budget``, ``tpm_limit`` and so on hold for each key; ``pot_budget`` for all of them together."""

    model_config = ConfigDict(extra="forbid")

    guid: Name
    models: Annotated[list[Name], Field(min_length=1, max_length=1000)]
    duration: str | None = None
    expires: AwareDatetime | None = None
    max_budget: Decimal | None = None
    budget_duration: str | None = None
    tpm_limit: int | None = None
    rpm_limit: int | None = None
    max_parallel_requests: int | None = None
    pot_budget: Decimal | None = None
    metadata: dict[str, Any] = {}
    keys: Annotated[list[SeatIn], Field(min_length=1, max_length=MAX_KEYS)]


class ExtendIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    duration: str


class SeatOut(BaseModel):
    """``key`` null: its sealed copy cannot be opened any more. ``status``: created, existing or updated."""

    user: str
    key: str | None
    key_alias: str | None
    key_id: str
    user_id: str | None
    expires: datetime | None
    status: str


class KeysOut(BaseModel):
    guid: str
    pot_id: str
    models: list[str]
    created: int
    updated: int
    existing: int
    keys: list[SeatOut]


class Ended(BaseModel):
    guid: str
    deleted: int


@router.post("/keys")
async def provide_keys(work: WorkOf, bounds: BoundsOf, request: KeysIn) -> KeysOut:
    """Everybody's key, made or found: the same call again gives the same keys; a longer list adds only the new ones."""
    limits = Limits(
        max_budget_nano=nano(request.max_budget, "max_budget"), budget_duration=request.budget_duration,
        tpm_limit=request.tpm_limit, rpm_limit=request.rpm_limit, max_parallel_requests=request.max_parallel_requests,
    )  # fmt: skip
    draft = WorkshopDraft(
        guid=request.guid, models=list(dict.fromkeys(request.models)), duration=request.duration,
        expires_at=request.expires, limits=limits, metadata=request.metadata,
        seats=[Seat(seat.user, seat.key_alias, seat.user_id, seat.metadata) for seat in request.keys],
        pot_nano=nano(request.pot_budget, "pot_budget"),
    )  # fmt: skip
    return _out(await service.provide(work, bounds, draft))


@router.get("/{guid}")
async def show_keys(work: WorkOf, bounds: BoundsOf, guid: str) -> KeysOut:
    """All keys of a workshop, for the credential that made them."""
    return _out(await service.show(work, bounds, guid))


@router.post("/{guid}/extend")
async def extend_keys(work: WorkOf, bounds: BoundsOf, guid: str, request: ExtendIn) -> KeysOut:
    """All keys end this long from now."""
    return _out(await service.extend(work, bounds, guid, request.duration))


@router.delete("/{guid}")
async def end_workshop(work: WorkOf, bounds: BoundsOf, guid: str) -> Ended:
    """Ends all keys at once; a workshop that is gone is a success with nothing deleted."""
    return Ended(guid=guid, deleted=await service.end(work, bounds, guid))


def _out(outcome: service.Outcome) -> KeysOut:
    keys = [
        SeatOut(
            user=key.user, key=key.secret, key_alias=key.alias, key_id=key.key_id, user_id=key.user_id,
            expires=key.expires_at, status=key.status,
        )
        for key in outcome.keys
    ]  # fmt: skip
    return KeysOut(
        guid=outcome.guid, pot_id=outcome.pot_id, models=outcome.models, created=outcome.count("created"),
        updated=outcome.count("updated"), existing=outcome.count("existing"), keys=keys,
    )  # fmt: skip
