"""LiteLLM's calls for discounts and margins: what is charged where that is not the price in the catalogue?"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from litemaas.control.catalog import price_terms as service
from litemaas.control.http.work import WorkOf, WorkRoute
from litemaas.control.litellm_api.gate import Access, facade_requires

router = APIRouter(prefix="/config", route_class=WorkRoute)
_READER = [facade_requires(Access.READER)]
_MASTER = [facade_requires(Access.MASTER)]


@router.get("/cost_discount_config", dependencies=_READER)
async def discounts(work: WorkOf) -> dict[str, Any]:
    """Discounts by provider, as shares: 0.05 is 5 %."""
    return {"values": await service.read(work, service.DISCOUNTS)}


@router.patch("/cost_discount_config", dependencies=_MASTER)
async def change_discounts(work: WorkOf, values: dict[str, Any]) -> dict[str, Any]:
    """Puts all discounts; calls that begin from now on are charged so."""
    return _done(await service.write(work, service.DISCOUNTS, values))


@router.get("/cost_margin_config", dependencies=_READER)
async def margins(work: WorkOf) -> dict[str, Any]:
    """Margins by provider, or `global`: a share, or `percentage` and `fixed_amount`."""
    return {"values": await service.read(work, service.MARGINS)}


@router.patch("/cost_margin_config", dependencies=_MASTER)
async def change_margins(work: WorkOf, values: dict[str, Any]) -> dict[str, Any]:
    """Puts all margins; calls that begin from now on are charged so."""
    return _done(await service.write(work, service.MARGINS, values))


def _done(values: dict[str, Any]) -> dict[str, Any]:
    return {"message": "They hold for calls that begin from now on.", "status": "success", "values": values}
