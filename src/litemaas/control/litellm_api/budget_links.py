"""What do requests mean that name a budget, or limits beside it? The budget's limits, where none of one's own is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from litemaas.control.budgets import plans
from litemaas.control.http.work import Work
from litemaas.control.keys.drafts import ModelLimit
from litemaas.control.litellm_api.key_requests import KeyRequest, columns_of, limits_of
from litemaas.control.litellm_api.team_requests import TeamRequest
from litemaas.control.users import limits


async def key_columns(work: Work, request: KeyRequest, before: Row[Any] | None) -> dict[str, Any]:
    """As :func:`columns_of`, with what the key has of a budget. Errors: InvalidField."""
    columns = columns_of(request, work.now, before)
    extras = dict(before.extras) if before is not None else {}
    sent = {name: columns[name] for name in plans.COLUMNS if name in columns}
    if plans.PER_MODEL in request.model_fields_set:
        sent[plans.PER_MODEL] = request.model_max_budget or None
    if not _concerns_a_budget(request, extras, sent):
        return columns
    current: dict[str, Any] = {}
    if before is not None:
        current = {name: getattr(before, name) for name in plans.COLUMNS}
        current[plans.PER_MODEL] = (
            any(limit.max_budget_nano is not None for limit in limits_of(before).values()) or None
        )
    plan_id = _budget_of(request, extras)
    link = await plans.link(work, plan_id, extras, current, sent)
    values = dict(link.values)
    if plans.PER_MODEL in values:
        known: Mapping[str, ModelLimit] = columns.get("model_limits", limits_of(before) if before is not None else {})
        columns["model_limits"] = plans.with_model_budgets(known, values.pop(plans.PER_MODEL))
    return columns | values | {"extras": _noted(columns.get("extras", extras), plan_id, link)}


async def shared_limits(
    work: Work,
    scope: str,
    request: KeyRequest | TeamRequest,
    columns: dict[str, Any],
    wanted: Mapping[str, Any],
    before: Row[Any] | None,
) -> dict[str, Any]:
    """The limits that a user or team gets; ``columns`` note which of them are its own. Errors: InvalidField."""  # fmt: skip
    extras = dict(before.extras) if before is not None else {}
    if not _concerns_a_budget(request, extras, wanted):
        return dict(wanted)
    current: dict[str, Any] = {}
    if before is not None:
        standing = (await limits.standing_of(work, [scope]))[scope]
        current = {name: getattr(standing, name) for name in limits.NAMES}
    plan_id = _budget_of(request, extras)
    link = await plans.link(work, plan_id, extras, current, wanted)
    columns["extras"] = _noted(columns.get("extras", extras), plan_id, link)
    return {**wanted, **{name: value for name, value in link.values.items() if name != plans.PER_MODEL}}


def _concerns_a_budget(request: KeyRequest | TeamRequest, extras: Mapping[str, Any], sent: Mapping[str, Any]) -> bool:
    had = extras.get("budget_id") is not None
    return (had and bool(sent)) or _budget_of(request, extras) != extras.get("budget_id")


def _budget_of(request: KeyRequest | TeamRequest, extras: Mapping[str, Any]) -> str | None:
    return (request.budget_id or None) if "budget_id" in request.model_fields_set else extras.get("budget_id")


def _noted(extras: Mapping[str, Any], plan_id: str | None, link: plans.Link) -> dict[str, Any]:
    kept = {name: value for name, value in extras.items() if name not in ("budget_id", "own_limits")}
    return kept if plan_id is None else kept | {"budget_id": plan_id, "own_limits": link.own}
