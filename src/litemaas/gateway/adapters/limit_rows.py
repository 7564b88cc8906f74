"""What do rows of limits mean? The budget and rate rules of scopes, as the gateway enforces them."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from litemaas.core.limits import BudgetRule, RateRule, enforced

if TYPE_CHECKING:
    import asyncpg

_LIMITS = """
select scope, max_budget_nano, budget_duration, budget_set_at, rpm_limit, tpm_limit, max_parallel_requests
from budgets where scope = any($1)
"""


async def limits_of(connection: asyncpg.Connection, scopes: Collection[str]) -> dict[str, asyncpg.Record]:
    return {row["scope"]: row for row in await connection.fetch(_LIMITS, list(scopes))} if scopes else {}


def budget_rule(scope: str, level: str, row: asyncpg.Record | None) -> BudgetRule:
    if row is None:
        return BudgetRule(scope, level)
    return BudgetRule(scope, level, budget_of(row["max_budget_nano"]), row["budget_duration"], row["budget_set_at"])


def rate_rule(scope: str, level: str, row: asyncpg.Record | None) -> RateRule | None:
    if row is None:
        return None
    limits = [enforced(row[name]) for name in ("rpm_limit", "tpm_limit", "max_parallel_requests")]
    return None if limits == [None, None, None] else RateRule(scope, level, *limits)


def budget_of(nano: int | None) -> int | None:
    """Clients write 2147483647 USD for "no limit"."""
    return None if nano is None or enforced(nano // 1_000_000_000) is None else nano
