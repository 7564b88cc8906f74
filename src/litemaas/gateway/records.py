"""How is a usage record written? As one line of PostgreSQL's COPY text format, in the order of ``JOURNAL_COLUMNS``.

The parts that repeat stand together, so that they are rendered once: who asked (per lane) and what served (per deployment).
Source of the format: PostgreSQL 16 documentation, COPY, "Text Format".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from litemaas.core.ledger import Booking

if TYPE_CHECKING:
    from litemaas.core.pricing import Cost
    from litemaas.core.usage import Usage

JOURNAL_COLUMNS = (
    ("request_id", "text"), ("started_at", "timestamptz"), ("duration_us", "bigint"), ("ttft_us", "bigint"),
    ("stream", "boolean"), ("status", "text"), ("http_status", "smallint"), ("error_code", "text"), ("error_message", "text"),
    ("end_user", "text"), ("engine_request_id", "text"), ("prompt_tokens", "int"), ("completion_tokens", "int"),
    ("cached_tokens", "int"), ("cache_write_tokens", "int"), ("reasoning_tokens", "int"), ("pages", "int"),
    ("usage_source", "text"), ("cost_nano", "bigint"), ("input_cost_nano", "bigint"), ("output_cost_nano", "bigint"),
    ("attempts", "int"), ("client_ip", "text"), ("user_agent", "text"), ("tags", "jsonb"), ("metadata", "jsonb"),
    ("held_nano", "bigint"),
    # who asked
    ("endpoint", "text"), ("key_hash", "text"), ("key_alias", "text"), ("user_id", "text"), ("team_id", "text"),
    ("model", "text"),
    # what served
    ("deployment_id", "text"), ("provider", "text"), ("engine_model", "text"), ("api_base", "text"),
    ("price_version", "bigint"),
    # where it is booked, and the journal's own checksum
    ("bookings", "jsonb"), ("checksum", "text"),
)  # fmt: skip
"""Name and PostgreSQL type of each column."""

NULL: Final = "\\N"
NOTHING_SERVED: Final = "\t".join([NULL] * 5)
NOT_BOOKED: Final = "[]"
NO_LABELS: Final = "[]\t{}"
"""No tags and no notes."""
_MAX_JSON: Final = 65_536
_LEFT_OUT = '{"left_out":"it was larger than 65536 bytes"}'
_JSON_ESCAPE = re.compile(r"\\(u0000|.)")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": ""})
_encode = msgspec.json.Encoder().encode


def text(value: str | None) -> str:
    """A text column."""
    if value is None:
        return NULL
    if value.isprintable() and "\\" not in value:  # nearly always; nothing that is escaped is printable
        return value
    return value.translate(_ESCAPES)


def json_text(value: list[str] | dict[str, object]) -> str:
    """A JSON column. PostgreSQL refuses NUL in JSON, even escaped; what a client made very large is left out."""
    written = _encode(value).decode()
    if "\\u0000" in written:  # perhaps a NUL, perhaps a backslash and then these letters
        written = _JSON_ESCAPE.sub(lambda escape: "" if escape[1] == "u0000" else escape[0], written)
    if len(written) > _MAX_JSON:
        written = _LEFT_OUT if isinstance(value, dict) else "[]"
    return written.translate(_ESCAPES)


def labels_text(tags: Sequence[str], notes: dict[str, object] | None = None) -> str:
    """The columns of tags and notes."""
    return f"{json_text(list(dict.fromkeys(tags)))}\t{json_text(notes or {})}"


def who_text(route: str, key_hash: str, alias: str | None, user: str | None, team: str | None, model: str) -> str:
    return "\t".join((route, key_hash, text(alias), text(user), text(team), text(model)))


def served_text(deployment_id: str, provider: str, engine_model: str, api_base: str, price_version: int) -> str:
    return "\t".join((text(deployment_id), text(provider), text(engine_model), text(api_base), str(price_version)))


def bookings_text(bookings: Sequence[tuple[str, datetime]]) -> str:
    return _encode([Booking(scope, start) for scope, start in bookings]).decode().translate(_ESCAPES)


@lru_cache(maxsize=1024)
def agent_text(header: bytes | None) -> str:
    """The user agent's column; few agents make most of the calls."""
    return NULL if header is None else text(header[:256].decode("latin-1"))


def record_line(
    call_id: str, instant: str, duration_us: int, ttft: str, how: str, end_user: str, engine_id: str, usage: Usage, cost: Cost,
    attempts: int, client_ip: str, agent: str, labels: str, held: int, tail: str,
) -> str:  # fmt: skip
    """A record's columns in the order of ``JOURNAL_COLUMNS``, without the checksum.

    ``how``: stream, status, HTTP status, error code and message. ``tail``: who asked, what served, where it is booked.
    """
    return (
        f"{call_id}\t{instant}\t{duration_us}\t{ttft}\t{how}\t{end_user}\t{engine_id}"
        f"\t{usage.prompt_tokens}\t{usage.completion_tokens}\t{usage.cached_tokens}\t{usage.cache_write_tokens}"
        f"\t{usage.reasoning_tokens}\t{usage.pages}\t{usage.source._value_}\t{cost.total}\t{cost.input}\t{cost.output}"
        f"\t{attempts}\t{client_ip}\t{agent}\t{labels}\t{held}\t{tail}"
    )


class InstantText:
    """Writes instants; the part that changes once a second is kept."""

    __slots__ = ("_second", "_text")

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def __call__(self, at: float) -> str:
        second = int(at)
        if second != self._second:
            self._second = second
            self._text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S.")
        micros = str(
            1_000_000 + int((at - second) * 1_000_000)
        )  # with a one in front, so that all six digits are there
        return f"{self._text}{micros[1:]}+00"
