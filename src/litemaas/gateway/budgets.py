"""How does a hard budget hold without asking the database for every call? By leases: room drawn in advance, spent in memory.

PostgreSQL keeps, per budget and window, what is *settled* (paid) and what is *leased* (drawn by workers and not yet paid);
their sum never passes the limit. A worker draws a lease, debited there beforehand, and holds and spends calls against it::

    drawn  = all room this worker was given for the window, less what it gave back
    spent  = cost of its calls that have ended, whether PostgreSQL knows of them yet or not
    held   = the most that its running calls can still cost
    free   = drawn − spent − held           negative only when an engine overshot or a lost worker's lease was taken back

A call is held on every level in one step that cannot be interrupted. When a level lacks room, the worker draws more and looks
at all levels again; room that is leased to others is recalled (:mod:`~litemaas.gateway.leasing`). Settlement moves the cost
from leased to settled in the transaction that stores the usage record.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Final, Protocol

from litemaas.core.errors import ServiceUnavailable
from litemaas.core.limits import BudgetRule
from litemaas.core.windows import Window, window_at
from litemaas.gateway.http.stepping import Wake
from litemaas.gateway.leasing import Account, Leasing
from litemaas.kit.ticks import monotonic

_PATIENCE_S = 8.0
"""How long a call waits for room in all; a recall takes less."""
_LOW_WATER: Final = 16
"""A lease that has room for fewer calls than this is drawn ahead."""


class Hold:
    """Room held for one call on all of its levels; closed exactly once, with what the call cost."""

    __slots__ = ("accounts", "amount")

    def __init__(self, accounts: Sequence[Account], amount: int) -> None:
        self.accounts = accounts
        self.amount = amount

    def close(self, cost_nano: int) -> None:
        for account in self.accounts:
            account.held -= self.amount
            account.spent += cost_nano
            if cost_nano > self.amount:  # an engine used more than it was allowed: the rest is settled without a lease
                account.overshoot(cost_nano - self.amount)
            if cost_nano < self.amount:
                account.dry_until = 0.0


class Records(Protocol):
    """How far the records of calls have come."""

    def position(self) -> int | None:
        """Where everything stands that has ended by now; None when that cannot be said yet."""

    def is_stored(self, position: int) -> bool:
        """Whether everything up to there is settled in the database."""


class Budgets:
    """The accounts of this worker. ``now``: seconds since 1970.

    ``trusted_until``: from then on (seconds since 1970) nothing of the leases may be spent, because others may have been given
    what this worker, of which nobody has heard for long, had leased; each heartbeat moves it on.
    """

    def __init__(self, leasing: Leasing, records: Records, now: Callable[[], float], zone: tzinfo = UTC) -> None:
        self.leasing = leasing
        self.trusted_until = float("inf")
        self._records = records
        self._now = now
        self._zone = zone
        self._accounts: dict[str, Account] = {}
        self._retired: dict[tuple[str, datetime], Account] = {}
        self._lives = time.time_ns()
        self._upkeep = asyncio.Lock()

    # -- accounts -----------------------------------------------------------------------------------------------------

    def accounts(self, rules: Sequence[BudgetRule]) -> list[Account]:
        """The account of each rule in the window of this moment."""
        now = self._now()
        return [self._account(rule, now) for rule in rules]

    def every_account(self) -> Iterator[Account]:
        yield from self._accounts.values()
        yield from self._retired.values()

    def _account_of(self, scope: str, window_start: datetime) -> Account | None:
        """The account of a lease, if this worker has one."""
        account = self._accounts.get(scope)
        if account is not None and account.window.start == window_start:
            return account
        return self._retired.get((scope, window_start))

    def _account(self, rule: BudgetRule, now: float) -> Account:
        account = self._accounts.get(rule.scope)
        if account is None or now >= account.ends_at:
            account = self._opened(account, rule, self._window(rule, now))
        elif account.rule is not rule:
            if account.rule == rule:
                account.rule = rule
            else:
                account = self._changed(account, rule, now)
        return account

    def _changed(self, account: Account, rule: BudgetRule, now: float) -> Account:
        """The administrator changed the budget: a raised limit may be drawn at once, a lowered one ends what is leased."""
        window = self._window(rule, now)
        if window != account.window:
            return self._opened(account, rule, window)
        lowered = rule.limit_nano is not None and rule.limit_nano < (account.rule.limit_nano or 0)
        account.rule, account.dry_until = rule, 0.0
        if lowered:
            self.leasing.shed(account)
        return account

    def _opened(self, old: Account | None, rule: BudgetRule, window: Window) -> Account:
        """The account that takes the place of ``old``; one that is still being wound up is used again."""
        if old is not None:
            old.closed = True
            self._retired[rule.scope, old.window.start] = old
        account = self._retired.pop((rule.scope, window.start), None)
        if account is None:
            account = Account(self._next_life(), rule, window)
        else:
            account.place(rule, window)
        self._accounts[rule.scope] = account
        return account

    def doubt_all(self) -> None:
        """Others may have been given what this worker had leased: nothing is free before the database was asked."""
        for account in self.every_account():
            account.doubt()

    # -- news ---------------------------------------------------------------------------------------------------------

    def recalled(self, scope: str, window_start: datetime) -> None:
        """Another worker needs what is free here."""
        self.leasing.recall(scope, window_start, self._account_of(scope, window_start))

    def returned(self, scope: str, window_start: datetime, worker_id: str, nano: int) -> None:
        """Another worker has given back what it could."""
        account = self._account_of(scope, window_start)
        if account is not None:
            self.leasing.returned(account, worker_id, nano)

    # -- room ---------------------------------------------------------------------------------------------------------

    def try_hold(self, accounts: Sequence[Account], amount: int) -> Hold | None:
        """Holds ``amount`` on all accounts, or on none."""
        for account in accounts:
            if account.drawn - account.spent - account.held < amount:
                return None
        for account in accounts:
            account.held += amount
            account.used = True
        return Hold(accounts, amount)

    def check_trust(self) -> None:
        """Errors: ServiceUnavailable when this worker may not spend its leases any more."""
        if self._now() >= self.trusted_until:
            raise ServiceUnavailable(
                "budgets cannot be checked at the moment: the database has not answered for long; try again"
            )

    async def draw(self, accounts: Sequence[Account], amount: int) -> None:
        """Draws what the accounts lack for ``amount``, and some room for the calls to come, as long as there is any.

        Errors: ServiceUnavailable when the database cannot be asked.
        """
        patience = monotonic() + _PATIENCE_S
        while True:
            waited = False
            for account in accounts:
                # What others wait for is drawn for them: they may take it first, so it can take more than one draw.
                while account.free < amount and account.dry_until <= (now := monotonic()) < patience:
                    await self._drawn(account, amount)
                    waited = True
            if not waited or now >= patience:
                return

    async def _drawn(self, account: Account, amount: int) -> None:
        """Waits for the draw that is under way, or for one of its own."""
        waiting = account.waiting if account.waiting is not None else self.leasing.start_draw(account, amount)
        wake = Wake()
        waiting.append(wake)
        while account.waiting is waiting and wake in waiting:
            await wake
        if account.free < amount and account.unsure:
            raise ServiceUnavailable(
                "the budget cannot be checked at the moment: the database does not answer; try again"
            )

    def refill(self, accounts: Sequence[Account], amount: int) -> None:
        """Draws ahead where a lease runs low, so that the usual call need not wait for the database."""
        for account in accounts:
            if account.free < amount * _LOW_WATER and account.waiting is None and monotonic() >= account.dry_until:
                self.leasing.draw_ahead(account, amount)

    @staticmethod
    def rest(accounts: Sequence[Account]) -> int:
        """The most that a call can still be held for on all of them."""
        return min(account.free for account in accounts)

    # -- upkeep -------------------------------------------------------------------------------------------------------

    async def return_idle(self, idle_s: float) -> None:
        """Gives back what nobody has used for a while and everything of windows that are over; finds out what is unsure.

        Errors: ServiceUnavailable.
        """
        async with self._upkeep:  # two at once would end the same account twice
            await self._return_idle(idle_s)

    async def _return_idle(self, idle_s: float) -> None:
        now = monotonic()
        oldest = now - idle_s
        for account in list(self.every_account()):
            if account.used:
                account.used, account.last_used, account.ended_at = False, now, None
            if account.waiting is not None:
                continue
            idle = account.closed or account.last_used < oldest
            if idle and self._is_settled(account):
                await self.leasing.end(account, self._next_life())
                if account.waiting is None and not account.used:
                    self._forget(account)
            elif idle and account.free > 0:
                await self.leasing.give_back(account)
            elif account.unsure:
                await self.leasing.find_out(account)

    def _is_settled(self, account: Account) -> bool:
        """Whether everything that was ever held is spent, and everything spent is known to the database."""
        if account.held:
            return False
        if account.ended_at is None:
            account.ended_at = self._records.position()
        return account.ended_at is not None and self._records.is_stored(account.ended_at)

    def _next_life(self) -> int:
        self._lives += 1
        return self._lives

    def _forget(self, account: Account) -> None:
        if self._retired.pop((account.rule.scope, account.window.start), None) is None:
            self._accounts.pop(account.rule.scope).closed = True

    def _window(self, rule: BudgetRule, now: float) -> Window:
        return window_at(rule.duration, datetime.fromtimestamp(now, UTC), rule.set_at, self._zone)
