"""How do people look in the API: to themselves, and to administrators? Money in nano-USD."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from litemaas.control.http.exports import Format
from litemaas.control.http.shapes import Body, Name, Nano, PageQuery
from litemaas.control.settings.groups import BigLimit, Duration, Limit
from litemaas.core.permissions import Permission, Role

FullName = Annotated[str, Field(min_length=1, max_length=255)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")]
Reason = Annotated[str, Field(min_length=1, max_length=1000)]
_SAMPLE_ID = "3f6f6c1e-5b7e-4c07-9d5e-2f1f6c3b9a10"


class Limits(BaseModel):
    """Null = no limit."""

    max_budget_nano: int | None
    budget_duration: str | None
    tpm_limit: int | None
    rpm_limit: int | None


class OwnTeam(BaseModel):
    id: str
    name: str
    role: Literal["admin", "member", "viewer"]


class Counts(BaseModel):
    total: int
    active: int


class UserRow(BaseModel):
    """``roles`` = granted and derived ones. What ``brief`` leaves out is null."""

    id: str
    username: str
    email: str | None
    full_name: str | None
    roles: list[Role]
    granted_roles: list[Role]
    derived_roles: list[Role]
    is_active: bool
    cost_centre: str | None
    provider: str | None
    created_at: datetime
    last_sign_in_at: datetime | None
    anonymised_at: datetime | None
    limits: Limits | None = None
    spent_nano: int | None = None
    budget_reset_at: datetime | None = None


class Deactivation(BaseModel):
    """``by``: what who did it was called then."""

    at: datetime
    by: str
    reason: str | None


class UserOut(UserRow):
    """``groups``: as the identity provider named them at the last sign-in. ``deactivation``: why an account is not active, as
    far as that is known.
    """

    language: str | None
    groups: list[str]
    teams: list[OwnTeam]
    keys: Counts
    subscriptions: Counts
    deactivation: Deactivation | None
    updated_at: datetime
    updated_by: str


VOLATILE = frozenset({
    "spent_nano", "budget_reset_at", "keys", "subscriptions", "last_sign_in_at", "updated_at", "updated_by"
})  # fmt: skip


class Me(BaseModel):
    id: str
    username: str
    email: str | None
    full_name: str | None
    language: str | None
    roles: list[Role]
    groups: list[str]
    teams: list[OwnTeam]
    cost_centre: str | None
    limits: Limits
    spent_nano: int
    budget_reset_at: datetime | None
    created_at: datetime
    last_sign_in_at: datetime | None


class MePatch(Body):
    model_config = ConfigDict(json_schema_extra={"example": {"full_name": "Ann Smith", "language": "de"}})

    full_name: FullName | None = None
    language: Language | None = None


class OwnPermissions(BaseModel):
    roles: list[Role]
    permissions: list[Permission]


class Use(BaseModel):
    requests: int
    total_tokens: int
    cost_nano: int


class OwnStats(BaseModel):
    """Keys and subscriptions by state; use of all time, and of the current month."""

    keys: dict[str, int]
    subscriptions: dict[str, int]
    total: Use
    this_month: Use


class ActivityRecord(BaseModel):
    id: int
    at: datetime
    action: str
    object_kind: str
    object_id: str
    object_name: str | None
    success: bool
    error_code: str | None


class Activity(BaseModel):
    data: list[ActivityRecord]
    next_cursor: str | None


class ActivityQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    cursor: str | None = None
    limit: int = Field(50, ge=1, le=200)


class RoleOut(BaseModel):
    name: Role
    permissions: list[Permission]


class Roles(BaseModel):
    data: list[RoleOut]


class Permissions(BaseModel):
    data: list[Permission]


class Check(Body):
    model_config = ConfigDict(json_schema_extra={"example": {"permissions": ["admin:users:read"], "require_all": True}})

    permissions: Annotated[list[Annotated[Permission, Field(strict=False)]], Field(min_length=1)]
    require_all: bool = True


class Checked(BaseModel):
    allowed: bool
    missing: list[Permission]


class UserChoice(BaseModel):
    """``search``: a part of username, e-mail address or full name."""

    model_config = ConfigDict(extra="forbid")

    search: Annotated[str, Field(max_length=200)] | None = None
    role: Role | None = None
    is_active: bool | None = None
    group: str | None = None
    team_id: str | None = None
    cost_centre: str | None = None


class UserQuery(PageQuery, UserChoice):
    sort: Literal["created_at", "username", "email", "full_name", "last_sign_in_at"] = "created_at"
    order: Literal["asc", "desc"] = "desc"
    brief: bool = False


class UserExport(UserChoice):
    format: Format = "csv"


class LimitsPatch(Body):
    """Absent = unchanged, null = no limit."""

    max_budget_nano: Nano | None = None
    budget_duration: Duration | None = None
    tpm_limit: BigLimit | None = None
    rpm_limit: Limit | None = None


class UserPatch(LimitsPatch):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {"granted_roles": ["admin"], "cost_centre": "4711", "max_budget_nano": 5 * 10**10}
        }
    )

    granted_roles: Annotated[list[Annotated[Role, Field(strict=False)]], Field(max_length=4)] = Field(
        default_factory=list
    )
    is_active: bool = True
    cost_centre: Name | None = None
    reason: Reason | None = None
    """Why somebody is deactivated or reactivated; administrators and the audit trail read it."""

    @model_validator(mode="after")
    def _says_what_for(self) -> Self:
        if self.reason is not None and "is_active" not in self.model_fields_set:
            raise ValueError("a reason is for is_active; send both or neither")
        return self


class BecauseOf(Body):
    model_config = ConfigDict(json_schema_extra={"example": {"reason": "a test ran wild"}})

    reason: Reason


class SpendReset(BaseModel):
    """``cleared_nano``: what the window had."""

    cleared_nano: int


class BulkFilter(Body):
    search: Annotated[str, Field(max_length=200)] | None = None
    role: Annotated[Role, Field(strict=False)] | None = None
    group: str | None = None
    team_id: str | None = None
    cost_centre: str | None = None


class Bulk(Body):
    """``limits`` sets limits, ``grant`` gives roles besides those that somebody has, ``deactivate`` ends access.

    Without ``user_ids`` and ``filter`` all active users are meant, but never to be deactivated. ``reason``: why they are.
    """

    model_config = ConfigDict(
        json_schema_extra={"example": {"action": "limits", "limits": {"rpm_limit": 60}, "user_ids": [_SAMPLE_ID]}}
    )

    action: Literal["limits", "grant", "deactivate"]
    user_ids: Annotated[list[Name], Field(min_length=1, max_length=100_000)] | None = None
    filter: BulkFilter | None = None
    limits: LimitsPatch | None = None
    roles: Annotated[list[Annotated[Role, Field(strict=False)]], Field(min_length=1, max_length=4)] | None = None
    reason: Reason | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.user_ids is not None and self.filter is not None:
            raise ValueError("give user_ids or filter, not both")
        if self.action == "limits" and not (self.limits and self.limits.model_fields_set):
            raise ValueError("limits must name at least one limit")
        if self.action == "grant" and not self.roles:
            raise ValueError("roles must name at least one role")
        if self.action == "deactivate" and self.user_ids is None and not (self.filter and self.filter.model_fields_set):
            raise ValueError("deactivating needs user_ids or a filter")
        if self.reason is not None and self.action != "deactivate":
            raise ValueError("a reason is for deactivating")
        return self


class BulkDone(BaseModel):
    matched: int
    updated: int


Members = dict[str, Any]
