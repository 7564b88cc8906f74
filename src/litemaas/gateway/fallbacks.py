"""Which model answers when the one that was asked for cannot? The client's own list, the model's, or the installation's.

A model is asked instead only if the key may call it; the call is then held, priced and recorded as one of that model. Only
budgets and rate limits that the first model does not have are counted once more.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from litemaas.core.errors import (
    Forbidden,
    GuardrailUnavailable,
    InvalidRequest,
    LimitReached,
    LiteMaaSError,
    NoDeploymentAvailable,
    PromptTooLong,
    ServiceUnavailable,
    UpstreamFailure,
    UpstreamRefused,
)
from litemaas.gateway.failure_rules import is_content_refused

if TYPE_CHECKING:
    from litemaas.gateway.admission import Admission
    from litemaas.gateway.call import Ask, Call
    from litemaas.gateway.failure_rules import FailureRules
    from litemaas.gateway.guardrails import Guardrails
    from litemaas.gateway.lanes import Lane
    from litemaas.gateway.metrics import Metrics
    from litemaas.gateway.routing import Routing

MAX_DEPTH = 5
"""Models that are asked instead of one, at most (gateway-api contract 5.10)."""
_ELSEWHERE = frozenset({401, 403, 404, 408, 409, 429})
_TOO_LONG = re.compile(
    r"context[ _](?:length|window)|maximum context|prompt is too long|too many tokens", re.IGNORECASE
)
"""Words of engines for prompts that do not fit (vLLM, OpenAI, Anthropic, llama.cpp, 2026-11)."""


def is_too_long(failure: LiteMaaSError) -> bool:
    """Whether the prompt does not fit into what the model can take."""
    if isinstance(failure, PromptTooLong):
        return True
    if not isinstance(failure, UpstreamRefused) or failure.status not in (400, 413, 422):
        return False
    return failure.error_code == "context_length_exceeded" or _TOO_LONG.search(failure.message) is not None


def may_fall_back(failure: LiteMaaSError) -> bool:
    """Whether another model may do better; of most requests that an engine refuses, it would not."""
    if isinstance(failure, UpstreamRefused):
        return failure.status >= 500 or failure.status in _ELSEWHERE or is_too_long(failure)
    return isinstance(failure, UpstreamFailure | NoDeploymentAvailable | LimitReached | PromptTooLong)


class Fallbacks:
    """Finds the models to ask instead, and holds calls for them. ``usual``: for models that name none."""

    def __init__(
        self, routing: Routing, admission: Admission, guardrails: Guardrails, metrics: Metrics, rules: FailureRules,
        usual: tuple[str, ...],
    ) -> None:  # fmt: skip
        self._rules = rules
        self._guardrails = guardrails
        self._routing = routing
        self._admission = admission
        self._metrics = metrics
        self._usual = usual

    def names(self, lane: Lane, ask: Ask, failure: LiteMaaSError) -> list[str]:
        """The models to ask instead of the lane's, in order."""
        wishes = ask.wishes
        model = lane.model
        if wishes is not None and wishes.no_fallbacks:
            return []
        if is_content_refused(failure) and (others := self._rules.instead_of(model)):
            return list(others)
        if not may_fall_back(failure):
            return []
        if is_too_long(failure):
            wished = wishes.context_fallbacks if wishes is not None else None
            longer = wished if wished is not None else list(model.context_fallbacks)
            if longer:
                return longer
        if wishes is not None and wishes.fallbacks is not None:
            return wishes.fallbacks
        return list(model.fallbacks or self._usual)

    def chain(self, call: Call, ask: Ask, lane: Lane, failure: LiteMaaSError) -> Chain:
        return Chain(self, call, ask, lane, failure)

    async def prepare(self, call: Call, ask: Ask, first: Lane, name: str) -> Lane | None:
        """The lane of the other model, with the call held on it; None if it cannot be asked."""
        caller = call.caller
        if caller is None:
            return None
        try:
            lane = self._routing.lane_of(caller, name, call.endpoint)
            await self._admission.move(call, ask, first, lane)
            await self._guardrails.check(call, ask, lane)
        except (Forbidden, InvalidRequest, LimitReached, ServiceUnavailable, GuardrailUnavailable):
            return None
        call.fallbacks += 1
        self._metrics.fallbacks[
            first.model.counted_as or first.model.name, lane.model.counted_as or lane.model.name
        ] += 1
        return lane


class Chain:
    """The models that are asked for one call, each at most once; those of a fallback come after those of the first model."""

    __slots__ = ("_ask", "_asked", "_call", "_fallbacks", "_first", "_names")

    def __init__(self, fallbacks: Fallbacks, call: Call, ask: Ask, first: Lane, failure: LiteMaaSError) -> None:
        self._fallbacks = fallbacks
        self._call = call
        self._ask = ask
        self._first = first
        self._asked = {first.model.name}
        self._names = fallbacks.names(first, ask, failure)

    def failed(self, lane: Lane, failure: LiteMaaSError) -> None:
        """A fallback could not answer either."""
        self._names += self._fallbacks.names(lane, self._ask, failure)

    async def next(self) -> Lane | None:
        """The next model's lane; None when there is none left."""
        while self._names and len(self._asked) <= MAX_DEPTH:
            name = self._names.pop(0)
            if name in self._asked:
                continue
            self._asked.add(name)
            lane = await self._fallbacks.prepare(self._call, self._ask, self._first, name)
            if lane is not None:
                return lane
        return None
