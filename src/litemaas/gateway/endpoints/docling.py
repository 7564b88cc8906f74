"""Document conversion through Docling Serve."""

from __future__ import annotations

from litemaas.gateway.endpoints.base import Endpoint


def docling_endpoints(max_body: int) -> dict[str, Endpoint]:  # noqa: ARG001
    return {}
