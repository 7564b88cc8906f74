"""How does the control plane run as a process? uvicorn, one line of JSON per event, a graceful end at SIGTERM."""

from __future__ import annotations

import logging
import sys

import structlog
import uvicorn

from litemaas.control.app.compose import create_app
from litemaas.control.app.protocol import ProblemProtocol
from litemaas.control.app.settings import Settings
from litemaas.kit.logging import CONTENTS, Level, configure_logging, number_of

_GRACE_S = 10


def run(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then lets running requests end (at most ten seconds).

    Errors: SettingsError. A port in use ends the process with uvicorn's own message and status 1.
    """
    _log_as_json(settings.log_level)
    uvicorn.run(
        create_app(settings),
        host=settings.control.host,
        port=settings.control.port,
        loop="uvloop",
        http=ProblemProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
        h11_max_incomplete_event_size=32_768,
    )


def _log_as_json(level: Level) -> None:
    configure_logging(level)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=CONTENTS,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=number_of(level), handlers=[handler], force=True)
