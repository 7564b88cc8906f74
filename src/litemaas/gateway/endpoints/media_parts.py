"""How many pictures and sounds do messages hold? Their tokens are not in the bytes, so each is held for apart.

Most messages hold none, and that must cost next to nothing to see. Names may be spelled with escapes: ``\\u005f`` is an
underscore to every engine, so messages with such letters are read as the engine reads them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from litemaas.core.errors import InvalidField
from litemaas.gateway.bodies import NOT_JSON

_NAMES = frozenset({"image_url", "input_audio", "video_url", "audio_url"})
_WRITTEN = tuple(b'"%b"' % name.encode() for name in sorted(_NAMES))


def media_parts_of(messages: bytes) -> int:
    """Messages are JSON. Errors: InvalidField."""
    # not ``in``: that first tries whether the bytes are a number
    if messages.find(b"\\") >= 0 and messages.find(b"\\u00") >= 0:
        return _named_in(_read(messages))
    if messages.find(b"_") < 0:
        return 0
    return sum(messages.count(name) for name in _WRITTEN)


def _read(messages: bytes) -> Any:
    try:
        return msgspec.json.decode(messages)
    except NOT_JSON:
        raise InvalidField("messages is not valid JSON", "messages") from None


def _named_in(value: Any) -> int:
    if isinstance(value, dict):
        return sum((name in _NAMES) + _named_in(inner) for name, inner in value.items())
    return sum(_named_in(inner) for inner in value) if isinstance(value, list) else 0
