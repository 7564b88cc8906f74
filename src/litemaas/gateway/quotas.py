"""How do a subscription's quotas hold? As budgets do, by leases; only the units are requests and tokens, not money.

A call takes one request, and the most tokens that it can use; what it did not use comes back when it ends. The database
counts each in the transaction that stores the record (:mod:`~litemaas.gateway.adapters.ledger`), so all workers together
never pass a quota. Calls whose subscription has no quota do not come here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from litemaas.core.errors import QuotaExhausted

if TYPE_CHECKING:
    from litemaas.gateway.budgets import Budgets
    from litemaas.gateway.leasing import Account


class QuotaHold:
    """What one call holds of its subscription's quotas; closed exactly once, with what it used."""

    __slots__ = ("accounts", "tokens")

    def __init__(self, accounts: Sequence[Account], tokens: int) -> None:
        self.accounts = accounts
        self.tokens = tokens

    def close(self, requests: int, tokens: int) -> None:
        for account in self.accounts:
            counts_tokens = counted_in_tokens(account)
            account.held -= self.tokens if counts_tokens else 1
            account.spent += tokens if counts_tokens else requests
            account.dry_until = 0.0


def counted_in_tokens(account: Account) -> bool:
    """Whether the account is of a quota of tokens; else it is one of requests."""
    return account.rule.scope.endswith("/tokens")


def try_hold(accounts: Sequence[Account], tokens: int) -> QuotaHold | None:
    """Holds one request and ``tokens`` on all accounts, or on none."""
    for account in accounts:
        if account.free < (tokens if counted_in_tokens(account) else 1):
            return None
    for account in accounts:
        account.held += tokens if counted_in_tokens(account) else 1
        account.used = True
    return QuotaHold(accounts, tokens)


def refill(budgets: Budgets, accounts: Sequence[Account], tokens: int) -> None:
    """Draws ahead where a lease runs low."""
    for account in accounts:
        budgets.refill((account,), tokens if counted_in_tokens(account) else 1)


async def draw(budgets: Budgets, accounts: Sequence[Account], tokens: int) -> None:
    """Errors: ServiceUnavailable when the database cannot be asked."""
    for account in accounts:
        await budgets.draw((account,), tokens if counted_in_tokens(account) else 1)


def tokens_left(accounts: Sequence[Account]) -> int:
    """What is left of the quota of tokens; very much where there is none."""
    return min((account.free for account in accounts if counted_in_tokens(account)), default=2**62)


def exhausted(accounts: Sequence[Account], tokens: int) -> QuotaExhausted:
    """Why a call that was drawn for could not be held."""
    tightest = min(accounts, key=lambda account: account.free - (tokens if counted_in_tokens(account) else 1))
    unit = "tokens" if counted_in_tokens(tightest) else "requests"
    end = tightest.window.end or tightest.window.start
    need = f" This call could use {tokens}." if unit == "tokens" else ""
    return QuotaExhausted(
        f"The subscription's quota of {tightest.limit} {unit} per month is used up: {tightest.committed} are used or held."
        f"{need} It begins anew at {end:%Y-%m-%d %H:%M:%S} UTC",
        tightest.rule.scope, unit, tightest.limit, tightest.committed, tightest.window.start, end,
    )  # fmt: skip
