"""How does the catalogue change? Every change is audited, priced by version, and told to the gateways."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import msgspec
from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.catalog import repository
from litemaas.control.catalog.drafts import DeploymentDraft, ModelDraft, check_deployment
from litemaas.control.http.feed import ChangeKind
from litemaas.control.http.work import Work
from litemaas.core.catalog import Mode
from litemaas.core.errors import AlreadyExists, NotFound
from litemaas.core.pricing import Price

_SECRET_MEMBERS = ("api_key", "extra_headers", "tls_ca", "params", "info", "defaults")
"""What audit records name but do not quote: credentials, or free members that may hold one."""


def seal_purpose(deployment_id: str) -> str:
    return f"deployment:{deployment_id}"


async def create_model(work: Work, draft: ModelDraft, deployments: list[DeploymentDraft]) -> None:
    """Errors: AlreadyExists when the name is taken; InvalidField and MissingField from the deployments."""
    if not await repository.add_model(await work.connection(), draft.name, _model_values(draft)):
        raise AlreadyExists("A model with this name already exists.", "name")
    work.changed(ChangeKind.CATALOG, draft.name)
    await record(work, "model.create", "model", draft.name, _model_values(draft) | {"info": sorted(draft.info or {})})
    for deployment in deployments:
        await _store_deployment(work, draft.name, deployment, str(uuid4()))


async def change_model(work: Work, draft: ModelDraft) -> None:
    """Errors: NotFound."""
    connection = await work.connection()
    if await repository.find_model(connection, draft.name, lock=True) is None:
        raise model_not_found()
    values = {field: value for field, value in msgspec.structs.asdict(draft).items() if value is not None}
    del values["name"]
    if values:
        await repository.change_model(connection, draft.name, values)
        work.changed(ChangeKind.CATALOG, draft.name)
        detail = values | ({"info": sorted(values["info"])} if "info" in values else {})
        await record(work, "model.update", "model", draft.name, detail)


async def delete_model(work: Work, name: str) -> None:
    """Takes the name and all deployments behind it out of the catalogue; records keep naming them. Errors: NotFound."""
    connection = await work.connection()
    if await repository.find_model(connection, name, lock=True) is None:
        raise model_not_found()
    gone = [row.id for row in await repository.list_deployments(connection, [name])]
    for deployment_id in gone:
        await repository.change_deployment(connection, deployment_id, _deleted(work))
    await repository.remove_model(connection, name)
    work.changed(ChangeKind.CATALOG, name, *gone)
    await record(work, "model.delete", "model", name, {"deployments": gone})


async def add_deployment(
    work: Work, model: ModelDraft, draft: DeploymentDraft, deployment_id: str | None = None
) -> str:
    """Puts one more deployment behind a name, and the name into the catalogue when it is new; returns the id.

    Errors: AlreadyExists for a twin of a deployment there is; InvalidField, MissingField.
    """
    connection = await work.connection()
    row = await repository.hold_model(connection, model.name, _model_values(model))
    checked = check_deployment(draft)
    for other in await repository.list_deployments(connection, [model.name]):
        if _identity(other.provider, other.engine_model, other.api_base, other.params) == _identity(
            checked.provider, checked.engine_model, checked.api_base, checked.params
        ):
            raise AlreadyExists("A deployment of this model with the same engine and address already exists.", "model")
    if deployment_id is not None and await repository.find_deployment(connection, deployment_id) is not None:
        raise AlreadyExists("A deployment with this id already exists.", "id")
    await _merge_model(work, row, model)
    return await _store_deployment(work, model.name, checked, deployment_id or str(uuid4()))


async def change_deployment(
    work: Work, deployment_id: str, values: dict[str, Any], price: Price | None = None, model: ModelDraft | None = None
) -> None:
    """Sets members of a deployment; ``values`` are those of :class:`DeploymentDraft` but ``price``, None clears.

    A price that differs becomes a new version. A ``model`` of a different name moves the deployment there.
    Errors: NotFound; InvalidField, MissingField.
    """
    connection = await work.connection()
    if model is not None:
        await _merge_model(work, await _hold_models(work, deployment_id, model), model)
    before = await repository.find_deployment(connection, deployment_id, lock=True)
    if before is None:
        raise deployment_not_found()
    now = msgspec.structs.replace(draft_of(before), **{k: v for k, v in values.items() if k != "api_key"})
    checked = check_deployment(msgspec.structs.replace(now, price=price or price_of(before)))
    columns = {field: getattr(checked, field) for field in values if field != "api_key"}
    if "api_key" in values:
        columns["api_key_sealed"] = _sealed(work, deployment_id, values["api_key"])
    if checked.price != price_of(before):
        columns["price_version"] = await repository.add_price(connection, deployment_id, checked.price, work.actor)
    names = [before.model_name]
    if model is not None and model.name != before.model_name:
        columns["model_name"] = model.name
        names.append(model.name)
    if not columns:
        return
    await repository.change_deployment(
        connection, deployment_id, columns | {"updated_at": work.now, "updated_by": work.actor}
    )
    if len(names) == 2:
        await _remove_if_empty(work, before.model_name)
    work.changed(ChangeKind.CATALOG, deployment_id, *names)
    await record(work, "deployment.update", "deployment", deployment_id, _detail(columns | {"api_key_sealed": None}))


async def delete_deployment(work: Work, deployment_id: str) -> None:
    """Takes a deployment away, and its model with the last one. Errors: NotFound."""
    connection = await work.connection()
    row = await repository.find_deployment(connection, deployment_id)
    if row is None:
        raise deployment_not_found()
    # The model is locked first, so that two last deployments deleted at once do not leave it behind empty.
    await repository.find_model(connection, row.model_name, lock=True)
    if await repository.find_deployment(connection, deployment_id, lock=True) is None:
        raise deployment_not_found()
    await repository.change_deployment(connection, deployment_id, _deleted(work))
    await _remove_if_empty(work, row.model_name)
    work.changed(ChangeKind.CATALOG, deployment_id, row.model_name)
    await record(work, "deployment.delete", "deployment", deployment_id, {"model": row.model_name})


def model_not_found() -> NotFound:
    return NotFound("The model was not found.", "name")


def deployment_not_found() -> NotFound:
    return NotFound("The deployment was not found.", "id")


def price_of(row: Row[Any]) -> Price:
    return Price(**{field: getattr(row, field) for field in repository.PRICE_FIELDS})


def draft_of(row: Row[Any]) -> DeploymentDraft:
    """A stored deployment as a draft, without its credential and price."""
    fields = [field for field in DeploymentDraft.__struct_fields__ if field not in ("api_key", "price")]
    return DeploymentDraft(**{field: getattr(row, field) for field in fields})


async def _store_deployment(work: Work, model_name: str, draft: DeploymentDraft, deployment_id: str) -> str:
    connection = await work.connection()
    checked = check_deployment(draft)
    values = msgspec.structs.asdict(checked)
    price, api_key = values.pop("price"), values.pop("api_key")
    await repository.add_deployment(
        connection,
        values
        | {
            "id": deployment_id,
            "model_name": model_name,
            "api_key_sealed": _sealed(work, deployment_id, api_key),
            "price_version": await repository.add_price(connection, deployment_id, price, work.actor),
            "created_at": work.now,
            "created_by": work.actor,
            "updated_at": work.now,
            "updated_by": work.actor,
        },
    )
    work.changed(ChangeKind.CATALOG, deployment_id, model_name)
    await record(work, "deployment.create", "deployment", deployment_id, _detail(values) | {"model": model_name})
    return deployment_id


async def _hold_models(work: Work, deployment_id: str, model: ModelDraft) -> Row[Any]:
    """Locks the model that a deployment is behind and the one it shall be behind; always before the deployment, and in
    the order of names, so that changes and deletions never wait for one another in a circle.
    """
    connection = await work.connection()
    before = await repository.find_deployment(connection, deployment_id)
    if before is None:
        raise deployment_not_found()
    if before.model_name < model.name:
        await repository.find_model(connection, before.model_name, lock=True)
    held = await repository.hold_model(connection, model.name, _model_values(model))
    if before.model_name > model.name:
        await repository.find_model(connection, before.model_name, lock=True)
    return held


async def _merge_model(work: Work, row: Row[Any], draft: ModelDraft) -> None:
    """What a new deployment says about its model holds for the model; access groups add up."""
    values: dict[str, Any] = {}
    if draft.mode is not None and draft.mode != row.mode:
        values["mode"] = draft.mode
    if draft.simulated is not None and draft.simulated != row.simulated:
        values["simulated"] = draft.simulated
    if draft.access_groups and not set(draft.access_groups) <= set(row.access_groups):
        values["access_groups"] = list(dict.fromkeys([*row.access_groups, *draft.access_groups]))
    if values:
        await repository.change_model(await work.connection(), row.name, values)


async def _remove_if_empty(work: Work, name: str) -> None:
    connection = await work.connection()
    if not await repository.list_deployments(connection, [name]):
        await repository.remove_model(connection, name)


def _model_values(draft: ModelDraft) -> dict[str, Any]:
    return {
        "mode": (draft.mode or Mode.CHAT).value,
        "access_groups": draft.access_groups or [],
        "description": draft.description or "",
        "simulated": bool(draft.simulated),
        "info": draft.info or {},
    }


def _identity(provider: str, engine_model: str, api_base: str, params: dict[str, Any]) -> tuple[object, ...]:
    return provider, engine_model, api_base, params.get("api_version")


def _sealed(work: Work, deployment_id: str, api_key: str | None) -> bytes | None:
    return work.vault.seal(api_key, seal_purpose(deployment_id)) if api_key else None


def _deleted(work: Work) -> dict[str, Any]:
    # The credential goes with the deployment: nothing needs it any more.
    return {"deleted_at": work.now, "updated_at": work.now, "updated_by": work.actor, "api_key_sealed": None,
            "extra_headers": {}}  # fmt: skip


def _detail(values: dict[str, Any]) -> dict[str, Any]:
    quoted = {k: v for k, v in values.items() if k not in _SECRET_MEMBERS and k != "api_key_sealed"}
    return quoted | {"members": sorted(values)}
