"""What does the ledger keep of a call? Exactly one usage record, append-only, money in whole nano-USD."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class Status(StrEnum):
    """How a call ended: served, refused by us before any upstream was called, failed upstream, or left by its client."""

    SUCCESS = "success"
    REFUSED = "refused"
    FAILURE = "failure"
    CANCELLED = "cancelled"


class Booking(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a record's cost is added: one budget scope in one window."""

    scope: str
    window_start: datetime


class UsageRecord(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """One call as the ledger keeps it; the field order is the journal's format and the columns of ``usage_records``.

    Units: microseconds for durations, nano-USD for money. ``api_base`` holds no query and no credentials.
    """

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
    metadata: dict[str, object]
    bookings: list[Booking]
    """Not a column: the budget windows that the cost settles on."""


COLUMNS = tuple(field for field in UsageRecord.__struct_fields__ if field != "bookings")
"""The columns of ``usage_records`` in the record's order."""
