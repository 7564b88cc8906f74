"""How do engines report usage? As OpenAI does; what is read of it, before anything is believed."""

from __future__ import annotations

import msgspec


class PromptTokensDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = 0
    cache_creation_tokens: int | None = 0
    audio_tokens: int | None = 0


class CompletionTokensDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = 0
    audio_tokens: int | None = 0


class EngineUsage(msgspec.Struct, gc=False):
    """The ``usage`` member of OpenAI-type answers, as far as money depends on it; all else in it is passed over."""

    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0
    prompt_tokens_details: PromptTokensDetails | None = None
    completion_tokens_details: CompletionTokensDetails | None = None
