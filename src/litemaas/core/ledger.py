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


TERMS = "price_terms"
"""Member of a record's notes: what the call would have cost at the catalogue's price, where another was charged."""
GUARDRAILS = "applied_guardrails"
"""Member of a record's notes: the names of the guardrails that its texts were looked at for."""


class Booking(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a record's cost is added: one budget scope in one window."""

    scope: str
    window_start: datetime


COLUMNS = (
    "request_id", "started_at", "duration_us", "ttft_us", "endpoint", "stream", "status", "http_status", "error_code",
    "error_message", "key_hash", "key_alias", "user_id", "team_id", "end_user", "model", "deployment_id", "provider",
    "engine_model", "api_base", "engine_request_id", "prompt_tokens", "completion_tokens", "cached_tokens",
    "cache_write_tokens", "reasoning_tokens", "pages", "usage_source", "cost_nano", "input_cost_nano", "output_cost_nano",
    "price_version", "attempts", "client_ip", "user_agent", "tags", "metadata", "source",
)  # fmt: skip
"""The columns of ``usage_records``. Units: microseconds for durations, nano-USD for money; ``model`` is the public name,
``api_base`` holds no query and no credentials, ``source`` is a :class:`~litemaas.core.sources.Source`."""
