"""How does a budget come to be, change and end, and where does it stand? Every change is audited and told to the gateways."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any

import msgspec
from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.budgets import repository
from litemaas.control.budgets.drafts import BudgetDraft, BudgetKind, SpendKind, scope_of
from litemaas.control.http.feed import ChangeKind
from litemaas.control.http.work import Work
from litemaas.control.keys import repository as keys
from litemaas.control.keys.drafts import check_limits
from litemaas.core.errors import InvalidField, NotFound
from litemaas.core.keys import key_model_scope, key_scope
from litemaas.core.limits import EVERYTHING, BudgetRule, customer_of, customer_scope
from litemaas.core.windows import Window, window_at

_WINDOWS = 100
"""How many windows of a scope are shown."""


async def set_budget(work: Work, kind: BudgetKind, owner_id: str, draft: BudgetDraft) -> None:
    """Makes a budget or sets all of it. A new ``budget_duration`` keeps what was spent in the window that it ends.

    Errors: InvalidField.
    """
    if kind is BudgetKind.CUSTOMER and customer_of(owner_id) != owner_id:
        raise InvalidField("A customer's id has at most 256 characters.", "id")
    if kind is BudgetKind.INSTALLATION and owner_id != EVERYTHING:
        raise InvalidField(f"There is one installation: its id is {EVERYTHING!r}.", "id")
    connection = await work.connection()
    values = msgspec.structs.asdict(draft)
    check_limits(values)
    scope = scope_of(kind, owner_id)
    before = await repository.find_budget(connection, scope, lock=True)
    set_at, carried = work.now, 0
    if before is not None and before.budget_duration == draft.budget_duration:
        set_at = before.budget_set_at
    elif before is not None:
        carried = await _carry_spend(work, before, draft.budget_duration)
    await repository.put_budget(
        connection,
        values
        | {
            "scope": scope,
            "budget_set_at": set_at,
            "created_at": work.now,
            "created_by": work.actor,
            "updated_at": work.now,
            "updated_by": work.actor,
        },
    )
    work.changed(ChangeKind.BUDGET, scope)
    await record(work, "budget.set", "budget", scope, values | ({"carried_nano": carried} if carried else {}))


async def delete_budget(work: Work, kind: BudgetKind, owner_id: str) -> None:
    """Ends the limits; what was spent stays booked. Errors: NotFound."""
    scope = scope_of(kind, owner_id)
    if not await repository.delete_budget(await work.connection(), scope):
        raise budget_not_found()
    work.changed(ChangeKind.BUDGET, scope)
    await record(work, "budget.delete", "budget", scope, {})


async def release_lost(work: Work, kind: SpendKind, owner_id: str) -> int:
    """Returns what lost workers still have leased, on an administrator's word that it was not spent. Units: nano-USD."""
    scope = scope_of(kind, owner_id)
    released = await repository.release_lost(await work.connection(), scope)
    if released:
        await record(work, "budget.release", "budget", scope, {"released_nano": released})
    return released


async def reset_all(work: Work) -> int:
    """Every key and team begins at nothing spent; the ledger stays as it is. Returns how many had something."""
    scopes = await repository.clear_all(await work.connection(), ("key", "team"))
    if scopes:
        work.changed(ChangeKind.BUDGET, *scopes)
    await record(work, "budget.reset_all", "budget", "keys and teams", {"scopes": len(scopes)})
    return len(scopes)


async def spend_of(work: Work, rows: Sequence[Row[Any]]) -> dict[str, int]:
    """What is settled in each budget's current window. Units: nano-USD by scope."""
    windows = {row.scope: (row.scope, current_window(row, work.now, work.zone).start) for row in rows}
    booked = await keys.settled(await work.connection(), list(windows.values()))
    return {scope: booked.get(window, 0) for scope, window in windows.items()}


async def rules_of(work: Work, kind: SpendKind, owner_id: str) -> dict[str, BudgetRule]:
    """The rules that hold for what is booked on somebody, by scope.

    Errors: NotFound for a key that is none; others need no limits.
    """
    connection = await work.connection()
    scope = scope_of(kind, owner_id)
    if kind is not SpendKind.KEY:
        row = await repository.find_budget(connection, scope)
        if row is None and kind is SpendKind.CUSTOMER:
            row = await repository.find_budget(connection, customer_scope("*"))
        return {scope: _rule(scope, row)}
    key = await keys.find_key(connection, owner_id)
    if key is None:
        raise NotFound("The key was not found.", "id")
    rules = {scope: _rule(key_scope(owner_id), key)}
    for model, limit in key.model_limits.items():
        of_model = key_model_scope(owner_id, model)
        rules[of_model] = BudgetRule(
            of_model, "key and model", limit.get("max_budget_nano"), limit.get("budget_duration"), key.budget_set_at
        )
    return rules


def _rule(scope: str, row: Row[Any] | None) -> BudgetRule:
    level = scope.partition(":")[0]
    if row is None:
        return BudgetRule(scope, level)
    return BudgetRule(scope, level, row.max_budget_nano, row.budget_duration, row.budget_set_at)


async def windows_of(
    work: Work, kind: SpendKind, owner_id: str
) -> tuple[Sequence[Row[Any]], Sequence[Row[Any]], Sequence[Row[Any]]]:
    """Windows, and their leases and events."""
    connection = await work.connection()
    windows = await repository.windows_of(connection, scope_of(kind, owner_id), _WINDOWS)
    return windows, await repository.leases_of(connection, windows), await repository.events_of(connection, windows)


def current_window(row: Row[Any], now: datetime, zone: tzinfo) -> Window:
    return window_at(row.budget_duration, now, row.budget_set_at, zone)


def budget_not_found() -> NotFound:
    return NotFound("The budget was not found.", "id")


async def _carry_spend(work: Work, before: Row[Any], duration: str | None) -> int:
    """Returns what the new window begins with. Units: nano-USD."""
    connection = await work.connection()
    old = (before.scope, current_window(before, work.now, work.zone).start)
    new = (before.scope, window_at(duration, work.now, work.now, work.zone).start)
    booked = await keys.settled(connection, [old, new])
    spent = booked.get(old, 0)
    if new == old or spent <= booked.get(new, 0):
        return 0
    await keys.set_settled(connection, *new, spent)
    return spent
