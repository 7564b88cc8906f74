"""How does the answer of a route of the installation's own get back? As it came, and piece by piece unless it is JSON.

A target may answer with anything. What streams goes through untouched and is only watched; with a guardrail that masks, whole
events are looked at first. Redirects are not followed: the route's credential would go wherever they point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from litemaas.core.errors import UpstreamFailure, UpstreamGarbage
from litemaas.core.usage import NOTHING, Usage, usage_of
from litemaas.gateway.endpoints.pass_through import PassingScanner, asked_only
from litemaas.gateway.guardrails import Guardrails, StreamGuard
from litemaas.gateway.reply_headers import engine_lines
from litemaas.gateway.sse import StreamGarbled
from litemaas.kit.ticks import monotonic

if TYPE_CHECKING:
    from litemaas.gateway.call import Ask, Call
    from litemaas.gateway.http.answers import AnswerHead, UpstreamConnection
    from litemaas.gateway.http.messages import Response
    from litemaas.gateway.metering import Meter
    from litemaas.gateway.reply_headers import ReplyHeaders
    from litemaas.gateway.settings import UpstreamSettings
    from litemaas.gateway.settlement import Settlement
    from litemaas.gateway.targets import Target

_EVENTS = b"text/event-stream"
_JSON = b"application/json"


class Passing:
    """Relays what is not kept until the call is settled."""

    def __init__(
        self, meter: Meter, headers: ReplyHeaders, settlement: Settlement, settings: UpstreamSettings, guardrails: Guardrails
    ) -> None:  # fmt: skip
        self._meter = meter
        self._headers = headers
        self._settlement = settlement
        self._settings = settings
        self._guardrails = guardrails

    async def streams(  # noqa: C901 - one loop, in which each part is a test and a call
        self, answer: UpstreamConnection, call: Call, ask: Ask, target: Target, response: Response
    ) -> bool:
        """False: the answer is to be kept and sent whole. Else it was relayed, and only its end is left to send.

        Errors: UpstreamGarbage; ClientGone.
        """
        head = cast("AnswerHead", answer.answer)
        if 300 <= head.status < 400:
            raise UpstreamGarbage(
                "the target answered with a redirect, which is not followed: mend its address where the route is set"
            )
        is_events = head.content_type.startswith(_EVENTS)
        if not is_events and (answer.complete or head.content_type.startswith(_JSON)):
            return False
        call.ending = b""
        answer.limit(target.deployment.stream_timeout_s or self._settings.stream_timeout_s)
        watch = PassingScanner() if is_events else None
        is_masked = watch is not None and call.guard is not None and bool(call.guard.masked)
        guard = StreamGuard(call.guard, self._guardrails) if is_masked and call.guard is not None else None
        judged = self._guardrails.judged_events(call) if call.judged is not None and watch is not None else None
        if judged is None:
            if call.judged is not None:
                await self._guardrails.verdict(call)
            self._begin(answer, head, call, response)
        try:
            while data := await answer.next_bytes():
                if watch is not None:
                    events = watch.feed(data)
                    data = guard.feed(events) if guard is not None else data
                    self._settlement.progress(call, self._usage(watch, ask))
                if judged is None or (data := await judged.take(data)):
                    if not response.started:
                        self._begin(answer, head, call, response)
                    response.write(data)
                if response.is_congested:
                    await response.drain()
            rest = guard.finish() if guard is not None else b""
            rest = rest if judged is None else await judged.rest(rest)
            if not response.started:
                self._begin(answer, head, call, response)
            response.write(rest)
        except StreamGarbled as garbled:
            call.failure = UpstreamGarbage(str(garbled))
        except UpstreamFailure as failure:
            call.failure = failure
        finally:
            call.usage = self._usage(watch, ask)
        if call.failure is not None and not response.started:  # it was held back, so nobody has anything of it
            lost, call.failure, call.usage = call.failure, None, NOTHING
            raise lost
        if call.failure is not None and watch is None:
            response.abort()  # an error in the midst of a file would be taken for the file
        return True

    def _begin(self, answer: UpstreamConnection, head: AnswerHead, call: Call, response: Response) -> None:
        call.first_byte_at = monotonic()
        call.upstream_s = call.first_byte_at - answer.sent_at
        response.start(head.status, self._headers.of_bytes(call, head.content_type, engine_lines(head)))

    def _usage(self, watch: PassingScanner | None, ask: Ask) -> Usage:
        """What the events told; else what they look like, if they are a model's; else that it was asked."""
        if watch is None:
            return asked_only()
        if watch.usage is not None:
            return usage_of(watch.usage)
        estimate = self._meter.estimate(ask, watch.chunks)
        return estimate if estimate is not NOTHING else asked_only()
