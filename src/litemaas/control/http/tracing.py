"""What does a trace say of a request to this plane? Method, route's template, status and time; no path, query or body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from litemaas.kit import gen_ai

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider


class Traced:
    """Around the whole application, only where tracing is on."""

    def __init__(self, app: ASGIApp, provider: TracerProvider) -> None:
        self._app = app
        self._tracer = provider.get_tracer("litemaas.control", schema_url=gen_ai.SCHEMA_URL)
        self._parents = TraceContextTextMapPropagator()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        parent = self._parents.extract(
            {k: v for k, v in Headers(scope=scope).items() if k in ("traceparent", "tracestate")}
        )
        span = self._tracer.start_span(scope["method"], parent, SpanKind.SERVER)
        try:
            await self._app(scope, receive, send_and_note)
        finally:
            route = getattr(scope.get("route"), "path", None)
            if route is not None:
                span.update_name(f"{scope['method']} {route}")
                span.set_attribute(gen_ai.HTTP_ROUTE, route)
            span.set_attributes({gen_ai.HTTP_METHOD: scope["method"], gen_ai.HTTP_STATUS: status})
            if status >= 500:
                span.set_status(Status(StatusCode.ERROR))
            span.end()
