"""What is known of a call so far? One object that each stage fills in and the settlement turns into a usage record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litemaas.core.usage import NOTHING, Usage
from litemaas.gateway.sse import DONE

if TYPE_CHECKING:
    from litemaas.core.pricing import Cost
    from litemaas.core.refusals import Refusal
    from litemaas.core.usage import Media
    from litemaas.gateway.answer_cache import Keeping
    from litemaas.gateway.budgets import Hold
    from litemaas.gateway.cooling import Condition
    from litemaas.gateway.endpoints.base import Endpoint
    from litemaas.gateway.guardrails import Guard
    from litemaas.gateway.http.messages import Request
    from litemaas.gateway.identity import Caller
    from litemaas.gateway.judging import Judged
    from litemaas.gateway.lanes import Lane
    from litemaas.gateway.quotas import QuotaHold
    from litemaas.gateway.ratelimits import Ticket
    from litemaas.gateway.targets import Target
    from litemaas.gateway.wishes import Wishes


class Ask:
    """What the body asks for, as far as the gateway routes, holds and bills on it.

    Units: tokens, bytes and pages. ``output_bound``: what the client allows per choice, None = it named nothing.
    ``media_bound``: the most sound, text to speak and images that the call can use.
    ``members``: the body's members, or None for bodies that are not JSON. ``foreign``: a body in another format than
    OpenAI's, as it came; the members are then its translation. ``hides_json``: a conversion's JSON output was
    added for its page count; the client is not to see it. ``references``: what the body only points to, by its place: addresses
    that the engine would fetch, the answer that this call goes on from.
    """

    __slots__ = (
        "bounds_named", "choices", "content_type", "documents", "end_user", "foreign", "generates", "has_gateway_members",
        "hides_json", "media_bound", "media_parts", "members", "model", "output_bound", "output_default", "output_member",
        "pages_bound", "payload", "prompt_bytes", "references", "spend_metadata", "stream", "tags", "wants_running_usage",
        "wants_usage", "wishes",
    )  # fmt: skip

    def __init__(self, model: str | None) -> None:
        self.model = model
        self.members: dict[str, Any] | None = None
        self.payload = b""
        self.content_type = b"application/json"
        self.stream = False
        self.wants_usage = False
        self.wants_running_usage = False
        self.output_bound: int | None = None
        self.output_member: str | None = None
        self.bounds_named = 0
        self.output_default: int | None = None
        self.choices = 1
        self.prompt_bytes = 0
        self.media_parts = 0
        self.documents = 1
        self.pages_bound = 0
        self.media_bound: Media | None = None
        self.hides_json = False
        self.references: dict[str, str] = {}
        self.generates = False
        self.has_gateway_members = False
        self.end_user: str | None = None
        self.tags: list[str] | None = None
        self.spend_metadata: dict[str, Any] | None = None
        self.wishes: Wishes | None = None
        self.foreign: Any = None


class Reply:
    """A complete answer, kept back until its call is settled. ``engine_headers`` are header lines, ready to be sent on."""

    __slots__ = ("body", "content_type", "engine_headers", "status")

    def __init__(self, status: int, content_type: bytes, body: bytes, engine_headers: bytes = b"") -> None:
        self.status = status
        self.content_type = content_type
        self.body = body
        self.engine_headers = engine_headers


class Call:
    """One request to an inference endpoint on its way through the stages.

    ``hold``, ``quota`` and ``ticket``: what is reserved of budgets, quotas and rate limits; the settlement closes them.
    ``refusal``: why it was blocked. ``slot``: its place among the running calls. ``started_at``: seconds since 1970.
    ``begun``: what was known when an engine was asked, as the journal writes it.
    ``output_limit``: a bound that goes upstream because a budget or a token limit needs one; None = the client's own stands.
    ``ended_at``: when its settlement began (``monotonic``), 0 before.
    ``upstream_s``: from the request's leaving to the answer's beginning, or to its end if it came whole. ``failure``: what
    ended a stream whose answer had begun; the client is told in it. ``condition``, ``place``, ``spending``: of the deployment
    where the call is now, and what it takes of that one's limits and budgets. ``ticket_besides``: on limits that only a
    fallback has; ``fallbacks``: how many models were asked instead of the first. ``guard``: what its texts are looked at for;
    ``judged``: what services say of them, None = none is asked.
    ``listed``: what it would have cost at the catalogue's price, where another is charged.
    ``keeping``: how its answer will be kept, None = it will not.
    ``ending``: what a client hears last of a stream. ``deferred``: somebody else will bill it and write its record.
    """

    __slots__ = (
        "ask", "attempts", "begun", "caller", "condition", "cost", "deferred", "ended_at", "ending",
        "endpoint", "engine_request_id", "failure", "fallbacks",
        "first_byte_at", "guard", "hold", "id", "judged", "keeping", "lane", "listed", "output_limit", "place", "quota",
        "refusal", "reply", "request", "slot", "spending", "started_at", "target", "ticket", "ticket_besides", "upstream_s",
        "usage",
    )  # fmt: skip

    def __init__(self, call_id: str, request: Request, endpoint: Endpoint, started_at: float) -> None:
        self.id = call_id
        self.request = request
        self.endpoint = endpoint
        self.started_at = started_at
        self.caller: Caller | None = None
        self.ask: Ask | None = None
        self.lane: Lane | None = None
        self.output_limit: int | None = None
        self.begun = ""
        self.slot = -1
        self.hold: Hold | None = None
        self.keeping: Keeping | None = None
        self.quota: QuotaHold | None = None
        self.ticket: Ticket | None = None
        self.ticket_besides: Ticket | None = None
        self.condition: Condition | None = None
        self.place: Ticket | None = None
        self.spending: Hold | None = None
        self.fallbacks = 0
        self.ending = DONE
        self.deferred = False
        self.guard: Guard | None = None
        self.judged: Judged | None = None
        self.target: Target | None = None
        self.attempts = 0
        self.first_byte_at: float | None = None
        self.upstream_s = 0.0
        self.ended_at = 0.0
        self.engine_request_id: str | None = None
        self.usage: Usage = NOTHING
        self.cost: Cost | None = None
        self.listed: Cost | None = None
        self.failure: BaseException | None = None
        self.reply: Reply | None = None
        self.refusal: Refusal | None = None

    def leave_deployment(self) -> None:
        """The call is not at its deployment any more, and has used nothing of that one's limits."""
        if self.condition is not None:
            self.condition.running -= 1
            self.condition = None
        if self.place is not None:
            self.place.close(0)
            self.place = None
        if self.spending is not None:
            self.spending.close(0)
            self.spending = None
