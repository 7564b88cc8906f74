"""Where do the chaos tests play? Real servers and simulated engines, each behind a fault proxy, and one gateway or several."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
from tests.integration.gateway.harness import WITHIN_S, Ledger, Platform, gateway_settings, until

from litemaas.gateway.app import Gateway
from litemaas.sim.faults import FaultProxy
from litemaas.sim.testing import SimulatedServers

LONG_S = 60.0


class Stage:
    """``ledger`` and ``connection`` reach the database past the proxy; the gateways reach everything through theirs."""

    def __init__(
        self, platforms: list[Platform], ledger: Ledger, sim: SimulatedServers, proxies: dict[str, FaultProxy]
    ) -> None:
        self.platforms = platforms
        self.ledger = ledger
        self.connection = ledger.connection
        self.sim = sim
        self.postgres = proxies["postgres"]
        self.valkey = proxies["valkey"]
        self.chat = proxies["chat"]
        self.embeddings = proxies["embeddings"]

    @property
    def platform(self) -> Platform:
        return self.platforms[0]

    async def known_key(self, model: str = "granite", **columns: Any) -> str:
        """A key that every gateway knows and has leases for: it was used, with all that there was to hear of it."""
        key = await self.ledger.add_key(**columns)
        for platform in self.platforms:
            await platform.catch_up()
            reply = await platform.chat(key, model=model, max_tokens=20)
            assert reply.status_code == 200, reply.text
        return key

    async def lasts(self, seconds: float) -> None:
        """An outage of this length; callers go on meanwhile."""
        await asyncio.sleep(seconds)

    async def is_ready(self) -> None:
        """Waits until every gateway says that all is well again."""
        for platform in self.platforms:
            await until(lambda: _is_ready(platform), LONG_S)  # noqa: B023 - awaited before the next

    async def is_quiet(self) -> None:
        """Waits until every engine's last request has ended and every record is stored."""
        await self.sim.until(lambda: not any(counts.running for counts in self.sim.counters.servers.values()), LONG_S)
        for platform in self.platforms:
            await until(lambda: _has_stored(platform), LONG_S)  # noqa: B023 - awaited before the next

    async def leases_come_back(self) -> None:
        """Fails if a lease is left although nobody calls any more."""

        async def none_is_left() -> bool:
            for platform in self.platforms:
                await platform.gateway.budgets.return_idle(0.0)
            rows = await self.connection.fetch(
                "select (select coalesce(sum(granted_nano), 0)::bigint from leases) as granted, "
                "(select coalesce(sum(leased_nano), 0)::bigint from budget_windows) as leased"
            )
            self.left = dict(rows[0])
            return not any(self.left.values())

        try:
            await until(none_is_left)
        except TimeoutError:
            accounts = {
                scope: (account.drawn, account.spent, account.held)
                for platform in self.platforms
                for scope, account in platform.gateway.budgets._accounts.items()
            }
            raise AssertionError(f"left in the database: {self.left}; in the gateways: {accounts}") from None


async def _is_ready(platform: Platform) -> bool:
    return (await platform.http.get("/health/readiness")).status_code == 200


async def _has_stored(platform: Platform) -> bool:
    return platform.gateway.journal.waiting_bytes == 0 and not platform.gateway.journal._unwritten


@asynccontextmanager
async def staged(
    database_url: str, redis_url: str | None, state_dir: Path, gateways: int = 1, **own: Any
) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        sim = await stack.enter_async_context(SimulatedServers())
        urls = {
            "postgres": database_url, "valkey": redis_url or "redis://127.0.0.1:1", "chat": sim.chat.url,
            "embeddings": sim.embeddings.url,
        }  # fmt: skip
        proxies = {name: await stack.enter_async_context(FaultProxy(url)) for name, url in urls.items()}
        connection = await asyncpg.connect(database_url, timeout=WITHIN_S, command_timeout=WITHIN_S)
        stack.push_async_callback(connection.close, timeout=WITHIN_S)
        ledger = Ledger(connection)
        await add_models(ledger, proxies["chat"].url, proxies["embeddings"].url)
        platforms = []
        for number in range(gateways):
            settings = gateway_settings(
                proxies["postgres"].url, state_dir, proxies["valkey"].url if redis_url else None,
                worker_id=f"gateway-{number}", **{"trust_cache_s": 1.5, "database_timeout_s": 4.0, **own},
            )  # fmt: skip
            gateway = Gateway(settings)
            stack.push_async_callback(gateway.stop)
            await gateway.start()
            http = httpx2.AsyncClient(
                base_url=f"http://127.0.0.1:{gateway.port}", timeout=LONG_S, limits=httpx2.Limits(max_connections=None)
            )
            await stack.enter_async_context(http)
            platforms.append(Platform(gateway, ledger, sim, http))
        yield Stage(platforms, ledger, sim, proxies)
        for proxy in proxies.values():
            await proxy.heal()


async def add_models(ledger: Ledger, chat_url: str, embeddings_url: str) -> None:
    """``granite`` and ``nomic`` for everybody; ``tight``, with an engine model of its own, for a nearly empty budget."""
    limits = {"timeout_s": 3.0, "stream_timeout_s": 3.0}
    await ledger.add_model("granite", chat_url + "/v1", **limits)
    await ledger.add_model("tight", chat_url + "/v1", "qwen3-8b", **limits)
    await ledger.add_model(
        "nomic", embeddings_url + "/v3", "nomic-embed-text-v1.5", mode="embedding", price=(0.00000005, 0), **limits
    )
