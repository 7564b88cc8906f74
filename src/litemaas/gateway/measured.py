"""What is read of a whole answer? Its usage and the engine's own name for the call; what stands between is not looked at.

An answer usually begins with its id and ends with its usage, and an engine's answers are much alike: where something stood
last is looked first.
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
_ID_AT: Final = len(_ID)
_USAGE: Final = b'"usage":'


class AnswerReader:
    """Reads the answers of one engine. ``_id_stop``: where the last id ended; ``_usage_at``: where its usage began, from the
    answer's end.
    """

    __slots__ = ("_id_stop", "_usage_at")

    def __init__(self) -> None:
        self._id_stop = 0
        self._usage_at = 0

    def id_and_usage(self, body: bytes) -> tuple[str | None, EngineUsage | None]:
        """Either is None where it is missing or cannot be read: then somebody else has to count.

        Errors: UpstreamGarbage when it is no JSON object at all.
        """
        name = self._id_at_the_beginning(body)
        if name is not None:
            usage = self._usage_at_the_end(body)
            if usage is not None:
                return name, usage
        try:
            measured = _measured.decode(body)
        except NOT_JSON:
            try:
                measured = Measured(id=_identified.decode(body).id)
            except NOT_JSON:
                raise UpstreamGarbage("the model server's answer is not the JSON that was expected") from None
        return measured.id if isinstance(measured.id, str) else None, measured.usage

    def _id_at_the_beginning(self, body: bytes) -> str | None:
        """None where it has to be looked for, or is spelled with escapes."""
        if body[:_ID_AT] != _ID:
            return None
        stop = self._id_stop
        if body[stop : stop + 1] != b'"':
            stop = self._id_stop = body.find(b'"', _ID_AT)
            if stop < 0:
                return None
        written = body[_ID_AT:stop]
        if not written.isascii():
            return None
        name = written.decode()
        return None if "\\" in name or '"' in name else name

    def _usage_at_the_end(self, body: bytes) -> EngineUsage | None:
        """A quote inside a JSON text is always escaped, so what is found is a member; and the answer's own, not one of
        something within it, if it and what follows complete an object that has nothing else before them.
        """
        at = len(body) - self._usage_at
        if at < 0 or body[at : at + len(_USAGE)] != _USAGE:
            at = body.rfind(_USAGE)
            if at < 0:
                return None
            self._usage_at = len(body) - at
        try:
            return _measured.decode(b"{%b" % body[at:]).usage
        except NOT_JSON:
            return None
