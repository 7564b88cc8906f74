"""What would Prometheus see at a vLLM? Its metric names, filled from what was really served.

Source: vLLM 0.11 with the V1 engine.
"""

from __future__ import annotations

from litemaas.sim.counters import Entry, ServerCounts
from litemaas.sim.exposition import Histogram, family, histogram_family

_FIRST_TOKEN_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0,
                  80.0, 160.0, 640.0, 2560.0)  # fmt: skip
_PER_TOKEN_S = (
    0.01,
    0.025,
    0.05,
    0.075,
    0.1,
    0.15,
    0.2,
    0.3,
    0.4,
    0.5,
    0.75,
    1.0,
    2.5,
    5.0,
    7.5,
    10.0,
    20.0,
    40.0,
    80.0,
)
_WHOLE_S = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0,
            1920.0, 7680.0)  # fmt: skip
_TOKENS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0, 20000.0)
_REASONS = ("stop", "length", "abort")


class ModelMetrics:
    """The histograms and reasons of one model."""

    def __init__(self) -> None:
        self.running = 0
        self.queried_tokens = 0
        self.reasons = dict.fromkeys(_REASONS, 0)
        self.first_token = Histogram(_FIRST_TOKEN_S)
        self.per_token = Histogram(_PER_TOKEN_S)
        self.whole = Histogram(_WHOLE_S)
        self.prompt_tokens = Histogram(_TOKENS)
        self.generation_tokens = Histogram(_TOKENS)

    def observe(self, entry: Entry) -> None:
        reason = "abort" if entry.cancelled else "length" if entry.finish_reason == "length" else "stop"
        if entry.outcome != "failed":
            self.reasons[reason] += 1
        if entry.first_token_s is None:
            return
        self.first_token.observe(entry.first_token_s)
        self.whole.observe(entry.duration_s)
        self.prompt_tokens.observe(entry.prompt_tokens)
        self.generation_tokens.observe(entry.completion_tokens)
        if entry.completion_tokens > 1:
            self.per_token.observe((entry.duration_s - entry.first_token_s) / (entry.completion_tokens - 1))


def render_metrics(models: dict[str, ModelMetrics], counts: ServerCounts, cache_share: float, started: int) -> str:
    """The whole page. ``started``: seconds since 1970."""
    labels = {model: {"engine": "0", "model_name": model} for model in models}
    sums = counts.since_start

    def rows(values: dict[str, float]) -> list[tuple[dict[str, str], float]]:
        return [(labels[model], value) for model, value in values.items()]

    reasons = [
        ({"engine": "0", "finished_reason": reason, "model_name": model}, float(number))
        for model, metrics in models.items()
        for reason, number in metrics.reasons.items()
    ]
    page = [
        family("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.",
               [({}, started)]),
        family("vllm:num_requests_running", "gauge", "Number of requests in model execution batches.",
               rows({model: metrics.running for model, metrics in models.items()})),
        family("vllm:num_requests_waiting", "gauge", "Number of requests waiting to be processed.",
               rows(dict.fromkeys(models, 0))),
        family("vllm:kv_cache_usage_perc", "gauge", "KV-cache usage. 1 means 100 percent usage.",
               rows(dict.fromkeys(models, cache_share))),
        family("vllm:prefix_cache_queries_total", "counter", "Prefix cache queries, in tokens.",
               rows({model: metrics.queried_tokens for model, metrics in models.items()})),
        family("vllm:prefix_cache_hits_total", "counter", "Prefix cache hits, in tokens.",
               rows({model: sums[model].cached_tokens for model in models})),
        family("vllm:num_preemptions_total", "counter", "Cumulative number of preemptions.",
               rows(dict.fromkeys(models, 0))),
        family("vllm:prompt_tokens_total", "counter", "Number of prefill tokens processed.",
               rows({model: sums[model].prompt_tokens for model in models})),
        family("vllm:generation_tokens_total", "counter", "Number of generation tokens processed.",
               rows({model: sums[model].completion_tokens for model in models})),
        family("vllm:request_success_total", "counter", "Count of successfully processed requests.", reasons),
    ]  # fmt: skip
    histograms = (
        ("time_to_first_token_seconds", "Time to first token in seconds.", "first_token"),
        ("inter_token_latency_seconds", "Time per output token in seconds.", "per_token"),
        ("e2e_request_latency_seconds", "End to end request latency in seconds.", "whole"),
        ("request_prompt_tokens", "Number of prefill tokens processed.", "prompt_tokens"),
        ("request_generation_tokens", "Number of generation tokens processed.", "generation_tokens"),
    )
    for name, about, member in histograms:
        samples = [(labels[model], getattr(metrics, member)) for model, metrics in models.items()]
        page.append(histogram_family(f"vllm:{name}", about, samples))
    return "".join(page)
