"""How does a call to a route of the installation's own go on? As it came: its method, body, query and the rest of its path.

What does not go along is whose call it is: keys, cookies and the headers that are meant for the gateway. The target's answer
comes back as it is; where it tells what it used in OpenAI's or Anthropic's words, that is counted (gateway-api contract 1.9).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes, urlencode, urlsplit

import msgspec

from litemaas.core.engine_usage import EngineUsage
from litemaas.core.errors import InvalidField, LiteMaaSError, MethodNotAllowed, UpstreamRefused
from litemaas.core.pass_through import PassThrough, is_plain
from litemaas.core.usage import Media, Usage, usage_of
from litemaas.gateway.bodies import NOT_JSON, Members, encode
from litemaas.gateway.call import Ask, Call, Reply
from litemaas.gateway.endpoints.base import Endpoint
from litemaas.gateway.http.messages import Request
from litemaas.gateway.identity import presented_key
from litemaas.gateway.providers.native import native_usage
from litemaas.gateway.sse import EventScanner
from litemaas.gateway.wishes import Wishes

if TYPE_CHECKING:
    from litemaas.core.catalog import Deployment
    from litemaas.gateway.targets import Target

_SENT_ON: Final = (
    b"content-type", b"accept", b"idempotency-key", b"anthropic-version", b"anthropic-beta", b"openai-beta",
)  # fmt: skip
"""The client's own headers that a target hears, where the route has none of that name."""
_BOUNDS: Final = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_TEXTS: Final = (b"text/", b"application/x-www-form-urlencoded", b"application/json")
_CONTENT: Final = (b'"choices"', b'"content_block_delta"', b'.delta"')
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_values = msgspec.json.Decoder(dict[str, Any]).decode


def _alone() -> Wishes:
    wishes = Wishes()
    wishes.no_fallbacks = True
    return wishes


_ALONE: Final = _alone()
"""No model answers instead of a target."""


class PassThroughEndpoint(Endpoint):
    """One route. ``route``: its path."""

    __slots__ = ("_headers", "_methods", "_query", "_subpaths", "_target_path")

    def __init__(self, own: PassThrough, max_body: int) -> None:
        super().__init__(own.path, frozenset(), max_body)
        self.own_model = own.model()
        self.needs_key = own.needs_key
        self._methods = own.methods
        self._subpaths = own.include_subpath
        self._query = own.query
        self._headers = frozenset(name.lower().encode("latin-1") for name in own.headers)
        path = urlsplit(own.target).path
        self._target_path = path.rstrip("/") if own.include_subpath else path

    def meet(self, request: Request) -> bool:
        """Whether the request is for this route.

        Errors: MethodNotAllowed; InvalidField for a path that could lead elsewhere.
        """
        rest = self._rest(request)
        if rest and not (self._subpaths and rest.startswith("/")):
            return False
        if request.method not in self._methods:
            raise MethodNotAllowed(f"{self.route} is called with {', '.join(self._methods)}", self._methods)
        if not is_plain(rest):
            raise InvalidField(f"what follows {self.route} in the path must not hold '..', '.' or control characters")
        return True

    def _rest(self, request: Request) -> str:
        """What follows the route's path, as it was sent."""
        return request.target.partition(b"?")[0].decode("latin-1")[len(self.route) :]

    # -- the request --------------------------------------------------------------------------------------------------

    def read(self, request: Request, body: bytes) -> Ask:
        headers = request.headers
        ask = Ask(self.route)
        ask.wishes = _ALONE
        ask.payload = body
        ask.media_bound = Media()  # nobody could count its prompt
        ask.stream = b"text/event-stream" in headers.get(b"accept", b"")
        members = _members_of(headers.get(b"content-type", b""), body)
        if members is not None:
            ask.members = members
            ask.stream = ask.stream or bytes(members.get("stream", b"")) == b"true"
            ask.prompt_bytes = len(body) + max((_whole(members.get(name)) for name in _BOUNDS), default=0)
            user = _value(members.get("user"))
            ask.end_user = user if isinstance(user, str) else None
        return ask

    def path(self, deployment: Deployment) -> str:
        return urlsplit(deployment.api_base).path or "/"

    def payload(self, call: Call, ask: Ask, target: Target) -> bytes:  # noqa: ARG002 - Endpoint
        return ask.payload

    def head(self, call: Call, ask: Ask, target: Target) -> bytes:  # noqa: ARG002 - Endpoint
        request = call.request
        path = (self._target_path + self._rest(request)) or "/"
        query = self._asked(request)
        head = target.head_of(request.method, f"{path}?{query}" if query else path) + b"accept-encoding: identity\r\n"
        for name in _SENT_ON:
            if name in request.headers and name not in self._headers:
                head += b"%b: %b\r\n" % (name, request.headers[name])
        return head

    def _asked(self, request: Request) -> str:
        """The query: the client's, without its key should that stand there, and what the route adds."""
        own = b""
        if self.needs_key:
            own = presented_key(request.headers)
        kept: list[bytes] = []
        names: set[bytes] = set()
        for piece in request.query.split(b"&"):
            name, _, value = piece.partition(b"=")
            if piece and (not own or own not in unquote_to_bytes(value.replace(b"+", b" "))):
                kept.append(piece)
                names.add(unquote_to_bytes(name))
        added = urlencode({name: value for name, value in self._query.items() if name.encode() not in names})
        return "&".join([*(piece.decode("latin-1") for piece in kept), *([added] if added else [])])

    # -- the answer ---------------------------------------------------------------------------------------------------

    def measure(self, call: Call, ask: Ask, target: Target, reply: Reply) -> Usage:  # noqa: ARG002 - Endpoint
        try:
            answer = _decode_values(reply.body) if reply.content_type.startswith(b"application/json") else {}
        except NOT_JSON:
            answer = {}
        if isinstance(answer.get("id"), str):
            call.engine_request_id = answer["id"]
        usage = told_usage(answer.get("usage"), {})
        return usage_of(usage) if usage is not None else asked_only()

    def error_body(self, error: LiteMaaSError, profile: str) -> bytes:
        if isinstance(error, UpstreamRefused) and error.answer is not None:
            return error.answer
        return super().error_body(error, profile)


def asked_only() -> Usage:
    """The usage of a call of which nobody said what it used: it was asked, and is paid for that."""
    return Usage(media=Media())


def _members_of(content_type: bytes, body: bytes) -> Members | None:
    """What guardrails look at: of JSON its members, of other texts the whole; None for what is no text."""
    kind = content_type.lower()
    if not body or not kind.startswith(_TEXTS):
        return None
    try:
        return _decode(body)
    except NOT_JSON:
        return {"body": encode(body.decode("utf-8", "replace"))}


def _value(raw: Any) -> Any:
    try:
        return msgspec.json.decode(raw) if raw is not None else None
    except NOT_JSON:
        return None


def _whole(raw: Any) -> int:
    value = _value(raw)
    return value if type(value) is int and 0 < value < 10_000_000 else 0


def told_usage(usage: Any, before: dict[str, Any]) -> EngineUsage | None:
    """A ``usage`` object in OpenAI's or Anthropic's words; None if it is none. ``before``: what earlier events told of it."""
    if not isinstance(usage, dict):
        return None
    before.update({name: value for name, value in usage.items() if value is not None})
    if "prompt_tokens" in before:
        try:
            return msgspec.convert(before, EngineUsage)
        except msgspec.ValidationError:
            return None
    if "input_tokens" in before or "output_tokens" in before:
        return native_usage(before)
    return None


class PassingScanner(EventScanner):
    """Watches events that go by as they are, for what they tell of usage."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        super().__init__(strip_usage=False, drop_usage_chunk=False, rename=None)
        self._counts: dict[str, Any] = {}

    def _event(self, event: bytes) -> bytes:
        if any(sign in event for sign in _CONTENT):
            self.chunks += 1
        if b'"usage"' in event:
            data = b"\n".join(line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:"))
            try:
                self._look_at(_decode_values(data))
            except NOT_JSON:
                return event
        return event

    def _look_at(self, body: dict[str, Any]) -> None:
        for holder in (body, body.get("message"), body.get("response")):
            usage = told_usage(holder.get("usage"), self._counts) if isinstance(holder, dict) else None
            if usage is not None:
                self.usage = usage


class PassThroughTable:
    """The routes of the installation, found by their paths."""

    def __init__(self, max_body: int) -> None:
        self._max_body = max_body
        self._pairs: list[tuple[PassThrough, PassThroughEndpoint]] = []
        self._by_path: dict[str, PassThroughEndpoint] = {}

    def adopt(self, routes: tuple[PassThrough, ...]) -> None:
        """The routes as they are now; an endpoint stays the same as long as its route does."""
        by_id = {own.id: (own, endpoint) for own, endpoint in self._pairs}
        pairs = []
        for own in routes:
            held = by_id.get(own.id)
            pairs.append(
                held if held is not None and held[0] == own else (own, PassThroughEndpoint(own, self._max_body))
            )
        self._pairs = pairs
        self._by_path = {own.path: endpoint for own, endpoint in pairs}

    def find(self, request: Request) -> PassThroughEndpoint | None:
        """The longest route that the request is for. Errors: as :meth:`PassThroughEndpoint.meet`."""
        if not self._by_path:
            return None
        path = request.target.partition(b"?")[0].decode("latin-1")
        end = len(path)
        while end > 0:
            endpoint = self._by_path.get(path[:end])
            if endpoint is not None and endpoint.meet(request):
                return endpoint
            end = path.rfind("/", 0, end)
        return None
