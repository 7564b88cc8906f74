"""Are the deployments there that nobody calls just now? Each is asked now and then, off the requests' way.

Only where it makes a difference: of models that have several deployments or fallbacks, those that no call has shown to be
well since the last time. A probe that fails counts like a call that failed; one that succeeds ends a cool-down only if that
began with a connection or a probe, because a list of models says nothing of an engine's limits.
"""

from __future__ import annotations

import asyncio
import random
from time import monotonic
from typing import TYPE_CHECKING

from litemaas.core.errors import UpstreamRefused
from litemaas.gateway.cooling import FailureKind, kind_of
from litemaas.gateway.http.stepping import stepped

if TYPE_CHECKING:
    from litemaas.core.catalog import Deployment, Snapshot
    from litemaas.gateway.engines import Engines
    from litemaas.gateway.routing import Routing
    from litemaas.gateway.settings import RoutingSettings
    from litemaas.gateway.targets import Targets

_AT_ONCE = 8
_MENDED_BY_A_PROBE = frozenset({FailureKind.CONNECTION, FailureKind.TIMEOUT})


class Probes:
    """Looks after deployments until it is cancelled; ``look`` is one round."""

    def __init__(self, engines: Engines, targets: Targets, routing: Routing, settings: RoutingSettings) -> None:
        self._engines = engines
        self._targets = targets
        self._routing = routing
        self._settings = settings
        self._chance = random.Random()  # noqa: S311 - pauses, not secrets
        self._seen: dict[str, int] = {}
        """Deployment → the calls that it had served when it was last looked at."""

    async def work(self) -> None:
        interval = self._settings.probe_interval_s
        while True:
            await asyncio.sleep(interval * (0.75 + self._chance.random() / 2))  # workers do not all ask at once
            await self.look()

    async def look(self) -> None:
        slots = asyncio.Semaphore(_AT_ONCE)
        wanted = self._wanted(self._routing.snapshot)
        await asyncio.gather(*(self._probe(slots, deployment) for deployment in wanted))

    def _wanted(self, snapshot: Snapshot) -> list[Deployment]:
        wanted = []
        seen: dict[str, int] = {}
        for model in snapshot.models.values():
            if len(model.deployments) < 2 and not model.fallbacks:
                continue
            for deployment in model.deployments:
                condition = self._targets.condition_of(deployment)
                seen[deployment.id] = condition.served
                if condition.troubled or self._seen.get(deployment.id) == condition.served:
                    wanted.append(deployment)
        self._seen = seen
        return wanted

    async def _probe(self, slots: asyncio.Semaphore, deployment: Deployment) -> None:
        async with slots:
            failure = await stepped(self._engines.probe(deployment, self._settings.probe_timeout_s))
        condition = self._targets.condition_of(deployment)
        kind = kind_of(failure) if failure is not None else None
        # An engine that refuses the question is there: some have no list of models, or not for our credential.
        if isinstance(failure, UpstreamRefused) and failure.status < 500:
            kind = None
        if kind is not None and failure is not None:
            condition.fail(kind, failure.message, monotonic())
        elif condition.kind in _MENDED_BY_A_PROBE:
            condition.recover()
