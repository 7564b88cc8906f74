"""How is money counted? In whole nano-USD (10⁻⁹ USD), so that sums are exact; decimals exist only at the edges."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation, Overflow
from typing import Final

from litemaas.core.digits import digits, three_digits

NANO: Final = 1_000_000_000
MILLION: Final = 1_000_000
MAX_NANO: Final = 2**63 - 1
"""What PostgreSQL's bigint holds: about 9.2 billion USD."""


def nano_from_usd(amount: float | int | str | Decimal) -> int:
    """Reads an amount in USD as clients write it; floats are read by their shortest spelling, so 0.1 is a tenth.

    Units: USD in, nano-USD out, rounded half to even.
    Errors: ValueError when it is not a finite number or does not fit into 64 bits.
    """
    try:
        nano = (Decimal(str(amount)) * NANO).to_integral_value(ROUND_HALF_EVEN)
    except (InvalidOperation, Overflow) as error:
        raise ValueError(f"{amount!r} is not an amount of money") from error
    if not nano.is_finite() or abs(nano) > MAX_NANO:
        raise ValueError(f"{amount!r} is not an amount of money")
    return int(nano)


def usd_from_nano(nano: int) -> float:
    """Writes an amount for JSON in USD; exact to the nano-dollar up to eight million USD.

    Units: nano-USD in, USD out.
    """
    return nano / NANO


def format_usd(nano: int) -> str:
    """Writes an amount as people and headers read it: a plain decimal without exponent or trailing zeros."""
    sign = "-" if nano < 0 else ""
    whole, fraction = divmod(abs(nano), NANO)
    return f"{sign}{whole}.{fraction:09d}".rstrip("0").rstrip(".") if fraction else f"{sign}{whole}"


def nine_decimals(nano: int) -> str:
    """An amount of nano-USD that is not negative, in USD with all its decimals; for what is written per call."""
    thousands = nano // 1000
    return f"{digits(nano // NANO)}.{three_digits(thousands // 1000)}{three_digits(thousands)}{three_digits(nano)}"


def per_million_from_usd_per_unit(price: float | int | str | Decimal) -> int:
    """Reads a price per token (or page, or request) in USD.

    Units: USD per unit in, nano-USD per million units out. 10⁻¹⁵ USD per token is the finest step that is kept exactly.
    """
    try:
        return nano_from_usd(Decimal(str(price)) * MILLION)
    except (InvalidOperation, Overflow) as error:
        raise ValueError(f"{price!r} is not a price") from error
