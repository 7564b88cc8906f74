"""How does a worker stay in step with the others' rate limits? One task speaks with the store, message after message.

It joins with everything that this worker has, renews its lease, and sends what calls want as one message for all that wait.
When the store does not answer, the worker goes on without it, and this task looks whether it is back. A second task hears
what the store calls out. Messages never overtake one another, and a late one is not executed: so a worker's numbers in the
store can be replaced by its own at any time.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import structlog

from litemaas.core.errors import ServiceUnavailable
from litemaas.gateway.permits import DRIFT
from litemaas.gateway.rate_messages import (
    FENCE_MS,
    WINDOW_MS,
    Answer,
    Census,
    Message,
    News,
    RateStore,
    StoreAway,
    Told,
)
from litemaas.gateway.shared_rates import Draw, SharedRates

REFRESH_S = 1.0
PROBE_S = 0.5
"""Longer than ``FENCE_MS``, so that nothing of before arrives after coming back."""
CENSUS_EVERY_S = 5.0
_CENSUS_WITHIN_S = 3.0
_SETTLES_WITHIN_S = 1.1
_CALLS_AT_ONCE = 128
_CLOCKS_DIFFER_S = 0.5
"""By more than an answer takes: the store's clock was put back."""
_TOLD_AT_ONCE = 1_000
log = structlog.get_logger(__name__)


class RateLink:
    """Keeps ``rates`` in step through ``store``. ``monotonic`` in seconds."""

    def __init__(
        self, rates: SharedRates, store: RateStore, census: Census, monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:  # fmt: skip
        self._rates = rates
        self._standing = rates.standing
        self._store = store
        self._census = census
        self._monotonic = monotonic
        self._sleep = sleep
        self.member = f"{self._standing.worker_id}/{secrets.token_hex(8)}"
        self._ahead_s = self._clocks_at = 0.0
        """The store's clock minus this worker's, or a little less."""
        self._refresh_at = self._probe_at = float("-inf")
        self._listening = self._hears = False
        self._quiet_s = 0.0
        self._must_join = False
        self._draws: deque[Draw] = deque()

    @property
    def in_step(self) -> bool:
        return self._standing.in_step

    # -- life ---------------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Joins before the first call comes; without the store it is tried again later.

        Where nobody has joined before, those that a newcomer cannot know of have a moment to come back.
        """
        await self.count()
        await self._come_back()
        await self._sleep(min(_SETTLES_WITHIN_S, self._quiet_s))

    async def work(self) -> None:
        """For ever."""
        try:
            while True:
                await self._news(self._idle_s())
                await self.turn()
        except Exception:
            self._lose()
            raise

    async def end(self) -> None:
        """Leaves, after the last call: what was given to this worker and is not used is free for others."""
        if self._standing.in_step:
            with suppress(StoreAway):
                for portion in _portions(self._rates.give_up_everything()):
                    await self._exchange("trade", told=[told for _, told in portion])
                await self._exchange("leave")
        await self._store.close()

    async def turn(self) -> None:
        """Does what is to be done now."""
        now = self._monotonic()
        self._rates.news.clear()
        if not self._standing.in_step:
            if now >= self._probe_at:
                await self._come_back()
        else:
            try:
                if self._must_join:
                    await self._join()
                if now >= self._refresh_at:
                    await self._refresh()
                if self._rates.draws or self._rates.returns:
                    await self._trade()
            except StoreAway:
                self._lose()
        if self._rates.draws and self._standing.in_step:
            self._rates.news.set()

    async def _news(self, timeout_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._rates.news.wait()

    def _idle_s(self) -> float:
        due = self._refresh_at if self._standing.in_step else self._probe_at
        return max(0.0, due - self._monotonic())

    # -- messages -----------------------------------------------------------------------------------------------------

    async def _exchange(
        self, kind: str, *, known: list[str] | None = None, told: list[Told] | None = None,
        draws: list[Draw] | None = None, dead: list[str] | None = None,
    ) -> tuple[Answer, float, float]:  # fmt: skip
        """The answer, and when the message was sent and the answer received.

        Errors: StoreAway.
        """
        for _ in range(2):
            sent = self._monotonic()
            deadline_ms = int((sent + self._ahead_s) * 1000) + FENCE_MS
            message = Message(
                self.member, deadline_ms, kind, known or [], told or [], self._rates.wants(draws or []), dead or []
            )
            answer = await self._store.exchange(message)
            received = self._monotonic()
            ahead_s = answer.now_ms / 1000 - received
            if answer.status != "late":
                if ahead_s < self._ahead_s - _CLOCKS_DIFFER_S:
                    self._set_clock(answer.now_ms)
                else:
                    self._ahead_s = max(self._ahead_s - (received - self._clocks_at) * DRIFT, ahead_s)
                    self._clocks_at = received
                return answer, sent, received
            self._set_clock(answer.now_ms)  # one of the clocks was set, or this process was held up
        raise StoreAway

    async def _come_back(self) -> None:
        """Joins if the store is there."""
        self._probe_at = self._monotonic() + PROBE_S
        try:
            now_ms = await self._store.time_ms()
        except StoreAway:
            self._standing.looked(self._monotonic())
            return
        self._set_clock(now_ms)
        try:
            await self._join()
        except StoreAway:
            self._standing.looked(self._monotonic())
            self._rates.cap_places()

    def _set_clock(self, now_ms: int) -> None:
        self._clocks_at = self._monotonic()
        self._ahead_s = now_ms / 1000 - self._clocks_at

    async def _join(self) -> None:
        """Tells everything and hears what the others have.

        Errors: StoreAway.
        """
        standing, rates = self._standing, self._rates
        was_away = not standing.in_step
        standing.joining = True
        try:
            everything = rates.everything()
            known = [] if self._is_new() else [*self._living(), self.member]
            portions = _portions(everything)
            for number, portion in enumerate(portions, 1):
                kind = "join" if number == len(portions) else "telling"
                answer, sent, received = await self._exchange(kind, known=known, told=[told for _, told in portion])
                for (permits, _), view in zip(portion, answer.told, strict=True):
                    permits.adopt_told(view, sent, received)
            standing.back(answer, sent, received)
        finally:
            standing.joining = False
        self._must_join = False
        self._quiet_s = answer.quiet_ms / 1000
        self._hears = self._listening
        self._refresh_at = self._monotonic() + REFRESH_S
        if was_away:
            log.info("rate limits are shared", worker=standing.worker_id, members=len(standing.members))

    def _is_new(self) -> bool:
        return not self._standing.members

    def _living(self) -> list[str]:
        return [member for member in self._standing.members if member not in self._standing.dead(self._monotonic())]

    async def _refresh(self) -> None:
        """Errors: StoreAway."""
        answer, sent, _ = await self._exchange("refresh", dead=self._standing.dead(self._monotonic()))
        if answer.status == "unknown":
            await self._join()
            return
        self._standing.heard(answer, sent)
        if any(self._standing.members.values()):
            self._rates.yield_places()
        self._hears = self._listening
        self._refresh_at = self._monotonic() + REFRESH_S

    async def _trade(self) -> None:
        """Errors: StoreAway."""
        rates = self._rates
        while rates.draws and len(self._draws) < _CALLS_AT_ONCE:
            self._draws.append(rates.draws.popleft())
        draws = list(self._draws)
        returns = rates.take_returns()
        for portion in _portions(returns)[:-1]:
            await self._exchange("trade", told=[told for _, told in portion])
        last = [told for _, told in _portions(returns)[-1]]
        answer, sent, received = await self._exchange("trade", told=last, draws=draws)
        if answer.status == "unknown":
            await self._join()
            answer, sent, received = await self._exchange("trade", draws=draws)
            if answer.status == "unknown":
                raise StoreAway
        self._draws.clear()
        self._standing.heard(answer, sent)
        for permits, _ in returns:
            permits.told_at = received
        rates.adopt(draws, answer.draws, sent, received)

    def _lose(self) -> None:
        """The store is away: everybody goes on without it."""
        now = self._monotonic()
        self._probe_at = now + PROBE_S
        log.warning(
            "rate limits are not shared at the moment: the store does not answer", worker=self._standing.worker_id
        )
        draws, self._draws = self._draws, deque()
        self._rates.doubt(draws)
        self._rates.lose(now, informed=self._hears)
        for draw in draws:
            draw.end(None)

    # -- who is there -------------------------------------------------------------------------------------------------

    async def watch(self) -> None:
        """For ever: asks the second source who lives. Beside the store's messages: while that source is slow, they are not."""
        while True:
            await asyncio.sleep(CENSUS_EVERY_S)
            await self.count()

    async def count(self) -> None:
        with suppress(ServiceUnavailable, TimeoutError):
            async with asyncio.timeout(_CENSUS_WITHIN_S):
                alive = await self._census()
            self._standing.counted(alive, self._monotonic())
            if not self._standing.joining:  # what the store then says holds
                self._rates.cap_places()

    # -- news ---------------------------------------------------------------------------------------------------------

    async def listen(self) -> None:
        """For ever: hears what the store calls out."""
        while True:
            with suppress(StoreAway):
                await self._store.follow(self.hear, self._hears_now)
            self._listening = False
            await asyncio.sleep(PROBE_S)

    def _hears_now(self) -> None:
        """From now on nothing is missed; what was before, joining tells."""
        self._listening = True
        self._must_join = True
        self._rates.news.set()

    def hear(self, news: News) -> None:
        standing = self._standing
        if news.kind == "begun":
            standing.begun[news.scope] = self._monotonic() + WINDOW_MS / 1000
        elif news.kind == "placed":
            standing.placed.add(news.scope)
        elif news.kind == "cleared":
            standing.placed.discard(news.scope)
        elif news.member == self.member:
            return
        elif news.kind == "recall":
            self._rates.recalled(news.scope)
        elif news.kind == "lost":
            self._must_join = True
            self._rates.news.set()


T = TypeVar("T")


def _portions(items: list[T]) -> list[list[T]]:
    return [items[start : start + _TOLD_AT_ONCE] for start in range(0, len(items), _TOLD_AT_ONCE)] or [[]]
