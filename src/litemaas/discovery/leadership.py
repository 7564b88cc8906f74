"""Who of several replicas discovers? Whoever holds the Lease; without the cluster's API nobody does.

The holder stops before others may take over: it gives up once two thirds of the lease have passed without a renewal. Times on
the Lease are never compared with another clock: others wait until it has not changed for as long as it says.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import httpx2
import structlog
from lightkube import ApiError, AsyncClient
from lightkube.models.coordination_v1 import LeaseSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.coordination_v1 import Lease

_log = structlog.get_logger("discovery.leadership")


class Leadership:
    """Units: seconds."""

    def __init__(self, client: AsyncClient, namespace: str, name: str, holder: str, lease_s: float) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._holder = holder
        self._lease_s = lease_s
        self._seen: tuple[str | None, float] = (None, 0.0)
        self.is_ours = False

    async def lead(self, work: Callable[[], Awaitable[None]]) -> None:
        """Waits until the lease is ours, then does ``work`` until it is lost, or until cancelled; then gives it back."""
        while not await self._take():  # noqa: ASYNC110 — what is waited for happens in another process
            await asyncio.sleep(self._lease_s / 4)
        self.is_ours = True
        _log.info("leading", holder=self._holder)
        doing = asyncio.ensure_future(work())
        try:
            await self._renew_while(doing)
        finally:
            self.is_ours = False
            doing.cancel()
            await asyncio.wait([doing])
            with contextlib.suppress(Exception):
                async with asyncio.timeout(2):
                    await self._give_back()
        if not doing.cancelled() and (failure := doing.exception()) is not None:
            raise failure

    async def _renew_while(self, doing: asyncio.Future[None]) -> None:
        renewed_at = time.monotonic()
        while not doing.done():
            await asyncio.wait([doing], timeout=self._lease_s / 4)
            left = renewed_at + self._lease_s * 2 / 3 - time.monotonic()
            began = time.monotonic()
            try:
                async with asyncio.timeout(max(left, 0.01)):
                    if not await self._take():
                        _log.warning("the lease was taken by somebody else")
                        return
                    renewed_at = began
            except TimeoutError:
                pass
            if time.monotonic() >= renewed_at + self._lease_s * 2 / 3:
                _log.warning("the lease could not be renewed in time")
                return

    async def _take(self) -> bool:
        """Whether the lease is ours now. A conflict or a cluster that does not answer says no, or raises while we hold it."""
        try:
            return await self._try()
        except ApiError as error:
            if error.status.code == 409:
                return False
            await self._failed(error)
        except (httpx2.HTTPError, ValueError) as error:
            await self._failed(error)
        return False

    async def _failed(self, error: Exception) -> None:
        _log.warning("the lease cannot be read or written", error=type(error).__name__)
        if self.is_ours:
            await asyncio.sleep(self._lease_s / 10)
            raise TimeoutError

    async def _try(self) -> bool:
        now = datetime.now(UTC)
        try:
            lease = await self._client.get(Lease, self._name, namespace=self._namespace)
        except ApiError as error:
            if error.status.code != 404:
                raise
            await self._client.create(self._lease(None, now, now, 0))
            return True
        spec = lease.spec or LeaseSpec()
        holder = spec.holderIdentity or ""
        version = lease.metadata.resourceVersion if lease.metadata else None
        if holder not in ("", self._holder):
            if self._seen[0] != version:
                self._seen = (version, time.monotonic())
            if time.monotonic() < self._seen[1] + (spec.leaseDurationSeconds or self._lease_s):
                return False
        began = spec.acquireTime if holder == self._holder and spec.acquireTime else now
        changes = (spec.leaseTransitions or 0) + (holder != self._holder)
        await self._client.replace(self._lease(version, began, now, changes))
        return True

    async def _give_back(self) -> None:
        lease = await self._client.get(Lease, self._name, namespace=self._namespace)
        if lease.spec is not None and lease.spec.holderIdentity == self._holder:
            lease.spec.holderIdentity = ""
            await self._client.replace(lease)

    def _lease(self, version: str | None, began: datetime, now: datetime, changes: int) -> Lease:
        return Lease(
            metadata=ObjectMeta(name=self._name, namespace=self._namespace, resourceVersion=version),
            spec=LeaseSpec(
                holderIdentity=self._holder, leaseDurationSeconds=max(1, round(self._lease_s)), acquireTime=began,
                renewTime=now, leaseTransitions=changes,
            ),
        )  # fmt: skip
