"""Does FOCUS tell the price in the catalogue beside what was charged, where a discount or margin lies between them?"""

from __future__ import annotations

from datetime import UTC, date
from types import SimpleNamespace
from typing import Any, cast

import pytest

from litemaas.control.chargeback.focus import Issuer, rows_of

ISSUER = Issuer("operator", "a1", "account", "USD", UTC)
NOBODY = {
    "team_id": None,
    "team_name": None,
    "user_id": None,
    "user_name": None,
    "key_id": "k",
    "key_name": "k",
    "cost_centre": "c",
}


@pytest.mark.parametrize(("discount", "margin", "charged"), [(0, 0, "0.000001"), (200_000, 100_000, "0.00000088")])
def test_list_and_contracted_prices_stand_beside_one_another(discount: int, margin: int, charged: str):
    cost = 1_000_000 * (10**6 - discount) * (10**6 + margin) // 10**12
    line = SimpleNamespace(
        day=date(2026, 11, 1), model="granite", price_version=3, correction=False, requests=2, prompt_tokens=1_000,
        completion_tokens=0, pages=0, input_cost_nano=cost, output_cost_nano=0, other_cost_nano=0,
        input_per_million=1_000_000_000, output_per_million=0, page_per_million=0, discount_millionths=discount,
        margin_millionths=margin, **NOBODY,
    )  # fmt: skip
    [row] = rows_of(cast("Any", line), date(2026, 11, 1), ISSUER)
    assert (row["ListUnitPrice"], row["ContractedUnitPrice"]) == ("0.000001", charged)
    assert (row["ListCost"], row["BilledCost"]) == ("0.001", f"{cost / 1e9:.9f}".rstrip("0"))
