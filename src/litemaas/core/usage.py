"""What did one call use? Tokens, pages and media, split into disjoint parts that sum to the total."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from litemaas.core.engine_usage import EngineUsage


class UsageSource(StrEnum):
    """Who counted: the engine itself, its tokenizer afterwards, our estimate, or nobody because nothing was used."""

    ENGINE = "engine"
    TOKENIZER = "tokenizer"
    ESTIMATE = "estimate"
    NONE = "none"


class Media:
    """What a call uses besides tokens of text and pages. Units: ``sound_ms`` milliseconds of sound. Never changed.

    ``audio_input``, ``audio_output``: tokens of sound, parts of the prompt's and the completion's.

    ``is_vague``: of a bound; the sound may be much shorter, which is only known once it was heard.
    """

    __slots__ = ("audio_input", "audio_output", "characters", "images", "is_vague", "sound_ms")

    def __init__(
        self, sound_ms: int = 0, characters: int = 0, images: int = 0, is_vague: bool = False, audio_input: int = 0,
        audio_output: int = 0,
    ) -> None:  # fmt: skip
        self.is_vague = is_vague
        self.sound_ms = sound_ms
        self.characters = characters
        self.images = images
        self.audio_input = audio_input
        self.audio_output = audio_output

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Media) and self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def __repr__(self) -> str:
        return f"Media{self._parts()}"

    def _parts(self) -> tuple[int, int, int, int, int]:
        return self.sound_ms, self.characters, self.images, self.audio_input, self.audio_output


class Usage:
    """Usage of one call; ``cached_tokens`` and ``cache_write_tokens`` are parts of ``prompt_tokens``, ``reasoning_tokens``
    of ``completion_tokens``, as in OpenAI's usage object (API reference, chat completion object, 2026-11). Never changed.
    """

    __slots__ = (
        "cache_write_tokens", "cached_tokens", "completion_tokens", "media", "pages", "prompt_tokens", "reasoning_tokens",
        "source",
    )  # fmt: skip

    def __init__(
        self, prompt_tokens: int = 0, completion_tokens: int = 0, cached_tokens: int = 0, cache_write_tokens: int = 0,
        reasoning_tokens: int = 0, pages: int = 0, source: UsageSource = UsageSource.NONE, media: Media | None = None,
    ) -> None:  # fmt: skip
        self.prompt_tokens = prompt_tokens
        self.completion_tokens = completion_tokens
        self.cached_tokens = cached_tokens
        self.cache_write_tokens = cache_write_tokens
        self.reasoning_tokens = reasoning_tokens
        self.pages = pages
        self.source = source
        self.media = media

    def with_media(self, media: Media, source: UsageSource) -> Usage:
        """The same tokens, and media besides; ``source``: who counted them, where nobody counted tokens."""
        return Usage(
            self.prompt_tokens, self.completion_tokens, self.cached_tokens, self.cache_write_tokens, self.reasoning_tokens,
            self.pages, source if self.source is UsageSource.NONE else self.source, media,
        )  # fmt: skip

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Usage) and self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def __repr__(self) -> str:
        return f"Usage{self._parts()}"

    def _parts(self) -> tuple[int, int, int, int, int, int, str, Media | None]:
        return (
            self.prompt_tokens, self.completion_tokens, self.cached_tokens, self.cache_write_tokens, self.reasoning_tokens,
            self.pages, str(self.source), self.media,
        )  # fmt: skip


MOST_TOKENS: Final = 2**31 - 1
"""The most that one record can hold (PostgreSQL's integer); an engine that reports more is out of its mind."""
NOTHING: Final = Usage()
"""The usage of a call that was refused or failed before the engine did anything."""


def usage_of(report: EngineUsage) -> Usage:
    """Clamps nonsense (negative or absurd counts, parts larger than their whole): the parts stay disjoint and storable."""
    prompt = _clamped(report.prompt_tokens, MOST_TOKENS)
    completion = _clamped(report.completion_tokens, MOST_TOKENS)
    cached = written = reasoning = heard = spoken = 0
    if (details := report.prompt_tokens_details) is not None:
        cached = _clamped(details.cached_tokens, prompt)
        written = _clamped(details.cache_creation_tokens, prompt - cached)
        heard = _clamped(details.audio_tokens, prompt - cached - written)
    if (parts := report.completion_tokens_details) is not None:
        reasoning = _clamped(parts.reasoning_tokens, completion)
        spoken = _clamped(parts.audio_tokens, completion - reasoning)
    media = Media(audio_input=heard, audio_output=spoken) if heard or spoken else None
    return Usage(prompt, completion, cached, written, reasoning, 0, UsageSource.ENGINE, media)


def _clamped(count: int | None, most: int) -> int:
    if count is None or count < 0:
        return 0
    return min(count, most)
