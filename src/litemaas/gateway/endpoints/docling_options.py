"""What do the options of a conversion say? The older spellings are brought to the engine's, and addresses in them are found.

Source: Docling Serve 1.x, ``docs/usage.md`` and ``docs/v1_migration.md``, read 2026-11.
"""

from __future__ import annotations

import json
import re
from typing import Any

from litemaas.core.errors import InvalidField

TARGETS = ("inbody", "zip")
DEFAULT_FORMAT = "md"
_MAX_DEPTH = 32
_FORMATS = {"markdown": "md"}
_ADDRESS = re.compile(r"^(?:https?|ftps?|wss?|s3a?|gs|file):|://", re.IGNORECASE)
_ADDRESS_NAME = re.compile(
    r"(?:^|_)(?:ur[ils]|urls|uris|endpoints?|callbacks?|webhooks?|api_base|hosts?|prox(?:y|ies))$", re.IGNORECASE
)
_IGNORED_BY_PARSERS = re.compile(r"^[\x00-\x20]+|[\t\r\n]")
"""What URL parsers leave out before they read (WHATWG URL standard, 4.4, 2026-11)."""


class _Pairs(list[tuple[str, Any]]):
    """The members of an object, with those that stand twice: which of them a parser takes is not ours to guess."""


def refuse_addresses(place: str, raw: bytes) -> None:
    """Lets no member pass that would send the model server somewhere. ``raw``: JSON.

    Errors: InvalidField.
    """
    try:
        value = json.loads(raw.decode(), object_pairs_hook=_Pairs, strict=False)
        _refuse_member(place.rpartition(".")[2], place, value)
    except (ValueError, RecursionError):
        raise InvalidField(f"{place} is not valid JSON", place) from None


def refuse_addresses_in_text(place: str, text: str) -> None:
    """The same for a form field, which may hold JSON.

    Errors: InvalidField.
    """
    try:
        value = json.loads(text, object_pairs_hook=_Pairs, strict=False)
    except json.JSONDecodeError:
        value = text
    except (ValueError, RecursionError):
        raise InvalidField(f"{place} is not valid JSON", place) from None
    _refuse_member(place.rpartition(".")[2], place, text if isinstance(value, int | float) else value)


def _refuse_member(name: str, place: str, value: Any, depth: int = 0) -> None:
    if depth > _MAX_DEPTH:
        raise InvalidField(f"{place[:256]} is nested too deeply", place[:256])
    if (_ADDRESS_NAME.search(name) and value not in (None, "", [], False)) or _is_address(name):
        raise _not_allowed(place)
    if isinstance(value, str):
        if _is_address(value):
            raise _not_allowed(place)
    elif isinstance(value, _Pairs):
        for member, part in value:
            _refuse_member(member, f"{place}.{member[:64]}", part, depth + 1)
    elif isinstance(value, list):
        for part in value:
            _refuse_member("", place, part, depth + 1)


def _is_address(text: str) -> bool:
    return bool(_ADDRESS.search(_IGNORED_BY_PARSERS.sub("", text)))


def _not_allowed(place: str) -> InvalidField:
    return InvalidField(
        f"{place[:256]} is not accepted: a conversion may not be sent to addresses of its own", place[:256]
    )


def target_of(kind: str | None, place: str) -> str:
    """Where the result goes.

    Errors: InvalidField.
    """
    if kind not in (None, *TARGETS):
        raise InvalidField(f"{place} can be {' or '.join(TARGETS)} here", place)
    return kind or TARGETS[0]


def format_of(older: str) -> str:
    """The engine's word for an output format."""
    return _FORMATS.get(older, older)


def pages_in_range(page_range: object, ceiling: int) -> int:
    """The most pages of a document that can be converted.

    ``page_range``: the option as the client sent it; what the engine will refuse bounds nothing.
    """
    if isinstance(page_range, list) and len(page_range) == 2:
        first, last = page_range
        if type(first) is int and type(last) is int and 1 <= first <= last:
            return min(ceiling, last - first + 1)
    return ceiling
