"""Are numbers written from the table the same as without it?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from litemaas.core.digits import digits, three_digits


@given(st.integers() | st.integers(-3, 3000))
def test_a_number_is_written_as_always(number: int) -> None:
    assert digits(number) == str(number)


@given(st.integers(0, 10**15))
def test_the_last_three_digits_are_there_with_their_zeros(number: int) -> None:
    assert three_digits(number) == f"{number:03d}"[-3:]
