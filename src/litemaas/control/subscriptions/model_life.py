"""Which paths change a model's life, and show what that would touch? With its subscriptions, so they are here."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from litemaas.control.auth.gates import requires
from litemaas.control.catalog import repository as catalog
from litemaas.control.catalog.model_schemas import ModelOut
from litemaas.control.catalog.service import has_drift, has_price
from litemaas.control.catalog.showing import Background, model_etag
from litemaas.control.http import shapes
from litemaas.control.http.shapes import PROBLEMS, Moment
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.subscriptions import lifecycle, repository, service
from litemaas.control.subscriptions.lifecycle import Existing
from litemaas.control.subscriptions.repository import SubscriptionFilter
from litemaas.core.catalog import Health, Lifecycle
from litemaas.core.permissions import Permission
from litemaas.core.subscriptions import Status

router = APIRouter(
    prefix="/api/v1/admin/models",
    tags=["catalog"],
    route_class=WorkRoute,
    dependencies=[requires(Permission.ADMIN_MODELS_READ, Permission.ADMIN_MODELS_WRITE)],
    responses=PROBLEMS,
)
_Id = Annotated[UUID, Field(strict=False)]


class Restriction(shapes.Body):
    """``existing``: what happens to active subscriptions when it is restricted; lifting it approves those that wait for it."""

    model_config = ConfigDict(json_schema_extra={"example": {"restricted_access": True, "existing": "review"}})

    restricted_access: bool = True
    existing: Existing = "review"


class Deprecation(shapes.Body):
    model_config = ConfigDict(json_schema_extra={"example": {"retires_at": "2027-01-31T00:00:00Z"}})

    retires_at: Moment
    successor_id: _Id | None = None


class Retirement(shapes.Body):
    successor_id: _Id | None = None


class Reinstatement(shapes.Body):
    """``restore``: gives back the subscriptions that the retirement ended."""

    restore: bool = False


class Impact(BaseModel):
    """Who would notice. ``users`` and ``teams``: with a subscription that is not over."""

    subscriptions: int
    by_status: dict[Status, int]
    keys: int
    users: int
    teams: int


class Trouble(StrEnum):
    NO_PRICE = "no_price"
    NO_ENDPOINT = "no_endpoint"
    NO_HEALTHY_ENDPOINT = "no_healthy_endpoint"
    PAST_RETIREMENT = "past_retirement"
    SUBSCRIPTIONS_ON_RETIRED = "subscriptions_on_retired"
    KEYS_ON_RETIRED = "keys_on_retired"
    CLUSTER_DRIFT = "cluster_drift"
    """The cluster says something else than the catalogue; somebody has edited it (``info.discovery``)."""


class TroubledModel(BaseModel):
    id: str
    name: str
    display_name: str | None
    status: Lifecycle
    problems: list[Trouble]


class TroubledModels(BaseModel):
    """All of them, by name."""

    data: list[TroubledModel]
    total: int


@router.get("/problems")
async def list_problems(work: WorkOf) -> TroubledModels:
    """Models that something is wrong with. Ungoverned keys of LiteLLM's clients count, too."""
    connection = await work.connection()
    rows = await repository.every_model(connection)
    background = await Background.read(connection, rows)
    held = await repository.retired_and_held(connection)
    linked = await repository.retired_and_linked(connection)
    found = []
    for row in rows:
        troubles = _troubles(work, row, background.deployments.get(row.name, []))
        troubles += [Trouble.SUBSCRIPTIONS_ON_RETIRED] if row.name in held else []
        troubles += [Trouble.KEYS_ON_RETIRED] if row.name in linked else []
        if troubles:
            found.append(TroubledModel(
                id=row.id, name=row.name, display_name=row.display_name, status=Lifecycle(row.status), problems=troubles
            ))  # fmt: skip
    return TroubledModels(data=found, total=len(found))


@router.get("/{model_id}/impact")
async def show_impact(work: WorkOf, model_id: UUID) -> Impact:
    """Before restricting, retiring or deleting: whom it would touch."""
    connection = await work.connection()
    row = await catalog.find_model_by_id(connection, str(model_id))
    if row is None:
        raise service.model_not_found()
    counted = await repository.counts(connection, SubscriptionFilter(models=(row.id,)), work.now)
    holders = await repository.holders_of_model(connection, row.name)
    return Impact(
        subscriptions=sum(counted.values()), by_status={status: counted.get(status, 0) for status in Status},
        keys=await repository.linked_keys(connection, row.name),
        users=len({one.user_id for one in holders if one.user_id is not None}),
        teams=len({one.team_id for one in holders if one.team_id is not None}),
    )  # fmt: skip


@router.post("/{model_id}/restrict")
async def restrict_model(
    work: WorkOf, model_id: UUID, response: Response, body: Annotated[Restriction | None, Body()] = None
) -> ModelOut:
    """Sets whether subscribing needs approval; by default active subscriptions go back to the queue."""
    wanted = body or Restriction()
    model = await _held(work, model_id)
    await lifecycle.restrict(work, model, restricted=wanted.restricted_access, existing=wanted.existing)
    return await _shown(work, model_id, response)


@router.post("/{model_id}/deprecate")
async def deprecate_model(work: WorkOf, model_id: UUID, body: Deprecation, response: Response) -> ModelOut:
    """It can be called until ``retires_at``; its holders are told now, and 30, 7 and 1 days before."""
    successor = str(body.successor_id) if body.successor_id else None
    await lifecycle.deprecate(work, await _held(work, model_id), body.retires_at, successor)
    return await _shown(work, model_id, response)


@router.post("/{model_id}/retire")
async def retire_model(
    work: WorkOf, model_id: UUID, response: Response, body: Annotated[Retirement | None, Body()] = None
) -> ModelOut:
    """No key can call it any more; open subscriptions become inactive. It can be undone."""
    successor = str(body.successor_id) if body is not None and body.successor_id else None
    await lifecycle.retire(work, await _held(work, model_id), successor)
    return await _shown(work, model_id, response)


@router.post("/{model_id}/reinstate")
async def reinstate_model(
    work: WorkOf, model_id: UUID, response: Response, body: Annotated[Reinstatement | None, Body()] = None
) -> ModelOut:
    """A retired or deprecated model is available again."""
    await lifecycle.reinstate(work, await _held(work, model_id), restore=body is not None and body.restore)
    return await _shown(work, model_id, response)


def _troubles(work: Work, model: Row[Any], deployments: list[Row[Any]]) -> list[Trouble]:
    if model.status == Lifecycle.RETIRED:
        return []
    troubles = [] if has_price(model, deployments) else [Trouble.NO_PRICE]
    enabled = [one for one in deployments if one.enabled]
    if not enabled:
        troubles.append(Trouble.NO_ENDPOINT)
    elif all(one.health == Health.UNAVAILABLE for one in enabled):
        troubles.append(Trouble.NO_HEALTHY_ENDPOINT)
    if model.status == Lifecycle.DEPRECATED and model.retires_at is not None and model.retires_at <= work.now:
        troubles.append(Trouble.PAST_RETIREMENT)
    if has_drift(model.info) or any(has_drift(one.info) for one in deployments):
        troubles.append(Trouble.CLUSTER_DRIFT)
    return troubles


async def _held(work: Work, model_id: UUID) -> Row[Any]:
    row = await repository.lock_model(await work.connection(), str(model_id))
    if row is None:
        raise service.model_not_found()
    return row


async def _shown(work: Work, model_id: UUID, response: Response) -> ModelOut:
    connection = await work.connection()
    row = await catalog.find_model_by_id(connection, str(model_id))
    if row is None:
        raise service.model_not_found()
    shown = (await Background.read(connection, [row])).full(row)
    response.headers["ETag"] = model_etag(shown)
    return shown
