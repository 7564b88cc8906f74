"""What may this worker still admit on one scope? Permits given to it: spent in memory, told to the others when it matters.

::

    granted = what the store gave to this worker, in this window (places: now)
    idle    = granted − what its calls use: the numbers ``requests``, ``tokens``, ``places``

A call takes one idle request, its tokens and one place on every scope in one step. Where a rule has no limit of a kind, there
are :data:`UNBOUNDED` of it. Windows end here no later than in the store: the time that a message was under way counts as gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING

from litemaas.core.limits import RateRule
from litemaas.gateway.rate_messages import WINDOW_MS, Told, View, Want
from litemaas.gateway.ratelimits import WINDOW_S, Counted, Ticket

if TYPE_CHECKING:
    from litemaas.gateway.shared_rates import SharedRates

UNBOUNDED = 1 << 60
NEVER, ALWAYS = float("-inf"), float("inf")
DRIFT = 0.001
"""Clocks of two machines differ in speed by less than this."""


def windowed(rule: RateRule) -> bool:
    return rule.rpm is not None or rule.tpm is not None


class Permits:
    """One scope. Times by this worker's clock, in seconds.

    ``ends_at``: from then on no call counts in this window; ``over_at``: then it has ended for the store, too.
    ``serial``: number of the window at this worker; a ticket with a lower number is from an earlier one.
    ``known_…``: given out to all workers when the store was last asked. ``dry_…``: until when it need not be asked again.
    ``in_doubt``: the store may have given something that never arrived here.
    ``short``: what it last refused. ``drawing``: calls that wait for it. ``wanted_until``: others need what comes back; 0 = no.
    ``window``: the store's number; 0 = none, or a window of this worker's own while the store is away.
    """

    __slots__ = (
        "drawing", "dry_places_until", "dry_requests_until", "dry_tokens", "dry_tokens_until", "ends_at", "forgotten",
        "granted_places", "granted_requests", "granted_tokens", "in_doubt", "known_places", "known_requests", "known_tokens",
        "over_at", "places", "requests", "rule", "serial", "short", "sign_of_life", "still_since", "tokens", "told_at",
        "wanted_until", "window",
    )  # fmt: skip

    def __init__(self, rule: RateRule) -> None:
        self.forgotten = self.in_doubt = False
        self.drawing = self.short = 0
        self.serial = self.window = 0
        self.known_requests = self.known_tokens = self.known_places = 0
        self.dry_requests_until = self.dry_tokens_until = self.dry_places_until = NEVER
        self.dry_tokens = 0
        self.wanted_until = 0.0
        self.told_at = self.still_since = 0.0
        self.sign_of_life = (0, 0)
        self.rule = RateRule(rule.scope, rule.level)
        self.requests = self.granted_requests = UNBOUNDED
        self.tokens = self.granted_tokens = UNBOUNDED
        self.places = self.granted_places = UNBOUNDED
        self.ends_at = self.over_at = ALWAYS
        self.set_rule(rule)

    def set_rule(self, rule: RateRule) -> None:
        """What is idle of a changed limit goes; what is in use counts on."""
        before, self.rule = self.rule, rule
        if rule.rpm != before.rpm:
            used = self.granted_requests - self.requests if before.rpm is not None else 0
            self.granted_requests = used if rule.rpm is not None else UNBOUNDED
            self.requests = self.granted_requests - used
        if rule.tpm != before.tpm:
            used = self.granted_tokens - self.tokens if before.tpm is not None else 0
            self.granted_tokens = used if rule.tpm is not None else UNBOUNDED
            self.tokens = self.granted_tokens - used
        if rule.parallel != before.parallel:
            running = self.running
            self.granted_places = running if rule.parallel is not None else UNBOUNDED
            self.places = self.granted_places - running
        if not windowed(rule):
            self.ends_at = self.over_at = ALWAYS
        elif not windowed(before):
            self.ends_at = self.over_at = NEVER
        self.dry_requests_until = self.dry_tokens_until = self.dry_places_until = NEVER

    @property
    def running(self) -> int:
        return self.granted_places - self.places

    def suffices(self, tokens: int, time: float) -> bool:
        return self.requests >= 1 and self.tokens >= tokens and self.places >= 1 and time < self.ends_at

    # -- words for the store ------------------------------------------------------------------------------------------

    def want(self, tokens: int, time: float, earlier: tuple[int, int, int]) -> Want:
        """What a call lacks here, if ``earlier`` ones of the same message take theirs first."""
        open_window = time < self.ends_at
        requests = (self.requests if open_window else 0) - earlier[0]
        left = (self.tokens if open_window else 0) - earlier[1]
        rule = self.rule
        return Want(
            rule.scope,
            -1 if rule.rpm is None else rule.rpm,
            -1 if rule.tpm is None else rule.tpm,
            -1 if rule.parallel is None else rule.parallel,
            1 if rule.rpm is not None and requests < 1 else 0,
            max(0 if open_window else 1, tokens - left) if rule.tpm is not None else 0,  # one begins a window
            1 if rule.parallel is not None and self.places - earlier[2] < 1 else 0,
        )

    def told(self, time: float) -> Told:
        rule = self.rule
        if rule.tpm is not None and self.tokens < 0:  # an engine used more than was reserved
            self.granted_tokens -= self.tokens
            self.tokens = 0
        if rule.parallel is not None and self.places < 0:  # more calls run than this worker's share
            self.granted_places -= self.places
            self.places = 0
        age_ms = -1
        if windowed(rule) and time < self.ends_at:
            age_ms = min(WINDOW_MS - 1, max(0, WINDOW_MS - ceil((self.ends_at - time) * 1000)))
        return Told(
            rule.scope,
            self.window,
            age_ms,
            self.granted_requests if rule.rpm is not None else 0,
            max(0, self.requests) if rule.rpm is not None else 0,
            self.granted_tokens if rule.tpm is not None else 0,
            -1 if rule.parallel is None else self.granted_places,
        )

    # -- what the store says ------------------------------------------------------------------------------------------

    def adopt(self, view: View, sent: float, received: float, serial: int) -> None:
        """Takes what an answer brings; ``serial``: the number that a window gets that is new here."""
        rule = self.rule
        if view.window and windowed(rule):
            if view.window != self.window:
                self._begin(view.window, serial)
            self._set_end(view, sent, received)
        if rule.rpm is not None:
            self.requests += view.got_requests
            self.granted_requests += view.got_requests
        if rule.tpm is not None:
            self.tokens += view.got_tokens
            self.granted_tokens += view.got_tokens
        if rule.parallel is not None:
            self.places += view.got_places
            self.granted_places += view.got_places
        self._know(view)

    def adopt_told(self, view: View, sent: float, received: float) -> None:
        """The store has taken our numbers over: they belong to its window now."""
        if view.window and windowed(self.rule) and sent < self.ends_at:
            self.window = view.window
            self._set_end(view, sent, received)
        self._know(view)
        self.told_at = received
        self.in_doubt = False

    def _know(self, view: View) -> None:
        self.known_requests, self.known_tokens, self.known_places = view.requests, view.tokens, view.places
        if not view.window:
            self.known_requests = self.known_tokens = 0

    def _begin(self, window: int, serial: int) -> None:
        self.window, self.serial = window, serial
        self.granted_requests = self.requests = UNBOUNDED if self.rule.rpm is None else 0
        self.granted_tokens = self.tokens = UNBOUNDED if self.rule.tpm is None else 0
        self.dry_requests_until = self.dry_tokens_until = NEVER

    def _set_end(self, view: View, sent: float, received: float) -> None:
        remaining_s = view.remaining_ms / 1000
        self.ends_at = sent + remaining_s * (1 - DRIFT)
        self.over_at = received + remaining_s * (1 + DRIFT) + 0.01

    # -- without the store --------------------------------------------------------------------------------------------

    def begin_share(self, requests: int, tokens: int, time: float, serial: int) -> None:
        """A window of this worker's own, with its share of the limits."""
        self._begin(0, serial)
        rule = self.rule
        if rule.rpm is not None:
            self.requests = self.granted_requests = requests
            self.known_requests = rule.rpm
        if rule.tpm is not None:
            self.tokens = self.granted_tokens = tokens
            self.known_tokens = rule.tpm
        self.ends_at = time + WINDOW_S
        self.over_at = self.ends_at

    def set_places(self, places: int) -> None:
        """So many from now on; running calls stay, and new ones wait until fewer run than that."""
        running = self.running
        self.granted_places, self.places = places, places - running
        self.known_places = self.rule.parallel or 0

    def drop_idle(self) -> bool:
        """Gives up what no call uses; whether that was anything."""
        rule, dropped = self.rule, 0
        if rule.rpm is not None and self.requests > 0:
            dropped += self.requests
            self.granted_requests -= self.requests
            self.known_requests -= self.requests
            self.requests = 0
        if rule.tpm is not None and self.tokens > 0:
            dropped += self.tokens
            self.granted_tokens -= self.tokens
            self.known_tokens -= self.tokens
            self.tokens = 0
        if rule.parallel is not None and self.places > 0:
            dropped += self.places
            self.granted_places -= self.places
            self.known_places -= self.places
            self.places = 0
        return dropped > 0

    def is_still(self, time: float, for_s: float) -> bool:
        """Whether no call has used it for a while; asked now and then."""
        sign = (self.requests, self.serial)
        if sign != self.sign_of_life or self.running:
            self.sign_of_life, self.still_since = sign, time
        return time - self.still_since > for_s and (time >= self.over_at or not windowed(self.rule))


class SharedTicket(Ticket):
    """One admitted call."""

    __slots__ = ("_entries", "_rates", "_serial", "_tokens")

    def __init__(self, entries: Sequence[Counted], tokens: int, serial: int, rates: SharedRates) -> None:
        self._entries = entries
        self._tokens = tokens
        self._serial = serial
        self._rates = rates

    def close(self, used_tokens: int) -> None:
        for rule, known, _ in self._entries:
            permits: Permits = known
            permits.places += 1
            if rule.tpm is not None and permits.serial <= self._serial:  # else the window it was counted in is over
                permits.tokens += self._tokens - used_tokens
            if permits.wanted_until:
                self._rates.came_back(permits)

    def header_lines(self) -> str:
        """What is left of each limit for all workers, as far as known here, this call included."""
        lines = ""
        for _, known, what_is_left in self._entries:
            permits: Permits = known
            lines += what_is_left.lines(
                permits.known_requests - permits.requests,
                permits.known_tokens - permits.tokens,
                permits.known_places - permits.places,
            )
        return lines
