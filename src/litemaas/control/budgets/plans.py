"""What is a budget that has a name? Limits that keys, people, teams and customers share as a form, each with its own spend.

Whoever names a plan has its limits where it has none of its own; a change of the plan reaches all of them at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.budgets import plans_repository as repository
from litemaas.control.http.feed import ChangeKind
from litemaas.control.http.work import Work
from litemaas.control.keys import service as keys
from litemaas.control.keys.drafts import check_limits
from litemaas.control.users import limits
from litemaas.core.errors import AlreadyExists, InvalidField, NotFound
from litemaas.core.limits import customer_scope, team_scope, user_scope

LIMITS = ("budget_duration", "tpm_limit", "rpm_limit", "max_parallel_requests")
COLUMNS = ("max_budget_nano", "soft_budget_nano", *LIMITS)
_MOST_CHARACTERS = 256


async def held(work: Work, plan_id: str, *, lock: bool = False) -> Row[Any]:
    """Errors: NotFound (field ``budget_id``)."""
    row = await repository.find(await work.connection(), plan_id, lock=lock)
    if row is None:
        raise NotFound(f"The budget {plan_id[:200]!r} was not found.", "budget_id")
    return row


async def held_many(work: Work, plan_ids: Collection[str]) -> Sequence[Row[Any]]:
    return await repository.find_many(await work.connection(), plan_ids)


async def limits_of(work: Work, plan_id: str) -> dict[str, Any]:
    """What a plan limits. Errors: InvalidField for a plan that is none."""
    row = await repository.find(await work.connection(), plan_id)
    if row is None:
        raise InvalidField(f"The budget {plan_id[:200]!r} was not found.", "budget_id")
    return {name: value for name in COLUMNS if (value := getattr(row, name)) is not None}


async def create(work: Work, plan_id: str | None, values: Mapping[str, Any]) -> str:
    """Errors: AlreadyExists, InvalidField."""
    check_limits({name: values[name] for name in COLUMNS if name in values})
    plan_id = plan_id or str(uuid4())
    if len(plan_id) > _MOST_CHARACTERS:
        raise InvalidField(f"A budget's id has at most {_MOST_CHARACTERS} characters.", "budget_id")
    stamps = {"created_at": work.now, "created_by": work.actor, "updated_at": work.now, "updated_by": work.actor}
    row = {"id": plan_id, "budget_set_at": work.now, **stamps, **values}
    if not await repository.add(await work.connection(), row):
        raise AlreadyExists(f"A budget with the id {plan_id!r} already exists.", "budget_id")
    await record(work, "budget_plan.created", "budget_plan", plan_id, dict(values))
    return plan_id


async def change(work: Work, plan_id: str, values: Mapping[str, Any]) -> None:
    """Sets the named members, also of all who name the plan and have no own. Errors: NotFound, InvalidField."""
    before = await held(work, plan_id, lock=True)
    wanted = {name: values[name] for name in COLUMNS if name in values}
    check_limits(wanted)
    connection = await work.connection()
    stamps = {"updated_at": work.now, "updated_by": work.actor}
    if "budget_duration" in wanted and wanted["budget_duration"] != before.budget_duration:
        stamps["budget_set_at"] = work.now
    await repository.change(connection, plan_id, {**values, **stamps})
    await record(work, "budget_plan.updated", "budget_plan", plan_id, dict(values))
    if wanted:
        await _spread(work, plan_id, wanted)


async def delete(work: Work, plan_id: str) -> None:
    """Whoever named it keeps its limits as own ones. Errors: NotFound."""
    await held(work, plan_id, lock=True)
    await repository.remove(await work.connection(), plan_id)
    await record(work, "budget_plan.deleted", "budget_plan", plan_id, {})


async def _spread(work: Work, plan_id: str, wanted: Mapping[str, Any]) -> None:
    connection = await work.connection()
    for key in await repository.keys_of(connection, plan_id):
        own = key.extras.get("own_limits", [])
        if values := {name: value for name, value in wanted.items() if name not in own}:
            await keys.change_key(work, key.key_hash, values)
    for row, scope in await repository.sharers_of(connection, plan_id):
        scopes = {"user": user_scope, "team": team_scope, "customer": customer_scope}
        own = row.extras.get("own_limits", [])
        if values := {name: value for name, value in wanted.items() if name not in own}:
            await limits.set_limits(work, [scopes[scope](row.id)], values)
            work.changed(ChangeKind.BUDGET, scopes[scope](row.id))
