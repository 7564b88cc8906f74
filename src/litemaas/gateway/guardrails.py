"""Which texts of a call must not pass? A prompt that holds one is refused before an engine sees it; in answers it is masked.

A guardrail holds for all calls (a setting, or its definition says so), for those of a key, to a model, or for one call that
asks for it. Built-in ones look at prompts and answers; an installation's own come with the catalogue, and some of these ask a
service (:mod:`~litemaas.gateway.judging`). Calls without any cost
nothing: they are never looked at here. In streams, the end of a text is held back while it may be the beginning of something
that has to be masked; a few words at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from litemaas.core.errors import ContentRefused, GuardrailUnavailable, InvalidField
from litemaas.core.guardrail_definitions import Definition
from litemaas.core.guardrail_services import AFTER, BEFORE, BESIDE, NOTING, Service
from litemaas.core.guardrails import MOST_CHARACTERS, NAMES, Pattern, find_all, mask, patterns_of, undecided_from
from litemaas.gateway.bodies import NOT_JSON, Members, encode, value_of
from litemaas.gateway.judged_texts import GATEWAYS_OWN, NO_TEXT, STREAMED, is_media, piece_of
from litemaas.gateway.judging import JudgedEvents
from litemaas.gateway.shared_rates import pause
from litemaas.gateway.sse import read_event

if TYPE_CHECKING:
    from litemaas.gateway.call import Ask, Call, Reply
    from litemaas.gateway.judging import Judging
    from litemaas.gateway.lanes import Lane
    from litemaas.gateway.metrics import Metrics

_AT_ONCE = 128 * 1024
"""Characters that are looked at before other calls get their turn."""
_MOST_HELD = 4096
_MOST_GUARDS = 1000
"""Sets of names that are remembered: clients may name any."""
_KEY_EDGE = 128


class Guard:
    """Guardrails that hold together.

    ``refused``: what no prompt may hold. ``masked``: what no answer shows. ``reach``: see :class:`Definition`.
    ``before``, ``beside``, ``after``, ``noting``: services that are asked, by when; ``asks``: whether there are any.
    """

    __slots__ = ("after", "asks", "before", "beside", "line", "masked", "names", "noting", "reach", "refused")

    def __init__(self, names: tuple[str, ...], definitions: tuple[Definition, ...] = ()) -> None:
        built_in = patterns_of(name for name in names if name in NAMES)
        self.names = names
        self.refused = (*built_in, *(pattern for one in definitions for pattern in one.refused))
        self.masked = (*built_in, *(pattern for one in definitions for pattern in one.masked))
        self.reach = max((one.reach for one in definitions), default=0)
        services = [(one.name, one.service) for one in definitions if one.service is not None]
        self.asks = bool(services)
        self.before = _asked_in(BEFORE, services)
        self.beside = _asked_in(BESIDE, services)
        self.after = _asked_in(AFTER, services)
        self.noting = _asked_in(NOTING, services)
        self.line = f"x-litellm-applied-guardrails: {','.join(names)}\r\n"


def _asked_in(mode: str, services: list[tuple[str, Service]]) -> tuple[tuple[str, Service], ...]:
    return tuple(one for one in services if mode in one[1].modes)


class Guardrails:
    """Checks calls. ``always``: what holds for all of them. ``judging``: who asks services."""

    def __init__(self, always: tuple[str, ...], metrics: Metrics) -> None:
        self.judging: Judging | None = None
        self._setting = frozenset(always)
        self._always = self._setting
        self._definitions: dict[str, Definition] = {}
        self._metrics = metrics
        self._guards: dict[tuple[str, ...], Guard] = {}

    def adopt(self, definitions: dict[str, Definition]) -> None:
        """The installation's own ones have changed; calls that run keep theirs."""
        if definitions != self._definitions:
            self._definitions = definitions
            self._always = self._setting | {one.name for one in definitions.values() if one.is_always_on}
            self._guards.clear()

    def names_for(self, *names: Iterable[str]) -> tuple[str, ...]:
        """All that hold, each once, in the order in which they are known."""
        wanted = self._always.union(*names)
        return tuple(name for name in NAMES if name in wanted) + tuple(sorted(wanted - set(NAMES)))

    def guard(self, names: tuple[str, ...]) -> Guard:
        """Errors: InvalidField for a name that is none: a call that should be looked at is not let through unseen."""
        guard = self._guards.get(names)
        if guard is None:
            for name in names:
                if name not in NAMES and name not in self._definitions:
                    known = ", ".join((*self._definitions, *NAMES))
                    raise InvalidField(f"there is no guardrail {name[:100]!r}; there are {known}", "guardrails")
            if len(self._guards) >= _MOST_GUARDS:
                self._guards.clear()
            own = tuple(self._definitions[name] for name in names if name in self._definitions)
            guard = self._guards[names] = Guard(names, own)
        return guard

    async def check(self, call: Call, ask: Ask, lane: Lane) -> None:
        """Looks at the prompt, and notes what the answer is to be looked at for.

        Errors: ContentRefused; ContentJudgedUnfit; GuardrailUnavailable; InvalidField for a guardrail that does not exist.
        """
        wished = ask.wishes.guardrails if ask.wishes is not None else []
        before = call.guard.names if call.guard is not None else ()  # of a model that could not answer
        names = self.names_for(lane.guardrails, wished, before) if wished or before else lane.guardrails
        if not names:
            return
        call.guard = guard = self.guard(names)
        if guard.refused:
            await self._look(ask, guard)
        if guard.asks:
            await self._judges().prompt(call, ask)

    async def _look(self, ask: Ask, guard: Guard) -> None:
        """Errors: ContentRefused."""
        looked_at = 0
        for text in _texts_of(ask.members or {}):
            for start in range(0, len(text), _AT_ONCE):
                piece = text[max(0, start - MOST_CHARACTERS) : start + _AT_ONCE]
                found = next(find_all(piece, guard.refused), None)
                if found is not None:
                    self._metrics.guardrails[found.kind, "blocked"] += 1
                    raise ContentRefused(
                        f"Content blocked: {found.kind} pattern detected. Take it out of the request and send it again",
                        found.kind,
                    )
                looked_at += len(piece)
                if looked_at >= _AT_ONCE:
                    looked_at = 0
                    await pause(0)

    async def verdict(self, call: Call) -> None:
        """Before anything of an answer is shown. Errors: ContentJudgedUnfit; GuardrailUnavailable."""
        await self._judges().verdict(call)

    async def judge(self, call: Call, reply: Reply) -> None:
        """A whole answer, before it is shown. Errors: as :meth:`verdict`."""
        await self._judges().answer(call, reply)

    def judged_events(self, call: Call) -> JudgedEvents:
        return JudgedEvents(self._judges(), call)

    def _judges(self) -> Judging:
        if self.judging is None:
            raise GuardrailUnavailable("guardrails that ask a service are not set up here")
        return self.judging

    def masked(self, guard: Guard, body: bytes) -> bytes:
        """A whole answer without what must not pass; as it came, if there is nothing of that in it."""
        if not guard.masked:
            return body
        try:
            answer = msgspec.json.decode(body)
        except NOT_JSON:
            return body
        masked, kinds = _masked(answer, guard.masked)
        if not kinds:
            return body
        self.count(kinds)
        return encode(masked)

    def count(self, kinds: Iterable[str]) -> None:
        for kind in kinds:
            self._metrics.guardrails[kind, "masked"] += 1


def _texts_of(members: Members) -> Iterator[str]:
    for name in members:
        if name not in GATEWAYS_OWN and name not in NO_TEXT:
            yield from _strings_in(value_of(members, name))


def _strings_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if not is_media(value):
            yield value
    elif isinstance(value, list):
        for part in value:
            yield from _strings_in(part)
    elif isinstance(value, dict):
        for name, part in value.items():
            if name not in NO_TEXT:
                yield from _strings_in(part)


def _masked(value: Any, patterns: tuple[Pattern, ...]) -> tuple[Any, list[str]]:
    kinds: list[str] = []
    if isinstance(value, str):
        return mask(value, patterns)
    if isinstance(value, list):
        parts = []
        for part in value:
            masked, found = _masked(part, patterns)
            parts.append(masked)
            kinds += found
        return parts, kinds
    if isinstance(value, dict):
        members = {}
        for name, part in value.items():
            members[name] = part
            if name not in NO_TEXT:
                members[name], found = _masked(part, patterns)
                kinds += found
        return members, kinds
    return value, kinds


def _ended_by(chunk: dict[str, Any], kind: str) -> str:
    """The part that an event ends; "" = all of them."""
    if kind == "content_block_stop":
        return f"block {chunk.get('index')}"
    if kind.endswith(".done") and kind.count(".") > 1:
        return f"{kind[:-5]} {chunk.get('item_id')} {chunk.get('content_index')}"
    return ""


class StreamGuard:
    """Masks a stream of events: of chat and completions, of Anthropic's messages, and of OpenAI's responses.

    What is held back stands in ``_held``, by choice and member; of the latter two by what they call the part, under −1.
    """

    __slots__ = ("_guard", "_guardrails", "_held", "_last", "_template")

    def __init__(self, guard: Guard, guardrails: Guardrails) -> None:
        self._guard = guard
        self._guardrails = guardrails
        self._held: dict[tuple[int, str], str] = {}
        self._template: dict[str, Any] = {}
        self._last: dict[str, tuple[bytes, dict[str, Any], str]] = {}
        """The last event of each part, without its text, to send the rest in."""

    def feed(self, events: bytes) -> bytes:
        """The events as the client may see them; ``events`` are whole ones."""
        return b"".join(self._event(event) for event in events.split(b"\n\n") if event)

    def finish(self) -> bytes:
        """What was still held back when the stream ended, as one more event."""
        rest = self._rest_of("")
        choices: dict[int, dict[str, Any]] = {}
        for (index, member), _ in sorted(self._held.items()):
            self._release(choices.setdefault(index, {}), index, member)
        if not choices:
            return rest
        shaped: list[dict[str, Any]] = []
        for index, texts in choices.items():
            is_chat = set(texts) != {"text"}
            shaped.append({"index": index, **({"delta": texts} if is_chat else texts), "finish_reason": None})
        return b"data: %b\n\n" % encode({**self._template, "choices": shaped})

    def _event(self, event: bytes) -> bytes:
        head, chunk = read_event(event)
        if chunk is None:
            return event + b"\n\n"
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            return self._part(head, chunk)
        self._template = {name: value for name, value in chunk.items() if name not in ("choices", "usage")}
        for choice in choices:
            if isinstance(choice, dict):
                self._choice(choice)
        return b"%bdata: %b\n\n" % (head, encode(chunk))

    def _part(self, head: bytes, chunk: dict[str, Any]) -> bytes:
        """An event of messages or responses: a piece of a part, or something else, before which ended parts are completed."""
        kind = chunk.get("type")
        kind = kind if isinstance(kind, str) else ""
        part, texts, member = piece_of(chunk, kind)
        if texts is None:
            rest = self._rest_of(_ended_by(chunk, kind)) if kind.endswith((".done", "_stop", ".completed")) else b""
            chunk, kinds = _masked(chunk, self._guard.masked)
            self._guardrails.count(kinds)
            return b"%b%bdata: %b\n\n" % (rest, head, encode(chunk))
        self._held[-1, part] = self._held.get((-1, part), "") + texts[member]
        texts[member] = self._decided(-1, part)
        self._last[part] = head, chunk, member
        return b"%bdata: %b\n\n" % (head, encode(chunk))

    def _rest_of(self, part: str) -> bytes:
        """What is held back of a part, or of all whose names begin so, each as one more event like its last."""
        events = []
        for index, held in sorted(self._held):
            if index == -1 and (held == part or held.startswith(f"{part} ") or not part):
                head, chunk, member = self._last[held]
                texts = chunk if member == "delta" else chunk["delta"]
                texts[member] = ""
                rest: dict[str, Any] = {}
                self._release(rest, index, held)
                texts[member] = rest[held]
                events.append(b"%bdata: %b\n\n" % (head, encode(chunk)))
        return b"".join(events)

    def _choice(self, choice: dict[str, Any]) -> None:
        index = choice.get("index")
        index = index if isinstance(index, int) else 0
        delta = choice.get("delta")
        texts = delta if isinstance(delta, dict) else choice
        is_last = choice.get("finish_reason") is not None
        present = [member for member in STREAMED if isinstance(texts.get(member), str)]
        calls = texts.get("tool_calls")
        for member in present:
            self._held[index, member] = self._held.get((index, member), "") + texts[member]
            texts[member] = self._decided(index, member)
        for call in calls if isinstance(calls, list) else []:
            self._tool_call(call, index)
        if is_last or present or calls:  # another text has begun: the one before it is complete
            for held_index, member in list(self._held):
                if held_index == index and (is_last or member not in present) and not member.startswith("tool "):
                    self._release(texts, index, member)
        if is_last:
            self._end_tool_calls(texts, index)

    def _tool_call(self, call: Any, index: int) -> None:
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict) and isinstance(function.get("arguments"), str):
            member = f"tool {call.get('index', 0)}"
            self._held[index, member] = self._held.get((index, member), "") + function["arguments"]
            function["arguments"] = self._decided(index, member)

    def _end_tool_calls(self, texts: dict[str, Any], index: int) -> None:
        for held_index, member in sorted(self._held):
            if held_index == index and member.startswith("tool "):
                rest: dict[str, Any] = {}
                self._release(rest, index, member)
                calls = texts.setdefault("tool_calls", [])
                calls.append({"index": int(member[5:]), "function": {"arguments": rest[member]}})

    def _decided(self, index: int, member: str) -> str:
        """As much of a held text as can be shown, masked; the rest stays held."""
        text = self._held[index, member]
        undecided = undecided_from(text, self._guard.masked, self._guard.reach)
        shown = ""
        if undecided:
            shown, kinds = mask(text[:undecided], self._guard.masked)
            self._guardrails.count(kinds)
        if undecided < len(text):
            held = text[undecided:]
            if len(held) > _MOST_HELD:  # a private key that does not end: its middle is of no interest
                held = held[:_KEY_EDGE] + held[-_KEY_EDGE:]
            self._held[index, member] = held
        else:
            del self._held[index, member]
        return shown

    def _release(self, texts: dict[str, Any], index: int, member: str) -> None:
        text, kinds = mask(self._held.pop((index, member)), self._guard.masked)
        self._guardrails.count(kinds)
        before = texts.get(member)
        texts[member] = (before if isinstance(before, str) else "") + text
