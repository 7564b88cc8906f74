"""What happens when, in the replica that leads? Watches fill a queue of sources; workers bring each source's last state across.

A server that is not in a list is not gone: the cluster is asked for it by name, and only its own "not found" counts. An empty
list counts for nothing. Whatever cannot be done now is done again, later and later, at most half a minute later.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from typing import Any

import structlog

from litemaas.discovery.catalogue import (
    Catalogue,
    CatalogueChanged,
    CatalogueRefused,
    CatalogueUnavailable,
    memory_of,
)
from litemaas.discovery.cluster import KINDS, Cluster, ClusterUnavailable, KindUnknown, Thing, WatchOutdated
from litemaas.discovery.declared import Declared, Misdeclared, is_meant, read, source_of
from litemaas.discovery.reconciling import NameTaken, Reconciler
from litemaas.discovery.settings import Price
from litemaas.kit.defects import named_with_frames

_WORKERS = 4
_NEWS, _AGAIN = 0, 1
_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_UNKNOWN_KIND_S = 60.0
_REPORT_S, _REPORT_ANYWAY_S = 2.0, 60.0
"""News are told after at most the first, and that nothing is new after at most the second."""
_MOST_REPORTED, _LONGEST_REASON = 5000, 2000
_log = structlog.get_logger("discovery")
State = Declared | None
"""None: the object is gone."""


class Policy:
    """What holds for all objects: which cluster this is, what prices there are, whose certificates engines have."""

    def __init__(self, cluster: str, prices: Mapping[str, Price], default_price: str, engine_ca: str | None) -> None:
        self.cluster = cluster
        self._prices = prices
        self._default_price = default_price
        self._engine_ca = engine_ca

    def read(self, thing: Thing) -> Declared:
        """Errors: Misdeclared."""
        return read(thing, self.cluster, self._prices, self._default_price, self._engine_ca)


class Controller:
    """Units: seconds."""

    def __init__(
        self, catalogue: Catalogue, cluster: Cluster, policy: Policy, resync_s: float,
        *, pauses_s: tuple[float, ...] = _PAUSES_S,
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._cluster = cluster
        self._policy = policy
        self._resync_s = resync_s
        self._pauses_s = pauses_s
        self._reconciler = Reconciler(catalogue, cluster)
        self._begin()

    def _begin(self) -> None:
        self._states: dict[str, State] = {}
        self._model_of: dict[str, str] = {}
        self._tries: dict[str, int] = {}
        self._waiting: set[str] = set()
        self._busy: set[str] = set()
        self._queue: asyncio.PriorityQueue[tuple[int, int, str]] = asyncio.PriorityQueue()
        self._turn = itertools.count()
        self.refused: dict[str, str] = {}
        """Why an object is not in the catalogue, by source."""

        self._delays: dict[str, str] = {}
        """Why an object could not be brought across yet."""

    def seen(self) -> dict[str, dict[str, Any]]:
        """What became of each annotated server, by source, as the control plane takes it."""
        states = {source: state for source, state in self._states.items() if state is not None}
        told = sorted({*states, *self.refused})[:_MOST_REPORTED]
        return {source: self._outcome(source, states.get(source)) for source in told}

    def _outcome(self, source: str, state: State) -> dict[str, Any]:
        reason = self.refused.get(source) or self._delays.get(source)
        outcome = "adopted" if state is not None and state.is_ready else "not_ready"
        if reason is not None:
            outcome = "refused" if source in self.refused else "waiting"
        model = state.model if state is not None else None
        return {"state": outcome, "model": model, "reason": reason and reason[:_LONGEST_REASON]}

    @property
    def drift(self) -> Mapping[str, int]:
        return self._reconciler.drift

    @property
    def known(self) -> int:
        return sum(state is not None for state in self._states.values())

    async def run(self) -> None:
        """Until cancelled."""
        self._begin()
        await self._remember()
        async with asyncio.TaskGroup() as group:
            for number in range(_WORKERS):
                group.create_task(self._work(), name=f"worker {number}")
            for kind in KINDS:
                for namespace in self._cluster.namespaces:
                    group.create_task(self._follow(kind, namespace), name=f"watch {kind} {namespace}")
            group.create_task(self._look_again(), name="resync")
            group.create_task(self._report(), name="report")

    async def _remember(self) -> None:
        """Which models the catalogue has from this cluster."""
        for tries in itertools.count():
            try:
                async for model in self._catalogue.every_model():
                    for deployment in model["deployments"]:
                        source = memory_of(deployment).get("source")
                        if isinstance(source, str) and source.startswith(f"{self._policy.cluster}/"):
                            self._model_of[source] = model["name"]
            except (CatalogueUnavailable, CatalogueRefused) as error:
                _log.warning("the catalogue cannot be read", reason=str(error))
                await asyncio.sleep(self._pause(tries))
            else:
                return

    async def _follow(self, kind: str, namespace: str) -> None:
        tries = 0
        while True:
            try:
                things, since = await self._cluster.list(kind, namespace)
                tries = 0
                for thing in things:
                    self._see(thing)
                await self._miss(kind, namespace, {source_of(self._policy.cluster, thing) for thing in things})
                async for event, thing in self._cluster.watch(kind, namespace, since):
                    self._see(thing, is_gone=event == "DELETED")
            except KindUnknown:
                await asyncio.sleep(_UNKNOWN_KIND_S)
            except WatchOutdated:
                continue
            except ClusterUnavailable as error:
                _log.warning("the cluster cannot be watched", kind=kind, namespace=namespace, reason=str(error))
                await asyncio.sleep(self._pause(tries))
                tries += 1

    def _see(self, thing: Thing, *, is_gone: bool = False) -> None:
        source = source_of(self._policy.cluster, thing)
        self.refused.pop(source, None)
        if is_gone:
            self._put(source, None)
            return
        if not is_meant(thing):
            # Whoever takes the annotation away keeps the model as it is, and looks after it by hand.
            self._states.pop(source, None)
            self._model_of.pop(source, None)
            return
        try:
            self._put(source, self._policy.read(thing))
        except Misdeclared as error:
            self._refuse(source, str(error))

    async def _miss(self, kind: str, namespace: str, listed: set[str]) -> None:
        """Looks for what the catalogue knows and the list does not have. Errors: ClusterUnavailable."""
        if not listed:
            return
        for source in [one for one in self._model_of if one not in listed]:
            _, its_kind, its_namespace, name = source.split("/")
            if its_kind != kind or namespace not in ("*", its_namespace):
                continue
            if await self._cluster.is_gone(kind, its_namespace, name):
                self._put(source, None)

    def _put(self, source: str, state: State) -> None:
        self._states[source] = state
        self._tries.pop(source, None)
        self._enqueue(source, _NEWS)

    def _enqueue(self, source: str, priority: int) -> None:
        """News goes before what is only looked at again; an entry that is outlived by another one is passed over."""
        if priority == _NEWS or source not in self._waiting:
            self._waiting.add(source)
            self._queue.put_nowait((priority, next(self._turn), source))

    async def _work(self) -> None:
        while True:
            _, _, source = await self._queue.get()
            if source in self._busy or source not in self._waiting:
                # Another worker has it and will put it back, or has done it.
                continue
            self._busy.add(source)
            self._waiting.discard(source)
            try:
                await self._bring_across(source)
            finally:
                self._busy.discard(source)
                if source in self._waiting:
                    self._queue.put_nowait((_NEWS, next(self._turn), source))

    async def _bring_across(self, source: str) -> None:
        try:
            await self._apply(source)
            self._tries.pop(source, None)
            self._delays.pop(source, None)
        except NameTaken as error:
            self._refuse(source, f"the catalogue has a model {error} that others look after")
        except CatalogueRefused as error:
            self._refuse(source, str(error))
        except (CatalogueChanged, CatalogueUnavailable, ClusterUnavailable) as error:
            self._later(source, f"{type(error).__name__} {error}")
        except Exception as error:  # noqa: BLE001 — one object must not keep the others out
            _log.error("unexpected error", source=source, **named_with_frames(error))
            self._later(source, type(error).__name__)

    async def _apply(self, source: str) -> None:
        if source not in self._states:
            return
        state = self._states[source]
        before = self._model_of.get(source)
        if before is not None and (state is None or state.model != before):
            await self._reconciler.take_out(before, source)
            self._model_of.pop(source, None)
        if state is None:
            self._states.pop(source, None)
            return
        await self._reconciler.apply(state)
        self._model_of[source] = state.model

    def _refuse(self, source: str, why: str) -> None:
        self.refused[source] = why
        _log.warning("not taken into the catalogue", source=source, reason=why)

    def _later(self, source: str, why: str) -> None:
        tries = self._tries.get(source, 0)
        self._tries[source] = tries + 1
        self._delays[source] = why
        _log.warning("not yet in the catalogue", source=source, reason=why, tries=tries + 1)
        asyncio.get_running_loop().call_later(self._pause(tries), self._enqueue, source, _AGAIN)

    def _pause(self, tries: int) -> float:
        return self._pauses_s[min(tries, len(self._pauses_s) - 1)]

    async def _report(self) -> None:
        """Tells the control plane what is seen, so that administrators see it, too. That it fails changes nothing else."""
        clock = asyncio.get_running_loop().time
        told: dict[str, dict[str, Any]] | None = None
        told_at, tries = 0.0, 0
        while True:
            seen = self.seen()
            if seen != told or clock() - told_at >= _REPORT_ANYWAY_S:
                try:
                    await self._catalogue.report(self._policy.cluster, self._cluster.namespaces, seen)
                    told, told_at, tries = seen, clock(), 0
                except (CatalogueChanged, CatalogueUnavailable, CatalogueRefused) as error:
                    _log.warning("the state of discovery cannot be told", reason=str(error))
                    await asyncio.sleep(self._pause(tries))
                    tries += 1
            await asyncio.sleep(_REPORT_S)

    async def _look_again(self) -> None:
        """Finds what was edited, and secrets that were rotated."""
        while True:
            await asyncio.sleep(self._resync_s)
            for source in list(self._states):
                self._enqueue(source, _AGAIN)
