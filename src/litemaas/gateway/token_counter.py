"""How many tokens would a prompt have? ``/utils/token_counter``: counted by the model's own engine, else estimated; free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litemaas.core.errors import InvalidField, LiteMaaSError, MethodNotAllowed, MissingField
from litemaas.gateway.bodies import Members, encode, read_request, text_of, value_of
from litemaas.gateway.call import Ask
from litemaas.gateway.endpoints.openai import refuse_special_members

if TYPE_CHECKING:
    from litemaas.gateway.endpoints.base import Endpoint
    from litemaas.gateway.http.messages import Request, Response
    from litemaas.gateway.identity import Identity
    from litemaas.gateway.metering import Meter
    from litemaas.gateway.refusals import Refusals
    from litemaas.gateway.routing import Routing

PATH = "/utils/token_counter"
_MAX_BODY = 8 * 1024 * 1024
_JSON = b"content-type: application/json\r\n"
_BY_ENGINE = "openai_tokenizer"
"""The contract's word (1.7); what we estimate is called an estimate."""


class TokenCounter:
    """Answers for keys that may call the model. ``tokenize``: the endpoint that counts by the engine, for the same models."""

    def __init__(
        self, identity: Identity, routing: Routing, meter: Meter, tokenize: Endpoint, refusals: Refusals
    ) -> None:
        self._identity = identity
        self._routing = routing
        self._meter = meter
        self._tokenize = tokenize
        self._refusals = refusals

    async def serve(self, request: Request, response: Response) -> None:
        try:
            if request.method != "POST":
                raise MethodNotAllowed(f"{PATH} is called with POST", ("POST",))
            answer = await self._count(request)
        except LiteMaaSError as error:
            self._refusals.refuse(request, response, error)
        else:
            response.send(200, _JSON + self._refusals.usual_lines(request), encode(answer))

    async def _count(self, request: Request) -> dict[str, Any]:
        """Errors: as of a call."""
        caller = await self._identity.identify(request.headers)
        members = read_request(await request.body(_MAX_BODY))
        refuse_special_members(members)
        ask = Ask(text_of(members, "model"))
        ask.members = _prompt_of(members)
        lane = self._routing.lane(caller, ask, self._tokenize)
        deployment = lane.deployments[0]
        count = await self._meter.count_prompt(ask, deployment)
        return {
            "total_tokens": count.bound if count.estimate is None else count.estimate,
            "request_model": ask.model,
            "model_used": deployment.engine_model,
            "tokenizer_type": _BY_ENGINE if count.estimate is None else "estimate",
            "original_response": None,
            "error": False,
            "error_message": None,
            "status_code": None,
        }


def _prompt_of(members: Members) -> Members:
    """``prompt``, ``messages`` or Gemini's ``contents``, and the tools beside them. Errors: MissingField, InvalidField."""
    found: Members = {name: members[name] for name in ("prompt", "messages", "tools") if name in members}
    if "contents" in members:
        found["messages"] = encode([_message(content) for content in _contents(members)])
    if "prompt" not in found and "messages" not in found:
        raise MissingField("the member 'prompt', 'messages' or 'contents' is missing", "messages")
    return found


def _contents(members: Members) -> list[dict[str, Any]]:
    contents = value_of(members, "contents")
    if not isinstance(contents, list) or not all(isinstance(content, dict) for content in contents):
        raise InvalidField("contents must be a list of objects with parts", "contents")
    return contents


def _message(content: dict[str, Any]) -> dict[str, str]:
    parts = content.get("parts")
    texts = [part.get("text") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    role = "assistant" if content.get("role") == "model" else "user"
    return {"role": role, "content": "\n".join(text for text in texts if isinstance(text, str))}
