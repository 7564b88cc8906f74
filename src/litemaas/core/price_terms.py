"""What is charged, where that is not the price in the catalogue? A discount and a margin by provider, of LiteLLM's config.yaml.

A price is charged with its discount taken off and the margin put on the rest, then the margin's fixed part for each request.
What is charged is itself a price, so that holds, settlements and what a crash leaves are all of the same numbers; it is rounded
once, to 10⁻¹⁵ USD per unit. What costs nothing has no margin. Source: gateway-api contract 5.9, 7; LiteLLM's documentation,
"Provider discounts" and "Provider margins" (2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from litemaas.core.money import MILLION, per_million_from_usd_per_unit
from litemaas.core.price import Price

GLOBAL: Final = "global"
"""Whose margin holds for providers without one of their own."""
_MOST_MARGIN: Final = 100 * MILLION
_MOST_FIXED: Final = 10**18
_MOST_PRICE: Final = 2**63 - 1
_FIELDS: Final = tuple(field for field in Price.__struct_fields__ if field != "version")


class Terms(msgspec.Struct, frozen=True):
    """Units: millionths of a price; ``fixed_per_million``: nano-USD per million requests."""

    discount: int = 0
    margin: int = 0
    fixed_per_million: int = 0


AS_LISTED: Final = Terms()


def charged(price: Price, terms: Terms) -> Price:
    """The price that is charged; of the same version."""
    if terms == AS_LISTED or price.is_free:
        return price
    factor = (MILLION - terms.discount) * (MILLION + terms.margin)
    whole = MILLION * MILLION
    values: dict[str, int | None] = {"version": price.version}
    for field in _FIELDS:
        listed: int | None = getattr(price, field)
        values[field] = None if listed is None else min((listed * factor + whole // 2) // whole, _MOST_PRICE)
    values["request_per_million"] = min((values["request_per_million"] or 0) + terms.fixed_per_million, _MOST_PRICE)
    return Price(**values)  # type: ignore[arg-type]  # those without None have a number


def parts_of(listed_nano: int, charged_nano: int, terms: Terms) -> tuple[int, int]:
    """Discount and margin of a call, which lead from the one to the other exactly. Units: nano-USD."""
    discount = (listed_nano * terms.discount + MILLION // 2) // MILLION
    return discount, charged_nano - (listed_nano - discount)


def terms_of(provider: str, discounts: Mapping[str, Any], margins: Mapping[str, Any]) -> Terms:
    """What holds for a provider; both mappings as :func:`check_discounts` and :func:`check_margins` have passed them."""
    margin = margins.get(provider, margins.get(GLOBAL, 0))
    shares = margin if isinstance(margin, Mapping) else {"percentage": margin}
    return Terms(
        _millionths(discounts.get(provider, 0), MILLION),
        _millionths(shares.get("percentage") or 0, _MOST_MARGIN),
        _fixed(shares.get("fixed_amount") or 0),
    )


def check_discounts(written: Any, providers: frozenset[str]) -> dict[str, Any]:
    """``cost_discount_config``: shares from 0 to 1 by provider. Errors: ValueError naming the place."""
    for provider, share in _named(written, providers).items():
        try:
            _millionths(share, MILLION)
        except ValueError as error:
            raise ValueError(f"{provider}: {error}") from None
    return dict(written)


def check_margins(written: Any, providers: frozenset[str]) -> dict[str, Any]:
    """``cost_margin_config``: a share, or ``percentage`` and ``fixed_amount``, by provider or ``global``.

    Errors: ValueError naming the place.
    """
    for provider, margin in _named(written, providers | {GLOBAL}).items():
        if margin is None or (
            isinstance(margin, Mapping) and (margin.keys() - {"percentage", "fixed_amount"} or not margin)
        ):
            raise ValueError(f"{provider}: must be a share, or percentage and fixed_amount")
        try:
            terms_of(provider, {}, {provider: margin})
        except ValueError as error:
            raise ValueError(f"{provider}: {error}") from None
    return dict(written)


def _named(written: Any, names: frozenset[str]) -> Mapping[str, Any]:
    if not isinstance(written, Mapping):
        raise ValueError("must map providers to shares")  # noqa: TRY004 - as for all that is written wrongly
    if unknown := sorted(str(name) for name in written if name not in names):
        raise ValueError(f"there is no provider {unknown[0][:100]!r}; there are {', '.join(sorted(names))}")
    return written


def _millionths(share: Any, most: int) -> int:
    wrong = ValueError(f"must be a share from 0 to {most // MILLION} with at most six decimals, like 0.05 for 5 %")
    if isinstance(share, bool):
        raise wrong
    try:
        exact = Decimal(str(share)) * MILLION
        whole = int(exact)
    except (ArithmeticError, ValueError):
        raise wrong from None
    if whole != exact or not 0 <= whole <= most:
        raise wrong
    return whole


def _fixed(amount: Any) -> int:
    wrong = ValueError("fixed_amount must be an amount of USD for each request, from 0 to 1000")
    if isinstance(amount, bool):
        raise wrong
    try:
        nano = per_million_from_usd_per_unit(amount)
    except ValueError:
        raise wrong from None
    if not 0 <= nano <= _MOST_FIXED:
        raise wrong
    return nano
