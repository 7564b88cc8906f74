"""What does the access rule say of a key's models? From rows as they are stored, the same for both planes.

Source: control-plane contract 7.1. Rows come from different drivers; they are looked into by column name.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from litemaas.core.catalog import Lifecycle
from litemaas.core.entitlements import Block, Effect, Facts, Payer, Policy, first_block, judge
from litemaas.core.keys import Access
from litemaas.core.limits import quota_rules
from litemaas.core.subscriptions import Status


def facts_of(row: Any, policies: Sequence[Policy], payer: Payer, team_models: Sequence[str] | None) -> Facts:
    """``row``: a model (``name``, ``tags``, ``restricted_access``, ``lifecycle``, ``has_endpoint``) with the payer's
    subscription (``status``, ``expires_at``), which may be NULL.
    """
    return Facts(
        model=row["name"],
        team_models=team_models,
        subscription=Status(row["status"]) if row["status"] is not None else None,
        subscription_expires_at=row["expires_at"],
        verdict=judge(policies, payer, row["name"], row["tags"], row["restricted_access"]),
        lifecycle=Lifecycle(row["lifecycle"]),
        has_endpoint=row["has_endpoint"],
    )


def access_of(row: Any, facts: Facts, now: datetime) -> Access:
    """``row``: as for :func:`facts_of`, with ``retires_at`` and the subscription's id and quotas."""
    retires = row["retires_at"] if facts.lifecycle is Lifecycle.DEPRECATED else None
    if retires is not None and retires <= now:
        return Access(block=Block.MODEL_RETIRED)
    block = first_block(facts, now)
    if block is not None:
        return Access(block=block)
    ends = [
        (end, then)
        for end, then in ((row["expires_at"], Block.SUBSCRIPTION_EXPIRED), (retires, Block.MODEL_RETIRED))
        if end is not None
    ]
    until, then = min(ends, key=lambda end: end[0], default=(None, None))
    quotas = quota_rules(row["subscription_id"], row["quota_requests"], row["quota_tokens"])
    return Access(until=until, then=then, quotas=quotas)


def policy_of(row: Any) -> Policy:
    """``row``: of ``access_policies``."""
    return Policy(
        id=row["id"], name=row["name"], effect=Effect(row["effect"]), all_models=row["all_models"], everyone=row["everyone"],
        models=frozenset(row["models"]), tags=frozenset(row["tags"]), groups=frozenset(row["groups"]),
        teams=frozenset(row["teams"]), users=frozenset(row["users"]),
    )  # fmt: skip
