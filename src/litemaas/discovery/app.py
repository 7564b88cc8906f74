"""How does discovery run as a process? A controller behind a lease, and a small server that says how it is."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
import uvicorn
from lightkube import AsyncClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from litemaas.discovery.catalogue import Catalogue
from litemaas.discovery.cluster import Cluster, connect
from litemaas.discovery.controller import Controller, Policy
from litemaas.discovery.leadership import Leadership
from litemaas.discovery.settings import DiscoverySettings, check_settings, engine_ca, price_policies
from litemaas.kit.defects import named_with_frames
from litemaas.kit.logging import configure_logging
from litemaas.kit.tasks import Background

_log = structlog.get_logger("discovery")


def run(settings: DiscoverySettings) -> None:
    """Until SIGTERM or SIGINT; the lease is given back then. Errors: SettingsError."""
    configure_logging()
    app = create_app(settings)
    uvicorn.run(
        app, host=settings.host, port=settings.port, log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=5,
    )  # fmt: skip


def create_app(settings: DiscoverySettings, client: AsyncClient | None = None) -> Starlette:
    """Errors: SettingsError."""
    check_settings(settings)
    client = client or connect()
    own = client.namespace
    namespaces = tuple(name.strip() for name in settings.namespaces.split(",") if name.strip()) or (own,)
    catalogue = Catalogue(settings.control_url, settings.token)
    policy = Policy(settings.cluster, price_policies(settings), settings.default_price_policy, engine_ca(settings))
    controller = Controller(
        catalogue, Cluster(client, ("*",) if "*" in namespaces else namespaces), policy, settings.resync_s
    )
    holder = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    leadership = Leadership(client, settings.lease_namespace or own, settings.lease_name, holder, settings.lease_s)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        background = Background(_tell)
        background.keep("discovery", lambda: leadership.lead(controller.run))
        try:
            yield
        finally:
            await background.stop()
            await catalogue.close()
            await client.aclose()

    async def live(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def metrics(_: Request) -> Response:
        return PlainTextResponse(_metrics(controller, leadership), media_type="text/plain; version=0.0.4")

    return Starlette(routes=[Route("/health/live", live), Route("/metrics", metrics)], lifespan=lifespan)


def _tell(name: str, error: Exception) -> None:
    _log.error("begun anew", work=name, **named_with_frames(error))


def _metrics(controller: Controller, leadership: Leadership) -> str:
    drift = sum(controller.drift.values())
    figures = {
        "leading": ("Whether this replica is the one that discovers.", int(leadership.is_ours)),
        "servers": ("Annotated model servers that are known.", controller.known),
        "refused": ("Annotated model servers that are not in the catalogue; the log says why.", len(controller.refused)),
        "drift_members": ("Members of the catalogue that differ from what the cluster says.", drift),
    }  # fmt: skip
    return "".join(
        f"# HELP litemaas_discovery_{name} {meaning}\n# TYPE litemaas_discovery_{name} gauge\n"
        f"litemaas_discovery_{name} {value}\n"
        for name, (meaning, value) in figures.items()
    )
