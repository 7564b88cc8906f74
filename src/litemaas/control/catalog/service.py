"""How does the catalogue change? Every change is audited, priced by version, and told to the gateways."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import msgspec
from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.catalog import repository
from litemaas.control.catalog.drafts import (
    MODEL_NAME,
    DeploymentDraft,
    ModelDraft,
    check_deployment,
    check_price_fits,
)
from litemaas.control.http.feed import ChangeKind
from litemaas.control.http.refusals import Conflict, InvalidRequestMembers, InvalidTransition, Mend
from litemaas.control.http.work import Work
from litemaas.core.catalog import Lifecycle, Mode
from litemaas.core.errors import AlreadyExists, NotFound
from litemaas.core.pricing import Price

_MODEL_NAME = re.compile(MODEL_NAME)
_MAX_NAME = 255
_SECRET_MEMBERS = ("api_key", "extra_headers", "tls_ca", "params", "info", "defaults")
"""What audit records name but do not quote: credentials, or free members that may hold one."""


def seal_purpose(deployment_id: str) -> str:
    return f"deployment:{deployment_id}"


async def create_model(
    work: Work, name: str, values: dict[str, Any], deployments: list[DeploymentDraft], pricing: Price | None = None,
    status: Lifecycle | None = None,
) -> str:  # fmt: skip
    """Makes a model with its deployments and returns its id; ``values``: columns of ``models``.

    Without ``status`` it is available if it is complete. Errors: AlreadyExists when the name is taken; InvalidField and
    MissingField from the deployments; Conflict when it shall be available and is not complete.
    """
    connection = await work.connection()
    complete = pricing is not None and bool(deployments)
    if status is Lifecycle.AVAILABLE and not complete:
        raise Conflict("A model is available once it has a price and a deployment. Make a draft first.")
    wanted = status or (Lifecycle.AVAILABLE if complete else Lifecycle.DRAFT)
    columns = values | {"status": wanted.value, "status_changed_at": work.now, "pricing": stored(pricing)}
    row = await repository.add_model(connection, name, columns)
    if row is None:
        raise AlreadyExists("A model with this name already exists.", "name")
    work.changed(ChangeKind.CATALOG, name)
    await record(work, "model.create", "model", row.id, _model_detail(columns) | {"name": name}, name)
    for deployment in deployments:
        await _store_deployment(work, name, deployment, str(uuid4()))
    return str(row.id)


async def change_model(work: Work, before: Row[Any], values: dict[str, Any], pricing: Price | None = None) -> None:
    """Sets columns of a locked model; equal values change nothing. A ``pricing`` becomes the price of every deployment.

    Errors: Conflict when a used model shall be renamed; AlreadyExists.
    """
    connection = await work.connection()
    changed = {name: value for name, value in values.items() if value != getattr(before, name)}
    if pricing is not None and stored(pricing) != before.pricing:
        changed["pricing"] = stored(pricing)
    if changed.get("name"):
        if await repository.is_used(connection, before.name):
            raise Conflict("The name is fixed once a model is used. Make another model, or give it a display name.")
        if await repository.find_model(connection, changed["name"]) is not None:
            raise AlreadyExists("A model with this name already exists.", "name")
    if pricing is not None:
        for deployment in await repository.list_deployments(connection, [before.name]):
            await change_deployment(work, deployment.id, {}, pricing)
    if changed:
        await repository.change_model(connection, before.name, changed)
        work.changed(ChangeKind.CATALOG, before.name, changed.get("name", before.name))
        old = {name: getattr(before, name) for name in changed if name != "info"}
        detail = {"old": _model_detail(old), "new": _model_detail(changed)}
        await record(work, "model.update", "model", before.id, detail, before.name)


async def delete_model(work: Work, before: Row[Any]) -> None:
    """Takes a name that was never used, and all deployments behind it, out of the catalogue. Errors: Conflict."""
    connection = await work.connection()
    if await repository.is_used(connection, before.name):
        raise Conflict("This model has been used: it cannot be deleted, but it can be retired.")
    gone = [row.id for row in await repository.list_deployments(connection, [before.name])]
    for deployment_id in gone:
        await repository.change_deployment(connection, deployment_id, _deleted(work))
    await repository.remove_model(connection, before.name)
    work.changed(ChangeKind.CATALOG, before.name, *gone)
    await record(work, "model.delete", "model", before.id, {"deployments": gone}, before.name)


async def publish_model(work: Work, before: Row[Any]) -> None:
    """A complete draft becomes available. Errors: InvalidTransition; InvalidRequestMembers naming what is missing."""
    if before.status != Lifecycle.DRAFT:
        raise InvalidTransition(f"A model that is {before.status} cannot be published; a draft can.")
    deployments = await repository.list_deployments(await work.connection(), [before.name])
    mends = []
    if not has_price(before, deployments):
        mends.append(Mend("pricing", "A price is missing; 0 is one.", "missing"))
    if not any(deployment.enabled for deployment in deployments):
        mends.append(Mend("deployments", "A deployment is missing.", "missing"))
    if mends:
        raise InvalidRequestMembers(mends)
    await set_lifecycle(work, before, Lifecycle.AVAILABLE, "model.publish", {})


async def set_lifecycle(
    work: Work, before: Row[Any], status: Lifecycle, action: str, values: dict[str, Any], detail: dict[str, Any] | None = None
) -> None:  # fmt: skip
    """Sets the status of a locked model, and ``values`` of its columns with it."""
    columns = {"status": status.value, "status_changed_at": work.now} | values
    await repository.change_model(await work.connection(), before.name, columns)
    work.changed(ChangeKind.CATALOG, before.name)
    shown = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}
    change = {"old": {"status": before.status}, "new": {"status": status.value} | shown}
    await record(work, action, "model", before.id, change | (detail or {}), before.name)


def has_price(model: Row[Any], deployments: Sequence[Row[Any]]) -> bool:
    """Whether somebody has set a price: for the model, or one above 0 for a deployment."""
    return model.pricing is not None or any(price_of(deployment) != Price() for deployment in deployments)


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
    columns = {field: value for field, value in columns.items() if value != getattr(before, field)}
    if "api_base" in columns:
        # What was meant for one address goes to no other.
        values = {"api_key": None} | values
        if "extra_headers" not in values and before.extra_headers:
            columns["extra_headers"] = {}
    if "api_key" in values and (values["api_key"] or before.api_key_sealed is not None):
        columns["api_key_sealed"] = _sealed(work, deployment_id, values["api_key"])
    if checked.price != price_of(before) or checked.provider != before.provider:
        check_price_fits(Mode(before.mode), checked.price)
        columns["price_version"] = await repository.add_price(
            connection, deployment_id, checked.price, work.actor, checked.provider
        )
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


async def delete_deployment(work: Work, deployment_id: str, *, keep_model: bool = False) -> None:
    """Takes a deployment away, and its model with the last one, unless it is subscribed to. Errors: NotFound."""
    connection = await work.connection()
    row = await repository.find_deployment(connection, deployment_id)
    if row is None:
        raise deployment_not_found()
    # The model is locked first, so that two last deployments deleted at once do not leave it behind empty.
    await repository.find_model(connection, row.model_name, lock=True)
    if await repository.find_deployment(connection, deployment_id, lock=True) is None:
        raise deployment_not_found()
    await repository.change_deployment(connection, deployment_id, _deleted(work))
    if not keep_model:
        await _remove_if_empty(work, row.model_name)
    work.changed(ChangeKind.CATALOG, deployment_id, row.model_name)
    await record(work, "deployment.delete", "deployment", deployment_id, {"model": row.model_name})


def model_not_found() -> NotFound:
    return NotFound("The model was not found.", "name")


def deployment_not_found() -> NotFound:
    return NotFound("The deployment was not found.", "id")


def is_model_name(name: str) -> bool:
    """Whether a name can stand in our own API; LiteLLM's clients may use others."""
    return 0 < len(name) <= _MAX_NAME and _MODEL_NAME.fullmatch(name) is not None


def stored(pricing: Price | None) -> dict[str, Any] | None:
    """A price as a model's ``pricing``."""
    return None if pricing is None else {field: getattr(pricing, field) for field in repository.PRICE_FIELDS}


def has_drift(info: dict[str, Any]) -> bool:
    """Whether the discovery of model servers has noted a difference, for a deployment or for one of a model's sources."""
    memory = info.get("discovery")
    if not isinstance(memory, dict):
        return False
    return any(isinstance(one, dict) and bool(one.get("drift")) for one in (memory, *memory.values()))


def price_of(row: Row[Any]) -> Price:
    return Price(**{field: getattr(row, field) for field in repository.PRICE_FIELDS})


def draft_of(row: Row[Any]) -> DeploymentDraft:
    """A stored deployment as a draft, without its credential and price."""
    fields = [field for field in DeploymentDraft.__struct_fields__ if field not in ("api_key", "price")]
    return DeploymentDraft(**{field: getattr(row, field) for field in fields})


async def _store_deployment(work: Work, model_name: str, draft: DeploymentDraft, deployment_id: str) -> str:
    connection = await work.connection()
    checked = check_deployment(draft)
    row = await repository.find_model(connection, model_name)
    if row is not None:
        check_price_fits(Mode(row.mode), checked.price)
    values = msgspec.structs.asdict(checked)
    price, api_key = values.pop("price"), values.pop("api_key")
    await repository.add_deployment(
        connection,
        values
        | {
            "id": deployment_id,
            "model_name": model_name,
            "api_key_sealed": _sealed(work, deployment_id, api_key),
            "price_version": await repository.add_price(connection, deployment_id, price, work.actor, checked.provider),
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
    """A model that somebody has subscribed to stays, without a deployment, until it gets another one."""
    connection = await work.connection()
    if await repository.list_deployments(connection, [name]) or await repository.is_subscribed(connection, name):
        return
    await repository.remove_model(connection, name)


def _model_detail(values: dict[str, Any]) -> dict[str, Any]:
    """What audit records quote; ``info`` is filled freely, so only its members are named."""
    plain = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}
    return plain | ({"info": sorted(values["info"] or {})} if "info" in values else {})


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
