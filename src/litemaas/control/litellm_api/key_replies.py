"""How does a key look to LiteLLM's clients? Every member of contract 3.2 is there, also where it is null."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

from litemaas.control.http.work import Work
from litemaas.control.keys.lifecycle import ROTATED_AT, ROTATIONS
from litemaas.control.keys.rotating import rotation_due
from litemaas.control.keys.service import current_window
from litemaas.control.litellm_api.key_requests import limits_of
from litemaas.core.money import usd_from_nano


def with_z(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment else None


def with_offset(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    # 1.81 leaves the fraction out where there is none, as in "2026-12-01T00:00:00+00:00".
    return moment.astimezone(UTC).isoformat()


def generated(row: Row[Any], secret: str, spent_nano: int) -> dict[str, Any]:
    """The reply of ``/key/generate``."""
    extras = row.extras
    soft = {} if row.soft_budget_nano is None else {"soft_budget": usd_from_nano(row.soft_budget_nano)}
    return {
        "key": secret,
        "key_name": row.key_name,
        "key_alias": row.alias,
        "token": row.key_hash,
        "token_id": row.key_hash,
        "expires": with_z(row.expires_at),
        "duration": None,
        **_limits(row, spent_nano),
        **soft,
        "model_rpm_limit": None,
        "model_tpm_limit": None,
        "tags": None,
        "blocked": row.blocked or None,
        "guardrails": extras.get("guardrails"),
        "policies": extras.get("policies"),
        "prompts": extras.get("prompts"),
        "enforced_params": extras.get("enforced_params"),
        "allowed_passthrough_routes": extras.get("allowed_passthrough_routes"),
        "allowed_vector_store_indexes": extras.get("allowed_vector_store_indexes"),
        "rpm_limit_type": extras.get("rpm_limit_type"),
        "tpm_limit_type": extras.get("tpm_limit_type"),
        "object_permission": extras.get("object_permission"),
        "budget_id": extras.get("budget_id"),
        "organization_id": extras.get("organization_id"),
        "project_id": extras.get("project_id"),
        "litellm_budget_table": None,
        "created_at": with_z(row.created_at),
        "created_by": row.created_by,
        "updated_at": with_z(row.updated_at),
        "updated_by": row.updated_by,
    }


_LISTS = ("models", "allowed_cache_controls", "allowed_routes", "access_group_ids")
_OBJECTS = ("metadata", "aliases", "config", "permissions", "router_settings", "model_max_budget")
_NOTHING = (
    "key_name", "key_alias", "token", "token_id", "expires", "duration", "user_id", "team_id", "agent_id",
    "max_parallel_requests", "tpm_limit", "rpm_limit", "max_budget", "budget_duration", "model_rpm_limit",
    "model_tpm_limit", "tags", "blocked", "guardrails", "policies", "prompts", "enforced_params",
    "allowed_passthrough_routes", "allowed_vector_store_indexes", "rpm_limit_type", "tpm_limit_type",
    "object_permission", "budget_id", "organization_id", "project_id", "litellm_budget_table", "created_at",
    "created_by", "updated_at", "updated_by",
)  # fmt: skip


def no_key() -> dict[str, Any]:
    """The reply of ``/key/generate`` where no key was made."""
    empty: dict[str, Any] = {name: [] for name in _LISTS} | {name: {} for name in _OBJECTS}
    return {**dict.fromkeys(_NOTHING), **empty, "key": "", "spend": 0.0}


def key_row(row: Row[Any], spent_nano: int, work: Work) -> dict[str, Any]:
    """``info`` of ``/key/info``; also the body of updates and blocks."""
    extras = row.extras
    return {
        "key_name": row.key_name,
        "key_alias": row.alias,
        "soft_budget_cooldown": False,
        "expires": with_offset(row.expires_at),
        **_limits(row, spent_nano),
        "budget_reset_at": with_offset(current_window(row, work.now, work.zone).end),
        "policies": extras.get("policies", []),
        "model_spend": {},
        "blocked": row.blocked or None,
        "project_id": extras.get("project_id"),
        "budget_id": extras.get("budget_id"),
        "organization_id": extras.get("organization_id"),
        "object_permission_id": None,
        "object_permission": extras.get("object_permission"),
        "created_at": with_offset(row.created_at),
        "created_by": row.created_by,
        "updated_at": with_offset(row.updated_at),
        "updated_by": row.updated_by,
        "last_active": None,
        "rotation_count": extras.get(ROTATIONS, 0),
        "auto_rotate": extras.get("auto_rotate", False),
        "rotation_interval": extras.get("rotation_interval"),
        "last_rotation_at": extras.get(ROTATED_AT),
        "key_rotation_at": with_offset(rotation_due(row)),
        "litellm_budget_table": None,
        "litellm_organization_table": None,
        "litellm_project_table": None,
    }


_NOT_IN_LISTS = ("policies", "budget_id", "organization_id", "litellm_organization_table", "litellm_project_table")


def listed(row: Row[Any], spent_nano: int, work: Work) -> dict[str, Any]:
    """A full object of ``/key/list``."""
    members = {name: value for name, value in key_row(row, spent_nano, work).items() if name not in _NOT_IN_LISTS}
    user = {f"user_{name}": None for name in ("role", "email", "spend", "max_budget", "tpm_limit", "rpm_limit")}
    team_members = ("alias", "spend", "max_budget", "tpm_limit", "rpm_limit", "metadata", "member")
    team = {f"team_{name}": None for name in team_members}
    return {
        "token": row.key_hash,
        **members,
        "expires": with_z(row.expires_at),
        "org_id": row.extras.get("organization_id"),
        "soft_budget": None if row.soft_budget_nano is None else usd_from_nano(row.soft_budget_nano),
        **user,
        **team,
        "team_models": [],
        "team_blocked": False,
    }


def _for_a_while(stored: dict[str, Any] | None) -> dict[str, Any]:
    if not stored:
        return {}
    return {
        "temp_budget_increase": usd_from_nano(stored["increase_nano"]), "temp_budget_expiry": stored["until"]
    }  # fmt: skip


def _limits(row: Row[Any], spent_nano: int) -> dict[str, Any]:
    """What the replies have in common."""
    extras = row.extras
    limits = limits_of(row)
    budgets = {
        model: {"budget_limit": usd_from_nano(limit.max_budget_nano), "time_period": limit.budget_duration}
        for model, limit in limits.items()
        if limit.max_budget_nano is not None
    }
    rpm = {model: limit.rpm for model, limit in limits.items() if limit.rpm is not None}
    tpm = {model: limit.tpm for model, limit in limits.items() if limit.tpm is not None}
    shown = ({"model_rpm_limit": rpm} if rpm else {}) | ({"model_tpm_limit": tpm} if tpm else {})
    return {
        "spend": usd_from_nano(spent_nano),
        "models": row.models,
        "aliases": row.aliases,
        "config": extras.get("config", {}),
        "router_settings": extras.get("router_settings", {}),
        "user_id": row.user_id,
        "team_id": row.team_id,
        "agent_id": extras.get("agent_id"),
        "permissions": extras.get("permissions", {}),
        "max_parallel_requests": row.max_parallel_requests,
        "metadata": row.metadata | shown | _for_a_while(extras.get("temp_budget")),
        "tpm_limit": row.tpm_limit,
        "rpm_limit": row.rpm_limit,
        "max_budget": None if row.max_budget_nano is None else usd_from_nano(row.max_budget_nano),
        "budget_duration": row.budget_duration,
        "model_max_budget": budgets,
        "allowed_cache_controls": extras.get("allowed_cache_controls", []),
        "allowed_routes": extras.get("allowed_routes", []),
        "access_group_ids": extras.get("access_group_ids", []),
    }
