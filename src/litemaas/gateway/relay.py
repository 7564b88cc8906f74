"""How does an answer get back? Whole, kept until its call is settled; or event by event, as soon as each is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from litemaas.core.engine_usage import EngineUsage
from litemaas.core.errors import ClientGone, LiteMaaSError, UpstreamDied, UpstreamFailure, UpstreamGarbage
from litemaas.core.usage import NOTHING, Usage, UsageSource, usage_of
from litemaas.gateway.call import Ask, Call, Reply
from litemaas.gateway.guardrails import Guardrails, StreamGuard
from litemaas.gateway.http.messages import client_gone
from litemaas.gateway.passing import Passing
from litemaas.gateway.reply_headers import engine_lines
from litemaas.gateway.sse import EventScanner, StreamGarbled
from litemaas.gateway.targets import StreamUsage
from litemaas.gateway.wishes import timeout_of
from litemaas.kit.ticks import monotonic

if TYPE_CHECKING:
    from litemaas.gateway.http.answers import AnswerHead, UpstreamConnection
    from litemaas.gateway.http.messages import Response
    from litemaas.gateway.judging import JudgedEvents
    from litemaas.gateway.metering import Meter
    from litemaas.gateway.providers.bridge import Bridge
    from litemaas.gateway.reply_headers import ReplyHeaders
    from litemaas.gateway.settings import UpstreamSettings
    from litemaas.gateway.settlement import Settlement
    from litemaas.gateway.targets import Target

EVENT_STREAM = b"text/event-stream"


class Relay:
    """Brings an upstream's answer to the client and its usage to the call."""

    def __init__(
        self,
        meter: Meter,
        headers: ReplyHeaders,
        settlement: Settlement,
        settings: UpstreamSettings,
        always_shows_usage: bool,
        guardrails: Guardrails,
    ) -> None:
        self._guardrails = guardrails
        self._meter = meter
        self._headers = headers
        self._settlement = settlement
        self._settings = settings
        self._always_shows_usage = always_shows_usage
        self._passing = Passing(meter, headers, settlement, settings, guardrails)

    async def relay(self, answer: UpstreamConnection, call: Call, ask: Ask, target: Target, response: Response) -> None:
        """Leaves the usage in the call and either a whole reply, too, or a stream that only lacks its end."""
        head = cast("AnswerHead", answer.answer)
        try:
            if call.endpoint.own_model is not None and await self._passing.streams(answer, call, ask, target, response):
                return
            if ask.stream:
                if call.endpoint.relays_bytes:
                    await self._relay_bytes(answer, call, ask, target, response)
                    return
                if head.content_type.startswith(EVENT_STREAM):
                    await self._relay_events(answer, call, ask, target, response)
                    return
            body = answer.whole_body() or await self._rest_of(answer, call)
            call.first_byte_at = monotonic()
            call.upstream_s = call.first_byte_at - answer.sent_at
            call.reply = reply = Reply(head.status, head.content_type, body, engine_lines(head))
            call.usage = call.endpoint.measure(call, ask, target, reply)
            if call.usage is NOTHING and not call.endpoint.is_free:
                call.usage = await self._meter.count_reply(ask, target, reply)
            if call.guard is not None:
                reply.body = self._guardrails.masked(call.guard, reply.body)
                if call.judged is not None:
                    await self._guardrails.judge(call, reply)
            if ask.foreign is not None:
                call.endpoint.translate(call, ask, reply)
            if answer.is_abandoned:
                raise client_gone()
        finally:
            answer.release()

    async def _rest_of(self, answer: UpstreamConnection, call: Call) -> bytes:
        try:
            return await answer.read(self._settings.max_reply_bytes)
        except ClientGone:
            await answer.outwait(self._settings.abandoned_timeout_s if call.lane and not call.lane.is_free else -1.0)
            return await answer.read(self._settings.max_reply_bytes)

    async def _relay_events(  # noqa: C901 - one loop, in which each part is a test and a call
        self, answer: UpstreamConnection, call: Call, ask: Ask, target: Target, response: Response
    ) -> None:
        bridge = call.endpoint.bridge(call, ask, target)
        scanner = (bridge.scanner() if bridge is not None else None) or self._scanner(ask, target)
        guard = StreamGuard(call.guard, self._guardrails) if call.guard is not None and call.guard.masked else None
        judged = self._guardrails.judged_events(call) if call.judged is not None else None
        answer.limit(self._silence_s(call, ask, target))
        shown: list[bytes] | None = (
            None if target.stream_usage else []
        )  # kept only where the engine is known not to count
        try:
            while data := await answer.next_bytes():
                if bridge is not None:
                    data = bridge.arrive(data)
                events = scanner.feed(data) if guard is None else guard.feed(scanner.feed(data))
                if events:
                    if shown is not None:
                        shown.append(events)
                    if judged is None or (events := await judged.take(events)):
                        if call.first_byte_at is None:
                            self._begin(answer, call, response)
                        _show(events, call, response, bridge)
                    self._settlement.progress(call, self._usage_so_far(scanner, ask))
                if scanner.error is not None:
                    words = target.without_secrets(scanner.error)[:500]
                    raise UpstreamDied(f"the model server reported an error in the middle of its answer: {words}")
                if response.is_congested:
                    await response.drain()
            if not scanner.is_finished:
                raise UpstreamDied("the model server ended its answer before it was complete")
        except StreamGarbled as garbled:
            self._end_badly(call, response, UpstreamGarbage(str(garbled)), judged)
        except UpstreamFailure as failure:
            self._end_badly(call, response, failure, judged)
        finally:
            call.engine_request_id = scanner.engine_id or None
            call.usage = NOTHING if judged is not None and judged.are_lost else self._usage_so_far(scanner, ask)
        if call.usage.source is not UsageSource.ENGINE:
            call.usage = await self._meter.count_stream(ask, target, call.usage, shown)
        if judged is not None and call.failure is None:
            if rest := await judged.rest(guard.finish() if guard is not None else b""):
                if call.first_byte_at is None:
                    self._begin(answer, call, response)
                _show(rest, call, response, bridge)
            guard = None
        self._end(answer, call, response, guard, bridge)

    async def _relay_bytes(
        self, answer: UpstreamConnection, call: Call, ask: Ask, target: Target, response: Response
    ) -> None:
        """An answer that is no text, such as sound: each piece as soon as it is there, whatever is in it."""
        call.ending = b""
        answer.limit(self._silence_s(call, ask, target))
        head = cast("AnswerHead", answer.answer)
        try:
            while data := await answer.next_bytes():
                if not response.started:
                    if call.judged is not None:
                        await self._guardrails.verdict(call)
                    call.first_byte_at = monotonic()
                    call.upstream_s = call.first_byte_at - answer.sent_at
                    call.usage = Usage(media=ask.media_bound)
                    response.start(200, self._headers.of_bytes(call, head.content_type, engine_lines(head)))
                response.write(data)
                if response.is_congested:
                    await response.drain()
        except UpstreamFailure as failure:
            call.usage = Usage()  # how much of the text was spoken, nobody knows
            self._end_badly(call, response, failure)
            response.abort()  # an error in the midst of a sound would be taken for the sound
        if not response.started:
            raise UpstreamGarbage("the model server's answer is empty")

    def _scanner(self, ask: Ask, target: Target) -> EventScanner:
        forced = target.stream_usage
        engine_model = target.deployment.engine_model
        shows_usage = ask.wants_usage or self._always_shows_usage
        return EventScanner(
            strip_usage=not shows_usage or (forced is StreamUsage.CONTINUOUS and not ask.wants_running_usage),
            drop_usage_chunk=not shows_usage,
            rename=(engine_model, ask.model) if ask.model is not None and ask.model != engine_model else None,
        )

    def _end(
        self,
        answer: UpstreamConnection,
        call: Call,
        response: Response,
        guard: StreamGuard | None,
        bridge: Bridge | None,
    ) -> None:
        """Everything but the last event, which waits for the settlement."""
        if call.failure is None and call.first_byte_at is None:
            self._begin(answer, call, response)
        if guard is not None and response.started:
            _show(guard.finish(), call, response, bridge)
        if bridge is not None and call.failure is None:
            call.ending = bridge.ending(call.usage)

    def _begin(self, answer: UpstreamConnection, call: Call, response: Response) -> None:
        """The client hears that its answer begins."""
        call.first_byte_at = monotonic()
        call.upstream_s = call.first_byte_at - answer.sent_at
        response.start(200, self._headers.of_stream(call, engine_lines(cast("AnswerHead", answer.answer))))

    def _silence_s(self, call: Call, ask: Ask, target: Target) -> float:
        """How long a stream may be silent."""
        usual_s = target.deployment.stream_timeout_s or self._settings.stream_timeout_s
        if ask.wishes is None and b"x-litellm-stream-timeout" not in call.request.headers:
            return usual_s
        return timeout_of(call.request, ask.wishes, b"x-litellm-stream-timeout", usual_s)

    def _usage_so_far(self, scanner: EventScanner, ask: Ask) -> Usage:
        if scanner.usage is not None and is_plausible(scanner.usage):
            return usage_of(scanner.usage)
        return self._meter.estimate(ask, scanner.chunks)

    def _end_badly(
        self, call: Call, response: Response, failure: LiteMaaSError, judged: JudgedEvents | None = None
    ) -> None:
        """Before the first byte an ordinary error, later one within the stream."""
        if not response.started:
            if judged is not None:
                judged.are_lost = True
            raise failure
        call.failure = failure


def _show(events: bytes, call: Call, response: Response, bridge: Bridge | None) -> None:
    """To the client, and to the cache where the answer will be kept."""
    if bridge is not None:
        events = bridge.leave(events)
    response.write(events)
    if call.keeping is not None:
        call.keeping.add(events)


def is_plausible(usage: EngineUsage) -> bool:
    """Whether an engine's report can be the usage of a call that generated something."""
    return bool(usage.prompt_tokens or usage.completion_tokens)
