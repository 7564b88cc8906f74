"""How does a worker come by its leases, and how do others get at what it does not need? It draws, recalls and gives back.

Every request to the database about a lease carries the *life* of the account and a *serial* that only grows, and every answer
says how much the worker has drawn in that life altogether. So an answer that was lost is made good by the next one, and a
request that arrives after a later one has no effect: no room is lost, and none is there twice.

A worker that lacks room which others have leased leaves a recall. The others at once give back what they neither hold nor have
spent, answer, and draw no more than they need for a while; so does the one that asked. It waits for their answers, but not
for longer than ``RECALL_S``. Two that recall at the same time may each come by a part of what one call needs: both then give
theirs back and try again after pauses of different length, until one of them has the whole.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from litemaas.core.errors import ServiceUnavailable
from litemaas.core.limits import BudgetRule
from litemaas.core.windows import Window
from litemaas.gateway.http.stepping import Wake
from litemaas.kit.ticks import monotonic

DRY_S = 1.0
"""How long a budget that had nothing left is not asked again; money that comes back here wakes it at once."""
RECALL_S = 3.0
SMALL_S = 10.0
"""How long a worker that was recalled, or recalled others, draws no more than its calls need."""
_TRIES = 5
"""How often rivals for the same room try to get all of what they need."""
_PAUSE_S = 0.05
"""The longest pause before each further try."""


class Lease(NamedTuple):
    """What a request to the database is about. Of two requests in one life only the one with the greater serial counts.

    ``drawn``: what the worker believes to have drawn in this life; when others took it for lost and took some of it back, that
    much of what it believes to be free is not. Units: nano-USD.
    """

    scope: str
    window_start: datetime
    life: int
    serial: int
    drawn: int = 0


class Grant(NamedTuple):
    """The database's answer. Units: nano-USD; ``settled`` and ``leased`` are the sums over all workers after it.

    ``drawn``: what this worker has drawn in the lease's life and not given back. ``others``: workers that had leases on it
    when not enough could be granted; they were told.
    """

    granted: int
    settled: int
    leased: int
    drawn: int
    others: tuple[str, ...] = ()


class LeaseStore(Protocol):
    """Errors: ServiceUnavailable."""

    async def draw(self, lease: Lease, limit_nano: int, want_nano: int, need_nano: int, free_nano: int) -> Grant:
        """Gives up to ``want_nano``, and no more than limit − settled − leased. Less than ``need_nano`` recalls the others'.

        ``free_nano``: what the worker has free before it.
        """

    async def give_back(self, lease: Lease, amount_nano: int, *, answers: bool) -> Grant:
        """Returns room that was drawn and is neither held nor spent. ``answers``: somebody waits to hear of it."""

    async def end(self, lease: Lease) -> None:
        """Ends a life of which nothing is held and everything spent is settled: whatever is still leased comes back."""

    async def answer(self, scope: str, window_start: datetime) -> None:
        """Tells who recalls it that there is nothing here."""


class Account:
    """One budget in one window, as this worker sees it."""

    __slots__ = (
        "began_at", "beside", "closed", "drawn", "dry_until", "ended_at", "ends_at", "held", "known", "last_used", "life",
        "lowered", "recall", "recalled", "reported", "rule", "serial", "small_until", "spent", "unsure", "used", "waiting",
        "window",
    )  # fmt: skip

    def __init__(self, life: int, rule: BudgetRule, window: Window) -> None:
        self.place(rule, window)
        self.drawn = 0
        self.spent = 0
        self.held = 0
        self.beside = 0
        """What engines used beyond what their calls were held at: part of ``drawn`` here, never of a lease."""
        self.known = 0
        """Settled + leased over all workers when the database was last asked, this worker's lease included."""
        self.dry_until = 0.0
        self.small_until = 0.0
        self.used = True
        self.last_used = 0.0
        self.ended_at: int | None = None
        """Where the record of its last call stands, once nothing is held and the lease could be returned as a whole."""
        self.reported = 0
        """The ``free`` that the database was last told."""
        self.life = life
        self.serial = 0
        self.unsure = False
        """An answer was lost: the database may know of more room than this worker."""
        self.recalled = False
        self.lowered = False
        self.recall: Recall | None = None
        self.waiting: list[Wake] | None = None
        """Calls that wait for the request that is under way; None when none is."""

    def place(self, rule: BudgetRule, window: Window) -> None:
        """Units of ``began_at`` and ``ends_at``: seconds since 1970."""
        self.rule = rule
        self.window = window
        self.began_at = window.start.timestamp()
        self.ends_at = window.end.timestamp() if window.end is not None else float("inf")
        self.closed = False  # else another account has taken its place, or nobody used it

    @property
    def free(self) -> int:
        return self.drawn - self.spent - self.held

    @property
    def committed(self) -> int:
        """What of the limit is spent or spoken for, as far as this worker knows: the number that a refused caller reads."""
        return self.known - self.free

    @property
    def limit(self) -> int:
        return self.rule.limit_nano or 0

    def begin_anew(self, life: int) -> None:
        """Nothing is held, and everything spent is settled: the account is as if nothing had been drawn yet."""
        self.drawn = self.spent = self.held = self.beside = self.serial = 0
        self.life = life
        self.unsure = False
        self.reported = -1

    def next_request(self) -> Lease:
        self.serial += 1
        return Lease(self.rule.scope, self.window.start, self.life, self.serial, self.drawn - self.beside)

    def take(self, grant: Grant, lease: Lease) -> None:
        """``lease``: the request that is answered; when there is a later one, that one's answer says more."""
        if lease.serial == self.serial:
            self.drawn = grant.drawn + self.beside
            self.known = grant.settled + grant.leased
            self.unsure = False
            self.reported = -1

    def doubt(self) -> None:
        """What is free may be somebody else's by now; the next answer of the database tells."""
        self.drawn -= max(0, self.free)
        self.unsure = True

    def overshoot(self, nano: int) -> None:
        self.known += nano
        self.drawn += nano
        self.beside += nano


class Recall:
    """A worker's own: who has answered it.

    ``has_rivals``: others asked for the same room meanwhile. ``has_moved``: some of it went from hand to hand meanwhile.
    """

    def __init__(self) -> None:
        self.has_rivals = False
        self.has_moved = False
        self.is_waiting = False
        self._answered: set[str] = set()
        self._news = asyncio.Event()

    def heard_from(self, worker: str, nano: int) -> None:
        """An answer may arrive before it is known who was asked."""
        self.has_moved |= nano > 0
        self._answered.add(worker)
        self._news.set()

    async def wait(self, workers: tuple[str, ...], until: float) -> None:
        """Units: seconds of the monotonic clock."""
        self.is_waiting = True
        with suppress(TimeoutError):
            async with asyncio.timeout(until - monotonic()):
                while not self._answered.issuperset(workers):
                    self._news.clear()
                    await self._news.wait()
        self.is_waiting = False


class Leasing:
    """Draws for accounts and gives back; one request at a time for each, in tasks of its own.

    When a caller hangs up, the grant that is on its way must not be lost.
    """

    def __init__(self, store: LeaseStore, lease_calls: int, timeout_s: float, recall_s: float = RECALL_S) -> None:
        self._store = store
        self._lease_calls = lease_calls
        self._timeout_s = timeout_s
        self._recall_s = recall_s
        self._tasks: set[asyncio.Task[None]] = set()

    # -- drawing ------------------------------------------------------------------------------------------------------

    def start_draw(self, account: Account, amount: int) -> list[Wake]:
        """Begins to draw what ``amount`` lacks, recalling it if need be; who waits is woken when there is news."""
        return self._begin(account, self._draw(account, amount))

    def draw_ahead(self, account: Account, amount: int) -> None:
        """Begins to draw for calls to come, unless others need the room now."""
        if monotonic() >= account.small_until:
            self._begin(account, self._draw_ahead(account, amount))

    async def _draw_ahead(self, account: Account, amount: int) -> None:
        lack = max(1, amount - account.free)
        grant = await self._request(account, self._want(account, amount, lack), 0)
        if grant is not None and grant.granted < lack:
            account.small_until = monotonic() + DRY_S  # a call that needs more may still recall it from others

    async def _draw(self, account: Account, amount: int) -> None:
        until = monotonic() + self._recall_s
        for _ in range(_TRIES):
            if await self._draw_once(account, amount, until):
                return
            await asyncio.sleep(random.uniform(0.0, _PAUSE_S))  # noqa: S311 - rivals must only differ
        account.dry_until = monotonic() + DRY_S

    async def _draw_once(self, account: Account, amount: int, until: float) -> bool:
        """False = rivals for the room may each have had a part of it, and there is time to try again."""
        account.recall = recall = Recall()
        try:
            lack = max(1, amount - account.free)
            grant = await self._request(account, self._want(account, amount, lack), lack)
            if grant is not None and grant.granted < lack and grant.others:
                account.small_until = monotonic() + SMALL_S
                if account.recalled:  # by a rival, while the request was on its way
                    account.recalled = account.lowered = False
                    await self._giving_back(account, answers=True)
                self._wake(account)
                await recall.wait(grant.others, until)
                lack = max(1, amount - account.free)
                grant = await self._request(
                    account, self._want(account, amount, lack), 0
                )  # they have given what they can
        finally:
            account.recall = None
        if grant is None or grant.granted >= lack:
            return True
        if recall.has_rivals and (recall.has_moved or account.free > 0) and monotonic() < until:
            await self._giving_back(account, answers=True)
            return False
        account.dry_until = monotonic() + DRY_S
        return True

    def _want(self, account: Account, amount: int, lack: int) -> int:
        left = max(0, account.limit - account.known)
        calls = len(account.waiting or ()) if monotonic() < account.small_until else self._lease_calls
        return max(lack, min(amount * calls, left // 4))

    async def _request(self, account: Account, want: int, need: int) -> Grant | None:
        """Asks the database once; None when no answer came."""
        lease = account.next_request()
        try:
            async with asyncio.timeout(self._timeout_s):
                grant = await self._store.draw(lease, account.limit, want, need, max(0, account.free))
        except (ServiceUnavailable, TimeoutError):
            account.unsure = True
            return None
        account.take(grant, lease)
        return grant

    # -- giving back --------------------------------------------------------------------------------------------------

    def shed(self, account: Account) -> None:
        """The limit was lowered: what is free may not be used any more, and what is on its way neither."""
        if account.waiting is None:
            self._begin(account, self._giving_back(account, answers=False))
        else:
            account.drawn -= max(0, account.free)
            account.lowered = account.recalled = True

    def recall(self, scope: str, window_start: datetime, account: Account | None) -> None:
        """Another worker needs what is free here, and waits for an answer in any case."""
        if account is None:
            self._keep(self._answer(scope, window_start))
            return
        account.small_until = monotonic() + SMALL_S
        if account.waiting is None:
            self._begin(account, self._giving_back(account, answers=True))
            return
        if account.recall is not None:
            account.recall.has_rivals = True
            if account.recall.is_waiting:  # whoever draws first after that has the room
                self._keep(self._giving_back(account, answers=True))
                return
        account.recalled = True

    def returned(self, account: Account, worker: str, nano: int) -> None:
        """Another worker has given back ``nano``, or has nothing to give."""
        if nano:
            account.dry_until = 0.0
        if account.recall is not None:
            account.recall.heard_from(worker, nano)

    async def give_back(self, account: Account) -> None:
        """Gives back what is free; no request may be under way.

        Errors: ServiceUnavailable.
        """
        await self._now(account, self._giving_back(account, answers=False))

    async def find_out(self, account: Account) -> None:
        """Asks what a lost answer said; no request may be under way.

        Errors: ServiceUnavailable.
        """
        await self._now(account, self._find_out(account))

    async def _now(self, account: Account, work: Coroutine[Any, Any, None]) -> None:
        account.waiting = []
        await self._one_at_a_time(account, work)
        if account.unsure:
            raise ServiceUnavailable("the database does not answer; try again")

    async def end(self, account: Account, next_life: int) -> None:
        """Returns the lease as a whole; nothing is held, everything spent is settled, no request is under way.

        Errors: ServiceUnavailable; then it must be done again.
        """
        account.waiting = []
        await self._one_at_a_time(account, self._end(account, next_life))

    async def _end(self, account: Account, next_life: int) -> None:
        lease = account.next_request()
        account.begin_anew(next_life)  # before: what is drawn from now on is another life's
        async with asyncio.timeout(self._timeout_s):
            await self._store.end(lease)

    async def _find_out(self, account: Account) -> None:
        await self._request(account, 0, 0)

    def _giving_back(self, account: Account, *, answers: bool) -> Coroutine[Any, Any, None]:
        """From this moment the room is gone, also when no answer comes: another worker may have been given it by then."""
        lease = account.next_request()
        amount = max(0, account.free)
        if amount and account.recall is not None:
            account.recall.has_moved = True
        account.drawn -= amount
        account.known -= amount
        return self._give_back(account, lease, amount, answers=answers)

    async def _give_back(self, account: Account, lease: Lease, amount: int, *, answers: bool) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                account.take(await self._store.give_back(lease, amount, answers=answers), lease)
        except (ServiceUnavailable, TimeoutError):
            account.unsure = True

    async def _answer(self, scope: str, window_start: datetime) -> None:
        with suppress(ServiceUnavailable, TimeoutError):  # who asked does not wait for ever
            async with asyncio.timeout(self._timeout_s):
                await self._store.answer(scope, window_start)

    # -- tasks --------------------------------------------------------------------------------------------------------

    def _begin(self, account: Account, work: Coroutine[Any, Any, None]) -> list[Wake]:
        waiting: list[Wake] = []
        account.waiting = waiting
        self._keep(self._one_at_a_time(account, work))
        return waiting

    async def _one_at_a_time(self, account: Account, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
            while account.recalled:
                if not account.lowered:
                    self._wake(account)  # calls that waited take what was drawn for them; the rest goes back
                account.recalled = account.lowered = False
                await self._giving_back(account, answers=True)
        finally:
            waiting, account.waiting = account.waiting, None
            for wake in waiting or ():
                wake.fire()

    def _wake(self, account: Account) -> None:
        """Lets waiting calls look at what is there by now; those that lack more wait again."""
        waiting, account.waiting = account.waiting, []
        for wake in waiting or ():
            wake.fire()

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
