"""How do keys look in the API? Money in nano-USD; the secret is shown when it is made, and never in lists."""

# ruff: noqa: RUF012 — pydantic copies defaults for each instance
from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from litemaas.control.http.exports import Format
from litemaas.control.http.shapes import Body, Moment, Name, Nano, PageQuery

Limit = Annotated[int, Field(ge=0, le=2**31 - 1)]
BigLimit = Annotated[int, Field(ge=0, le=2**63 - 1)]
KeyName = Annotated[str, Field(min_length=1, max_length=255)]
Kind = Literal["chat", "completions", "embeddings", "convert"]
State = Literal["active", "disabled", "expired", "revoked"]
Models = Annotated[list[Name], Field(max_length=1000)]
Tags = Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], Field(max_length=50)]
Reason = Annotated[str, Field(min_length=1, max_length=1000)]


class ModelLimitBody(Body):
    max_budget_nano: Nano | None = None
    budget_duration: str | None = None
    rpm: Limit | None = None
    tpm: BigLimit | None = None


class _Limits(Body):
    max_budget_nano: Nano | None = None
    soft_budget_nano: Nano | None = None
    budget_duration: str | None = None
    rpm_limit: Limit | None = None
    tpm_limit: BigLimit | None = None
    max_parallel_requests: Limit | None = None
    model_limits: dict[str, ModelLimitBody] = {}
    expires_at: Moment | None = None


class OwnKeyPatch(_Limits):
    """Absent = unchanged; null clears. ``models``: names or ids; an empty list grants nothing."""

    name: KeyName = ""
    description: Annotated[str, Field(max_length=2000)] = ""
    models: Models = []
    permissions: Annotated[list[Kind], Field(max_length=4)] | None = None
    tags: Tags = []
    guardrails: Tags = []
    metadata: dict[str, Any] = {}


class OwnKeyIn(OwnKeyPatch):
    """What is absent gets the default of the settings; null means none, as far as the maximums let it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "laptop",
                "models": ["granite-3-8b"],
                "max_budget_nano": 5_000_000_000,
                "budget_duration": "monthly",
            }
        }
    )

    name: KeyName
    models: Models
    team_id: Name | None = None


class AdminKeyIn(OwnKeyIn):
    """``grant_missing``: subscriptions that the payer lacks are granted, too."""

    cost_centre: Annotated[str, Field(max_length=100)] | None = None
    grant_missing: bool = False


class KeyPatch(OwnKeyPatch):
    """Absent = unchanged, null = no limit or not set. ``spent_nano`` sets the spend of the current window."""

    alias: Name | None = None
    user_id: Name | None = None
    team_id: Name | None = None
    pot_id: Name | None = None
    aliases: dict[str, str] = {}
    cost_centre: Annotated[str, Field(max_length=100)] | None = None
    spent_nano: Nano = 0


class KeyIn(_Limits):
    """A key as LiteLLM's clients make them. ``duration`` (like ``30d``) counts from now; give it or ``expires_at``.

    ``models`` empty = every model. Keys of people are made below their paths, and need subscriptions.
    """

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
    models: Models = []
    aliases: dict[str, str] = {}
    metadata: dict[str, Any] = {}
    blocked: bool = False
    duration: str | None = None


class Person(BaseModel):
    id: str
    username: str | None
    full_name: str | None


class Team(BaseModel):
    id: str
    name: str | None


class LinkedModel(BaseModel):
    """``effective``: whether it can be called now; ``blocked_by``: the code of why not."""

    id: str | None
    name: str
    type: str | None
    context_length: int | None
    effective: bool
    blocked_by: str | None


class KeyOut(BaseModel):
    id: str
    """A UUID for keys of the portal; for keys of LiteLLM's clients the SHA-256 of the secret in hex."""
    ledger_id: str
    """The key in usage, analytics and budgets; rotation does not change it."""
    governed: bool
    """Whether calls need the payer's subscription. Else an empty list of models means every model."""
    name: str
    description: str
    key_name: str
    alias: str | None
    prefix: str | None
    last4: str | None
    owner: Person | None
    team: Team | None
    """Who pays, if not the owner."""
    user_id: str | None
    team_id: str | None
    pot_id: str | None
    """Keys that name the same pot share its budget."""
    state: State
    blocked_by: str | None
    """Why nothing can be called with it; each model has its own reason, too."""
    status_reason: str | None
    blocked: bool
    revealable: bool
    models: list[LinkedModel]
    aliases: dict[str, str]
    permissions: list[str] | None
    tags: list[str]
    guardrails: list[str]
    metadata: dict[str, Any]
    cost_centre: str | None
    max_budget_nano: int | None
    soft_budget_nano: int | None
    budget_duration: str | None
    budget_reset_at: datetime | None
    budget_utilisation: float | None
    """Percent of the budget that is spent in this window; null without a budget."""
    spent_nano: int
    """In the current window, or in all without one."""
    rpm_limit: int | None
    tpm_limit: int | None
    max_parallel_requests: int | None
    model_limits: dict[str, Any]
    request_count: int
    last_used_at: datetime | None
    expires_at: datetime | None
    old_secret_valid_until: datetime | None
    revoked_at: datetime | None
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str


VOLATILE: dict[str, Any] = dict.fromkeys((
    "spent_nano", "request_count", "last_used_at", "budget_utilisation", "budget_reset_at", "state", "blocked_by",
    "old_secret_valid_until", "owner", "team",
), True) | {"models": {"__all__": {"id", "type", "context_length", "effective", "blocked_by"}}}  # fmt: skip
"""What changes without anybody's changing the key: no part of its ETag. Of its models only the names are."""


class NewKeyOut(BaseModel):
    secret: str
    """Shown this once; where the settings say so, its owner may reveal it later."""
    key: KeyOut


class Secret(BaseModel):
    secret: str


class OwnKeyChoice(BaseModel):
    """Which keys are meant. ``used_up``: as much is spent in the current window as the budget allows; or not, or no budget."""

    model_config = ConfigDict(extra="forbid")

    search: str | None = None
    model: str | None = None
    state: State | None = None
    team_id: str | None = None
    tag: str | None = None
    used_up: bool | None = None


class OwnKeyQuery(PageQuery, OwnKeyChoice):
    """``spend``: of the current window, or of all times where there are no windows."""

    sort: Literal["name", "created_at", "expires_at", "updated_at", "spend", "last_used_at"] = "created_at"
    order: Literal["asc", "desc"] = "desc"


class KeyChoice(OwnKeyChoice):
    alias: str | None = None
    user_id: str | None = None
    pot_id: str | None = None
    blocked: bool | None = None
    governed: bool | None = None
    status: Literal["live", "expired"] | None = None


class KeyQuery(OwnKeyQuery, KeyChoice):
    """Any keys, a page at a time."""


class KeyExport(KeyChoice):
    format: Format = "csv"


class KeyStats(BaseModel):
    total: int
    by_state: dict[str, int]
    by_model: dict[str, int]


class Why(Body):
    reason: Reason | None = None


class ManyKeys(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {"key_ids": ["key-1", "key-2"], "action": "disable", "reason": "End of the course"}
        }
    )

    key_ids: Annotated[list[Annotated[str, Field(min_length=1, max_length=255)]], Field(min_length=1, max_length=500)]
    action: Literal["disable", "enable", "revoke"]
    reason: Reason | None = None


class KeyRefused(BaseModel):
    key_id: str
    code: str
    message: str


class ManyKeysDone(BaseModel):
    """Each key was changed in a transaction of its own; what was so already counts as successful."""

    successful: int
    failed: int
    errors: list[KeyRefused]


class MustSayWhy(Body):
    reason: Reason


class Rotation(Body):
    """For how long the former secret stays valid; 0 ends it at once, null is as long as the settings of keys say."""

    grace_seconds: Annotated[int, Field(ge=0, le=7 * 86_400)] | None = None


class Reassignment(Body):
    user_id: Name


class Lookup(Body):
    secret: Annotated[str, Field(min_length=1, max_length=512, repr=False)]


class Cleanup(BaseModel):
    archived: int


class Question(Body):
    """``endpoint``: one kind, if its permission is to be checked; ``tokens``: how many the call may use."""

    model: Name
    endpoint: Kind | None = None
    tokens: Annotated[int, Field(ge=0, le=2**53)] | None = None


class CheckOut(BaseModel):
    """``passes`` null: only the gateway knows it, at the moment of a call."""

    name: str
    passes: bool | None
    code: str | None = None
    subject: str | None = None
    limit: int | None = None
    used: int | None = None
    unit: str | None = None
    frees_at: datetime | None = None
    action: str | None = None


class Explanation(BaseModel):
    allowed: bool
    model: str
    checks: list[CheckOut]


class RefusalOut(BaseModel):
    code: str
    level: str
    subject: str
    limit: int | None = None
    used: int | None = None
    unit: str | None = None
    window_start: datetime | None = None
    frees_at: datetime | None = None
    message: str
    action: str
    request_id: str
    at: datetime


class Refusals(BaseModel):
    data: list[RefusalOut]


class RefusalQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    before: datetime | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class KeyInfo(BaseModel):
    """What a key may know of itself."""

    key: KeyOut
    remaining_budget_nano: int | None
    last_block: RefusalOut | None
