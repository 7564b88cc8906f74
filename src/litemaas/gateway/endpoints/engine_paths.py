"""Which paths of model servers are reached under ``/vllm`` and ``/openai``? Those that are ours too, and what scores texts.

What an engine has besides, such as calls that load adapters or put it to sleep, is for its operators and is not relayed:
the engine's credential goes along with every call. Source: gateway-api contract 1.9; vLLM 0.11's online serving documentation.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from litemaas.core.catalog import Deployment, Mode
from litemaas.gateway.endpoints.base import root_path
from litemaas.gateway.endpoints.media import MediaJson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litemaas.gateway.endpoints.base import Endpoint

_PREFIXED = re.compile(r"/(?P<kind>vllm|openai)(?:/v1)?(?P<rest>/.+)")
_SCORING: dict[str, tuple[str, ...]] = {"/score": (), "/classify": ("input",), "/pooling": ()}
"""Path at the engine's root → members that a body must have; of a score they have had several names."""


class EngineEndpoint(MediaJson):
    """One call of vLLM that OpenAI does not have; paid by its tokens and by the request."""

    def __init__(self, route: str, required: tuple[str, ...], max_body: int) -> None:
        super().__init__(route, Mode.RERANK, required, max_body)
        self.modes = frozenset({Mode.RERANK, Mode.EMBEDDING, Mode.CHAT})

    def path(self, deployment: Deployment) -> str:
        return root_path(deployment) + self.route


def engine_endpoints(max_body: int) -> dict[str, EngineEndpoint]:
    """Path at the engine's root → endpoint."""
    return {path: EngineEndpoint(path, required, max_body) for path, required in _SCORING.items()}


def endpoint_under(path: str, ours: Mapping[str, Endpoint], engines: Mapping[str, EngineEndpoint]) -> Endpoint | None:
    """What a path below ``/vllm`` or ``/openai`` means; ``ours``: path without ``/v1`` → endpoint."""
    found = _PREFIXED.fullmatch(path)
    if found is None:
        return None
    rest = found["rest"]
    return ours.get(rest) or (engines.get(rest) if found["kind"] == "vllm" else None)
