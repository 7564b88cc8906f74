"""What do LiteLLM's clients say about a user, and which columns and limits of ours does it mean?"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from litemaas.control.budgets.plans import LIMITS
from litemaas.control.keys.drafts import check_limits
from litemaas.control.litellm_api.key_requests import KeyRequest, Usd, nano
from litemaas.core.permissions import Role

UserRole = Literal["proxy_admin", "proxy_admin_viewer", "internal_user", "internal_user_viewer"]
ROLES: dict[str, Role] = {
    "proxy_admin": Role.ADMIN, "proxy_admin_viewer": Role.ADMIN_READONLY, "internal_user": Role.USER,
    "internal_user_viewer": Role.READONLY,
}  # fmt: skip
_KEPT = (
    "models", "aliases", "config", "permissions", "guardrails", "allowed_cache_controls", "organizations", "sso_user_id",
    "model_max_budget", "model_rpm_limit", "model_tpm_limit", "policies", "object_permission", "budget_id",
)  # fmt: skip
"""Kept in ``extras`` and given back; of these ``models`` bounds the user's own keys."""


class TeamSeat(BaseModel):
    team_id: str
    max_budget_in_team: Usd | None = None
    user_role: Literal["user", "admin"] = "user"


class UserRequest(KeyRequest):
    user_email: Annotated[str, Field(max_length=320)] | None = None
    user_alias: Annotated[str, Field(max_length=256)] | None = None
    user_role: UserRole | None = None
    teams: list[str | TeamSeat] | None = None
    auto_create_key: bool = True

    @property
    def seats(self) -> list[TeamSeat]:
        return [TeamSeat(team_id=seat) if isinstance(seat, str) else seat for seat in self.teams or []]


class UserUpdate(UserRequest):
    @model_validator(mode="after")
    def _names_somebody(self) -> UserUpdate:
        if not self.user_id and not self.user_email:
            raise ValueError("Name the user by user_id or user_email.")
        return self


class BulkUpdate(BaseModel):
    users: list[UserUpdate] = Field(default=[], max_length=500)
    all_users: bool = False
    user_updates: dict[str, Any] | None = None


class UserDeletion(BaseModel):
    model_config = ConfigDict(extra="ignore")

    user_ids: Annotated[list[str], Field(max_length=1000)]


def columns_of(request: UserRequest, before: Any = None) -> dict[str, Any]:
    """Columns of ``users`` that a request sets. Absent = keep, null = clear."""
    sent = request.model_fields_set
    values: dict[str, Any] = {}
    if "user_email" in sent and (before is None or request.user_id):
        values["email"] = request.user_email or None
    if "user_alias" in sent:
        values["full_name"] = request.user_alias
    if "metadata" in sent:
        values["metadata"] = request.metadata or {}
    if request.user_role is not None:
        values["granted_roles"] = [ROLES[request.user_role].value]
    elif before is None:
        values["granted_roles"] = [Role.USER.value]
    kept = dict(before.extras) if before is not None else {}
    given = {name: value for name, value in request.model_dump(mode="json").items() if name in _KEPT and name in sent}
    given |= {name: value for name, value in (request.model_extra or {}).items() if name in _KEPT}
    if given:
        values["extras"] = {name: value for name, value in (kept | given).items() if value is not None}
    return values


def limits_sent(request: KeyRequest) -> dict[str, Any]:
    """Our limits that a request names. Errors: InvalidField."""
    sent = request.model_fields_set
    values = {name: getattr(request, name) for name in LIMITS if name in sent}
    for name in ("max_budget", "soft_budget"):
        if name in sent:
            values[f"{name}_nano"] = nano(getattr(request, name), name)
    check_limits(values)
    return values
