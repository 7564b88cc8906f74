"""Which endpoint is meant by a path? One table; the spellings that clients use are folded before it is looked into."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from litemaas.core.errors import MethodNotAllowed, NotFound, NotOffered
from litemaas.gateway.endpoints.client_engines import ClientEngines
from litemaas.gateway.endpoints.count_tokens import CountTokensEndpoint
from litemaas.gateway.endpoints.docling import docling_endpoints
from litemaas.gateway.endpoints.engine_paths import endpoint_under, engine_endpoints
from litemaas.gateway.endpoints.foreign import ForeignEndpoint
from litemaas.gateway.endpoints.media import media_endpoints
from litemaas.gateway.endpoints.openai import OpenAIEndpoint, openai_endpoints
from litemaas.gateway.endpoints.public_addresses import PublicAddresses, resolve_host
from litemaas.gateway.endpoints.responses import ResponsesEndpoint
from litemaas.gateway.endpoints.tokenize import tokenize_endpoints
from litemaas.gateway.providers.wires import MessagesWire
from litemaas.gateway.spool import Room

if TYPE_CHECKING:
    from litemaas.gateway.endpoints.base import Endpoint
    from litemaas.gateway.settings import GatewaySection
    from litemaas.gateway.stored_responses import StoredResponses

_RESOLVE_S = 5.0
_MODEL_IN_PATH = re.compile(
    r"/(?:openai/deployments|engines)/(?P<model>.+?)(?P<rest>/(?:chat/completions|completions|embeddings))"
)
_COMPACTION = re.compile(r"(?:/openai)?(?:/v1)?/responses/compact")
_NOT_OFFERED = re.compile(r"(?:/v1)?/(?:files|batches)(?:/|$)")


def foreign_endpoints(
    chat: OpenAIEndpoint, error_style: str, max_body: int, stored: StoredResponses | None
) -> dict[str, Endpoint]:
    """Path without ``/v1`` → endpoint."""
    messages = MessagesWire(anthropic_errors=error_style == "anthropic")
    return {
        "/messages": ForeignEndpoint(messages, chat, max_body),
        "/messages/count_tokens": CountTokensEndpoint(messages, chat, max_body),
        "/responses": ResponsesEndpoint(chat, max_body, stored),
    }


def _client_engines(settings: GatewaySection) -> ClientEngines | None:
    """None = clients do not say where their calls go."""
    if not settings.client_credentials:
        return None
    addresses = PublicAddresses(_hosts_in(settings.client_hosts), resolve_host, _RESOLVE_S)
    return ClientEngines(addresses, settings.routing, settings.upstream.timeout_s)


def _hosts_in(setting: str) -> tuple[str, ...]:
    return tuple(host.strip() for host in setting.split(",") if host.strip())


class EndpointTable:
    """Every inference endpoint under each of its paths."""

    def __init__(self, settings: GatewaySection, stored: StoredResponses | None = None) -> None:
        max_body_bytes = settings.max_body_bytes
        spoken = openai_endpoints(max_body_bytes, _client_engines(settings))
        plain: dict[str, Endpoint] = {**spoken, **tokenize_endpoints(max_body_bytes)}
        room = Room(settings.upload_bytes)
        plain |= media_endpoints(max_body_bytes, room)
        plain |= foreign_endpoints(
            openai_endpoints(max_body_bytes)["/chat/completions"], settings.messages_error_style, max_body_bytes, stored
        )
        self._plain = plain
        self._engines = engine_endpoints(max_body_bytes)
        self._endpoints: dict[str, Endpoint] = {
            **plain,
            **{f"/v1{path}": endpoint for path, endpoint in plain.items()},
            "/openai/v1/responses": plain["/responses"],
            "/v2/rerank": plain["/rerank"],
            **docling_endpoints(
                max_body_bytes,
                allowed_hosts=_hosts_in(settings.conversion_hosts),
                pages_per_document=settings.conversion_pages_per_document,
                room=room,
            ),
        }

    def get(self, path: str) -> Endpoint | None:
        """The endpoint of exactly this path; it is called with POST."""
        return self._endpoints.get(path)

    def find(self, method: str, path: str, query: bytes = b"") -> tuple[Endpoint, str | None]:
        """The endpoint, and the model if the path names it, or below ``/vllm`` and ``/openai`` the query.

        Errors: NotFound, MethodNotAllowed.
        """
        endpoint = self._endpoints.get(path)
        model = None
        passed = endpoint_under(path, self._plain, self._engines) if endpoint is None else None
        if passed is not None:
            endpoint, model = passed, parse_qs(query.decode("latin-1")).get("model", [None])[0]
        elif endpoint is None:
            match = _MODEL_IN_PATH.fullmatch(path.removeprefix("/v1"))
            endpoint = self._endpoints.get(match["rest"]) if match is not None else None
            if _COMPACTION.fullmatch(path):
                raise NotOffered("conversations are not compacted here: what that costs has no bound before it is done")
            if _NOT_OFFERED.match(path):
                raise NotOffered("files and batches are not offered here: send each call by itself")
            if match is None or endpoint is None:
                raise NotFound(f"there is no endpoint {path[:200]}; the API starts at /v1/models")
            model = match["model"]
        if method != "POST":
            raise MethodNotAllowed(f"{path[:200]} is called with POST", ("POST",))
        return endpoint, model

    def paths(self) -> list[str]:
        return sorted(self._endpoints)
