"""What does every request get, whatever it asks for? An id, a limit to its body, safe response headers, one line in the log."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from uuid import uuid4

import structlog
from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Network = IPv4Network | IPv6Network
REQUEST_ID_HEADER = "X-Request-Id"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SAFE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Edge:
    """The outermost layer. Paths and queries can hold keys, so the log names the route's template instead."""

    def __init__(self, app: ASGIApp, max_body_bytes: int, trusted_proxies: Sequence[Network] = ()) -> None:
        self._app = app
        self._trusted_proxies = tuple(trusted_proxies)
        self._max_body_bytes = max_body_bytes
        self._log = structlog.get_logger("control.access")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        wanted = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        request_id = wanted if _REQUEST_ID.fullmatch(wanted) else str(uuid4())
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        state["address"] = self._address_of(scope)
        started = time.perf_counter()
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID_HEADER] = request_id
                for name, value in _SAFE_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, self._limited(receive), send_with_headers)
        finally:
            self._log.info(
                "request",
                method=scope["method"],
                route=getattr(scope.get("route"), "path", None),
                status=status,
                duration_ms=round((time.perf_counter() - started) * 1000, 1),
                request_id=request_id,
            )

    def _address_of(self, scope: Scope) -> str | None:
        """Who asks: the nearest address that is none of our proxies. A forwarding header of anybody else counts for nothing."""
        client = scope.get("client")
        if not client:
            return None
        address: str = client[0]
        hops = [hop.strip() for hop in Headers(scope=scope).get("x-forwarded-for", "").split(",") if hop.strip()]
        while hops and self._is_trusted(address):
            address = hops.pop()
        return address[:64]

    def _is_trusted(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._trusted_proxies)

    def _limited(self, receive: Receive) -> Receive:
        """Reading past the limit raises where the body is read, so that the refusal has the shape of the API in use."""
        read = 0

        async def receive_within_limit() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._max_body_bytes:
                raise HTTPException(413)
            return message

        return receive_within_limit
