"""When are guardrails' services asked about a call, and what becomes of it then?

    pre_call      before the model; may change the prompt or refuse the call
    during_call   beside the model; nothing of the answer is shown before the verdict
    post_call     about the whole answer, before any of it is shown: a stream is held back until its end
    logging_only  in the background; is counted, and changes nothing

A call that is refused costs nothing, whatever the model had done by then. Calls without such a guardrail never get here.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from prometheus_client.core import CounterMetricFamily, Metric

from litemaas.core.errors import ClientGone, ContentJudgedUnfit, GuardrailUnavailable, LiteMaaSError
from litemaas.core.guardrail_services import BEFORE, BESIDE, NOTING
from litemaas.gateway.bodies import render
from litemaas.gateway.guardrail_services import GuardrailServices, NotJudged, Question
from litemaas.gateway.http.stepping import Run, Wake
from litemaas.gateway.judged_texts import AnswerTexts, AskedTexts, StreamTexts
from litemaas.kit.ticks import monotonic

if TYPE_CHECKING:
    from litemaas.core.guardrail_services import Service
    from litemaas.gateway.call import Ask, Call, Reply
    from litemaas.gateway.metrics import Metrics

Asked = tuple[str, "Service"]
"""A guardrail's name and whom it asks."""
MOST_HELD = 16 * 1024 * 1024
"""Bytes of a stream that is held back."""


class Judged:
    """What services have said of a call, or will. ``asked``: mode and name of guardrails.

    ``unseen``: something passed without its service. ``waited_s``: for those that were asked before the model.
    """

    __slots__ = ("asked", "beside", "unseen", "waited_s")

    def __init__(self) -> None:
        self.asked: set[tuple[str, str]] = set()
        self.beside: list[Verdict] = []
        self.unseen = False
        self.waited_s = 0.0


class Verdict:
    """A question that is under way beside its call."""

    __slots__ = ("_on_end", "_wake", "error", "is_there", "run")

    def __init__(
        self, question: Coroutine[Any, Any, None], on_end: Callable[[Verdict, BaseException | None], None]
    ) -> None:
        self._wake = Wake()
        self._on_end = on_end
        self.is_there = False
        self.error: LiteMaaSError | None = None
        self.run = Run(question, self._end)

    def _end(self, error: BaseException | None) -> None:
        self.is_there = True
        if isinstance(error, LiteMaaSError):
            self.error = error
        self._on_end(self, error)
        self._wake.fire()

    async def said(self) -> None:
        """Errors: what the question ended with, among those that callers are told of."""
        while not self.is_there:
            await self._wake
        if self.error is not None:
            raise self.error


class Judging:
    """Asks about calls and counts the answers. ``on_defect``: hears of what must not happen."""

    def __init__(
        self, services: GuardrailServices, metrics: Metrics, on_defect: Callable[[BaseException], None]
    ) -> None:
        self._services = services
        self._metrics = metrics
        self._on_defect = on_defect
        self._under_way: set[Verdict] = set()
        self._answers: dict[tuple[str, str], int] = {}
        self._seconds: dict[str, float] = {}

    async def prompt(self, call: Call, ask: Ask) -> None:
        """Asks about a prompt what was not asked yet; begins what is asked beside the model.

        Errors: ContentJudgedUnfit; GuardrailUnavailable.
        """
        guard = call.guard
        if guard is None:
            return
        if call.judged is None:
            call.judged = Judged()
        judged = call.judged
        asked = AskedTexts(ask.members or {})
        texts = asked.texts.listed()
        if asked.has_token_ids and (guard.before or guard.beside):
            name = (*guard.before, *guard.beside)[0][0]
            raise ContentJudgedUnfit(name, "ids of tokens cannot be judged; send texts")
        if not texts:
            return
        now: Sequence[str] = texts
        began = monotonic()
        for name, service in _new(BEFORE, guard.before, judged):
            others = await self._ask(call, name, service, now, "request")
            if list(others) != list(now) and not _can_be_changed(call, ask):
                raise ContentJudgedUnfit(name, "the request would have to be changed, and forms are not")
            now = others
            judged.asked.add((BEFORE, name))  # only now: what was refused for one model is asked again for another
        judged.waited_s += monotonic() - began
        if list(now) != texts:
            ask.members = asked.changed(_different(texts, now))
            ask.payload = render(ask.members)
        for name, service in _new(BESIDE, guard.beside, judged):
            judged.asked.add((BESIDE, name))
            judged.beside.append(self._begin(self._only_judge(call, name, service, now)))
        self._note(call, list(_new(NOTING, guard.noting, judged)), now, "request")
        judged.asked.update((NOTING, name) for name, _ in guard.noting)

    async def verdict(self, call: Call) -> None:
        """Waits for what is asked beside the model. Errors: ContentJudgedUnfit; GuardrailUnavailable."""
        if call.judged is not None:
            for verdict in call.judged.beside:
                await verdict.said()

    async def answer(self, call: Call, reply: Reply) -> None:
        """Before a whole answer is shown. Errors: as :meth:`verdict`."""
        await self.verdict(call)
        guard = call.guard
        if guard is not None and (guard.after or guard.noting):
            told = AnswerTexts(reply.body, reply.content_type)
            others = await self._judge_answer(call, told.texts.listed())
            if others:
                reply.body = told.changed(others)

    async def stream(self, call: Call, events: bytes) -> bytes:
        """All events of a stream, before any is shown. Errors: as :meth:`verdict`."""
        await self.verdict(call)
        told = StreamTexts(events)
        others = await self._judge_answer(call, told.texts.listed())
        return told.changed(others) if others else events

    def close(self) -> None:
        """Ends what is still under way."""
        for verdict in list(self._under_way):
            verdict.run.interrupt(ClientGone("the gateway ends"))

    def collect(self) -> Iterable[Metric]:
        answers = CounterMetricFamily(
            "litemaas_gateway_guardrail_answers",
            "What services said that guardrails ask.",
            labels=("guardrail", "outcome"),
        )
        for pair, count in self._answers.items():
            answers.add_metric(pair, count)
        seconds = CounterMetricFamily(
            "litemaas_gateway_guardrail_seconds", "Time that services took to answer.", labels=("guardrail",)
        )
        for name, spent_s in self._seconds.items():
            seconds.add_metric((name,), spent_s)
        yield from (answers, seconds)

    # -- one question -------------------------------------------------------------------------------------------------

    async def _judge_answer(self, call: Call, texts: list[str]) -> dict[str, str]:
        """What stands in the place of which text."""
        guard = call.guard
        if guard is None or not texts:
            return {}
        now: Sequence[str] = texts
        for name, service in guard.after:
            now = await self._ask(call, name, service, now, "response")
        self._note(call, guard.noting, now, "response")
        return _different(texts, now)

    async def _ask(self, call: Call, name: str, service: Service, texts: Sequence[str], side: str) -> Sequence[str]:
        """The texts as they may go on. Errors: ContentJudgedUnfit; GuardrailUnavailable."""
        began = monotonic()
        try:
            judgement = await self._services.judge(service, _question(call, texts, side))
        except NotJudged as failure:
            self._count(name, "unreachable" if failure.is_away else "failed", began)
            if service.opens == "any" or (service.opens == "unreachable" and failure.is_away):
                if call.judged is not None:
                    call.judged.unseen = True
                return texts
            raise GuardrailUnavailable(
                f"the guardrail {name} gives no answer, and nothing passes without one; try again"
            ) from None
        if judgement.is_blocked:
            self._count(name, "blocked", began)
            self._metrics.guardrails[name, "blocked"] += 1
            raise ContentJudgedUnfit(name, judgement.reason)
        is_masked = list(judgement.texts) != list(texts)
        self._count(name, "masked" if is_masked else "passed", began)
        if is_masked:
            self._metrics.guardrails[name, "masked"] += 1
        return judgement.texts

    async def _only_judge(self, call: Call, name: str, service: Service, texts: Sequence[str]) -> None:
        """Beside the model: what would have to be changed has gone to it already, so it is refused."""
        if list(await self._ask(call, name, service, texts, "request")) != list(texts):
            raise ContentJudgedUnfit(name, "the request would have to be changed")

    async def _only_note(self, name: str, service: Service, question: Question) -> None:
        began = monotonic()
        try:
            judgement = await self._services.judge(service, question)
        except NotJudged as failure:
            self._count(name, "unreachable" if failure.is_away else "failed", began)
            return
        found = judgement.is_blocked or list(judgement.texts) != list(question.texts)
        self._count(name, "noted" if found else "passed", began)

    def _note(self, call: Call, noting: Iterable[Asked], texts: Sequence[str], side: str) -> None:
        for name, service in noting:
            self._begin(self._only_note(name, service, _question(call, texts, side)))

    def _begin(self, question: Coroutine[Any, Any, None]) -> Verdict:
        verdict = Verdict(question, self._ended)
        self._under_way.add(verdict)
        verdict.run.start()
        return verdict

    def _ended(self, verdict: Verdict, error: BaseException | None) -> None:
        self._under_way.discard(verdict)
        if error is not None and not isinstance(error, LiteMaaSError):
            verdict.error = GuardrailUnavailable(
                "a guardrail gives no answer, and nothing passes without one; try again"
            )
            self._on_defect(error)

    def _count(self, name: str, outcome: str, began: float) -> None:
        self._answers[name, outcome] = self._answers.get((name, outcome), 0) + 1
        self._seconds[name] = self._seconds.get(name, 0.0) + monotonic() - began


class JudgedEvents:
    """The events of one stream, where a service is asked about its call. ``are_lost``: it broke off before any was shown."""

    __slots__ = ("_call", "_is_back", "_is_noted", "_judging", "_pieces", "_room", "are_lost")

    def __init__(self, judging: Judging, call: Call) -> None:
        guard = call.guard
        self._judging = judging
        self._call = call
        self._is_back = guard is not None and bool(guard.after)
        self._is_noted = guard is not None and bool(guard.noting)
        self._pieces: list[bytes] = []
        self._room = MOST_HELD
        self.are_lost = False

    async def take(self, events: bytes) -> bytes:
        """What of them can be shown now. Errors: ContentJudgedUnfit; GuardrailUnavailable."""
        self._add(events)
        if self._is_back:
            return b""
        await self._judging.verdict(self._call)
        return events

    async def rest(self, last: bytes) -> bytes:
        """What is left to show at the end, with the ``last`` events. Errors: as :meth:`take`."""
        self._add(last)
        if not self._is_back and not self._is_noted:
            await self._judging.verdict(self._call)
            return last
        judged = await self._judging.stream(self._call, b"".join(self._pieces))
        return judged if self._is_back else last

    def _add(self, events: bytes) -> None:
        """Of what is only noted, the beginning is."""
        if not self._is_back and not self._is_noted:
            return
        self._room -= len(events)
        if self._room >= 0:
            self._pieces.append(events)
        elif self._is_back:
            raise ContentJudgedUnfit(self._name(), "the answer is too long to be judged")

    def _name(self) -> str:
        guard = self._call.guard
        return guard.after[0][0] if guard is not None else ""


def _new(mode: str, asked: Iterable[Asked], judged: Judged) -> Iterator[Asked]:
    """Those that have not been asked about this prompt: a model that answers instead has others besides."""
    for name, service in asked:
        if (mode, name) not in judged.asked:
            yield name, service


def _can_be_changed(call: Call, ask: Ask) -> bool:
    """Whether the body that goes to the model is made of its members."""
    return not call.endpoint.uploads and ask.payload.startswith(b"{")


def _different(texts: Sequence[str], now: Sequence[str]) -> dict[str, str]:
    return {text: other for text, other in zip(texts, now, strict=True) if text != other}


def _question(call: Call, texts: Sequence[str], side: str) -> Question:
    key = call.caller.key if call.caller is not None and not call.caller.is_master else None
    about: dict[str, str | None] = {
        "user_api_key_hash": key.key_hash if key is not None else None,
        "user_api_key_alias": key.alias if key is not None else None,
        "user_api_key_user_id": key.user_id if key is not None else None,
        "user_api_key_team_id": key.team_id if key is not None else None,
        "user_api_key_end_user_id": call.ask.end_user if call.ask is not None else None,
    }
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in call.request.headers.items()}
    model = call.lane.model.name if call.lane is not None else ""
    return Question(list(texts), side, call.id, model, about, headers)
