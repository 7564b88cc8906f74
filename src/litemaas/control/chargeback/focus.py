"""How does a line look to tools of cloud cost management? As rows of FOCUS 1.2, one per meter that was used.

Source: FinOps Open Cost and Usage Specification 1.2 as the control-plane contract 11 maps it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta, tzinfo
from typing import Any

import msgspec
from sqlalchemy import Row

from litemaas.control.chargeback.repository import after
from litemaas.core.money import MILLION, format_usd
from litemaas.core.price_terms import Terms, charged
from litemaas.core.pricing import Price
from litemaas.core.windows import midnight

Record = dict[str, Any]
COLUMNS = (
    "BilledCost", "EffectiveCost", "ContractedCost", "ListCost", "BillingAccountId", "BillingAccountName", "BillingCurrency",
    "BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd", "ChargeCategory", "ChargeClass",
    "ChargeFrequency", "ChargeDescription", "PricingCategory", "PricingQuantity", "PricingUnit", "ListUnitPrice",
    "ContractedUnitPrice", "ConsumedQuantity", "ConsumedUnit", "SkuId", "SkuPriceId", "SkuMeter", "ProviderName",
    "PublisherName", "InvoiceIssuerName", "ServiceCategory", "ServiceName", "ResourceId", "ResourceName", "ResourceType",
    "SubAccountId", "SubAccountName", "SubAccountType", "Tags", "x_CostCentre", "x_Requests", "x_Model",
)  # fmt: skip


class Issuer(msgspec.Struct, frozen=True):
    """Whose bill it is: settings group ``chargeback``, and the month's currency."""

    operator: str
    account_id: str
    account_name: str
    currency: str
    zone: tzinfo


def rows_of(line: Row[Any], month: date, issuer: Issuer) -> Iterator[Record]:
    """One row per meter; their costs add up to the line's. What was paid by neither tokens nor pages, such as sound or images,
    is metered in calls: the ledger's sums do not hold how much of it there was.
    """
    meters = [
        ("input tokens", "Tokens", line.prompt_tokens, line.input_cost_nano, line.input_per_million),
        ("output tokens", "Tokens", line.completion_tokens, line.output_cost_nano, line.output_per_million),
        ("pages", "Pages", line.pages, line.other_cost_nano, line.page_per_million),
    ]
    of_calls = sum(cost for _, _, quantity, cost, _ in meters if not quantity)
    meters = [meter for meter in meters if meter[2]]
    if of_calls:
        meters.append(("calls", "Requests", line.requests, of_calls, None))
    first = True
    for meter, unit, quantity, cost, per_million in meters:
        if quantity or cost:
            requests = line.requests if first else 0  # counted once, so that they add up as well
            yield _row(line, month, issuer, meter, unit, quantity, cost, per_million, requests)
            first = False


def _row(
    line: Row[Any], month: date, issuer: Issuer, meter: str, unit: str, quantity: int, cost: int, per_million: int | None,
    requests: int,
) -> Record:  # fmt: skip
    money = format_usd(cost)
    # A price per million units in nano-USD is a price per unit in 10⁻¹⁵ USD.
    paid = None if per_million is None else _charged(per_million, line)
    price = None if paid is None else _per_unit(paid)
    listed = None if per_million is None else _per_unit(per_million)
    list_cost = (
        money if paid == per_million or per_million is None else format_usd(round(quantity * per_million / MILLION))
    )
    sub = ("Team", line.team_id, line.team_name) if line.team_id else ("User", line.user_id, line.user_name)
    words = f"{line.model}, {meter}" + (f", {price} {issuer.currency} each" if price is not None else "")
    return {
        "BilledCost": money, "EffectiveCost": money, "ContractedCost": money, "ListCost": list_cost,
        "BillingAccountId": issuer.account_id, "BillingAccountName": issuer.account_name,
        "BillingCurrency": issuer.currency, "BillingPeriodStart": _instant(month, issuer),
        "BillingPeriodEnd": _instant(after(month), issuer),
        "ChargePeriodStart": _instant(line.day, issuer), "ChargePeriodEnd": _instant(line.day + timedelta(days=1), issuer),
        "ChargeCategory": "Credit" if cost < 0 else "Usage", "ChargeClass": "Correction" if line.correction else None,
        "ChargeFrequency": "Usage-Based", "ChargeDescription": words, "PricingCategory": "Standard",
        "PricingQuantity": quantity, "PricingUnit": unit, "ListUnitPrice": listed, "ContractedUnitPrice": price,
        "ConsumedQuantity": quantity, "ConsumedUnit": unit, "SkuId": f"{line.model}/{meter.replace(' ', '-')}",
        "SkuPriceId": str(line.price_version) if line.price_version else None, "SkuMeter": meter,
        "ProviderName": issuer.operator, "PublisherName": issuer.operator, "InvoiceIssuerName": issuer.operator,
        "ServiceCategory": "AI and Machine Learning", "ServiceName": "LiteMaaS", "ResourceId": line.key_id,
        "ResourceName": line.key_name, "ResourceType": "Virtual key", "SubAccountId": sub[1] or None,
        "SubAccountName": sub[2] or None, "SubAccountType": sub[0] if sub[1] else None, "Tags": "{}",
        "x_CostCentre": line.cost_centre, "x_Requests": requests, "x_Model": line.model,
    }  # fmt: skip


def _charged(per_million: int, line: Row[Any]) -> int:
    """The price with the discount and margin that its version is charged with."""
    if not line.discount_millionths and not line.margin_millionths:
        return per_million
    price = Price(input_per_million=per_million)
    return charged(price, Terms(line.discount_millionths, line.margin_millionths)).input_per_million


def _per_unit(per_million: int) -> str:
    whole, fraction = divmod(per_million, MILLION * 1_000_000_000)
    written = f"{whole}.{fraction:015d}".rstrip("0").rstrip(".")
    return written or "0"


def _instant(day: date, issuer: Issuer) -> str:
    """When a day begins where the installation is, written in UTC as FOCUS wants it."""
    return f"{midnight(day, issuer.zone):%Y-%m-%dT%H:%M:%SZ}"
