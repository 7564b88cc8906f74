"""Which pages may a browser call from? From any, unless the installation names the origins of its portals.

What a page may do is up to the key that it sends: cookies are never looked at here, so "any" gives nothing away. Origins are
compared as they are, without patterns: `https://portal.example.com` is neither its subdomains nor its other ports.
Source of the headers: Fetch standard, "CORS protocol", 2026-11; gateway-api contract 1.4.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from litemaas.kit.settings import SettingsError

if TYPE_CHECKING:
    from litemaas.gateway.http.messages import Request, Response

ANY = "*"
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(?::\d{1,5})?|https?://\[[0-9a-f:.]+\](?::\d{1,5})?")
_EXPOSED = "access-control-expose-headers: *\r\n"
_ANYBODY = f"access-control-allow-origin: *\r\n{_EXPOSED}"
_NOBODY = "vary: origin\r\n"
_ASKED = b"access-control-allow-methods: GET, POST, DELETE, PATCH, PUT, OPTIONS\r\naccess-control-max-age: 600\r\n"
_NOTE = "origin"


class Origins:
    """``lines_for_all``: header lines that every answer has; None = they depend on who asks (:meth:`lines`)."""

    def __init__(self, allowed: str) -> None:
        """``allowed``: origins with commas between them, or ``*``.

        Errors: SettingsError.
        """
        names = [name.strip() for name in allowed.split(",") if name.strip()]
        for name in names:
            if name != ANY and not _ORIGIN.fullmatch(name):
                raise SettingsError(
                    f"LITEMAAS_GATEWAY__CORS_ORIGINS: {name!r} is not an origin like https://portal.example.com, nor *"
                )
        self._allowed = frozenset(name.encode() for name in names)
        self.lines_for_all = _ANYBODY if ANY in names else None

    def lines(self, request: Request) -> str:
        """The header lines of an answer to this request."""
        if self.lines_for_all is not None:
            return self.lines_for_all
        known = request.notes.get(_NOTE)
        if known is None:
            origin = request.headers.get(b"origin")
            known = _NOBODY
            if origin is not None and origin in self._allowed:
                known = f"access-control-allow-origin: {origin.decode()}\r\n{_EXPOSED}{_NOBODY}"
            request.notes[_NOTE] = known
        return known

    def preflight(self, request: Request, response: Response) -> None:
        """Browsers ask before they call, without a key: whatever headers they name may be sent."""
        lines = self.lines(request).encode()
        if lines != _NOBODY.encode():
            wanted = request.headers.get(b"access-control-request-headers", b"authorization, content-type")
            lines += _ASKED + b"access-control-allow-headers: %b\r\n" % wanted
        response.send(200, lines, b"")
