"""How do processes log? One JSON object per line on standard error, with what is secret left out where it is written."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import Any, Literal

import structlog
from structlog.typing import Processor

from litemaas.kit.defects import without_messages

CONTENTS: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    without_messages,
)
"""What a line carries besides its own words."""


class StandardError:
    """Writes lines to whatever is standard error at that moment.

    Fails: open; nobody's task ends because a log's reader hung up or its disk is full.
    """

    def msg(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # ValueError: the stream was closed
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    debug = info = warning = error = critical = exception = fatal = log = msg


Level = Literal["debug", "info", "warning", "error", "critical"]


def configure_logging(level: Level = "info") -> None:
    """Call once, from a process's entry. ``level``: what is less is not written."""

    def to_standard_error(*_: Any) -> StandardError:
        return StandardError()

    structlog.configure(
        processors=[*CONTENTS, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(number_of(level)),
        logger_factory=to_standard_error,
        cache_logger_on_first_use=True,
    )


def number_of(level: Level) -> int:
    """As the standard library counts levels."""
    return logging.getLevelNamesMapping()[level.upper()]
