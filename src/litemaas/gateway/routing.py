"""Which deployments may serve this call, and in which order? From the catalogue's snapshot, by weight."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from litemaas.core.catalog import Deployment, Mode, Model, Snapshot
from litemaas.core.errors import InvalidField, ModelNotAllowed, ModelUnknown
from litemaas.gateway.lanes import Lane

if TYPE_CHECKING:
    from litemaas.core.keys import VirtualKey
    from litemaas.gateway.call import Ask
    from litemaas.gateway.endpoints.base import Endpoint
    from litemaas.gateway.identity import Caller
    from litemaas.gateway.metrics import Metrics

EMPTY = Snapshot(0, {})


class Routing:
    """Holds the current snapshot; replaced as a whole when the catalogue changes."""

    def __init__(self, random_source: random.Random, metrics: Metrics) -> None:
        self.snapshot = EMPTY
        self._random = random_source
        self._metrics = metrics

    def lane(self, caller: Caller, ask: Ask, endpoint: Endpoint) -> Lane:
        """What holds for this caller's calls to this model.

        Errors: ModelNotAllowed before ModelUnknown, so that names cannot be probed; InvalidField for a wrong kind of model.
        """
        lane = caller.lanes.get((endpoint, ask.model))
        if lane is None or lane.snapshot is not self.snapshot:
            lane = self._resolve(caller, ask, endpoint)
            caller.lanes[endpoint, ask.model] = lane
        return lane

    def _resolve(self, caller: Caller, ask: Ask, endpoint: Endpoint) -> Lane:
        model = self._model(caller.key, ask.model, endpoint.modes)
        if model.mode not in endpoint.modes:
            raise InvalidField(
                f"the model {model.name!r} cannot do {endpoint.route}: its mode is {model.mode}", "model"
            )
        if not model.deployments:
            raise ModelUnknown(f"Invalid model name passed in model={model.name}: nothing serves it", "model")
        return Lane(self.snapshot, caller.key, model, endpoint, self._metrics.of(endpoint.route, model.name))

    def order(self, lane: Lane) -> tuple[Deployment, ...]:
        """The deployments to try, the first one first."""
        deployments = lane.deployments
        return deployments if len(deployments) == 1 else self._by_weight(deployments)

    def _model(self, key: VirtualKey, asked: str | None, modes: frozenset[Mode]) -> Model:
        if not asked:
            return self._only_model(key, modes)
        name = key.aliases.get(asked, asked) if key.aliases else asked
        model = self.snapshot.models.get(name)
        groups = model.access_groups if model is not None else ()
        if not key.may_call(name, groups) and not (name != asked and key.may_call(asked, groups)):
            raise key.refuse_model(asked)
        if model is None:
            raise ModelUnknown(
                f"Invalid model name passed in model={asked[:200]}. See /v1/models for the models of your key", "model"
            )
        return model

    def _only_model(self, key: VirtualKey, modes: frozenset[Mode]) -> Model:
        """Conversions may leave the model out where only one can be meant (gateway-api contract 1.8)."""
        if Mode.CONVERSION not in modes:
            raise ModelUnknown("the member 'model' is missing. See /v1/models for the models of your key", "model")
        names = [m for m in self.visible_models(key) if m.mode in modes]
        if not names:
            raise ModelNotAllowed("key not allowed to access a document conversion model")
        if len(names) > 1:
            raise ModelUnknown(
                f"the member 'model' is missing; it can be one of {', '.join(m.name for m in names)}", "model"
            )
        return names[0]

    def visible_models(self, key: VirtualKey) -> list[Model]:
        """What the key may call, by name."""
        models = self.snapshot.models.values()
        return sorted((m for m in models if key.may_call(m.name, m.access_groups)), key=lambda m: m.name)

    def _by_weight(self, deployments: tuple[Deployment, ...]) -> tuple[Deployment, ...]:
        """Weighted random order without repetition: an Efraimidis–Spirakis draw (Information Processing Letters 97, 2006)."""
        draw = self._random.random
        return tuple(sorted(deployments, key=lambda d: draw() ** (1.0 / max(d.weight, 1)), reverse=True))
