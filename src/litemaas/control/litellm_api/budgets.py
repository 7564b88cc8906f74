"""LiteLLM's budget calls: which limits have a name that keys, people, teams and customers can be given?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from litemaas.control.budgets import plans, plans_repository
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.litellm_api.gate import Access, facade_requires
from litemaas.control.litellm_api.key_requests import ModelBudget, Usd, nano
from litemaas.control.litellm_api.plan_replies import plan_row

router = APIRouter(prefix="/budget", route_class=WorkRoute)
_MASTER = [facade_requires(Access.MASTER)]
_READER = [facade_requires(Access.READER)]
_MOST = 1000


class BudgetFields(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    max_budget: Usd | None = None
    soft_budget: Usd | None = None
    max_parallel_requests: int | None = None
    tpm_limit: int | None = None
    rpm_limit: int | None = None
    budget_duration: str | None = None
    model_max_budget: dict[str, ModelBudget] | None = None


class NewBudget(BudgetFields):
    budget_id: str | None = None
    budget_reset_at: datetime | None = None


class BudgetChange(BudgetFields):
    budget_id: str
    budget_reset_at: datetime | None = None


class BudgetList(BaseModel):
    budgets: Annotated[list[str], Field(max_length=_MOST)]


class BudgetDeletion(BaseModel):
    id: str


def plan_of(request: BudgetFields) -> dict[str, Any]:
    """Columns of a named budget that a request sets. Errors: InvalidField."""
    sent = request.model_fields_set
    values: dict[str, Any] = {name: getattr(request, name) for name in plans.LIMITS if name in sent}
    for name in ("max_budget", "soft_budget"):
        if name in sent:
            values[f"{name}_nano"] = nano(getattr(request, name), name)
    if "model_max_budget" in sent:
        for budget in (request.model_max_budget or {}).values():
            for amount in (budget.budget_limit, budget.max_budget):
                nano(amount, "model_max_budget")
        kept = request.model_dump(mode="json", include={"model_max_budget"}, exclude_none=True).get("model_max_budget")
        values["extras"] = {"model_max_budget": kept} if kept else {}
    return values


@router.post("/new", dependencies=_MASTER)
async def new(work: WorkOf, request: NewBudget) -> dict[str, Any]:
    """Gives limits a name."""
    return await _row(work, await plans.create(work, request.budget_id, plan_of(request)))


@router.post("/update", dependencies=_MASTER)
async def update(work: WorkOf, request: BudgetChange) -> dict[str, Any]:
    """Sets limits, also of all who have this budget."""
    await plans.change(work, request.budget_id, plan_of(request))
    return await _row(work, request.budget_id)


@router.post("/info", dependencies=_READER)
async def info(work: WorkOf, request: BudgetList) -> list[dict[str, Any]]:
    """Those of the named budgets that there are."""
    return [plan_row(row, work.now, work.zone) for row in await plans.held_many(work, request.budgets)]


@router.get("/list", dependencies=_READER)
async def list_budgets(work: WorkOf) -> list[dict[str, Any]]:
    """All budgets with a name, the newest first."""
    return [plan_row(row, work.now, work.zone) for row in await plans_repository.list_all(await work.connection())]


@router.get("/settings", dependencies=_READER)
async def settings(work: WorkOf, budget_id: str) -> list[dict[str, Any]]:
    """What can be set of a budget, and what it is."""
    row = await plans.held(work, budget_id)
    shown = plan_row(row, work.now, work.zone)
    kinds = {"max_budget": "Float", "soft_budget": "Float", "budget_duration": "String"}
    return [
        {
            "field_name": name, "field_type": kinds.get(name, "Integer"), "field_description": text,
            "field_value": shown[name], "stored_in_db": True, "field_default_value": None, "premium_field": False,
        }
        for name, text in _MEANINGS.items()
    ]  # fmt: skip


_MEANINGS = {
    "max_budget": "What may be spent in a window, in USD.",
    "soft_budget": "At which spend somebody is told, in USD.",
    "budget_duration": "After what time spend begins at nothing, like 30d.",
    "max_parallel_requests": "How many calls may run at once.",
    "tpm_limit": "Tokens per minute.",
    "rpm_limit": "Requests per minute.",
}


@router.post("/delete", dependencies=_MASTER)
async def delete(work: WorkOf, request: BudgetDeletion) -> dict[str, Any]:
    """Whoever had it keeps its limits as own ones."""
    gone = await _row(work, request.id)
    await plans.delete(work, request.id)
    return gone


async def _row(work: Work, plan_id: str) -> dict[str, Any]:
    row: Row[Any] = await plans.held(work, plan_id)
    return plan_row(row, work.now, work.zone)
