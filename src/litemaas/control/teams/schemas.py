"""How do teams and their members look in the API? Money in nano-USD; null = no limit, or not set."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from litemaas.control.http.exports import Format
from litemaas.control.http.shapes import Body, Name, Nano, PageQuery
from litemaas.control.settings.groups import BigLimit, Duration, Limit

TeamRole = Literal["admin", "member", "viewer"]
Text = Annotated[str, Field(max_length=2000)]
Models = Annotated[list[Name], Field(max_length=1000)]


class TeamPatch(Body):
    """Absent = unchanged. Administrators of the team itself may set ``description`` and ``member_default_budget_nano``."""

    model_config = ConfigDict(json_schema_extra={"example": {"max_budget_nano": 10**13, "allowed_models": None}})

    name: Name = ""
    alias: Name | None = None
    description: Text = ""
    cost_centre: Name | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    max_budget_nano: Nano | None = None
    budget_duration: Duration | None = None
    tpm_limit: BigLimit | None = None
    rpm_limit: Limit | None = None
    max_parallel_requests: Limit | None = None
    allowed_models: Models | None = None
    """Null = every model, empty = none."""
    member_default_budget_nano: Nano | None = None
    """What a member may spend inside the team who has no cap of their own."""
    members_may_create_keys: bool = True
    group_binding: Name | None = None
    """Whoever is in this group at sign-in is a member, and leaves when they no longer are."""
    is_active: bool = True


class TeamIn(TeamPatch):
    """Limits that are absent come from the settings of teams. ``admin_ids``: without it, who makes the team."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "research", "admin_ids": ["ann"]}})

    name: Name
    admin_ids: Annotated[list[Name], Field(max_length=50)] = Field(default_factory=list)


OF_TEAM_ADMINS = frozenset({"description", "member_default_budget_nano"})


class TeamLimits(BaseModel):
    max_budget_nano: int | None
    budget_duration: str | None
    tpm_limit: int | None
    rpm_limit: int | None
    max_parallel_requests: int | None


class TeamOut(TeamLimits):
    """``role``: the caller's own in the team; null = none."""

    id: str
    name: str
    alias: str | None
    description: str
    cost_centre: str | None
    metadata: dict[str, Any]
    allowed_models: list[str] | None
    member_default_budget_nano: int | None
    members_may_create_keys: bool
    group_binding: str | None
    is_active: bool
    archived_at: datetime | None
    role: TeamRole | None
    members: int
    keys: int
    spent_nano: int
    budget_reset_at: datetime | None
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str


VOLATILE = frozenset({"members", "keys", "spent_nano", "budget_reset_at", "role"})


class TeamChoice(BaseModel):
    """``mine``: only teams that one belongs to, which is all that people see who are no administrators."""

    model_config = ConfigDict(extra="forbid")

    mine: bool = False
    search: Annotated[str, Field(max_length=200)] | None = None
    is_active: bool | None = None
    cost_centre: str | None = None
    archived: bool = False


class TeamQuery(PageQuery, TeamChoice):
    sort: Literal["name", "created_at", "updated_at"] = "name"
    order: Literal["asc", "desc"] = "asc"


class TeamExport(TeamChoice):
    format: Format = "csv"


class TeamBudget(TeamLimits):
    """The team's budget and where it stands; ``own_…``: the caller's part as a member, null for others."""

    spent_nano: int
    remaining_nano: int | None
    budget_reset_at: datetime | None
    own_max_budget_nano: int | None
    own_spent_nano: int | None


class MemberIn(Body):
    """Give ``user_id`` or ``username``."""

    model_config = ConfigDict(json_schema_extra={"example": {"username": "ann.smith", "role": "member"}})

    user_id: Name | None = None
    username: Name | None = None
    role: TeamRole = "member"
    max_budget_nano: Nano | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.user_id is None) == (self.username is None):
            raise ValueError("give user_id or username")
        return self


class MemberPatch(Body):
    """``max_budget_nano``: null = the team's default cap for members."""

    model_config = ConfigDict(json_schema_extra={"example": {"role": "admin"}})

    role: TeamRole = "member"
    max_budget_nano: Nano | None = None


class MemberOut(BaseModel):
    """``cap_nano``: what holds, own or default. ``by_group``: a bound group made and ends this membership."""

    user_id: str
    username: str
    email: str | None
    full_name: str | None
    is_active: bool
    role: TeamRole
    max_budget_nano: int | None
    cap_nano: int | None
    spent_nano: int
    by_group: bool
    joined_at: datetime


class MemberQuery(PageQuery):
    search: Annotated[str, Field(max_length=200)] | None = None


class BecauseOf(Body):
    model_config = ConfigDict(json_schema_extra={"example": {"reason": "a test ran wild"}})

    reason: Annotated[str, Field(min_length=1, max_length=1000)]


class SpendReset(BaseModel):
    cleared_nano: int
