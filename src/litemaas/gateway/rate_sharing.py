"""Are rate limits counted here, with others, or divided? Counted together where there is a Valkey, else as told."""

from __future__ import annotations

from collections.abc import Callable

from litemaas.gateway.adapters.shared_counts import SharedCounts
from litemaas.gateway.rate_link import RateLink
from litemaas.gateway.rate_messages import Answer, Census, Message, News, RateStore, StoreAway
from litemaas.gateway.ratelimits import LocalRates, RateLimiter
from litemaas.gateway.settings import GatewaySettings
from litemaas.gateway.shared_rates import SharedRates
from litemaas.gateway.standing import Standing
from litemaas.kit.clock import Clock


class NoStore:
    """Where several workers have nothing in common, each keeps to its share."""

    async def exchange(self, message: Message) -> Answer:  # noqa: ARG002 - RateStore
        raise StoreAway

    async def time_ms(self) -> int:
        raise StoreAway

    async def follow(
        self,
        hear: Callable[[News], None],  # noqa: ARG002 - RateStore
        on_begin: Callable[[], None],  # noqa: ARG002 - RateStore
    ) -> None:
        raise StoreAway

    async def close(self) -> None:
        """There is nothing to close."""


def rate_limits(
    settings: GatewaySettings, worker_id: str, census: Census, clock: Clock
) -> tuple[RateLimiter, RateLink | None]:
    """The limiter, and what keeps it in step with other workers; None = it counts for itself."""
    replica_count = max(settings.gateway.rates.replica_count, settings.gateway.workers)
    if settings.redis_url is None and replica_count <= 1:
        return LocalRates(clock.monotonic, clock.now), None
    standing = Standing(worker_id, replica_count, clock.monotonic())
    rates = SharedRates(standing, clock.monotonic, clock.now)
    store: RateStore = NoStore() if settings.redis_url is None else SharedCounts(settings.redis_url)
    if settings.redis_url is None:
        standing.divide()
    return rates, RateLink(rates, store, census, clock.monotonic)
