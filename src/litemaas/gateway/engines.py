"""What is asked of an engine besides clients' calls? Whether it is there, and how many tokens a text has."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from litemaas.core.errors import UpstreamFailure, UpstreamRefused
from litemaas.gateway.bodies import NOT_JSON
from litemaas.gateway.providers.dialects import models_path
from litemaas.gateway.replies import Counted
from litemaas.kit.ticks import monotonic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from litemaas.core.catalog import Deployment
    from litemaas.gateway.http.answers import UpstreamConnection
    from litemaas.gateway.http.client import Pool
    from litemaas.gateway.settings import UpstreamSettings
    from litemaas.gateway.targets import Targets

_PROBE_TIMEOUT_S = 3.0
_NO_SUCH_ENDPOINT = frozenset({404, 405, 501})
_NO_TOKENIZER_S = 600.0
_TOKENIZER_AWAY_S = 10.0


class Engines:
    """Asks engines over pooled connections."""

    def __init__(self, pool: Pool, targets: Targets, settings: UpstreamSettings) -> None:
        self._pool = pool
        self._targets = targets
        self._settings = settings

    async def probe(self, deployment: Deployment, timeout_s: float = _PROBE_TIMEOUT_S) -> UpstreamFailure | None:
        """Asks the engine for its list of models, which costs nothing; None when it answers, else what is wrong."""
        target = self._targets.of(deployment)
        base = urlsplit(deployment.api_base).path.rstrip("/")
        path = "/health" if deployment.provider == "docling" else models_path(base, deployment)
        try:
            connection = await self._pool.open(target.origin, target.get(path), timeout_s)
            with releasing(connection):
                await connection.read(self._settings.max_reply_bytes)
        except UpstreamFailure as failure:
            return failure
        status = connection.status
        return None if status < 400 else UpstreamRefused(f"the model server answered with status {status}", status)

    async def count_prompt(self, deployment: Deployment, body: bytes) -> int | None:
        """Asks the engine's tokenizer; None when it has none or does not answer in time.

        Units: tokens.
        """
        target = self._targets.of(deployment)
        if monotonic() < target.no_tokenizer_until:
            return None
        message = (
            target.head_for(tokenize_path(deployment), b"application/json")
            + b"content-length: %d\r\n\r\n" % len(body)
            + body
        )
        try:
            connection = await self._pool.open(target.origin, message, self._settings.tokenize_timeout_s)
            with releasing(connection):
                reply = await connection.read(self._settings.max_reply_bytes)
            if connection.status in _NO_SUCH_ENDPOINT:  # any other status speaks of this prompt, not of the engine
                target.no_tokenizer_until = monotonic() + _NO_TOKENIZER_S
            return msgspec.json.decode(reply, type=Counted).count if connection.status == 200 else None
        except (UpstreamFailure, *NOT_JSON):
            target.no_tokenizer_until = monotonic() + _TOKENIZER_AWAY_S
            return None


@contextmanager
def releasing(connection: UpstreamConnection) -> Iterator[None]:
    """Gives the connection back when the block is left, however it is left."""
    try:
        yield
    finally:
        connection.release()


def tokenize_path(deployment: Deployment) -> str:
    path = urlsplit(deployment.api_base).path.rstrip("/")
    return (path[:-3] if path.endswith(("/v1", "/v3")) else path) + "/tokenize"
