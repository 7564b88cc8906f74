"""What time is it? One place to ask, so that tests can answer."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The wall clock, in UTC."""

    def monotonic(self) -> float:
        """Seconds that never run backwards."""


class SystemClock:
    monotonic = staticmethod(time.monotonic)
    """The function itself: it is asked several times per call."""

    def now(self) -> datetime:
        return datetime.now(UTC)
