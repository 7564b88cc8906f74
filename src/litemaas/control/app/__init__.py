"""The control plane put together: ``create_app`` for ASGI, ``run`` for a process."""

from litemaas.control.app.compose import create_app
from litemaas.control.app.server import run
from litemaas.control.app.settings import Settings

__all__ = ["Settings", "create_app", "run"]
