"""Which model does a call mean, and may its caller use it? By name, alias or wildcard, from the catalogue's snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litemaas.core.catalog import Mode, Model, Snapshot
from litemaas.core.errors import InvalidField, ModelNotAllowed, ModelUnknown, RouteNotAllowed
from litemaas.core.routes import INFERENCE, is_route_allowed
from litemaas.gateway.lanes import Lane
from litemaas.gateway.required_members import require_members

if TYPE_CHECKING:
    from litemaas.core.keys import VirtualKey
    from litemaas.gateway.call import Ask
    from litemaas.gateway.endpoints.base import Endpoint
    from litemaas.gateway.guardrails import Guardrails
    from litemaas.gateway.identity import Caller
    from litemaas.gateway.metrics import Metrics
    from litemaas.gateway.targets import Targets
    from litemaas.gateway.wishes import Wishes

_MAX_LANES = 1000
"""Of one caller: behind a wildcard, clients make up names."""
EMPTY = Snapshot(0, {})
_ALONE = (frozenset({Mode.CONVERSION}), frozenset({Mode.MODERATION}))
"""Kinds of model of which many an installation has just one."""


class Routing:
    """Holds the current snapshot; replaced as a whole when the catalogue changes. ``required``: members of every call."""

    def __init__(
        self, targets: Targets, guardrails: Guardrails, metrics: Metrics, required: tuple[str, ...] = ()
    ) -> None:
        self.snapshot = EMPTY
        self._required = required
        self._guardrails = guardrails
        self._targets = targets
        self._metrics = metrics

    def adopt(self, snapshot: Snapshot) -> None:
        """The catalogue has changed."""
        self._targets.adopt(snapshot)
        self._guardrails.adopt(snapshot.guardrails)
        self.snapshot = snapshot

    def lane(self, caller: Caller, ask: Ask, endpoint: Endpoint) -> Lane:
        """What holds for this caller's calls to this model.

        Errors: ModelNotAllowed before ModelUnknown, so that names cannot be probed; InvalidField for a wrong kind of model;
        MissingField for what the key or the installation demands of every call.
        """
        if ask.wishes is not None:
            self._check_wishes(caller.key, ask.wishes)
        lane = caller.lanes.get((endpoint, ask.model))
        if lane is None or lane.snapshot is not self.snapshot:
            lane = self._resolve(caller, ask.model, endpoint)
        if (caller.demands or self._required) and not caller.is_master:
            require_members(ask, (*self._required, *caller.demands))
        return lane

    def lane_of(self, caller: Caller, name: str, endpoint: Endpoint) -> Lane:
        """The same for another model than the call asks for.

        Errors: as :meth:`lane`.
        """
        lane = caller.lanes.get((endpoint, name))
        if lane is None or lane.snapshot is not self.snapshot:
            lane = self._resolve(caller, name, endpoint)
        return lane

    def _check_wishes(self, key: VirtualKey, wishes: Wishes) -> None:
        """Models that a client names as fallbacks must be allowed for its key (gateway-api contract 1.5).

        Errors: ModelNotAllowed.
        """
        for name in (*(wishes.fallbacks or ()), *(wishes.context_fallbacks or ())):
            meant = key.aliases.get(name, name)
            self._check_allowed(key, meant, name, self.snapshot.find(meant))

    def _resolve(self, caller: Caller, name: str | None, endpoint: Endpoint) -> Lane:
        if caller.key.permissions is not None and endpoint.kind is not None:
            _check_permitted(caller.key.permissions, endpoint.kind)
        if not is_route_allowed(caller.key.routes, INFERENCE, endpoint.route):
            raise RouteNotAllowed(
                f"this key may not be used for {endpoint.route}; it is for {', '.join(caller.key.routes)}"
            )
        if endpoint.own_model is not None:
            model = endpoint.own_model
            _check_may_pass(caller.key, endpoint.route)
        else:
            model = self._model(caller.key, name, endpoint.modes)
        if endpoint.own_model is None and model.mode not in endpoint.modes:
            raise InvalidField(
                f"the model {model.name!r} cannot do {endpoint.route}: its mode is {model.mode}", "model"
            )
        if not model.deployments:
            raise ModelUnknown(f"Invalid model name passed in model={model.name}: nothing serves it", "model")
        counters = self._metrics.of(endpoint.route, model.counted_as or model.name)
        targets = [self._targets.of(deployment) for deployment in model.deployments]
        guardrails = self._guardrails.names_for(caller.key.guardrails, model.guardrails)
        of_caller = self._metrics.callers.of(caller.key, model.counted_as or model.name)
        lane = Lane(self.snapshot, caller.key, model, endpoint, counters, of_caller, targets, guardrails)
        if len(caller.lanes) >= _MAX_LANES:
            caller.lanes.clear()
        caller.lanes[endpoint, name] = lane
        return lane

    def _model(self, key: VirtualKey, asked: str | None, modes: frozenset[Mode]) -> Model:
        if not asked:
            return self._only_model(key, modes)
        name = key.aliases.get(asked, asked) if key.aliases else asked
        model = self.snapshot.find(name)
        self._check_allowed(key, name, asked, model)
        if model is None:
            raise ModelUnknown(
                f"Invalid model name passed in model={asked[:200]}. See /v1/models for the models of your key", "model"
            )
        return model

    @staticmethod
    def _check_allowed(key: VirtualKey, name: str, asked: str, model: Model | None) -> None:
        """A model may be allowed under any name that it has. Errors: ModelNotAllowed."""
        if key.access is not None:  # of a governed key only the model that is meant counts, under its own name
            meant = name if model is None else model.counted_as or model.name
            if key.may_call(meant):
                return
            raise key.refuse_model(meant)
        groups = model.access_groups if model is not None else ()
        if key.may_call(name, groups) or (name != asked and key.may_call(asked, groups)):
            return
        if model is not None and name != model.name and key.may_call(model.name, groups):
            return
        if model is not None and model.counted_as is not None and model.counted_as in key.models:
            return
        raise key.refuse_model(asked)

    def _only_model(self, key: VirtualKey, modes: frozenset[Mode]) -> Model:
        """Conversions and moderations may leave the model out where only one can be meant (gateway-api contract 1.7, 1.8)."""
        if modes not in _ALONE:
            raise ModelUnknown("the member 'model' is missing. See /v1/models for the models of your key", "model")
        names = [m for m in self.visible_models(key) if m.mode in modes]
        if not names:
            if key.access is not None and len(key.access) == 1:
                raise key.refuse_model(next(iter(key.access)))
            if Mode.MODERATION in modes:
                raise ModelUnknown("the member 'model' is missing, and your key may call no moderation model", "model")
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


def _check_permitted(permissions: frozenset[str], kind: str) -> None:
    """Errors: RouteNotAllowed."""
    if kind not in permissions:
        raise RouteNotAllowed(
            f"this key may not be used for {kind}; it is for {', '.join(sorted(permissions)) or 'nothing'}"
        )


def _check_may_pass(key: VirtualKey, path: str) -> None:
    """Keys of the portal are for models that somebody has subscribed to; a route is none, so its path must be on the key.

    Errors: RouteNotAllowed.
    """
    if key.access is not None and not is_route_allowed(key.routes or ("-",), "", path):
        raise RouteNotAllowed(
            f"this key may not be used for {path}: it is for models, and for paths that its routes name"
        )
