"""What was tried for a call on one model, and what is left to try? Plain decisions, without a wait."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING

from litemaas.core.errors import (
    BudgetExhausted,
    LiteMaaSError,
    NoDeploymentAvailable,
    RateLimited,
    UpstreamFailure,
    UpstreamRefused,
    UpstreamTimeout,
)
from litemaas.gateway.cooling import seconds_of

if TYPE_CHECKING:
    from litemaas.core.catalog import Model
    from litemaas.gateway.failure_rules import FailureRules
    from litemaas.gateway.settings import RoutingSettings
    from litemaas.gateway.targets import Target

_WORTH_ANOTHER = frozenset({401, 403, 408, 409, 429})
"""Statuses below 500 after which somebody else may do better."""
_LONGEST_S = 3600
"""What a client is told to wait for money at most: budgets are raised."""
_CREDENTIAL_REFUSED = frozenset({401, 403})


class Tries:
    """``left``: how many attempts may still be made. ``last``: what the last one met with.

    ``rules``: what holds for kinds of failure; None = the client has said itself how often to try.
    """

    __slots__ = (
        "_broke", "_first", "_made", "_model", "_most", "_refusal", "_rules", "_settings", "_spent", "_targets", "_usual",
        "last", "left", "rounds",
    )  # fmt: skip

    def __init__(
        self, model: Model, targets: Sequence[Target], left: int, settings: RoutingSettings, rules: FailureRules | None
    ) -> None:
        self._model = model
        self._rules = rules
        self._targets = targets
        self._settings = settings
        self._usual = self._most = left
        self._first: UpstreamFailure | None = None
        self._refusal: RateLimited | None = None
        self._broke: BudgetExhausted | None = None
        self._spent: set[str] = set()
        self._made = True
        self.last: UpstreamFailure | None = None
        self.left = left
        self.rounds = 0

    def next_round(self, now: float) -> list[Target]:
        """The deployments to try now, in order: not those that are left alone, nor where another try is of no use."""
        if self.left <= 0 or not self._made:
            return []
        self._made = False
        if self.last is not None:
            self.rounds += 1
        return [t for t in self._targets if t.deployment.id not in self._spent and not t.condition.is_cold(now)]

    def failed(self, target: Target, failure: UpstreamFailure) -> None:
        """Errors: the first failure, if after this one no other attempt would do better."""
        self._made = True
        self.last = failure
        if self._first is None:
            self._first = failure
        retries = None if self._rules is None else self._rules.retries_of(self._model, failure)
        if retries is None and not is_worth_another(failure):
            raise self._first
        if _is_final(failure, self._settings, is_wanted=bool(retries)):
            self._spent.add(target.deployment.id)
        most = self._usual if retries is None else 1 + retries
        self.left += most - self._most
        self._most = most

    def was_full(self, refusal: RateLimited) -> None:
        if self._refusal is None or refusal.retry_after_s < self._refusal.retry_after_s:
            self._refusal = refusal

    def was_spent(self, refusal: BudgetExhausted) -> None:
        """A deployment's budget, or its provider's, has no room for the call."""
        self._broke = refusal

    def verdict(self, now: float) -> LiteMaaSError:
        """Why nothing was left: the first failure, else who has room soonest, else that all are left alone."""
        if self._first is not None:
            return self._first
        if self._refusal is not None:
            return self._refusal
        if self._broke is not None:
            return _out_of_money(self._model.name, self._broke, datetime.now(UTC))
        seconds = max(1, ceil(min(target.condition.cold_until for target in self._targets) - now))
        ids = ", ".join(target.deployment.id for target in self._targets)
        return NoDeploymentAvailable(
            f"No deployments available for selected model, Try again in {seconds} seconds. "
            f"Passed model={self._model.name}. "
            f"Cooling down: {ids}",
            seconds,
        )


def _out_of_money(model: str, refusal: BudgetExhausted, now: datetime) -> NoDeploymentAvailable:
    seconds = _LONGEST_S if refusal.frees_at is None else ceil((refusal.frees_at - now).total_seconds())
    return NoDeploymentAvailable(
        f"No deployments available for selected model, Passed model={model}. Budget of the {refusal.level} is spent.",
        max(1, min(seconds, _LONGEST_S)),
    )


def is_worth_another(failure: UpstreamFailure) -> bool:
    """Whether another attempt may succeed; most of what an engine says with a 4xx, it would say to the next one, too."""
    if isinstance(failure, UpstreamRefused):
        return failure.status >= 500 or failure.status in _WORTH_ANOTHER
    return True


def _is_final(failure: UpstreamFailure, settings: RoutingSettings, *, is_wanted: bool) -> bool:
    """Whether the same deployment need not be asked again for this call.

    A silent one has kept the client waiting long enough, a credential does not mend itself, and an engine that says when to
    come back means it. ``is_wanted``: the installation says that such a failure is tried again.
    """
    if isinstance(failure, UpstreamRefused):
        wanted = seconds_of(failure.retry_after, datetime.now(UTC))
        if wanted is not None and wanted > settings.max_retry_pause_s:
            return True
        return failure.status in _CREDENTIAL_REFUSED and not is_wanted
    return isinstance(failure, UpstreamTimeout) and not is_wanted
