"""How much did a call use when the engine does not say? Its tokenizer is asked; failing that, an estimate is marked as one.

The same counting bounds a prompt before the call, when the bytes alone do not fit into what a budget has left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from litemaas.core.usage import NOTHING, Usage, UsageSource
from litemaas.gateway.bodies import NOT_JSON, Members, encode, render
from litemaas.gateway.replies import Choice, Choices

if TYPE_CHECKING:
    from litemaas.core.catalog import Deployment
    from litemaas.gateway.call import Ask, Reply
    from litemaas.gateway.engines import Engines
    from litemaas.gateway.settings import BudgetSettings
    from litemaas.gateway.targets import Target

BYTES_PER_TOKEN = 4
"""A usual ratio for English text (OpenAI help centre, "What are tokens and how to count them", 2026-11); estimates only."""
_LIKELY_BYTES_PER_TOKEN = 3
_PER_MESSAGE = 4
_PER_PROMPT = 3
"""Tokens that chat templates like ChatML put around each message, and once before the answer."""
_PROMPT_MEMBERS = ("messages", "prompt", "tools", "chat_template_kwargs")


class PromptCount(NamedTuple):
    """Units: tokens. ``bound``: the prompt has no more; ``estimate``: what it likely has, None when the bound is exact."""

    bound: int
    estimate: int | None


class Meter:
    """Counts prompts and answers."""

    def __init__(self, engines: Engines, settings: BudgetSettings) -> None:
        self._engines = engines
        self._template_allowance = settings.template_allowance
        self._media_allowance = settings.media_allowance

    # -- before the call ----------------------------------------------------------------------------------------------

    def prompt_bound(self, ask: Ask) -> int:
        """More tokens than the prompt can have: every token stands for at least one byte of the body."""
        return ask.prompt_bytes + self._template_allowance + ask.media_parts * self._media_allowance

    async def count_prompt(self, ask: Ask, deployment: Deployment) -> PromptCount:
        """The prompt's tokens by the engine's own tokenizer; without one, what its texts alone can and will likely have."""
        media = ask.media_parts * self._media_allowance + _tokens_before(ask)
        members = ask.members or {}
        wanted: Members = {name: members[name] for name in _PROMPT_MEMBERS if name in members}
        if "input" in members:
            wanted["prompt"] = members["input"]
        wanted["model"] = encode(deployment.engine_model)
        counted = await self._engines.count_prompt(deployment, render(wanted))
        if counted is not None:
            return PromptCount(counted + media, None)
        size = messages = 0
        for name in ("messages", "prompt", "input", "tools"):
            if name in members:
                texts, parts = _texts_of(members[name])
                size += texts
                messages += parts
        framing = _PER_MESSAGE * messages + _PER_PROMPT
        return PromptCount(size + framing + media, -(-size // _LIKELY_BYTES_PER_TOKEN) + framing + media)

    async def least_of_prompt(self, ask: Ask, deployment: Deployment) -> int:
        """What its texts have: by the engine's tokenizer, else as few tokens as so many bytes usually are."""
        count = await self.count_prompt(ask, deployment)
        texts = count.bound - ask.media_parts * self._media_allowance
        return texts if count.estimate is None else texts // BYTES_PER_TOKEN

    # -- after the call -----------------------------------------------------------------------------------------------

    def estimate(self, ask: Ask, chunks: int) -> Usage:
        """What a stream used as far as it was seen: engines send about one token a chunk."""
        if not chunks:
            return NOTHING
        prompt = -(-ask.prompt_bytes // BYTES_PER_TOKEN)
        return Usage(prompt_tokens=prompt, completion_tokens=chunks, source=UsageSource.ESTIMATE)

    async def count_stream(self, ask: Ask, target: Target, estimate: Usage, shown: list[bytes] | None) -> Usage:
        """The usage of a stream whose engine did not report it; ``shown``: its events, if they were kept."""
        if estimate is NOTHING:
            return estimate
        return await self._count(ask, target, estimate, _streamed_text(shown) if shown is not None else None)

    async def count_reply(self, ask: Ask, target: Target, reply: Reply) -> Usage:
        """The usage of a whole answer whose engine did not report it."""
        text = _answered_text(reply.body)
        estimate = Usage(
            prompt_tokens=-(-ask.prompt_bytes // BYTES_PER_TOKEN),
            completion_tokens=-(-len(text.encode()) // BYTES_PER_TOKEN),
            source=UsageSource.ESTIMATE,
        )
        return await self._count(ask, target, estimate, text)

    async def _count(self, ask: Ask, target: Target, estimate: Usage, text: str | None) -> Usage:
        members = ask.members or {}
        wanted: Members = {name: members[name] for name in ("messages", "prompt", "tools") if name in members}
        if not wanted or target.is_clients:  # a client's own server is asked once
            return estimate
        wanted["model"] = target.engine_model
        prompt = await self._engines.count_prompt(target.deployment, render(wanted))
        if prompt is None:
            return estimate
        prompt += _tokens_before(ask)
        if text is None:
            return Usage(
                prompt_tokens=prompt, completion_tokens=estimate.completion_tokens, source=UsageSource.ESTIMATE
            )
        completion: int | None = 0
        if text:
            body = {"model": target.engine_model, "prompt": encode(text), "add_special_tokens": b"false"}
            completion = await self._engines.count_prompt(target.deployment, render(body))
        if completion is None:
            return estimate
        return Usage(prompt_tokens=prompt, completion_tokens=completion, source=UsageSource.TOKENIZER)


def _tokens_before(ask: Ask) -> int:
    """What the model reads that is not in the body, because the call goes on from an earlier answer."""
    return ask.foreign.tokens_before if ask.foreign is not None else 0


def _texts_of(raw: Any) -> tuple[int, int]:
    """Bytes of the texts in a member of a prompt, and how many parts it has.

    What we cannot read, but perhaps the engine, counts as it stands: half of a surrogate pair, or too deep a nesting.
    """
    try:
        value = msgspec.json.decode(raw)
        return _text_bytes(value), len(value) if isinstance(value, list) else 1
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return len(bytes(raw)), 1


def _text_bytes(value: Any) -> int:
    """Bytes of the texts in a prompt; the names of members are not tokens, those within a tool's description are."""
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, list):
        return sum(map(_text_bytes, value))
    if isinstance(value, dict):
        if "content" in value and "role" in value:
            return sum(_text_bytes(part) for name, part in value.items() if name != "role")
        if "type" in value and "text" in value:
            return _text_bytes(value["text"])
        return sum(_text_bytes(name) + _text_bytes(part) for name, part in value.items() if name != "image_url")
    return 1


def _answered_text(body: bytes) -> str:
    try:
        answer = msgspec.json.decode(body, type=Choices)
    except NOT_JSON:
        return ""
    return "".join(_choice_text(choice) for choice in answer.choices)


def _streamed_text(shown: list[bytes]) -> str:
    events = b"".join(shown).split(b"\n\n")
    return "".join(_answered_text(event[5:]) for event in events if event.startswith(b"data:"))


def _choice_text(choice: Choice) -> str:
    part = choice.message or choice.delta
    texts = (part.reasoning_content, part.content) if part is not None else (choice.text,)
    return "".join(text for text in texts if isinstance(text, str))
