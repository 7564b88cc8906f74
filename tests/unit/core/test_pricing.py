"""Is each token charged once, and can no call cost more than it was held at?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemaas.core.engine_usage import EngineUsage
from litemaas.core.money import format_usd, nano_from_usd, per_million_from_usd_per_unit, usd_from_nano
from litemaas.core.pricing import Price, affordable_output, ceiling_of, cost_of
from litemaas.core.usage import Media, Usage, usage_of

per_million = st.integers(0, 10**11)
optional = st.none() | per_million
prices = st.builds(
    Price, input_per_million=per_million, output_per_million=per_million, cached_input_per_million=optional,
    cache_write_per_million=optional, reasoning_per_million=optional, page_per_million=per_million,
    request_per_million=per_million, second_per_million=per_million, character_per_million=per_million,
    image_per_million=per_million,
)  # fmt: skip
counts = st.integers(0, 200_000)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    prompt, completion = draw(counts), draw(counts)
    cached = draw(st.integers(0, prompt))
    written = draw(st.integers(0, prompt - cached))
    media = draw(st.none() | st.builds(Media, st.integers(0, 10**8), counts, st.integers(0, 100)))
    reasoning, pages = draw(st.integers(0, completion)), draw(st.integers(0, 50))
    return Usage(prompt, completion, cached, written, reasoning, pages, media=media)


@given(usages(), prices)
def test_no_call_within_its_bounds_costs_more_than_it_was_held_at(usage: Usage, price: Price) -> None:
    held = ceiling_of(price, usage.prompt_tokens, usage.completion_tokens, usage.pages, media_bound=usage.media)

    assert 0 <= cost_of(usage, price).total <= held


@given(usages(), prices)
def test_the_parts_of_a_cost_sum_to_it_within_a_nano_dollar(usage: Usage, price: Price) -> None:
    cost = cost_of(usage, price)

    assert abs(cost.input + cost.output - cost.total) <= 1


@given(prices, st.integers(0, 100_000), st.integers(0, 10**12))
def test_what_is_called_affordable_fits_into_the_rest(price: Price, prompt: int, rest: int) -> None:
    output = affordable_output(price, prompt, rest)

    if output < 0:
        assert ceiling_of(price, prompt, 0) > rest
    else:
        assert ceiling_of(price, prompt, min(output, 10**9)) <= rest


def test_a_cached_token_without_a_price_of_its_own_costs_what_others_cost() -> None:
    price = Price(input_per_million=1_000_000_000)

    assert cost_of(Usage(prompt_tokens=10, cached_tokens=4), price) == cost_of(Usage(prompt_tokens=10), price)


def test_each_token_is_charged_once_in_its_most_specific_part() -> None:
    price = Price(
        input_per_million=10**9, output_per_million=2 * 10**9, cached_input_per_million=10**8,
        cache_write_per_million=3 * 10**9, reasoning_per_million=5 * 10**9,
    )  # fmt: skip

    cost = cost_of(Usage(10, 8, cached_tokens=4, cache_write_tokens=1, reasoning_tokens=3), price)

    assert (cost.input, cost.output) == (5 * 1000 + 4 * 100 + 1 * 3000, 5 * 2000 + 3 * 5000)


def test_sound_characters_and_images_are_paid_to_the_nano_dollar_each_on_its_side() -> None:
    price = Price(
        second_per_million=per_million_from_usd_per_unit("0.0001"),
        character_per_million=per_million_from_usd_per_unit("0.000015"),
        image_per_million=per_million_from_usd_per_unit("0.04"),
    )

    heard = cost_of(Usage(media=Media(sound_ms=12_345)), price)
    spoken = cost_of(Usage(media=Media(characters=7)), price)
    made = cost_of(Usage(media=Media(images=3)), price)

    assert (heard.total, heard.input, heard.output) == (1_234_500, 1_234_500, 0)
    assert (spoken.total, spoken.input, spoken.output) == (105_000, 105_000, 0)
    assert (made.total, made.input, made.output) == (120_000_000, 0, 120_000_000)


def test_a_price_of_media_alone_is_not_free() -> None:
    assert not Price(second_per_million=1).is_free
    assert not Price(character_per_million=1).is_free
    assert not Price(image_per_million=1).is_free


def test_the_contracts_example_costs_25_micro_dollars() -> None:
    price = Price(
        input_per_million=per_million_from_usd_per_unit(0.000001),
        output_per_million=per_million_from_usd_per_unit("0.000002"),
    )

    assert cost_of(Usage(11, 7), price).total == nano_from_usd(0.000025)


@given(st.integers(-(10**15), 10**15))
def test_money_survives_the_way_out_and_back(nano: int) -> None:
    assert nano_from_usd(usd_from_nano(nano)) == nano
    assert nano_from_usd(format_usd(nano)) == nano


@pytest.mark.parametrize("amount", ["much", "nan", "inf", float("nan"), 1e30, "1e400", None])
def test_what_is_no_amount_is_refused(amount: object) -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        nano_from_usd(amount)  # type: ignore[arg-type]


def test_an_engines_nonsense_does_not_make_negative_parts() -> None:
    usage = usage_of(EngineUsage(prompt_tokens=-5, completion_tokens=None))

    assert (usage.prompt_tokens, usage.completion_tokens) == (0, 0)
