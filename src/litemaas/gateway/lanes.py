"""What is the same for all calls of one caller to one model? Resolved once, used until the catalogue or the key changes.

A call's own work is then small: everything that depends only on who asks for what — entitlement, deployments, limits,
prices, the texts of headers and records — is looked up here in one step.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from litemaas.core.keys import MASTER_KEY_HASH
from litemaas.core.limits import CAPACITY, RateRule, model_scope
from litemaas.core.money import MILLION
from litemaas.core.pricing import LONG_PROMPT, Price, ceiling_of, dearest_input, dearest_output, media_exact
from litemaas.core.windows import window_at
from litemaas.gateway.records import NO_LABELS, bookings_text, labels_text, who_text

if TYPE_CHECKING:
    from litemaas.core.catalog import Deployment, Model, Snapshot
    from litemaas.core.keys import VirtualKey
    from litemaas.core.limits import BudgetRule, CustomerLimits, Limits
    from litemaas.gateway.budgets import Budgets
    from litemaas.gateway.call import Ask
    from litemaas.gateway.caller_metrics import CallerCounters
    from litemaas.gateway.endpoints.base import Endpoint
    from litemaas.gateway.leasing import Account
    from litemaas.gateway.metrics import ModelCounters
    from litemaas.gateway.ratelimits import Counted, RateLimiter
    from litemaas.gateway.targets import Target


_MAX_TAGGED = 64
"""Sets of tags that calls name; clients make them up."""


class Lane:
    """One caller, one model, one endpoint.

    ``snapshot``: the catalogue this was resolved from. ``booked``: every rule that a cost is added to; ``limited``: those with
    a limit. ``price``: one that no deployment of the model exceeds. ``output_maximum``: None = the model names none.
    ``targets``: its deployments, ready for use; ``lone``: the only one, if it has no limits or budgets and nothing is uploaded.
    ``guardrails``: names of those that hold for all of its calls. ``quotas``: what the subscription limits per month.
    ``labels``: the record's tags and notes of a call that brings none of its own.
    """

    __slots__ = (
        "_accounts", "_booked_until", "_bookings", "_counters", "_endpoint", "_input_price", "_output_price",
        "_quota_accounts", "_served_by", "_tagged", "_tail", "booked", "cache_place", "caller_counters", "capture", "counters",
        "customers",
        "deployments", "guardrails", "is_free", "key", "labels", "limited", "limits_tokens", "lone", "model", "output_maximum",
        "price", "quotas", "rates", "snapshot", "targets", "who",
    )  # fmt: skip

    def __init__(
        self, snapshot: Snapshot, key: VirtualKey, model: Model, endpoint: Endpoint, counters: ModelCounters,
        caller_counters: CallerCounters, targets: Sequence[Target], guardrails: tuple[str, ...],
    ) -> None:  # fmt: skip
        self.snapshot = snapshot
        self.key = key
        self.capture = key.capture
        self._endpoint = endpoint
        self.model = model
        self.counters = counters
        self.caller_counters = caller_counters
        self.deployments = model.deployments
        self.targets = targets
        self.guardrails = guardrails
        is_plain = len(targets) == 1 and not endpoint.uploads and targets[0].is_plain
        self.lone = targets[0] if is_plain else None
        self.price = dearest(model.deployments)
        quotas = key.quotas_for(model.counted_as or model.name)
        self.quotas = tuple(rule for rule in quotas if rule.limit_nano is not None)
        budgets = key.budgets_for(model.name)
        everything = snapshot.budget
        if everything is not None:
            budgets = (*budgets, everything)
        self.booked: tuple[BudgetRule, ...] = (*budgets, *quotas)
        self._input_price = dearest_input(self.price)
        self._output_price = dearest_output(self.price)
        self.is_free = endpoint.is_free or self.price.is_free
        limited = tuple(rule for rule in budgets if rule.limit_nano is not None and not key.is_master)
        self.limited: tuple[BudgetRule, ...] = () if self.is_free else limited
        self.rates: tuple[RateRule, ...] = key.rates_for(model.name) + capacity_of(model)
        if snapshot.rates is not None and not key.is_master:
            self.rates = (*self.rates, snapshot.rates)
        self.limits_tokens = any(rule.tpm is not None for rule in self.rates)
        for tag in key.tags:
            if tag in snapshot.tags:
                self._add(snapshot.tags[tag])
        maximums = [d.max_output_tokens for d in model.deployments]
        known = [maximum for maximum in maximums if maximum is not None]
        self.output_maximum = max(known) if known and len(known) == len(maximums) else None
        key_hash = MASTER_KEY_HASH if key.is_master else key.key_hash
        self.who = who_text(endpoint.route, key_hash, key.alias, key.user_id, key.team_id, model.name)
        self.labels = labels_text(key.tags) if key.tags else NO_LABELS
        self.cache_place = b""
        """Where answers to these calls are kept (:mod:`~litemaas.gateway.answer_cache`)."""
        self.customers: dict[str, tuple[CustomerLimits, Lane]] = {}
        """This lane with what holds for an end user besides (:mod:`~litemaas.gateway.customers`)."""
        self._tagged: dict[tuple[str, ...], Lane] = {}
        self._accounts: list[Account] = []
        self._quota_accounts: list[Account] = []
        self._counters: list[Counted] = []
        self._bookings = ""
        self._booked_until = float("-inf")
        self._served_by = ""
        self._tail = ""

    def joined_by(self, *others: Limits) -> Lane:
        """The lane of calls for which this holds, too, like those that name a customer."""
        joined = self._with(self.targets)
        joined.booked, joined.limited, joined.rates = self.booked, self.limited, self.rates
        joined.limits_tokens = self.limits_tokens
        for limits in others:
            joined._add(limits)
        return joined

    def tagged(self, tags: Sequence[str]) -> Lane:
        """The lane of calls that bear these tags besides those of their key; the same one where none of them has limits."""
        limited = tuple(dict.fromkeys(tag for tag in tags if tag in self.snapshot.tags and tag not in self.key.tags))
        if not limited:
            return self
        lane = self._tagged.get(limited)
        if lane is None:
            if len(self._tagged) >= _MAX_TAGGED:
                self._tagged.clear()
            lane = self._tagged[limited] = self.joined_by(*(self.snapshot.tags[tag] for tag in limited))
        return lane

    def _add(self, limits: Limits) -> None:
        """One more that holds. The master key is booked and never limited."""
        if limits.budget is not None:
            self.booked = (*self.booked, limits.budget)
            if limits.budget.limit_nano is not None and not self.is_free and not self.key.is_master:
                self.limited = (*self.limited, limits.budget)
        if limits.rates is not None and not self.key.is_master:
            self.rates = (*self.rates, limits.rates)
            self.limits_tokens = self.limits_tokens or limits.rates.tpm is not None

    def pinned_to(self, deployment_id: str) -> Lane | None:
        """The lane of calls that only this deployment can answer; None if it is none of the model's."""
        targets = [target for target in self.targets if target.deployment.id == deployment_id]
        if not targets:
            return None
        lane = self._with(targets)
        lane.deployments = tuple(target.deployment for target in targets)
        return lane

    def served_by(self, targets: Sequence[Target]) -> Lane:
        """The lane of one call that goes elsewhere; it is held and counted as one of the model."""
        return self._with(targets)

    def _with(self, targets: Sequence[Target]) -> Lane:
        return Lane(
            self.snapshot, self.key, self.model, self._endpoint, self.counters, self.caller_counters, targets,
            self.guardrails,
        )  # fmt: skip

    def ceiling(self, ask: Ask, prompt: int, completion: int) -> int:
        """The most that a call within these bounds can cost: ``pricing.ceiling_of`` with the prices looked up once.

        Units: tokens in, nano-USD out.
        """
        if prompt > LONG_PROMPT:
            return ceiling_of(self.price, prompt, completion, ask.pages_bound, ask.documents, ask.media_bound)
        exact = (
            prompt * self._input_price
            + completion * self._output_price
            + ask.documents * self.price.request_per_million
        )
        if ask.pages_bound:
            exact += ask.pages_bound * self.price.page_per_million
        if ask.media_bound is not None:
            exact += media_exact(self.price, ask.media_bound)
        return -(-exact // MILLION)

    def accounts(self, budgets: Budgets, at: float) -> list[Account]:
        """The accounts of ``limited`` in the window of this moment (seconds since 1970)."""
        for account in self._accounts:
            if account.closed or at >= account.ends_at:
                break
        else:
            if self._accounts:
                return self._accounts
        self._accounts = budgets.accounts(self.limited)
        return self._accounts

    def quota_accounts(self, budgets: Budgets, at: float) -> list[Account]:
        """The accounts of ``quotas`` in the month of this moment (seconds since 1970)."""
        for account in self._quota_accounts:
            if account.closed or at >= account.ends_at:
                break
        else:
            if self._quota_accounts:
                return self._quota_accounts
        self._quota_accounts = budgets.accounts(self.quotas)
        return self._quota_accounts

    def rate_counters(self, limiter: RateLimiter) -> list[Counted]:
        """The counters of ``rates``."""
        for _, counter, _ in self._counters:
            if counter.forgotten:
                break
        else:
            if self._counters:
                return self._counters
        self._counters = limiter.counters(self.rates)
        return self._counters

    def window_start(self, rule: BudgetRule, at: float) -> datetime:
        return window_at(rule.duration, datetime.fromtimestamp(at, UTC), rule.set_at, self.snapshot.zone).start

    def tail(self, served: str, at: float) -> str:
        """The end of a record: who asked, what served and where it is booked (``at`` in seconds since 1970)."""
        if at >= self._booked_until or served is not self._served_by:
            self._tail = f"{self.who}\t{served}\t{self.bookings(at)}"
            self._served_by = served
        return self._tail

    def bookings(self, at: float) -> str:
        """Where a call that began ``at`` (seconds since 1970) is booked, as the journal writes it."""
        if at >= self._booked_until:
            moment = datetime.fromtimestamp(at, UTC)
            zone = self.snapshot.zone
            windows = [(rule.scope, window_at(rule.duration, moment, rule.set_at, zone)) for rule in self.booked]
            self._bookings = bookings_text([(scope, window.start) for scope, window in windows])
            ends = [window.end.timestamp() for _, window in windows if window.end is not None]
            self._booked_until = min(ends, default=float("inf"))
        return self._bookings


def capacity_of(model: Model) -> tuple[RateRule, ...]:
    """What the model takes of all callers together, if anything was said about that."""
    if model.rpm is None and model.tpm is None:
        return ()
    return (RateRule(model_scope(model.counted_as or model.name), CAPACITY, model.rpm, model.tpm),)


def dearest(deployments: tuple[Deployment, ...]) -> Price:
    """A price that none of the deployments exceeds: which of them will answer is not known before."""
    if len(deployments) == 1:
        return deployments[0].price
    prices = [deployment.price for deployment in deployments] or [Price()]
    return Price(
        input_per_million=max(p.input_per_million for p in prices),
        output_per_million=max(p.output_per_million for p in prices),
        cached_input_per_million=max(p.cached_input_per_million or 0 for p in prices),
        cache_write_per_million=max(p.cache_write_per_million or 0 for p in prices),
        reasoning_per_million=max(p.reasoning_per_million or 0 for p in prices),
        page_per_million=max(p.page_per_million for p in prices),
        request_per_million=max(p.request_per_million for p in prices),
        second_per_million=max(p.second_per_million for p in prices),
        character_per_million=max(p.character_per_million for p in prices),
        image_per_million=max(p.image_per_million for p in prices),
        audio_input_per_million=max(p.audio_input_per_million or 0 for p in prices),
        audio_output_per_million=max(p.audio_output_per_million or 0 for p in prices),
        input_above_128k_per_million=max(p.input_above_128k_per_million or 0 for p in prices),
        output_above_128k_per_million=max(p.output_above_128k_per_million or 0 for p in prices),
        input_above_200k_per_million=max(p.input_above_200k_per_million or 0 for p in prices),
        output_above_200k_per_million=max(p.output_above_200k_per_million or 0 for p in prices),
        cached_input_above_200k_per_million=max(p.cached_input_above_200k_per_million or 0 for p in prices),
        cache_write_above_200k_per_million=max(p.cache_write_above_200k_per_million or 0 for p in prices),
    )
