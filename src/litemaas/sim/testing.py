"""How does a test get simulated servers? In its own loop, on ports that the system chose.

``async with SimulatedServers() as sim: client.post(sim.chat.url + "/v1/chat/completions", …)``, then
``sim.counters.of("chat")``; ``sim.chat.behave(token_s=0.01)`` and ``sim.chat.received`` reach one server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from litemaas.sim.app import Simulation
from litemaas.sim.settings import SimSettings


class SimulatedServers(Simulation):
    """The simulation as an asynchronous context manager."""

    def __init__(self, settings: SimSettings | None = None) -> None:
        super().__init__(settings or SimSettings(drain_s=0.2))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def reset(self) -> None:
        """Forgets everything counted, received and ordered, so that one simulation can serve many tests."""
        self.counters.clear()
        for server in (self.chat, self.embeddings, self.documents):
            server.reset_behaviour()
            server.received.clear()

    async def until(self, happened: Callable[[], bool], within_s: float = 60.0) -> None:
        """Waits for something that the simulation does by itself, such as noticing that a client left.

        Errors: TimeoutError.
        """
        async with asyncio.timeout(within_s):
            while True:
                if happened():
                    return
                await asyncio.sleep(0.001)

    async def until_ended(self, requests: int = 1, within_s: float = 60.0) -> None:
        """Waits until so many requests have ended since the last reset."""
        await self.until(lambda: len(self.counters.entries) >= requests, within_s)
