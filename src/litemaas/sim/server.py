"""What is the same at every simulated server? Routing, faults, counters, the ``/sim/…`` controls and the listening."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol

import msgspec
from uvicorn.config import Config
from uvicorn.server import ServerState

from litemaas.sim.behaviour import Behaviour, Conduct
from litemaas.sim.connection import SimulatedConnection
from litemaas.sim.counters import Counters, Entry, Outcome
from litemaas.sim.exchange import ClientLeft, ConnectionCut, Exchange, Receive, ReceivedRequest, Send

_KEPT_BODY_BYTES = 1 << 20
_NOT_KEPT = frozenset({"/health", "/metrics", "/v2/health/ready", "/v2/health/live"})


class Route(NamedTuple):
    """A handler; ``works`` marks the calls that cost money: they are counted and meet the faults that name no path."""

    handler: Callable[[Exchange], Awaitable[None]]
    works: bool = False


class Flavour(Protocol):
    """What makes a server a vLLM, an OpenVINO Model Server or a Docling Serve."""

    routes: dict[tuple[str, str], Route]  # by method and path; a path that ends in "/" stands for all below it

    async def admit(self, exchange: Exchange) -> bool:
        """Checks the credential, and answers itself when it refuses."""

    def observe(self, entry: Entry) -> None:
        """Learns of a request that ended, for its metrics."""

    def forget(self) -> None:
        """Drops what earlier requests left behind, such as cached prompts."""

    async def stop(self) -> None:
        """Ends what still works in the background."""


class _ModelName(msgspec.Struct):
    model: str | None = None


class SimulatedServer:
    """One simulated server: an ASGI application that listens by itself."""

    def __init__(self, name: str, flavour: Flavour, conduct: Conduct, counters: Counters, kept_requests: int) -> None:
        self.name = name
        self.conduct = conduct
        self.counters = counters
        self.received: deque[ReceivedRequest] = deque(maxlen=kept_requests)
        self.url = ""
        self._flavour = flavour
        controls = {
            ("GET", "/sim/requests"): Route(self._show_requests),
            ("DELETE", "/sim/requests"): Route(self._forget_requests),
            ("GET", "/sim/counters"): Route(self._show_counters),
            ("DELETE", "/sim/counters"): Route(self._clear_counters),
            ("GET", "/sim/behaviour"): Route(self._show_behaviour),
            ("POST", "/sim/behaviour"): Route(self._change_behaviour),
            ("DELETE", "/sim/behaviour"): Route(self._reset_behaviour),
        }
        self._routes = {**flavour.routes, **controls}
        self._below = [(method, path, route) for (method, path), route in self._routes.items() if path[-1] == "/"]
        self._state = ServerState()
        self._listener: asyncio.Server | None = None

    # -- for tests in the same process

    @property
    def behaviour(self) -> Behaviour:
        return self.conduct.behaviour

    def behave(self, **changes: Any) -> None:
        """Changes members of the behaviour in force, as ``POST /sim/behaviour`` does."""
        self.conduct.change(changes)

    def reset_behaviour(self) -> None:
        """Returns to the behaviour that it started with, as ``DELETE /sim/behaviour`` does."""
        self.conduct.reset()
        self._flavour.forget()

    # -- listening

    async def start(self, host: str, port: int, keep_alive_s: int) -> None:
        """Listens; ``url`` says where."""
        config = Config(
            self._serve,
            http=SimulatedConnection,
            ws="none",
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=keep_alive_s,
        )
        config.load()
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: SimulatedConnection(config, self._state, {}, loop), host, port, backlog=2048
        )
        bound = self._listener.sockets[0]
        address = f"[{host}]" if bound.family == socket.AF_INET6 else host
        self.url = f"http://{address}:{bound.getsockname()[1]}"

    async def stop(self, drain_s: float) -> None:
        """Stops listening, lets running requests end for ``drain_s`` and cuts off the rest."""
        if self._listener is None:
            return
        self._listener.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            await asyncio.wait(list(self._state.tasks), timeout=drain_s)
        await self._flavour.stop()
        for connection in list(self._state.connections):
            connection.transport.abort()
        if self._state.tasks:
            await asyncio.wait(list(self._state.tasks), timeout=drain_s)
        await self._listener.wait_closed()
        self._listener = None

    # -- one request

    async def _serve(self, scope: Any, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        route = self._route(method, path)
        works = route is not None and route.works
        entry = self.counters.begin(self.name, path) if works else Entry(self.name, path)
        exchange = Exchange(scope, receive, send, entry)
        outcome: Outcome = "failed"
        try:
            await exchange.read_body()
            if not path.startswith("/sim/") and path not in _NOT_KEPT:
                query = scope["query_string"].decode("latin-1")
                kept = exchange.body[:_KEPT_BODY_BYTES]
                self.received.append(ReceivedRequest(method, path, query, exchange.headers, kept))
            if self.conduct.behaviour.faults:
                exchange.fault = self._draw_fault(exchange, works)
            if await exchange.suffer():
                await self._answer(exchange, route)
            if entry.status < 400:
                outcome = "completed"
        except ClientLeft:
            outcome = "cancelled"
        except ConnectionCut:
            pass
        finally:
            if works and not exchange.outlives_answer:
                self.counters.end(entry, outcome)
                self._flavour.observe(entry)

    def _route(self, method: str, path: str) -> Route | None:
        route = self._routes.get((method, path))
        if route is None:
            route = next((r for m, prefix, r in self._below if m == method and path.startswith(prefix)), None)
        return route

    def _draw_fault(self, exchange: Exchange, works: bool) -> Any:
        model = None
        if self.conduct.asks_for_model:
            try:
                model = msgspec.json.decode(exchange.body, type=_ModelName).model
            except msgspec.DecodeError:
                model = None
        return self.conduct.draw_fault(exchange.path, works, model)

    async def _answer(self, exchange: Exchange, route: Route | None) -> None:
        if route is not None:
            if exchange.path.startswith("/sim/") or await self._flavour.admit(exchange):
                await route.handler(exchange)
        elif any(path == exchange.path for _, path in self._routes):
            await exchange.answer_json({"detail": "Method Not Allowed"}, 405)
        else:
            await exchange.answer_json({"detail": "Not Found"}, 404)

    # -- the controls

    async def _show_requests(self, exchange: Exchange) -> None:
        await exchange.answer_json({"requests": [request.report() for request in self.received]})

    async def _forget_requests(self, exchange: Exchange) -> None:
        self.received.clear()
        await exchange.answer_json({"requests": []})

    async def _show_counters(self, exchange: Exchange) -> None:
        wanted = exchange.query().get("entries")
        await exchange.answer_json(self.counters.report(int(wanted) if wanted and wanted.isdecimal() else None))

    async def _clear_counters(self, exchange: Exchange) -> None:
        self.counters.clear()
        await exchange.answer_json(self.counters.report())

    async def _show_behaviour(self, exchange: Exchange) -> None:
        await exchange.answer_json(msgspec.to_builtins(self.conduct.behaviour))

    async def _change_behaviour(self, exchange: Exchange) -> None:
        try:
            changes = msgspec.json.decode(exchange.body, type=dict[str, Any])
            self.conduct.change(changes)
        except msgspec.DecodeError as error:
            await exchange.answer_json({"detail": str(error)}, 400)
            return
        await self._show_behaviour(exchange)

    async def _reset_behaviour(self, exchange: Exchange) -> None:
        self.reset_behaviour()
        await self._show_behaviour(exchange)
