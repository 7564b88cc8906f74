"""What do replies about keys need of other tables? Spend, the named budget, the owner, the team: in a few queries for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from litemaas.control.budgets import plans
from litemaas.control.http.work import Work
from litemaas.control.keys import service
from litemaas.control.litellm_api.key_replies import key_row
from litemaas.control.litellm_api.plan_replies import plan_limits
from litemaas.control.litellm_api.team_replies import alias_of, models_of
from litemaas.control.litellm_api.user_replies import role_of
from litemaas.control.teams import provisioning as teams
from litemaas.control.users import limits
from litemaas.control.users import repository as people
from litemaas.control.users.limits import Standing
from litemaas.core.limits import team_scope, user_scope
from litemaas.core.money import usd_from_nano


async def rows_shown(work: Work, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """``info`` of ``/key/info`` for each key."""
    spent = await service.spend_of(work, rows)
    named = await plans_of(work, rows)
    return [key_row(row, spent[row.key_hash], work) | plan for row, plan in zip(rows, named, strict=True)]


async def plans_of(work: Work, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """For each key the members about the budget that it names."""
    ids = {plan_id for row in rows if (plan_id := row.extras.get("budget_id"))}
    found = {plan.id: plan_limits(plan) for plan in await plans.held_many(work, ids)} if ids else {}
    return [
        {"budget_id": row.extras.get("budget_id"), "litellm_budget_table": found.get(row.extras.get("budget_id"))}
        for row in rows
    ]


async def owners_of(work: Work, rows: Sequence[Row[Any]]) -> dict[str, dict[str, Any]]:
    """By key hash: ``user_…`` and ``team_…`` of a full object of ``/key/list``."""
    connection = await work.connection()
    user_ids = sorted({row.user_id for row in rows if row.user_id is not None})
    team_ids = sorted({row.team_id for row in rows if row.team_id is not None})
    users = {user.id: user for user in await people.find_many(connection, user_ids)} if user_ids else {}
    paying = {team.id: team for team in await teams.held_many(work, team_ids)} if team_ids else {}
    standings = await limits.standing_of(work, [*map(user_scope, users), *map(team_scope, paying)])
    of_users = {one: _owner(row, standings[user_scope(one)]) for one, row in users.items()}
    of_teams = {one: _payer(row, standings[team_scope(one)]) for one, row in paying.items()}
    return {row.key_hash: of_users.get(row.user_id, {}) | of_teams.get(row.team_id, {}) for row in rows}


def _owner(row: Row[Any], standing: Standing) -> dict[str, Any]:
    return {"user_role": role_of(row), "user_email": row.email} | _limits("user", standing)


def _payer(row: Row[Any], standing: Standing) -> dict[str, Any]:
    about = {"team_alias": alias_of(row), "team_metadata": row.metadata, "team_models": models_of(row)}
    return about | {"team_blocked": not row.is_active} | _limits("team", standing)


def _limits(whose: str, standing: Standing) -> dict[str, Any]:
    budget = standing.max_budget_nano
    return {
        f"{whose}_spend": usd_from_nano(standing.spent_nano),
        f"{whose}_max_budget": None if budget is None else usd_from_nano(budget),
        f"{whose}_tpm_limit": standing.tpm_limit,
        f"{whose}_rpm_limit": standing.rpm_limit,
    }
