"""How do subscriptions look in the API?"""

# ruff: noqa: RUF012 — pydantic copies defaults for each instance
from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from litemaas.control.catalog.model_schemas import Capability, ModelType, Pricing
from litemaas.control.http.shapes import Body, Moment, Name, PageQuery
from litemaas.core.catalog import Lifecycle
from litemaas.core.entitlements import Block
from litemaas.core.subscriptions import Status

Quota = Annotated[int, Field(ge=1, le=2**63 - 1)]
AnyQuota = Annotated[int, Field(ge=0, le=2**63 - 1)]
Justification = Annotated[str, Field(min_length=10, max_length=1000)]
Reason = Annotated[str, Field(min_length=1, max_length=1000)]
Id = Annotated[UUID, Field(strict=False)]
Ids = Annotated[list[Id], Field(min_length=1, max_length=500)]
Sort = Literal["status_changed_at", "created_at", "asked_at", "updated_at", "expires_at", "model_name", "status"]

MOST_GRANTS = 1000


class SubscriptionIn(Body):
    """``team_id``: the team pays and uses it; only its admins may ask. ``key_ids``: keys that shall reach the model."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "model_id": "6f1c1ae0-5f0a-4a8e-9a57-0d7c3f6a2b11", "quota_requests": 10000,
                "justification": "Summaries for the weekly report of our group",
            }
        }
    )  # fmt: skip

    model_id: Id
    team_id: str | None = None
    key_ids: Annotated[list[str], Field(max_length=100)] = []
    justification: Justification | None = None
    """Required when the model needs approval."""
    quota_requests: Quota | None = None
    quota_tokens: Quota | None = None
    expires_at: Moment | None = None


class TeamSubscriptionIn(Body):
    model_id: Id
    key_ids: Annotated[list[str], Field(max_length=100)] = []
    justification: Justification | None = None
    quota_requests: Quota | None = None
    quota_tokens: Quota | None = None
    expires_at: Moment | None = None


class SubscriptionPatch(Body):
    """Absent = unchanged. Holders lower quotas and bring the expiry forward; nothing else."""

    quota_requests: Quota | None = None
    quota_tokens: Quota | None = None
    expires_at: Moment | None = None


class AdminSubscriptionPatch(Body):
    """Absent = unchanged; null = no limit, no expiry."""

    quota_requests: AnyQuota | None = None
    quota_tokens: AnyQuota | None = None
    expires_at: Moment | None = None


class Comment(Body):
    comment: Annotated[str, Field(max_length=1000)] | None = None


class ReasonIn(Body):
    reason: Reason


class StatusIn(Body):
    """What becomes of it: ``active`` approves or resumes, ``pending`` returns it to the queue, ``cancelled`` gives it up."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "suspended", "reason": "budget review"}})

    status: Annotated[Status, Field(strict=False)]
    reason: Reason | None = None


class Decisions(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {"subscription_ids": ["6f1c1ae0-5f0a-4a8e-9a57-0d7c3f6a2b11"], "reason": "as agreed"}
        }
    )

    subscription_ids: Ids
    reason: Reason | None = None


class Denials(Body):
    subscription_ids: Ids
    reason: Reason


class DecisionError(BaseModel):
    subscription_id: str
    code: str
    message: str


class Decided(BaseModel):
    """Each item was decided in a transaction of its own; what was so already counts as successful."""

    successful: int
    failed: int
    errors: list[DecisionError]


class QuotaReset(Body):
    """One of: some subscriptions, all of a user, or all that have used up a quota."""

    subscription_ids: Ids | None = None
    user_id: str | None = None
    all_due: bool = False
    reason: Reason | None = None


class QuotaResetDone(BaseModel):
    reset: int


class Grants(Body):
    model_config = ConfigDict(json_schema_extra={"example": {"model_ids": ["6f1c1ae0-5f0a-4a8e-9a57-0d7c3f6a2b11"]}})

    model_ids: Annotated[list[Id], Field(min_length=1, max_length=100)]
    reason: Reason | None = None


class Granted(BaseModel):
    """Ids of subscriptions."""

    created: list[str]
    activated: list[str]
    already_active: list[str]


class BulkGrants(Body):
    """Every model to every one of these people and teams; at most a thousand pairs."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "model_ids": ["6f1c1ae0-5f0a-4a8e-9a57-0d7c3f6a2b11"], "user_ids": ["ann", "bob"], "team_ids": [],
                "reason": "Course of this term",
            }
        }
    )  # fmt: skip

    model_ids: Annotated[list[Id], Field(min_length=1, max_length=20)]
    user_ids: Annotated[list[Name], Field(max_length=MOST_GRANTS)] = []
    team_ids: Annotated[list[Name], Field(max_length=MOST_GRANTS)] = []
    reason: Reason | None = None

    @model_validator(mode="after")
    def _is_of_a_size(self) -> Self:
        pairs = len(set(self.model_ids)) * (len(set(self.user_ids)) + len(set(self.team_ids)))
        if not 0 < pairs <= MOST_GRANTS:
            raise ValueError(
                f"name people or teams, and at most {MOST_GRANTS} pairs of a holder and a model; these are {pairs}"
            )
        return self


class GrantError(BaseModel):
    """``user_id`` or ``team_id``: who did not get it."""

    user_id: str | None
    team_id: str | None
    model_id: str
    code: str
    message: str


class BulkGranted(BaseModel):
    """How many pairs; each was granted in a transaction of its own. Who had it already counts as successful."""

    successful: int
    created: int
    activated: int
    already_active: int
    failed: int
    errors: list[GrantError]


class HolderOut(BaseModel):
    kind: Literal["user", "team"]
    id: str
    name: str
    """Username, or the team's name."""
    full_name: str | None
    email: str | None


class SubscribedModel(BaseModel):
    id: str
    name: str
    display_name: str | None
    type: ModelType
    capabilities: list[Capability]
    context_length: int | None
    pricing: Pricing | None
    status: Lifecycle
    restricted_access: bool


class HistoryEntry(BaseModel):
    at: datetime
    event: str
    old_status: Status | None
    new_status: Status | None
    reason: str | None
    actor: str
    actor_kind: str
    actor_name: str | None


class SubscriptionOut(BaseModel):
    """``effective``: whether calls pass now as far as the subscription goes; ``blocked_by``: why not.

    ``utilisation``: per cent of the quota that is used most; null without quotas.
    """

    id: str
    holder: HolderOut
    model: SubscribedModel
    status: Status
    effective: bool
    blocked_by: Block | None
    status_reason: str | None
    status_changed_at: datetime
    status_changed_by: str
    justification: str | None
    quota_requests: int | None
    quota_tokens: int | None
    used_requests: int
    used_tokens: int
    remaining_requests: int | None
    remaining_tokens: int | None
    utilisation: float | None
    reset_at: datetime
    expires_at: datetime | None
    created_at: datetime
    created_by: str
    updated_at: datetime
    history: list[HistoryEntry] | None = None
    """The newest 50 steps; only where one subscription is shown."""
    warnings: list[str] = []


class KeyOfHolder(BaseModel):
    id: str
    name: str


class AdminSubscriptionOut(SubscriptionOut):
    """``needs_approval``: an administrator took it away once, so that subscribing again waits.

    ``asked_at``: when its holder asked last, also for a review. ``keys``: those of the holder that reach the model as long
    as the subscription is active, with those that the request named; the first 20 by name, ``key_count`` of all.
    """

    needs_approval: bool
    asked_at: datetime
    keys: list[KeyOfHolder]
    key_count: int


class QuotaOut(BaseModel):
    quota_requests: int | None
    quota_tokens: int | None
    used_requests: int
    used_tokens: int
    remaining_requests: int | None
    remaining_tokens: int | None
    utilisation: float | None
    reset_at: datetime


class OwnStats(BaseModel):
    """Numbers by status; ``total`` counts the hidden ones, too."""

    total: int
    by_status: dict[Status, int]


class QueueStats(BaseModel):
    """``total``: of the three."""

    pending: int
    approved_today: int
    denied_today: int
    total: int
    by_status: dict[Status, int]


class SubscriptionQuery(PageQuery):
    """Without ``statuses``, cancelled and inactive ones are left out."""

    statuses: list[Status] = []
    models: list[str] = []
    """Ids or names."""
    team_id: str | None = None
    search: Annotated[str, Field(max_length=256)] | None = None
    sort: Sort = "created_at"
    order: Literal["asc", "desc"] = "desc"


class QueueQuery(PageQuery):
    """Without ``statuses`` all but cancelled and inactive ones; the oldest change of status first."""

    statuses: list[Status] = []
    models: list[str] = []
    users: list[str] = []
    teams: list[str] = []
    changed_from: datetime | None = None
    changed_until: datetime | None = None
    asked_from: datetime | None = None
    asked_until: datetime | None = None
    search: Annotated[str, Field(max_length=256)] | None = None
    sort: Sort = "status_changed_at"
    order: Literal["asc", "desc"] = "asc"


class QueueExport(BaseModel):
    """The members of :class:`QueueQuery` but pages and order."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["csv", "json"] = "csv"
    statuses: list[Status] = []
    models: list[str] = []
    users: list[str] = []
    teams: list[str] = []
    changed_from: datetime | None = None
    changed_until: datetime | None = None
    asked_from: datetime | None = None
    asked_until: datetime | None = None
    search: Annotated[str, Field(max_length=256)] | None = None
