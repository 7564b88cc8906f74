"""How does a user look to LiteLLM's clients? Every member of contract 3.3 is there, also where it is null."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from litemaas.control.litellm_api.key_replies import with_z
from litemaas.control.litellm_api.user_requests import ROLES
from litemaas.control.users.limits import Standing
from litemaas.core.money import usd_from_nano

_ALWAYS_NULL = (
    "team_id", "organization_id", "object_permission_id", "password", "litellm_organization_table",
    "invitations_created", "invitations_updated", "invitations_user",
)  # fmt: skip
_NOT_IN_LISTS = (
    "team_id", "organization_id", "object_permission_id", "password", "max_parallel_requests", "allowed_cache_controls",
    "policies", "litellm_organization_table", "invitations_created", "invitations_updated", "invitations_user",
)  # fmt: skip


def role_of(row: Row[Any]) -> str:
    """The strongest, in LiteLLM's word."""
    held = {*row.granted_roles, *row.derived_roles}
    return next((word for word, role in ROLES.items() if role in held), "internal_user")


def user_row(row: Row[Any], standing: Standing, teams: Sequence[str]) -> dict[str, Any]:
    extras = row.extras
    return {
        **dict.fromkeys(_ALWAYS_NULL),
        "user_id": row.id,
        "user_alias": row.full_name,
        "user_email": row.email,
        "user_role": role_of(row),
        "sso_user_id": extras.get("sso_user_id"),
        "teams": list(teams),
        "spend": usd_from_nano(standing.spent_nano),
        **limits_shown(standing),
        "budget_reset_at": with_z(standing.budget_reset_at),
        "models": extras.get("models", []),
        "metadata": row.metadata,
        "allowed_cache_controls": extras.get("allowed_cache_controls", []),
        "policies": extras.get("policies", []),
        "model_spend": {},
        "model_max_budget": extras.get("model_max_budget", {}),
        "object_permission": extras.get("object_permission"),
        "organization_memberships": [],
        "created_at": with_z(row.created_at),
        "updated_at": with_z(row.updated_at),
    }


def listed_user(row: Row[Any], standing: Standing, teams: Sequence[str], keys: int) -> dict[str, Any]:
    """An entry of ``/user/list``."""
    members = {k: v for k, v in user_row(row, standing, teams).items() if k not in _NOT_IN_LISTS}
    return members | {"key_count": keys}


def limits_shown(standing: Standing) -> dict[str, Any]:
    """Units: USD."""
    budget = standing.max_budget_nano
    return {
        "max_budget": None if budget is None else usd_from_nano(budget),
        "budget_duration": standing.budget_duration,
        "tpm_limit": standing.tpm_limit,
        "rpm_limit": standing.rpm_limit,
        "max_parallel_requests": standing.max_parallel_requests,
    }
