"""What does the request's way need to know of an endpoint?"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from litemaas.core.usage import Usage
from litemaas.gateway.errors import body_of, stream_event

if TYPE_CHECKING:
    from litemaas.core.catalog import Deployment, Mode, Model
    from litemaas.core.errors import LiteMaaSError
    from litemaas.gateway.call import Ask, Call, Reply
    from litemaas.gateway.http.messages import Request
    from litemaas.gateway.lanes import Lane
    from litemaas.gateway.providers.bridge import Bridge
    from litemaas.gateway.spool import Outgoing
    from litemaas.gateway.targets import Target


class Endpoint(ABC):
    """An inference endpoint: how its body is read, what goes upstream, and how its answer is measured.

    ``route``: its path, as the ledger and the metrics name it. ``modes``: kinds of model it can be asked of.
    ``kind``: what keys are permitted by, None = nothing but the model. ``is_free``: calls cost nothing, whatever the price of
    the model. ``max_body``: bytes that it takes. ``relays_bytes``: its streams are no events.
    ``uploads``: its bodies may be so large that they are neither kept in memory nor sent in a piece.
    ``defers``: its answer is a task, billed when the work is done (:mod:`~litemaas.gateway.conversions`).
    ``own_model``: what stands for a route of the installation's own, None = bodies name a model. ``needs_key``: False = anybody
    may call it.
    """

    __slots__ = (
        "defers", "is_free", "kind", "max_body", "modes", "needs_key", "own_model", "relays_bytes", "route", "uploads",
    )  # fmt: skip

    def __init__(self, route: str, modes: frozenset[Mode], max_body: int, is_free: bool = False) -> None:
        self.route = route
        self.kind = kind_of(route)
        self.modes = modes
        self.max_body = max_body
        self.is_free = is_free
        self.relays_bytes = False
        self.defers = False
        self.uploads = False
        self.own_model: Model | None = None
        self.needs_key = True

    @abstractmethod
    def read(self, request: Request, body: bytes) -> Ask:
        """What the gateway routes and bills on.

        Errors: InvalidRequest.
        """

    async def receive(self, request: Request) -> Ask:
        """The same for a body that is still arriving. Errors: InvalidRequest; ClientGone."""
        return self.read(request, await request.body(self.max_body))

    async def check(self, call: Call, ask: Ask, lane: Lane) -> Lane:  # noqa: ARG002 - most have nothing to check
        """What takes a wait and is done only for callers that may use the model: ``ask.references`` are looked at here.

        Returns the lane that the call takes. Errors: InvalidRequest; UpstreamFailure.
        """
        return lane

    @abstractmethod
    def path(self, deployment: Deployment) -> str:
        """Where the call goes on the upstream: an absolute path."""

    @abstractmethod
    def payload(self, call: Call, ask: Ask, target: Target) -> bytes:
        """The body for this upstream."""

    def head(self, call: Call, ask: Ask, target: Target) -> bytes:  # noqa: ARG002 - routes of one's own look at the call
        """The header block for this upstream, without its length and end."""
        return target.head(self, ask.content_type)

    def upload(self, call: Call, ask: Ask, target: Target) -> Outgoing | None:  # noqa: ARG002 - most have none
        """The body for this upstream, where it is sent piece by piece; asked only of endpoints with ``uploads``."""
        return None

    def forget(self, ask: Ask) -> None:  # noqa: B027 - most have nothing to forget
        """The call has failed: what was taken in for it goes at once; asked only of endpoints with ``uploads``."""

    @abstractmethod
    def measure(self, call: Call, ask: Ask, target: Target, reply: Reply) -> Usage:
        """The usage of a complete answer, and the answer as the client is to see it.

        Errors: UpstreamGarbage.
        """

    def translate(self, call: Call, ask: Ask, reply: Reply) -> None:  # noqa: B027 - most have nothing to translate
        """The answer in the client's format, once its usage is counted; asked only where ``ask.foreign`` is set.

        Errors: UpstreamGarbage.
        """

    def bridge(self, call: Call, ask: Ask, target: Target) -> Bridge | None:  # noqa: ARG002 - most need none
        """What translates the events of a stream; None = both sides speak chat completions."""
        return None

    def error_body(self, error: LiteMaaSError, profile: str) -> bytes:
        """An error as this endpoint's clients read it."""
        return body_of(error, profile)

    def error_event(self, error: LiteMaaSError, profile: str) -> bytes:
        """An error that ends a stream."""
        return stream_event(error, profile)


def kind_of(route: str) -> str | None:
    """The kind of endpoint that a route is, as keys name what they permit (control-plane contract 8)."""
    if route.startswith("/docling"):
        return "convert"
    return {"/chat/completions": "chat", "/completions": "completions", "/embeddings": "embeddings"}.get(route)


def base_path(deployment: Deployment) -> str:
    """The path of a deployment's ``api_base``, without a slash at its end."""
    rest = deployment.api_base.partition("://")[2]
    _, slash, path = rest.partition("/")
    return (slash + path).partition("?")[0].rstrip("/")


def root_path(deployment: Deployment) -> str:
    """The path of the engine's root: ``api_base`` without the ``/v1`` or ``/v3`` at its end."""
    path = base_path(deployment)
    return path[:-3] if path.endswith(("/v1", "/v3")) else path
