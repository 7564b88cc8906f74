"""How do several workers count one limit? Each spends permits in memory; what it lacks is drawn from a store that all share.

A worker gets a slice of a limit at once, large while much is left and one call's worth near the end; what it has idle goes back
when another needs it. So the usual call asks nobody, and no window admits one call more than its limit, whatever happens to the
store: see :mod:`~litemaas.gateway.standing` for what is left of a limit without it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from litemaas.core.errors import RateLimited
from litemaas.core.limits import RateRule
from litemaas.gateway.http.stepping import Wake
from litemaas.gateway.permits import ALWAYS, UNBOUNDED, Permits, SharedTicket, windowed
from litemaas.gateway.rate_messages import PLACES, REQUESTS, RESERVED, TOKENS, Told, Verdict, Want
from litemaas.gateway.ratelimits import Counted, RateLimiter, WhatIsLeft, refusal_of
from litemaas.gateway.standing import Stage, Standing

PATIENCE_S = (0.01, 0.03, 0.09)
"""Pauses before the next draws while others may still give something back; together well below a quarter of a second."""
_ROUNDS = 8
_ALL_OF_IT = (UNBOUNDED, 0, UNBOUNDED)
_WANTED_S = 5.0
_STILL_S = 60.0
_TELL_AGAIN_S = 240.0


class Draw:
    """One call's wish; ``verdict`` stays None if the store was lost before it answered.

    ``in_full``: other calls took what was here meanwhile, so it does not count on that any more.
    """

    __slots__ = ("done", "entries", "in_full", "tokens", "verdict", "wake")

    def __init__(self, entries: Sequence[Counted], tokens: int, *, in_full: bool) -> None:
        self.entries = entries
        self.tokens = tokens
        self.in_full = in_full
        self.wake = Wake()
        self.done = False
        self.verdict: Verdict | None = None

    def end(self, verdict: Verdict | None) -> None:
        self.verdict = verdict
        self.done = True
        self.wake.fire()


class SharedRates(RateLimiter):
    """A rate limiter whose counts other workers share. What it wants of the store stands in ``draws`` and ``returns``.

    ``monotonic`` in seconds; ``now`` only to tell callers when to come back.
    """

    def __init__(
        self, standing: Standing, monotonic: Callable[[], float], now: Callable[[], datetime],
        patience_s: Sequence[float] = PATIENCE_S,
    ) -> None:  # fmt: skip
        self.standing = standing
        self.draws: deque[Draw] = deque()
        self.returns: dict[Permits, None] = {}
        """Whose numbers the store has to hear of, in order."""
        self.news = asyncio.Event()
        """Something is in ``draws`` or ``returns``."""
        self._monotonic = monotonic
        self._now = now
        self._patience_s = patience_s
        self._permits: dict[str, Permits] = {}
        self._serial = 0

    # -- per call -----------------------------------------------------------------------------------------------------

    def counters(self, rules: Sequence[RateRule]) -> list[Counted]:
        return [(rule, self._permits_of(rule), WhatIsLeft(rule)) for rule in rules]

    def _permits_of(self, rule: RateRule) -> Permits:
        permits = self._permits.get(rule.scope)
        if permits is None:
            permits = self._permits[rule.scope] = Permits(rule)
        elif permits.rule != rule:
            permits.drop_idle()
            permits.set_rule(rule)
            self._give_back(permits)
        return permits

    def take(self, entries: Sequence[Counted], tokens: int) -> SharedTicket | None:
        time = self._monotonic()
        if time >= self.standing.check_at and not self._goes_on(time):
            return None
        for _, known, _ in entries:
            permits: Permits = known
            if permits.requests < 1 or permits.tokens < tokens or permits.places < 1 or time >= permits.ends_at:
                self._refuse_if_certain(entries, time)
                return None
        for _, known, _ in entries:
            permits = known
            permits.requests -= 1
            permits.tokens -= tokens
            permits.places -= 1
        return SharedTicket(entries, tokens, self._serial, self)

    def _refuse_if_certain(self, entries: Sequence[Counted], time: float) -> None:
        for rule, permits, _ in entries:
            if permits.requests < 1 and (rule.rpm == 0 or time < permits.dry_requests_until):
                raise self._refusal(rule, permits, REQUESTS, time)
            if permits.places < 1 and (rule.parallel == 0 or time < permits.dry_places_until):
                raise self._refusal(rule, permits, PLACES, time)

    async def draw(self, entries: Sequence[Counted], tokens: int) -> None:
        for _, permits, _ in entries:
            if permits.forgotten and self._permits.setdefault(permits.rule.scope, permits) is not permits:
                return  # somebody else counts here since then; the next call of the lane asks for that
            permits.forgotten = False
            permits.drawing += 1
        try:
            await self._draw(entries, tokens)
        finally:
            for _, permits, _ in entries:
                permits.drawing -= 1

    async def _draw(self, entries: Sequence[Counted], tokens: int) -> None:
        pauses = iter(self._patience_s)
        in_full = False
        for _ in range(_ROUNDS):
            time = self._monotonic()
            if time >= self.standing.check_at and not self._goes_on(time):
                return
            if all(permits.suffices(tokens, time) for _, permits, _ in entries):
                return
            if not self.standing.in_step:
                self._take_shares(entries, time)
                return
            if any(_is_dry(permits, tokens, time) for _, permits, _ in entries):
                return
            draw = Draw(entries, tokens, in_full=in_full)
            self.draws.append(draw)
            self.news.set()
            while not draw.done:
                await draw.wake
            if draw.verdict is None or self._suffices(entries, tokens):
                continue
            if draw.verdict.granted and not in_full:
                in_full = True
                continue
            # Granted in full and not enough: the window was about to end.
            hopes = draw.verdict.granted or self._hopes(entries, tokens, draw.verdict)
            seconds = next(pauses, None) if hopes else None
            if seconds is None:
                self._note_dry(entries, tokens, draw.verdict)
                return
            await pause(seconds)

    def _suffices(self, entries: Sequence[Counted], tokens: int) -> bool:
        time = self._monotonic()
        return all(permits.suffices(tokens, time) for _, permits, _ in entries)

    @staticmethod
    def _hopes(entries: Sequence[Counted], tokens: int, verdict: Verdict) -> bool:
        """Whether all that is short may come back from other workers."""
        for (rule, _, _), view in zip(entries, verdict.views, strict=True):
            hope = view.hope if not view.hope & RESERVED else REQUESTS | TOKENS | PLACES
            if view.short & ~hope or (view.short & TOKENS and tokens > (rule.tpm or 0)):
                return False
        return True

    def _note_dry(self, entries: Sequence[Counted], tokens: int, verdict: Verdict) -> None:
        """Remembers what is used up, so that a caller who does not stop asking costs the store nothing."""
        time = self._monotonic()
        for (rule, permits, _), view in zip(entries, verdict.views, strict=True):
            permits.short = view.short
            if view.short & REQUESTS:
                certain = not view.hope & (REQUESTS | RESERVED)
                permits.dry_requests_until = (
                    permits.ends_at if certain and view.window == permits.window else time + 0.1
                )
            if view.short & TOKENS and tokens <= (rule.tpm or 0):
                permits.dry_tokens, permits.dry_tokens_until = tokens, time + 0.1
            if view.short & PLACES:
                permits.dry_places_until = time + 0.03

    def tokens_left(self, entries: Sequence[Counted]) -> tuple[int, bool]:
        time = self._monotonic()
        left, fresh = 2**62, True
        for rule, permits, _ in entries:
            if rule.tpm is None:
                continue
            used = 0 if self.standing.in_step else rule.tpm
            if time < permits.ends_at:
                used = permits.known_tokens - permits.tokens
            fresh = fresh and used <= 0
            left = min(left, rule.tpm - used)
        return left, fresh

    # -- refusals -----------------------------------------------------------------------------------------------------

    def refusal(self, entries: Sequence[Counted], tokens: int) -> RateLimited:
        time = self._monotonic()
        for known in (True, False):  # first what the store has said, then what is just not here
            for rule, permits, _ in entries:
                ended = time >= permits.ends_at
                for kind, lacks in (
                    (REQUESTS, rule.rpm is not None and (ended or permits.requests < 1)),
                    (TOKENS, rule.tpm is not None and (ended or permits.tokens < tokens)),
                    (PLACES, permits.places < 1),
                ):
                    if lacks and (permits.short & kind or not known):
                        return self._refusal(rule, permits, kind, time)
        return self._refusal(entries[0][0], entries[0][1], REQUESTS, time)

    def _refusal(self, rule: RateRule, permits: Permits, kind: int, time: float) -> RateLimited:
        now = self._now()
        if kind == PLACES:
            used = permits.known_places - permits.places
            return refusal_of(rule, "max_parallel_requests", rule.parallel or 0, used, 1, now)
        wait_s = permits.ends_at - time if permits.ends_at > time else 1.0
        if not self.standing.in_step and permits.ends_at <= time:
            wait_s = min(60.0, self.standing.share_begins_at(permits, time) - time)
        if kind == REQUESTS:
            used = permits.known_requests - permits.requests if permits.ends_at > time else rule.rpm or 0
            return refusal_of(rule, "requests", rule.rpm or 0, used, wait_s, now)
        used = permits.known_tokens - permits.tokens if permits.ends_at > time else 0
        return refusal_of(rule, "tokens", rule.tpm or 0, used, wait_s, now)

    # -- without the store --------------------------------------------------------------------------------------------

    def lose(self, time: float, *, informed: bool) -> None:
        """The store is away: who waits for it goes on with what is here."""
        self.standing.lose(time, informed=informed)
        draws, self.draws = self.draws, deque()
        self.returns.clear()
        for draw in draws:
            draw.end(None)

    def _goes_on(self, time: float) -> bool:
        """Takes the steps that are due; False when this process stood still and has to look for the store first."""
        standing = self.standing
        if standing.joining:
            return True
        if standing.in_step:  # its lease is nearly over
            self.lose(time, informed=False)
            for permits in self._permits.values():
                permits.drop_idle()
        elif standing.stands_still(time):
            return False
        standing.take_steps(time)
        self.cap_places()
        return True

    def cap_places(self) -> None:
        """Keeps to this worker's share of places, once its lease is over."""
        standing, time = self.standing, self._monotonic()
        if standing.stage is Stage.REDUCED or standing.stage is Stage.SHARING:
            for permits in self._permits.values():
                if permits.rule.parallel is not None:
                    share = standing.share(permits.rule.parallel, time)
                    if standing.stage is Stage.SHARING or permits.granted_places > share:
                        permits.set_places(share)

    def _take_shares(self, entries: Sequence[Counted], time: float) -> None:
        """Begins windows of this worker's own where it may."""
        standing = self.standing
        if standing.joining:
            return
        for rule, permits, _ in entries:
            if time >= permits.ends_at and time >= standing.share_begins_at(permits, time):
                self._serial += 1
                requests, tokens = standing.share(rule.rpm or 0, time), standing.share(rule.tpm or 0, time)
                permits.begin_share(requests, tokens, time, self._serial)
            if rule.parallel is not None and standing.may_share_places(permits, time):
                share = standing.share(rule.parallel, time)
                if permits.granted_places < share:
                    permits.set_places(share)

    # -- for the link to the store ------------------------------------------------------------------------------------

    def wants(self, draws: Iterable[Draw]) -> list[list[Want]]:
        """What the calls lack, when they take what is here one after another."""
        time = self._monotonic()
        earlier: dict[str, tuple[int, int, int]] = {}
        wishes = []
        for draw in draws:
            if draw.in_full:
                wishes.append([permits.want(draw.tokens, ALWAYS, _ALL_OF_IT) for _, permits, _ in draw.entries])
                continue
            wishes.append([p.want(draw.tokens, time, earlier.get(p.rule.scope, (0, 0, 0))) for _, p, _ in draw.entries])
            for want in wishes[-1]:
                requests, tokens, places = earlier.get(want.scope, (0, 0, 0))
                earlier[want.scope] = (
                    requests + 1 - want.lack_requests,
                    tokens + draw.tokens - want.lack_tokens,
                    places + 1 - want.lack_places,
                )
        return wishes

    def adopt(self, draws: Sequence[Draw], verdicts: Sequence[Verdict], sent: float, received: float) -> None:
        """Takes what was granted; each call takes its part at once, before the next one is looked at."""
        for draw, verdict in zip(draws, verdicts, strict=True):
            for (_, permits, _), view in zip(draw.entries, verdict.views, strict=True):
                if view.window != permits.window:
                    self._serial += 1
                permits.adopt(view, sent, received, self._serial)
        for draw, verdict in zip(draws, verdicts, strict=True):
            draw.end(verdict)

    def everything(self) -> list[tuple[Permits, Told]]:
        """All that this worker has, for a store that may have forgotten it."""
        time = self._monotonic()
        told = [(permits, permits.told(time)) for permits in self._permits.values()]
        return [(permits, one) for permits, one in told if one.age_ms >= 0 or one.places >= 0 or permits.in_doubt]

    def doubt(self, draws: Iterable[Draw]) -> None:
        """It is not known whether the store has granted these; whatever it has is not used."""
        for draw in draws:
            for _, permits, _ in draw.entries:
                permits.in_doubt = True

    def give_up_everything(self) -> list[tuple[Permits, Told]]:
        for permits in self._permits.values():
            permits.drop_idle()
        return self.everything()

    def take_returns(self) -> list[tuple[Permits, Told]]:
        """What is to be told, as it is now; each scope once, the living after those that were dropped."""
        time = self._monotonic()
        returns, self.returns = self.returns, {}
        return [(permits, permits.told(time)) for permits in sorted(returns, key=lambda permits: not permits.forgotten)]

    def recalled(self, scope: str) -> None:
        """Another worker needs what is idle here."""
        permits = self._permits.get(scope)
        if permits is None or not self.standing.in_step:
            return
        permits.wanted_until = self._monotonic() + _WANTED_S
        permits.drop_idle()
        self._give_back(permits)

    def yield_places(self) -> None:
        """Some member is silent and may use its share of places: here, too, each place is asked for anew from now on."""
        for permits in self._permits.values():
            if permits.rule.parallel is not None:
                permits.wanted_until = self._monotonic() + _WANTED_S
                if permits.drop_idle():
                    self._give_back(permits)

    def came_back(self, permits: Permits) -> None:
        """A call has ended on a scope that other workers need."""
        if self._monotonic() >= permits.wanted_until:
            permits.wanted_until = 0.0
        elif self.standing.in_step and permits.drop_idle():
            self._give_back(permits)

    def _give_back(self, permits: Permits) -> None:
        if self.standing.in_step:
            self.returns[permits] = None
            self.news.set()

    def forget_idle(self) -> None:
        time = self._monotonic()
        for permits in list(self._permits.values()):
            if (
                permits.is_still(time, _STILL_S)
                and not permits.drawing
                and (self.standing.in_step or windowed(permits.rule))
            ):
                permits.forgotten = True
                del self._permits[permits.rule.scope]
                if permits.drop_idle():
                    self._give_back(permits)
            elif (
                permits.rule.parallel is not None and permits.granted_places and time - permits.told_at > _TELL_AGAIN_S
            ):
                self._give_back(permits)
        self.standing.forget(time, self._permits)


def _is_dry(permits: Permits, tokens: int, time: float) -> bool:
    return (
        (permits.requests < 1 and (permits.rule.rpm == 0 or time < permits.dry_requests_until))
        or (permits.tokens < tokens and tokens >= permits.dry_tokens and time < permits.dry_tokens_until)
        or (permits.places < 1 and (permits.rule.parallel == 0 or time < permits.dry_places_until))
    )


async def pause(seconds: float) -> None:
    """Lets time pass, within a stepped coroutine."""
    wake = Wake()
    timer = asyncio.get_running_loop().call_later(seconds, wake.fire)
    try:
        await wake
    finally:
        timer.cancel()
