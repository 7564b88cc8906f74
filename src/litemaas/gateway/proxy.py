"""How does a request become an answer? Read from top to bottom: this is the whole way.

    read → identify → plan → reserve → open upstream → relay → settle

Each stage is a module of its own and fills in the :class:`~litemaas.gateway.call.Call`. Leaving the ``settlement`` block is
the settlement, however it is left; only then the client hears the end of its answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from litemaas.core.errors import ClientGone, LiteMaaSError, Unexpected
from litemaas.gateway.call import Call
from litemaas.gateway.errors import headers_of, status_of
from litemaas.gateway.header_labels import NOTE, NOTHING
from litemaas.gateway.reply_headers import call_id_of

if TYPE_CHECKING:
    from litemaas.gateway.admission import Admission
    from litemaas.gateway.answer_cache import AnswerCache
    from litemaas.gateway.captures import Captures
    from litemaas.gateway.conversions import Conversions
    from litemaas.gateway.endpoints.base import Endpoint
    from litemaas.gateway.guardrails import Guardrails
    from litemaas.gateway.header_labels import HeaderLabels
    from litemaas.gateway.http.messages import Request, Response
    from litemaas.gateway.identity import Identity
    from litemaas.gateway.journal import Journal
    from litemaas.gateway.relay import Relay
    from litemaas.gateway.reply_headers import ReplyHeaders
    from litemaas.gateway.routing import Routing
    from litemaas.gateway.settlement import Settlement
    from litemaas.gateway.upstream import Upstream
    from litemaas.kit.ids import RequestIds


class Proxy:
    """Serves inference calls. ``now``: seconds since 1970."""

    def __init__(
        self, *, identity: Identity, routing: Routing, admission: Admission, guardrails: Guardrails, upstream: Upstream,
        relay: Relay, conversions: Conversions, captures: Captures, settlement: Settlement, journal: Journal,
        labels: HeaderLabels, headers: ReplyHeaders, cache: AnswerCache | None, ids: RequestIds, now: Callable[[], float],
        profile: str, on_defect: Callable[[BaseException], None],
    ) -> None:  # fmt: skip
        self._identity = identity
        self._routing = routing
        self._admission = admission
        self._guardrails = guardrails
        self._upstream = upstream
        self._relay = relay
        self._conversions = conversions
        self._captures = captures
        self._settlement = settlement
        self._journal = journal
        self._labels = labels
        self._headers = headers
        self._cache = cache
        self._ids = ids
        self._now = now
        self._profile = profile
        self._on_defect = on_defect

    async def serve(  # noqa: C901 - the whole way; each stage is a test and a call
        self, request: Request, response: Response, endpoint: Endpoint, path_model: str | None
    ) -> None:
        """Answers one call, whatever happens to it."""
        call = Call(self._ids.next(), request, endpoint, self._now())
        try:
            self._journal.check_room()  # a call that could not be recorded must not begin

            with self._settlement.of(call):
                known = self._identity.known(request, call.started_at) if endpoint.needs_key else self._identity.anybody
                call.caller = caller = known or await self._identity.identify(request.headers)

                body = request.whole_body(endpoint.max_body)
                if not body and not endpoint.uploads:
                    body = await request.body(endpoint.max_body)
                call.ask = ask = endpoint.read(request, body) if body else await endpoint.receive(request)
                ask.model = path_model or ask.model
                if request.notes.get(NOTE) != NOTHING:
                    self._labels.add(request, ask)

                call.lane = lane = self._routing.lane(caller, ask, endpoint)
                if lane.capture is not None:
                    response = self._captures.recorded(call, lane.capture, body or ask.payload, response)
                if ask.references:
                    call.lane = lane = await endpoint.check(call, ask, lane)

                if not self._admission.try_reserve(call, lane, ask):
                    await self._admission.reserve(call, lane, ask)

                if lane.guardrails or ask.wishes is not None:
                    await self._guardrails.check(call, ask, lane)

                if self._cache is None or not await self._cache.answers(call, ask, lane, response):
                    target, answer = await self._upstream.open(call, ask, lane)

                    await self._relay.relay(answer, call, ask, target, response)
                    if endpoint.defers:
                        await self._conversions.begin(call, ask, target)
        except ClientGone:
            self._forget(call)
            response.left()  # settled; nobody is left to answer
        except LiteMaaSError as error:
            self._answer_error(call, response, error)
        except Exception as defect:  # noqa: BLE001 - a defect of ours must not take the connection's other calls with it
            self._on_defect(defect)
            self._answer_error(call, response, Unexpected("something went wrong on our side"))
        else:
            self._finish(call, response)

    def _finish(self, call: Call, response: Response) -> None:
        reply = call.reply
        if self._cache is not None and call.keeping is not None:
            self._cache.keep(call, call.keeping)
        if reply is not None:
            response.send(reply.status, self._headers.of_reply(call, reply), reply.body)
        elif call.failure is not None:
            failure = call.failure if isinstance(call.failure, LiteMaaSError) else Unexpected("the answer broke off")
            response.end(call.endpoint.error_event(failure, self._profile))
        else:
            response.end(call.ending)

    def _forget(self, call: Call) -> None:
        """An error holds the frames that it passed, and they the call: what takes room elsewhere must not wait for that."""
        if call.endpoint.uploads and call.ask is not None:
            call.endpoint.forget(call.ask)

    def _answer_error(self, call: Call, response: Response, error: LiteMaaSError) -> None:
        self._forget(call)
        if response.started:
            response.end(call.endpoint.error_event(error, self._profile))
            return
        status = status_of(error, self._profile)
        headers = self._headers.of_error(call_id_of(call), call) + headers_of(error, self._profile)
        response.send(status, headers, call.endpoint.error_body(error, self._profile))
