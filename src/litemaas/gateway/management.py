"""How do LiteLLM's management calls work on the gateway's port? They are handed to the control plane, which owns the rules.

Whoever changes something sees it in the next call through this worker: the answer is kept back until the change has come in
through the feed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from litemaas.core.errors import LiteMaaSError, NotFound, ServiceUnavailable, UpstreamFailure
from litemaas.gateway.engines import releasing
from litemaas.gateway.http.answers import Origin
from litemaas.gateway.http.client import Pool
from litemaas.gateway.http.stepping import outside
from litemaas.gateway.identity import presented_key

if TYPE_CHECKING:
    from litemaas.gateway.feed import ChangeFeed
    from litemaas.gateway.http.messages import Request, Response
    from litemaas.gateway.refusals import Refusals

PREFIXES = (
    "/key", "/v2/key", "/user", "/team", "/v2/team", "/budget", "/customer", "/end_user", "/model", "/v1/model", "/v2/model",
    "/model_group", "/credentials", "/spend", "/global", "/guardrails", "/v2/guardrails", "/cache", "/config", "/public",
    "/workshop", "/utils", "/health/services", "/openapi.json", "/docs", "/organization", "/tag", "/access_group",
    "/fallback", "/cost", "/audit", "/router", "/invitation", "/sso", "/scim", "/jwt", "/policies", "/prompts", "/mcp",
    "/vector_store", "/email", "/api",
)  # fmt: skip
_DOCS = frozenset({"/docs", "/openapi.json"})
ABOUT_ITSELF = "/v1/me"
"""Where a key asks about itself; whatever header it comes in."""
_NOT_FORWARDED = frozenset({
    b"host", b"connection", b"content-length", b"transfer-encoding", b"expect", b"keep-alive", b"te", b"trailer", b"upgrade",
    b"proxy-connection", b"cookie",
})  # fmt: skip
_NOT_RETURNED = frozenset({
    b"connection", b"content-length", b"transfer-encoding", b"date", b"server", b"x-litemaas-change", b"x-litellm-call-id",
    b"access-control-allow-origin", b"access-control-expose-headers",
})  # fmt: skip
_MAX_BODY = 8 * 1024 * 1024
_TIMEOUT_S = 60.0
_VISIBLE_WITHIN_S = 1.0


def is_management(path: str) -> bool:
    return path == ABOUT_ITSELF or any(
        path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("/", "") for prefix in PREFIXES
    )


class Management:
    def __init__(
        self, pool: Pool, feed: ChangeFeed, control_url: str | None, refusals: Refusals, *, shows_docs: bool = True
    ) -> None:
        self._hidden = frozenset() if shows_docs else _DOCS
        self._pool = pool
        self._feed = feed
        self._refusals = refusals
        url = urlsplit(control_url or "")
        self._origin = Origin(url.hostname, url.port or 80) if url.hostname else None

    async def serve(self, request: Request, response: Response) -> None:
        try:
            await self._forward(request, response)
        except LiteMaaSError as error:
            self._refusals.refuse(request, response, error)

    async def _forward(self, request: Request, response: Response) -> None:
        if request.path.rstrip("/") in self._hidden:
            raise NotFound(f"{request.path} is not shown here")
        if self._origin is None:
            raise ServiceUnavailable("this gateway has no control plane; set LITEMAAS_GATEWAY__CONTROL_URL")
        body = await request.body(_MAX_BODY)
        target = b"/litellm" + request.target
        own_key, left_out = b"", _NOT_FORWARDED
        if request.path == ABOUT_ITSELF:
            target = b"/api/v1/key-info"
            own_key = b"authorization: Bearer %b\r\n" % presented_key(request.headers)
            left_out = _NOT_FORWARDED | {b"authorization"}
        head = [b"%b %b HTTP/1.1\r\nhost: control\r\n%b" % (request.method.encode(), target, own_key)]
        head += [b"%b: %b\r\n" % item for item in request.headers.items() if item[0] not in left_out]
        head.append(b"content-length: %d\r\n\r\n" % len(body))
        try:
            answer = await self._pool.open(self._origin, b"".join(head) + body, _TIMEOUT_S)
            with releasing(answer):
                reply = await answer.read(_MAX_BODY * 8)
        except UpstreamFailure as failure:
            raise ServiceUnavailable("the control plane does not answer; try again") from failure
        change = next((value for name, value in answer.headers if name == b"x-litemaas-change"), b"")
        if change.isdigit():
            await outside(self._feed.wait_for(int(change), _VISIBLE_WITHIN_S), _VISIBLE_WITHIN_S * 2)
        headers = b"".join(b"%b: %b\r\n" % item for item in answer.headers if item[0] not in _NOT_RETURNED)
        response.send(answer.status, headers + self._refusals.usual_lines(request), reply)
