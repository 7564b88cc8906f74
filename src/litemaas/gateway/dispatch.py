"""Which part answers a request? Inference first, because that is what comes; then our own pages, then management."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from litemaas.core.errors import LiteMaaSError
from litemaas.gateway import token_counter
from litemaas.gateway.management import Management, is_management
from litemaas.gateway.pages import Pages

if TYPE_CHECKING:
    from litemaas.gateway.conversions import Conversions
    from litemaas.gateway.endpoints.base import Endpoint
    from litemaas.gateway.endpoints.pass_through import PassThroughTable
    from litemaas.gateway.endpoints.table import EndpointTable
    from litemaas.gateway.http.messages import Request, Response
    from litemaas.gateway.origins import Origins
    from litemaas.gateway.proxy import Proxy
    from litemaas.gateway.refusals import Refusals
    from litemaas.gateway.stored_responses import StoredResponses
    from litemaas.gateway.token_counter import TokenCounter


class Dispatch:
    def __init__(
        self, endpoints: EndpointTable, own_routes: PassThroughTable, proxy: Proxy, pages: Pages, management: Management,
        conversions: Conversions, stored: StoredResponses, counter: TokenCounter, origins: Origins, refusals: Refusals,
    ) -> None:  # fmt: skip
        self._endpoints = endpoints
        self._own_routes = own_routes
        self._proxy = proxy
        self._pages = pages
        self._management = management
        self._conversions = conversions
        self._stored = stored
        self._counter = counter
        self._origins = origins
        self._refusals = refusals

    def serve(self, request: Request, response: Response) -> Coroutine[Any, Any, None]:
        """The coroutine that will answer."""
        endpoint = self._endpoints.get(request.path)
        if endpoint is not None and request.method == "POST":
            return self._proxy.serve(request, response, endpoint, None)
        return self._serve_other(request, response)

    async def _serve_other(self, request: Request, response: Response) -> None:
        path = request.path
        if request.method == "OPTIONS":
            self._origins.preflight(request, response)
        elif self._pages.has(path):
            await self._pages.serve(request, response)
        elif self._conversions.has(path):
            await self._conversions.serve(request, response)
        elif self._stored.has(path):
            await self._stored.serve(request, response)
        elif path == token_counter.PATH:
            await self._counter.serve(request, response)
        elif is_management(path):
            await self._management.serve(request, response)
        else:
            model = None
            try:
                endpoint: Endpoint | None = self._own_routes.find(request)
                if endpoint is None:
                    endpoint, model = self._endpoints.find(request.method, path, request.query)
            except LiteMaaSError as error:
                self._refusals.refuse(request, response, error)
            else:
                await self._proxy.serve(request, response, endpoint, model)
