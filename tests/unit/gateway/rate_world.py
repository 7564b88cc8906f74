"""Several workers that share rate limits, with clocks that a test sets: what they admit is checked at every call.

What has to hold, with the clocks of workers up to half a thousandth apart in speed:

- In each window of the store, all calls that were admitted on its permits are no more than its limits.
- While the store is away, a worker's own windows admit its share, and all together no more than the limit; none of them runs
  while one of the store's windows does.
- No more calls run at once than allowed; only those that ran on for a minute while the store was away may come on top.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from datetime import UTC, datetime

from litemaas.core.errors import RateLimited
from litemaas.core.limits import RateRule
from litemaas.gateway.http.stepping import stepped
from litemaas.gateway.permits import Permits, SharedTicket
from litemaas.gateway.rate_link import CENSUS_EVERY_S, RateLink
from litemaas.gateway.rate_messages import Answer, Message, StoreAway
from litemaas.gateway.ratelimits import WINDOW_S
from litemaas.gateway.shared_rates import SharedRates
from litemaas.gateway.standing import LEASE_S, Standing

from .memory_counts import MemoryCounts

STEP_S = 0.25
RULES = (
    RateRule("k", "key", rpm=7, tpm=300, parallel=3),
    RateRule("t", "team", rpm=12),
    RateRule("u", "user", parallel=2, tpm=400),
)


class Running:
    """One admitted call."""

    def __init__(self, ticket: SharedTicket, tokens: int, at: float) -> None:
        self.ticket = ticket
        self.tokens = tokens
        self.at = at


class Group:
    """What one worker admitted on one scope in one window."""

    def __init__(self, permits: Permits) -> None:
        self.permits = permits
        self.serial = permits.serial
        self.requests = self.tokens = 0
        self.window = permits.window
        self.until = 0.0


class Wire:
    """The store as one worker reaches it: cut, or losing answers, or delivering late."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.is_cut = False
        self.loses_answer = False
        self.delays = False

    async def time_ms(self) -> int:
        self._check()
        return await self.world.store.time_ms()

    async def exchange(self, message: Message) -> Answer:
        self._check()
        if self.delays:
            self.delays = False
            self.world.late.append(message)
            raise StoreAway
        answer = await self.world.store.exchange(message)
        if self.loses_answer:
            self.loses_answer = False
            raise StoreAway
        return answer

    async def follow(self, hear: object, on_begin: object) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        """There is nothing to close."""

    def _check(self) -> None:
        if self.is_cut:
            raise StoreAway


async def _no_time(seconds: float) -> None:
    """The world's own clock goes on when the test says so."""


class Worker:
    def __init__(self, world: World, name: str, patience_s: tuple[float, ...]) -> None:
        self.world = world
        self.name = name
        self.wire = Wire(world)
        self.is_frozen = False
        self.calls: list[Running] = []
        self._offset, self._speed = world.chance.uniform(0, 1e5), 1 + world.chance.uniform(-5e-4, 5e-4)
        self.standing = Standing(name, 1, self.clock())
        self.rates = SharedRates(self.standing, self.clock, lambda: datetime(2026, 11, 25, tzinfo=UTC), patience_s)
        self.link = RateLink(self.rates, self.wire, world.census, self.clock, _no_time)
        self.entries = self.rates.counters(RULES)
        self.groups: dict[tuple[str, int], Group] = {}
        self._heard = False
        self._counts_at = world.time + CENSUS_EVERY_S

    def clock(self) -> float:
        return self._offset + self.world.time * self._speed

    async def turn(self) -> None:
        if self.is_frozen:
            return
        reached = not self.wire.is_cut and not self.world.store.away
        if reached != self._heard:
            self._heard = reached
            if reached:
                self.world.store.followers.append(self.link.hear)
                self.link._hears_now()
            else:
                self.world.store.followers.remove(self.link.hear)
                self.link._listening = False
        await self.link.turn()
        if self.world.time >= self._counts_at:
            self._counts_at = self.world.time + CENSUS_EVERY_S
            await self.link.count()
        if self.rates.news.is_set() and self.standing.in_step:
            await self.link.turn()
        for group in self.groups.values():
            if group.permits.serial == group.serial:
                group.window = group.permits.window

    async def call(self, which: tuple[int, ...], tokens: int) -> bool:
        """Whether it was admitted."""
        entries = [self.entries[i] for i in which]
        ticket = None
        with suppress(RateLimited):
            ticket = self.rates.take(entries, tokens)
            if ticket is None:
                drawing = asyncio.ensure_future(stepped(self.rates.draw(entries, tokens)))
                for _ in range(100):
                    await asyncio.sleep(0)
                    if drawing.done():
                        break
                    for worker in self.world.workers:  # everybody hears and answers
                        await worker.turn()
                await drawing
                ticket = self.rates.take(entries, tokens)
                if ticket is None:
                    raise self.rates.refusal(entries, tokens)
        if ticket is None:
            return False
        self.calls.append(Running(ticket, tokens, self.world.time))
        for rule, permits, _ in entries:
            group = self.groups.get((rule.scope, permits.serial))
            if group is None:
                group = self.groups[rule.scope, permits.serial] = Group(permits)
            group.window = permits.window
            group.requests += 1
            group.tokens += tokens
            group.until = self.world.time + WINDOW_S
        self.world.check(self, [rule for rule, _, _ in entries])
        return True

    def end(self, number: int, used: int) -> None:
        call = self.calls.pop(number % len(self.calls))
        used = min(used, call.tokens)
        call.ticket.close(used)
        for rule, permits, _ in call.ticket._entries:
            group = self.groups.get((rule.scope, permits.serial))
            if group is not None and group.serial <= call.ticket._serial:
                group.tokens -= call.tokens - used


class World:
    """``time``: true seconds."""

    def __init__(self, seed: int, names: tuple[str, ...], *, patience_s: tuple[float, ...] = ()) -> None:
        self.chance = random.Random(seed)
        self.time = 0.0
        self.ahead_ms = 1_000_000_000
        self.store = MemoryCounts(lambda: int(self.time * 1000) + self.ahead_ms)
        self.late: list[Message] = []
        self.alive: dict[str, float] = {}
        self.workers: list[Worker] = []
        self.last_outage = float("-inf")
        self._patience_s = patience_s
        self._names = names

    async def census(self) -> frozenset[str]:
        return frozenset(name for name, at in self.alive.items() if self.time - at < 20)

    async def begin(self) -> None:
        for name in self._names:
            await self.add(name)
        await self.wait(2)

    async def add(self, name: str) -> None:
        self.alive[name] = self.time
        worker = Worker(self, name, self._patience_s)
        self.workers.append(worker)
        await worker.link.begin()

    def kill(self, worker: Worker) -> None:
        self.workers.remove(worker)
        if worker._heard:
            self.store.followers.remove(worker.link.hear)

    async def wait(self, seconds: float) -> None:
        end = self.time + seconds
        while self.time < end:
            self.time = min(end, self.time + STEP_S)
            for message in self.late:
                if not self.store.away:
                    self.store.execute(message)
            self.late.clear()
            if self.store.away or any(worker.wire.is_cut for worker in self.workers):
                self.last_outage = self.time
            for worker in self.workers:
                self.alive[worker.name] = self.time
                await worker.turn()

    # -- what has to hold ---------------------------------------------------------------------------------------------

    def check(self, admitting: Worker, rules: list[RateRule]) -> None:
        for rule in rules:
            self._check_windows(rule)
            self._check_own_windows(admitting, rule)
            self._check_places(rule)

    def _groups(self, rule: RateRule) -> list[Group]:
        return [g for w in self.workers for (scope, _), g in w.groups.items() if scope == rule.scope]

    def _check_windows(self, rule: RateRule) -> None:
        window = self.store.windows.get(rule.scope)
        if window is not None:
            groups = [group for group in self._groups(rule) if group.window == window.id]
            assert rule.rpm is None or sum(group.requests for group in groups) <= rule.rpm
            assert rule.tpm is None or sum(group.tokens for group in groups) <= rule.tpm

    def _check_own_windows(self, admitting: Worker, rule: RateRule) -> None:
        groups = [
            group for group in self._groups(rule)
            if group.window == 0 and group.permits.serial == group.serial and self.time < group.until
            and (rule.rpm is not None or rule.tpm is not None)
        ]  # fmt: skip
        assert rule.rpm is None or sum(group.requests for group in groups) <= rule.rpm
        assert rule.tpm is None or sum(group.tokens for group in groups) <= rule.tpm
        mine = [group for group in groups if group.permits is admitting.rates._permits.get(rule.scope)]
        window = self.store.windows.get(rule.scope)
        if mine and window is not None and self.store.away:
            assert self.time >= (window.began - self.ahead_ms) / 1000 + WINDOW_S, "a window that runs is not shared out"

    def _check_places(self, rule: RateRule) -> None:
        if rule.parallel is None:
            return
        patient = self.time - self.last_outage < WINDOW_S + LEASE_S
        running = [
            call
            for worker in self.workers
            for call in worker.calls
            if any(r is rule for r, _, _ in call.ticket._entries) and not (patient and self.time - call.at > WINDOW_S)
        ]
        assert len(running) <= rule.parallel, (rule, [call.at for call in running], self.time)
