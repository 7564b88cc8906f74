"""Which formats may clients speak besides chat completions? For each: how it is translated, and who understands it itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from litemaas.core.errors import LiteMaaSError
from litemaas.gateway.bodies import encode
from litemaas.gateway.errors import body_of, row_of, status_of, stream_event
from litemaas.gateway.providers.events import named
from litemaas.gateway.providers.messages_reply import MessageEvents, message_of_chat
from litemaas.gateway.providers.messages_request import chat_of_messages
from litemaas.gateway.providers.reading import Body, needed, refuse_tools_at_the_provider
from litemaas.gateway.providers.responses_reply import ResponseEvents, ResponseShape, response_of_chat
from litemaas.gateway.providers.responses_request import chat_of_response, refuse_kept_state

if TYPE_CHECKING:
    from litemaas.core.catalog import Deployment
    from litemaas.core.usage import Usage


class Wire(ABC):
    """A format. ``route``: below ``/v1``; ``bound``: its member for the most that may be generated."""

    route: str
    bound: str

    @abstractmethod
    def check(self, body: Body) -> None:
        """Errors: InvalidField, MissingField for what no engine here can do, whatever it speaks."""

    @abstractmethod
    def chat(self, body: Body) -> Body:
        """Errors: InvalidField, MissingField."""

    @abstractmethod
    def is_spoken_by(self, deployment: Deployment) -> bool: ...

    @abstractmethod
    def reply(self, chat: Body, identity: str, model: str, started_at: float, asked: Body, usage: Usage) -> Body: ...

    @abstractmethod
    def events(self, identity: str, model: str, started_at: float, asked: Body, input_tokens: int) -> Any: ...

    def error_body(self, error: LiteMaaSError, profile: str) -> bytes:
        return body_of(error, profile)

    def error_event(self, error: LiteMaaSError, profile: str) -> bytes:
        return stream_event(error, profile)


class MessagesWire(Wire):
    """Anthropic's Messages API. ``anthropic_errors``: its own error envelope instead of OpenAI's."""

    route = "/messages"
    bound = "max_tokens"

    def __init__(self, anthropic_errors: bool) -> None:
        self._anthropic_errors = anthropic_errors

    def check(self, body: Body) -> None:
        needed(body, "messages")
        needed(body, "max_tokens")
        refuse_tools_at_the_provider(body)

    def chat(self, body: Body) -> Body:
        return chat_of_messages(body)

    def is_spoken_by(self, deployment: Deployment) -> bool:
        return deployment.provider == "anthropic" or "/v1/messages" in deployment.endpoints

    def reply(self, chat: Body, identity: str, model: str, started_at: float, asked: Body, usage: Usage) -> Body:  # noqa: ARG002 - Wire
        return message_of_chat(chat, identity, model, usage)

    def events(self, identity: str, model: str, started_at: float, asked: Body, input_tokens: int) -> MessageEvents:  # noqa: ARG002 - Wire
        return MessageEvents(identity, model, input_tokens)

    def error_body(self, error: LiteMaaSError, profile: str) -> bytes:
        return encode(anthropic_error(error, profile)) if self._anthropic_errors else body_of(error, profile)

    def error_event(self, error: LiteMaaSError, profile: str) -> bytes:
        """In Anthropic's envelope always: a client of its events knows no other."""
        return named(anthropic_error(error, profile))


class ResponsesWire(Wire):
    """OpenAI's Responses API."""

    route = "/responses"
    bound = "max_output_tokens"

    def check(self, body: Body) -> None:
        refuse_kept_state(body)
        refuse_tools_at_the_provider(body)
        needed(body, "input")

    def chat(self, body: Body) -> Body:
        return chat_of_response(body)

    def is_spoken_by(self, deployment: Deployment) -> bool:
        if "/v1/responses" in deployment.endpoints:
            return True
        return deployment.provider == "openai" and (urlsplit(deployment.api_base).hostname or "") == "api.openai.com"

    def reply(self, chat: Body, identity: str, model: str, started_at: float, asked: Body, usage: Usage) -> Body:
        return response_of_chat(chat, ResponseShape(identity, model, int(started_at), asked), usage)

    def events(self, identity: str, model: str, started_at: float, asked: Body, input_tokens: int) -> ResponseEvents:  # noqa: ARG002 - Wire
        return ResponseEvents(ResponseShape(identity, model, int(started_at), asked))

    def error_event(self, error: LiteMaaSError, profile: str) -> bytes:
        _, _, param = row_of(error, profile)
        return named({"type": "error", "code": error.code, "message": error.message, "param": param})


_TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
    404: "not_found_error", 405: "invalid_request_error", 408: "timeout_error", 413: "request_too_large",
    422: "invalid_request_error", 429: "rate_limit_error", 503: "overloaded_error", 529: "overloaded_error",
}  # fmt: skip
"""Anthropic's names for statuses (API reference, Errors, 2026-11)."""


def anthropic_error(error: LiteMaaSError, profile: str) -> Body:
    kind = _TYPES.get(status_of(error, profile), "api_error")
    return {"type": "error", "error": {"type": kind, "message": error.message}}
