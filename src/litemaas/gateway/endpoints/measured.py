"""What is read of a whole answer? Its usage and the engine's own name for the call; what stands between is not looked at.

A long answer usually begins with its id and ends with its usage, so that only its ends are looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from litemaas.core.errors import UpstreamGarbage
from litemaas.gateway.bodies import NOT_JSON
from litemaas.gateway.replies import Identified, Measured

if TYPE_CHECKING:
    from litemaas.core.engine_usage import EngineUsage

_measured: Final = msgspec.json.Decoder(Measured)
_identified: Final = msgspec.json.Decoder(Identified)
_ID: Final = b'{"id":"'
_LONG: Final = 2048
"""Bytes from which on it pays to look at the ends alone."""


def id_and_usage(body: bytes) -> tuple[str | None, EngineUsage | None]:
    """Either is None where it is missing or cannot be read: then somebody else has to count.

    Errors: UpstreamGarbage when it is no JSON object at all.
    """
    if len(body) > _LONG and body.startswith(_ID):
        name = body[len(_ID) : body.find(b'"', len(_ID))]
        usage = _usage_at_the_end(body)
        if usage is not None and name.isascii() and b"\\" not in name:
            return name.decode(), usage
    try:
        measured = _measured.decode(body)
    except NOT_JSON:
        try:
            measured = Measured(id=_identified.decode(body).id)
        except NOT_JSON:
            raise UpstreamGarbage("the model server's answer is not the JSON that was expected") from None
    return measured.id if isinstance(measured.id, str) else None, measured.usage


def _usage_at_the_end(body: bytes) -> EngineUsage | None:
    """A quote inside a JSON text is always escaped, so what is found is a member; and the answer's own, not one of something
    within it, if it and what follows complete an object that has nothing else before them.
    """
    at = body.rfind(b'"usage"')
    if at < 0:
        return None
    try:
        return _measured.decode(b"{" + body[at:]).usage
    except NOT_JSON:
        return None
