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

from litemaas.core.digits import digits, three_digits
from litemaas.core.ledger import Booking
from litemaas.core.usage import UsageSource

if TYPE_CHECKING:
    from litemaas.core.pricing import Cost
    from litemaas.core.usage import Usage

JOURNAL_COLUMNS = (
    # what is known before an engine is asked
    ("request_id", "text"), ("started_at", "timestamptz"), ("stream", "boolean"), ("end_user", "text"), ("attempts", "int"),
    ("client_ip", "text"), ("user_agent", "text"),
    # how it ended
    ("held_nano", "bigint"), ("duration_us", "bigint"), ("ttft_us", "bigint"), ("status", "text"), ("http_status", "smallint"),
    ("error_code", "text"), ("error_message", "text"), ("engine_request_id", "text"),
    ("prompt_tokens", "int"), ("completion_tokens", "int"), ("cached_tokens", "int"), ("cache_write_tokens", "int"),
    ("reasoning_tokens", "int"), ("pages", "int"), ("usage_source", "text"),
    ("cost_nano", "bigint"), ("input_cost_nano", "bigint"), ("output_cost_nano", "bigint"),
    ("tags", "jsonb"), ("metadata", "jsonb"),
    # who asked; the endpoint is led by a source that is not the API (:mod:`~litemaas.gateway.sources`)
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
SERVED_WELL: Final = f"success\t200\t{NULL}\t{NULL}"
"""The outcome of nearly every call."""
_USUAL_PARTS: Final = f"\t0\t0\t0\t0\t{UsageSource.ENGINE.value}\t"
"""What follows prompt and completion where the engine counted, and nothing but these."""
_ENGINE: Final = UsageSource.ENGINE
_MAX_JSON: Final = 65_536
_LEFT_OUT = '{"left_out":"it was larger than 65536 bytes"}'
_JSON_ESCAPE = re.compile(r"\\(u0000|.)")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": ""})
_encode = msgspec.json.Encoder().encode


def text(value: str | None) -> str:
    """A text column."""
    if value is None:
        return NULL
    # One by one, which is quick; nearly always none of them is there.
    if "\\" in value or "\t" in value or "\n" in value or "\r" in value or "\0" in value:
        return value.translate(_ESCAPES)
    return value


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


def begun_text(
    call_id: str, instant: str, stream: bool, end_user: str, attempts: int, client_ip: str, agent: str
) -> str:
    """The columns that are known before an engine is asked; each text as the journal writes it."""
    return f"{call_id}\t{instant}\t{'t' if stream else 'f'}\t{end_user}\t{digits(attempts)}\t{client_ip}\t{agent}"


def record_line(
    begun: str, held: int, duration_us: int, ttft: str, outcome: str, engine_id: str, usage: Usage, cost: Cost, labels: str,
    tail: str,
) -> str:  # fmt: skip
    """A record's columns in the order of ``JOURNAL_COLUMNS``, without the checksum.

    ``begun``: :func:`begun_text`. ``outcome``: status, HTTP status, error code and message. ``tail``: who asked, what served,
    where it is booked.
    """
    return (
        f"{begun}\t{held}\t{duration_us}\t{ttft}\t{outcome}\t{engine_id}"
        f"\t{digits(usage.prompt_tokens)}\t{digits(usage.completion_tokens)}{_parts_of(usage)}"
        f"{cost.total}\t{cost.input}\t{cost.output}\t{labels}\t{tail}"
    )


def _parts_of(usage: Usage) -> str:
    """The columns between the tokens and the cost, with a tab at either end."""
    special = usage.cached_tokens or usage.cache_write_tokens or usage.reasoning_tokens or usage.pages
    if not special and usage.source is _ENGINE:
        return _USUAL_PARTS
    return (
        f"\t{usage.cached_tokens}\t{usage.cache_write_tokens}\t{usage.reasoning_tokens}\t{usage.pages}"
        f"\t{usage.source.value}\t"
    )


class InstantText:
    """Writes instants; the part that changes once a second is kept."""

    __slots__ = ("_second", "_text")

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def of(self, at: float) -> str:
        """Units: seconds since 1970."""
        second = int(at)
        if second != self._second:
            self._second = second
            self._text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S.")
        micros = int((at - second) * 1_000_000)
        return f"{self._text}{three_digits(micros // 1000)}{three_digits(micros)}+00"
