"""May this call begin now? Room is reserved on every budget and every rate limit before the upstream is called.

A call is first held at what its bytes and its output bound allow it to cost. Only if that does not fit, the prompt is counted
exactly and the output bound is lowered to what is left; the lowered bound goes upstream, so the reply cannot cost more
(gateway-api contract 5.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from litemaas.core.errors import BudgetExhausted
from litemaas.core.limits import BudgetRule, RateRule
from litemaas.core.money import format_usd
from litemaas.core.pricing import Price, affordable_output, ceiling_of
from litemaas.gateway.budgets import Account, Budgets, Hold
from litemaas.gateway.ratelimits import RateLimiter, Ticket

if TYPE_CHECKING:
    from litemaas.core.catalog import Deployment
    from litemaas.gateway.call import Ask, Call
    from litemaas.gateway.identity import Terms
    from litemaas.gateway.metering import Meter
    from litemaas.gateway.settings import BudgetSettings

_USEFUL_OUTPUT = 256
"""A token limit that is partly used lowers an unnamed output bound no further than this; below, the caller had better wait."""
_ROUNDS = 3


class Reservation:
    """What was reserved for one call; closed exactly once, by the settlement."""

    __slots__ = ("hold", "ticket")

    def __init__(self, hold: Hold | None, ticket: Ticket | None) -> None:
        self.hold = hold
        self.ticket = ticket

    def close(self, cost_nano: int, limited_tokens: int) -> None:
        """Units: nano-USD; tokens as token limits count them."""
        if self.hold is not None:
            self.hold.close(cost_nano)
        if self.ticket is not None:
            self.ticket.close(limited_tokens)


class _Bounds(msgspec.Struct):
    """The most that a call can use. Units: tokens, ``output`` per choice."""

    prompt: int
    output: int
    exact: bool = False
    lowered: bool = False


class Admission:
    def __init__(self, budgets: Budgets, rates: RateLimiter, meter: Meter, settings: BudgetSettings) -> None:
        self._budgets = budgets
        self._rates = rates
        self._meter = meter
        self._settings = settings

    async def reserve(self, call: Call, terms: Terms, ask: Ask) -> Reservation:
        """Errors: BudgetExhausted, RateLimited, ServiceUnavailable."""
        budgets = terms.limited if not call.endpoint.is_free else ()
        rates = terms.rates
        if not budgets and not rates:
            return Reservation(None, None)
        price = _dearest(call.plan)
        bounds = _Bounds(self._meter.prompt_bound(ask), self._output_bound(ask, call.plan))
        hold = None
        if budgets and not price.is_free:
            hold = await self._hold(budgets, price, bounds, ask, call.plan[0])
        try:
            ticket = await self._take(rates, bounds, ask, call.plan[0]) if rates else None
        except BaseException:
            if hold is not None:
                hold.close(0)
            raise
        if (
            ask.generates
            and (bounds.lowered or ask.output_bound is None)
            and (hold is not None or _limits_tokens(rates))
        ):
            call.output_limit = bounds.output
        return Reservation(hold, ticket)

    def _output_bound(self, ask: Ask, plan: tuple[Deployment, ...]) -> int:
        if not ask.generates:
            return 0
        if ask.output_bound is not None:
            return ask.output_bound
        maximums = [d.max_output_tokens for d in plan if d.max_output_tokens is not None]
        return max(maximums) if len(maximums) == len(plan) else self._settings.default_output_ceiling

    # -- money --------------------------------------------------------------------------------------------------------

    async def _hold(
        self, rules: tuple[BudgetRule, ...], price: Price, bounds: _Bounds, ask: Ask, deployment: Deployment
    ) -> Hold:
        accounts = self._budgets.accounts(rules)
        need = _ceiling(price, bounds, ask)
        hold = self._budgets.try_hold(accounts, need)
        if hold is not None:
            return hold
        for _ in range(_ROUNDS):
            await self._budgets.draw(accounts, need)
            hold = self._budgets.try_hold(accounts, need)
            if hold is not None:
                return hold
            await self._count_exactly(bounds, ask, deployment)
            need = self._fit(accounts, price, bounds, ask)
            hold = self._budgets.try_hold(accounts, need)
            if hold is not None:
                return hold
        raise _exhausted(accounts, need)

    def _fit(self, accounts: list[Account], price: Price, bounds: _Bounds, ask: Ask) -> int:
        """Lowers the output bound to what is left and returns what the call can then cost.

        Errors: BudgetExhausted when not even the smallest answer fits.
        """
        rest = self._budgets.rest(accounts)
        if ask.generates:
            affordable = affordable_output(price, bounds.prompt, rest) // ask.choices
            if affordable < min(self._settings.min_output_tokens, bounds.output):
                raise _exhausted(accounts, ceiling_of(price, bounds.prompt, ask.choices))
            if affordable < bounds.output:
                bounds.output = affordable
                bounds.lowered = True
        need = _ceiling(price, bounds, ask)
        if need > rest and ask.pages_bound > ask.documents:
            # How many pages a document has is only known once it is converted: it gets all that is left.
            least = ceiling_of(price, 0, 0, ask.documents, ask.documents)
            need = max(least, rest)
        if need > rest:
            raise _exhausted(accounts, need)
        return need

    # -- rates --------------------------------------------------------------------------------------------------------

    async def _take(self, rules: tuple[RateRule, ...], bounds: _Bounds, ask: Ask, deployment: Deployment) -> Ticket:
        if _limits_tokens(rules):
            left, fresh = self._rates.tokens_left(rules)
            if left is not None and bounds.prompt + bounds.output * ask.choices > left:
                if bounds.prompt + min(bounds.output, _USEFUL_OUTPUT) * ask.choices > left:
                    await self._count_exactly(bounds, ask, deployment)
                    left, fresh = self._rates.tokens_left(rules)
                self._lower(bounds, ask, left or 0, fresh)
        return self._rates.take(rules, bounds.prompt + bounds.output * ask.choices)

    def _lower(self, bounds: _Bounds, ask: Ask, left: int, fresh: bool) -> None:
        """Lowers the output bound to what a token limit has left, where an answer of that length is of use."""
        room = (left - bounds.prompt) // ask.choices
        least = 1 if fresh else min(bounds.output, _USEFUL_OUTPUT)
        if ask.generates and least <= room < bounds.output and (fresh or ask.output_bound is None):
            bounds.output = room
            bounds.lowered = True

    async def _count_exactly(self, bounds: _Bounds, ask: Ask, deployment: Deployment) -> None:
        if not bounds.exact:
            bounds.prompt = min(bounds.prompt, await self._meter.count_prompt(ask, deployment))
            bounds.exact = True


def _limits_tokens(rules: tuple[RateRule, ...]) -> bool:
    return any(rule.tpm is not None for rule in rules)


def _ceiling(price: Price, bounds: _Bounds, ask: Ask) -> int:
    return ceiling_of(price, bounds.prompt, bounds.output * ask.choices, ask.pages_bound, ask.documents)


def _dearest(plan: tuple[Deployment, ...]) -> Price:
    """A price that none of the deployments exceeds: which of them will answer is not known yet."""
    if len(plan) == 1:
        return plan[0].price
    prices = [deployment.price for deployment in plan]
    return Price(
        input_per_million=max(p.input_per_million for p in prices),
        output_per_million=max(p.output_per_million for p in prices),
        cached_input_per_million=max(p.cached_input_per_million or 0 for p in prices),
        cache_write_per_million=max(p.cache_write_per_million or 0 for p in prices),
        reasoning_per_million=max(p.reasoning_per_million or 0 for p in prices),
        page_per_million=max(p.page_per_million for p in prices),
        request_per_million=max(p.request_per_million for p in prices),
    )


def _exhausted(accounts: list[Account], need: int) -> BudgetExhausted:
    tightest = min(accounts, key=lambda account: account.free)
    rule, committed = tightest.rule, tightest.committed
    return BudgetExhausted(
        f"Budget has been exceeded for {rule.level}! Current cost: {format_usd(committed)}, "
        f"Max budget: {format_usd(rule.limit_nano or 0)}. This call could cost {format_usd(need)}.",
        rule.level, rule.limit_nano or 0, committed,
    )  # fmt: skip
