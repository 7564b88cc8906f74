"""What do LiteLLM's clients say about a key, and what does it mean here? Decimals become nano-USD, unknown members go."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from litemaas.control.keys.drafts import ModelLimit, expiry
from litemaas.core.errors import InvalidField
from litemaas.core.keys import NO_MODELS
from litemaas.core.money import nano_from_usd
from litemaas.core.routes import KEY_TYPES

Usd = Annotated[Decimal, Field(allow_inf_nan=False)]
"""A number, or a text that holds one."""

STORED_WITHOUT_EFFECT = (
    "access_group_ids", "agent_id", "allowed_cache_controls", "allowed_passthrough_routes", "allowed_routes",
    "allowed_vector_store_indexes", "auto_rotate", "config", "enforced_params", "guardrails", "key_type",
    "object_permission", "organization_id", "permissions", "policies", "project_id", "prompts", "rotation_interval",
    "router_settings", "rpm_limit_type", "tpm_limit_type",
)  # fmt: skip
"""Members that are kept in ``extras`` and given back. ``guardrails``, ``key_type``, ``allowed_routes``, ``enforced_params``,
``allowed_cache_controls``, ``organization_id`` and rotation have an effect, too, and ``permissions`` where that is set.
"""
_ROTATION = {"auto_rotate", "rotation_interval"}
_SAME_NAME = ("user_id", "team_id", "budget_duration", "rpm_limit", "tpm_limit", "max_parallel_requests")


class ModelBudget(BaseModel):
    """LiteLLM's names, and those that LiteMaaS's backend sends."""

    model_config = ConfigDict(extra="ignore")

    budget_limit: Usd | None = None
    time_period: str | None = None
    max_budget: Usd | None = None
    budget_duration: str | None = None


class KeyRequest(BaseModel):
    """The members of ``/key/generate`` that have a meaning; others are kept (``extras``) or passed over."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())

    key: str | None = None
    key_alias: str | None = None
    duration: str | None = None
    expires: datetime | None = None
    models: list[str] | None = None
    spend: Usd | None = None
    max_budget: Usd | None = None
    soft_budget: Usd | None = None
    budget_duration: str | None = None
    budget_id: str | None = None
    user_id: str | None = None
    team_id: str | None = None
    max_parallel_requests: int | None = None
    tpm_limit: int | None = None
    rpm_limit: int | None = None
    model_tpm_limit: dict[str, int] | None = None
    model_rpm_limit: dict[str, int] | None = None
    model_max_budget: dict[str, ModelBudget] | None = None
    metadata: dict[str, Any] | None = None
    aliases: dict[str, str] | None = None
    tags: list[str] | None = None
    blocked: bool | None = None


class KeyUpdate(KeyRequest):
    """``temp_budget_expiry``: a duration from now, or an instant."""

    key: str
    temp_budget_increase: Usd | None = None
    temp_budget_expiry: str | None = None


class KeyReference(BaseModel):
    key: str


class KeyDeletion(BaseModel):
    keys: list[str] | None = None
    key_aliases: list[str] | None = None
    key: str | None = None


def columns_of(request: KeyRequest, now: datetime, before: Row[Any] | None) -> dict[str, Any]:
    """The columns that a request sets; ``before`` is the key's row when it is an update. Absent = not set, null = clear.

    Errors: InvalidField naming the member.
    """
    sent = request.model_fields_set
    values: dict[str, Any] = {name: getattr(request, name) for name in _SAME_NAME if name in sent}
    if "key_alias" in sent:
        values["alias"] = request.key_alias or None
    for name in ("max_budget", "soft_budget"):
        if name in sent:
            values[f"{name}_nano"] = nano(getattr(request, name), name)
    if "models" in sent:
        # An update to no models means "none left" to LiteMaaS's backend, a new key without models may call all.
        values["models"] = request.models or ([] if before is None else [NO_MODELS])
    if "aliases" in sent:
        values["aliases"] = request.aliases or {}
    if "blocked" in sent:
        values["blocked"] = bool(request.blocked)
    if sent & {"duration", "expires"}:
        values["expires_at"] = _expiry(request, now)
    if sent & {"metadata", "tags"}:
        values["metadata"] = _metadata(request, before)
    if sent & {"model_max_budget", "model_rpm_limit", "model_tpm_limit"}:
        values["model_limits"] = _model_limits(request, before)
    extras = _kept(request, now)
    kept = dict(before.extras) if before is not None else {}
    if extras:
        values["extras"] = {name: value for name, value in (kept | extras).items() if value is not None}
        owner = values.get("user_id", before.user_id if before is not None else None)
        _check_rotation(values["extras"], owner, now, is_named=bool(extras.keys() & _ROTATION))
    return values


def _check_rotation(extras: dict[str, Any], owner: str | None, now: datetime, *, is_named: bool) -> None:
    """Errors: InvalidField for a rotation that could not be, or that nobody would learn of."""
    if not is_named:
        return
    interval, wanted = extras.get("rotation_interval"), extras.get("auto_rotate")
    if interval is not None and (not isinstance(interval, str) or expiry(interval, now, "rotation_interval") <= now):
        raise InvalidField("rotation_interval must be a duration above 0, like 30d.", "rotation_interval")
    if wanted is not None and not isinstance(wanted, bool):
        raise InvalidField("auto_rotate must be true or false.", "auto_rotate")
    if wanted and interval is None:
        raise InvalidField("auto_rotate needs a rotation_interval, like 30d.", "rotation_interval")
    if wanted and owner is None:
        raise InvalidField(
            "auto_rotate needs a user_id: the portal shows the new secret to the key's owner.", "user_id"
        )


def _kept(request: KeyRequest, now: datetime) -> dict[str, Any]:
    """Members of ``extras`` that a request sets. Errors: InvalidField."""
    extras = {k: v for k, v in (request.model_extra or {}).items() if k in STORED_WITHOUT_EFFECT}
    _check_guardrails(extras.get("guardrails"))
    _check_routes(extras)
    _check_names(extras, "enforced_params", "names of members of a body")
    named = request.model_fields_set & {"temp_budget_increase", "temp_budget_expiry"}
    if isinstance(request, KeyUpdate) and named:
        extras["temp_budget"] = _temporary_budget(request, now)
    return extras


def _check_routes(extras: dict[str, Any]) -> None:
    """Errors: InvalidField for a type of key that there is not, and for what is no list of paths."""
    kind = extras.get("key_type")
    if kind is not None and kind not in KEY_TYPES:
        raise InvalidField(f"key_type must be one of: {', '.join(KEY_TYPES)}.", "key_type")
    _check_names(extras, "allowed_routes", "paths or groups of routes")


def _check_names(extras: dict[str, Any], member: str, what: str) -> None:
    """Errors: InvalidField for what is no list of texts."""
    names = extras.get(member)
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) and name for name in names)):
        raise InvalidField(f"{member} must be a list of {what}.", member)


def _temporary_budget(request: KeyUpdate, now: datetime) -> dict[str, Any] | None:
    """What :func:`~litemaas.core.keys.extra_budget` reads; None = no more. Errors: InvalidField."""
    increase = nano(request.temp_budget_increase, "temp_budget_increase")
    told = request.temp_budget_expiry
    if not increase and told is None:
        return None
    if not increase or told is None:
        missing = "temp_budget_expiry" if increase else "temp_budget_increase"
        raise InvalidField("temp_budget_increase and temp_budget_expiry are set together.", missing)
    try:
        until = datetime.fromisoformat(told)
    except ValueError:
        until = expiry(told, now, "temp_budget_expiry")
    if until.tzinfo is None:
        raise InvalidField("temp_budget_expiry needs a time zone, like 2026-12-01T00:00:00Z.", "temp_budget_expiry")
    return {"increase_nano": increase, "until": until.isoformat()}


def _check_guardrails(names: Any) -> None:
    """Errors: InvalidField for what is no list of names. Whether there are such guardrails, the service asks."""
    if names is None:
        return
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidField("guardrails must be a list of names.", "guardrails")


def nano(amount: Decimal | None, field: str) -> int | None:
    """Units: USD in, nano-USD out. Errors: InvalidField."""
    if amount is None:
        return None
    try:
        value = nano_from_usd(amount)
    except ValueError:
        raise InvalidField(f"{field} is too large an amount.", field) from None
    if value < 0:
        raise InvalidField(f"{field} must be at least 0.", field)
    return value


def _expiry(request: KeyRequest, now: datetime) -> datetime | None:
    if request.duration is not None:
        return expiry(request.duration, now)
    if request.expires is not None and request.expires.tzinfo is None:
        raise InvalidField("expires needs a time zone, like 2026-12-01T00:00:00Z.", "expires")
    return request.expires


def _metadata(request: KeyRequest, before: Row[Any] | None) -> dict[str, Any]:
    sent = request.model_fields_set
    kept = dict(before.metadata) if before is not None else {}
    metadata = dict(request.metadata or {}) if "metadata" in sent else kept
    if "tags" in sent and request.tags is None:
        metadata.pop("tags", None)
    elif request.tags is not None:
        metadata["tags"] = request.tags
    return metadata


def _model_limits(request: KeyRequest, before: Row[Any] | None) -> dict[str, ModelLimit]:
    sent = request.model_fields_set
    limits: dict[str, dict[str, Any]] = {k: dict(v) for k, v in before.model_limits.items()} if before else {}
    if "model_max_budget" in sent:
        for limit in limits.values():
            limit.update(max_budget_nano=None, budget_duration=None)
        for model, budget in (request.model_max_budget or {}).items():
            amount = budget.budget_limit if budget.budget_limit is not None else budget.max_budget
            limits.setdefault(model, {}).update(
                max_budget_nano=nano(amount, "model_max_budget"),
                budget_duration=budget.time_period or budget.budget_duration,
            )
    for member, column in (("model_rpm_limit", "rpm"), ("model_tpm_limit", "tpm")):
        if member in sent:
            for limit in limits.values():
                limit[column] = None
            for model, number in (getattr(request, member) or {}).items():
                limits.setdefault(model, {})[column] = number
    made = {model: ModelLimit(**limit) for model, limit in limits.items()}
    return {model: limit for model, limit in made.items() if limit != ModelLimit()}


def limits_of(row: Row[Any]) -> dict[str, ModelLimit]:
    return msgspec.convert(row.model_limits, dict[str, ModelLimit])
