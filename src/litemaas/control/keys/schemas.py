"""How do keys look in the API? Money in nano-USD; the secret is shown once."""

# ruff: noqa: RUF012 — pydantic copies defaults for each instance
from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from litemaas.control.http.shapes import Body, Moment, Name, Nano, PageQuery

Limit = Annotated[int, Field(ge=0, le=2**31 - 1)]
BigLimit = Annotated[int, Field(ge=0, le=2**63 - 1)]


class ModelLimitBody(Body):
    max_budget_nano: Nano | None = None
    budget_duration: str | None = None
    rpm: Limit | None = None
    tpm: BigLimit | None = None


class KeyPatch(Body):
    """Absent = unchanged, null = no limit or not set. ``spent_nano`` sets the spend of the current window."""

    alias: Name | None = None
    user_id: Name | None = None
    team_id: Name | None = None
    pot_id: Name | None = None
    models: Annotated[list[Name], Field(max_length=1000)] = []
    aliases: dict[str, str] = {}
    metadata: dict[str, Any] = {}
    max_budget_nano: Nano | None = None
    soft_budget_nano: Nano | None = None
    budget_duration: str | None = None
    rpm_limit: Limit | None = None
    tpm_limit: BigLimit | None = None
    max_parallel_requests: Limit | None = None
    model_limits: dict[str, ModelLimitBody] = {}
    expires_at: Moment | None = None
    spent_nano: Nano = 0


class KeyIn(Body):
    """``duration`` (like ``30d``) counts from now; give it or ``expires_at``. ``models`` empty = every model."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "alias": "workshop-ab12",
                "models": ["granite-3-8b"],
                "max_budget_nano": 5_000_000_000,
                "budget_duration": "30d",
                "rpm_limit": 100,
                "duration": "7d",
            }
        }
    )

    alias: Name | None = None
    user_id: Name | None = None
    team_id: Name | None = None
    pot_id: Name | None = None
    models: Annotated[list[Name], Field(max_length=1000)] = []
    aliases: dict[str, str] = {}
    metadata: dict[str, Any] = {}
    max_budget_nano: Nano | None = None
    soft_budget_nano: Nano | None = None
    budget_duration: str | None = None
    rpm_limit: Limit | None = None
    tpm_limit: BigLimit | None = None
    max_parallel_requests: Limit | None = None
    model_limits: dict[str, ModelLimitBody] = {}
    blocked: bool = False
    expires_at: Moment | None = None
    duration: str | None = None


class KeyOut(BaseModel):
    id: str
    """The key's SHA-256 in hex."""
    key_name: str
    alias: str | None
    user_id: str | None
    team_id: str | None
    pot_id: str | None
    """Keys that name the same pot share its budget."""
    models: list[str]
    aliases: dict[str, str]
    metadata: dict[str, Any]
    max_budget_nano: int | None
    soft_budget_nano: int | None
    budget_duration: str | None
    budget_reset_at: datetime | None
    spent_nano: int
    """In the current window, or in all without one."""
    rpm_limit: int | None
    tpm_limit: int | None
    max_parallel_requests: int | None
    model_limits: dict[str, Any]
    blocked: bool
    expires_at: datetime | None
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str


class NewKeyOut(BaseModel):
    secret: str
    """Shown this once; it is stored nowhere."""
    key: KeyOut


class KeyQuery(PageQuery):
    search: str | None = None
    alias: str | None = None
    user_id: str | None = None
    team_id: str | None = None
    pot_id: str | None = None
    model: str | None = None
    blocked: bool | None = None
    status: Literal["live", "expired"] | None = None
