"""What is a budget that has a name? Limits that keys, people, teams and customers share as a form, each with its own spend.

Whoever names a plan has its limits where it has none of its own; a change of the plan reaches all of them at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import uuid4

import msgspec
from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.budgets import plans_repository as repository
from litemaas.control.http.feed import ChangeKind
from litemaas.control.http.work import Work
from litemaas.control.keys import service as keys
from litemaas.control.keys.drafts import ModelLimit, check_limits
from litemaas.control.users import limits
from litemaas.core.errors import AlreadyExists, InvalidField, NotFound
from litemaas.core.limits import DEFAULT_CUSTOMER, customer_scope, team_scope, user_scope
from litemaas.core.money import nano_from_usd

LIMITS = ("budget_duration", "tpm_limit", "rpm_limit", "max_parallel_requests")
COLUMNS = ("max_budget_nano", "soft_budget_nano", *LIMITS)
PER_MODEL = "model_max_budget"
"""What a plan says of single models, by their public names; only keys have such limits."""
OF_KEYS = (*COLUMNS, PER_MODEL)
_MOST_CHARACTERS = 256


class Link(msgspec.Struct, frozen=True):
    """What somebody has of a plan. ``values``: limits to set; None ends one. ``own``: names of those that are no plan's."""

    values: dict[str, Any]
    own: list[str]


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


async def link(
    work: Work, plan_id: str | None, extras: Mapping[str, Any], current: Mapping[str, Any], sent: Mapping[str, Any]
) -> Link:
    """Names a plan, another or none for somebody; what a former plan gave goes with it.

    ``current``: limits that they have; ``sent``: those named in the same breath, where null means those of the plan. Errors:
    InvalidField.
    """
    planned: dict[str, Any] = {}
    if plan_id is not None:
        planned = dict(await limits_of(work, plan_id))
        row = await held(work, plan_id)
        planned |= {PER_MODEL: model_budgets(row.extras)} if row.extras.get(PER_MODEL) else {}
    had_plan = extras.get("budget_id") is not None
    named = {name for name, value in sent.items() if value is not None}
    if had_plan:
        own = set(extras.get("own_limits", [])) - sent.keys() | named
    else:
        own = {
            name for name, value in current.items() if value is not None and name not in planned
        } - sent.keys() | named
    values = {name: planned.get(name) for name in OF_KEYS if name not in own and (had_plan or name in planned)}
    return Link(values, sorted(own))


def model_budgets(extras: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What a plan's ``extras`` say of single models, as members of a key's limits per model. Units: nano-USD."""
    told = {}
    for model, budget in (extras.get(PER_MODEL) or {}).items():
        amount = budget.get("budget_limit")
        amount = budget.get("max_budget") if amount is None else amount
        nano = None if amount is None else nano_from_usd(str(amount))
        told[model] = {
            "max_budget_nano": nano, "budget_duration": budget.get("time_period") or budget.get("budget_duration")
        }  # fmt: skip
    return told


def with_model_budgets(
    limits: Mapping[str, ModelLimit], budgets: Mapping[str, Mapping[str, Any]] | None
) -> dict[str, ModelLimit]:
    """A key's limits per model with these budgets in place of those that there are."""
    none = {
        name: msgspec.structs.replace(one, max_budget_nano=None, budget_duration=None) for name, one in limits.items()
    }
    given = {
        name: msgspec.structs.replace(none.get(name, ModelLimit()), **budget)
        for name, budget in (budgets or {}).items()
    }
    return {name: limit for name, limit in {**none, **given}.items() if limit != ModelLimit()}


async def create(work: Work, plan_id: str | None, values: Mapping[str, Any]) -> str:
    """Errors: AlreadyExists, InvalidField."""
    _check(values)
    plan_id = plan_id or str(uuid4())
    if len(plan_id) > _MOST_CHARACTERS:
        raise InvalidField(f"A budget's id has at most {_MOST_CHARACTERS} characters.", "budget_id")
    stamps = {"created_at": work.now, "created_by": work.actor, "updated_at": work.now, "updated_by": work.actor}
    row = {"id": plan_id, "budget_set_at": work.now, **stamps, **values}
    if not await repository.add(await work.connection(), row):
        raise AlreadyExists(f"A budget with the id {plan_id!r} already exists.", "budget_id")
    _announce(work)
    await record(work, "budget_plan.created", "budget_plan", plan_id, dict(values))
    return plan_id


async def change(work: Work, plan_id: str, values: Mapping[str, Any]) -> None:
    """Sets the named members, also of all who name the plan and have no own. Errors: NotFound, InvalidField."""
    before = await held(work, plan_id, lock=True)
    _check(values)
    wanted = {name: values[name] for name in COLUMNS if name in values}
    if "extras" in values:
        wanted[PER_MODEL] = model_budgets(values["extras"])
    connection = await work.connection()
    stamps = {"updated_at": work.now, "updated_by": work.actor}
    if "budget_duration" in wanted and wanted["budget_duration"] != before.budget_duration:
        stamps["budget_set_at"] = work.now
    await repository.change(connection, plan_id, {**values, **stamps})
    await record(work, "budget_plan.updated", "budget_plan", plan_id, dict(values))
    if wanted:
        await _spread(work, plan_id, wanted)
        _announce(work)


def _announce(work: Work) -> None:
    """A gateway may have been told that customers without a budget have this one."""
    work.changed(ChangeKind.BUDGET, customer_scope(DEFAULT_CUSTOMER))


def _check(values: Mapping[str, Any]) -> None:
    """Errors: InvalidField."""
    check_limits({name: values[name] for name in COLUMNS if name in values})
    per_model = with_model_budgets({}, model_budgets(values.get("extras", {})))
    check_limits({"model_limits": per_model})


async def delete(work: Work, plan_id: str) -> None:
    """Whoever named it keeps its limits as own ones. Errors: NotFound."""
    await held(work, plan_id, lock=True)
    await repository.remove(await work.connection(), plan_id)
    _announce(work)
    await record(work, "budget_plan.deleted", "budget_plan", plan_id, {})


async def _spread(work: Work, plan_id: str, wanted: Mapping[str, Any]) -> None:
    connection = await work.connection()
    for key in await repository.keys_of(connection, plan_id):
        values = _not_own(key.extras, wanted)
        if PER_MODEL in values:
            limits_before = msgspec.convert(key.model_limits, dict[str, ModelLimit])
            values["model_limits"] = with_model_budgets(limits_before, values.pop(PER_MODEL))
        if values:
            await keys.change_key(work, key.key_hash, values)
    for row, scope in await repository.sharers_of(connection, plan_id):
        scopes = {"user": user_scope, "team": team_scope, "customer": customer_scope}
        values = _not_own(row.extras, wanted)
        values.pop(PER_MODEL, None)
        if values:
            await limits.set_limits(work, [scopes[scope](row.id)], values)
            work.changed(ChangeKind.BUDGET, scopes[scope](row.id))


def _not_own(extras: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if name not in extras.get("own_limits", [])}
