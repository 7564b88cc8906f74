"""What does the gateway answer by itself? Models, health, metrics and a greeting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qs

from litemaas.core.errors import (
    KeyMissing,
    LiteMaaSError,
    MasterKeyRequired,
    MethodNotAllowed,
    NotFound,
    ServiceUnavailable,
)
from litemaas.gateway.bodies import encode
from litemaas.gateway.http.stepping import outside, stepped
from litemaas.gateway.model_list import entries, find
from litemaas.kit.settings import SettingsError

if TYPE_CHECKING:
    from litemaas.core.catalog import Deployment, Model
    from litemaas.core.errors import UpstreamFailure
    from litemaas.gateway.engines import Engines
    from litemaas.gateway.http.messages import Request, Response
    from litemaas.gateway.identity import Caller, Identity
    from litemaas.gateway.refusals import Refusals
    from litemaas.gateway.routing import Routing
    from litemaas.gateway.targets import Targets

T = TypeVar("T")
CAN_BE_PUBLIC = ("/models", "/v1/models", "/health")
_PROBES_WITHIN_S = 10.0
_METRICS_WITHIN_S = 5.0
_ALIVE = frozenset({"/health/liveliness", "/health/liveness", "/health/livenessz"})
_JSON = b"content-type: application/json\r\n"


class Pages:
    """Small answers. ``ping`` asks the database for a sign of life; ``is_ready`` whether this worker has what it needs.

    ``is_leaving``: whether it takes its last calls. ``cache_type``: where answers are kept.
    ``metrics``: in Prometheus' text format. ``public``: pages that need no key.
    """

    def __init__(
        self, *, identity: Identity, routing: Routing, engines: Engines, targets: Targets, metrics: Callable[[],
        Awaitable[bytes]], ping: Callable[[], Awaitable[None]], is_ready: Callable[[], bool], is_leaving: Callable[[], bool],
        litellm_version: str, metrics_need_key: bool, metrics_per_key: bool, refusals: Refusals,
        cache_type: str, public: frozenset[str] = frozenset(),
    ) -> None:  # fmt: skip
        self._public = public
        self._identity = identity
        self._routing = routing
        self._engines = engines
        self._targets = targets
        self._metrics = metrics
        self._ping = ping
        self._is_ready = is_ready
        self._is_leaving = is_leaving
        self._litellm_version = litellm_version
        self._metrics_need_key = metrics_need_key
        self._metrics_per_key = metrics_per_key
        self._refusals = refusals
        self._cache_type = {"valkey": "redis"}.get(cache_type, None if cache_type == "none" else cache_type)

    def has(self, path: str) -> bool:
        return path in _PATHS or path.startswith(("/v1/models/", "/models/"))

    async def serve(self, request: Request, response: Response) -> None:
        try:
            if request.method not in ("GET", "HEAD"):
                raise MethodNotAllowed(f"{request.path[:200]} is called with GET", ("GET", "HEAD"))
            status, content_type, body = await self._page(request)
        except LiteMaaSError as error:
            self._refusals.refuse(request, response, error)
        else:
            response.send(status, content_type + self._refusals.usual_lines(request), body)

    async def _page(self, request: Request) -> tuple[int, bytes, bytes]:
        path = request.path.rstrip("/") or "/"
        if path in _ALIVE:
            return 200, _JSON, encode("I'm alive!")
        if path == "/health/readiness":
            return await self._readiness()
        if path == "/":
            return (
                200,
                _JSON,
                encode({"name": "LiteMaaS gateway", "models": "/v1/models", "health": "/health/readiness"}),
            )
        if path == "/metrics":
            if self._metrics_need_key or self._metrics_per_key:
                reader = await self._identity.identify(request.headers)
                if self._metrics_per_key and not reader.is_master:
                    raise MasterKeyRequired("these metrics say what each key spends: they are for the master key")
            numbers = await outside(_awaited(self._metrics), _METRICS_WITHIN_S)
            return 200, b"content-type: text/plain; version=0.0.4; charset=utf-8\r\n", numbers
        caller = await self._reader(request, path)
        if path == "/health":
            return 200, _JSON, encode(await self._health(self._routing.visible_models(caller.key), request))
        models = self._routing.visible_models(caller.key)
        if path in ("/models", "/v1/models"):
            return 200, _JSON, encode({"data": entries(models, request.query), "object": "list"})
        name = path.partition("/models/")[2]
        entry = find(models, name)
        if entry is not None:
            return 200, _JSON, encode(entry)
        raise NotFound(f"the model {name[:200]!r} does not exist, or your key may not call it", "model")

    async def _reader(self, request: Request, path: str) -> Caller:
        """Who has no key may read public pages; who has one sees there what is the key's."""
        try:
            return await self._identity.identify(request.headers)
        except KeyMissing:
            if path not in self._public:
                raise
        return self._identity.anybody

    async def _readiness(self) -> tuple[int, bytes, bytes]:
        try:
            await outside(_awaited(self._ping), 3.0)
            connected = True
        except (ServiceUnavailable, TimeoutError):
            connected = False
        ready = connected and self._is_ready() and not self._is_leaving()
        page: dict[str, object] = {
            "status": "connected" if ready else self._why_not_ready(connected),
            "db": "connected" if connected else "Not connected",
            "cache": self._cache_type,
            "litellm_version": self._litellm_version,
            "success_callbacks": [],
            "use_aiohttp_transport": False,
            "log_level": "ERROR",
            "is_detailed_debug": False,
            "last_updated": datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds"),
        }
        return (200 if ready else 503), _JSON, encode(page)

    def _why_not_ready(self, connected: bool) -> str:
        if self._is_leaving():
            return "draining"
        return "starting" if connected else "disconnected"

    async def _health(self, models: list[Model], request: Request) -> dict[str, object]:
        """Asks every engine behind these models, all at once."""
        wanted = parse_qs(request.query.decode("latin-1"))
        names, ids = wanted.get("model"), wanted.get("model_id")
        deployments = [
            d for m in models if names is None or m.name in names for d in m.deployments if ids is None or d.id in ids
        ]  # fmt: skip
        probes = asyncio.gather(*(stepped(self._engines.probe(deployment)) for deployment in deployments))
        healthy: list[dict[str, object]] = []
        unhealthy: list[dict[str, object]] = []
        for deployment, wrong in zip(deployments, await outside(_gathered(probes), _PROBES_WITHIN_S), strict=True):
            entry, error = self._state_of(deployment, wrong)
            if error is None:
                healthy.append(entry)
            else:
                unhealthy.append({**entry, "error": error})
        return {
            "healthy_endpoints": healthy,
            "unhealthy_endpoints": unhealthy,
            "healthy_count": len(healthy),
            "unhealthy_count": len(unhealthy),
        }

    def _state_of(self, deployment: Deployment, wrong: UpstreamFailure | None) -> tuple[dict[str, object], str | None]:
        """What is told of a deployment, and why it is not well, if so: by its calls here and by its answer just now."""
        condition = self._targets.condition_of(deployment)
        cold_s = condition.cold_until - monotonic()
        entry: dict[str, object] = {
            "model": deployment.engine_model,
            "api_base": deployment.api_base.partition("?")[0],
            "model_id": deployment.id,
            "running": condition.running,
        }
        if cold_s > 0:
            entry["cooling_for_s"] = round(cold_s, 1)
            return entry, f"{condition.kind}: {condition.why}"
        return entry, wrong.message if wrong is not None else None


async def _gathered(probes: asyncio.Future[list[UpstreamFailure | None]]) -> list[UpstreamFailure | None]:
    return await probes


_PATHS = frozenset({"/", "/health", "/health/readiness", "/metrics", "/models", "/v1/models", *_ALIVE})


def public_pages(setting: str) -> frozenset[str]:
    """Pages by both of their names. Errors: SettingsError for one that cannot be public."""
    names = [name.strip() for name in setting.split(",") if name.strip()]
    if others := [name for name in names if name not in CAN_BE_PUBLIC]:
        raise SettingsError(
            f"LITEMAAS_GATEWAY__PUBLIC_ROUTES: {others[0][:200]!r} is none of {', '.join(CAN_BE_PUBLIC)}"
        )
    models = {"/models", "/v1/models"}
    return frozenset(names) | (models if models.intersection(names) else set())


async def _awaited(ask: Callable[[], Awaitable[T]]) -> T:
    return await ask()
