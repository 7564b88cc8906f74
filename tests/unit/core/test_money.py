"""Are amounts read and written exactly, and refused where they are none?"""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemaas.core.money import (
    MAX_NANO,
    NANO,
    format_usd,
    nano_from_usd,
    per_million_from_usd_per_unit,
    usd_from_nano,
)

amounts = st.integers(-MAX_NANO, MAX_NANO)


@given(amounts)
def test_what_people_read_is_the_exact_amount_in_plain_digits(nano: int) -> None:
    told = format_usd(nano)
    assert "e" not in told.lower()
    assert nano_from_usd(told) == nano
    assert not told.endswith(".")
    assert "." not in told or not told.endswith("0")


@given(st.integers(-8_000_000 * NANO, 8_000_000 * NANO))
def test_json_carries_amounts_to_the_nano_dollar(nano: int) -> None:
    assert nano_from_usd(usd_from_nano(nano)) == nano


@pytest.mark.parametrize(
    ("amount", "nano"),
    [(0.1, 100_000_000), ("0.000025", 25_000), ("1e-9", 1), (3, 3 * NANO), (Decimal("2.5e-10"), 0), (7.5e-10, 1),
     ("5e-10", 0), ("15e-10", 2), (0.30000000000000004, 300_000_000), (" 1 ", NANO), (-0.5, -NANO // 2)],
)  # fmt: skip
def test_amounts_are_read_by_their_shortest_spelling_and_rounded_to_even(
    amount: float | str | Decimal, nano: int
) -> None:
    assert nano_from_usd(amount) == nano


@pytest.mark.parametrize("amount", ["", "one", "nan", "inf", "-inf", "1e10", "1e999999", "0x10", "1,5", "sNaN", 1e300])
def test_what_is_no_amount_or_too_much_is_refused_in_words(amount: object) -> None:
    with pytest.raises(ValueError, match="is not an amount of money"):
        nano_from_usd(amount)  # type: ignore[arg-type]


def test_prices_per_token_are_exact_to_a_millionth_of_a_micro_dollar() -> None:
    assert per_million_from_usd_per_unit("0.000001") == 1_000_000_000
    assert per_million_from_usd_per_unit(1.5e-12) == 1_500
    assert per_million_from_usd_per_unit("1e-15") == 1


@pytest.mark.parametrize("price", ["cheap", "nan", 1e9, ""])
def test_what_is_no_price_is_refused(price: object) -> None:
    with pytest.raises(ValueError, match="is not a"):
        per_million_from_usd_per_unit(price)  # type: ignore[arg-type]
