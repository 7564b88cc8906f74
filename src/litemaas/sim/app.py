"""How do the simulated servers start and stop together, in a test or as a process of their own?"""

from __future__ import annotations

import asyncio
import signal
import sys
import time

import orjson
import uvloop

from litemaas.kit.ids import RequestIds
from litemaas.sim.behaviour import Conduct
from litemaas.sim.counters import Counters
from litemaas.sim.docling.server import DoclingFlavour
from litemaas.sim.embeddings import OpenVinoFlavour
from litemaas.sim.prose import Prose
from litemaas.sim.server import Flavour, SimulatedServer
from litemaas.sim.settings import SimSettings
from litemaas.sim.vllm.server import VllmFlavour


class Simulation:
    """The simulated servers of one process, and what they counted."""

    def __init__(self, settings: SimSettings) -> None:
        self.settings = settings
        self.counters = Counters(settings.kept_entries)
        next_id = RequestIds(lambda: time.time_ns() // 1_000_000).next

        conduct = Conduct(settings.chat)
        counts = self.counters.open_server("chat", tuple(model.name for model in settings.chat_models))
        vllm = VllmFlavour(settings.chat_models, settings.chat_api_key, conduct, counts, next_id)
        self.chat = self._server("chat", vllm, conduct)

        conduct = Conduct(settings.embeddings)
        counts = self.counters.open_server("embeddings", tuple(model.name for model in settings.embedding_models))
        openvino = OpenVinoFlavour(settings.embedding_models, settings.embeddings_api_key, conduct, counts, next_id)
        self.embeddings = self._server("embeddings", openvino, conduct)

        conduct = Conduct(settings.documents)
        counts = self.counters.open_server("documents", (settings.document_model,))
        docling = DoclingFlavour(settings, conduct, self.counters, counts, Prose(), next_id)
        self.documents = self._server("documents", docling, conduct)

        self._ports = (
            (self.chat, settings.chat_port),
            (self.embeddings, settings.embeddings_port),
            (self.documents, settings.documents_port),
        )

    def _server(self, name: str, flavour: Flavour, conduct: Conduct) -> SimulatedServer:
        return SimulatedServer(name, flavour, conduct, self.counters, self.settings.kept_requests)

    @property
    def urls(self) -> dict[str, str]:
        """Where each started server listens, without ``/v1``."""
        return {server.name: server.url for server, port in self._ports if port is not None}

    async def start(self) -> None:
        """Starts every server that has a port.

        Errors: OSError when a port is taken; what was started before is stopped.
        """
        try:
            for server, port in self._ports:
                if port is not None:
                    await server.start(self.settings.host, port, self.settings.keep_alive_s)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stops all servers; requests get ``drain_s`` to end."""
        await asyncio.gather(*(server.stop(self.settings.drain_s) for server, _ in self._ports))


async def _serve(settings: SimSettings) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    simulation = Simulation(settings)
    await simulation.start()
    try:
        sys.stdout.write(orjson.dumps({"ready": True, **simulation.urls}).decode() + "\n")
        sys.stdout.flush()
        await stopped.wait()
    finally:
        await simulation.stop()


def run(settings: SimSettings) -> None:
    """Serves until SIGTERM or SIGINT; prints one JSON line with the URLs when ready."""
    uvloop.run(_serve(settings))
