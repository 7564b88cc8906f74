"""Which paths does this gateway answer at all? All of them, unless the installation names some (LiteLLM's ``allowed_routes``).

Where it names none, nothing of this stands in a request's way.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from litemaas.core.errors import RouteNotAllowed
from litemaas.core.routes import INFERENCE, INFO, MANAGEMENT, is_route_allowed
from litemaas.gateway.management import is_management

if TYPE_CHECKING:
    from litemaas.gateway.http.messages import Request, Response
    from litemaas.gateway.refusals import Refusals

_ALWAYS = "/health/"
"""Whoever watches over this process must be answered."""
_INFO = frozenset({"/", "/models", "/v1/models", "/metrics", "/health", "/v1/me"})
Serve = Callable[["Request", "Response"], Coroutine[Any, Any, None]]


class OfferedRoutes:
    """In front of everything. ``routes``: groups and paths, as keys have them (:mod:`litemaas.core.routes`)."""

    def __init__(self, routes: tuple[str, ...], serve: Serve, refusals: Refusals) -> None:
        self._routes = routes
        self._serve = serve
        self._refusals = refusals

    def serve(self, request: Request, response: Response) -> Coroutine[Any, Any, None]:
        """The coroutine that will answer."""
        if request.method == "OPTIONS" or self._offers(request.path):
            return self._serve(request, response)
        return self._refuse(request, response)

    def _offers(self, path: str) -> bool:
        is_info = path in _INFO or path.startswith(("/models/", "/v1/models/"))
        group = INFO if is_info else MANAGEMENT if is_management(path) else INFERENCE
        return path.startswith(_ALWAYS) or is_route_allowed(self._routes, group, path, is_info=is_info)

    async def _refuse(self, request: Request, response: Response) -> None:
        refusal = RouteNotAllowed(
            f"{request.path[:200]} is not offered here; there are {', '.join(self._routes)[:500]}"
        )
        self._refusals.refuse(request, response, refusal)
