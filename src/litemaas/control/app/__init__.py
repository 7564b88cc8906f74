"""The control plane put together: ``create_app`` for ASGI, ``run`` for a process.

The framework is imported when one of them is called: whoever only reads :class:`Settings` does not pay for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from litemaas.control.app.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from litemaas.kit.clock import Clock

__all__ = ["Settings", "create_app", "run"]


def create_app(settings: Settings, clock: Clock | None = None) -> FastAPI:
    """The control plane as an ASGI application. Errors: SettingsError."""
    from litemaas.control.app.compose import create_app as compose

    return compose(settings, clock)


def run(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then lets running requests end. Errors: SettingsError."""
    from litemaas.control.app.server import run as serve

    serve(settings)
