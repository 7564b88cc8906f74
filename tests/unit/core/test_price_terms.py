"""Are discounts and margins charged to the last digit, never beyond what was held, and told so that they add up?"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemaas.core.price_terms import AS_LISTED, Terms, charged, check_discounts, check_margins, parts_of, terms_of
from litemaas.core.pricing import Price, ceiling_of, cost_of
from litemaas.core.usage import Usage

PROVIDERS = frozenset({"openai", "anthropic"})
TERMS = st.builds(Terms, st.integers(0, 10**6), st.integers(0, 10**7), st.integers(0, 10**15))
PRICES = st.builds(
    Price, st.just(7), st.integers(0, 10**12), st.integers(0, 10**12), st.none() | st.integers(0, 10**12),
    request_per_million=st.integers(0, 10**12),
)  # fmt: skip
USAGES = st.builds(Usage, st.integers(0, 10**5), st.integers(0, 10**5))


def test_a_discount_comes_off_first_the_margin_goes_on_the_rest_and_its_fixed_part_on_top():
    price = Price(3, input_per_million=1_000_000_000, output_per_million=2_000_000_000, request_per_million=10)
    paid = charged(price, Terms(50_000, 100_000, 500_000_000_000))
    assert (paid.version, paid.input_per_million, paid.output_per_million) == (3, 1_045_000_000, 2_090_000_000)
    assert paid.request_per_million == 500_000_000_010
    assert paid.cached_input_per_million is None
    cost = cost_of(Usage(11, 7), paid)
    assert cost.total == round(25_000 * 0.95 * 1.1) + 500_000 == 526_125


def test_without_terms_the_price_is_the_same_object_and_what_is_free_stays_so():
    price = Price(3, input_per_million=5)
    assert charged(price, AS_LISTED) is price
    free = Price(3)
    assert charged(free, Terms(0, 100_000, 10**9)) is free


@given(PRICES, TERMS, USAGES)
def test_no_call_costs_more_than_it_is_held_at_whatever_the_terms(price: Price, terms: Terms, usage: Usage):
    paid = charged(price, terms)
    assert cost_of(usage, paid).total <= ceiling_of(paid, usage.prompt_tokens, usage.completion_tokens)


@given(PRICES, TERMS, USAGES)
def test_discount_and_margin_lead_from_one_amount_to_the_other_exactly(price: Price, terms: Terms, usage: Usage):
    listed, paid = cost_of(usage, price).total, cost_of(usage, charged(price, terms)).total
    discount, margin = parts_of(listed, paid, terms)
    assert listed - discount + margin == paid
    assert 0 <= discount <= listed


@given(PRICES, TERMS, USAGES)
def test_what_is_charged_is_the_exact_share_to_the_nano_dollar(price: Price, terms: Terms, usage: Usage):
    if price.is_free:
        return
    tokens = usage.prompt_tokens * price.input_per_million + usage.completion_tokens * price.output_per_million
    exact = Decimal(tokens + price.request_per_million) * (10**6 - terms.discount) * (10**6 + terms.margin) / 10**12
    exact = (exact + terms.fixed_per_million) / 10**6
    # a price is rounded to 10⁻¹⁵ USD per unit, so that a call of less than a million units is off by half a nano-dollar at most
    assert abs(cost_of(usage, charged(price, terms)).total - exact) <= 1


@pytest.mark.parametrize(
    ("provider", "terms"),
    [
        ("openai", Terms(50_000, 80_000, 500_000_000_000)),
        ("anthropic", Terms(0, 100_000)),
        ("groq", Terms(0, 100_000)),
    ],
)
def test_a_provider_has_its_own_terms_or_the_global_margin(provider: str, terms: Terms):
    margins = {"global": 0.1, "openai": {"percentage": "0.08", "fixed_amount": 0.0005}}
    assert terms_of(provider, {"openai": 0.05}, margins) == terms


@pytest.mark.parametrize("share", [0, 1, 0.05, "0.05", 0.000001])
def test_shares_are_taken_as_numbers_and_texts(share: Any):
    assert check_discounts({"openai": share}, PROVIDERS) == {"openai": share}


@pytest.mark.parametrize(
    "written",
    [5, {"nobody": 0.1}, {"openai": 1.5}, {"openai": -0.1}, {"openai": 0.0000001}, {"openai": True}, {"openai": "much"},
     {"openai": None}, {"openai": [0.1]}, {"openai": float("nan")}, {"openai": float("inf")}, {"global": 0.1}],
)  # fmt: skip
def test_other_discounts_are_refused(written: Any):
    with pytest.raises(ValueError, match=r"must|no provider"):
        check_discounts(written, PROVIDERS)


@pytest.mark.parametrize(
    "written",
    [{"openai": 101}, {"openai": {}}, {"openai": {"percent": 1}}, {"openai": {"fixed_amount": -1}},
     {"openai": {"fixed_amount": 2000}}, {"openai": {"fixed_amount": True}}, {"openai": {"percentage": "x"}}, {"global": None}],
)  # fmt: skip
def test_other_margins_are_refused_by_their_place(written: Any):
    with pytest.raises(ValueError, match=next(iter(written))):
        check_margins(written, PROVIDERS)
