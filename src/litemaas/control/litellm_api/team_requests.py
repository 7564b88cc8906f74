"""What do LiteLLM's clients say about a team, and which columns and limits of ours does it mean?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Row

from litemaas.control.keys.drafts import check_limits, expiry
from litemaas.control.litellm_api.key_requests import Usd, nano
from litemaas.core.errors import InvalidField
from litemaas.core.keys import ALL_MODELS, NO_MODELS

_LIMITS = ("budget_duration", "tpm_limit", "rpm_limit", "max_parallel_requests")
_KEPT = (
    "admins", "members", "team_member_permissions", "model_aliases", "model_tpm_limit", "model_rpm_limit", "tags",
    "guardrails", "team_member_tpm_limit", "team_member_rpm_limit", "team_member_key_duration", "organization_id",
    "budget_id",
)  # fmt: skip
"""Kept in ``extras`` and given back."""
Id = Annotated[str, Field(max_length=256)]


class Member(BaseModel):
    role: Literal["admin", "user"] = "user"
    user_id: Id | None = None
    user_email: Annotated[str, Field(max_length=320)] | None = None

    @model_validator(mode="after")
    def _names_somebody(self) -> Member:
        if not self.user_id and not self.user_email:
            raise ValueError("Name the member by user_id or user_email.")
        return self


class TeamRequest(BaseModel):
    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    team_alias: Annotated[str, Field(max_length=256)] | None = None
    team_id: Id | None = None
    organization_id: str | None = None
    admins: list[Id] = []
    members: list[Id] = []
    members_with_roles: list[Member] = []
    team_member_permissions: list[str] | None = None
    metadata: dict[str, Any] | None = None
    tpm_limit: int | None = None
    rpm_limit: int | None = None
    max_parallel_requests: int | None = None
    max_budget: Usd | None = None
    soft_budget: Usd | None = None
    budget_duration: str | None = None
    budget_id: str | None = None
    spend: Usd | None = None
    models: list[str] | None = None
    blocked: bool | None = None
    model_aliases: dict[str, str] | None = None
    model_tpm_limit: dict[str, int] | None = None
    model_rpm_limit: dict[str, int] | None = None
    team_member_budget: Usd | None = None
    team_member_tpm_limit: int | None = None
    team_member_rpm_limit: int | None = None
    team_member_key_duration: str | None = None
    tags: list[str] | None = None
    guardrails: list[str] | None = None


class TeamUpdate(TeamRequest):
    team_id: Id


class TeamReference(BaseModel):
    team_id: Id


class TeamDeletion(BaseModel):
    team_ids: Annotated[list[str], Field(max_length=1000)]


class MemberAddition(BaseModel):
    team_id: Id
    member: Member | list[Member]
    max_budget_in_team: Usd | None = None

    @property
    def people(self) -> list[Member]:
        return self.member if isinstance(self.member, list) else [self.member]


class MemberReference(BaseModel):
    team_id: Id
    user_id: Id | None = None
    user_email: str | None = None


class MemberUpdate(MemberReference):
    max_budget_in_team: Usd | None = None
    role: Literal["admin", "user"] | None = None
    tpm_limit: int | None = None
    rpm_limit: int | None = None


class TeamModels(BaseModel):
    team_id: Id
    models: list[str]


class TeamPermissions(BaseModel):
    team_id: Id
    team_member_permissions: list[str]


def columns_of(request: TeamRequest, before: Row[Any] | None) -> dict[str, Any]:
    """Columns of ``teams`` that a request sets. Absent = keep, null = clear. Errors: InvalidField."""
    sent = request.model_fields_set
    values: dict[str, Any] = {}
    if "team_alias" in sent and request.team_alias:
        values |= {"alias": request.team_alias, "name": request.team_alias}
    if "metadata" in sent:
        values["metadata"] = request.metadata or {}
    if "models" in sent:
        values["allowed_models"] = allowed_models(request.models or [])
    if "blocked" in sent:
        values["is_active"] = not request.blocked
    if "team_member_budget" in sent:
        values["member_default_budget_nano"] = nano(request.team_member_budget, "team_member_budget")
    _check_counts(request)
    dumped = request.model_dump(mode="json")
    given = {name: dumped[name] for name in _KEPT if name in sent}
    if "models" in sent:
        given["models"] = request.models or None
    if "soft_budget" in sent:
        given["soft_budget_nano"] = nano(request.soft_budget, "soft_budget")
    if given:
        kept = dict(before.extras) if before is not None else {}
        values["extras"] = {name: value for name, value in (kept | given).items() if value is not None}
    return values


def _check_counts(request: TeamRequest) -> None:
    """Limits that are kept as they were sent are read by the gateways. Errors: InvalidField."""
    for name in ("team_member_tpm_limit", "team_member_rpm_limit", "model_tpm_limit", "model_rpm_limit"):
        sent = getattr(request, name)
        numbers = sent.values() if isinstance(sent, dict) else [sent]
        if any(number is not None and not 0 <= number < 2**63 for number in numbers):
            raise InvalidField(f"{name} must be a whole number and at least 0.", name)
    if request.team_member_key_duration is not None:
        expiry(request.team_member_key_duration, datetime(2026, 1, 1, tzinfo=UTC), "team_member_key_duration")


def allowed_models(models: list[str]) -> list[str] | None:
    """None = every model, empty = none."""
    if not models or ALL_MODELS in models:
        return None
    return [name for name in models if name != NO_MODELS]


def limits_sent(request: TeamRequest) -> dict[str, Any]:
    """Our limits that a request names. Errors: InvalidField."""
    sent = request.model_fields_set
    values: dict[str, Any] = {name: getattr(request, name) for name in _LIMITS if name in sent}
    for name in ("max_budget", "soft_budget"):
        if name in sent:
            values[f"{name}_nano"] = nano(getattr(request, name), name)
    check_limits(values)
    return values
