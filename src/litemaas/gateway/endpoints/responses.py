"""How are calls of OpenAI's Responses API served that make answers which are kept, or go on from one?

By the deployment that has the answer and by no other: neither a translation nor a fallback knows what was said before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from litemaas.core.errors import InvalidField
from litemaas.gateway.endpoints.foreign import ForeignEndpoint
from litemaas.gateway.metering import BYTES_PER_TOKEN
from litemaas.gateway.providers.reading import Untranslatable
from litemaas.gateway.providers.wires import ResponsesWire
from litemaas.gateway.stored_responses import MEMBER
from litemaas.gateway.wishes import Wishes

if TYPE_CHECKING:
    from litemaas.gateway.call import Ask, Call
    from litemaas.gateway.endpoints.openai import OpenAIEndpoint
    from litemaas.gateway.http.messages import Request
    from litemaas.gateway.lanes import Lane
    from litemaas.gateway.response_ids import ClientIds
    from litemaas.gateway.stored_responses import StoredResponses
    from litemaas.gateway.targets import Target


class ResponsesEndpoint(ForeignEndpoint):
    """``/v1/responses``. ``stored``: None where there is nothing but the table of endpoints."""

    __slots__ = ("_stored",)

    def __init__(self, chat: OpenAIEndpoint, max_body: int, stored: StoredResponses | None) -> None:
        super().__init__(ResponsesWire(), chat, max_body)
        self._stored = stored

    def read(self, request: Request, body: bytes) -> Ask:
        ask = super().read(request, body)
        previous = ask.foreign.asked.get(MEMBER)
        if previous is not None:
            if not isinstance(previous, str):
                raise InvalidField(f"{MEMBER} must be a text", MEMBER)
            ask.references = {MEMBER: previous}
            ask.foreign.refusal = Untranslatable(
                "the model server keeps no answers, or a guardrail holds: send the whole conversation in 'input'",
                MEMBER,
            )
        return ask

    async def check(self, call: Call, ask: Ask, lane: Lane) -> Lane:
        """Finds the answer that the call goes on from. Errors: InvalidField; UpstreamFailure."""
        if self._stored is None or call.caller is None:
            return lane
        previous = ask.references[MEMBER]
        place = self._stored.place(previous, call.caller)
        pinned = lane.pinned_to(place.deployment_id)
        if pinned is None:
            raise InvalidField(f"the previous response was not made by the model {lane.model.name!r}", MEMBER)
        before = await self._stored.tokens_before(previous, place, pinned.deployments[0])
        ask.foreign.place = place
        ask.foreign.tokens_before = before
        ask.prompt_bytes += before * BYTES_PER_TOKEN
        ask.wishes = ask.wishes or Wishes()
        ask.wishes.no_fallbacks = True
        return pinned

    def client_ids(self, call: Call, target: Target) -> ClientIds | None:
        if self._stored is None or call.caller is None:
            return None
        return self._stored.ids_for(call.caller, target.deployment.id)
