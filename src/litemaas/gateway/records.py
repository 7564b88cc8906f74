"""How is a usage record written? As one line of PostgreSQL's COPY text format, in the order of ``core.ledger.UsageRecord``."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from litemaas.core.ledger import Booking, UsageRecord

NULL = "\\N"
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": ""})
_encode = msgspec.json.Encoder().encode


def copy_line(record: UsageRecord) -> str:
    """All columns but the checksum; ``tags``, ``metadata`` and ``bookings`` as JSON.

    Source: PostgreSQL 16 documentation, COPY, "Text Format".
    """
    r = record
    return "\t".join((
        r.request_id, r.started_at.isoformat(), str(r.duration_us), _number(r.ttft_us), r.endpoint, "t" if r.stream else "f",
        r.status, str(r.http_status), text(r.error_code), text(r.error_message), text(r.key_hash), text(r.key_alias),
        text(r.user_id), text(r.team_id), text(r.end_user), text(r.model), text(r.deployment_id), text(r.provider),
        text(r.engine_model), text(r.api_base), text(r.engine_request_id), str(r.prompt_tokens), str(r.completion_tokens),
        str(r.cached_tokens), str(r.cache_write_tokens), str(r.reasoning_tokens), str(r.pages), r.usage_source,
        str(r.cost_nano), str(r.input_cost_nano), str(r.output_cost_nano), _number(r.price_version), str(r.attempts),
        text(r.client_ip), text(r.user_agent), _json(r.tags), _json(r.metadata), _bookings(tuple(r.bookings)),
    ))  # fmt: skip


def text(value: str | None) -> str:
    if value is None:
        return NULL
    return value if value.isalnum() else value.translate(_ESCAPES)


def _number(value: int | None) -> str:
    return NULL if value is None else str(value)


def _json(value: list[str] | dict[str, object]) -> str:
    if not value:
        return "[]" if isinstance(value, list) else "{}"
    # NUL is escaped in JSON, and jsonb refuses it all the same.
    return _encode(value).decode().replace("\\u0000", "").translate(_ESCAPES)


@lru_cache(maxsize=4096)
def _bookings(bookings: tuple[Booking, ...]) -> str:
    return _encode(bookings).decode().translate(_ESCAPES)
