"""Which paths try out model servers, and who looks after those that are in the catalogue?

Nothing that is found changes a model's status, a subscription or a key: an outage or an empty list retires nobody.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from litemaas.control.auth.gates import requires
from litemaas.control.catalog import repository, service
from litemaas.control.catalog.drafts import PROVIDERS, DeploymentDraft, check_authority, check_deployment
from litemaas.control.catalog.model_schemas import MODE_OF, ModelReference, ModelType, TypeField
from litemaas.control.catalog.probing import HEALTH_OF, Finding, Outcome, Prober, Target
from litemaas.control.http.duties import Duty
from litemaas.control.http.shapes import PROBLEMS, Body, Name
from litemaas.control.http.work import Plane, Work, WorkOf, WorkRoute
from litemaas.core.catalog import Lifecycle
from litemaas.core.errors import MissingField
from litemaas.core.permissions import Permission
from litemaas.kit.crypto import SealBroken

router = APIRouter(
    prefix="/api/v1/admin/models",
    tags=["catalog"],
    route_class=WorkRoute,
    dependencies=[requires(Permission.ADMIN_MODELS_READ, Permission.ADMIN_MODELS_WRITE)],
    responses=PROBLEMS,
)
_AT_ONCE = 16
_EVERY_S = 60.0
_Url = Annotated[str, Field(max_length=2048)]


class ConnectionTest(Body):
    """A server by its address, or a stored deployment by ``endpoint_id``; members that are named go before what is stored.

    A stored key is used only at the address that it was stored for.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"api_base": "http://granite.models.svc:8000/v1", "engine_model": "granite-3.3-8b"}
        }
    )

    endpoint_id: str | None = None
    api_base: _Url | None = None
    api_key: Annotated[str, Field(max_length=8192)] | None = None
    engine_model: Name | None = None
    type: TypeField | None = None
    tls_verify: bool | None = None
    tls_ca: Annotated[str, Field(max_length=262_144)] | None = None


class ConnectionResult(BaseModel):
    """``models``: up to ten ids that the server knows; ``status``: of its answer."""

    result: Outcome
    models: list[str]
    status: int | None


class Discovery(Body):
    """Without an address, all servers that are in the catalogue are asked, each with its own key."""

    api_base: _Url | None = None
    api_key: Annotated[str, Field(max_length=8192)] | None = None
    provider: Name = "hosted_vllm"


class AskedServer(BaseModel):
    api_base: str
    result: Outcome
    models: int


class Discovered(BaseModel):
    """``created``: drafts; each needs a price before it can be published."""

    asked: list[AskedServer]
    created: list[ModelReference]


@router.post("/test")
async def test_connection(work: WorkOf, request: Request, body: ConnectionTest) -> ConnectionResult:
    """Always 200: ``result`` says what was found."""
    target = await _target(work, body)
    if target is None:
        return ConnectionResult(result=Outcome.MISSING_STORED_KEY, models=[], status=None)
    await work.pause()
    prober: Prober = request.app.state.prober
    found = await prober.ask(target)
    return ConnectionResult(result=found.outcome, models=found.some_models, status=found.status)


@router.post("/discover")
async def discover_models(work: WorkOf, request: Request, body: Discovery | None = None) -> Discovered:
    """Puts models that servers offer, and the catalogue does not have, into it as drafts; changes nothing else."""
    body = body or Discovery()
    deployments = await repository.list_deployments(await work.connection())
    asked = _servers(work, deployments, body)
    await work.pause()
    prober: Prober = request.app.state.prober
    findings = await _ask_all(prober, [target for _, target in asked])
    known = {row.engine_model for row in deployments} | {row.model_name for row in deployments}
    created = []
    for (provider, target), finding in zip(asked, findings, strict=True):
        for model in finding.models or ():
            if model not in known:
                known.add(model)
                if (draft := await _add_draft(work, model, provider, target)) is not None:
                    created.append(draft)
    servers = [
        AskedServer(api_base=target.api_base, result=finding.outcome, models=len(finding.models or ()))
        for (_, target), finding in zip(asked, findings, strict=True)
    ]
    return Discovered(asked=servers, created=created)


def checking_health(prober: Prober) -> Duty:
    """Asks every deployment that is in use, once a minute."""

    async def check(plane: Plane) -> None:
        async with plane.work() as work:
            rows = [
                row for row in await repository.list_deployments(await work.connection())
                if row.enabled and row.model_status != Lifecycle.RETIRED
            ]  # fmt: skip
            targets = [stored_target(work, row) for row in rows]
        findings = await _ask_all(prober, [target for target in targets if target is not None])
        found = iter(findings)
        async with plane.work() as work:
            connection = await work.connection()
            for row, target in zip(rows, targets, strict=True):
                outcome = next(found).outcome if target is not None else Outcome.MISSING_STORED_KEY
                values = {"health": HEALTH_OF[outcome].value, "health_detail": outcome.value, "health_at": work.now}
                await repository.change_deployment(connection, row.id, values)

    return Duty("check health", _EVERY_S, check, within_s=600.0)


def stored_target(work: Work, row: Row[Any]) -> Target | None:
    """A deployment as something to ask; None: its key cannot be opened."""
    try:
        sealed = row.api_key_sealed
        api_key = work.vault.open(sealed, service.seal_purpose(row.id)) if sealed is not None else None
    except SealBroken:
        return None
    return Target(
        api_base=row.api_base, converts=row.provider == "docling", engine_model=row.engine_model, api_key=api_key,
        extra_headers=row.extra_headers, tls_verify=row.tls_verify, tls_ca=row.tls_ca,
    )  # fmt: skip


async def _target(work: Work, body: ConnectionTest) -> Target | None:
    """None: the key that was stored is for another address, or cannot be opened, and none was sent along.

    Errors: NotFound, MissingField, InvalidField.
    """
    if body.endpoint_id is None:
        if body.api_base is None:
            raise MissingField("Name the api_base or a stored endpoint_id.", "api_base")
        stored = Target(api_base=_checked(body.api_base))
    else:
        row = await repository.find_deployment(await work.connection(), body.endpoint_id)
        if row is None:
            raise service.deployment_not_found()
        found = stored_target(work, row)
        elsewhere = body.api_base is not None and _checked(body.api_base, row.provider) != row.api_base
        if body.api_key is None and (found is None or (elsewhere and found.api_key is not None)):
            return None
        stored = found or Target(
            api_base=row.api_base, converts=row.provider == "docling", engine_model=row.engine_model
        )
        if elsewhere:
            # Nothing that was meant for the stored address goes to another one.
            stored = Target(
                api_base=_checked(body.api_base or "", row.provider), converts=stored.converts,
                engine_model=stored.engine_model,
            )  # fmt: skip
    given: dict[str, Any] = body.model_dump(
        include={"api_key", "engine_model", "tls_verify", "tls_ca"}, exclude_none=True
    )
    if body.tls_ca is not None:
        check_authority(body.tls_ca)
    if body.type is not None:
        given["converts"] = body.type is ModelType.CONVERT
    return Target(**{name: given.get(name, getattr(stored, name)) for name in Target.__struct_fields__})


def _checked(api_base: str, provider: str = "hosted_vllm") -> str:
    draft = DeploymentDraft(
        provider=provider if provider in PROVIDERS else "hosted_vllm", engine_model="x", api_base=api_base
    )
    return check_deployment(draft).api_base


def _servers(work: Work, deployments: Any, body: Discovery) -> list[tuple[str, Target]]:
    if body.api_base is not None:
        return [(body.provider, Target(api_base=_checked(body.api_base, body.provider), api_key=body.api_key))]
    servers: dict[str, tuple[str, Target]] = {}
    for row in deployments:
        target = stored_target(work, row)
        if target is not None and not target.converts and row.enabled:
            servers.setdefault(row.api_base, (row.provider, target))
    return list(servers.values())


async def _ask_all(prober: Prober, targets: list[Target]) -> list[Finding]:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def ask(target: Target) -> Finding:
        async with slots:
            return await prober.ask(target)

    return list(await asyncio.gather(*map(ask, targets)))


async def _add_draft(work: Work, name: str, provider: str, target: Target) -> ModelReference | None:
    """None: the catalogue has that name, or it cannot be one."""
    if not service.is_model_name(name) or await repository.find_model(await work.connection(), name) is not None:
        return None
    values = {"mode": MODE_OF[ModelType.CHAT].value, "description": ""}
    deployment = DeploymentDraft(
        provider=provider, engine_model=name, api_base=target.api_base, api_key=target.api_key,
        extra_headers=target.extra_headers, tls_verify=target.tls_verify, tls_ca=target.tls_ca,
    )  # fmt: skip
    model_id = await service.create_model(work, name, values, [deployment], None, Lifecycle.DRAFT)
    return ModelReference(id=model_id, name=name, display_name=None)
