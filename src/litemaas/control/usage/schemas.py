"""How do usage records and figures look in the API?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from litemaas.control.usage.cells import GroupBy
from litemaas.control.usage.ranking import Sort
from litemaas.control.usage.spans import Grain
from litemaas.core.ledger import Status
from litemaas.core.sources import Source

Values = Annotated[list[Annotated[str, Field(max_length=1024)]], Field(max_length=200)]


class UsageQuery(BaseModel):
    """Each filter may be repeated: its values are alternatives, and all filters narrow one another; an empty value means
    "without one". ``since`` is in, ``until`` is out; ``key`` is a key's id. Units: microseconds, nano-USD.
    """

    model_config = ConfigDict(extra="forbid")

    key: Values = []
    user_id: Values = []
    team_id: Values = []
    model: Values = []
    deployment_id: Values = []
    provider: Values = []
    endpoint: Values = []
    status: Annotated[list[Status], Field(max_length=4)] = []
    error_code: Values = []
    end_user: Values = []
    tag: Values = []
    source: Annotated[list[Source], Field(max_length=2)] = []
    request_id: str | None = None
    min_duration_us: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = None
    min_cost_nano: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class RecordQuery(UsageQuery):
    limit: int = Field(50, ge=1, le=1000)
    cursor: str | None = None
    """The ``next_cursor`` of the page before."""


class SummaryQuery(UsageQuery):
    group_by: GroupBy = "model"
    sort: Sort | None = None
    """Spans of time come in their order if nothing else is asked for, other groups with the dearest first."""
    order: Literal["asc", "desc"] | None = None
    limit: int = Field(100, ge=1, le=1000)
    page: int = Field(1, ge=1, le=1_000_000)
    latency: bool = False


class OverviewQuery(UsageQuery):
    """The last 30 days, today included, if nothing else is asked for."""


class TrendQuery(UsageQuery):
    """The last 30 days, today included, if nothing else is asked for."""

    by: Grain = "day"
    group_by: GroupBy | None = None
    top: int = Field(8, ge=1, le=50)
    latency: bool = False


class OptionsQuery(UsageQuery):
    limit: int = Field(200, ge=1, le=1000)


class RecordOut(BaseModel):
    """Units: microseconds, nano-USD."""

    request_id: str
    started_at: datetime
    duration_us: int
    ttft_us: int | None
    endpoint: str
    stream: bool
    status: Status
    http_status: int
    error_code: str | None
    error_message: str | None
    key_hash: str
    key_alias: str | None
    user_id: str | None
    team_id: str | None
    end_user: str | None
    model: str
    deployment_id: str | None
    provider: str | None
    engine_model: str | None
    api_base: str | None
    engine_request_id: str | None
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    pages: int
    usage_source: str
    cost_nano: int
    input_cost_nano: int
    output_cost_nano: int
    price_version: int | None
    attempts: int
    client_ip: str | None
    user_agent: str | None
    tags: list[str]
    metadata: dict[str, Any]
    source: Source


class CursorPagination(BaseModel):
    limit: int
    next_cursor: str | None
    """null = this was the last page."""


class RecordPage(BaseModel):
    data: list[RecordOut]
    pagination: CursorPagination


class Sums(BaseModel):
    """``requests`` = successful + failed + cancelled; blocked ones were refused before a model was asked and are counted apart.

    ``total_tokens`` = ``prompt_tokens`` + ``completion_tokens``; the other token counts are parts of these two.
    ``estimated_requests``: those whose tokens the engine did not report.
    """

    requests: int
    successful_requests: int
    failed_requests: int
    cancelled_requests: int
    blocked_requests: int
    estimated_requests: int
    total_tokens: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    pages: int
    cost_nano: int
    input_cost_nano: int
    output_cost_nano: int


class Percentiles(BaseModel):
    """Milliseconds; of successful requests. null = there were none."""

    mean_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class Latency(BaseModel):
    duration: Percentiles
    ttft: Percentiles
    """Time to first token."""


class Figures(Sums):
    success_rate: float | None
    """Percent of ``requests``, two decimals; null = there were none."""
    latency: Latency | None = None
    """null = not asked for."""


class GroupFigures(Figures):
    group: str | None
    """null = those without one."""
    last_active_at: datetime | None


class Summary(BaseModel):
    group_by: GroupBy
    data: list[GroupFigures]
    rest: Figures | None
    """What the groups that are not on this page add up to, so that the parts always make the total."""
    total: Figures
    groups: int
    object: Literal["usage.summary"] = "usage.summary"


class Change(BaseModel):
    """From one period to the next. ``percentage_change``: two decimals, null when there is nothing to compare with."""

    metric: str
    current: float | int | None
    previous: float | int | None
    percentage_change: float | None
    direction: Literal["up", "down", "stable"]


class Period(BaseModel):
    since: datetime
    until: datetime
    complete: bool
    """false = calls of this period can still come."""


class OverviewFigures(Figures):
    active_users: int
    active_keys: int


class Overview(BaseModel):
    as_of: datetime
    period: Period
    comparison_period: Period
    current: OverviewFigures
    previous: OverviewFigures
    """The period before, of the same length."""
    changes: list[Change]


class TrendGroup(Figures):
    group: str | None
    """null = those without one."""
    is_rest: bool
    """true = all groups that are not among the dearest."""


class TrendPoint(Figures):
    at: datetime
    groups: list[TrendGroup] | None = None
    """null = not asked for."""


class Trend(BaseModel):
    as_of: datetime
    period: Period
    by: Grain
    group_by: GroupBy | None
    data: list[TrendPoint]
    """Every span of the period, those without calls too. The first and the last one may be cut off by the period."""


class Options(BaseModel):
    """What occurs in the period, most used first; the filters that are set narrow all lists."""

    keys: list[str]
    users: list[str]
    teams: list[str]
    models: list[str]
    deployments: list[str]
    providers: list[str]
    endpoints: list[str]
    error_codes: list[str]
