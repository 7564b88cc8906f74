"""How do budgets and their state look in the API? Money in nano-USD."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from litemaas.control.budgets.drafts import BudgetKind, SpendKind
from litemaas.control.http.shapes import Body, Nano, PageQuery
from litemaas.control.keys.schemas import BigLimit, Limit


class BudgetIn(Body):
    """All of the budget; what is absent or null is not limited. ``soft_budget_nano`` tells somebody and refuses nobody."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"max_budget_nano": 50_000_000_000, "budget_duration": "monthly", "rpm_limit": 600}
        }
    )

    max_budget_nano: Nano | None = None
    soft_budget_nano: Nano | None = None
    budget_duration: str | None = None
    rpm_limit: Limit | None = None
    tpm_limit: BigLimit | None = None
    max_parallel_requests: Limit | None = None


class BudgetOut(BaseModel):
    kind: BudgetKind
    id: str
    """Of the user, team, customer, pot or organization, or the tag.

    ``*`` = every customer without a budget of its own, ``all`` = the installation.
    """
    max_budget_nano: int | None
    soft_budget_nano: int | None
    budget_duration: str | None
    budget_reset_at: datetime | None
    spent_nano: int
    """In the current window, or in all without one."""
    rpm_limit: int | None
    tpm_limit: int | None
    max_parallel_requests: int | None
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str


class BudgetQuery(PageQuery):
    kind: BudgetKind | None = None
    id: str | None = None
    search: str | None = None


class EventOut(BaseModel):
    scope: str
    window_start: datetime
    kind: Literal["soft", "near_limit"]
    threshold_nano: int
    settled_nano: int
    at: datetime


class EventQuery(PageQuery):
    kind: SpendKind | None = None


class LeaseOut(BaseModel):
    worker_id: str
    state: Literal["live", "silent", "lost"]
    """``lost``: it has been silent for too long; what is left of its lease may have been spent, and nobody can use it."""
    heartbeat_age_s: float | None
    leased_nano: int
    free_nano: int
    """Of that, neither held nor spent when the worker last told."""


class WindowOut(BaseModel):
    scope: str
    window_start: datetime
    window_end: datetime | None
    """Null for windows that have ended or never end."""
    is_current: bool
    limit_nano: int | None
    settled_nano: int
    leased_nano: int
    requests: int
    leases: list[LeaseOut]
    events: list[EventOut]


class StateOut(BaseModel):
    kind: SpendKind
    id: str
    windows: list[WindowOut]
    """The newest first; at most 100."""


class Released(BaseModel):
    released_nano: int
