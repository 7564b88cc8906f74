"""What becomes of a response that its model server keeps? It can be read, ended, deleted and gone on from, by its owner.

Nothing is kept here: an id (:mod:`~litemaas.gateway.response_ids`) tells which deployment has the answer, and that is asked.
Whether, and for how long, it keeps answers is its own affair. What is asked here costs nothing and leaves no usage record.

A call that goes on from an answer makes the model read all of what came before, which is nowhere in its body. So the model
server is first asked how many tokens that was, and the call is held at their price, too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from litemaas.core.errors import (
    InvalidField,
    LiteMaaSError,
    MethodNotAllowed,
    NotFound,
    UpstreamGarbage,
    UpstreamRefused,
)
from litemaas.core.keys import MASTER_KEY_HASH
from litemaas.gateway.bodies import NOT_JSON, encode
from litemaas.gateway.endpoints.base import base_path
from litemaas.gateway.engines import releasing
from litemaas.gateway.replies import error_text
from litemaas.gateway.response_ids import ClientIds, Place, ResponseIds

if TYPE_CHECKING:
    from litemaas.core.catalog import Deployment
    from litemaas.gateway.http.client import Pool
    from litemaas.gateway.http.messages import Request, Response
    from litemaas.gateway.identity import Caller, Identity
    from litemaas.gateway.refusals import Refusals
    from litemaas.gateway.routing import Routing
    from litemaas.gateway.settings import UpstreamSettings
    from litemaas.gateway.targets import Target, Targets

MEMBER = "previous_response_id"
_PATH = re.compile(r"(?:/openai)?(?:/v1)?/responses/(?P<id>[^/]+)(?P<part>/input_items|/cancel)?")
_METHODS = {"": ("GET", "DELETE"), "/input_items": ("GET",), "/cancel": ("POST",)}
_QUERY = frozenset({"after", "before", "limit", "order", "include", "include[]"})
_NOT_KEPT_THERE = frozenset({404, 405, 501})
_WITHIN_S = 30.0
_MAX_WORDS = 2048
_ENDED = frozenset({"completed", "incomplete"})


class StoredResponses:
    """Asks model servers for what they keep."""

    def __init__(
        self, ids: ResponseIds, *, identity: Identity, routing: Routing, targets: Targets, pool: Pool, refusals: Refusals,
        settings: UpstreamSettings,
    ) -> None:  # fmt: skip
        self._ids = ids
        self._identity = identity
        self._routing = routing
        self._targets = targets
        self._pool = pool
        self._refusals = refusals
        self._max_reply_bytes = settings.max_reply_bytes

    # -- clients ask --------------------------------------------------------------------------------------------------

    def has(self, path: str) -> bool:
        return "/responses/" in path and _PATH.fullmatch(path) is not None and not path.endswith("/responses/compact")

    async def serve(self, request: Request, response: Response) -> None:
        try:
            body = await self._answer(request)
        except LiteMaaSError as error:
            self._refusals.refuse(request, response, error)
        else:
            lines = b"content-type: application/json\r\n" + self._refusals.usual_lines(request)
            response.send(200, lines, body)

    async def _answer(self, request: Request) -> bytes:
        """Errors: NotFound; MethodNotAllowed; InvalidField; UpstreamFailure."""
        asked = _PATH.fullmatch(request.path)
        if asked is None:
            raise NotFound("there is no such response")
        part = asked["part"] or ""
        if request.method not in _METHODS[part]:
            raise MethodNotAllowed(f"{request.path[:200]} is called with {_METHODS[part][0]}", _METHODS[part])
        query = _query(request)
        caller = await self._identity.identify(request.headers)
        place = self._ids.open(asked["id"], owner_of(caller))
        deployment = self._deployment(place) if place is not None else None
        if place is None or deployment is None:
            raise _unknown(asked["id"])
        target = self._targets.of(deployment)
        path = _path(deployment, place, part) + query
        message = target.posting(path) if request.method == "POST" else target.asking(request.method, path)
        status, answer = await self._ask(target, message)
        if status in _NOT_KEPT_THERE:
            raise _unknown(asked["id"])
        if status >= 400:
            raise UpstreamRefused(target.without_secrets(error_text(answer)[0])[:_MAX_WORDS], status)
        found = _object(answer)
        if not part and request.method == "DELETE":
            found["id"] = asked["id"]
        elif part != "/input_items":
            found |= self.ids_for(caller, deployment.id).renamed(found)
            if "model" in found and "*" not in deployment.model:
                found["model"] = deployment.model
        return encode(found)

    def _deployment(self, place: Place) -> Deployment | None:
        """None when it is not in the catalogue any more."""
        for model in self._routing.snapshot.models.values():
            for deployment in model.deployments:
                if deployment.id == place.deployment_id:
                    return deployment
        return None

    async def _ask(self, target: Target, message: bytes) -> tuple[int, bytes]:
        """The status and body of the answer. Errors: UpstreamFailure."""
        connection = await self._pool.open(target.origin, message, _WITHIN_S)
        with releasing(connection):
            return connection.status, await connection.read(self._max_reply_bytes)

    # -- calls that make answers, or go on from them ------------------------------------------------------------------

    def ids_for(self, caller: Caller, deployment_id: str) -> ClientIds:
        return ClientIds(self._ids, deployment_id, owner_of(caller))

    def place(self, identity: str, caller: Caller) -> Place:
        """Where the answer lies that a call goes on from. Errors: InvalidField."""
        place = self._ids.open(identity, owner_of(caller))
        if place is None:
            raise _not_to_go_on_from(identity)
        return place

    async def tokens_before(self, identity: str, place: Place, deployment: Deployment) -> int:
        """How many tokens a model reads before it reads the body of a call that goes on from this answer.

        Units: tokens. Errors: InvalidField when nobody can go on from it; UpstreamFailure.
        """
        target = self._targets.of(deployment)
        status, answer = await self._ask(target, target.get(_path(deployment, place, "")))
        if 400 <= status < 500:
            raise _not_to_go_on_from(identity)
        if status >= 500:
            raise UpstreamRefused(f"the model server answered with status {status}", status)
        found = _object(answer)
        usage = found.get("usage")
        tokens = usage.get("total_tokens") if isinstance(usage, dict) else None
        if found.get("status", "completed") not in _ENDED or type(tokens) is not int or tokens < 0:
            raise InvalidField("the previous response has not ended, or how long it is is not known", MEMBER)
        return tokens


def owner_of(caller: Caller) -> str:
    return MASTER_KEY_HASH if caller.key.is_master else caller.key.key_hash


def _path(deployment: Deployment, place: Place, part: str) -> str:
    return f"{base_path(deployment)}/responses/{quote(place.engine_id, safe='')}{part}"


def _query(request: Request) -> str:
    """Errors: InvalidField."""
    named = parse_qsl(request.query.decode("latin-1"))
    if any(name == "stream" and value.lower() not in ("false", "0") for name, value in named):
        raise InvalidField("a response that was kept is not streamed: ask for it without stream", "stream")
    kept = [(name, value) for name, value in named if name in _QUERY]
    return "?" + urlencode(kept) if kept else ""


def _object(body: bytes) -> dict[str, Any]:
    """Errors: UpstreamGarbage."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except NOT_JSON:
        raise UpstreamGarbage("the model server's answer is not the JSON that was expected") from None


def _unknown(identity: str) -> NotFound:
    return NotFound(f"Response with id {identity[:200]!r} not found: it is not kept, or another key's")


def _not_to_go_on_from(identity: str) -> InvalidField:
    return InvalidField(
        f"Previous response with id {identity[:200]!r} not found: only answers that their model server keeps, of the same "
        "key and model, can be gone on from; else send the whole conversation in 'input'",
        MEMBER,
    )  # fmt: skip
