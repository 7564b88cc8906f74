"""How does a budget with a name look to LiteLLM's clients? As a row of its own, and inside of whoever names it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

from sqlalchemy import Row

from litemaas.control.budgets.plans import model_budgets
from litemaas.control.litellm_api.key_replies import with_z
from litemaas.core.money import usd_from_nano
from litemaas.core.windows import window_at

_NULL = (
    "organization", "projects", "keys", "end_users", "tags", "team_membership", "organization_membership",
)  # fmt: skip


def plan_limits(row: Row[Any]) -> dict[str, Any]:
    """``litellm_budget_table``."""
    return {
        "budget_id": row.id,
        "max_budget": _usd(row.max_budget_nano),
        "soft_budget": _usd(row.soft_budget_nano),
        "max_parallel_requests": row.max_parallel_requests,
        "tpm_limit": row.tpm_limit,
        "rpm_limit": row.rpm_limit,
        "model_max_budget": _per_model(row.extras),
        "budget_duration": row.budget_duration,
    }


def _per_model(extras: Mapping[str, Any]) -> dict[str, Any] | None:
    shown = {
        model: {"budget_limit": _usd(budget["max_budget_nano"]), "time_period": budget["budget_duration"]}
        for model, budget in model_budgets(extras).items()
    }
    return shown or None


def plan_row(row: Row[Any], now: datetime, zone: tzinfo) -> dict[str, Any]:
    window = window_at(row.budget_duration, now, row.budget_set_at, zone)
    stamps = {"created_at": with_z(row.created_at), "created_by": row.created_by,
              "updated_at": with_z(row.updated_at), "updated_by": row.updated_by}  # fmt: skip
    return {**plan_limits(row), "budget_reset_at": with_z(window.end), **stamps, **dict.fromkeys(_NULL)}


def _usd(nano: int | None) -> float | None:
    return None if nano is None else usd_from_nano(nano)
