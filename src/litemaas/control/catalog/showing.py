"""How do stored models become what people and administrators see? Read in a fixed number of queries, however many there are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.catalog import repository
from litemaas.control.catalog.model_schemas import TYPE_OF, ModelOut, ModelReference, ModelShown, Pricing
from litemaas.control.catalog.schemas import DeploymentOut, PriceOut
from litemaas.control.http.etags import etag
from litemaas.core.catalog import Health, Mode, health_of
from litemaas.core.price_terms import Terms, charged
from litemaas.core.pricing import Price


class Background:
    """What stands behind models, read once for all of them."""

    def __init__(self, deployments: Sequence[Row[Any]], successors: Sequence[Row[Any]]) -> None:
        self.deployments: dict[str, list[Row[Any]]] = {}
        for row in deployments:
            self.deployments.setdefault(row.model_name, []).append(row)
        self._successors = {row.id: row for row in successors}

    @classmethod
    async def read(cls, connection: AsyncConnection, rows: Sequence[Row[Any]]) -> Background:
        deployments = await repository.list_deployments(connection, [row.name for row in rows])
        successors = [row.successor_id for row in rows if row.successor_id is not None]
        return cls(deployments, await repository.list_by_ids(connection, successors) if successors else [])

    def shown(self, row: Row[Any]) -> ModelShown:
        """What everybody may know: prices as they are charged."""
        return ModelShown(**self._members(row, is_charged=True))

    def full(self, row: Row[Any]) -> ModelOut:
        """What administrators know."""
        names = ("access_groups", "info", "rpm_limit", "tpm_limit", "status_changed_at", "updated_at")
        return ModelOut(
            **self._members(row), mode=Mode(row.mode), **{name: getattr(row, name) for name in names},
            deployments=[deployment_out(one) for one in self.deployments.get(row.name, ())],
        )  # fmt: skip

    def _members(self, row: Row[Any], *, is_charged: bool = False) -> dict[str, Any]:
        behind = self.deployments.get(row.name, [])
        computed = {"type", "pricing", "health", "successor"}
        return {name: row._mapping[name] for name in ModelShown.model_fields.keys() - computed} | {
            "type": TYPE_OF[Mode(row.mode)],
            "pricing": pricing_of(row, behind, is_charged=is_charged),
            "health": health_of(Health(one.health) for one in behind if one.enabled),
            "successor": self._successor(row.successor_id),
        }

    def _successor(self, model_id: str | None) -> ModelReference | None:
        row = self._successors.get(model_id) if model_id else None
        return ModelReference(id=row.id, name=row.name, display_name=row.display_name) if row is not None else None


def pricing_of(model: Row[Any], deployments: Sequence[Row[Any]], *, is_charged: bool = False) -> Pricing | None:
    """The model's price, or the highest of its deployments; None: nobody has set one.

    ``is_charged``: with discounts and margins.
    """
    stated = [{field: getattr(one, field) for field in repository.PRICE_FIELDS} for one in deployments]
    prices = [_charged(price, one) for price, one in zip(stated, deployments, strict=True)] if is_charged else stated
    if not prices:
        return None if model.pricing is None else Pricing(**model.pricing, varies=False)
    if model.pricing is None and not any(value for price in prices for value in price.values()):
        return None
    highest: dict[str, int | None] = {}
    for field in repository.PRICE_FIELDS:
        known = [value for price in prices if (value := price[field]) is not None]
        highest[field] = max(known) if known else None
    return Pricing(**highest, varies=any(price != prices[0] for price in prices))


def _charged(price: dict[str, int | None], row: Row[Any]) -> dict[str, int | None]:
    terms = Terms(*(getattr(row, column) for column in repository.TERMS))
    paid = charged(Price(**price), terms)  # type: ignore[arg-type]  # those without None have a number
    return {field: getattr(paid, field) for field in repository.PRICE_FIELDS}


def deployment_out(row: Row[Any]) -> DeploymentOut:
    values = dict(row._mapping)
    prices = {field: values[field] for field in repository.PRICE_FIELDS}
    return DeploymentOut(
        **{field: values[field] for field in DeploymentOut.model_fields.keys() & values.keys() - {"extra_headers"}},
        model=values["model_name"],
        has_api_key=values["api_key_sealed"] is not None,
        api_key_mark=_mark(values["api_key_sealed"]),
        extra_headers=sorted(values["extra_headers"]),
        price=PriceOut(version=values["price_version"], **prices),
    )


def _mark(sealed: bytes | None) -> str | None:
    """Of what is sealed: each sealing is different, even of the same key."""
    return hashlib.sha256(sealed).hexdigest()[:16] if sealed is not None else None


def price_out(row: Row[Any]) -> PriceOut:
    return PriceOut(**{field: row._mapping[field] for field in PriceOut.model_fields})


def steady(shown: ModelOut) -> ModelOut:
    """Without what changes by itself: a check of health does not make somebody's edit outdated."""
    unknown = {"health": Health.UNKNOWN, "health_at": None, "health_detail": None}
    still = [one.model_copy(update=unknown) for one in shown.deployments]
    return shown.model_copy(update={"health": Health.UNKNOWN, "deployments": still})


def model_etag(shown: ModelOut) -> str:
    return etag(steady(shown))
