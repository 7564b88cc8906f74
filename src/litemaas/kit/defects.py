"""What may a log say of an unexpected error? Its kind and where it happened; messages and variables can hold keys."""

from __future__ import annotations

import sys
import traceback
from collections.abc import MutableMapping
from typing import Any


def named_with_frames(error: BaseException) -> dict[str, Any]:
    frames = [line.strip() for line in traceback.format_tb(error.__traceback__)]
    return {"error": type(error).__name__, "frames": frames}


def without_messages(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor in the place of those that render exceptions in full."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event.update(named_with_frames(error))
    return event
