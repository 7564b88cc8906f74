"""Who is a customer: somebody behind calls, without a key? They may be blocked, and have the limits of a budget with a name.

Customers without limits of their own have those of all customers, if there are any.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.budgets import customers_repository as repository
from litemaas.control.budgets import plans, service
from litemaas.control.budgets.drafts import BudgetDraft, BudgetKind
from litemaas.control.http.feed import ChangeKind
from litemaas.control.http.work import Work
from litemaas.core.errors import AlreadyExists, InvalidField, NotFound
from litemaas.core.limits import DEFAULT_CUSTOMER, customer_of, customer_scope


async def held(work: Work, customer_id: str, *, lock: bool = False) -> Row[Any]:
    """Errors: NotFound."""
    row = await repository.find(await work.connection(), customer_id, lock=lock)
    if row is None:
        raise NotFound(f"The customer {customer_id[:200]!r} was not found.", "user_id")
    return row


async def create(work: Work, customer_id: str, values: Mapping[str, Any]) -> None:
    """Errors: AlreadyExists, InvalidField."""
    if not customer_id or customer_id == DEFAULT_CUSTOMER or customer_of(customer_id) != customer_id:
        raise InvalidField("A customer's id has 1 to 256 characters and is not '*'.", "user_id")
    stamps = {"created_at": work.now, "created_by": work.actor, "updated_at": work.now, "updated_by": work.actor}
    if not await repository.add(await work.connection(), {"id": customer_id, **stamps, **values}):
        raise AlreadyExists(f"A customer with the id {customer_id!r} already exists.", "user_id")
    await record(work, "customer.created", "customer", customer_id, {"members": sorted(values)})
    if values.get("plan_id") is not None:
        await _limit(work, customer_id, values["plan_id"])
    work.changed(ChangeKind.BUDGET, customer_scope(customer_id))


async def change(work: Work, customer_id: str, values: Mapping[str, Any]) -> None:
    """Sets the named columns. Errors: NotFound, InvalidField."""
    before = await held(work, customer_id, lock=True)
    changed = {name: value for name, value in values.items() if getattr(before, name) != value}
    if not changed:
        return
    stamps = {"updated_at": work.now, "updated_by": work.actor}
    await repository.change(await work.connection(), customer_id, {**changed, **stamps})
    if "plan_id" in changed:
        await _limit(work, customer_id, changed["plan_id"])
    work.changed(ChangeKind.BUDGET, customer_scope(customer_id))
    await record(work, "customer.updated", "customer", customer_id, {"members": sorted(changed)})


async def delete(work: Work, customer_id: str) -> None:
    """Ends a customer and its limits; what was used stays attributed to the id. Errors: NotFound."""
    row = await held(work, customer_id, lock=True)
    await repository.remove(await work.connection(), customer_id)
    if row.plan_id is not None:
        await _limit(work, customer_id, None)
    work.changed(ChangeKind.BUDGET, customer_scope(customer_id))
    await record(work, "customer.deleted", "customer", customer_id, {})


async def _limit(work: Work, customer_id: str, plan_id: str | None) -> None:
    if plan_id is not None:
        limits = await plans.limits_of(work, plan_id)
        await service.set_budget(work, BudgetKind.CUSTOMER, customer_id, BudgetDraft(**limits))
        return
    try:
        await service.delete_budget(work, BudgetKind.CUSTOMER, customer_id)
    except NotFound:
        return  # somebody else ended the limits already
