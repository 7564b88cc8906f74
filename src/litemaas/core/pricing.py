"""What does a call cost? Prices are versioned and per million units; the sum is rounded once, to the nano-dollar."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from litemaas.core.money import MILLION
from litemaas.core.price import Price as Price
from litemaas.core.usage import Media, Usage

LONG_PROMPT: Final = 128_000
LONGER_PROMPT: Final = 200_000
"""Tokens above which a prompt can have prices of its own."""


class Cost:
    """Units: nano-USD. ``total`` is rounded from the exact sum; ``input`` + ``output`` may differ by one. Never changed."""

    __slots__ = ("input", "output", "total")

    def __init__(self, total: int = 0, input: int = 0, output: int = 0) -> None:  # noqa: A002 - the ledger's word
        self.total = total
        self.input = input
        self.output = output

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cost) and self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def __repr__(self) -> str:
        return f"Cost{self._parts()}"

    def _parts(self) -> tuple[int, int, int]:
        return self.total, self.input, self.output


def cost_of(usage: Usage, price: Price, requests: int = 1) -> Cost:
    """Charges a usage; each token is charged once, in the most specific part that has a price of its own.

    ``requests``: how often the price per request is due; a conversion pays it for each document.
    """
    if usage.prompt_tokens > LONG_PROMPT:
        price = in_force(price, usage.prompt_tokens)
    plain_prompt = usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens
    plain_completion = usage.completion_tokens - usage.reasoning_tokens
    input_price, output_price = price.input_per_million, price.output_per_million
    input_exact = plain_prompt * input_price + requests * price.request_per_million
    output_exact = plain_completion * output_price
    # Most calls have none of these.
    if usage.cached_tokens:
        input_exact += usage.cached_tokens * _own_or(price.cached_input_per_million, input_price)
    if usage.cache_write_tokens:
        input_exact += usage.cache_write_tokens * _own_or(price.cache_write_per_million, input_price)
    if usage.pages:
        input_exact += usage.pages * price.page_per_million
    if usage.reasoning_tokens:
        output_exact += usage.reasoning_tokens * _own_or(price.reasoning_per_million, output_price)
    media = usage.media
    if media is not None:
        return _with_media(input_exact, output_exact, media, price)
    half = MILLION // 2
    return Cost(
        total=(input_exact + output_exact + half) // MILLION,
        input=(input_exact + half) // MILLION,
        output=(output_exact + half) // MILLION,
    )


def in_force(price: Price, prompt_tokens: int) -> Price:
    """The price of a call whose prompt has this many tokens."""
    if prompt_tokens > LONG_PROMPT:
        price = replace(
            price, input_per_million=_own_or(price.input_above_128k_per_million, price.input_per_million),
            output_per_million=_own_or(price.output_above_128k_per_million, price.output_per_million),
        )  # fmt: skip
    if prompt_tokens > LONGER_PROMPT:
        cached, written = price.cached_input_above_200k_per_million, price.cache_write_above_200k_per_million
        price = replace(
            price, input_per_million=_own_or(price.input_above_200k_per_million, price.input_per_million),
            output_per_million=_own_or(price.output_above_200k_per_million, price.output_per_million),
            cached_input_per_million=price.cached_input_per_million if cached is None else cached,
            cache_write_per_million=price.cache_write_per_million if written is None else written,
        )  # fmt: skip
    return price


def _own_or(own: int | None, usual: int) -> int:
    return usual if own is None else own


def _with_media(input_exact: int, output_exact: int, media: Media, price: Price) -> Cost:
    """Sound and text that go in are paid as input, images that come out as output.

    Units: ``…_exact`` nano-USD per million; sound is counted in thousandths of what has the price, so all is widened by that.
    """
    if media.audio_input:
        usual = price.input_per_million
        input_exact += media.audio_input * (_own_or(price.audio_input_per_million, usual) - usual)
    if media.audio_output:
        usual = price.output_per_million
        output_exact += media.audio_output * (_own_or(price.audio_output_per_million, usual) - usual)
    input_exact = (
        input_exact + media.characters * price.character_per_million
    ) * 1000 + media.sound_ms * price.second_per_million
    output_exact = (output_exact + media.images * price.image_per_million) * 1000
    whole = MILLION * 1000
    half = whole // 2
    return Cost(
        total=(input_exact + output_exact + half) // whole,
        input=(input_exact + half) // whole,
        output=(output_exact + half) // whole,
    )


def ceiling_of(
    price: Price, prompt_bound: int, completion_bound: int, pages_bound: int = 0, requests: int = 1,
    media_bound: Media | None = None,
) -> int:  # fmt: skip
    """The most that a call within these bounds can cost; rounded up, so that no settlement exceeds its hold by rounding.

    Units: tokens and pages in, nano-USD out.
    """
    exact = (
        prompt_bound * dearest_input(price, prompt_bound)
        + completion_bound * dearest_output(price, prompt_bound)
        + pages_bound * price.page_per_million
        + requests * price.request_per_million
    )
    if media_bound is not None:
        exact += media_exact(price, media_bound)
    return -(-exact // MILLION)


def media_exact(price: Price, media: Media) -> int:
    """What media cost, rounded up. Units: nano-USD per million out."""
    return (
        -(-media.sound_ms * price.second_per_million // 1000)
        + media.characters * price.character_per_million
        + media.images * price.image_per_million
    )


def affordable_output(price: Price, prompt_bound: int, rest_nano: int) -> int:
    """How many output tokens the rest of a budget covers once the prompt is paid; negative when not even that fits."""
    left = rest_nano * MILLION - prompt_bound * dearest_input(price, prompt_bound) - price.request_per_million
    if left < 0:
        return -1
    dearest = dearest_output(price, prompt_bound)
    return left // dearest if dearest else 2**62


def dearest_input(price: Price, prompt_bound: int = 0) -> int:
    """The highest price a prompt token can be charged at, in a prompt of up to this many."""
    dearest = max(
        price.input_per_million, price.cached_input_per_million or 0, price.cache_write_per_million or 0,
        price.audio_input_per_million or 0,
    )  # fmt: skip
    if prompt_bound > LONG_PROMPT:
        dearest = max(dearest, price.input_above_128k_per_million or 0)
    if prompt_bound > LONGER_PROMPT:
        dearest = max(
            dearest, price.input_above_200k_per_million or 0, price.cached_input_above_200k_per_million or 0,
            price.cache_write_above_200k_per_million or 0,
        )  # fmt: skip
    return dearest


def dearest_output(price: Price, prompt_bound: int = 0) -> int:
    """The highest price a completion token can be charged at, after a prompt of up to this many."""
    dearest = max(price.output_per_million, price.reasoning_per_million or 0, price.audio_output_per_million or 0)
    if prompt_bound > LONG_PROMPT:
        dearest = max(dearest, price.output_above_128k_per_million or 0)
    if prompt_bound > LONGER_PROMPT:
        dearest = max(dearest, price.output_above_200k_per_million or 0)
    return dearest
