"""Why was a call blocked, and what can be done? One description, the same in the gateway's error, the record and the portal.

Source: control-plane contract 12.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from litemaas.core.entitlements import Block
from litemaas.core.errors import (
    BudgetExhausted,
    ContentJudgedUnfit,
    ContentRefused,
    KeyBlocked,
    KeyExpired,
    LiteMaaSError,
    ModelNotAllowed,
    QuotaExhausted,
    RateLimited,
    RouteNotAllowed,
)
from litemaas.core.limits import CAPACITY

MEMBER = "litemaas_refusal"
"""Where a record's ``metadata`` keeps the description."""
_RATES = {
    "requests": "requests_per_minute",
    "tokens": "tokens_per_minute",
    "max_parallel_requests": "parallel_requests",
}
_ACTIONS: dict[str, str] = {
    Block.KEY_DISABLED: "Enable the key, or use another one.",
    Block.KEY_REVOKED: "Make a new key: a revoked one stays revoked.",
    Block.KEY_EXPIRED: "Make a new key, or have its expiry moved.",
    Block.ACCOUNT_DISABLED: "Ask an administrator to enable the account.",
    Block.TEAM_DISABLED: "Ask an administrator: the team is not active, or the owner has left it.",
    Block.MODEL_NOT_ON_KEY: "Add the model to the key.",
    Block.ENDPOINT_NOT_PERMITTED: "Permit this kind of endpoint on the key, or use another key.",
    Block.SUBSCRIPTION_MISSING: "Subscribe to the model.",
    Block.SUBSCRIPTION_PENDING: "Wait for an administrator's approval.",
    Block.SUBSCRIPTION_DENIED: "Request a review of the subscription.",
    Block.SUBSCRIPTION_SUSPENDED: "Ask an administrator to resume the subscription.",
    Block.SUBSCRIPTION_EXPIRED: "Subscribe again.",
    Block.SUBSCRIPTION_ENDED: "Subscribe again.",
    Block.POLICY_DENIED: "Ask an administrator for access to the model.",
    Block.MODEL_UNAVAILABLE: "Choose another model.",
    Block.MODEL_RETIRED: "Choose the model's successor.",
    Block.QUOTA_EXCEEDED: "Wait for the next month, or ask an administrator for a higher quota.",
    "budget_exceeded": "Wait for the next budget window, or ask for a higher budget.",
    "requests_per_minute": "Send fewer requests, or wait a moment.",
    "tokens_per_minute": "Send fewer tokens, or wait a moment.",
    "parallel_requests": "Wait until a running call has ended.",
    "model_capacity": "Wait a moment: the model is in demand by everybody. Or choose another model.",
    "guardrail": "Change what the request contains.",
}


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Units: ``limit`` and ``used`` in ``unit``; null = there is no number. ``subject``: what the limit belongs to."""

    code: str
    level: str
    subject: str
    limit: int | None = None
    used: int | None = None
    unit: str | None = None
    window_start: datetime | None = None
    frees_at: datetime | None = None
    message: str
    action: str
    request_id: str
    at: datetime


def action_for(code: str) -> str:
    """What to do about a block."""
    return _ACTIONS.get(code, "Ask an administrator.")


def refusal_of(error: LiteMaaSError, subject: str, model: str, request_id: str, at: datetime) -> Refusal | None:
    """The description of a refusal; None for errors that are none. ``subject``: the key's id."""
    code, level = _code_and_level(error)
    if code is None:
        return None
    about: dict[str, Any] = {"message": str(error), "action": action_for(code), "request_id": request_id, "at": at}
    match error:
        case BudgetExhausted():
            return Refusal(
                code=code, level=level, subject=error.scope or subject, limit=error.limit_nano, used=error.spent_nano,
                unit="nano", window_start=error.window_start, frees_at=error.frees_at, **about,
            )  # fmt: skip
        case QuotaExhausted():
            return Refusal(
                code=code, level=level, subject=error.scope, limit=error.limit, used=error.used, unit=error.unit,
                window_start=error.window_start, frees_at=error.frees_at, **about,
            )  # fmt: skip
        case RateLimited():
            unit = "requests" if error.kind == "max_parallel_requests" else error.kind
            return Refusal(
                code=code, level=level, subject=model if code == "model_capacity" else subject, limit=error.limit, unit=unit,
                frees_at=error.reset_at, **about,
            )  # fmt: skip
    return Refusal(code=code, level=level, subject=model if level in ("model", "subscription") else subject, **about)


def _code_and_level(error: LiteMaaSError) -> tuple[str | None, str]:
    match error:
        case KeyBlocked():
            return error.block, {"account_disabled": "user", "team_disabled": "team"}.get(error.block, "key")
        case KeyExpired():
            return Block.KEY_EXPIRED.value, "key"
        case ModelNotAllowed():
            level = error.block.partition("_")[0]
            return error.block, level if level in ("subscription", "policy") else "model"
        case RouteNotAllowed():
            return Block.ENDPOINT_NOT_PERMITTED.value, "key"
        case BudgetExhausted():
            return "budget_exceeded", error.level
        case QuotaExhausted():
            return Block.QUOTA_EXCEEDED.value, "subscription"
        case RateLimited() if error.level == CAPACITY:
            return "model_capacity", "model"
        case RateLimited():
            return _RATES.get(error.kind, "requests_per_minute"), error.level
        case ContentRefused() | ContentJudgedUnfit():
            return "guardrail", "model"
    return None, ""
