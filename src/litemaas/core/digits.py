"""How are the numbers of a call written quickly? The small ones, which are most of them, from a table.

To write a whole number costs compiled code some two hundred instructions, and a call writes dozens of them.
"""

from __future__ import annotations

from typing import Final

_SMALL: Final = [str(number) for number in range(2048)]
_THREE: Final = [f"{number:03d}" for number in range(1000)]


def digits(number: int) -> str:
    """The same as ``str``."""
    return _SMALL[number] if 0 <= number < 2048 else str(number)


def three_digits(number: int) -> str:
    """A number below a thousand with all its zeros; what is more is cut off."""
    return _THREE[number % 1000]
