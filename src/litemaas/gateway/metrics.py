"""What does the gateway count? Plain numbers on the hot path, turned into Prometheus' text only when somebody asks.

``prometheus_client``'s children cost 1.7–4 µs per increment (reference/dependencies.md); a dictionary costs a tenth.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from litemaas.core.ledger import Status
    from litemaas.gateway.call import Call

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)


class _Histogram:
    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_S) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.sum += seconds

    def buckets(self) -> list[tuple[str, float]]:
        total = 0
        rows = []
        for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), self.counts, strict=True):
            total += count
            rows.append((bound, float(total)))
        return rows


class Metrics(Collector):
    """The process's counters. ``gauges``: name → (help, how to read it), asked at each scrape."""

    def __init__(self) -> None:
        self.requests: defaultdict[tuple[str, str, str, str], int] = defaultdict(int)
        self.tokens: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.cost_nano: defaultdict[str, int] = defaultdict(int)
        self.durations: defaultdict[str, _Histogram] = defaultdict(_Histogram)
        self.first_bytes: defaultdict[str, _Histogram] = defaultdict(_Histogram)
        self.refused_connections: defaultdict[int, int] = defaultdict(int)
        self.defects = 0
        self.lost_records = 0
        self.flushed_records_batches = 0
        self.failed_flushes = 0
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def observe(self, call: Call, status: Status, http_status: int, duration_s: float) -> None:
        model = call.model.name if call.model is not None else ""
        self.requests[call.endpoint.route, model, str(http_status), status] += 1
        usage = call.usage
        if usage.total_tokens:
            self.tokens[model, "prompt"] += usage.prompt_tokens
            self.tokens[model, "completion"] += usage.completion_tokens
        if call.cost is not None and call.cost.total:
            self.cost_nano[model] += call.cost.total
        self.durations[model].observe(duration_s)
        if call.first_byte_at is not None:
            self.first_bytes[model].observe(call.first_byte_at - call.request.received_at)

    def render(self) -> bytes:
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        requests = CounterMetricFamily(
            "litemaas_gateway_requests",
            "Calls to inference endpoints.",
            labels=("route", "model", "status_code", "outcome"),
        )
        for labels, count in self.requests.items():
            requests.add_metric(labels, count)
        tokens = CounterMetricFamily("litemaas_gateway_tokens", "Tokens billed.", labels=("model", "kind"))
        for pair, count in self.tokens.items():
            tokens.add_metric(pair, count)
        spend = CounterMetricFamily("litemaas_gateway_spend_usd", "Cost of settled calls.", labels=("model",))
        for model, nano in self.cost_nano.items():
            spend.add_metric((model,), nano / 1e9)
        refused = CounterMetricFamily(
            "litemaas_gateway_refused_connections", "Input refused before it was a request.", labels=("status_code",)
        )
        for status, count in self.refused_connections.items():
            refused.add_metric((str(status),), count)
        yield from (requests, tokens, spend, refused)
        yield _histograms(
            "litemaas_gateway_request_duration_seconds", "Whole call, first byte to last.", self.durations
        )
        yield _histograms("litemaas_gateway_time_to_first_byte_seconds", "Until the answer began.", self.first_bytes)
        for name, text, value in (
            ("litemaas_gateway_defects", "Requests that ended in an error of ours.", self.defects),
            ("litemaas_gateway_lost_records", "Usage records that the journal could not take.", self.lost_records),
            (
                "litemaas_gateway_failed_flushes",
                "Attempts to store usage that the database did not take.",
                self.failed_flushes,
            ),
        ):
            yield CounterMetricFamily(name, text, value=value)
        for name, (text, read) in self.gauges.items():
            yield GaugeMetricFamily(name, text, value=read())


def _histograms(name: str, text: str, histograms: dict[str, _Histogram]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, text, labels=("model",))
    for model, histogram in histograms.items():
        family.add_metric((model,), histogram.buckets(), histogram.sum)
    return family
