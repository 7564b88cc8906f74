"""Chat, completions and embeddings: which members are read, which are changed, and where the usage stands.

Everything that is not named here goes through as it came, in both directions (gateway-api contract 1.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from litemaas.core.catalog import Mode
from litemaas.core.errors import ClientCredentialsRefused, InvalidField, MissingField
from litemaas.core.usage import NOTHING, Usage, usage_of
from litemaas.gateway.bodies import (
    Members,
    count_of,
    encode,
    flag_of,
    object_of,
    read_request,
    render,
    text_of,
    value_of,
    with_value,
)
from litemaas.gateway.call import Ask
from litemaas.gateway.endpoints.base import Endpoint, base_path
from litemaas.gateway.endpoints.media_parts import media_parts_of
from litemaas.gateway.header_labels import MOST_CHARACTERS, MOST_TAGS, clients_own
from litemaas.gateway.providers.bridge import Bridge
from litemaas.gateway.providers.dialects import dialect_of, openai_path
from litemaas.gateway.targets import StreamUsage
from litemaas.gateway.wishes import wishes_of

if TYPE_CHECKING:
    from litemaas.core.catalog import Deployment
    from litemaas.gateway.call import Call, Reply
    from litemaas.gateway.endpoints.client_engines import ClientEngines
    from litemaas.gateway.http.messages import Request
    from litemaas.gateway.lanes import Lane
    from litemaas.gateway.targets import Target

GATEWAY_MEMBERS = (
    "metadata", "litellm_metadata", "tags", "guardrails", "fallbacks", "context_window_fallbacks", "disable_fallbacks",
    "num_retries", "timeout", "stream_timeout", "cache", "drop_params", "allowed_openai_params", "litellm_session_id",
    "litellm_trace_id",
)  # fmt: skip
"""Meant for the gateway and never sent upstream (gateway-api contract 1.5)."""
CREDENTIAL_MEMBERS = ("api_base", "base_url", "api_key")
MOCK_MEMBERS = ("mock_response", "mock_timeout", "mock_testing_fallbacks")
_COMPLETION_DEFAULT = 16
"""What engines generate for a plain completion that names no bound (OpenAI API reference, ``max_tokens``, 2026-11)."""
SPECIAL_MEMBERS = frozenset(GATEWAY_MEMBERS + CREDENTIAL_MEMBERS + MOCK_MEMBERS)
_UNUSUAL_MEMBERS: Final = SPECIAL_MEMBERS | {"user", "safety_identifier", "n", "best_of"}
"""What few requests have: most are spared one look for each."""


class OpenAIEndpoint(Endpoint):
    """One of the three: they differ in the member that must be there and in whether tokens are generated."""

    __slots__ = ("_bound_members", "_engines", "_generates", "_required")

    def __init__(
        self, path: str, required: str, modes: frozenset[Mode], generates: bool, max_body: int,
        engines: ClientEngines | None = None,
    ) -> None:  # fmt: skip
        """``engines``: None = clients do not say where their calls go."""
        super().__init__(path, modes, max_body)
        self._engines = engines
        self._required = required
        self._generates = generates
        self._bound_members = (
            ("max_completion_tokens", "max_tokens") if path == "/chat/completions" else ("max_tokens",)
        )

    def read(self, request: Request, body: bytes) -> Ask:  # noqa: ARG002 - Endpoint
        members = read_request(body)
        ask = Ask(text_of(members, "model"))
        ask.members = members
        ask.payload = body
        ask.prompt_bytes = len(body)
        ask.generates = self._generates
        if self._required not in members:
            raise MissingField(f"the member {self._required!r} is missing", self._required)
        is_usual = _UNUSUAL_MEMBERS.isdisjoint(members)
        if not is_usual:
            _read_unusual(ask, members, self._engines)
        if self._generates:
            self._read_generation(ask, members, is_usual)
        return ask

    async def check(self, call: Call, ask: Ask, lane: Lane) -> Lane:  # noqa: ARG002 - Endpoint
        """The way to where the client wants its call to go. Errors: InvalidField."""
        engine = ask.wishes.engine if ask.wishes is not None else None
        return lane if engine is None or self._engines is None else await self._engines.lane(lane, engine)

    def _read_generation(self, ask: Ask, members: Members, is_usual: bool) -> None:
        if "stream" in members and flag_of(members, "stream"):
            ask.stream = True
            if "stream_options" in members:
                options = object_of(members, "stream_options")
                ask.wants_usage = options.get("include_usage") is True
                ask.wants_running_usage = ask.wants_usage and options.get("continuous_usage_stats") is True
        for member in self._bound_members:
            if member in members:
                bound = count_of(members, member)
                ask.bounds_named += 1
                # Engines read 0 as no bound at all; where two are named, which one they obey differs.
                if bound and (ask.output_bound is None or bound < ask.output_bound):
                    ask.output_member = member
                    ask.output_bound = bound
        if not is_usual:
            ask.choices = max(1, count_of(members, "n") or 1, count_of(members, "best_of") or 1)
        if self._required == "prompt":
            ask.choices *= _prompts_in(members)
            ask.output_default = _COMPLETION_DEFAULT
        if "messages" in members:
            ask.media_parts = media_parts_of(bytes(members["messages"]))

    def path(self, deployment: Deployment) -> str:
        dialect = dialect_of(deployment)
        if dialect is not None:
            return dialect.path(self.route, base_path(deployment))
        return openai_path(base_path(deployment), self.route, deployment)

    def payload(self, call: Call, ask: Ask, target: Target) -> bytes:
        as_it_came = ask.members or {}
        options = ask.stream and target.stream_usage is not StreamUsage.NONE
        if (
            not ask.has_gateway_members
            and not options
            and call.output_limit is None
            and target.dialect is None
            and not target.deployment.defaults
        ):
            body = with_value(ask.payload, as_it_came, "model", target.engine_model)
            if body is not None:
                return body
        members: Members = dict(as_it_came)
        members["model"] = target.engine_model
        if ask.has_gateway_members:
            for member in [name for name in members if name in SPECIAL_MEMBERS]:
                del members[member]
        if target.deployment.defaults:
            for name, value in target.deployment.defaults.items():
                members.setdefault(name, value)
        if options:
            members["stream_options"] = _stream_options(members, target.stream_usage)
        if call.output_limit is not None:
            for member in self._bound_members:
                members.pop(member, None)
            members[ask.output_member or "max_tokens"] = b"%d" % call.output_limit
        return render(members) if target.dialect is None else target.dialect.request(render(members))

    def bridge(self, call: Call, ask: Ask, target: Target) -> Bridge | None:  # noqa: ARG002 - Endpoint
        return None if target.dialect is None else Bridge(arriving=target.dialect.events(call.started_at))

    def measure(self, call: Call, ask: Ask, target: Target, reply: Reply) -> Usage:
        if target.dialect is not None:
            reply.body = target.dialect.reply(reply.body)
        call.engine_request_id, usage = target.answers.id_and_usage(reply.body)
        if target.deployment.engine_model != ask.model:
            reply.body = target.name.replaced(reply.body, ask.model or "")
        return usage_of(usage) if usage is not None else NOTHING


def _prompts_in(members: Members) -> int:
    """How many prompts a completion is asked for: each of a list gets answers of its own; a list of numbers is one prompt."""
    if not bytes(members["prompt"]).startswith(b"["):
        return 1
    prompts = value_of(members, "prompt")
    return max(1, sum(1 for prompt in prompts if isinstance(prompt, str | list)))


def _stream_options(members: Members, stream_usage: StreamUsage) -> bytes:
    """The client's own options, and the usage that we bill by."""
    options = object_of(members, "stream_options")
    options["include_usage"] = True
    if stream_usage is StreamUsage.CONTINUOUS:
        options["continuous_usage_stats"] = True
    return encode(options)


def refuse_special_members(members: Members) -> None:
    """Errors: ClientCredentialsRefused; InvalidField for mock members."""
    for member in CREDENTIAL_MEMBERS:
        if member in members:
            raise ClientCredentialsRefused(
                f"{member} is not accepted from clients: the administrator sets where a model is served"
            )
    for member in MOCK_MEMBERS:
        if member in members:
            raise InvalidField(f"{member} is not supported: answers are never made up here", member)


def _names_engine(members: Members) -> bool:
    return any(member in members for member in CREDENTIAL_MEMBERS)


def refuse_guardrails(members: Members) -> None:
    """For documents, which are not looked at: nobody is to believe that they are.

    Errors: InvalidField.
    """
    names = members.get("guardrails")
    if names is not None and bytes(names) not in (b"null", b"[]"):
        raise InvalidField("guardrails do not look at documents; ask without them", "guardrails")


def _read_unusual(ask: Ask, members: Members, engines: ClientEngines | None) -> None:
    """Who the end user is, and what is meant for the gateway. Errors: InvalidField; ClientCredentialsRefused."""
    if "user" in members:
        ask.end_user = text_of(members, "user")
    elif "safety_identifier" in members:
        ask.end_user = text_of(members, "safety_identifier")
    if not SPECIAL_MEMBERS.isdisjoint(members):
        ask.has_gateway_members = True
        engine = engines.take(ask, members) if engines is not None and _names_engine(members) else None
        refuse_special_members(members)
        _read_metadata(ask, members)
        ask.wishes = wishes_of(members, ask.model)
        if engine is not None:
            ask.wishes.engine = engine
            ask.wishes.no_fallbacks = True


def _read_metadata(ask: Ask, members: Members) -> None:
    """Tags, the end user and notes for the ledger, from where clients put them (gateway-api contract 5.7)."""
    own = object_of(members, "litellm_metadata")
    general = object_of(members, "metadata")
    found: list[object] = []
    for source in (general, own):
        tags = source.get("tags")
        if isinstance(tags, list):
            found.extend(tags)
        notes = source.get("spend_logs_metadata")
        if isinstance(notes, dict):
            ask.spend_metadata = (ask.spend_metadata or {}) | clients_own(notes)
    if "tags" in members:
        tags = value_of(members, "tags")
        if not isinstance(tags, list):
            raise InvalidField("tags must be a list of texts", "tags")
        found.extend(tags)
    ask.tags = [str(tag)[:MOST_CHARACTERS] for tag in found[:MOST_TAGS]]
    if ask.end_user is None:
        user = own.get("user") or general.get("user_id")
        ask.end_user = user if isinstance(user, str) else None


def openai_endpoints(max_body: int, engines: ClientEngines | None = None) -> dict[str, OpenAIEndpoint]:
    """Path without ``/v1`` → endpoint."""
    chat = frozenset({Mode.CHAT, Mode.COMPLETION})
    return {
        "/chat/completions": OpenAIEndpoint("/chat/completions", "messages", chat, True, max_body, engines),
        "/completions": OpenAIEndpoint("/completions", "prompt", chat, True, max_body, engines),
        "/embeddings": OpenAIEndpoint("/embeddings", "input", frozenset({Mode.EMBEDDING}), False, max_body, engines),
    }
