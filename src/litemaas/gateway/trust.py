"""Is what is cached still true? While changes reach this worker it is; some seconds after they last could, nobody knows."""

from __future__ import annotations

from litemaas.kit.ticks import monotonic


class Trust:
    """``until``: seconds of the monotonic clock; whoever follows the changes moves it on."""

    __slots__ = ("until",)

    def __init__(self) -> None:
        self.until = float("-inf")

    def is_current(self) -> bool:
        return monotonic() < self.until
