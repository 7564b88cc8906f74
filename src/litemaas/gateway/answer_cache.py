"""Was the same asked a while ago? Then its answer is given again, for nothing: nobody computes it twice.

Off, it costs a call one look at an attribute. On, a call is looked up after everything that could refuse it: a hit counts
against limits of requests like any call, and uses neither money nor tokens. Kept is what the client saw, once the call has
ended well. The name of an answer is a keyed digest of all that can change it (:meth:`AnswerCache._name`), so that whoever reads
the store learns no prompt and nobody gets an answer that was not meant for such a call.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from prometheus_client.core import CounterMetricFamily, Metric

from litemaas.core.answer_cache import CONTROLS, HIT, AnswerCacheSettings, Forgetting, routes_in
from litemaas.core.errors import InvalidField
from litemaas.gateway.bodies import NOT_JSON, object_of
from litemaas.gateway.call import Reply
from litemaas.gateway.endpoints.openai import SPECIAL_MEMBERS
from litemaas.kit.settings import SettingsError
from litemaas.kit.ticks import monotonic

if TYPE_CHECKING:
    from litemaas.core.keys import VirtualKey
    from litemaas.gateway.call import Ask, Call
    from litemaas.gateway.http.messages import Response
    from litemaas.gateway.judging import Judging
    from litemaas.gateway.lanes import Lane
    from litemaas.gateway.reply_headers import ReplyHeaders
    from litemaas.gateway.routing import Routing

_NOT_ASKED = SPECIAL_MEMBERS | {"model"}
"""Members that reach no engine; the model's name is part of the place."""
_CUT = b'"length"'
"""The ``finish_reason`` of an answer that met a bound; a text that quotes the word is not kept either."""
_in_order = msgspec.json.Encoder(order="deterministic").encode
_anything = msgspec.json.Decoder().decode


class Kept(msgspec.Struct, frozen=True):
    """An answer as the store has it. ``number``: of :class:`Forgetting`. ``at``: seconds since 1970; ``ending``: a stream's."""

    number: int
    at: float
    content_type: bytes
    body: bytes
    ending: bytes | None = None


class AnswerStore(Protocol):
    """Where answers are. Neither method fails: what cannot be reached keeps nothing."""

    async def get(self, name: str) -> bytes | None: ...

    def put(self, name: str, value: bytes, ttl_s: float) -> None: ...


class Keeping:
    """A running call whose answer will be kept under ``name``; ``pieces``: what its client has seen of a stream."""

    __slots__ = ("name", "number", "pieces", "room", "ttl_s")

    def __init__(self, name: str, number: int, ttl_s: float, most_bytes: int) -> None:
        self.name = name
        self.number = number
        self.ttl_s = ttl_s
        self.room = most_bytes
        self.pieces: list[bytes] = []

    def add(self, data: bytes) -> None:
        """What does not fit is not kept, and neither is the rest."""
        self.room -= len(data)
        if self.room >= 0:
            self.pieces.append(data)
        else:
            self.pieces.clear()


class Controls:
    """What a call says of its cache."""

    __slots__ = ("max_age_s", "namespace", "reads", "ttl_s", "writes")

    def __init__(self, settings: AnswerCacheSettings) -> None:
        self.reads = self.writes = not settings.on_request
        self.ttl_s = settings.ttl_s
        self.max_age_s = float("inf")
        self.namespace = settings.namespace


class AnswerCache:
    """Finds, gives and keeps answers. ``secret``: digests are keyed with it; all workers have the same."""

    def __init__(
        self, store: AnswerStore, settings: AnswerCacheSettings, routing: Routing, headers: ReplyHeaders, secret: str,
        judging: Judging | None = None,
    ) -> None:  # fmt: skip
        self._judging = judging
        self._store = store
        self._settings = settings
        self._routing = routing
        self._headers = headers
        self._secret = hashlib.sha256(b"litemaas/answers/" + secret.encode()).digest()
        try:
            self._routes = routes_in(settings.routes)
        except ValueError as error:
            raise SettingsError(f"LITEMAAS_ANSWER_CACHE__ROUTES: {error}") from None
        self.hits = 0
        self.misses = 0

    async def answers(self, call: Call, ask: Ask, lane: Lane, response: Response) -> bool:
        """Whether the call has its answer; if not, what comes of it may be kept.

        Errors: InvalidField; ContentJudgedUnfit and GuardrailUnavailable for an answer that services are asked about.
        """
        members = ask.members
        if members is None or ask.foreign is not None or ask.references or call.endpoint.route not in self._routes:
            return False
        if len(ask.payload) > self._settings.most_bytes:  # to read it whole would keep other calls waiting
            return False
        controls = self._controls(members, lane) if "cache" in members else Controls(self._settings)
        if not controls.reads and not controls.writes:
            return False
        try:
            name = self._name(call, ask, lane, controls.namespace)
        except NOT_JSON:  # what is only sent on need not be what we can read
            return False
        forgetting = self._routing.snapshot.forgetting
        if controls.reads and (found := await self._find(name, forgetting, controls)) is not None:
            if call.judged is not None and self._judging is not None:
                found = await self._judged_anew(found, call, self._judging)
            self._give(found, name, call, ask, response)
            self.hits += 1
            return True
        self.misses += 1
        if controls.writes and controls.ttl_s > 0:
            call.keeping = Keeping(name, forgetting.number, controls.ttl_s, self._settings.most_bytes)
        return False

    def keep(self, call: Call, keeping: Keeping) -> None:
        """After a call that ended well; not where a budget cut it short, or another model answered in its place."""
        reply = call.reply
        body = reply.body if reply is not None else b"".join(keeping.pieces)
        if call.judged is not None and call.judged.unseen:  # later its service may be there, and refuse it
            return
        if call.failure is not None or call.fallbacks or not body or len(body) > self._settings.most_bytes:
            return
        if call.output_limit is not None and _CUT in body:
            return
        if reply is None:
            self._put(keeping, Kept(keeping.number, time.time(), b"", body, call.ending))
        elif reply.status == 200:
            self._put(keeping, Kept(keeping.number, time.time(), reply.content_type, body))

    def collect(self) -> Iterable[Metric]:
        for name, text, value in (
            ("litemaas_gateway_answer_cache_hits", "Calls that got a kept answer.", self.hits),
            ("litemaas_gateway_answer_cache_misses", "Calls whose answer was looked for and not there.", self.misses),
        ):
            yield CounterMetricFamily(name, text, value=value)

    def _put(self, keeping: Keeping, kept: Kept) -> None:
        self._store.put(keeping.name, msgspec.msgpack.encode(kept), keeping.ttl_s)

    async def _find(self, name: str, forgetting: Forgetting, controls: Controls) -> Kept | None:
        value = await self._store.get(name)
        if value is None:
            return None
        try:
            kept = msgspec.msgpack.decode(value, type=Kept)
        except msgspec.DecodeError:
            return None
        if not forgetting.gives(name, kept.number) or time.time() - kept.at > controls.max_age_s:
            return None
        return kept

    async def _judged_anew(self, kept: Kept, call: Call, judging: Judging) -> Kept:
        """What a service lets pass may have changed since. Errors: ContentJudgedUnfit; GuardrailUnavailable."""
        await judging.verdict(call)
        if kept.ending is not None:
            return msgspec.structs.replace(kept, body=await judging.stream(call, kept.body))
        reply = Reply(200, kept.content_type, kept.body)
        await judging.answer(call, reply)
        return msgspec.structs.replace(kept, body=reply.body)

    def _give(self, kept: Kept, name: str, call: Call, ask: Ask, response: Response) -> None:
        lines = b"x-litellm-cache-key: %b\r\ncache-status: litemaas; hit\r\n" % name.encode()
        ask.spend_metadata = (ask.spend_metadata or {}) | {HIT: name}
        call.first_byte_at = monotonic()
        if kept.ending is None:
            call.reply = Reply(200, kept.content_type, kept.body, lines)
        else:
            call.ending = kept.ending
            response.start(200, self._headers.of_stream(call, lines))
            response.write(kept.body)

    def _name(self, call: Call, ask: Ask, lane: Lane, namespace: str) -> str:
        """Of everything that can change the answer, or who may have it."""
        place = lane.cache_place or self._place(call, lane)
        asked = ask.members or {}
        wishes = sorted(ask.wishes.guardrails) if ask.wishes is not None else []
        body = {name: _anything(asked[name]) for name in asked if name not in _NOT_ASKED}
        written = _in_order([namespace, ask.model, wishes, body])
        return hashlib.blake2b(place + written, digest_size=32, key=self._secret).hexdigest()

    def _place(self, call: Call, lane: Lane) -> bytes:
        """What is the same for all calls of a lane: who shares, which engines answer, and what is masked."""
        engines = [[d.id, d.provider, d.engine_model, d.api_base, d.defaults] for d in lane.deployments]
        definitions = self._routing.snapshot.guardrails
        guardrails = [[name, repr(definitions.get(name))] for name in sorted({*lane.guardrails, *definitions})]
        asked = [*_sharer(lane.key, self._settings.shared_by), call.endpoint.route, lane.model.name]
        lane.cache_place = hashlib.blake2b(_in_order([asked, engines, lane.guardrails, guardrails])).digest()
        return lane.cache_place

    def _controls(self, members: dict[str, Any], lane: Lane) -> Controls:
        """Errors: InvalidField."""
        said = object_of(members, "cache")
        allowed = lane.key.cache_controls
        for name in said:
            if name not in CONTROLS:
                raise InvalidField(f"cache has no {name[:100]!r}; there are {', '.join(sorted(CONTROLS))}", "cache")
            if allowed and name not in allowed:
                raise InvalidField(f"this key may not say {name!r} in cache; it may say {', '.join(allowed)}", "cache")
        controls = Controls(self._settings)
        if _flag(said, "use-cache"):
            controls.reads = controls.writes = True
        controls.reads = controls.reads and not _flag(said, "no-cache")
        controls.writes = controls.writes and not _flag(said, "no-store")
        controls.ttl_s = min(_seconds(said, "ttl", controls.ttl_s), self._settings.most_ttl_s)
        controls.max_age_s = _seconds(said, "s-maxage", controls.max_age_s)
        namespace = said.get("namespace", controls.namespace)
        if not isinstance(namespace, str):
            raise InvalidField("namespace in cache must be a text", "cache")
        controls.namespace = namespace
        return controls


def _sharer(key: VirtualKey, shared_by: str) -> tuple[str, str]:
    """Kind and id of those who get one another's answers."""
    if shared_by == "everybody":
        return "everybody", ""
    if shared_by == "team" and key.team_id is not None:
        return "team", key.team_id
    if shared_by == "team" and key.user_id is not None:
        return "user", key.user_id
    return "key", key.key_hash


def _flag(said: dict[str, Any], name: str) -> bool:
    value = said.get(name, False)
    if not isinstance(value, bool):
        raise InvalidField(f"{name} in cache must be true or false", "cache")
    return value


def _seconds(said: dict[str, Any], name: str, usual: float) -> float:
    value = said.get(name)
    if value is None:
        return usual
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise InvalidField(f"{name} in cache must be a number of seconds from 0 on", "cache")
    return float(value)
