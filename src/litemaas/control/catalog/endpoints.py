"""Which paths serve the catalogue? Model names may hold slashes, so deployments are reached by their own ids."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import Row

from litemaas.control.auth.gates import requires
from litemaas.control.catalog import repository, service
from litemaas.control.catalog.drafts import DeploymentDraft, ModelDraft
from litemaas.control.catalog.schemas import (
    DeploymentIn,
    DeploymentOut,
    DeploymentPatch,
    ModelIn,
    ModelOut,
    ModelPatch,
    ModelQuery,
    PriceIn,
    PriceOut,
)
from litemaas.control.http.shapes import PROBLEMS, Page, PageQuery, pagination
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.core.permissions import Permission
from litemaas.core.pricing import Price

router = APIRouter(
    prefix="/api/v1/admin",
    tags=["catalog"],
    route_class=WorkRoute,
    dependencies=[requires(Permission.ADMIN_MODELS_READ, Permission.ADMIN_MODELS_WRITE)],
    responses=PROBLEMS,
)


@router.get("/models")
async def list_models(work: WorkOf, query: Annotated[ModelQuery, Query()]) -> Page[ModelOut]:
    connection = await work.connection()
    mode = query.mode.value if query.mode else None
    rows, total = await repository.list_models(connection, query.search, mode, query.offset, query.limit)
    behind: dict[str, list[DeploymentOut]] = {row.name: [] for row in rows}
    for deployment in await repository.list_deployments(connection, list(behind)):
        behind[deployment.model_name].append(_deployment_out(deployment))
    return Page(data=[_model_out(row, behind[row.name]) for row in rows], pagination=pagination(query, total))


@router.post("/models", status_code=201)
async def create_model(work: WorkOf, body: ModelIn) -> ModelOut:
    draft = ModelDraft(**body.model_dump(exclude={"deployments"}))
    await service.create_model(work, draft, [_draft(deployment) for deployment in body.deployments])
    return await _model(work, body.name)


@router.post("/models/{name:path}/deployments", status_code=201)
async def add_deployment(work: WorkOf, name: str, body: DeploymentIn) -> DeploymentOut:
    if await repository.find_model(await work.connection(), name, lock=True) is None:
        raise service.model_not_found()
    return await _deployment(work, await service.add_deployment(work, ModelDraft(name=name), _draft(body)))


@router.get("/models/{name:path}")
async def get_model(work: WorkOf, name: str) -> ModelOut:
    return await _model(work, name)


@router.patch("/models/{name:path}")
async def change_model(work: WorkOf, name: str, body: ModelPatch) -> ModelOut:
    await service.change_model(work, ModelDraft(name=name, **body.model_dump(exclude_unset=True)))
    return await _model(work, name)


@router.delete("/models/{name:path}", status_code=204)
async def delete_model(work: WorkOf, name: str) -> None:
    await service.delete_model(work, name)


@router.get("/deployments/{deployment_id}")
async def get_deployment(work: WorkOf, deployment_id: str) -> DeploymentOut:
    return await _deployment(work, deployment_id)


@router.patch("/deployments/{deployment_id}")
async def change_deployment(work: WorkOf, deployment_id: str, body: DeploymentPatch) -> DeploymentOut:
    values = body.model_dump(exclude_unset=True, exclude={"price"})
    price = Price(**body.price.model_dump()) if body.price else None
    await service.change_deployment(work, deployment_id, values, price)
    return await _deployment(work, deployment_id)


@router.delete("/deployments/{deployment_id}", status_code=204)
async def delete_deployment(work: WorkOf, deployment_id: str) -> None:
    await service.delete_deployment(work, deployment_id)


@router.get("/deployments/{deployment_id}/prices")
async def list_prices(work: WorkOf, deployment_id: str, query: Annotated[PageQuery, Query()]) -> Page[PriceOut]:
    """All versions, the newest first."""
    connection = await work.connection()
    rows, total = await repository.list_prices(connection, deployment_id, query.offset, query.limit)
    if total == 0:
        raise service.deployment_not_found()
    return Page(data=[_price_out(row) for row in rows], pagination=pagination(query, total))


@router.post("/deployments/{deployment_id}/prices", status_code=201)
async def set_price(work: WorkOf, deployment_id: str, body: PriceIn) -> PriceOut:
    """Makes a new version when it differs from the current one; calls already admitted keep theirs."""
    await service.change_deployment(work, deployment_id, {}, Price(**body.model_dump()))
    return (await _deployment(work, deployment_id)).price


def _draft(body: DeploymentIn) -> DeploymentDraft:
    return DeploymentDraft(**body.model_dump(exclude={"price"}), price=Price(**body.price.model_dump()))


async def _model(work: Work, name: str) -> ModelOut:
    connection = await work.connection()
    row = await repository.find_model(connection, name)
    if row is None:
        raise service.model_not_found()
    return _model_out(row, [_deployment_out(d) for d in await repository.list_deployments(connection, [name])])


async def _deployment(work: Work, deployment_id: str) -> DeploymentOut:
    row = await repository.find_deployment(await work.connection(), deployment_id)
    if row is None:
        raise service.deployment_not_found()
    return _deployment_out(row)


def _model_out(row: Row[Any], deployments: list[DeploymentOut]) -> ModelOut:
    return ModelOut(**row._mapping, deployments=deployments)


def _deployment_out(row: Row[Any]) -> DeploymentOut:
    values = dict(row._mapping)
    prices = {field: values[field] for field in repository.PRICE_FIELDS}
    return DeploymentOut(
        **{field: values[field] for field in DeploymentOut.model_fields.keys() & values.keys() - {"extra_headers"}},
        model=values["model_name"],
        has_api_key=values["api_key_sealed"] is not None,
        extra_headers=sorted(values["extra_headers"]),
        price=PriceOut(version=values["price_version"], **prices),
    )


def _price_out(row: Row[Any]) -> PriceOut:
    return PriceOut(**{field: row._mapping[field] for field in PriceOut.model_fields})
