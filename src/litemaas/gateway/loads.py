"""What does each deployment do for this worker now, and does it leave one alone? Told every few seconds, for people to see.

Only what is busy or in trouble is told; who is not named is idle. Nothing is decided by it.

**Fails**: open. What cannot be told is told the next time.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from litemaas.gateway.cooling import Condition
    from litemaas.gateway.targets import Targets

_MOST = 1_000


class Load(msgspec.Struct, frozen=True):
    """``running``: calls that are there now. ``cold_s``: for so many seconds no call goes there. ``why``: what failed last."""

    deployment_id: str
    running: int = 0
    is_troubled: bool = False
    cold_s: float = 0.0
    why: str = ""


class LoadStore(Protocol):
    async def tell_loads(self, loads: bytes) -> None:
        """Errors: ServiceUnavailable."""


class Loads:
    """This worker's."""

    def __init__(self, store: LoadStore, targets: Targets) -> None:
        self._store = store
        self._targets = targets
        self._told: list[Load] = []

    async def tell(self) -> None:
        """Says nothing where nothing is different. Errors: ServiceUnavailable, TimeoutError."""
        seen = loads_of(self._targets.conditions.values(), monotonic())
        if seen != self._told:
            await self._store.tell_loads(msgspec.json.encode(seen))
            self._told = seen


def loads_of(conditions: Iterable[Condition], now: float) -> list[Load]:
    """``kind`` of a failure is told, never the engine's words: they may quote what was sent."""
    busy = (one for one in list(conditions) if one.running or one.troubled or one.is_cold(now))
    return [
        Load(
            deployment_id=one.deployment_id, running=one.running, is_troubled=one.troubled,
            cold_s=round(max(0.0, one.cold_until - now), 1), why=one.kind.value if one.kind is not None else "",
        )
        for one in islice(busy, _MOST)
    ]  # fmt: skip
