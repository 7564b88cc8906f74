"""How does the MCP server run? Streamable HTTP at ``/mcp`` behind a door that lets nobody in without a token."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from litemaas.core.principals import TOKEN_PREFIX
from litemaas.kit.logging import configure_logging
from litemaas.kit.settings import SettingsError
from litemaas.kit.version import version
from litemaas.mcp.api import Api, ApiRefused
from litemaas.mcp.settings import McpSettings, check_settings
from litemaas.mcp.tools import Tools

_MAX_BODY = 1_000_000
_TOKEN = "litemaas.token"  # noqa: S105 — where the caller's token stands in the request's scope


def run(settings: McpSettings) -> None:
    """Until SIGTERM or SIGINT. Errors: SettingsError."""
    configure_logging()
    uvicorn.run(
        create_app(settings), host=settings.host, port=settings.port, log_config=None, access_log=False,
        server_header=False, timeout_graceful_shutdown=5,
    )  # fmt: skip


def create_app(settings: McpSettings) -> Starlette:
    """Errors: SettingsError."""
    check_settings(settings)
    api = Api(settings.control_url)
    pods = _pods() if settings.pod_status else None
    server = Tools(api, pods, _token_of).server(version())
    hosts = [name.strip() for name in settings.allowed_hosts.split(",") if name.strip()]
    security = TransportSecuritySettings(enable_dns_rebinding_protection=bool(hosts), allowed_hosts=hosts)
    inner = server.streamable_http_app(
        stateless_http=True, json_response=True, max_request_body_size=_MAX_BODY, transport_security=security,
    )  # fmt: skip

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with inner.router.lifespan_context(inner):
            yield
        await api.close()
        if pods is not None:
            await pods.close()

    async def health(_: Request) -> Response:
        live, ready = await api.is_ready()
        status = "healthy" if ready else "degraded"
        return JSONResponse({"status": status, "database": ready, "litellm": live}, 200 if ready else 503)

    door = Door(inner, api, settings)
    return Starlette(routes=[Route("/health", health), Mount("/", door)], lifespan=lifespan)


class Door:
    """Without a token, or with one that is not known, nothing behind it is reached."""

    def __init__(self, inner: ASGIApp, api: Api, settings: McpSettings) -> None:
        self._inner = inner
        self._api = api
        self._token = settings.token.encode()
        self._takes_others = settings.personal_tokens
        self._takes_query = settings.query_token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        token = self._presented(scope)
        try:
            is_known = token is not None and await self._knows(token)
        except ApiRefused as error:
            await JSONResponse({"error": str(error)}, 503)(scope, receive, send)
            return
        if not is_known:
            refusal = JSONResponse(
                {"error": "Send a token as 'Authorization: Bearer …'."}, 401, {"WWW-Authenticate": "Bearer"}
            )
            await refusal(scope, receive, send)
            return
        await self._inner({**scope, _TOKEN: token, "query_string": b""}, receive, send)

    def _presented(self, scope: Scope) -> str | None:
        scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return token.strip()
        return QueryParams(scope["query_string"]).get("token") if self._takes_query else None

    async def _knows(self, token: str) -> bool:
        """The own token is compared in constant time; any other is the control plane's to judge, by its hash."""
        if hmac.compare_digest(token.encode(), self._token):
            return True
        return self._takes_others and token.startswith(TOKEN_PREFIX) and await self._api.knows(token)


def _token_of(ctx: Any) -> str:
    token: str = ctx.request_context.request.scope[_TOKEN]
    return token


def _pods() -> Any:
    """Errors: SettingsError without a cluster, or without the package that speaks to one."""
    try:
        from lightkube import AsyncClient
        from lightkube.core.exceptions import ConfigError

        from litemaas.mcp.pods import PodStatus
    except ImportError:
        raise SettingsError(
            "LITEMAAS_MCP__POD_STATUS: needs more packages: pip install 'litemaas[discovery]'"
        ) from None
    try:
        return PodStatus(AsyncClient())
    except (OSError, KeyError, AttributeError, ConfigError) as error:
        raise SettingsError(f"LITEMAAS_MCP__POD_STATUS: no cluster is configured: {type(error).__name__}") from None
