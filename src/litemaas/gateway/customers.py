"""Which limits hold for the end user behind a call? Those of its customer, looked up when a call names one, and cached.

Calls that name nobody, and installations without limits for customers, pay nothing for this.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Protocol

from litemaas.core.errors import KeyBlocked, ServiceUnavailable
from litemaas.core.limits import DEFAULT_CUSTOMER, CustomerLimits, customer_of, customer_scope
from litemaas.gateway.flights import Flights

if TYPE_CHECKING:
    from litemaas.gateway.lanes import Lane
    from litemaas.gateway.trust import Trust

_MAX_LANES = 256


class CustomerStore(Protocol):
    """Errors: ServiceUnavailable."""

    async def find_customer(self, customer_id: str) -> CustomerLimits:
        """What holds for this customer, which may be nothing."""

    async def customers_have_limits(self) -> bool:
        """Whether any customer has limits, or is blocked."""


class _Known:
    __slots__ = ("checked_at", "limits")

    def __init__(self, limits: CustomerLimits, checked_at: float) -> None:
        self.limits = limits
        self.checked_at = checked_at


class Customers:
    """The customers that calls have named. ``any_limited``: False while there is nothing to look up.

    Fails: while the database is away, known customers' limits hold on and others cannot be checked.
    """

    def __init__(
        self, store: CustomerStore, trust: Trust, cache_size: int, distrust_s: float, timeout_s: float
    ) -> None:
        self.any_limited = False
        self._store = store
        self._trust = trust
        self._cache_size = cache_size
        self._distrust_s = distrust_s
        self._flights: Flights[CustomerLimits] = Flights(timeout_s)
        self._known: dict[str, _Known] = {}
        self._generation = 0

    def known_lane(self, lane: Lane, end_user: str) -> Lane | None:
        """The lane of this customer's calls if nothing has to be asked for; else None, and :meth:`lane` finds out."""
        known = self._known.get(customer_of(end_user))
        if known is None or not self._trust.is_current():
            return None
        return _joined(lane, known.limits, end_user)

    async def lane(self, lane: Lane, end_user: str) -> Lane:
        """``lane`` with what holds for the customer besides.

        Errors: KeyBlocked, ServiceUnavailable.
        """
        if not self.any_limited:
            return lane
        return _joined(lane, await self._limits(customer_of(end_user)), end_user)

    async def _limits(self, customer_id: str) -> CustomerLimits:
        time = monotonic()
        known = self._known.get(customer_id)
        if known is not None and (self._trust.is_current() or time - known.checked_at < self._distrust_s):
            return known.limits
        generation = self._generation
        try:
            limits = await self._flights.ask((customer_id, generation), lambda: self._store.find_customer(customer_id))
        except (ServiceUnavailable, TimeoutError) as error:
            if known is not None:
                known.checked_at = monotonic()  # or each call would wait for the database's time-out
                return known.limits
            raise ServiceUnavailable("the customer's limits cannot be checked at the moment; try again") from error
        if known is not None and known.limits == limits:
            limits = known.limits  # the same object: lanes that were joined with it stay
        if generation == self._generation:  # else what was read may be older than a change that was already applied
            if len(self._known) >= self._cache_size and customer_id not in self._known:
                del self._known[next(iter(self._known))]
            self._known[customer_id] = _Known(limits, time)
        return limits

    async def changed(self, scope: str) -> None:
        """Limits of a customer were set or removed.

        Errors: ServiceUnavailable.
        """
        await self.look()
        if scope == customer_scope(DEFAULT_CUSTOMER):
            self._known.clear()
        else:
            self._known.pop(scope.removeprefix("customer:"), None)

    async def start_over(self) -> None:
        """Changes may have been missed.

        Errors: ServiceUnavailable; what is known stays.
        """
        await self.look()
        self._known.clear()

    async def look(self) -> None:
        """Errors: ServiceUnavailable."""
        self.any_limited = await self._store.customers_have_limits()
        self._generation += 1


def _joined(lane: Lane, limits: CustomerLimits, end_user: str) -> Lane:
    if limits.is_blocked:
        raise KeyBlocked(f"the customer {end_user[:100]!r} is blocked; ask who gave you this key")
    if limits.budget is None and limits.rates is None:
        return lane
    kept = lane.customers.get(end_user)
    if kept is None or kept[0] is not limits:
        if len(lane.customers) >= _MAX_LANES:
            lane.customers.clear()
        kept = lane.customers[end_user] = limits, lane.joined_by(limits)
    return kept[1]
