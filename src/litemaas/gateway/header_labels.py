"""What do the headers of a call say for its record? Tags, notes and the end user (gateway-api contract 1.5, 5.7).

Clients repeat their headers, and nearly all say nothing of this: a block that does not is noted as such and not looked at
again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from litemaas.core.answer_cache import HIT
from litemaas.core.errors import InvalidField
from litemaas.core.ledger import GUARDRAILS, TERMS
from litemaas.core.refusals import MEMBER
from litemaas.gateway.bodies import NOT_JSON

if TYPE_CHECKING:
    from litemaas.gateway.call import Ask
    from litemaas.gateway.http.messages import Request

NOTE: Final = "labels"
NOTHING: Final = "none"
MOST_TAGS: Final = 32
MOST_CHARACTERS: Final = 256
OURS: Final = (MEMBER, TERMS, HIT, GUARDRAILS, "units")
"""Members of a record's notes that the gateway writes; a client that sends them is not believed."""
_TAGS = b"x-litellm-tags"
_NOTES = b"x-litellm-spend-logs-metadata"
_CUSTOMERS = (b"x-litellm-customer-id", b"x-litellm-end-user-id")
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class HeaderLabels:
    """``user_header``: in which an installation's clients name the end user, besides the usual ones; empty = none."""

    def __init__(self, user_header: str = "") -> None:
        own = user_header.strip().lower().encode("latin-1", "replace")
        self._customers = (*_CUSTOMERS, own) if own else _CUSTOMERS
        self._names = frozenset((_TAGS, _NOTES, *self._customers))

    def add(self, request: Request, ask: Ask) -> None:
        """Adds to what the body says; the end user of a header goes before the body's.

        Errors: InvalidField naming the header.
        """
        headers = request.headers
        if self._names.isdisjoint(headers):
            request.notes[NOTE] = NOTHING
            return
        tags = [tag.strip()[:MOST_CHARACTERS] for tag in _text(headers.get(_TAGS, b"")).split(",")]
        tags = [tag for tag in tags if tag]
        if tags:
            ask.tags = [*(ask.tags or ()), *tags][:MOST_TAGS]
        if _NOTES in headers:
            ask.spend_metadata = (ask.spend_metadata or {}) | clients_own(_notes(headers[_NOTES]))
        named = (_text(headers[name]).strip() for name in self._customers if name in headers)
        customer = next((name for name in named if name), None)
        if customer is not None:
            ask.end_user = customer


def clients_own(notes: dict[str, Any]) -> dict[str, Any]:
    """What a client may leave in the notes of its record."""
    return {name: value for name, value in notes.items() if name not in OURS}


def _notes(value: bytes) -> dict[str, Any]:
    try:
        return _decode(value)
    except NOT_JSON:
        name = _NOTES.decode()
        raise InvalidField(f"the header {name} must be a JSON object", name) from None


def _text(value: bytes) -> str:
    """Most write UTF-8; what is none is read byte by byte."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
