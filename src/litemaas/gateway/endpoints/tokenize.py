"""Tokenize and detokenize: the engine's own counting, free, at its root instead of under ``/v1``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litemaas.core.catalog import Mode
from litemaas.core.errors import MissingField
from litemaas.core.usage import NOTHING, Usage
from litemaas.gateway.bodies import read_request, render, text_of
from litemaas.gateway.call import Ask
from litemaas.gateway.endpoints.base import Endpoint, root_path
from litemaas.gateway.endpoints.openai import refuse_guardrails, refuse_special_members

if TYPE_CHECKING:
    from litemaas.core.catalog import Deployment
    from litemaas.gateway.call import Call, Reply
    from litemaas.gateway.http.messages import Request
    from litemaas.gateway.targets import Target


class TokenizeEndpoint(Endpoint):
    """``/tokenize`` or ``/detokenize``; the body needs one of ``required``."""

    __slots__ = ("_required",)

    def __init__(self, path: str, required: tuple[str, ...], max_body: int) -> None:
        super().__init__(path, frozenset({Mode.CHAT, Mode.COMPLETION, Mode.EMBEDDING}), max_body, is_free=True)
        self._required = required

    def read(self, request: Request, body: bytes) -> Ask:  # noqa: ARG002 - Endpoint
        members = read_request(body)
        refuse_special_members(members)
        refuse_guardrails(members)
        if not any(member in members for member in self._required):
            raise MissingField(f"the member {' or '.join(map(repr, self._required))} is missing", self._required[0])
        ask = Ask(text_of(members, "model"))
        ask.members = members
        ask.payload = body
        return ask

    def path(self, deployment: Deployment) -> str:
        return root_path(deployment) + self.route

    def payload(self, call: Call, ask: Ask, target: Target) -> bytes:  # noqa: ARG002 - Endpoint
        members = dict(ask.members or ())
        members["model"] = target.engine_model
        return render(members)

    def measure(self, call: Call, ask: Ask, target: Target, reply: Reply) -> Usage:  # noqa: ARG002 - Endpoint
        return NOTHING


def tokenize_endpoints(max_body: int) -> dict[str, TokenizeEndpoint]:
    return {
        "/tokenize": TokenizeEndpoint("/tokenize", ("prompt", "messages"), max_body),
        "/detokenize": TokenizeEndpoint("/detokenize", ("tokens",), max_body),
    }
