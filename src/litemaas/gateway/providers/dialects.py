"""Which deployments speak another format than chat completions, and how are they asked?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from litemaas.core.errors import InvalidField
from litemaas.gateway.bodies import encode
from litemaas.gateway.providers.anthropic import ChatEvents, chat_of_message, messages_of_chat

if TYPE_CHECKING:
    from litemaas.core.catalog import Deployment

ANTHROPIC_VERSION = "2023-06-01"
"""The API's only version (Anthropic API reference, Versions, 2026-11)."""
AZURE_VERSION = "2024-10-21"
"""Azure OpenAI's newest general version with deployments in the path (its API lifecycle page, 2026-11)."""


class AnthropicDialect:
    """Anthropic's Messages API."""

    def path(self, route: str, base_path: str) -> str:
        """Errors: InvalidField where the API has nothing like it."""
        if route != "/chat/completions":
            raise InvalidField(f"this model has no {route}; ask /v1/chat/completions or /v1/messages", "model")
        return f"{base_path}/messages"

    def request(self, chat: bytes) -> bytes:
        return encode(messages_of_chat(msgspec.json.decode(chat)))

    def reply(self, body: bytes) -> bytes:
        """Errors: UpstreamGarbage."""
        return chat_of_message(body)

    def events(self, created_at: float) -> Any:
        return ChatEvents(int(created_at))


def dialect_of(deployment: Deployment) -> AnthropicDialect | None:
    return AnthropicDialect() if deployment.provider == "anthropic" else None


def credential_lines(deployment: Deployment) -> list[bytes]:
    """How a deployment's credential is sent."""
    lines = []
    if deployment.api_key:
        key = deployment.api_key.encode("latin-1")
        match deployment.provider:
            case "docling" | "anthropic":
                lines.append(b"x-api-key: " + key)
            case "azure":
                lines.append(b"api-key: " + key)
            case _:
                lines.append(b"authorization: Bearer " + key)
    if deployment.provider == "anthropic" and "anthropic-version" not in map(str.lower, deployment.extra_headers):
        lines.append(b"anthropic-version: " + ANTHROPIC_VERSION.encode())
    return lines


def openai_path(base_path: str, route: str, deployment: Deployment) -> str:
    """Where an OpenAI-like call goes; Azure has the deployment in its path unless its newer API is meant."""
    if deployment.provider != "azure" or base_path.endswith("/v1"):
        return base_path + route
    root = base_path.removesuffix("/openai")
    version = deployment.api_version or AZURE_VERSION
    return f"{root}/openai/deployments/{deployment.engine_model}{route}?api-version={version}"


def models_path(base_path: str, deployment: Deployment) -> str:
    """Where a deployment lists its models, which costs nothing."""
    if deployment.provider != "azure" or base_path.endswith("/v1"):
        return f"{base_path}/models"
    return f"{base_path.removesuffix('/openai')}/openai/models?api-version={deployment.api_version or AZURE_VERSION}"
