"""What does a service say of these texts? It is asked over pooled connections, within its time, and taken at its word.

Whatever is no answer in the service's own form (no connection, too late, another status, too large, not that JSON) is a
failure. What becomes of a call then is said by the guardrail, see :class:`~litemaas.core.guardrail_services.Service`. Texts go
to the service and nowhere else: not into logs, metrics or errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from litemaas.core.catalog import Tls
from litemaas.core.errors import UpstreamFailure, UpstreamGarbage
from litemaas.core.guardrail_services import GENERIC, Service
from litemaas.gateway.bodies import NOT_JSON, encode
from litemaas.gateway.engines import releasing
from litemaas.gateway.http.answers import Origin
from litemaas.gateway.http.stepping import outside, stepped

if TYPE_CHECKING:
    from litemaas.gateway.http.client import Pool

MOST_CHARACTERS = 1_000_000
"""Of all texts of one question; Presidio's usual language models take no more (spaCy's ``max_length``, 2026-11)."""
_MOST_BYTES = 8 * 1024 * 1024
_AWAY = frozenset({502, 503, 504})
_BETWEEN = "\n\n"
_REASON = 300


class NotJudged(Exception):
    """The service gave no answer that means something. ``is_away``: it was not reached, rather than broken."""

    def __init__(self, is_away: bool) -> None:
        super().__init__("a guardrail's service gave no answer")
        self.is_away = is_away


class Judgement(NamedTuple):
    """``is_blocked``, for a ``reason`` in the service's words; else ``texts``, in the order of the question."""

    is_blocked: bool
    texts: Sequence[str]
    reason: str = ""


class Question(NamedTuple):
    """``side``: ``request`` or ``response``. ``about``: whose call it is, for the service. ``headers``: of the client."""

    texts: Sequence[str]
    side: str
    call_id: str
    model: str
    about: Mapping[str, str | None]
    headers: Mapping[str, str]


class _Generic(msgspec.Struct):
    action: str
    blocked_reason: str | None = None
    texts: list[str] | None = None


class _Find(msgspec.Struct):
    entity_type: str
    start: int
    end: int
    score: float = 1.0


class _Anonymized(msgspec.Struct):
    text: str


_generic = msgspec.json.Decoder(_Generic)
_finds = msgspec.json.Decoder(list[_Find])
_anonymized = msgspec.json.Decoder(_Anonymized)


class GuardrailServices:
    """Asks services. The pool keeps connections to them as it does to model servers."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def judge(self, service: Service, question: Question) -> Judgement:
        """Errors: NotJudged; ClientGone."""
        if sum(map(len, question.texts)) > MOST_CHARACTERS:
            raise NotJudged(is_away=False)
        asking = self._generic(service, question) if service.kind == GENERIC else self._presidio(service, question)
        try:
            return await outside(stepped(asking), service.timeout_s)
        except (UpstreamGarbage, *NOT_JSON):
            raise NotJudged(is_away=False) from None
        except (TimeoutError, UpstreamFailure):
            raise NotJudged(is_away=True) from None

    # -- one call with all texts --------------------------------------------------------------------------------------

    async def _generic(self, service: Service, question: Question) -> Judgement:
        texts = list(question.texts)
        body: dict[str, Any] = {
            "texts": texts, "input_type": question.side, "litellm_call_id": question.call_id, "litellm_trace_id": None,
            "model": question.model, "request_data": question.about,
            "request_headers": {name: question.headers[name] for name in service.passed_on if name in question.headers},
            "additional_provider_specific_params": msgspec.Raw(service.params),
        }  # fmt: skip
        answer = _generic.decode(await self._post(service, service.url, body))
        if answer.action == "BLOCKED":
            return Judgement(True, texts, _words(answer.blocked_reason))
        if answer.action == "NONE":
            return Judgement(False, texts)
        if answer.action == "GUARDRAIL_INTERVENED" and answer.texts is not None and len(answer.texts) == len(texts):
            return Judgement(False, answer.texts)
        raise NotJudged(is_away=False)

    # -- an analyzer, and perhaps an anonymizer -----------------------------------------------------------------------

    async def _presidio(self, service: Service, question: Question) -> Judgement:
        """All texts are analyzed as one, so that a long conversation takes one call."""
        joined = _BETWEEN.join(question.texts)
        body: dict[str, Any] = {"text": joined, "language": service.language}
        if service.entities:
            body["entities"] = [name for name, _ in service.entities]
        found = _finds.decode(await self._post(service, service.url, body))
        if not all(0 <= one.start <= one.end <= len(joined) for one in found):
            raise NotJudged(is_away=False)
        found = _meant(found, service)
        actions = dict(service.entities)
        blocked = sorted({one.entity_type for one in found if actions.get(one.entity_type) == "BLOCK"})
        if blocked:
            return Judgement(True, question.texts, f"{', '.join(blocked)[:_REASON]} found")
        texts, begins = [], 0
        for text in question.texts:
            here = _within(found, begins, begins + len(text))
            texts.append(await self._without(service, text, here) if here else text)
            begins += len(text) + len(_BETWEEN)
        return Judgement(False, texts)

    async def _without(self, service: Service, text: str, found: list[_Find]) -> str:
        if service.anonymizer is None:
            return _replaced(text, found)
        body = {"text": text, "analyzer_results": [msgspec.structs.asdict(one) for one in found]}
        return _anonymized.decode(await self._post(service, service.anonymizer, body)).text

    # -- the wire -----------------------------------------------------------------------------------------------------

    async def _post(self, service: Service, url: str, body: Any) -> bytes:
        """Errors: NotJudged; UpstreamFailure."""
        parts = urlsplit(url)
        is_secure = parts.scheme == "https"
        origin = Origin(parts.hostname or "", parts.port or (443 if is_secure else 80), Tls() if is_secure else None)
        payload = encode(body)
        lines = "".join(f"{name}: {value}\r\n" for name, value in service.headers)
        head = (
            f"POST {parts.path or '/'} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/json\r\n"
            f"accept: application/json\r\n{lines}content-length: {len(payload)}\r\n\r\n"
        )
        connection = await self._pool.open(origin, head.encode() + payload, service.timeout_s)
        with releasing(connection):
            answer = await connection.read(_MOST_BYTES)
        if connection.status != 200:
            raise NotJudged(is_away=connection.status in _AWAY)
        return answer


def _words(reason: str | None) -> str:
    """A reason as the caller may read it: one short line."""
    return "".join(c if c.isprintable() else " " for c in reason or "")[:_REASON].strip()


def _meant(found: list[_Find], service: Service) -> list[_Find]:
    """Those that are asked for and sure enough."""
    actions, thresholds = dict(service.entities), dict(service.thresholds)
    usual = thresholds.get("ALL", 0.0)
    return [
        one
        for one in found
        if (not actions or one.entity_type in actions) and one.score >= thresholds.get(one.entity_type, usual)
    ]


def _within(found: list[_Find], begins: int, ends: int) -> list[_Find]:
    """What of the finds lies in one of the texts, by places in that."""
    return [
        _Find(one.entity_type, max(one.start, begins) - begins, min(one.end, ends) - begins, one.score)
        for one in found
        if one.start < ends and one.end > begins
    ]


def _replaced(text: str, found: list[_Find]) -> str:
    """Each find replaced by its kind, as Presidio's anonymizer does; of those that overlap, the first is named."""
    pieces: list[str] = []
    at = 0
    for one in sorted(found, key=lambda one: (one.start, -one.end)):
        if one.start >= at:
            pieces += (text[at : one.start], f"<{one.entity_type}>")
        at = max(at, one.end)
    return "".join((*pieces, text[at:]))
