"""How does one model server come into the catalogue, leave the routing, and come back? One pass, which bears repeating.

A server is found by the ``source`` that stands in its deployment's memory. Names of models that others have made are not taken:
a server joins such a model only where an administrator has entered its address already, or its own namespace serves it.
"""

from __future__ import annotations

from typing import Any

import structlog

from litemaas.discovery.catalogue import MEMORY, Catalogue, Seen, memory_of
from litemaas.discovery.cluster import Cluster
from litemaas.discovery.declared import Declared
from litemaas.discovery.merging import Merged, merge
from litemaas.discovery.settings import PRICE_FIELDS

_log = structlog.get_logger("discovery")
Values = dict[str, Any]


class NameTaken(Exception):
    """The catalogue has a model of that name which somebody else has made."""


class Reconciler:
    def __init__(self, catalogue: Catalogue, cluster: Cluster) -> None:
        self._catalogue = catalogue
        self._cluster = cluster
        self.drift: dict[str, int] = {}
        """How many members differ, by source."""

    async def apply(self, declared: Declared) -> None:
        """Makes the catalogue say what the server's object says, where nobody else has said otherwise.

        Errors: CatalogueChanged, CatalogueUnavailable, CatalogueRefused, ClusterUnavailable, NameTaken.
        """
        model = await self._catalogue.find(declared.model)
        deployment = _deployment_of(model, declared) if model is not None else None
        if deployment is None and not declared.is_ready:
            return
        if model is None:
            await self._create(declared)
        elif deployment is None:
            if declared.source not in memory_of(model):  # else somebody has deleted its endpoint
                await self._join(model, declared)
        else:
            await self._keep_deployment(model, deployment, declared)
        if declared.secret is not None:
            await self._remember_key(declared)
        await self._keep_model(declared)

    async def take_out(self, model_name: str, source: str) -> None:
        """The server is gone: nobody is sent there any more. The model, its subscriptions and its price stay."""
        model = await self._catalogue.find(model_name)
        deployment = _by_source(model, source) if model is not None else None
        if model is None or deployment is None:
            return
        memory = memory_of(deployment)
        merged = merge({"enabled": False}, deployment, memory.get("wrote", {}))
        kept = memory | {
            "wrote": memory.get("wrote", {}) | merged.wrote,
            "drift": {"source": {"cluster": "deleted", "catalogue": source}, **merged.drift},
        }
        self.drift.pop(source, None)
        await self._write_deployment(model, deployment, merged.changes, kept)

    async def _create(self, declared: Declared) -> None:
        key = await self._key(declared, None)
        wrote_model = merge(declared.model_values, {}, {}).wrote
        wrote = merge(declared.deployment_values, {}, {}).wrote
        is_complete = declared.publish == "available" and "pricing" in declared.model_values
        status = "available" if is_complete else "draft"
        deployment = declared.deployment_values | key.changes
        deployment["info"] = {MEMORY: {"source": declared.source, "wrote": wrote | key.wrote, "drift": key.drift}}
        memory = {declared.source: {"publish": status, "wrote": wrote_model, "drift": {}}}
        await self._catalogue.create(
            {"name": declared.model, "status": status, **declared.model_values, "deployments": [deployment],
             "info": {MEMORY: memory}}
        )  # fmt: skip
        _log.info("model discovered", model=declared.model, source=declared.source, status=status)

    async def _join(self, model: Seen, declared: Declared) -> None:
        """Errors: NameTaken."""
        neighbours = [source.split("/")[2] for source in memory_of(model) if source.count("/") == 3]
        if declared.namespace not in neighbours:
            raise NameTaken(declared.model)
        key = await self._key(declared, None)
        wrote = merge(declared.deployment_values, {}, {}).wrote
        memory = {"source": declared.source, "wrote": wrote | key.wrote, "drift": key.drift}
        body = declared.deployment_values | key.changes | {"info": {MEMORY: memory}}
        await self._catalogue.add_deployment(model, body)
        _log.info("deployment discovered", model=declared.model, source=declared.source)

    async def _keep_deployment(self, model: Seen, deployment: Values, declared: Declared) -> None:
        memory = memory_of(deployment)
        wrote = memory.get("wrote", {})
        wanted = {name: value for name, value in declared.deployment_values.items() if name in _STEADY}
        if declared.is_ready:
            wanted = declared.deployment_values
        merged = merge(wanted, deployment, wrote)
        remembered = {name: value for name, value in wrote.items() if name not in merged.drift} | merged.wrote
        key = await self._key(declared, deployment)
        if "api_base" in merged.changes and deployment["has_api_key"] and "api_key" not in key.changes:
            resent = await self._resent_key(declared, deployment)
            if resent is None:
                # A new address discards the key, and this one is an administrator's.
                merged.drift["api_base"] = {
                    "cluster": merged.changes.pop("api_base"),
                    "catalogue": deployment["api_base"],
                }
                remembered["api_base"] = wrote.get("api_base", "")
            else:
                key = resent
        remembered = {name: value for name, value in remembered.items() if name != "api_key"} | key.wrote
        drift = merged.drift | key.drift
        self.drift[declared.source] = len(drift)
        kept = {"source": declared.source, "wrote": remembered, "drift": drift}
        await self._write_deployment(model, deployment, merged.changes | key.changes, kept)

    async def _remember_key(self, declared: Declared) -> None:
        """Notes the mark of a key that was just stored, so that an administrator's later one is told from it."""
        model = await self._catalogue.find(declared.model)
        deployment = _by_source(model, declared.source) if model is not None else None
        if model is None or deployment is None:
            return
        key = memory_of(deployment).get("wrote", {}).get("api_key")
        if key is not None and key["mark"] is None:
            await self._keep_deployment(model, deployment, declared)

    async def _write_deployment(self, model: Seen, deployment: Values, changes: Values, memory: Values) -> None:
        if not changes and memory == memory_of(deployment):
            return
        body = changes | {"info": deployment["info"] | {MEMORY: memory}}
        await self._catalogue.change_deployment(model, deployment["id"], body)
        if "enabled" in changes:
            _log.info("routing changed", model=model["name"], source=memory["source"], enabled=changes["enabled"])

    async def _keep_model(self, declared: Declared) -> None:
        model = await self._catalogue.find(declared.model)
        if model is None:
            return
        memory = memory_of(model)
        own = memory.get(declared.source, {"publish": "", "wrote": {}})
        merged = merge(declared.model_values, _current(model), own["wrote"])
        if _by_source(model, declared.source) is None:
            merged.drift["endpoint"] = {"cluster": declared.deployment_values.get("api_base"), "catalogue": "deleted"}
        publish = own["publish"]
        has_price = model["pricing"] is not None or "pricing" in merged.changes
        wants_life = declared.publish == "available" and model["status"] == "draft" and publish != "available"
        if wants_life and has_price and declared.is_ready:
            publish = "available"
        new = {"publish": publish or model["status"], "wrote": merged.wrote, "drift": merged.drift}
        self.drift[declared.source] = self.drift.get(declared.source, 0) + len(merged.drift)
        if merged.changes or new != own:
            info = model["info"] | {MEMORY: memory | {declared.source: new}}
            await self._catalogue.change(model, merged.changes | {"info": info})
        if wants_life and has_price and declared.is_ready:
            await self._catalogue.publish(model)
            _log.info("model published", model=declared.model, source=declared.source)

    async def _key(self, declared: Declared, deployment: Values | None) -> Merged:
        """What is to be done with the credential. ``mark`` changes whenever somebody stores a key, so that theirs is known."""
        if declared.secret is None:
            kept = memory_of(deployment or {}).get("wrote", {}).get("api_key")
            return Merged({}, {"api_key": kept} if kept else {}, {})
        found = await self._cluster.secret(declared.namespace, declared.secret)
        before = memory_of(deployment or {}).get("wrote", {}).get("api_key")
        unreadable = {"api_key": {"cluster": "the Secret or its key is missing or may not be read", "catalogue": None}}
        if found is None:
            return Merged({}, {"api_key": before} if before else {}, unreadable)
        value, version = found
        fresh = {"from": version, "mark": None}
        if deployment is None:
            return Merged({"api_key": value}, {"api_key": fresh}, {})
        theirs = {"api_key": {"cluster": version, "catalogue": "set by an administrator"}}
        if before is None:
            if deployment["has_api_key"]:
                return Merged({}, {}, theirs)
            return Merged({"api_key": value}, {"api_key": fresh}, {})
        mark = deployment["api_key_mark"]
        if before["mark"] is not None and before["mark"] != mark:
            return Merged({}, {"api_key": before}, theirs)
        if before["from"] != version:
            return Merged({"api_key": value}, {"api_key": fresh}, {})
        return Merged({}, {"api_key": {"from": version, "mark": mark}}, {})

    async def _resent_key(self, declared: Declared, deployment: Values) -> Merged | None:
        """The same key for a new address; None: it is not discovery's."""
        before = memory_of(deployment).get("wrote", {}).get("api_key")
        if declared.secret is None or before is None or before["mark"] not in (None, deployment["api_key_mark"]):
            return None
        found = await self._cluster.secret(declared.namespace, declared.secret)
        if found is None:
            return None
        return Merged({"api_key": found[0]}, {"api_key": {"from": found[1], "mark": None}}, {})


_STEADY = ("enabled", "provider", "engine_model")
"""What is looked at while a server is not ready: its address may be a passing one then."""


def _by_source(model: Seen, source: str) -> Values | None:
    return next((one for one in model["deployments"] if memory_of(one).get("source") == source), None)


def _deployment_of(model: Seen, declared: Declared) -> Values | None:
    """The server's own, or one that an administrator has entered with the same address and engine model."""
    own = _by_source(model, declared.source)
    if own is not None:
        return own
    address = declared.deployment_values.get("api_base")
    engine_model = declared.deployment_values["engine_model"]
    return next(
        (one for one in model["deployments"] if not memory_of(one)
         and (one["api_base"], one["engine_model"]) == (address, engine_model)),
        None,
    )  # fmt: skip


def _current(model: Seen) -> Values:
    """The model's members as they are compared: a price with more to it than the cluster can say is an edited one."""
    pricing = model["pricing"]
    if pricing is not None:
        said = {name: pricing[name] for name in PRICE_FIELDS}
        rest = {name: value for name, value in pricing.items() if name not in (*PRICE_FIELDS, "units") and value}
        pricing = said | rest
    return {**model, "pricing": pricing}
