"""How is a call in another format than chat completions served? By an engine that speaks it, as it came; else translated.

What is asked is translated when it is read, so budgets, limits, guardrails and counting see a chat completion, whoever serves
it. Each deployment then gets it in the format that it knows. Where guardrails hold, answers are always translated, because
they are masked as chat completions. What cannot be translated is refused only if no engine that speaks the format is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from litemaas.core.errors import UpstreamGarbage
from litemaas.core.usage import NOTHING, Usage, usage_of
from litemaas.gateway.bodies import NOT_JSON, Members, encode, object_of, read_members, read_request, render
from litemaas.gateway.endpoints.base import Endpoint, base_path
from litemaas.gateway.endpoints.openai import GATEWAY_MEMBERS, SPECIAL_MEMBERS, OpenAIEndpoint
from litemaas.gateway.providers.bridge import Bridge
from litemaas.gateway.providers.native import NativeScanner, native_usage
from litemaas.gateway.providers.reading import MISSHAPEN, Untranslatable, whole

if TYPE_CHECKING:
    from litemaas.core.catalog import Deployment
    from litemaas.core.errors import LiteMaaSError
    from litemaas.gateway.call import Ask, Call, Reply
    from litemaas.gateway.http.messages import Request
    from litemaas.gateway.providers.wires import Wire
    from litemaas.gateway.response_ids import ClientIds, Place
    from litemaas.gateway.targets import Target

_OWN_METADATA = ("tags", "spend_logs_metadata", "guardrails")
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Foreign:
    """A body as it came. ``refusal``: why it is no chat completion, if it is none.

    ``place``: of the answer that it goes on from. ``tokens_before``: what the model reads besides because of that.
    """

    __slots__ = ("asked", "members", "place", "refusal", "tokens_before")

    def __init__(self, members: Members, asked: dict[str, Any], refusal: Untranslatable | None) -> None:
        self.members = members
        self.asked = asked
        self.refusal = refusal
        self.place: Place | None = None
        self.tokens_before = 0


class ForeignEndpoint(Endpoint):
    """One format. Its calls go as chat completions, or by ``native`` to engines that speak the format."""

    __slots__ = ("_chat", "_wire", "native")

    def __init__(self, wire: Wire, chat: OpenAIEndpoint, max_body: int) -> None:
        super().__init__(wire.route, chat.modes, max_body)
        self.kind = chat.kind
        self._wire = wire
        self._chat = chat
        self.native = _Native(self, wire, max_body)

    def read(self, request: Request, body: bytes) -> Ask:
        members = read_request(body)
        asked = whole(body)
        self._wire.check(asked)
        refusal = None
        try:
            chat = self._wire.chat(asked)
        except Untranslatable as untranslatable:
            refusal = untranslatable
            chat = {name: value for name, value in asked.items() if name != "stream_options"}
            chat["messages"] = chat.get("messages") or []
            chat["max_tokens"] = chat.pop(self._wire.bound, None)
        chat |= {name: asked[name] for name in SPECIAL_MEMBERS if name in asked}
        ask = self._chat.read(request, encode(chat))
        ask.foreign = Foreign(members, asked, refusal)
        return ask

    def path(self, deployment: Deployment) -> str:
        return self._chat.path(deployment)

    def payload(self, call: Call, ask: Ask, target: Target) -> bytes:
        """Settles, too, how this target is asked.

        Errors: InvalidField when it does not speak the format and nothing else will do.
        """
        if call.guard is None and self._wire.is_spoken_by(target.deployment):
            call.endpoint = self.native
            return self.native.body(call, ask, target)
        call.endpoint = self
        if ask.foreign.refusal is not None:
            raise ask.foreign.refusal
        return self._chat.payload(call, ask, target)

    def measure(self, call: Call, ask: Ask, target: Target, reply: Reply) -> Usage:
        return self._chat.measure(call, ask, target, reply)

    def translate(self, call: Call, ask: Ask, reply: Reply) -> None:
        asked = ask.foreign.asked
        try:
            chat = _decode(reply.body)
            answer = self._wire.reply(chat, call.id, ask.model or "", call.started_at, asked, call.usage)
        except (*NOT_JSON, *MISSHAPEN):
            raise UpstreamGarbage("the model server's answer is not the JSON that was expected") from None
        reply.content_type = b"application/json"
        reply.body = encode(answer)

    def bridge(self, call: Call, ask: Ask, target: Target) -> Bridge | None:
        arriving = target.dialect.events(call.started_at) if target.dialect is not None else None
        leaving = self._wire.events(call.id, ask.model or "", call.started_at, ask.foreign.asked, 0)
        return Bridge(arriving, leaving)

    def client_ids(self, call: Call, target: Target) -> ClientIds | None:  # noqa: ARG002 - most formats have none
        """How the client is told the ids of answers that the engine keeps; None = as the engine calls them."""
        return None

    def error_body(self, error: LiteMaaSError, profile: str) -> bytes:
        return self._wire.error_body(error, profile)

    def error_event(self, error: LiteMaaSError, profile: str) -> bytes:
        return self._wire.error_event(error, profile)


class _Native(Endpoint):
    """The same calls, as an engine takes them that speaks the format."""

    __slots__ = ("_over", "_wire")

    def __init__(self, over: ForeignEndpoint, wire: Wire, max_body: int) -> None:
        super().__init__(over.route, over.modes, max_body)
        self.kind = over.kind
        self._over = over
        self._wire = wire

    def read(self, request: Request, body: bytes) -> Ask:
        return self._over.read(request, body)

    def path(self, deployment: Deployment) -> str:
        return base_path(deployment) + self._wire.route

    def payload(self, call: Call, ask: Ask, target: Target) -> bytes:
        return self._over.payload(call, ask, target)

    def body(self, call: Call, ask: Ask, target: Target) -> bytes:
        members = native_members(ask, target)
        for name, value in target.deployment.defaults.items():
            members.setdefault(name, value)
        if ask.foreign.place is not None:
            members["previous_response_id"] = encode(ask.foreign.place.engine_id)
        if call.output_limit is not None:
            members[self._wire.bound] = b"%d" % call.output_limit
        return render(members)

    def measure(self, call: Call, ask: Ask, target: Target, reply: Reply) -> Usage:
        try:
            answer = _decode(reply.body)
        except NOT_JSON:
            raise UpstreamGarbage("the model server's answer is not the JSON that was expected") from None
        call.engine_request_id = str(answer.get("id") or "") or None
        ids = self._over.client_ids(call, target)
        if ids is not None:
            changed = {name: encode(value) for name, value in ids.renamed(answer).items()}
            reply.body = render({**read_members(reply.body), **changed})
        reply.body = target.name.replaced(reply.body, ask.model or "")
        usage = answer.get("usage")
        return usage_of(native_usage(usage)) if isinstance(usage, dict) else NOTHING

    def bridge(self, call: Call, ask: Ask, target: Target) -> Bridge | None:
        return Bridge(native=NativeScanner(ask.model or "", self._over.client_ids(call, target)))

    def error_body(self, error: LiteMaaSError, profile: str) -> bytes:
        return self._wire.error_body(error, profile)

    def error_event(self, error: LiteMaaSError, profile: str) -> bytes:
        return self._wire.error_event(error, profile)


def native_members(ask: Ask, target: Target) -> Members:
    """The body for an engine that speaks the format: without what is the gateway's own, metadata but its own members of it."""
    members = {name: raw for name, raw in ask.foreign.members.items() if name not in GATEWAY_MEMBERS}
    notes = {name: v for name, v in object_of(ask.foreign.members, "metadata").items() if name not in _OWN_METADATA}
    if notes:
        members["metadata"] = encode(notes)
    members["model"] = target.engine_model
    return members
