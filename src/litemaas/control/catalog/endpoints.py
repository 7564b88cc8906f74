"""Which paths serve the catalogue to administrators? Models and deployments are reached by their ids."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.auth.gates import limited, requires
from litemaas.control.catalog import repository, routing, service
from litemaas.control.catalog.drafts import DeploymentDraft, ModelDraft
from litemaas.control.catalog.model_schemas import (
    MODE_OF,
    ModelExport,
    ModelFilters,
    ModelIn,
    ModelOut,
    ModelPatch,
    ModelQuery,
    ModelType,
)
from litemaas.control.catalog.repository import ModelFilter
from litemaas.control.catalog.schemas import DeploymentIn, DeploymentOut, DeploymentPatch, PriceIn, PriceOut
from litemaas.control.catalog.showing import Background, deployment_out, model_etag, price_out, steady
from litemaas.control.http.etags import IfMatch, require_match
from litemaas.control.http.exports import EXPORTS, as_csv, as_json, attachment, rows_of
from litemaas.control.http.shapes import PROBLEMS, Page, PageQuery, pagination
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.core.catalog import Lifecycle, Mode
from litemaas.core.permissions import Permission
from litemaas.core.pricing import Price

router = APIRouter(
    prefix="/api/v1/admin",
    tags=["catalog"],
    route_class=WorkRoute,
    dependencies=[requires(Permission.ADMIN_MODELS_READ, Permission.ADMIN_MODELS_WRITE)],
    responses=PROBLEMS,
)
router.add_api_route("/models/{model_id}/routing", routing.get_routing, methods=["GET"])
router.add_api_route("/models/{model_id}/routing", routing.set_routing, methods=["PUT"])

_EXPORTED = (
    "id", "name", "display_name", "description", "provider", "mode", "status", "restricted_access", "tags", "capabilities",
    "context_length", "max_output_tokens", "rpm_limit", "tpm_limit", "retires_at", "created_at", "updated_at",
)  # fmt: skip


@router.get("/models")
async def list_models(work: WorkOf, query: Annotated[ModelQuery, Query()]) -> Page[ModelOut]:
    """All models, drafts and retired ones, too. ``name`` finds the one of exactly that name."""
    connection = await work.connection()
    rows, total = await repository.list_models(
        connection, _filter(query), query.sort, query.order == "desc", query.offset, query.limit
    )
    background = await Background.read(connection, rows)
    return Page(data=[background.full(row) for row in rows], pagination=pagination(query, total))


@router.post("/models", status_code=201)
async def create_model(work: WorkOf, body: ModelIn, response: Response) -> ModelOut:
    """Makes a model: available if it is complete, else a draft."""
    values = body.model_dump(exclude={"deployments", "pricing", "type", "status", "name"})
    values["mode"] = (_mode(body.type, body.mode) or Mode.CHAT).value
    pricing = _price(body.pricing)
    if pricing is None:
        pricing = next((_price(one.price) for one in body.deployments if one.price is not None), None)
    status = Lifecycle(body.status) if body.status else None
    drafts = [_draft(one, pricing) for one in body.deployments]
    model_id = await service.create_model(work, body.name, values, drafts, pricing, status)
    return await _model(work, model_id, response)


@router.get("/models/export", dependencies=[limited(EXPORTS)], response_class=StreamingResponse)
async def export_models(work: WorkOf, request: Request, query: Annotated[ModelExport, Query()]) -> StreamingResponse:
    """The list as a file, with the same filters, never cut; without what is secret or inside."""
    told = query.model_dump(mode="json", exclude_defaults=True)
    await record(work, "model.exported", "model", "many", told)
    statement = repository.chosen(_filter(query))
    records = rows_of(request.app.state.plane, statement, lambda row: {name: row._mapping[name] for name in _EXPORTED})
    content = as_csv(_EXPORTED, records) if query.format == "csv" else as_json({"filters": told}, records)
    return attachment("models", query.format, content)


@router.get("/models/{model_id}")
async def get_model(work: WorkOf, model_id: UUID, response: Response) -> ModelOut:
    """One model with its deployments."""
    return await _model(work, str(model_id), response)


@router.patch("/models/{model_id}")
async def change_model(
    work: WorkOf, model_id: UUID, body: ModelPatch, response: Response, if_match: IfMatch = None
) -> ModelOut:
    """Changes what is named; equal values change nothing."""
    before = await held(work, model_id)
    connection = await work.connection()
    require_match(if_match, steady((await Background.read(connection, [before])).full(before)))
    values = body.model_dump(exclude_unset=True, exclude={"pricing", "type", "mode"})
    mode = _mode(body.type, body.mode)
    # A completion model is of the type chat, too, and stays one when somebody saves the type that is shown.
    if mode is not None and (body.mode is not None or mode not in modes_of_type(before.mode)):
        values["mode"] = mode.value
    if "pricing" in body.model_fields_set and body.pricing is None:
        values["pricing"] = None
    await service.change_model(work, before, values, _price(body.pricing))
    return await _model(work, before.id, response)


@router.delete("/models/{model_id}", status_code=204)
async def delete_model(work: WorkOf, model_id: UUID) -> None:
    """Removes a model that was never used; others can be retired."""
    await service.delete_model(work, await held(work, model_id))


@router.post("/models/{model_id}/publish")
async def publish_model(work: WorkOf, model_id: UUID, response: Response) -> ModelOut:
    """A draft with a type, a price and a deployment becomes available."""
    await service.publish_model(work, await held(work, model_id))
    return await _model(work, str(model_id), response)


@router.get("/models/{model_id}/prices")
async def list_model_prices(work: WorkOf, model_id: UUID, query: Annotated[PageQuery, Query()]) -> Page[PriceOut]:
    """All versions of the prices of all its deployments, the newest first."""
    connection = await work.connection()
    row = await repository.find_model_by_id(connection, str(model_id))
    if row is None:
        raise service.model_not_found()
    rows, total = await repository.list_model_prices(connection, row.name, query.offset, query.limit)
    return Page(data=[price_out(one) for one in rows], pagination=pagination(query, total))


@router.post("/models/{model_id}/endpoints", status_code=201)
async def add_deployment(work: WorkOf, model_id: UUID, body: DeploymentIn) -> DeploymentOut:
    """Puts one more deployment behind a model; without a price it takes the model's."""
    row = await held(work, model_id)
    inherited = Price(**row.pricing) if row.pricing is not None else None
    stated = _price(body.price)
    deployment_id = await service.add_deployment(work, ModelDraft(name=row.name), _draft(body, stated or inherited))
    if stated is not None and inherited is None:
        await repository.change_model(await work.connection(), row.name, {"pricing": service.stored(stated)})
    return await _deployment(work, deployment_id)


@router.patch("/models/{model_id}/endpoints/{deployment_id}")
async def change_model_deployment(
    work: WorkOf, model_id: UUID, deployment_id: str, body: DeploymentPatch, if_match: IfMatch = None
) -> DeploymentOut:
    """Changes what is named of a model's deployment. ``If-Match``: the model's ETag."""
    await _require_behind(work, model_id, deployment_id)
    if if_match is not None:
        background = await Background.read(await work.connection(), [model := await held(work, model_id)])
        require_match(if_match, steady(background.full(model)))
    return await change_deployment(work, deployment_id, body)


@router.delete("/models/{model_id}/endpoints/{deployment_id}", status_code=204)
async def delete_model_deployment(work: WorkOf, model_id: UUID, deployment_id: str) -> None:
    """Takes a deployment away; the model stays, and cannot be called without one."""
    await _require_behind(work, model_id, deployment_id)
    await service.delete_deployment(work, deployment_id, keep_model=True)


@router.get("/deployments/{deployment_id}")
async def get_deployment(work: WorkOf, deployment_id: str) -> DeploymentOut:
    """One deployment with its current price."""
    return await _deployment(work, deployment_id)


@router.patch("/deployments/{deployment_id}")
async def change_deployment(work: WorkOf, deployment_id: str, body: DeploymentPatch) -> DeploymentOut:
    """Changes what is named; equal values change nothing."""
    values = body.model_dump(exclude_unset=True, exclude={"price"})
    await service.change_deployment(work, deployment_id, values, _price(body.price))
    return await _deployment(work, deployment_id)


@router.delete("/deployments/{deployment_id}", status_code=204)
async def delete_deployment(work: WorkOf, deployment_id: str) -> None:
    """Takes a deployment away; the model stays, and cannot be called without one."""
    await service.delete_deployment(work, deployment_id, keep_model=True)


@router.get("/deployments/{deployment_id}/prices")
async def list_prices(work: WorkOf, deployment_id: str, query: Annotated[PageQuery, Query()]) -> Page[PriceOut]:
    """All versions, the newest first."""
    connection = await work.connection()
    rows, total = await repository.list_prices(connection, deployment_id, query.offset, query.limit)
    if total == 0:
        raise service.deployment_not_found()
    return Page(data=[price_out(row) for row in rows], pagination=pagination(query, total))


@router.post("/deployments/{deployment_id}/prices", status_code=201)
async def set_price(work: WorkOf, deployment_id: str, body: PriceIn) -> PriceOut:
    """Makes a new version when it differs from the current one; calls already admitted keep theirs."""
    await service.change_deployment(work, deployment_id, {}, _price(body))
    return (await _deployment(work, deployment_id)).price


def modes_of(kind: ModelType | None, mode: Mode | None) -> tuple[str, ...]:
    """The modes that a filter means; none = all."""
    if mode is not None:
        return (mode.value,)
    return modes_of_type(MODE_OF[kind]) if kind is not None else ()


def modes_of_type(mode: str) -> tuple[str, ...]:
    """All modes that are of the same type as this one."""
    spoken = (Mode.CHAT.value, Mode.COMPLETION.value)
    return spoken if mode in spoken else (Mode(mode).value,)


async def held(work: Work, model_id: UUID) -> Row[Any]:
    """The model, locked until the commit. Errors: NotFound."""
    row = await repository.find_model_by_id(await work.connection(), str(model_id), lock=True)
    if row is None:
        raise service.model_not_found()
    return row


def _filter(query: ModelFilters) -> ModelFilter:
    return ModelFilter(
        name=query.name, search=query.search, modes=modes_of(query.type, query.mode), provider=query.provider,
        restricted=query.restricted, tags=tuple(query.tag), capabilities=tuple(query.capability),
        statuses=tuple(query.status),
    )  # fmt: skip


def _mode(kind: ModelType | None, mode: Mode | None) -> Mode | None:
    return mode or (MODE_OF[kind] if kind is not None else None)


def _price(body: PriceIn | None) -> Price | None:
    return Price(**body.model_dump()) if body is not None else None


def _draft(body: DeploymentIn, inherited: Price | None) -> DeploymentDraft:
    return DeploymentDraft(**body.model_dump(exclude={"price"}), price=_price(body.price) or inherited or Price())


async def _model(work: Work, model_id: str, response: Response) -> ModelOut:
    connection = await work.connection()
    row = await repository.find_model_by_id(connection, model_id)
    if row is None:
        raise service.model_not_found()
    shown = (await Background.read(connection, [row])).full(row)
    response.headers["ETag"] = model_etag(shown)
    return shown


async def _require_behind(work: Work, model_id: UUID, deployment_id: str) -> None:
    row = await repository.find_deployment(await work.connection(), deployment_id)
    if row is None or row.model_id != str(model_id):
        raise service.deployment_not_found()


async def _deployment(work: Work, deployment_id: str) -> DeploymentOut:
    row = await repository.find_deployment(await work.connection(), deployment_id)
    if row is None:
        raise service.deployment_not_found()
    return deployment_out(row)
