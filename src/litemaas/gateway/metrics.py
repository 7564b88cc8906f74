"""What does the gateway count? Plain numbers on the hot path, turned into Prometheus' text only when somebody asks.

``prometheus_client``'s children cost 1.7–4 µs per increment (reference/dependencies.md); a dictionary costs a tenth.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from operator import add
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from litemaas.core.ledger import Status
from litemaas.gateway.caller_metrics import CallerMetrics, Latencies

if TYPE_CHECKING:
    from litemaas.gateway.call import Call

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)

_SUCCESS: Final = Status.SUCCESS
OWN_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
"""The gateway's own part: 0.05 s is where the alert GatewayLatency begins."""

_OWN_BUCKETS_US: Final = [int(bound * 1e6) for bound in OWN_BUCKETS_S]
_OWN_BUCKETS: Final = len(OWN_BUCKETS_S)
_BUCKETS: Final = len(BUCKETS_S)
_BUCKETS_US: Final = [int(bound * 1e6) for bound in BUCKETS_S]


class _Histogram:
    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (_BUCKETS + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        place, us = 0, int(seconds * 1e6)
        while place < _BUCKETS and us > _BUCKETS_US[place]:  # most calls are in the first few
            place += 1
        self.counts[place] += 1
        self.sum += seconds

    def buckets(self) -> list[tuple[str, float]]:
        return _cumulated(BUCKETS_S, self.counts)


def _cumulated(bounds_s: tuple[float, ...], counts: list[int]) -> list[tuple[str, float]]:
    total = 0
    rows = []
    for bound, count in zip((*map(str, bounds_s), "+Inf"), counts, strict=True):
        total += count
        rows.append((bound, float(total)))
    return rows


class ModelCounters:
    """What the calls of one endpoint to one model add up to; lanes hold it, so that a good call counts without a look-up."""

    __slots__ = (
        "completion_tokens",
        "cost_nano",
        "durations",
        "engine",
        "first_bytes",
        "own",
        "prompt_tokens",
        "served",
    )

    def __init__(self) -> None:
        self.served = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.cost_nano = 0
        self.durations = _Histogram()
        self.first_bytes = _Histogram()
        self.engine = [0] * (_BUCKETS + 1)
        """Calls by what the model server took of them, and by what the gateway did."""
        self.own = [0] * (_OWN_BUCKETS + 1)

    def count_parts(self, engine_us: int, own_us: int) -> None:
        place = 0
        while place < _BUCKETS and engine_us > _BUCKETS_US[place]:
            place += 1
        self.engine[place] += 1
        place = 0
        while place < _OWN_BUCKETS and own_us > _OWN_BUCKETS_US[place]:
            place += 1
        self.own[place] += 1


class Metrics(Collector):
    """The process's counters. ``gauges``: name → (help, how to read it), asked at each scrape."""

    def __init__(self, *, per_key: bool = False) -> None:
        self.callers = CallerMetrics(per_key=per_key)
        self.models: dict[tuple[str, str], ModelCounters] = {}
        self.own_counts = [0] * (len(OWN_BUCKETS_S) + 1)
        self.own_us = 0
        self.others: defaultdict[tuple[str, str, str, str], int] = defaultdict(int)
        """Calls that did not end well: (route, model, status code, outcome)."""
        self.refused_connections: defaultdict[int, int] = defaultdict(int)
        self.defects = 0
        self.lost_records = 0
        self.failed_flushes = 0
        self.silent_workers = 0
        self.fallbacks: defaultdict[tuple[str, str], int] = defaultdict(int)
        """(model that could not answer, model that was asked instead) → how often."""
        self.guardrails: defaultdict[tuple[str, str], int] = defaultdict(int)
        """(kind of text, ``blocked`` or ``masked``) → how often."""
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self.besides: list[Callable[[], Iterable[Metric]]] = []
        """Who else has counted something."""
        self.listeners: list[Callable[[Call, Status, int, float], None]] = []
        """Who hears of every settled call: traces and callbacks, where they are on."""
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def of(self, route: str, model: str) -> ModelCounters:
        counters = self.models.get((route, model))
        if counters is None:
            counters = self.models[route, model] = ModelCounters()
        return counters

    def observe(self, call: Call, status: Status, http_status: int, duration_s: float) -> None:
        if self.listeners:
            for told in self.listeners:
                told(call, status, http_status, duration_s)
        lane = call.lane
        if lane is None:
            self.others[call.endpoint.route, "", str(http_status), status] += 1
            self.callers.unplaced.fail(http_status)
            return
        counters = lane.counters
        duration_us, engine_us = int(duration_s * 1e6), int(call.upstream_s * 1e6)
        part_us = max(0, duration_us - engine_us)
        lane.caller_counters.count(call, duration_us, engine_us, part_us)
        counters.count_parts(engine_us, part_us)
        if status is _SUCCESS:
            counters.served += 1
        else:
            lane.caller_counters.fail(http_status)
            self.others[call.endpoint.route, lane.model.counted_as or lane.model.name, str(http_status), status] += 1
        counters.prompt_tokens += call.usage.prompt_tokens
        counters.completion_tokens += call.usage.completion_tokens
        if call.cost is not None:
            counters.cost_nano += call.cost.total
        counters.durations.observe(duration_s)
        if call.first_byte_at is not None:
            until_s = call.first_byte_at - call.request.received_at
            counters.first_bytes.observe(until_s)
            if call.judged is not None:
                until_s -= call.judged.waited_s
            own_us = int((until_s - call.upstream_s) * 1e6)
            place = 0
            while place < _OWN_BUCKETS and own_us > _OWN_BUCKETS_US[place]:
                place += 1
            self.own_counts[place] += 1
            self.own_us += own_us

    def render(self) -> bytes:
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        labels = ("route", "model", "status_code", "outcome")
        requests = CounterMetricFamily("litemaas_gateway_requests", "Calls to inference endpoints.", labels=labels)
        tokens = CounterMetricFamily("litemaas_gateway_tokens", "Tokens billed.", labels=("route", "model", "kind"))
        spend = CounterMetricFamily("litemaas_gateway_spend_usd", "Cost of settled calls.", labels=("route", "model"))
        for (route, model), counters in self.models.items():
            requests.add_metric((route, model, "200", Status.SUCCESS), counters.served)
            tokens.add_metric((route, model, "prompt"), counters.prompt_tokens)
            tokens.add_metric((route, model, "completion"), counters.completion_tokens)
            spend.add_metric((route, model), counters.cost_nano / 1e9)
        for key, count in self.others.items():
            requests.add_metric(key, count)
        refused = CounterMetricFamily(
            "litemaas_gateway_refused_connections", "Input refused before it was a request.", labels=("status_code",)
        )
        for status, count in self.refused_connections.items():
            refused.add_metric((str(status),), count)
        fallbacks = CounterMetricFamily(
            "litemaas_gateway_fallbacks", "Calls for which another model was asked.", labels=("model", "fallback")
        )
        for pair, count in self.fallbacks.items():
            fallbacks.add_metric(pair, count)
        guardrails = CounterMetricFamily(
            "litemaas_gateway_guardrails", "Texts that did not pass.", labels=("kind", "action")
        )
        for pair, count in self.guardrails.items():
            guardrails.add_metric(pair, count)
        yield from (requests, tokens, spend, refused, fallbacks, guardrails)
        yield self._histograms(
            "litemaas_gateway_request_duration_seconds", "Whole call, first byte to last.", "durations"
        )
        yield self._histograms("litemaas_gateway_time_to_first_byte_seconds", "Until the answer began.", "first_bytes")
        yield HistogramMetricFamily(
            "litemaas_gateway_overhead_seconds",
            "Until the answer began, without the model server that gave it and the services that guardrails asked.",
            buckets=_cumulated(OWN_BUCKETS_S, self.own_counts), sum_value=self.own_us / 1e6,
        )  # fmt: skip
        for name, text, value in (
            ("litemaas_gateway_defects", "Requests that ended in an error of ours.", self.defects),
            ("litemaas_gateway_lost_records", "Usage records that the journal could not take.", self.lost_records),
            (
                "litemaas_gateway_failed_flushes",
                "Attempts to store usage that the database did not take.",
                self.failed_flushes,
            ),
            (
                "litemaas_gateway_silent_workers",
                "Siblings that did not tell their numbers in time.",
                self.silent_workers,
            ),
            ("litemaas_gateway_worker_starts", "Workers that were started.", 1),
        ):
            yield CounterMetricFamily(name, text, value=value)
        for name, (text, read) in self.gauges.items():
            yield GaugeMetricFamily(name, text, value=read())
        yield from self.callers.collect(self._latencies())
        for collect in self.besides:
            yield from collect()

    def _latencies(self) -> dict[str, Latencies]:
        """By model; LiteLLM's names know no routes."""
        found: dict[str, tuple[list[int], ...]] = {}
        for (_, model), counters in self.models.items():
            parts = (counters.durations.counts, counters.engine, counters.first_bytes.counts, counters.own)
            so_far = found.get(model)
            found[model] = tuple(
                list(part) if so_far is None else list(map(add, so_far[place], part))
                for place, part in enumerate(parts)
            )
        return {
            model: tuple(
                _cumulated(bounds, part)
                for bounds, part in zip((BUCKETS_S, BUCKETS_S, BUCKETS_S, OWN_BUCKETS_S), parts, strict=True)
            )
            for model, parts in found.items()
        }

    def _histograms(self, name: str, text: str, which: str) -> HistogramMetricFamily:
        family = HistogramMetricFamily(name, text, labels=("route", "model"))
        for pair, counters in self.models.items():
            histogram: _Histogram = getattr(counters, which)
            family.add_metric(pair, histogram.buckets(), histogram.sum)
        return family
