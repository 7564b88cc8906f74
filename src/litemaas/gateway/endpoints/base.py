"""What does the request's way need to know of an endpoint?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from litemaas.core.usage import Usage

if TYPE_CHECKING:
    from litemaas.core.catalog import Deployment, Mode
    from litemaas.gateway.call import Ask, Call, Reply
    from litemaas.gateway.http.messages import Request
    from litemaas.gateway.upstream import Target


class Endpoint(Protocol):
    """An inference endpoint: how its body is read, what goes upstream, and how its answer is measured.

    ``route``: its path, as the ledger and the metrics name it. ``modes``: kinds of model it can be asked of.
    ``is_free``: calls cost nothing, whatever the price of the model.
    """

    route: str
    modes: frozenset[Mode]
    is_free: bool

    async def read(self, request: Request) -> Ask:
        """Takes the body in and finds what the gateway routes and bills on.

        Errors: InvalidRequest.
        """

    def path(self, deployment: Deployment) -> str:
        """Where the call goes on the upstream: an absolute path."""

    def payload(self, call: Call, ask: Ask, target: Target) -> bytes:
        """The body for this upstream."""

    def measure(self, call: Call, ask: Ask, target: Target, reply: Reply) -> Usage:
        """The usage of a complete answer, and the answer as the client is to see it.

        Errors: UpstreamGarbage.
        """


def base_path(deployment: Deployment) -> str:
    """The path of a deployment's ``api_base``, without a slash at its end."""
    rest = deployment.api_base.partition("://")[2]
    _, slash, path = rest.partition("/")
    return (slash + path).partition("?")[0].rstrip("/")


def root_path(deployment: Deployment) -> str:
    """The path of the engine's root: ``api_base`` without the ``/v1`` or ``/v3`` at its end."""
    path = base_path(deployment)
    return path[:-3] if path.endswith(("/v1", "/v3")) else path
