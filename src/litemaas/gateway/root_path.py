"""Under which path may the gateway be reached besides its own? LiteLLM's ``SERVER_ROOT_PATH``: a prefix of all paths.

For an ingress that hands requests on with the prefix by which it chose them. Where none is set, nothing of this stands in a
request's way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from litemaas.kit.settings import SettingsError

if TYPE_CHECKING:
    from litemaas.gateway.http.messages import Request, Response

_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
Serve = Callable[["Request", "Response"], Coroutine[Any, Any, None]]


class RootPath:
    """In front of everything: takes the prefix off; paths without it are answered as ever."""

    def __init__(self, prefix: str, serve: Serve) -> None:
        """Errors: SettingsError."""
        self._prefix = prefix.rstrip("/")
        if not _PREFIX.fullmatch(self._prefix):
            raise SettingsError("LITEMAAS_GATEWAY__ROOT_PATH must be a path like /llm, of letters, digits and . _ ~ -")
        self._serve = serve

    def serve(self, request: Request, response: Response) -> Coroutine[Any, Any, None]:
        """The coroutine that will answer."""
        path = request.path
        if path.startswith(self._prefix) and path[len(self._prefix) : len(self._prefix) + 1] in ("/", ""):
            request.path = path[len(self._prefix) :] or "/"
            query = b"?" + request.query if request.query else b""
            own = request.target.partition(b"?")[0].removeprefix(self._prefix.encode())
            # A prefix in other letters, like %6C for l, is rare: then the path is written anew.
            request.target = (own if own.startswith(b"/") else quote(request.path).encode()) + query
        return self._serve(request, response)
