"""Does a call come from the playground? Only the control plane's sealed word counts; whatever else is said is the API's.

The source is written ahead of the endpoint in a record's line, and only where it is not the API: lines, running calls and
conversions of other versions can so be read, by this one and by those.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING, Final

from litemaas.core.sources import HEADER, Source, seal_purpose
from litemaas.kit.crypto import SealBroken

if TYPE_CHECKING:
    from litemaas.gateway.http.messages import Request
    from litemaas.kit.crypto import Vault

NOTE: Final = "source"
"""Stands among the notes of a header block that comes from elsewhere than the API."""
BETWEEN: Final = " "
"""Between source and endpoint; no endpoint begins with a source."""
_HEADER: Final = HEADER.encode()
_MOST: Final = 256


class Sources:
    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def note(self, request: Request, secret_hash: str) -> None:
        """Notes where requests under this header block come from, if that is not the API."""
        sealed = request.headers.get(_HEADER)
        if sealed is not None and len(sealed) <= _MOST and self._opened(sealed, secret_hash) == Source.PLAYGROUND:
            request.notes[NOTE] = Source.PLAYGROUND.value

    def _opened(self, sealed: bytes, secret_hash: str) -> str | None:
        try:
            return self._vault.open(urlsafe_b64decode(sealed), seal_purpose(secret_hash))
        except (SealBroken, binascii.Error):
            return None
