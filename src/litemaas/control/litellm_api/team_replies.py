"""How does a team look to LiteLLM's clients? Its row, its members' memberships and its keys; any number in a few queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from litemaas.control.http.work import Work
from litemaas.control.keys import repository as keys
from litemaas.control.keys.repository import KeyFilter
from litemaas.control.keys.service import spend_of
from litemaas.control.litellm_api.key_replies import key_row, with_z
from litemaas.control.litellm_api.user_replies import limits_shown
from litemaas.control.teams import repository
from litemaas.control.users import limits
from litemaas.control.users.limits import Standing
from litemaas.core.limits import member_scope, team_scope
from litemaas.core.money import usd_from_nano

MOST_KEYS = 1000
_NULL = ("model_id", "object_permission", "object_permission_id")
_OF_CHANGES = ("allow_team_guardrail_config", "litellm_organization_table", "projects")


class Team:
    """A team with what its replies need of other tables."""

    def __init__(self, row: Row[Any], standing: Standing, members: Sequence[Row[Any]]) -> None:
        self.row = row
        self.standing = standing
        self.members = members


async def teams_of(work: Work, rows: Sequence[Row[Any]]) -> list[Team]:
    standings = await limits.standing_of(work, [team_scope(row.id) for row in rows])
    members: dict[str, list[Row[Any]]] = defaultdict(list)
    for member in await repository.members_of(await work.connection(), [row.id for row in rows]):
        members[member.team_id].append(member)
    return [Team(row, standings[team_scope(row.id)], members[row.id]) for row in rows]


def alias_of(row: Row[Any]) -> str | None:
    """A team that was made without an alias is called as its id here."""
    return row.alias if row.alias is not None else row.name if row.name != row.id else None


def team_row(team: Team, *, changed: bool = False) -> dict[str, Any]:
    """``changed``: with the members that only replies to changes have."""
    row, extras = team.row, team.row.extras
    more: dict[str, Any] = {}
    if changed:
        more = {**dict.fromkeys(_OF_CHANGES), "model_spend": {}, "model_max_budget": {}, "policies": []}
    soft = extras.get("soft_budget_nano")
    return {
        **dict.fromkeys(_NULL),
        "team_id": row.id,
        "team_alias": alias_of(row),
        "organization_id": extras.get("organization_id"),
        "admins": extras.get("admins", []),
        "members": extras.get("members", []),
        "members_with_roles": _members(team),
        "team_member_permissions": extras.get("team_member_permissions", []),
        "metadata": row.metadata | _in_metadata(extras),
        **limits_shown(team.standing),
        "soft_budget": None if soft is None else usd_from_nano(soft),
        "budget_reset_at": with_z(team.standing.budget_reset_at),
        "spend": usd_from_nano(team.standing.spent_nano),
        "models": models_of(row),
        "blocked": not row.is_active,
        "router_settings": {},
        "access_group_ids": [],
        "litellm_model_table": _aliases(row),
        "created_at": with_z(row.created_at),
        "updated_at": with_z(row.updated_at),
        **more,
    }


def models_of(row: Row[Any]) -> list[str]:
    """As they were sent; empty = every model."""
    sent: list[str] | None = row.extras.get("models")
    if sent is not None:
        return sent
    return [] if row.allowed_models is None else row.allowed_models or ["no-default-models"]


def _in_metadata(extras: dict[str, Any]) -> dict[str, Any]:
    names = ("model_rpm_limit", "model_tpm_limit", "tags", "guardrails", "team_member_key_duration")
    return {name: extras[name] for name in names if name in extras}


def _members(team: Team) -> list[dict[str, Any]]:
    made_by = team.row.extras.get("made_by")
    shown = [{"user_id": made_by, "user_email": None, "role": "admin"}] if made_by and not team.members else []
    return shown + [
        {"user_id": one.user_id, "user_email": one.email, "role": "admin" if one.role == "admin" else "user"}
        for one in team.members
    ]


def _aliases(row: Row[Any]) -> dict[str, Any] | None:
    aliases = row.extras.get("model_aliases")
    if not aliases:
        return None
    stamps = {"created_by": row.created_by, "updated_by": row.updated_by}
    return {"id": row.id, "model_aliases": aliases, **stamps, "team": None}


def member_budget(team: Team) -> dict[str, Any] | None:
    nano = team.row.member_default_budget_nano
    limits = {name: team.row.extras.get(f"team_member_{name}") for name in ("tpm_limit", "rpm_limit")}
    return None if nano is None and not any(limits.values()) else _budget(team, nano) | limits


def _budget(team: Team, nano: int | None) -> dict[str, Any]:
    return {
        "budget_id": None, "max_budget": None if nano is None else usd_from_nano(nano), "soft_budget": None,
        "max_parallel_requests": None, "tpm_limit": None, "rpm_limit": None, "model_max_budget": None,
        "budget_duration": team.standing.budget_duration,
    }  # fmt: skip


async def memberships(work: Work, team: Team) -> list[dict[str, Any]]:
    """With what each member has spent in the team's current window."""
    scopes = {one.user_id: member_scope(team.row.id, one.user_id) for one in team.members}
    spent = await limits.spent_inside(work, team_scope(team.row.id), list(scopes.values()))
    return [
        {
            "user_id": one.user_id,
            "team_id": team.row.id,
            "budget_id": None,
            "spend": usd_from_nano(spent[scopes[one.user_id]]),
            "litellm_budget_table": _own_limits(team, one),
        }
        for one in team.members
    ]


def _own_limits(team: Team, member: Row[Any]) -> dict[str, Any] | None:
    if member.max_budget_nano is None and member.tpm_limit is None and member.rpm_limit is None:
        return None
    limits = {"tpm_limit": member.tpm_limit, "rpm_limit": member.rpm_limit}
    return _budget(team, member.max_budget_nano) | limits


async def keys_of(work: Work, team_id: str) -> list[dict[str, Any]]:
    rows, _ = await keys.list_keys(await work.connection(), KeyFilter(team_id=team_id), 0, MOST_KEYS)
    spent = await spend_of(work, rows)
    return [{"token": row.key_hash, **key_row(row, spent[row.key_hash], work)} for row in rows]


async def full_rows(work: Work, teams: Sequence[Team]) -> list[dict[str, Any]]:
    """Entries of ``/team/list``."""
    return [
        team_row(team) | {"team_memberships": await memberships(work, team), "keys": await keys_of(work, team.row.id)}
        for team in teams
    ]
