"""Where does this worker stand among the others? Who takes part, whether the store is there, and what its share is without it.

In step, the store decides. When it is lost::

    lost_at                  calls go on with the permits that are here: a window that runs is not shared out anew
    lost_at + LEASE          from then on a worker begins windows of its own, with an equal share of each limit, where the
                             window that ran has ended. Of places no more than the share is kept; running calls stay
    lost_at + 60 s + LEASE   of places, the share may be used

What nobody used when the store was lost waits for LEASE only: the store calls out what begins to be used. If the store is there
for others, it keeps this worker's share for it from LEASE on, and a little earlier. The shares of all workers together never
exceed the limit; of a limit smaller than their number, those whose names come first get one each.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto

from litemaas.gateway.permits import Permits
from litemaas.gateway.rate_messages import FENCE_MS, LEASE_MS, Answer, worker_of
from litemaas.gateway.ratelimits import WINDOW_S

LEASE_S = (LEASE_MS + FENCE_MS) / 1000
"""After so long without an answer the store knows that it does not hear of this worker."""
_STOP_EARLY = 0.7
"""Of its lease, after which a worker that hears nothing takes itself for cut off."""
_LOOKS_EVERY_S = 3.0
_CENSUS_LASTS_S = 30.0
NEVER, ALWAYS = float("-inf"), float("inf")


class Stage(Enum):
    IN_STEP = auto()
    KEEPING = auto()
    REDUCED = auto()
    SHARING = auto()


class Standing:
    """Times by this worker's clock, in seconds. ``expected``: how many workers there are at least.

    ``check_at``: when the stage has to be looked at again; what runs per call compares nothing else.
    """

    def __init__(self, worker_id: str, expected: int, now: float) -> None:
        self.worker_id = worker_id
        self._expected = expected
        self.stage = Stage.KEEPING
        self.lost_at = now
        self.check_at = self._looks_until = now + _LOOKS_EVERY_S
        self._next_step_at = now + LEASE_S
        self.informed = False
        """Whether this worker heard of everything that began to be used until the store was lost."""
        self.joining = False
        """While this worker's numbers are on their way to the store, it begins nothing of its own."""
        self.members: dict[str, bool] = {}
        """Id → whether it is silent."""
        self._silent_since: dict[str, float] = {}
        self.begun: dict[str, float] = {}
        """Scope → when a window has ended that began elsewhere."""
        self.placed: set[str] = set()
        self._alive: frozenset[str] = frozenset()
        self._strangers: frozenset[str] = frozenset()
        self._outsiders: frozenset[str] = frozenset()
        self._counted_at = self._heard_at = NEVER

    @property
    def in_step(self) -> bool:
        return self.stage is Stage.IN_STEP

    # -- the others ---------------------------------------------------------------------------------------------------

    def heard(self, answer: Answer, sent: float) -> None:
        """An answer to a message that renewed the lease."""
        self.members = dict(answer.members)
        self._heard_at = sent
        self._silent_since = {m: self._silent_since.get(m, sent) for m, silent in answer.members if silent}
        if self.in_step:
            self.check_at = sent + LEASE_S * _STOP_EARLY

    def counted(self, alive: frozenset[str], now: float) -> None:
        """``alive``: worker ids by the second source; who is there for a while and does not take part is no rival."""
        self._alive, self._counted_at = alive, now
        if self.in_step:
            strangers = alive - {worker_of(member) for member in self.members}
            self._outsiders, self._strangers = strangers & self._strangers, strangers

    def dead(self, now: float) -> list[str]:
        """Silent members that were not among the living when these were last counted."""
        if now - self._counted_at > _CENSUS_LASTS_S:
            return []
        silent = self._silent_since.items()
        return [m for m, since in silent if since < self._counted_at and worker_of(m) not in self._alive]

    def is_alone(self, now: float) -> bool:
        return self._expected <= 1 and self._workers(now) == [self.worker_id]

    def _workers(self, now: float) -> list[str]:
        workers = {worker_of(member) for member in self.members}
        if now - self._counted_at <= _CENSUS_LASTS_S:
            if self._counted_at > self._heard_at:
                workers &= self._alive
            workers |= self._alive - self._outsiders
        return sorted(workers | {self.worker_id})

    def share(self, limit: int, now: float) -> int:
        """This worker's part of a limit; all parts together are the limit, or less."""
        workers = self._workers(now)
        count = max(len(workers), self._expected)
        rank = workers.index(self.worker_id)
        return limit // count + (1 if rank < limit % count else 0)

    # -- the store is lost, and back ----------------------------------------------------------------------------------

    def lose(self, now: float, *, informed: bool) -> None:
        self.stage = Stage.KEEPING
        self.lost_at = now
        self.informed = informed
        self._next_step_at = now + LEASE_S
        self.looked(now)

    def looked(self, now: float) -> None:
        """This worker looked for the store, in vain. If it does not get to look again, it stands still and may not go on."""
        self._looks_until = now + _LOOKS_EVERY_S
        self.check_at = min(self._looks_until, self._next_step_at)

    def stands_still(self, now: float) -> bool:
        return not self.in_step and now >= self._looks_until

    def divide(self) -> None:
        """There is no store, and never was one: everybody has its share from the beginning."""
        self.stage, self.informed, self.lost_at = Stage.SHARING, True, NEVER
        self._looks_until = self._next_step_at = self.check_at = ALWAYS

    def take_steps(self, now: float) -> None:
        """From keeping to reduced to sharing."""
        if self.stage is Stage.KEEPING and now >= self._next_step_at:
            self.stage = Stage.REDUCED
            self._next_step_at = self.lost_at + LEASE_S + WINDOW_S
        if self.stage is Stage.REDUCED and now >= self._next_step_at:
            self.stage = Stage.SHARING
            self._next_step_at = ALWAYS
        self.check_at = min(self._looks_until, self._next_step_at)

    def back(self, answer: Answer, sent: float, received: float) -> None:
        self.stage = Stage.IN_STEP
        self.heard(answer, sent)
        self.begun = {scope: received + WINDOW_S - age / 1000 for scope, age in answer.begun}
        self.placed = set(answer.placed)

    def share_begins_at(self, permits: Permits, now: float) -> float:
        """When this worker may begin a window of its own on the scope."""
        if self.is_alone(now):
            return now
        soonest = self.lost_at + LEASE_S
        if permits.window and permits.over_at > self.lost_at:
            return max(soonest, permits.over_at)
        if not self.informed:
            return soonest + WINDOW_S
        return max(soonest, self.begun.get(permits.rule.scope, soonest))

    def may_share_places(self, permits: Permits, now: float) -> bool:
        if self.stage is Stage.SHARING or self.is_alone(now):
            return True
        return self.stage is Stage.REDUCED and self.informed and permits.rule.scope not in self.placed

    def forget(self, now: float, in_use: Iterable[str]) -> None:
        """Keeps memory small; ``in_use``: scopes whose windows still matter here."""
        keep = set(in_use)
        self.begun = {scope: until for scope, until in self.begun.items() if until > now or scope in keep}
