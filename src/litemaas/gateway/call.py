"""What is known of a call so far? One object that each stage fills in and the settlement turns into a usage record."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from litemaas.core.usage import NOTHING, Usage

if TYPE_CHECKING:
    from litemaas.core.catalog import Deployment, Model
    from litemaas.core.pricing import Cost
    from litemaas.gateway.admission import Reservation
    from litemaas.gateway.endpoints.base import Endpoint
    from litemaas.gateway.http.messages import Request
    from litemaas.gateway.identity import Caller


class Ask(msgspec.Struct, kw_only=True):
    """What the body asks for, as far as the gateway routes, holds and bills on it.

    Units: tokens, bytes and pages. ``output_bound``: what the client allows per choice, None = it named nothing. ``members``: the
    body's members, or None for bodies that are not JSON.
    """

    model: str | None
    members: dict[str, Any] | None = None
    payload: bytes = b""
    content_type: bytes = b"application/json"
    stream: bool = False
    wants_usage: bool = False
    output_bound: int | None = None
    output_member: str | None = None
    choices: int = 1
    prompt_bytes: int = 0
    media_parts: int = 0
    documents: int = 1
    pages_bound: int = 0
    generates: bool = False
    end_user: str | None = None
    tags: list[str] = msgspec.field(default_factory=list)
    spend_metadata: dict[str, Any] = msgspec.field(default_factory=dict)


class Call:
    """One request to an inference endpoint on its way through the stages."""

    __slots__ = (
        "ask", "attempts", "caller", "client_call_id", "cost", "deployment", "endpoint", "engine_request_id", "failure",
        "first_byte_at", "id", "model", "output_limit", "plan", "prompt_bound", "reply", "request", "reservation",
        "reserved_tokens", "started_at", "usage",
    )  # fmt: skip

    def __init__(self, call_id: str, request: Request, endpoint: Endpoint, started_at: datetime) -> None:
        self.id = call_id
        self.client_call_id: str | None = None
        self.request = request
        self.endpoint = endpoint
        self.started_at = started_at
        self.caller: Caller | None = None
        self.ask: Ask | None = None
        self.model: Model | None = None
        self.plan: tuple[Deployment, ...] = ()
        self.prompt_bound = 0
        self.output_limit: int | None = None
        """The bound that is sent upstream because a budget or token limit needs one; None = the client's own stands."""
        self.reservation: Reservation | None = None
        self.deployment: Deployment | None = None
        self.attempts = 0
        self.first_byte_at: float | None = None
        self.engine_request_id: str | None = None
        self.usage: Usage = NOTHING
        self.cost: Cost | None = None
        self.failure: BaseException | None = None
        """An error that ended a stream after its answer had begun; the client has been told within the stream."""
        self.reply: Reply | None = None


class Reply(msgspec.Struct):
    """A complete answer, kept back until its call is settled."""

    status: int
    content_type: bytes
    body: bytes
    engine_headers: list[tuple[bytes, bytes]]
