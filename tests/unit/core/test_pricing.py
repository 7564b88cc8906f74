"""Is each token charged once, and can no call cost more than it was held at?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemaas.core.engine_usage import CompletionTokensDetails, EngineUsage, PromptTokensDetails
from litemaas.core.money import format_usd, nano_from_usd, per_million_from_usd_per_unit, usd_from_nano
from litemaas.core.pricing import Price, affordable_output, ceiling_of, cost_of
from litemaas.core.usage import Media, Usage, usage_of

per_million = st.integers(0, 10**11)
optional = st.none() | per_million
prices = st.builds(
    Price, input_per_million=per_million, output_per_million=per_million, cached_input_per_million=optional,
    cache_write_per_million=optional, reasoning_per_million=optional, page_per_million=per_million,
    request_per_million=per_million, second_per_million=per_million, character_per_million=per_million,
    image_per_million=per_million, audio_input_per_million=optional, audio_output_per_million=optional,
    input_above_128k_per_million=optional, output_above_128k_per_million=optional, input_above_200k_per_million=optional,
    output_above_200k_per_million=optional, cached_input_above_200k_per_million=optional,
    cache_write_above_200k_per_million=optional,
)  # fmt: skip
counts = st.integers(0, 300_000)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    prompt, completion = draw(counts), draw(counts)
    cached = draw(st.integers(0, prompt))
    written = draw(st.integers(0, prompt - cached))
    media = draw(st.none() | st.builds(Media, st.integers(0, 10**8), counts, st.integers(0, 100)))
    reasoning, pages = draw(st.integers(0, completion)), draw(st.integers(0, 50))
    if media is not None:
        heard, spoken = st.integers(0, prompt - cached - written), st.integers(0, completion - reasoning)
        media = Media(media.sound_ms, media.characters, media.images, False, draw(heard), draw(spoken))
    return Usage(prompt, completion, cached, written, reasoning, pages, media=media)


@given(usages(), prices)
def test_no_call_within_its_bounds_costs_more_than_it_was_held_at(usage: Usage, price: Price) -> None:
    held = ceiling_of(price, usage.prompt_tokens, usage.completion_tokens, usage.pages, media_bound=usage.media)

    assert 0 <= cost_of(usage, price).total <= held


@given(usages(), prices, st.integers(0, 200_000))
def test_a_prompt_that_is_shorter_than_its_bound_costs_no_more_either(usage: Usage, price: Price, more: int) -> None:
    held = ceiling_of(price, usage.prompt_tokens + more, usage.completion_tokens, usage.pages, media_bound=usage.media)

    assert cost_of(usage, price).total <= held


@given(usages(), prices)
def test_the_parts_of_a_cost_sum_to_it_within_a_nano_dollar(usage: Usage, price: Price) -> None:
    cost = cost_of(usage, price)

    assert abs(cost.input + cost.output - cost.total) <= 1


@given(prices, st.integers(0, 300_000), st.integers(0, 10**13))
def test_what_is_called_affordable_fits_into_the_rest(price: Price, prompt: int, rest: int) -> None:
    output = affordable_output(price, prompt, rest)

    if output < 0:
        assert ceiling_of(price, prompt, 0) > rest
    else:
        assert ceiling_of(price, prompt, min(output, 10**9)) <= rest


def test_a_cached_token_without_a_price_of_its_own_costs_what_others_cost() -> None:
    price = Price(input_per_million=1_000_000_000)

    assert cost_of(Usage(prompt_tokens=10, cached_tokens=4), price) == cost_of(Usage(prompt_tokens=10), price)


@pytest.mark.parametrize(
    ("prompt", "input_cost", "output_cost"), [(128_000, 128_000, 20), (128_001, 256_002, 30), (200_001, 800_004, 50)]
)
def test_all_tokens_of_a_long_prompts_call_cost_what_long_prompts_cost(
    prompt: int, input_cost: int, output_cost: int
) -> None:
    price = Price(
        input_per_million=10**6, output_per_million=2 * 10**6, input_above_128k_per_million=2 * 10**6,
        output_above_128k_per_million=3 * 10**6, input_above_200k_per_million=4 * 10**6,
        output_above_200k_per_million=5 * 10**6,
    )  # fmt: skip

    cost = cost_of(Usage(prompt, 10), price)

    assert (cost.input, cost.output) == (input_cost, output_cost)


def test_long_prompts_without_a_price_of_their_own_cost_what_others_do_and_caches_may_have_one() -> None:
    plain = Price(input_per_million=10**6, output_per_million=10**6, cached_input_per_million=10**5)
    own = Price(
        input_per_million=10**6, cached_input_per_million=10**5, cached_input_above_200k_per_million=2 * 10**5,
        cache_write_above_200k_per_million=3 * 10**6,
    )  # fmt: skip

    assert cost_of(Usage(300_000, 5), plain).total == 300_005
    assert cost_of(Usage(300_000, 0, cached_tokens=100_000), plain).total == 210_000
    assert (
        cost_of(Usage(300_000, 0, cached_tokens=100_000, cache_write_tokens=50_000), own).total
        == 150_000 + 20_000 + 150_000
    )


def test_tokens_of_sound_cost_their_own_price_or_that_of_text() -> None:
    report = EngineUsage(
        prompt_tokens=10, completion_tokens=8,
        prompt_tokens_details=PromptTokensDetails(cached_tokens=2, audio_tokens=5),
        completion_tokens_details=CompletionTokensDetails(reasoning_tokens=1, audio_tokens=99),
    )  # fmt: skip
    usage = usage_of(report)
    dear = Price(
        input_per_million=10**6, output_per_million=10**6, audio_input_per_million=10**8, audio_output_per_million=10**7
    )

    assert usage.media == Media(audio_input=5, audio_output=7)
    assert (cost_of(usage, dear).input, cost_of(usage, dear).output) == (5 + 5 * 100, 1 + 7 * 10)
    assert cost_of(usage, Price(input_per_million=10**6, output_per_million=10**6)).total == 18


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
