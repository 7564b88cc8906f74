"""What is counted per caller and model? What LiteLLM's dashboards ask for, under its names (gateway-api contract 3.8).

Who called is told apart only where the operator wants it (``metrics_per_key``): thousands of keys make thousands of series, and
they say what everybody spends. Otherwise the same names are there for each model as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from litemaas.core.keys import MASTER_KEY_HASH
from litemaas.core.money import usd_from_nano

if TYPE_CHECKING:
    from litemaas.core.keys import VirtualKey
    from litemaas.gateway.budgets import Budgets
    from litemaas.gateway.call import Call

MAX_SERIES = 2000
"""Callers and models that are told apart; whoever comes later is counted with the model alone."""
_LABELS = ("hashed_api_key", "api_key_alias", "team", "user", "model")
_NOBODY = ("", "", "", "")
_WELL = "200"

Names = tuple[str, str, str, str, str]
"""Values of ``_LABELS``."""
Latencies = tuple[list[tuple[str, float]], ...]
"""Of one model: cumulated buckets of the whole call, the model server, the answer's beginning and the gateway."""


class CallerCounters:
    """Lanes hold it, so that a call counts without a look-up. Units: microseconds, tokens, nano-USD.

    ``failed``: status code → calls that did not end well. ``engine_us``: what the model server took.
    """

    __slots__ = (
        "calls", "completion_tokens", "cost_nano", "engine_us", "failed", "first_us", "firsts", "own_us", "prompt_tokens",
        "total_us",
    )  # fmt: skip

    def __init__(self) -> None:
        self.calls = 0
        self.failed: dict[str, int] = {}
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.cost_nano = 0
        self.total_us = 0
        self.engine_us = 0
        self.own_us = 0
        self.firsts = 0
        self.first_us = 0

    def count(self, call: Call, duration_us: int, engine_us: int, own_us: int) -> None:
        self.calls += 1
        usage = call.usage
        self.prompt_tokens += usage.prompt_tokens
        self.completion_tokens += usage.completion_tokens
        if call.cost is not None:
            self.cost_nano += call.cost.total
        self.total_us += duration_us
        self.engine_us += engine_us
        self.own_us += own_us
        if call.first_byte_at is not None:
            self.firsts += 1
            self.first_us += int((call.first_byte_at - call.request.received_at) * 1e6)

    def fail(self, http_status: int) -> None:
        """A call that was counted, or had no model to be counted for, got this status."""
        status = str(http_status)
        self.failed[status] = self.failed.get(status, 0) + 1


class CallerMetrics:
    """The counters of all callers. ``unplaced``: calls that were refused before their model was found."""

    def __init__(self, *, per_key: bool) -> None:
        self.unplaced = CallerCounters()
        self._per_key = per_key
        self._counters: dict[Names, CallerCounters] = {}

    def of(self, key: VirtualKey, model: str) -> CallerCounters:
        names: Names = (*_NOBODY, model)
        if self._per_key:
            hashed = MASTER_KEY_HASH if key.is_master else key.key_hash
            names = (hashed, key.alias or "", key.team_id or "", key.user_id or "", model)
            if names not in self._counters and len(self._counters) >= MAX_SERIES:
                names = (*_NOBODY, model)
        return self._counters.setdefault(names, CallerCounters())

    def collect(self, latencies: Mapping[str, Latencies]) -> Iterable[Metric]:
        """``latencies``: buckets are per model in any case, sums and counts per caller where those are told apart."""
        requests = _counter("litellm_proxy_total_requests_metric", "Calls to inference endpoints.", "status_code")
        failed = _counter("litellm_proxy_failed_requests_metric", "Of these, those that failed.", "status_code")
        good = _counter("litellm_requests_metric", "Calls that ended well.")
        spend = _counter("litellm_spend_metric", "Cost of settled calls in USD.")
        both = _counter("litellm_total_tokens_metric", "Tokens billed.")
        prompt = _counter("litellm_input_tokens_metric", "Tokens of prompts.")
        completion = _counter("litellm_output_tokens_metric", "Tokens of answers.")
        total = _histogram("litellm_request_total_latency_metric", "Whole call.")
        engine = _histogram("litellm_llm_api_latency_metric", "What the model server took of it.")
        first = _histogram("litellm_llm_api_time_to_first_token_metric", "Until the answer began.")
        own = _histogram("litellm_overhead_latency_metric", "What the gateway took of it.")
        for names, counters in [((*_NOBODY, ""), self.unplaced), *self._counters.items()]:
            for status, count in counters.failed.items():
                requests.add_metric((*names, status), count)
                failed.add_metric((*names, status), count)
        for names, counters in self._counters.items():
            well = counters.calls - sum(counters.failed.values())
            requests.add_metric((*names, _WELL), well)
            good.add_metric(names, well)
            spend.add_metric(names, usd_from_nano(counters.cost_nano))
            both.add_metric(names, counters.prompt_tokens + counters.completion_tokens)
            prompt.add_metric(names, counters.prompt_tokens)
            completion.add_metric(names, counters.completion_tokens)
            _add_sum(total, names, counters.calls, counters.total_us)
            _add_sum(engine, names, counters.calls, counters.engine_us)
            _add_sum(first, names, counters.firsts, counters.first_us)
            _add_sum(own, names, counters.calls, counters.own_us)
        for model, parts in latencies.items():
            for family, buckets in zip((total, engine, first, own), parts, strict=True):
                _add_buckets(family, model, buckets)
        yield from (requests, failed, good, spend, both, prompt, completion, total, engine, first, own)

    def collect_budgets(self, budgets: Budgets) -> Iterable[Metric]:
        """What is left of the budgets in use, as far as this worker knows; nothing unless keys are told apart."""
        of_key = GaugeMetricFamily(
            "litellm_remaining_api_key_budget_metric",
            "What is left of a key's budget in USD.",
            labels=("hashed_api_key",),
        )
        of_team = GaugeMetricFamily(
            "litellm_remaining_team_budget_metric", "What is left of a team's budget in USD.", labels=("team",)
        )
        families = {"key": of_key, "team": of_team}
        for account in list(budgets.every_account()) if self._per_key else ():
            family = families.get(account.rule.level)
            if family is not None and not account.closed and account.rule.limit_nano is not None:
                left = max(0, account.limit - account.committed)
                family.add_metric((account.rule.scope.partition(":")[2],), usd_from_nano(left))
        yield from (of_key, of_team)


def _counter(name: str, text: str, *more: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, text, labels=(*_LABELS, *more))


def _histogram(name: str, text: str) -> HistogramMetricFamily:
    return HistogramMetricFamily(name, f"{text} Seconds.", labels=_LABELS)


def _add_buckets(family: HistogramMetricFamily, model: str, buckets: Iterable[tuple[str, float]]) -> None:
    labels = dict(zip(_LABELS, (*_NOBODY, model), strict=True))
    for bound, count in buckets:
        family.add_sample(f"{family.name}_bucket", {**labels, "le": bound}, count)


def _add_sum(family: HistogramMetricFamily, names: Names, count: int, total_us: int) -> None:
    labels = dict(zip(_LABELS, names, strict=True))
    family.add_sample(f"{family.name}_sum", labels, total_us / 1e6)
    family.add_sample(f"{family.name}_count", labels, count)
