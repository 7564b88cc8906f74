"""How do usage records and sums look in the API?"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from litemaas.control.usage.repository import GroupBy
from litemaas.core.ledger import Status


class UsageQuery(BaseModel):
    """``since`` is in, ``until`` is out; ``key`` is a key's id."""

    model_config = ConfigDict(extra="forbid")

    key: str | None = None
    user_id: str | None = None
    model: str | None = None
    status: Status | None = None
    request_id: str | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class RecordQuery(UsageQuery):
    limit: int = Field(50, ge=1, le=1000)
    cursor: str | None = None
    """The ``next_cursor`` of the page before."""


class SummaryQuery(UsageQuery):
    group_by: GroupBy = "model"
    limit: int = Field(100, ge=1, le=1000)


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


class CursorPagination(BaseModel):
    limit: int
    next_cursor: str | None
    """null = this was the last page."""


class RecordPage(BaseModel):
    data: list[RecordOut]
    pagination: CursorPagination


class Sums(BaseModel):
    """``total_tokens`` = ``prompt_tokens`` + ``completion_tokens``; the other token counts are parts of these two."""

    requests: int
    successful_requests: int
    total_tokens: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    pages: int
    cost_nano: int


class GroupSums(Sums):
    group: str | None


class Summary(BaseModel):
    group_by: GroupBy
    data: list[GroupSums]
    rest: Sums | None
    """What the groups beyond ``limit`` add up to, so that the parts always make the total."""
    total: Sums
    object: Literal["usage.summary"] = "usage.summary"
