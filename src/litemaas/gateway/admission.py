"""May this call begin now? Room is reserved on every budget and every rate limit before the upstream is called.

A call is first held at what its bytes and its output bound allow it to cost. Only if that does not fit, the prompt is counted
exactly and the output bound is lowered to what is left; the lowered bound goes upstream, so the reply cannot cost more
(gateway-api contract 5.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from litemaas.core.errors import BudgetExhausted
from litemaas.core.money import format_usd
from litemaas.core.pricing import Price, affordable_output, ceiling_of
from litemaas.core.usage import Media
from litemaas.gateway import quotas
from litemaas.gateway.budgets import Budgets, Hold
from litemaas.gateway.leasing import Account
from litemaas.gateway.quotas import QuotaHold
from litemaas.gateway.ratelimits import Counted, RateLimiter, Ticket

if TYPE_CHECKING:
    from litemaas.core.catalog import Deployment
    from litemaas.gateway.call import Ask, Call
    from litemaas.gateway.customers import Customers
    from litemaas.gateway.lanes import Lane
    from litemaas.gateway.metering import Meter
    from litemaas.gateway.settings import BudgetSettings
    from litemaas.gateway.targets import Target

_USEFUL_OUTPUT = 256
"""A token limit that is partly used lowers an unnamed output bound no further than this; below, the caller had better wait."""
_ROUNDS = 3
_SHORTEST_MS = 1000


class _Bounds:
    """The most that a call can use. Units: tokens, ``output`` per choice."""

    __slots__ = ("estimate", "exact", "lowered", "output", "prompt")

    def __init__(self, prompt: int, output: int) -> None:
        self.prompt = prompt
        self.output = output
        self.exact = False
        self.estimate: int | None = None
        self.lowered = False

    def tokens(self, ask: Ask) -> int:
        return self.prompt + self.output * ask.choices


class Admission:
    """Fills in a call's ``hold``, ``quota`` and ``ticket``; the settlement closes them.

    ``rated``: which tokens limits of tokens per minute count, ``total``, ``input`` or ``output``.
    """

    def __init__(
        self, budgets: Budgets, rates: RateLimiter, customers: Customers, meter: Meter, settings: BudgetSettings,
        rated: str = "total",
    ) -> None:  # fmt: skip
        self._budgets = budgets
        self._customers = customers
        self._rates = rates
        self._meter = meter
        self._settings = settings
        self._rated = "" if rated == "total" else rated

    def try_reserve(self, call: Call, lane: Lane, ask: Ask) -> bool:
        """The usual case, in which there is room for the widest bounds; False when it takes a closer look.

        Errors: RateLimited, when requests or parallel calls are used up.
        """
        if ask.tags and lane.snapshot.tags:
            call.lane = lane = lane.tagged(ask.tags)
        if ask.end_user is not None and self._customers.any_limited:
            known = self._customers.known_lane(lane, ask.end_user)
            if known is None:
                return False
            call.lane = lane = known
        prompt = self._meter.prompt_bound(ask)
        output = self._output_bound(ask, lane) if ask.generates else 0
        completion = output * ask.choices
        if lane.limited:
            if call.started_at >= self._budgets.trusted_until:
                return False
            need = lane.ceiling(ask, prompt, completion)
            call.hold = self._budgets.try_hold(lane.accounts(self._budgets, call.started_at), need)
            if call.hold is None:
                return False
            self._budgets.refill(call.hold.accounts, need)
        if lane.quotas and not self._try_quotas(call, lane, prompt + completion):
            self._let_go(call)
            return False
        if lane.rates:
            tokens = prompt + completion
            if self._rated:
                tokens = completion if self._rated == "output" else prompt
            call.ticket = self._rates.take(lane.rate_counters(self._rates), tokens)
            if call.ticket is None:
                self._let_go(call)
                return False
        if ask.generates and _needs_our_bound(ask) and _is_bounded(lane):
            call.output_limit = output
        return True

    async def reserve(self, call: Call, lane: Lane, ask: Ask) -> None:
        """Draws leases, counts the prompt and lowers the output bound where that is what it takes.

        Errors: BudgetExhausted, QuotaExhausted, RateLimited, ServiceUnavailable.
        """
        call.lane = lane = await self._joined(lane, ask)
        bounds = _Bounds(self._meter.prompt_bound(ask), self._output_bound(ask, lane) if ask.generates else 0)
        deployment = lane.deployments[0]
        if lane.limited:
            self._budgets.check_trust()
            accounts = lane.accounts(self._budgets, call.started_at)
            call.hold = await self._hold(lane.price, accounts, bounds, ask, deployment)
        if lane.quotas:
            call.quota = await self._hold_quotas(call, lane, bounds, ask)
        if lane.rates:
            call.ticket = await self._take(lane.rate_counters(self._rates), bounds, ask, deployment)
        if ask.generates and (bounds.lowered or _needs_our_bound(ask)) and _is_bounded(lane):
            call.output_limit = bounds.output

    async def move(self, call: Call, ask: Ask, first: Lane, lane: Lane) -> None:
        """Holds a call for another model than the ``first``: all of its money, and of the rate limits what is not counted.

        Errors: BudgetExhausted, QuotaExhausted, RateLimited, ServiceUnavailable; then the call holds nothing of the first
        model's budgets, and the settlement gives back what it holds of this one's.
        """
        self._let_go(call)
        call.output_limit = None
        call.lane = lane = await self._joined(lane, ask)
        bounds = _Bounds(self._meter.prompt_bound(ask), self._output_bound(ask, lane) if ask.generates else 0)
        deployment = lane.deployments[0]
        if lane.limited:
            self._budgets.check_trust()
            accounts = lane.accounts(self._budgets, call.started_at)
            call.hold = await self._hold(lane.price, accounts, bounds, ask, deployment)
        if lane.quotas:
            call.quota = await self._hold_quotas(call, lane, bounds, ask)
        counted = {rule.scope for rule in first.rates}
        besides = [rule for rule in lane.rates if rule.scope not in counted]
        if besides:
            call.ticket_besides = await self._take(self._rates.counters(besides), bounds, ask, deployment)
        if ask.generates and (bounds.lowered or _needs_our_bound(ask)) and _is_bounded(lane):
            call.output_limit = bounds.output

    async def _joined(self, lane: Lane, ask: Ask) -> Lane:
        """The lane with what holds for the tags and the end user of the call. Errors: KeyBlocked, ServiceUnavailable."""
        if ask.tags:
            lane = lane.tagged(ask.tags)
        return lane if ask.end_user is None else await self._customers.lane(lane, ask.end_user)

    async def take_place(self, call: Call, ask: Ask, lane: Lane, target: Target) -> None:
        """Counts the call on the limits of a deployment; whoever leaves it gives that back.

        Errors: RateLimited.
        """
        bounds = self._bounds_at(call, ask, lane)
        entries = target.rate_counters(self._rates)
        place = self._rates.take(entries, self._rated_tokens(bounds, ask))
        if place is None:
            place = await self._take(entries, bounds, ask, target.deployment)
        call.place = place
        if ask.generates and target.deployment.tpm is not None and (bounds.lowered or _needs_our_bound(ask)):
            call.output_limit = bounds.output

    async def take_money(self, call: Call, ask: Ask, lane: Lane, target: Target) -> None:
        """Holds what the call can cost on the budgets of a deployment; whoever leaves it gives that back.

        Errors: BudgetExhausted; ServiceUnavailable.
        """
        self._budgets.check_trust()
        bounds = self._bounds_at(call, ask, lane)
        accounts = [
            account for account in self._budgets.accounts(target.budgets) if account.rule.limit_nano is not None
        ]
        call.spending = await self._hold(target.deployment.price, accounts, bounds, ask, target.deployment)
        if ask.generates and (bounds.lowered or _needs_our_bound(ask)):
            call.output_limit = bounds.output

    def _bounds_at(self, call: Call, ask: Ask, lane: Lane) -> _Bounds:
        """Of a call that its caller's budgets have let in."""
        bounds = _Bounds(self._meter.prompt_bound(ask), self._output_bound(ask, lane) if ask.generates else 0)
        if call.output_limit is not None:
            bounds.output = min(bounds.output, call.output_limit)
        return bounds

    def _output_bound(self, ask: Ask, lane: Lane) -> int:
        bound = ask.output_bound if ask.output_bound is not None else ask.output_default
        if bound is None:
            bound = lane.output_maximum
        return bound if bound is not None else self._settings.default_output_ceiling

    def _let_go(self, call: Call) -> None:
        """Back to the start: the call is looked at anew."""
        if call.hold is not None:
            call.hold.close(0)
            call.hold = None
        if call.quota is not None:
            call.quota.close(0, 0)
            call.quota = None
        if call.ticket_besides is not None:
            call.ticket_besides.close(0)
            call.ticket_besides = None

    # -- quotas -------------------------------------------------------------------------------------------------------

    def _try_quotas(self, call: Call, lane: Lane, tokens: int) -> bool:
        if call.started_at >= self._budgets.trusted_until:
            return False
        accounts = lane.quota_accounts(self._budgets, call.started_at)
        call.quota = quotas.try_hold(accounts, tokens)
        if call.quota is None:
            return False
        quotas.refill(self._budgets, accounts, tokens)
        return True

    async def _hold_quotas(self, call: Call, lane: Lane, bounds: _Bounds, ask: Ask) -> QuotaHold:
        """Errors: QuotaExhausted; ServiceUnavailable."""
        self._budgets.check_trust()
        accounts = lane.quota_accounts(self._budgets, call.started_at)
        await quotas.draw(self._budgets, accounts, bounds.tokens(ask))
        if bounds.tokens(ask) > quotas.tokens_left(accounts):
            await self._count_exactly(bounds, ask, lane.deployments[0])
            room = (quotas.tokens_left(accounts) - bounds.prompt) // ask.choices
            if ask.generates and min(self._settings.min_output_tokens, bounds.output) <= room < bounds.output:
                bounds.output = room
                bounds.lowered = True
        hold = quotas.try_hold(accounts, bounds.tokens(ask))
        if hold is None:
            raise quotas.exhausted(accounts, bounds.tokens(ask))
        return hold

    # -- money --------------------------------------------------------------------------------------------------------

    async def _hold(
        self, price: Price, accounts: Sequence[Account], bounds: _Bounds, ask: Ask, deployment: Deployment
    ) -> Hold:
        need = _ceiling(price, bounds, ask)
        for _ in range(_ROUNDS):
            hold = self._budgets.try_hold(accounts, need)
            if hold is not None:
                return hold
            await self._budgets.draw(accounts, need)
            hold = self._budgets.try_hold(accounts, need)
            if hold is not None:
                return hold
            if self._least(price, bounds, ask) > self._budgets.rest(accounts):
                break  # however short the prompt is
            await self._count_exactly(bounds, ask, deployment)
            need = self._fit(accounts, price, bounds, ask)
        raise _exhausted(accounts, need)

    def _least(self, price: Price, bounds: _Bounds, ask: Ask) -> int:
        """What the smallest answer to an empty prompt would be held at."""
        output = min(self._settings.min_output_tokens, bounds.output) * ask.choices
        return ceiling_of(price, 0, output, min(ask.pages_bound, ask.documents), ask.documents, _least_media(ask))

    def _fit(self, accounts: Sequence[Account], price: Price, bounds: _Bounds, ask: Ask) -> int:
        """Lowers the output bound to what is left and returns what the call can then cost.

        Errors: BudgetExhausted when not even the smallest answer fits.
        """
        rest = self._budgets.rest(accounts)
        if bounds.estimate is not None and ask.generates and not any(account.held for account in accounts):
            rest_for_it = self._whole_rest(price, rest, bounds, ask)
            if rest_for_it:
                return rest_for_it
        if ask.generates:
            affordable = affordable_output(price, bounds.prompt, rest) // ask.choices
            if affordable < min(self._settings.min_output_tokens, bounds.output):
                raise _exhausted(accounts, ceiling_of(price, bounds.prompt, ask.choices))
            if affordable < bounds.output:
                bounds.output = affordable
                bounds.lowered = True
        need = _ceiling(price, bounds, ask)
        if need > rest and _is_only_known_afterwards(ask):
            # How many pages a document has, how long a sound is, is only known once that is done: it gets all that is left.
            need = max(self._least(price, bounds, ask), rest)
        if need > rest:
            raise _exhausted(accounts, need)
        return need

    def _whole_rest(self, price: Price, rest: int, bounds: _Bounds, ask: Ask) -> int:
        """Everything that is left, for one call at a time, if its prompt fits only by estimate; else 0.

        Where the engine has no tokenizer, nobody knows a prompt's tokens before the call. One call must fit into a budget that
        covers it, and never two into a budget for one.
        """
        if bounds.estimate is None or affordable_output(price, bounds.prompt, rest) // ask.choices >= 1:
            return 0
        affordable = affordable_output(price, bounds.estimate, rest) // ask.choices
        if affordable < min(self._settings.min_output_tokens, bounds.output):
            return 0
        if affordable < bounds.output:
            bounds.output = affordable
            bounds.lowered = True
        return rest

    # -- rates --------------------------------------------------------------------------------------------------------

    async def _take(self, entries: Sequence[Counted], bounds: _Bounds, ask: Ask, deployment: Deployment) -> Ticket:
        """Errors: RateLimited; ServiceUnavailable."""
        if self._rated:
            return await self._take_some(entries, bounds, ask, deployment)
        await self._rates.draw(entries, bounds.tokens(ask))
        left, fresh = self._rates.tokens_left(entries)
        tokens = 0
        if bounds.tokens(ask) > left:
            if bounds.prompt + min(bounds.output, _USEFUL_OUTPUT) * ask.choices > left:
                await self._count_exactly(bounds, ask, deployment)
                left, fresh = self._rates.tokens_left(entries)
            if fresh and bounds.estimate is not None and bounds.prompt >= left > bounds.estimate:
                bounds.prompt = bounds.estimate  # as with money: one call at a time, with all that is left
                bounds.output = min(bounds.output, (left - bounds.estimate) // ask.choices)
                bounds.lowered = True
                tokens = left
            self._lower(bounds, ask, left, fresh)
        tokens = max(tokens, bounds.tokens(ask))
        await self._rates.draw(entries, tokens)
        ticket = self._rates.take(entries, tokens)
        if ticket is None:
            raise self._rates.refusal(entries, tokens)
        return ticket

    async def _take_some(self, entries: Sequence[Counted], bounds: _Bounds, ask: Ask, deployment: Deployment) -> Ticket:
        """The same where only one kind of tokens counts. Errors: RateLimited; ServiceUnavailable."""
        await self._rates.draw(entries, self._rated_tokens(bounds, ask))
        left, fresh = self._rates.tokens_left(entries)
        if self._rated == "input" and bounds.prompt > left:
            await self._count_exactly(bounds, ask, deployment)
        elif self._rated == "output" and bounds.output * ask.choices > left:
            prompt, bounds.prompt = bounds.prompt, 0
            self._lower(bounds, ask, left, fresh)
            bounds.prompt = prompt
        tokens = self._rated_tokens(bounds, ask)
        await self._rates.draw(entries, tokens)
        ticket = self._rates.take(entries, tokens)
        if ticket is None:
            raise self._rates.refusal(entries, tokens)
        return ticket

    def _rated_tokens(self, bounds: _Bounds, ask: Ask) -> int:
        """What a call within these bounds can take of limits of tokens per minute."""
        if not self._rated:
            return bounds.tokens(ask)
        return bounds.prompt if self._rated == "input" else bounds.output * ask.choices

    def _lower(self, bounds: _Bounds, ask: Ask, left: int, fresh: bool) -> None:
        """Lowers the output bound to what a token limit has left, where an answer of that length is of use."""
        room = (left - bounds.prompt) // ask.choices
        least = 1 if fresh else min(bounds.output, _USEFUL_OUTPUT)
        if ask.generates and least <= room < bounds.output and (fresh or ask.output_bound is None):
            bounds.output = room
            bounds.lowered = True

    async def _count_exactly(self, bounds: _Bounds, ask: Ask, deployment: Deployment) -> None:
        if not bounds.exact and ask.prompt_bytes and ask.media_bound is None:  # what speaks or draws has no tokenizer
            count = await self._meter.count_prompt(ask, deployment)
            bounds.prompt = min(bounds.prompt, count.bound)
            bounds.estimate = count.estimate if self._settings.estimate_without_tokenizer else None
            bounds.exact = True


def _needs_our_bound(ask: Ask) -> bool:
    """Whether the client's own bound is none, or more than one, so that the engine might obey another than we hold."""
    return ask.output_bound is None or ask.bounds_named > 1


def _is_bounded(lane: Lane) -> bool:
    """Whether more output than is held for would pass a limit."""
    return bool(lane.limited or lane.limits_tokens or lane.quotas)


def _ceiling(price: Price, bounds: _Bounds, ask: Ask) -> int:
    output = bounds.output * ask.choices
    return ceiling_of(price, bounds.prompt, output, ask.pages_bound, ask.documents, ask.media_bound)


def _is_only_known_afterwards(ask: Ask) -> bool:
    return ask.pages_bound > ask.documents or (ask.media_bound is not None and ask.media_bound.is_vague)


def _least_media(ask: Ask) -> Media | None:
    """What the call uses in any case: of sound, a second."""
    media = ask.media_bound
    return media and Media(min(media.sound_ms, _SHORTEST_MS), media.characters, media.images)


def _exhausted(accounts: Sequence[Account], need: int) -> BudgetExhausted:
    tightest = min(accounts, key=lambda account: account.free)
    rule, committed = tightest.rule, tightest.committed
    return BudgetExhausted(
        f"Budget has been exceeded for {rule.level}! Current cost: {format_usd(committed)}, "
        f"Max budget: {format_usd(rule.limit_nano or 0)}. This call could cost {format_usd(need)}.",
        rule.level, rule.limit_nano or 0, committed, rule.scope, tightest.window.start, tightest.window.end,
    )  # fmt: skip
