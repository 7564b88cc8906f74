"""How do analytics look in the API? Money in nano-USD, latencies in milliseconds, rates in percent."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from litemaas.control.usage.ranking import Sort
from litemaas.control.usage.schemas import Change, Figures, Latency, Percentiles, Values

Dimension = Literal[
    "user", "model", "provider", "key", "team", "cost_centre", "workshop", "deployment", "endpoint", "day", "status", "error"
]  # fmt: skip
Scope = Annotated[str, Field(max_length=300, examples=["me", "team:platform", "all"])]


class ScopedQuery(BaseModel):
    """Filters of one kind are alternatives, kinds narrow one another. Dates are inclusive; without them the last 30 days."""

    model_config = ConfigDict(extra="forbid")

    scope: Scope = "me"
    start_date: date | None = None
    end_date: date | None = None
    users: Values = []
    teams: Values = []
    models: Values = []
    providers: Values = []
    keys: Values = []
    deployments: Values = []
    endpoints: Values = []
    cost_centres: Values = []
    """As they were at the moment of each call; an empty value means calls without one."""
    workshops: Values = []
    """By the id of the pot that a workshop's keys pay from."""
    tags: Values = []


class AnalyticsQuery(ScopedQuery):
    top_n: int = Field(10, ge=1, le=50)


class SeriesQuery(ScopedQuery):
    by: Literal["hour", "day", "week", "month"] = "day"
    group_by: Dimension | None = None
    top_n: int = Field(8, ge=1, le=50)
    latency: bool = False


class BreakdownQuery(ScopedQuery):
    sort: Sort = "total_tokens"
    order: Literal["asc", "desc"] = "desc"
    page: int = Field(1, ge=1, le=1_000_000)
    limit: int = Field(50, ge=1, le=200)
    latency: bool = False


class ExportQuery(ScopedQuery):
    breakdown: Dimension = "day"
    format: Literal["csv", "json"] = "csv"


class DayRange(BaseModel):
    """``complete``: false while calls can still be added."""

    start_date: date
    end_date: date
    days: int
    complete: bool


class Requests(BaseModel):
    """``total`` = successful + failed + cancelled; blocked ones never reached a model."""

    total: int
    successful: int
    failed: int
    cancelled: int
    blocked: int


class Tokens(BaseModel):
    total: int
    prompt: int
    completion: int


class Cost(BaseModel):
    """Each list adds up to ``total_nano``. ``by_user`` and ``by_team``: null in one's own scope."""

    total_nano: int
    by_model: dict[str, int]
    by_provider: dict[str, int]
    by_user: dict[str, int] | None
    by_team: dict[str, int] | None


class Named(Figures):
    """``id`` null: calls without one; ``name``: how people call it."""

    id: str | None
    name: str | None
    last_active_at: datetime | None


class Day(BaseModel):
    date: date
    requests: int
    successful: int
    failed: int
    cancelled: int
    blocked: int
    total_tokens: int
    prompt_tokens: int
    completion_tokens: int
    cost_nano: int
    success_rate: float | None
    latency: Latency | None = None


class DayModel(BaseModel):
    """``model`` null with ``is_rest``: all models that are not among the dearest."""

    date: date
    model: str | None
    is_rest: bool
    requests: int
    total_tokens: int
    prompt_tokens: int
    completion_tokens: int
    cost_nano: int


class Analytics(BaseModel):
    """``total_users``, ``top_users``: null in one's own scope."""

    as_of: datetime
    period: DayRange
    comparison_period: DayRange
    total_users: int | None
    active_users: int | None
    active_keys: int
    requests: Requests
    tokens: Tokens
    cost: Cost
    success_rate: float | None
    latency: Percentiles | None
    ttft: Percentiles | None
    trends: list[Change]
    daily: list[Day]
    daily_models: list[DayModel]
    top_models: list[Named]
    top_users: list[Named] | None
    top_keys: list[Named]


class Series(BaseModel):
    as_of: datetime
    period: DayRange
    data: list[SeriesPoint]


class SeriesGroup(Figures):
    id: str | None
    name: str | None
    is_rest: bool


class SeriesPoint(Figures):
    at: datetime
    groups: list[SeriesGroup] | None = None


class Breakdown(BaseModel):
    """``rest``: what is not on this page; data and rest add up to ``total``."""

    as_of: datetime
    period: DayRange
    dimension: Dimension
    data: list[Named]
    rest: Figures | None
    total: Figures
    groups: int


class HeatCell(BaseModel):
    """``weekday`` 0 = Monday; ``hour`` of the installation's time zone."""

    weekday: int
    hour: int
    requests: int
    total_tokens: int
    cost_nano: int


class HeatMap(BaseModel):
    """All 168 cells."""

    as_of: datetime
    period: DayRange
    data: list[HeatCell]


class Option(BaseModel):
    id: str
    name: str


class FilterOptions(BaseModel):
    """What occurs in range and scope, deleted things included, most used first; no people in one's own scope."""

    models: list[Option]
    providers: list[Option]
    keys: list[Option]
    users: list[Option]
    teams: list[Option]
    deployments: list[Option]
    endpoints: list[Option]
    cost_centres: list[Option]
    workshops: list[Option]


class BudgetCard(BaseModel):
    """``limit_nano`` null = none; ``resets_at`` null = never."""

    kind: Literal["user", "team"]
    id: str
    name: str
    limit_nano: int | None
    duration: str | None
    spent_nano: int
    remaining_nano: int | None
    utilisation: float | None
    """Percent, two decimals."""
    resets_at: datetime | None


class BudgetCards(BaseModel):
    data: list[BudgetCard]


Series.model_rebuild()
