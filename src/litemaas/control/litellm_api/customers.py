"""LiteLLM's customer calls: who stands behind calls, with which limits, and whom do we serve no more?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import Row

from litemaas.control.budgets import customers, plans
from litemaas.control.budgets.customers_repository import list_all
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.litellm_api.budgets import BudgetFields, plan_of
from litemaas.control.litellm_api.errors import Refused
from litemaas.control.litellm_api.gate import Access, facade_requires
from litemaas.control.litellm_api.key_requests import Usd, nano
from litemaas.control.litellm_api.plan_replies import plan_limits
from litemaas.control.usage import figures
from litemaas.control.usage.filters import UsageFilter
from litemaas.control.users import limits
from litemaas.core.errors import AlreadyExists, NotFound
from litemaas.core.limits import customer_scope
from litemaas.core.money import usd_from_nano

customer_routes = APIRouter(route_class=WorkRoute)
_MASTER = [facade_requires(Access.MASTER)]
_READER = [facade_requires(Access.READER)]
_MOST = 10_000
Ids = Annotated[list[str], Field(max_length=1000)]


class NewCustomer(BudgetFields):
    user_id: str
    alias: Annotated[str, Field(max_length=256)] | None = None
    blocked: bool = False
    budget_id: str | None = None
    spend: Usd | None = None
    allowed_model_region: Literal["eu", "us"] | None = None
    default_model: Annotated[str, Field(max_length=256)] | None = None


class Customers(BudgetFields):
    user_ids: Ids


def _columns(request: NewCustomer) -> dict[str, Any]:
    sent = request.model_fields_set
    values: dict[str, Any] = {}
    if "alias" in sent:
        values["alias"] = request.alias
    if "blocked" in sent:
        values["is_blocked"] = request.blocked
    return values


def _extras(request: NewCustomer, before: dict[str, Any]) -> dict[str, Any]:
    named = ("allowed_model_region", "default_model")
    return before | {name: getattr(request, name) for name in named if name in request.model_fields_set}


async def _plan(work: Work, request: NewCustomer, before: Row[Any] | None) -> dict[str, Any]:
    """Limits that a request names are a budget of the customer's own; ``budget_id`` names one that there is."""
    wanted = plan_of(request)
    if request.budget_id is not None or "budget_id" in request.model_fields_set:
        if request.budget_id is not None:
            await plans.limits_of(work, request.budget_id)
        return {"plan_id": request.budget_id}
    if not wanted:
        return {}
    own = before.extras.get("own_plan") if before is not None else None
    if own is not None and before is not None and before.plan_id == own:
        await plans.change(work, own, wanted)
        return {}
    plan_id = await plans.create(work, None, wanted)
    return {"plan_id": plan_id, "extras": {"own_plan": plan_id}}


@customer_routes.post("/new", dependencies=_MASTER)
async def new(work: WorkOf, request: NewCustomer) -> dict[str, Any]:
    """Makes a customer, with limits if any are named."""
    plan = await _plan(work, request, None)
    values = _columns(request) | plan | {"extras": _extras(request, plan.get("extras", {}))}
    try:
        await customers.create(work, request.user_id, values)
    except AlreadyExists as taken:
        raise Refused(400, "bad_request", "user_id", taken.message, detail=True) from None
    if spent := nano(request.spend, "spend"):
        await limits.set_spend(work, customer_scope(request.user_id), spent)
    row = await customers.held(work, request.user_id)
    return (await _shown(work, [row]))[0] | {"budget_id": row.plan_id}


@customer_routes.get("/info", dependencies=_READER)
async def info(work: WorkOf, end_user_id: str) -> dict[str, Any]:
    """A customer with its limits and spend."""
    try:
        row: Any = await customers.held(work, end_user_id)
    except NotFound as missing:
        if not (seen := await _seen(work, UsageFilter(end_users=(end_user_id,)))):
            raise Refused(404, "not_found", "end_user_id", missing.message, detail=True) from None
        [row] = seen
    return (await _shown(work, [row]))[0]


class Seen(msgspec.Struct, frozen=True):
    """A customer of whom only calls are known: whoever stands behind a call is one (gateway-api contract 5.7)."""

    id: str
    alias: str | None = None
    is_blocked: bool = False
    plan_id: str | None = None
    extras: dict[str, Any] = {}


async def _seen(work: Work, wanted: UsageFilter) -> list[Seen]:
    cells = await figures.grouped(await work.connection(), wanted, ("end_user",), ("cost_nano",))
    return [Seen(cell.g0) for cell in cells if cell.g0]


@customer_routes.get("/list", dependencies=_READER)
async def list_customers(work: WorkOf) -> list[dict[str, Any]]:
    """All customers, the newest first; then those of whom only calls are known, the dearest first."""
    kept = await list_all(await work.connection(), _MOST)
    known = {row.id for row in kept}
    seen = [one for one in await _seen(work, UsageFilter()) if one.id not in known]
    every: list[Row[Any] | Seen] = [*kept, *seen]
    return await _shown(work, every[:_MOST])


@customer_routes.post("/update", dependencies=_MASTER)
async def update(work: WorkOf, request: NewCustomer) -> dict[str, Any]:
    """Sets the members that were sent; whoever stood behind a call is a customer, too."""
    await _keep_if_seen(work, request.user_id)
    before = await customers.held(work, request.user_id, lock=True)
    plan = await _plan(work, request, before)
    extras = _extras(request, before.extras | plan.get("extras", {}))
    await customers.change(work, request.user_id, _columns(request) | plan | {"extras": extras})
    if (spent := nano(request.spend, "spend")) is not None:
        await limits.set_spend(work, customer_scope(request.user_id), spent)
    return (await _shown(work, [await customers.held(work, request.user_id)]))[0]


async def _keep_if_seen(work: Work, customer_id: str) -> None:
    try:
        await customers.held(work, customer_id)
    except NotFound:
        if await _seen(work, UsageFilter(end_users=(customer_id,))):
            await customers.create(work, customer_id, {})


@customer_routes.post("/delete", dependencies=_MASTER)
async def delete(work: WorkOf, request: Customers) -> dict[str, Any]:
    """Ends customers and their limits."""
    ids = sorted(set(request.user_ids))
    for customer_id in ids:
        await customers.delete(work, customer_id)
    return {"deleted_customers": len(ids), "message": f"Deleted {len(ids)} customers."}


@customer_routes.post("/block", dependencies=_MASTER)
async def block(work: WorkOf, request: Customers) -> dict[str, Any]:
    """Calls that name them are refused within a second; who is not known is made."""
    return await _set_blocked(work, request.user_ids, blocked=True)


@customer_routes.post("/unblock", dependencies=_MASTER)
async def unblock(work: WorkOf, request: Customers) -> dict[str, Any]:
    """Serves customers again."""
    return await _set_blocked(work, request.user_ids, blocked=False)


async def _set_blocked(work: Work, ids: Sequence[str], *, blocked: bool) -> dict[str, Any]:
    for customer_id in sorted(set(ids)):
        try:
            await customers.change(work, customer_id, {"is_blocked": blocked})
        except NotFound:
            if blocked:
                await customers.create(work, customer_id, {"is_blocked": True})
    rows = await list_all(await work.connection(), _MOST)
    return {
        "blocked_users": await _shown(work, [row for row in rows if row.is_blocked and (not blocked or row.id in ids)])
    }


async def _shown(work: Work, rows: Sequence[Row[Any] | Seen]) -> list[dict[str, Any]]:
    ids = {row.plan_id for row in rows if row.plan_id is not None}
    named = {plan.id: plan_limits(plan) for plan in await plans.held_many(work, ids)} if ids else {}
    spent = await _spend(work, rows)
    return [
        {
            "user_id": row.id,
            "alias": row.alias,
            "blocked": row.is_blocked,
            "spend": usd_from_nano(spent[row.id]),
            "allowed_model_region": row.extras.get("allowed_model_region"),
            "default_model": row.extras.get("default_model"),
            "litellm_budget_table": named.get(row.plan_id),
            "object_permission_id": None,
            "object_permission": None,
        }
        for row in rows
    ]


async def _spend(work: Work, rows: Sequence[Row[Any] | Seen]) -> dict[str, int]:
    """In the current window where there are limits, else all that is in the ledger. Units: nano-USD."""
    standings = await limits.standing_of(work, [customer_scope(row.id) for row in rows])
    spent = {row.id: standings[customer_scope(row.id)].spent_nano for row in rows}
    if free := tuple(row.id for row in rows if row.plan_id is None):
        wanted = UsageFilter(end_users=free)
        for cell in await figures.grouped(await work.connection(), wanted, ("end_user",), ("cost_nano",)):
            spent[cell.g0] = max(spent.get(cell.g0, 0), cell.cost_nano)
    return spent


router = APIRouter()
router.include_router(customer_routes, prefix="/customer")
router.include_router(customer_routes, prefix="/end_user")
