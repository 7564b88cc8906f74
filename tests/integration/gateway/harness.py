"""How do the tests run a gateway? The real one, on any free port, between real servers and simulated engines."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
from tests.patience import patience

from litemaas.core.keys import hash_key
from litemaas.core.money import per_million_from_usd_per_unit
from litemaas.core.pass_through import METHODS
from litemaas.core.price_terms import AS_LISTED, Terms
from litemaas.gateway.app import Gateway
from litemaas.gateway.settings import GatewaySection, GatewaySettings, JournalSettings, RoutingSettings
from litemaas.kit.crypto import Vault
from litemaas.sim.testing import SimulatedServers

MASTER_KEY = "sk-master-0123456789abcdef"
ENCRYPTION_KEY = "an encryption key for tests"
WITHIN_S = 30.0
QUESTION = {"model": "granite", "messages": [{"role": "user", "content": "How does a bill of lading work?"}]}
PRICE_IN, PRICE_OUT = 1_000, 2_000
"""What ``granite`` costs. Units: nano-USD per token."""

Rows = list[asyncpg.Record]


async def until(happened: Callable[[], Awaitable[Any]], within_s: float = WITHIN_S) -> Any:
    """What ``happened`` returns once it is true; seconds in which the machine kept this process waiting are not counted.

    Errors: TimeoutError.
    """
    async with patience(within_s):
        while True:
            result = await happened()
            if result:
                return result
            await asyncio.sleep(0.005)


def gateway_settings(database_url: str, state_dir: Path, redis_url: str | None = None, **own: Any) -> GatewaySettings:
    """Settings of a gateway that stores its records at once, and asks a lone deployment once and always.

    ``own`` changes members of ``settings.gateway``.
    """
    section = {
        "port": 0,
        "routing": RoutingSettings(retries=0, allowed_failures_alone=1_000_000, probe_interval_s=0),
        "journal": JournalSettings(flush_interval_s=0.02),
        "drain_timeout_s": 2.0,
        "database_timeout_s": 8.0,
        **own,
    }
    return GatewaySettings(
        database_url=database_url, master_key=MASTER_KEY, encryption_key=ENCRYPTION_KEY, redis_url=redis_url,
        state_dir=str(state_dir), gateway=GatewaySection(**section),
    )  # fmt: skip


class Ledger:
    """What the database holds, and the ways to put keys and models there."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self._vault = Vault(ENCRYPTION_KEY)

    # -- putting in ---------------------------------------------------------------------------------------------------

    async def announce(self, kind: str, refs: Iterable[str]) -> int:
        """A change as the control plane tells of it."""
        async with self.connection.transaction():
            seq = await self.connection.fetchval(
                "insert into changes (kind, refs) values ($1, $2) returning seq", kind, list(refs)
            )
            await self.connection.execute("select pg_notify('litemaas_changes', $1)", str(seq))
        return int(seq)

    async def add_model(
        self, name: str, url: str, engine_model: str = "granite-3.3-8b", *, mode: str = "chat", provider: str = "hosted_vllm",
        price: tuple[float, float] = (0.000001, 0.000002), api_key: str | None = None,
        media_price: dict[str, float] | None = None, terms: Terms = AS_LISTED, **columns: Any,
    ) -> str:  # fmt: skip
        """A deployment of ``name``; ``price`` in USD per prompt and per completion token, ``media_price`` per unit of each
        column, such as ``page_per_million``. Returns its id.
        """
        identity = f"d-{secrets.token_hex(6)}"
        await self.connection.execute(
            "insert into models (name, mode) values ($1, $2) on conflict do nothing", name, mode
        )
        version = await self.connection.fetchval(
            "insert into prices (deployment_id, input_per_million, output_per_million, discount_millionths, margin_millionths, "
            "margin_per_million_requests, created_by) values ($1, $2, $3, $4, $5, $6, 'test') returning version",
            identity, *map(per_million_from_usd_per_unit, price), terms.discount, terms.margin, terms.fixed_per_million,
        )  # fmt: skip
        for column, usd in (media_price or {}).items():
            await self.connection.execute(
                f"update prices set {column} = $1 where version = $2",  # noqa: S608 - column names are the tests' own
                per_million_from_usd_per_unit(usd), version,
            )  # fmt: skip
        sealed = self._vault.seal(api_key, f"deployment:{identity}") if api_key is not None else None
        values = {
            "id": identity, "model_name": name, "provider": provider, "engine_model": engine_model, "api_base": url,
            "api_key_sealed": sealed, "price_version": version, "created_by": "test", "updated_by": "test", **columns,
        }  # fmt: skip
        await self._insert("deployments", values)
        await self.announce("catalog", [name])
        return identity

    async def add_route(
        self, path: str, target: str, *, headers: dict[str, str] | None = None, query: dict[str, str] | None = None,
        cost: float = 0, methods: tuple[str, ...] = METHODS, **columns: Any,
    ) -> str:  # fmt: skip
        """A route of the installation's own; ``cost`` in USD per request. Returns its id."""
        identity = f"r-{secrets.token_hex(6)}"
        version = await self.connection.fetchval(
            "insert into prices (deployment_id, request_per_million, created_by) values ($1, $2, 'test') returning version",
            identity, per_million_from_usd_per_unit(cost),
        )  # fmt: skip
        kept = json.dumps({"headers": headers or {}, "query": query or {}})
        values = {
            "id": identity, "path": path, "target": target, "methods": list(methods), "price_version": version,
            "secrets_sealed": self._vault.seal(kept, f"pass_through:{identity}"), "created_by": "test",
            "updated_by": "test", **columns,
        }  # fmt: skip
        await self._insert("pass_through_routes", values)
        await self.announce("catalog", [path])
        return identity

    async def add_key(self, secret: str | None = None, **columns: Any) -> str:
        """A virtual key; returns its secret."""
        secret = secret or f"sk-{secrets.token_urlsafe(16)}"
        values = {
            "key_hash": hash_key(secret), "key_name": f"sk-...{secret[-4:]}", "created_by": "test", "updated_by": "test",
            **columns,
        }  # fmt: skip
        await self._insert("virtual_keys", values)
        await self.announce("key", [hash_key(secret)])
        return secret

    async def change_key(self, secret: str, **columns: Any) -> int:
        names = ", ".join(f"{name} = ${place}" for place, name in enumerate(columns, 2))
        await self.connection.execute(
            f"update virtual_keys set {names} where key_hash = $1",  # noqa: S608 - column names are the tests' own
            hash_key(secret),
            *columns.values(),
        )
        return await self.announce("key", [hash_key(secret)])

    async def _insert(self, table: str, values: dict[str, Any]) -> None:
        names = ", ".join(values)
        places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
        await self.connection.execute(f"insert into {table} ({names}) values ({places})", *values.values())  # noqa: S608 - as above

    # -- looking ------------------------------------------------------------------------------------------------------

    async def records(self, secret: str | None) -> Rows:
        """The usage records of a key; of calls without a known key for None. Oldest first."""
        return await self.connection.fetch(
            "select * from usage_records where key_hash = $1 order by started_at, request_id",
            "" if secret is None else hash_key(secret),
        )

    async def settled(self, secret: str) -> int:
        """What is booked on the key in all its windows (nano-USD)."""
        total = await self.connection.fetchval(
            "select sum(settled_nano)::bigint from budget_windows where scope = $1", f"key:{hash_key(secret)}"
        )
        return total or 0

    async def leased(self, secret: str) -> int:
        """What workers hold of the key's windows (nano-USD)."""
        total = await self.connection.fetchval(
            "select sum(leased_nano)::bigint from budget_windows where scope = $1", f"key:{hash_key(secret)}"
        )
        return total or 0


class Platform:
    """A running gateway, its database, the simulated engines, and a client without a key."""

    def __init__(self, gateway: Gateway, ledger: Ledger, sim: SimulatedServers, http: httpx2.AsyncClient) -> None:
        self.gateway = gateway
        self.ledger = ledger
        self.sim = sim
        self.http = http

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port}"

    async def chat(self, secret: str, **members: Any) -> httpx2.Response:
        return await self.post("/v1/chat/completions", secret, {**QUESTION, **members})

    async def post(self, path: str, secret: str, body: Any) -> httpx2.Response:
        return await self.http.post(path, json=body, headers={"Authorization": f"Bearer {secret}"})

    async def add_model(self, *args: Any, **kwargs: Any) -> str:
        """As :meth:`Ledger.add_model`, and the gateway knows it."""
        identity = await self.ledger.add_model(*args, **kwargs)
        await self.catch_up()
        return identity

    async def add_route(self, *args: Any, **kwargs: Any) -> str:
        """As :meth:`Ledger.add_route`, and the gateway knows it."""
        identity = await self.ledger.add_route(*args, **kwargs)
        await self.catch_up()
        return identity

    async def catch_up(self) -> None:
        """Waits until the gateway has applied every change."""
        seq = await self.ledger.connection.fetchval("select coalesce(max(seq), 0) from changes")
        assert await self.gateway.feed.wait_for(seq, WITHIN_S)

    async def records(self, secret: str | None, count: int = 1) -> Rows:
        """The key's records once there are ``count`` of them, and never more."""

        async def enough() -> Rows | None:
            rows = await self.ledger.records(secret)
            return rows if len(rows) >= count else None

        await until(enough)
        await self.gateway.accountant.empty()
        rows = await self.ledger.records(secret)
        assert len(rows) == count, [dict(row) for row in rows]
        return rows

    async def record(self, secret: str | None) -> asyncpg.Record:
        return (await self.records(secret))[0]

    async def no_room_is_held(self, secret: str) -> None:
        """Fails unless everything that calls of the key reserved is settled or free again in this worker and the ledger."""
        scope = f"key:{hash_key(secret)}"
        account = self.gateway.budgets._accounts.get(scope)
        if account is not None:
            assert account.held == 0
        await self.gateway.accountant.empty()

        async def agree() -> bool:
            """A draw may be on its way: the ledger knows of it before this worker does."""
            leases: int = await self.ledger.connection.fetchval(
                "select coalesce(sum(granted_nano), 0)::bigint from leases where scope = $1", scope
            )
            return leases == await self.ledger.leased(secret) and (account is None or leases == max(0, account.free))

        await until(agree)


async def add_usual_models(ledger: Ledger, sim: SimulatedServers) -> None:
    """``granite`` (priced), ``free`` (the same engine at no price), ``final`` (usage only at the end), ``nomic`` (vectors)."""
    await ledger.add_model("granite", sim.chat.url + "/v1", api_key="engine-credential-1")
    await ledger.add_model("free", sim.chat.url + "/v1", price=(0, 0))
    await ledger.add_model("final", sim.chat.url + "/v1", provider="groq")
    await ledger.add_model(
        "nomic", sim.embeddings.url + "/v3", "nomic-embed-text-v1.5", mode="embedding", price=(0.00000005, 0)
    )


@asynccontextmanager
async def running(settings: GatewaySettings, sim: SimulatedServers) -> AsyncIterator[Platform]:
    """A gateway with these settings, until the block is left; its database already has what it needs."""
    connection = await asyncpg.connect(settings.database_url, timeout=WITHIN_S, command_timeout=WITHIN_S)
    gateway = Gateway(settings)
    try:
        await gateway.start()
        base_url = f"http://127.0.0.1:{gateway.port}"
        async with httpx2.AsyncClient(base_url=base_url, timeout=WITHIN_S * 3) as http:
            yield Platform(gateway, Ledger(connection), sim, http)
    finally:
        await gateway.stop()
        await connection.close(timeout=WITHIN_S)


# -- streams ----------------------------------------------------------------------------------------------------------


def events_of(body: bytes) -> list[bytes]:
    """The events of a stream, without the empty line that ends each."""
    assert body.endswith(b"\n\n"), body[-200:]
    return body[:-2].split(b"\n\n")


def chunks_of(body: bytes) -> list[dict[str, Any]]:
    """The JSON of every event but ``[DONE]``."""
    return [json.loads(event.removeprefix(b"data: ")) for event in events_of(body) if event != b"data: [DONE]"]


def text_of(chunks: list[dict[str, Any]]) -> str:
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


# -- engines that say exactly what a test wants -----------------------------------------------------------------------


def answer(body: bytes, status: str = "200 OK", headers: bytes = b"content-type: application/json\r\n") -> bytes:
    return b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\n\r\n%b" % (status.encode(), headers, len(body), body)


def stream_answer(*events: bytes) -> bytes:
    """A stream in one chunk per event."""
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in events)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + chunks + b"0\r\n\r\n"


Reply = bytes | Callable[[bytes, bytes], bytes]
EMPTY: Reply = answer(b"{}")


class ScriptedEngine:
    """An engine that answers every request with ``reply``, or what that says to head and body, and keeps what it received.

    ``then``: what happens after them: ``keep`` the connection, ``close`` it, or be ``silent`` until the client leaves.
    """

    def __init__(self, reply: Reply = EMPTY, then: str = "keep") -> None:
        self.reply = reply
        self.then = then
        self.received: list[tuple[bytes, bytes]] = []
        self.left = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self, ssl: Any = None) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=ssl, limit=1 << 26)

    @property
    def port(self) -> int:
        assert self._server is not None
        return self._server.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def body(self) -> bytes:
        """Of the newest request."""
        return self.received[-1][1]

    @property
    def head(self) -> bytes:
        return self.received[-1][0]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in self._writers:
                writer.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
                )
                self.received.append((head, await reader.readexactly(length)))
                writer.write(self.reply if isinstance(self.reply, bytes) else self.reply(*self.received[-1]))
                await writer.drain()
                if self.then == "close":
                    break
                if self.then == "silent":
                    await reader.read()
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.left.set()
            self._writers.discard(writer)
            writer.close()


@asynccontextmanager
async def scripted(reply: Reply = EMPTY, then: str = "keep", ssl: Any = None) -> AsyncIterator[ScriptedEngine]:
    engine = ScriptedEngine(reply, then)
    await engine.start(ssl)
    try:
        yield engine
    finally:
        await engine.stop()


def today(clock: Callable[[], datetime]) -> datetime:
    return clock().replace(hour=0, minute=0, second=0, microsecond=0)
