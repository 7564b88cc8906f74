"""The store of shared rate limits without Valkey: the same rules in Python, with a clock that the test sets.

``tests/integration/gateway/test_rate_stores.py`` runs it against the same suite as the real one.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from litemaas.gateway.rate_messages import (
    HUSH_MS,
    LEASE_MS,
    PLACES,
    REQUESTS,
    RESERVED,
    TOKENS,
    UNSETTLED_MS,
    WINDOW_MS,
    Answer,
    Message,
    News,
    StoreAway,
    Told,
    Verdict,
    View,
    Want,
    worker_of,
)

QUIET_MS = 1000
RECALL_EVERY_MS = 100


class Window:
    """``parts``: member → [requests, those it may have idle, tokens]."""

    def __init__(self, began: int) -> None:
        self.id = self.began = began
        self.requests = self.tokens = 0
        self.parts: dict[str, list[int]] = {}

    def part(self, member: str) -> list[int]:
        return self.parts.setdefault(member, [0, 0, 0])


class MemoryCounts:
    """``now_ms``: its clock. ``away``: nobody reaches it."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self.away = False
        self.followers: list[Callable[[News], None]] = []
        self.flush()

    def flush(self) -> None:
        self._settles: int | None = None
        self._quiet = 0
        self.members: dict[str, int] = {}
        self.windows: dict[str, Window] = {}
        self.places: dict[str, dict[str, int]] = {}
        self._recalled: dict[str, int] = {}

    async def time_ms(self) -> int:
        if self.away:
            raise StoreAway
        return self._now_ms()

    async def exchange(self, message: Message) -> Answer:
        if self.away:
            raise StoreAway
        return self.execute(message)

    async def follow(self, hear: Callable[[News], None], on_begin: Callable[[], None]) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        """There is nothing to close."""

    def execute(self, message: Message) -> Answer:
        return _Step(self, message, self._now_ms()).run()


class _Step:
    """One message."""

    def __init__(self, store: MemoryCounts, message: Message, now: int) -> None:
        self.store = store
        self.message = message
        self.me = message.member
        self.now = now
        self.joins = message.kind in {"join", "telling"}

    def run(self) -> Answer:
        store, message, now = self.store, self.message, self.now
        if 0 < message.deadline_ms < now:
            return Answer("late", now)
        self.count()
        if self.joins:
            self.enter()
        elif store._settles is None or store.members.get(self.me, -1) < now:
            return Answer("unknown", now)
        elif message.kind == "leave":
            del store.members[self.me]
            return Answer("ok", now)
        else:
            for member in message.dead:
                if store.members.get(member, now) < now:
                    del store.members[member]
            store.members[self.me] = now + LEASE_MS
            self.count()
        told = [self.hear(one) for one in message.told]
        draws = [self.draw(wants) for wants in message.draws]
        begun, placed = [], []
        if message.kind == "join":
            begun = [(scope, now - w.began) for scope, w in store.windows.items() if now < w.began + WINDOW_MS]
            placed = [scope for scope in store.places if any(self.places_of(scope).values())]
        members = [(member, lease < now) for member, lease in store.members.items()]
        return Answer("ok", now, members, draws, told, begun, placed, self.pause())

    # -- members ------------------------------------------------------------------------------------------------------

    def count(self) -> None:
        store, now = self.store, self.now
        for member, lease in list(store.members.items()):
            settles = store._settles
            if lease == 0 and member != self.me and (settles is None or not settles - UNSETTLED_MS <= now < settles):
                del store.members[member]
            elif lease > now + LEASE_MS:
                store.members[member] = now + LEASE_MS
        self.hushed = [m for m, lease in store.members.items() if lease < now + LEASE_MS - HUSH_MS and m != self.me]
        self.untold = any(store.members[member] == 0 for member in self.hushed)

    def enter(self) -> None:
        store, now = self.store, self.now
        if store._settles is None:
            store._quiet = now if self.message.known else now + QUIET_MS
            store._settles = now + UNSETTLED_MS
            self.publish("lost", "")
        if now < store._settles:
            for member in self.message.known:
                if worker_of(member) != worker_of(self.me):
                    store.members.setdefault(member, 0)
        for member in list(store.members):
            if member != self.me and worker_of(member) == worker_of(self.me):
                del store.members[member]
        if self.message.kind == "join":
            store.members[self.me] = now + LEASE_MS
        else:
            store.members.setdefault(self.me, 0)
        self.count()

    def publish(self, kind: str, scope: str) -> None:
        for hear in list(self.store.followers):
            hear(News(kind, scope, self.me))

    # -- scopes -------------------------------------------------------------------------------------------------------

    def window_of(self, scope: str) -> Window | None:
        window = self.store.windows.get(scope)
        if window is None or self.now >= window.began + WINDOW_MS:
            return None
        window.began = min(window.began, self.now)
        return window

    def begin(self, scope: str, began: int) -> Window:
        window = self.store.windows[scope] = Window(began)
        if len(self.store.members) > 1:
            self.publish("begun", scope)
        return window

    def places_of(self, scope: str) -> dict[str, int]:
        places = self.store.places.setdefault(scope, {})
        for member in [member for member in places if member not in self.store.members]:
            del places[member]
        return places

    def set_places(self, scope: str, mine: int) -> None:
        places = self.places_of(scope)
        before = sum(places.values())
        places[self.me] = mine
        after = sum(places.values())
        if len(self.store.members) > 1:
            if before == 0 < after:
                self.publish("placed", scope)
            elif before > 0 == after:
                self.publish("cleared", scope)

    def view(self, scope: str, window: Window | None, *, parallel: bool, got: tuple[int, ...] = (0, 0, 0)) -> View:
        places = sum(self.places_of(scope).values()) if parallel else 0
        if window is None:
            return View(0, 0, 0, 0, places, *got)
        remaining = window.began + WINDOW_MS - self.now
        return View(window.id, remaining, window.requests, window.tokens, places, *got)

    def hear(self, told: Told) -> View:
        window = self.window_of(told.scope)
        if told.age_ms < 0 and self.joins and window is not None and told.window != window.id:
            told = Told(told.scope, told.window, 0, 0, 0, 0, told.places)
        if told.age_ms >= 0:
            if window is None and self.joins:
                window = self.begin(told.scope, self.now - told.age_ms)
            if window is not None and (self.joins or window.id == told.window):
                part = window.part(self.me)
                window.requests += told.requests - part[0]
                window.tokens += told.tokens - part[2]
                part[:] = [told.requests, told.idle_requests, told.tokens]
        if told.places >= 0:
            self.set_places(told.scope, told.places)
        return self.view(told.scope, window, parallel=told.places >= 0)

    # -- draws --------------------------------------------------------------------------------------------------------

    def look(self, want: Want) -> tuple[list[int], int, int]:
        """What is left of requests, tokens and places; what is short; what there is hope for."""
        window, places = self.window_of(want.scope), self.places_of(want.scope) if want.parallel >= 0 else {}
        parts = {m: [*window.part(m)] if window is not None else [0, 0, 0] for m in self.store.members}
        live = [m for m, lease in self.store.members.items() if m != self.me and lease >= self.now]
        given = (window.requests, window.tokens) if window is not None else (0, 0)
        left, short, hope = [], 0, 0
        for bit, limit, lack, out, had, idle in (
            (REQUESTS, want.rpm, want.lack_requests, given[0], [parts[m][0] for m in self.hushed], [parts[m][1] for m in live]),
            (TOKENS, want.tpm, want.lack_tokens, given[1], [parts[m][2] for m in self.hushed], [parts[m][2] for m in live]),
            (PLACES, want.parallel, want.lack_places, sum(places.values()),
             [places.get(m, 0) for m in self.hushed], [places.get(m, 0) for m in live]),
        ):  # fmt: skip
            if limit < 0 or lack <= 0:
                left.append(0)
                continue
            kept = sum(max(0, ceil(limit / len(self.store.members)) - part) for part in had)
            left.append(limit - out - kept)
            if lack > left[-1]:
                short |= bit
                hope |= (bit if any(idle) else 0) | (RESERVED if kept else 0)
        return left, short, hope

    def pause(self) -> int:
        if self.untold and self.store._settles is not None:
            return self.store._settles - self.now
        left = self.store._quiet - self.now
        return left if 0 < left <= QUIET_MS else 0

    def slice(self, rest: int) -> int:
        count = len(self.store.members)
        return rest if count == 1 else rest // (2 * count)

    def draw(self, wants: list[Want]) -> Verdict:
        looks = [self.look(want) for want in wants]
        lacks = any(want.lack_requests or want.lack_tokens or want.lack_places for want in wants)
        granted = not any(short for _, short, _ in looks)
        if lacks and self.pause():
            granted = False
        return Verdict(granted, [self.outcome(w, *look, granted=granted) for w, look in zip(wants, looks, strict=True)])

    def outcome(self, want: Want, left: list[int], short: int, hope: int, *, granted: bool) -> View:
        window, scope = self.window_of(want.scope), want.scope
        if not granted:
            last = self.store._recalled.get(scope)
            if hope & ~RESERVED and (last is None or not 0 <= self.now - last < RECALL_EVERY_MS):
                self.store._recalled[scope] = self.now
                self.publish("recall", scope)
            seen = self.view(scope, window, parallel=want.parallel >= 0)
            return View(seen.window, seen.remaining_ms, seen.requests, seen.tokens, seen.places, short=short, hope=hope)
        got = tuple(
            lack + self.slice(rest - lack) if limit >= 0 and lack > 0 else 0
            for limit, lack, rest in zip(
                (want.rpm, want.tpm, want.parallel), (want.lack_requests, want.lack_tokens, want.lack_places), left,
                strict=True,
            )
        )  # fmt: skip
        if got[0] or got[1]:
            window = window or self.begin(scope, self.now)
            part = window.part(self.me)
            window.requests += got[0]
            window.tokens += got[1]
            part[0] += got[0]
            part[1] += max(0, got[0] - want.lack_requests)
            part[2] += got[1]
        if got[2]:
            self.set_places(scope, self.places_of(scope).get(self.me, 0) + got[2])
        return self.view(scope, window, parallel=want.parallel >= 0, got=got)
