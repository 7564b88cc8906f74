"""How does a call reach a model server? One attempt after the other, until an answer begins.

The usual call goes to the one deployment of its model. Where there are several, or one that is limited or in trouble, they
are tried by turns (:mod:`~litemaas.gateway.strategies`); those that are left alone (:mod:`~litemaas.gateway.cooling`) or have
no room are passed over; then come the models that may answer instead (:mod:`~litemaas.gateway.fallbacks`). After the first
byte of an answer nothing is tried again: the client may have seen it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from litemaas.core.errors import (
    BudgetExhausted,
    LiteMaaSError,
    NoDeploymentAvailable,
    PromptTooLong,
    RateLimited,
    UpstreamFailure,
    UpstreamRefused,
)
from litemaas.gateway.cooling import kind_of, seconds_of
from litemaas.gateway.engines import releasing
from litemaas.gateway.http.answers import UpstreamConnection
from litemaas.gateway.http.client import Pool
from litemaas.gateway.replies import error_text
from litemaas.gateway.shared_rates import pause
from litemaas.gateway.tag_routing import bearing
from litemaas.gateway.targets import StreamUsage, Target
from litemaas.gateway.tries import Tries
from litemaas.gateway.wishes import retries_of, timeout_of
from litemaas.kit.ticks import monotonic

if TYPE_CHECKING:
    from litemaas.gateway.admission import Admission
    from litemaas.gateway.call import Ask, Call
    from litemaas.gateway.failure_rules import FailureRules
    from litemaas.gateway.fallbacks import Fallbacks
    from litemaas.gateway.lanes import Lane
    from litemaas.gateway.prompt_room import PromptRoom
    from litemaas.gateway.settings import RoutingSettings
    from litemaas.gateway.settlement import Settlement
    from litemaas.gateway.spool import Outgoing
    from litemaas.gateway.strategies import Strategies

__all__ = ["StreamUsage", "Target", "Upstream"]

_ERROR_BYTES = 1024 * 1024
_JSON = b"application/json"
_CONTEXT_EXCEEDED = re.compile(
    r"maximum context length is (\d{1,9}) tokens.{0,40}?(?:requested (\d{1,9}) tokens|has (\d{1,9}) input tokens)"
)
"""vLLM's and OpenAI's words, older and newer, for a prompt and an output bound that do not fit together (2026-11)."""
_CREDENTIAL_REFUSED = frozenset({401, 403})
_MAX_WORDS = 2048


class Upstream:
    """Opens calls on model servers over pooled connections."""

    def __init__(
        self, pool: Pool, settlement: Settlement, admission: Admission, strategies: Strategies, fallbacks: Fallbacks,
        rules: FailureRules, room: PromptRoom | None, settings: RoutingSettings, random_source: random.Random,
        patience_s: float,
    ) -> None:  # fmt: skip
        """``room``: None = whether a prompt fits, its engine is to say."""
        self._room = room
        self._pool = pool
        self._settlement = settlement
        self._admission = admission
        self._strategies = strategies
        self._fallbacks = fallbacks
        self._rules = rules
        self._settings = settings
        self._random = random_source
        self._patience_s = patience_s

    async def open(self, call: Call, ask: Ask, lane: Lane) -> tuple[Target, UpstreamConnection]:
        """The beginning of a good answer from the first deployment that gives one; the caller releases the connection.

        Errors: UpstreamFailure, the first one that was met; NoDeploymentAvailable; PromptTooLong; RateLimited, by
        deployments without room.
        """
        target = lane.lone
        if target is None or target.condition.troubled or self._settings.tag_filtering:
            return await self._open_by_turns(call, ask, lane, None)
        self._begin(call, target)
        try:
            connection = await self._pool.open(
                target.origin, _message(call, ask, target), _time_limit(call, ask, target),
                -1.0 if ask.stream or lane.is_free else self._patience_s,
            )  # fmt: skip
            if connection.status >= 400:
                connection = await self._open_otherwise(connection, call, ask, target)
        except UpstreamFailure as met:
            failure = met
        else:
            return target, connection
        self._note(call, target, failure)
        return await self._open_by_turns(call, ask, lane, failure)

    def _begin(self, call: Call, target: Target) -> None:
        call.target = target
        call.attempts += 1
        condition = target.condition
        condition.running += 1
        call.condition = condition
        self._settlement.begin(call, target)

    def _note(self, call: Call, target: Target, failure: UpstreamFailure) -> None:
        """An attempt has failed: the call is not there any more, and what happened counts, or proves that somebody is there."""
        call.leave_deployment()
        condition = target.condition
        kind = kind_of(failure)
        if kind is not None:
            retry_after_s = None
            words = failure.message
            if isinstance(failure, UpstreamRefused):  # the engine's own words may hold a prompt
                words = f"the model server answered with status {failure.status}"
                retry_after_s = seconds_of(failure.retry_after, datetime.now(UTC))
            condition.fail(kind, words, monotonic(), retry_after_s)
        elif condition.troubled and isinstance(failure, UpstreamRefused):
            condition.recover()

    # -- several deployments, several tries ---------------------------------------------------------------------------

    async def _open_by_turns(
        self, call: Call, ask: Ask, lane: Lane, failure: UpstreamFailure | None
    ) -> tuple[Target, UpstreamConnection]:
        """``failure``: of a first attempt that was already made. Errors: as :meth:`open`."""
        first: LiteMaaSError
        try:
            return await self._try_model(call, ask, lane, failure)
        except (UpstreamFailure, NoDeploymentAvailable, PromptTooLong, RateLimited) as met:
            first = met
        target, first_lane = call.target, call.lane or lane
        chain = self._fallbacks.chain(call, ask, first_lane, first)
        while (other := await chain.next()) is not None:
            try:
                return await self._try_model(call, ask, other, None)
            except (UpstreamFailure, NoDeploymentAvailable, PromptTooLong, RateLimited) as met:
                chain.failed(other, met)
        call.lane, call.target = first_lane, target  # what the first model said is what the caller hears
        raise first

    async def _try_model(
        self, call: Call, ask: Ask, lane: Lane, failure: UpstreamFailure | None
    ) -> tuple[Target, UpstreamConnection]:
        """Errors: UpstreamFailure, the first one; RateLimited by whichever has room soonest; NoDeploymentAvailable;
        PromptTooLong.
        """
        targets: Sequence[Target] = lane.targets
        if self._settings.tag_filtering:
            targets = bearing(targets, (*(ask.tags or ()), *lane.key.tags), lane.model.name)
        if self._room is not None:
            targets = await self._room.with_room(targets, ask, lane.model.name)
        if len(targets) > 1:
            targets = self._strategies.order(targets, lane.model.strategy, call, ask)
        tries = self._tries(call, ask, lane, targets)
        if failure is not None:
            tries.left -= 1
            tries.failed(targets[0], failure)
        while round_of := tries.next_round(monotonic()):
            if tries.last is not None:
                await pause(self._pause_s(tries.last, tries.rounds))
            for target in round_of:
                if tries.left <= 0:
                    break
                connection = await self._try_target(call, ask, lane, target, tries)
                if connection is not None:
                    return target, connection
        raise tries.verdict(monotonic())

    async def _try_target(
        self, call: Call, ask: Ask, lane: Lane, target: Target, tries: Tries
    ) -> UpstreamConnection | None:
        """None if it has no room or no money left, or has failed. Errors: UpstreamFailure, if no other would do better."""
        limit = call.output_limit
        if target.rule is not None:
            try:
                await self._admission.take_place(call, ask, lane, target)
            except RateLimited as full:
                tries.was_full(full)
                return None
        if target.budgets and not lane.is_free and not call.endpoint.defers:
            try:
                await self._admission.take_money(call, ask, lane, target)
            except BudgetExhausted as spent:
                call.leave_deployment()
                call.output_limit = limit
                tries.was_spent(spent)
                return None
        now = monotonic()
        if target.condition.is_cold(now):  # since we looked
            call.leave_deployment()
            call.output_limit = limit
            return None
        target.condition.begin_try(now)
        tries.left -= 1
        met = await self._attempt(call, ask, target)
        if not isinstance(met, UpstreamFailure):
            return met
        call.output_limit = limit
        tries.failed(target, met)
        return None

    async def _attempt(self, call: Call, ask: Ask, target: Target) -> UpstreamConnection | UpstreamFailure:
        self._begin(call, target)
        try:
            outgoing = call.endpoint.upload(call, ask, target) if call.endpoint.uploads else None
            if outgoing is not None:
                connection = await self._upload(call, ask, target, outgoing)
            else:
                connection = await self._pool.open(
                    target.origin, _message(call, ask, target), _time_limit(call, ask, target),
                    self._outwaits(call, ask),
                )  # fmt: skip
                if connection.status >= 400:
                    connection = await self._open_otherwise(connection, call, ask, target)
        except UpstreamFailure as failure:
            self._note(call, target, failure)
            return failure
        if target.condition.troubled:
            target.condition.recover()
        return connection

    async def _upload(self, call: Call, ask: Ask, target: Target, body: Outgoing) -> UpstreamConnection:
        """Errors: UpstreamFailure."""
        head = _head(call, ask, target, body.size)
        connection = await self._pool.upload(
            target.origin, head, body, _time_limit(call, ask, target), self._outwaits(call, ask)
        )
        if connection.status >= 400:
            raise await self._refusal(connection, target)
        return connection

    def _outwaits(self, call: Call, ask: Ask) -> float:
        """How long an answer is waited for whose client has left: one that comes in a piece is paid."""
        return -1.0 if ask.stream or call.lane is None or call.lane.is_free else self._patience_s

    def _tries(self, call: Call, ask: Ask, lane: Lane, targets: Sequence[Target]) -> Tries:
        """A model is tried once, and again as the client says, else what failed, else the model or the installation."""
        wished = retries_of(call.request, ask.wishes)
        rules = self._rules if wished is None else None
        if wished is None:
            wished = lane.model.retries
        most = 1 + (max(self._settings.retries, len(lane.targets) - 1) if wished is None else wished)
        return Tries(lane.model, targets, most, self._settings, rules)

    def _pause_s(self, last: UpstreamFailure, rounds: int) -> float:
        """Before the same deployments are tried again: longer each time, and never in step with other calls."""
        longest = self._settings.max_retry_pause_s
        base = min(self._settings.retry_pause_s * 2.0**rounds, longest)
        wanted = seconds_of(last.retry_after, datetime.now(UTC)) if isinstance(last, UpstreamRefused) else None
        return max(base * (0.5 + self._random.random() / 2), min(wanted or 0.0, longest))

    async def _open_otherwise(
        self, connection: UpstreamConnection, call: Call, ask: Ask, target: Target
    ) -> UpstreamConnection:
        """The call once more, without what the engine did not like of ours.

        Errors: UpstreamRefused when it is the client's own request that it does not take; UpstreamFailure.
        """
        while True:
            stream_usage = target.stream_usage
            refused = await self._refusal(connection, target)
            fitting = _bound_that_fits(refused, call, ask)
            if fitting is not None:
                call.output_limit = fitting
            elif ask.stream and _refuses_stream_options(refused, stream_usage):
                target.stream_usage = StreamUsage(min(target.stream_usage, stream_usage - 1))
            else:
                raise refused
            connection = await self._pool.open(
                target.origin, _message(call, ask, target), _time_limit(call, ask, target), self._outwaits(call, ask)
            )
            if connection.status < 400:
                return connection

    async def _refusal(self, connection: UpstreamConnection, target: Target) -> UpstreamRefused:
        with releasing(connection):
            body = await connection.read(_ERROR_BYTES)
        retry_after = next((v.decode("latin-1") for n, v in connection.headers if n == b"retry-after"), None)
        words, code = error_text(body)
        message = words
        if connection.status in _CREDENTIAL_REFUSED and not target.is_clients:
            message = "the model server refused the gateway's own credential; the administrator has to mend the model"
        refused = UpstreamRefused(target.without_secrets(message)[:_MAX_WORDS], connection.status, retry_after, code)
        head = connection.answer
        if target.is_pass_through and message is words and head is not None and head.content_type.startswith(_JSON):
            refused.answer = target.without_secrets(body.decode("utf-8", "replace")).encode()
        return refused


def _time_limit(call: Call, ask: Ask, target: Target) -> float:
    """Until the answer begins; the client may have a shorter one than the deployment's."""
    if ask.wishes is None and b"x-litellm-timeout" not in call.request.headers:
        return target.timeout_s
    return timeout_of(call.request, ask.wishes, b"x-litellm-timeout", target.timeout_s)


def _message(call: Call, ask: Ask, target: Target) -> bytes:
    """The whole request."""
    payload = call.endpoint.payload(
        call, ask, target
    )  # first: for an engine that speaks the format it changes the endpoint
    head = call.endpoint.head(call, ask, target)
    return b"%b%bcontent-length: %d\r\n\r\n%b" % (head, trace_lines(call), len(payload), payload)


def _head(call: Call, ask: Ask, target: Target, size: int) -> bytes:
    """The header block of a request whose body follows. Units: bytes."""
    return b"%b%bcontent-length: %d\r\n\r\n" % (
        call.endpoint.head(call, ask, target), trace_lines(call), size,
    )  # fmt: skip


def trace_lines(call: Call) -> bytes:
    """The caller's trace context goes along; nothing else of its header block does."""
    headers = call.request.headers
    parent = headers.get(b"traceparent")
    if parent is None:
        return b""
    state = headers.get(b"tracestate")
    return b"traceparent: %b\r\n" % parent + (b"tracestate: %b\r\n" % state if state is not None else b"")


def _bound_that_fits(refused: UpstreamRefused, call: Call, ask: Ask) -> int | None:
    """A smaller output bound, where ours was too large for the engine's context and the client had named none."""
    if call.output_limit is None or ask.output_bound is not None or refused.status != 400:
        return None
    told = _CONTEXT_EXCEEDED.search(refused.message)
    if told is None:
        return None
    prompt = int(told[3]) if told[3] else int(told[2]) - call.output_limit
    fitting = int(told[1]) - prompt
    return fitting if 0 < fitting < call.output_limit else None


def _refuses_stream_options(refused: UpstreamRefused, stream_usage: StreamUsage) -> bool:
    return (
        stream_usage is not StreamUsage.NONE
        and refused.status in (400, 422)
        and any(word in refused.message for word in ("stream_options", "continuous_usage_stats", "include_usage"))
    )
