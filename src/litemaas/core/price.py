"""What is a price? One version of what a deployment asks for tokens, pages, requests and media."""

from __future__ import annotations

import msgspec


class Price(msgspec.Struct, frozen=True, gc=False):
    """One version of a deployment's price.

    Units: nano-USD per million tokens, pages, requests, seconds of sound, characters or images. ``None`` = no price of its
    own: cached and written prompt tokens cost what other prompt tokens cost, reasoning tokens what other completion tokens
    cost, tokens of sound what those of text cost, and long prompts what short ones do. ``…_above_128k…``, ``…_above_200k…``:
    what all tokens of a call cost whose prompt has more than that many thousands.
    """

    version: int = 0
    input_per_million: int = 0
    output_per_million: int = 0
    cached_input_per_million: int | None = None
    cache_write_per_million: int | None = None
    reasoning_per_million: int | None = None
    page_per_million: int = 0
    request_per_million: int = 0
    second_per_million: int = 0
    """Sound that is transcribed."""
    character_per_million: int = 0
    """Text that is spoken."""
    image_per_million: int = 0
    """Images that are made."""
    audio_input_per_million: int | None = None
    audio_output_per_million: int | None = None
    input_above_128k_per_million: int | None = None
    output_above_128k_per_million: int | None = None
    input_above_200k_per_million: int | None = None
    output_above_200k_per_million: int | None = None
    cached_input_above_200k_per_million: int | None = None
    cache_write_above_200k_per_million: int | None = None

    @property
    def is_free(self) -> bool:
        return not (
            self.input_per_million
            or self.output_per_million
            or self.cached_input_per_million
            or self.cache_write_per_million
            or self.reasoning_per_million
            or self.page_per_million
            or self.request_per_million
            or self.second_per_million
            or self.character_per_million
            or self.image_per_million
            or self.audio_input_per_million
            or self.audio_output_per_million
            or self.input_above_128k_per_million
            or self.output_above_128k_per_million
            or self.input_above_200k_per_million
            or self.output_above_200k_per_million
            or self.cached_input_above_200k_per_million
            or self.cache_write_above_200k_per_million
        )
