"""What did one call use? Tokens and pages, split into disjoint parts that sum to the total."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class UsageSource(StrEnum):
    """Who counted: the engine itself, its tokenizer afterwards, our estimate, or nobody because nothing was used."""

    ENGINE = "engine"
    TOKENIZER = "tokenizer"
    ESTIMATE = "estimate"
    NONE = "none"


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Usage of one call; ``cached_tokens`` and ``cache_write_tokens`` are parts of ``prompt_tokens``, ``reasoning_tokens``
    of ``completion_tokens``, as in OpenAI's usage object (API reference, chat completion object, 2026-11).
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    pages: int = 0
    source: UsageSource = UsageSource.NONE

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


MOST_TOKENS = 2**31 - 1
"""The most that one record can hold (PostgreSQL's integer); an engine that reports more is out of its mind."""
NOTHING = Usage()
"""The usage of a call that was refused or failed before the engine did anything."""


class PromptTokensDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = 0
    cache_creation_tokens: int | None = 0


class CompletionTokensDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = 0


class EngineUsage(msgspec.Struct, gc=False):
    """The ``usage`` member of OpenAI-type answers, as far as money depends on it; all else in it is passed over."""

    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    prompt_tokens_details: PromptTokensDetails | None = None
    completion_tokens_details: CompletionTokensDetails | None = None

    def to_usage(self) -> Usage:
        """Clamps nonsense (negative or absurd counts, parts larger than their whole): the parts stay disjoint and storable."""
        prompt = min(max(0, self.prompt_tokens or 0), MOST_TOKENS)
        completion = min(max(0, self.completion_tokens or 0), MOST_TOKENS)
        if self.prompt_tokens_details is None and self.completion_tokens_details is None:
            return Usage(prompt, completion, 0, 0, 0, 0, UsageSource.ENGINE)
        cached = written = reasoning = 0
        if (details := self.prompt_tokens_details) is not None:
            cached = min(prompt, max(0, details.cached_tokens or 0))
            written = min(prompt - cached, max(0, details.cache_creation_tokens or 0))
        if (parts := self.completion_tokens_details) is not None:
            reasoning = min(completion, max(0, parts.reasoning_tokens or 0))
        return Usage(prompt, completion, cached, written, reasoning, 0, UsageSource.ENGINE)
