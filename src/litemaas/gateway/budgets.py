"""How does a hard budget hold without asking the database for every call? By leases: room drawn in advance, spent in memory.

PostgreSQL keeps, per budget and window, what is *settled* (paid) and what is *leased* (drawn by workers and not yet paid);
their sum never passes the limit. A worker draws a lease, debited there beforehand, and holds and spends calls against it::

    drawn  = all room this worker was given for the window
    spent  = cost of its calls that have ended, whether PostgreSQL knows of them yet or not
    held   = the most that its running calls can still cost
    free   = drawn − spent − held           never negative, unless an engine used more than the call allowed

A call is held on every level in one step that cannot be interrupted. When a level lacks room, the worker draws more and looks
at all levels again. Settlement moves the cost from leased to settled in the transaction that stores the usage record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import Protocol

import msgspec

from litemaas.core.errors import ServiceUnavailable
from litemaas.core.limits import BudgetRule
from litemaas.core.windows import Window, window_at
from litemaas.gateway.http.stepping import Wake

DRY_S = 1.0
"""How long a budget that had nothing left is not asked again; money that comes back here wakes it at once."""
_DRAWS = 16
_LOW_WATER = 16
"""A lease that has room for fewer calls than this is drawn ahead."""


class Grant(msgspec.Struct, frozen=True):
    """The database's answer to a draw. Units: nano-USD; ``settled`` and ``leased`` are the sums over all workers after it."""

    granted: int
    settled: int
    leased: int


class LeaseStore(Protocol):
    async def draw(self, scope: str, window_start: datetime, limit_nano: int, want_nano: int) -> Grant:
        """Gives up to ``want_nano``, and no more than limit − settled − leased."""

    async def give_back(self, scope: str, window_start: datetime, amount_nano: int) -> None:
        """Returns room that was drawn and is neither held nor spent."""


class Account:
    """One budget in one window, as this worker sees it."""

    __slots__ = (
        "began_at", "closed", "drawn", "dry_until", "ends_at", "held", "known", "last_used", "rule", "spent", "used",
        "waiting", "window",
    )  # fmt: skip

    def __init__(self, rule: BudgetRule, window: Window) -> None:
        self.rule = rule
        self.window = window
        self.began_at = window.start.timestamp()
        self.ends_at = window.end.timestamp() if window.end is not None else float("inf")
        self.closed = False  # another account has taken its place, or nobody used it
        self.drawn = 0
        self.spent = 0
        self.held = 0
        self.known = 0
        """Settled + leased over all workers when the database was last asked, this worker's lease included."""
        self.dry_until = 0.0
        self.used = True
        self.last_used = 0.0
        self.waiting: list[Wake] | None = None
        """Calls that wait for the draw that is under way; None when none is."""

    @property
    def free(self) -> int:
        return self.drawn - self.spent - self.held

    @property
    def committed(self) -> int:
        """What of the limit is spent or spoken for, as far as this worker knows: the number that a refused caller reads."""
        return self.known - self.free

    def take(self, grant: Grant, asked: int) -> None:
        self.drawn += grant.granted
        self.known = grant.settled + grant.leased
        if grant.granted < asked:
            self.dry_until = monotonic() + DRY_S


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
                account.known += cost_nano - self.amount
                account.drawn += cost_nano - self.amount
            if cost_nano < self.amount:
                account.dry_until = 0.0


class Budgets:
    """The accounts of this worker. ``now``: seconds since 1970."""

    def __init__(self, store: LeaseStore, now: Callable[[], float], lease_calls: int, timeout_s: float) -> None:
        self._store = store
        self._now = now
        self._lease_calls = lease_calls
        self._timeout_s = timeout_s
        self._accounts: dict[str, Account] = {}
        self._retired: list[Account] = []
        self._draws: set[asyncio.Task[None]] = set()
        self._failed: set[Account] = set()

    def accounts(self, rules: Sequence[BudgetRule]) -> list[Account]:
        """The account of each rule in the window of this moment."""
        now = self._now()
        return [self._account(rule, now) for rule in rules]

    def _account(self, rule: BudgetRule, now: float) -> Account:
        account = self._accounts.get(rule.scope)
        if account is None or now >= account.ends_at:
            if account is not None:
                self._retire(account)
            account = self._accounts[rule.scope] = Account(rule, _window(rule, now))
        elif account.rule is not rule:
            if account.rule == rule:
                account.rule = rule
            else:
                account = self._changed(account, rule, now)
        return account

    def _changed(self, account: Account, rule: BudgetRule, now: float) -> Account:
        """The administrator changed the budget: a raised limit may be drawn at once, a lowered one ends what is leased."""
        window = _window(rule, now)
        if window != account.window or (rule.limit_nano or 0) < _limit(account):
            self._retire(account)
            account = self._accounts[rule.scope] = Account(rule, window)
        else:
            account.rule, account.dry_until = rule, 0.0
        return account

    def _retire(self, account: Account) -> None:
        account.closed = True
        self._retired.append(account)

    def try_hold(self, accounts: Sequence[Account], amount: int) -> Hold | None:
        """Holds ``amount`` on all accounts, or on none."""
        for account in accounts:
            if account.drawn - account.spent - account.held < amount:
                return None
        for account in accounts:
            account.held += amount
            account.used = True
        return Hold(accounts, amount)

    async def draw(self, accounts: Sequence[Account], amount: int) -> None:
        """Draws what the accounts lack for ``amount``, and some room for the calls to come, as long as there is any.

        Errors: ServiceUnavailable when the database cannot be asked.
        """
        for account in accounts:
            # What others wait for is drawn for them: they may take it first, so it can take more than one draw.
            for _ in range(_DRAWS):
                if account.free >= amount or monotonic() < account.dry_until:
                    break
                await self._drawn(account, amount)

    def refill(self, accounts: Sequence[Account], amount: int) -> None:
        """Draws ahead where a lease runs low, so that the usual call need not wait for the database."""
        for account in accounts:
            if account.free < amount * _LOW_WATER and account.waiting is None and monotonic() >= account.dry_until:
                self._start_draw(account, amount)

    async def _drawn(self, account: Account, amount: int) -> None:
        """Waits for a draw: for the one that is under way, or for one of its own."""
        waiting = account.waiting if account.waiting is not None else self._start_draw(account, amount)
        wake = Wake()
        waiting.append(wake)
        while account.waiting is waiting and wake in waiting:
            await wake
        if account.free < amount and account in self._failed:
            raise ServiceUnavailable(
                "the budget cannot be checked at the moment: the database does not answer; try again"
            )

    def _start_draw(self, account: Account, amount: int) -> list[Wake]:
        lack = max(1, amount - account.free)
        left = max(0, _limit(account) - account.known)
        want = max(lack, min(amount * self._lease_calls, left // 4))
        waiting: list[Wake] = []
        account.waiting = waiting
        # A task of its own: when the caller hangs up, the grant that is on its way must not be lost.
        task = asyncio.get_running_loop().create_task(self._draw(account, lack, want))
        self._draws.add(task)
        task.add_done_callback(self._draws.discard)
        return waiting

    async def _draw(self, account: Account, lack: int, want: int) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                grant = await self._store.draw(account.rule.scope, account.window.start, _limit(account), want)
            account.take(grant, lack)
            self._failed.discard(account)
        except (ServiceUnavailable, TimeoutError):
            self._failed.add(account)
        finally:
            waiting, account.waiting = account.waiting, None
            for wake in waiting or ():
                wake.fire()

    @staticmethod
    def rest(accounts: Sequence[Account]) -> int:
        """The most that a call can still be held for on all of them."""
        return min(account.free for account in accounts)

    async def return_idle(self, idle_s: float) -> None:
        """Gives back what nobody has used for a while, and everything of windows that are over."""
        now = monotonic()
        oldest = now - idle_s
        for account in [*self._accounts.values(), *self._retired]:
            if account.used:
                account.used, account.last_used = False, now
            retired = account in self._retired
            if account.free > 0 and (retired or account.last_used < oldest):
                amount = account.free
                # Gone for good, also when no answer comes: the database may have given it to another worker by then.
                account.drawn -= amount
                account.known -= amount
                await self._store.give_back(account.rule.scope, account.window.start, amount)
            if not account.held and not account.free and account.last_used < oldest:
                if retired:
                    self._retired.remove(account)
                elif not account.spent:
                    self._accounts.pop(account.rule.scope).closed = True


def _window(rule: BudgetRule, now: float) -> Window:
    return window_at(rule.duration, datetime.fromtimestamp(now, UTC), rule.set_at)


def _limit(account: Account) -> int:
    return account.rule.limit_nano or 0
