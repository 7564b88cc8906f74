"""What do workers and the store of shared rate limits say to one another? One message, one answer, executed in one step.

The store keeps, per scope, a window (its beginning, requests and tokens given out) and the places given out for parallel calls,
each with every worker's part; and who takes part (*members*, each with a lease). What is given to a worker are *permits*. A
message is executed as a whole or, when it comes late, not at all. The rules stand in ``adapters/rates.lua``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

WINDOW_MS = 60_000
LEASE_MS = 5_000
"""A member that has said nothing for so long is *silent*: it may use its share of each limit without asking."""
HUSH_MS = 2_000
"""After so long without a word from a member, its share of each limit is kept for it."""
FENCE_MS = 350
"""A message is not executed when it arrives later than this."""
UNSETTLED_MS = 5_000
"""A store that has lost its memory gives out nothing for so long, or until all members have told what they have."""
REQUESTS, TOKENS, PLACES, RESERVED = 1, 2, 4, 8
"""Bits of ``View.short`` and ``View.hope``."""


class StoreAway(Exception):
    """The store does not answer, or not in time."""


class Want(msgspec.Struct, frozen=True, array_like=True):
    """What one call needs of one scope. Limits: −1 = none. ``lack_…``: what the worker has not got already."""

    scope: str
    rpm: int
    tpm: int
    parallel: int
    lack_requests: int
    lack_tokens: int
    lack_places: int


class Told(msgspec.Struct, frozen=True, array_like=True):
    """What a worker has of one scope, used or not: the store's numbers for it are replaced by these.

    ``window``: 0 = one that the store does not know. ``age_ms``: of the window; −1 = it is over, and only places count.
    ``places``: −1 = the scope has no limit on parallel calls.
    """

    scope: str
    window: int
    age_ms: int
    requests: int
    idle_requests: int
    tokens: int
    places: int


class Message(msgspec.Struct, frozen=True, array_like=True):
    """``kind``: ``join`` (take part, or again; after ``telling`` what one message cannot hold), ``refresh``, ``trade``,
    ``leave``.

    ``deadline_ms``: by the store's clock; 0 = none. ``known``: members that a store without memory has to hear of.
    ``dead``: silent members that are known to be dead.
    """

    member: str
    deadline_ms: int
    kind: str
    known: list[str] = []
    told: list[Told] = []
    draws: list[list[Want]] = []
    dead: list[str] = []


class View(msgspec.Struct, frozen=True, array_like=True):
    """One scope after the message. ``requests``, ``tokens``, ``places``: given out to all; ``got_…``: of that, just now.

    ``window``: 0 = none has begun. ``short``: what was not enough. ``hope``: what others have and may give back; RESERVED =
    something is kept for silent members.
    """

    window: int
    remaining_ms: int
    requests: int
    tokens: int
    places: int
    got_requests: int = 0
    got_tokens: int = 0
    got_places: int = 0
    short: int = 0
    hope: int = 0


class Verdict(msgspec.Struct, frozen=True, array_like=True):
    """``granted``: on every scope all that was lacked, or on none anything."""

    granted: bool
    views: list[View]


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """``status``: ``ok``; ``late``: past its deadline, nothing was done; ``unknown``: join first, nothing was done.

    ``members``: id → whether it is silent. After a join: ``told``, what became of each; ``begun``: age of each running window
    (ms); ``placed``: scopes on which places are given out; ``quiet_ms``: how long nothing is given out at most.
    """

    status: str
    now_ms: int
    members: list[tuple[str, bool]] = []
    draws: list[Verdict] = []
    told: list[View] = []
    begun: list[tuple[str, int]] = []
    placed: list[str] = []
    quiet_ms: int = 0


class News(msgspec.Struct, frozen=True, array_like=True):
    """What the store calls out to all members.

    ``kind``: ``begun`` (a window), ``placed`` and ``cleared`` (the first place given out, the last one back), ``recall`` (give
    back what is idle), ``lost`` (the store has lost its memory: join again).
    """

    kind: str
    scope: str
    member: str


class RateStore(Protocol):
    async def exchange(self, message: Message) -> Answer:
        """Errors: StoreAway, after a quarter of a second at the latest."""

    async def time_ms(self) -> int:
        """The store's clock.

        Errors: StoreAway.
        """

    async def follow(self, hear: Callable[[News], None], on_begin: Callable[[], None]) -> None:
        """Calls ``hear`` for all news from the moment ``on_begin`` is called, until the connection is lost.

        Errors: StoreAway.
        """

    async def close(self) -> None:
        """Ends the connection."""


Census = Callable[[], Awaitable[frozenset[str]]]
"""Which workers are alive by a second source that does not depend on the store. Errors: ServiceUnavailable."""


def worker_of(member: str) -> str:
    """A member is one life of a worker: ``<worker id>/<something random>``."""
    return member.rpartition("/")[0]
