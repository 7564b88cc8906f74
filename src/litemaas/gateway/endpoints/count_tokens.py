"""How many tokens would a message have? Counted by the engine that would get it, free of charge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from litemaas.core.errors import UpstreamGarbage
from litemaas.core.usage import NOTHING, Usage
from litemaas.gateway.bodies import NOT_JSON, encode, read_request, render, text_of
from litemaas.gateway.call import Ask
from litemaas.gateway.endpoints.base import Endpoint, base_path, root_path
from litemaas.gateway.endpoints.foreign import Foreign, native_members
from litemaas.gateway.endpoints.openai import refuse_guardrails, refuse_special_members
from litemaas.gateway.providers.messages_request import chat_of_messages
from litemaas.gateway.providers.reading import Untranslatable, needed, whole
from litemaas.gateway.replies import Counted

if TYPE_CHECKING:
    from litemaas.core.catalog import Deployment
    from litemaas.core.errors import LiteMaaSError
    from litemaas.gateway.call import Call, Reply
    from litemaas.gateway.http.messages import Request
    from litemaas.gateway.providers.wires import MessagesWire
    from litemaas.gateway.targets import Target


class CountTokensEndpoint(Endpoint):
    """``/v1/messages/count_tokens``."""

    __slots__ = ("_wire",)

    def __init__(self, wire: MessagesWire, chat: Endpoint, max_body: int) -> None:
        super().__init__("/messages/count_tokens", chat.modes, max_body, is_free=True)
        self._wire = wire

    def read(self, request: Request, body: bytes) -> Ask:  # noqa: ARG002 - Endpoint
        members = read_request(body)
        refuse_special_members(members)
        refuse_guardrails(members)
        asked = whole(body)
        needed(asked, "messages")
        refusal = None
        ask = Ask(text_of(members, "model"))
        try:
            chat = chat_of_messages(asked)
        except Untranslatable as untranslatable:
            refusal = untranslatable
        else:
            ask.members = {name: encode(chat[name]) for name in ("messages", "tools") if name in chat}
        ask.foreign = Foreign(members, asked, refusal)
        return ask

    def path(self, deployment: Deployment) -> str:
        if self._wire.is_spoken_by(deployment):
            return f"{base_path(deployment)}/messages/count_tokens"
        return f"{root_path(deployment)}/tokenize"

    def payload(self, call: Call, ask: Ask, target: Target) -> bytes:  # noqa: ARG002 - Endpoint
        if self._wire.is_spoken_by(target.deployment):
            return render(native_members(ask, target))
        if ask.foreign.refusal is not None:
            raise ask.foreign.refusal
        return render({"model": target.engine_model, **(ask.members or {})})

    def measure(self, call: Call, ask: Ask, target: Target, reply: Reply) -> Usage:  # noqa: ARG002 - Endpoint
        if not self._wire.is_spoken_by(target.deployment):
            try:
                counted = msgspec.json.decode(reply.body, type=Counted).count
            except NOT_JSON:
                raise UpstreamGarbage("the model server's answer is not the JSON that was expected") from None
            reply.body = encode({"input_tokens": counted})
        return NOTHING

    def error_body(self, error: LiteMaaSError, profile: str) -> bytes:
        return self._wire.error_body(error, profile)
