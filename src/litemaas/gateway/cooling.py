"""How is a deployment doing, and is it left alone for a while? What this worker saw of it, by kind of failure.

::

    well ── failures ──> cold ── its time is over ──> one try ── an answer ──> well
                           ^                             │
                           └── longer than before ───────┘

A deployment that has others beside it is left alone at the first failure, a lone one only after several in a row: to pass it
over helps nobody. What the client did wrong (a 4xx) never counts. Each worker finds out for itself; nothing is shared.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from litemaas.core.errors import (
    UpstreamFailure,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from litemaas.core.failure_policies import Fault

if TYPE_CHECKING:
    from datetime import datetime

    from litemaas.core.catalog import Deployment
    from litemaas.core.failure_policies import Policy
    from litemaas.gateway.settings import RoutingSettings

_NOT_BUILT_FOR = frozenset({501, 505})
"""The engine has no such function: it would say the same of the next call, and is well."""
_SMOOTHING: Final = 0.2
_FORGOTTEN_S: Final = 60.0
"""After so long without a measurement, a deployment's speed counts as unknown, so that it is tried again."""
_WINDOW_S: Final = 60.0
_TRY_S: Final = 5.0
"""How long the one try after a cool-down keeps others away, at most."""


class FailureKind(StrEnum):
    """What counts against a deployment."""

    CONNECTION = "connection"
    TIMEOUT = "timeout"
    RATE = "rate limit"
    CREDENTIAL = "credential"
    SERVER = "server error"


_FAULTS = {
    FailureKind.CONNECTION: Fault.SERVER, FailureKind.TIMEOUT: Fault.TIMEOUT, FailureKind.RATE: Fault.RATE,
    FailureKind.CREDENTIAL: Fault.CREDENTIAL, FailureKind.SERVER: Fault.SERVER,
}  # fmt: skip
_NO_POLICY: Policy = {}


def kind_of(failure: UpstreamFailure) -> FailureKind | None:
    """None = the request's own fault, or ours: it does not count against the deployment (gateway-api contract 5.10)."""
    if isinstance(failure, UpstreamRefused):
        status = failure.status
        if status == 429:
            return FailureKind.RATE
        if status == 401:
            return FailureKind.CREDENTIAL
        if status == 408:
            return FailureKind.TIMEOUT
        return FailureKind.SERVER if status >= 500 and status not in _NOT_BUILT_FOR else None
    if isinstance(failure, UpstreamTimeout):
        return FailureKind.TIMEOUT
    if isinstance(failure, UpstreamUnreachable):
        return None if failure.is_ours else FailureKind.CONNECTION
    return FailureKind.SERVER


def seconds_of(retry_after: str | None, now: datetime) -> float | None:
    """An engine's ``retry-after``: seconds or a date (RFC 9110, 10.2.3); None when it says nothing that can be read."""
    if retry_after is None:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(retry_after) - now).total_seconds()
        except (ValueError, TypeError):
            return None
    return seconds if 0 < seconds < float("inf") else None


class Condition:
    """What this worker knows of one deployment; it outlives changes of the catalogue. Times by :func:`time.monotonic`.

    ``is_alone``: no other serves its model. ``running``: calls that are there now. ``troubled``: it failed since it last
    answered; while it is false, nothing else has to be looked at. ``cold_until``: 0 = calls may go there. ``served``,
    ``failed``, ``cooled``: counted since the start. ``first_byte_s``: of streams; ``token_s``: of whole answers, per token.
    """

    __slots__ = (
        "_borne", "_coolings", "_faults", "_settings", "_window_began", "cold_until", "cooldown_s", "cooled", "deployment_id",
        "failed",
        "first_byte_s", "in_a_row", "is_alone", "kind", "measured_at", "model", "provider", "running", "served", "token_s",
        "tokens", "troubled", "why",
    )  # fmt: skip

    def __init__(self, deployment: Deployment, settings: RoutingSettings, borne: Policy | None = None) -> None:
        self._settings = settings
        self._borne = borne or _NO_POLICY
        self._faults: dict[Fault, int] = {}
        self.deployment_id = deployment.id
        self.is_alone = True
        self.running = 0
        self.troubled = False
        self.in_a_row = 0
        self.cold_until = 0.0
        self.kind: FailureKind | None = None
        self.why = ""
        self._coolings = 0
        self.served = 0
        self.failed: dict[FailureKind, int] = {}
        self.cooled = 0
        self.first_byte_s = 0.0
        self.token_s = 0.0
        self.measured_at = 0.0
        self.tokens = 0
        self._window_began = 0.0
        self.describe(deployment)

    def describe(self, deployment: Deployment) -> None:
        """The catalogue says something new of it."""
        self.model = deployment.model
        self.provider = deployment.provider
        self.cooldown_s = deployment.cooldown_s

    # -- what happened ------------------------------------------------------------------------------------------------

    def answered(self, streamed: bool, wait_s: float, completion_tokens: int, tokens: int, now: float) -> None:
        """A call came to a good end. ``wait_s``: until the answer began, or until it was there if it came whole."""
        self.served += 1
        if now - self._window_began >= _WINDOW_S:
            self._window_began = now
            self.tokens //= (
                2  # what was before still counts a little, or each minute would begin with a rush to one of them
            )
        self.tokens += tokens
        known = now - self.measured_at < _FORGOTTEN_S
        self.measured_at = now
        if streamed:
            before = self.first_byte_s
            self.first_byte_s = before + _SMOOTHING * (wait_s - before) if known and before else wait_s
        else:
            before = self.token_s
            each = wait_s / (completion_tokens + 1)
            self.token_s = before + _SMOOTHING * (each - before) if known and before else each

    def fail(self, kind: FailureKind, why: str, now: float, retry_after_s: float | None = None) -> None:
        """Counts against it; ``retry_after_s``: when the engine wants to be asked again."""
        self.failed[kind] = self.failed.get(kind, 0) + 1
        self.in_a_row += 1
        self.troubled = True
        self.kind = kind
        self.why = why
        settings = self._settings
        fault = _FAULTS[kind]
        self._faults[fault] = self._faults.get(fault, 0) + 1
        in_a_row = self._faults[fault] if fault in self._borne else self.in_a_row
        if not settings.cooldowns or in_a_row <= self._allowed(kind):
            return
        if retry_after_s is not None:
            pause = min(retry_after_s, settings.max_retry_after_s)
        else:
            base = settings.cooldown_s if self.cooldown_s is None else self.cooldown_s
            pause = min(base * 2.0 ** min(self._coolings, 16), max(settings.max_cooldown_s, base))
        if pause <= 0:
            return
        self._coolings += 1
        self.cooled += 1
        self.cold_until = now + pause

    def _allowed(self, kind: FailureKind) -> int:
        """Failures in a row that are still borne."""
        allowed = self._borne.get(_FAULTS[kind], self._settings.allowed_failures)
        if not self.is_alone:
            return allowed
        if kind is FailureKind.CREDENTIAL:
            return 1 << 30  # what the engine says of it helps more than to hear nothing of it for a while
        return max(allowed, self._settings.allowed_failures_alone)

    def recover(self) -> None:
        """It has answered."""
        self.troubled = False
        self.in_a_row = self._coolings = 0
        self._faults.clear()
        self.cold_until = 0.0
        self.kind = None
        self.why = ""

    # -- what follows -------------------------------------------------------------------------------------------------

    def is_cold(self, now: float) -> bool:
        return now < self.cold_until

    def begin_try(self, now: float) -> None:
        """A call is on its way there: if it is the first after a cool-down, the others wait for what comes of it."""
        if self.cold_until:
            self.cold_until = now + _TRY_S

    def speed(self, streamed: bool, now: float) -> float:
        """What a call may have to wait there; 0 = not known, so find out."""
        measured = self.first_byte_s if streamed else self.token_s
        return measured * (self.running + 1) if now - self.measured_at < _FORGOTTEN_S else 0.0
