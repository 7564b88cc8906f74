"""Which dashboards are there, and what do they show? Panels as data; ``python deploy/generate.py`` writes the chart's JSON files.

A query uses ``$model_name``, ``$namespace`` and the like; a test checks each of its metrics against the table of metrics and runs
it on series of both generations of vLLM.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

RATE = "[$__rate_interval]"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
Query = tuple[str, str]


@dataclass(frozen=True)
class Panel:
    """``queries``: each with its legend. ``kind``: timeseries, stat, gauge, heatmap, table."""

    title: str
    queries: Sequence[Query]
    unit: str = "short"
    kind: str = "timeseries"
    about: str = ""
    limits: Sequence[float] = ()  # yellow, red
    is_wide: bool = False


@dataclass(frozen=True)
class Dashboard:
    uid: str
    title: str
    tags: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Panel]]]
    variables: Sequence[tuple[str, str]] = ()  # name, label_values query
    refresh: str = "30s"
    span: str = "now-1h"


def quantiles(metric: str, selector: str, by: str = "le") -> list[Query]:
    return [
        (f"histogram_quantile({q}, sum by ({by}) (rate({metric}_bucket{selector}{RATE})))", f"P{int(q * 100)}")
        for q in (0.5, 0.9, 0.95, 0.99)
    ] + [(f"sum(rate({metric}_sum{selector}{RATE})) / sum(rate({metric}_count{selector}{RATE}))", "mean")]


def either(new: str, old: str, wrapped: str = "{}") -> str:
    """A query on what new and old versions of vLLM call differently."""
    return f"({wrapped.format(new)}) or ({wrapped.format(old)})"


_M = '{namespace=~"$namespace", model_name=~"$model_name"}'
_ESCAPED = _M.replace("{", "{{").replace("}", "}}")
_KV = either(f"vllm:kv_cache_usage_perc{_M}", f"vllm:gpu_cache_usage_perc{_M}")
_GPU = '{instance=~"$instance", gpu=~"$gpu"}'


def _rate(metric: str, selector: str, by: str = "") -> str:
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{selector}{RATE}))"


def _prefix_share(span: str = RATE) -> str:
    share = f"sum(rate({{}}_hits_total{_ESCAPED}{span})) / sum(rate({{}}_queries_total{_ESCAPED}{span}))"
    return f"({share.format('vllm:prefix_cache', 'vllm:prefix_cache')}) or ({share.format('vllm:gpu_prefix_cache', 'vllm:gpu_prefix_cache')})"


def _time_per_token() -> list[Query]:
    found = []
    for q in (0.5, 0.95, 0.99):
        quantile = f"histogram_quantile({q}, sum by (le) (rate({{}}_bucket{_ESCAPED}{RATE})))"
        found.append(
            (
                f"({quantile.format('vllm:inter_token_latency_seconds')}) or ({quantile.format('vllm:time_per_output_token_seconds')})",
                f"P{int(q * 100)}",
            )
        )
    return found


def platform() -> Dashboard:
    g = '{namespace=~"$namespace"}'
    return Dashboard(
        "litemaas-platform", "LiteMaaS / Platform", ["litemaas"],
        [
            ("Now", [
                Panel("Calls per second", [(_rate("litemaas_gateway_requests_total", g), "calls")], "reqps", "stat"),
                Panel("Share of 5xx", [(f'sum(rate(litemaas_gateway_requests_total{{namespace=~"$namespace", status_code=~"5.."}}{RATE})) / sum(rate(litemaas_gateway_requests_total{g}{RATE}))', "5xx")], "percentunit", "stat", limits=(0.005, 0.02)),
                Panel("Connections", [(f"sum(litemaas_gateway_connections{g})", "clients")], "short", "stat"),
                Panel("Gateway replicas", [(f"count(count by (pod) (litemaas_gateway_journal_bytes{g}))", "replicas")], "short", "stat"),
                Panel("Usage not in the ledger", [(f"sum(litemaas_gateway_journal_bytes{g})", "bytes")], "bytes", "stat", limits=(2**20, 2**26)),
                Panel("Replicas whose cache is current", [(f"min(litemaas_gateway_cache_current{g})", "all current")], "bool_yes_no", "stat"),
            ]),
            ("Calls", [
                Panel("Calls by outcome", [(_rate("litemaas_gateway_requests_total", g, "outcome"), "{{outcome}}")], "reqps"),
                Panel("Calls by status", [(_rate("litemaas_gateway_requests_total", g, "status_code"), "{{status_code}}")], "reqps"),
                Panel("Calls by route", [(_rate("litemaas_gateway_requests_total", g, "route"), "{{route}}")], "reqps"),
                Panel("Until the answer began", quantiles("litemaas_gateway_time_to_first_byte_seconds", g), "s"),
                Panel("Whole call", quantiles("litemaas_gateway_request_duration_seconds", g), "s"),
                Panel("What the gateway itself takes", quantiles("litemaas_gateway_overhead_seconds", g), "s", limits=(0.02, 0.05), about="Until the answer began, without the model server that gave it"),
                Panel("Input refused before it was a request", [(_rate("litemaas_gateway_refused_connections_total", g, "status_code"), "{{status_code}}")], "reqps"),
            ]),
            ("Health", [
                Panel("Usage waiting for the database", [(f"sum by (pod, worker) (litemaas_gateway_journal_bytes{g})", "{{pod}} {{worker}}")], "bytes"),
                Panel("Transfers that the database did not take", [(f"sum(rate(litemaas_gateway_failed_flushes_total{g}{RATE}))", "failed")], "ops"),
                Panel("In step with the others' rate limits", [(f"min by (pod) (litemaas_gateway_rate_limits_shared{g})", "{{pod}}")], "bool_yes_no"),
                Panel("Must stay at zero", [(f"sum(increase(litemaas_gateway_defects_total{g}[1h]))", "defects"), (f"sum(increase(litemaas_gateway_lost_records_total{g}[1h]))", "lost records")], "short"),
                Panel("Workers that were started", [(f"sum by (pod) (increase(litemaas_gateway_worker_starts_total{g}[1h]))", "{{pod}}")], "short"),
                Panel("Deployments left alone", [(f"sum by (model, model_id) (litellm_deployment_state{g} == 2)", "{{model}} {{model_id}}")], "short", about="State 2: complete outage; the gateway asks others."),
            ]),
        ],
        [("namespace", "label_values(litemaas_gateway_journal_bytes, namespace)")],
    )  # fmt: skip


def vllm() -> Dashboard:
    return Dashboard(
        "litemaas-vllm", "LiteMaaS / Models (vLLM)", ["litemaas", "vllm"],
        [
            ("Load", [
                Panel("Tokens per second", [(_rate("vllm:generation_tokens_total", _M), "generated"), (_rate("vllm:prompt_tokens_total", _M), "prompts")], "short"),
                Panel("Scheduler", [(f"sum(vllm:num_requests_running{_M})", "running"), (f"sum(vllm:num_requests_waiting{_M})", "waiting"), (f"sum(vllm:num_requests_swapped{_M}) or vector(0)", "swapped")], "short"),
                Panel("Finished, by reason", [(f"sum by (finished_reason) (increase(vllm:request_success_total{_M}{RATE}))", "{{finished_reason}}")], "short"),
                Panel("KV cache", [(f"max by (model_name, pod) ({_KV})", "{{model_name}} {{pod}}")], "percentunit", limits=(0.8, 0.95)),
                Panel("Prefix cache hit rate", [(_prefix_share(), "hits")], "percentunit"),
                Panel("Preemptions", [(_rate("vllm:num_preemptions_total", _M), "per second")], "short"),
            ]),
            ("Latency", [
                Panel("Time to first token", quantiles("vllm:time_to_first_token_seconds", _M), "s", limits=(15, 30)),
                Panel("Time per output token", _time_per_token(), "s"),
                Panel("Whole request", quantiles("vllm:e2e_request_latency_seconds", _M), "s"),
                Panel("Prompt length", [(f"sum by (le) (increase(vllm:request_prompt_tokens_bucket{_M}{RATE}))", "{{le}}")], "short", "heatmap"),
                Panel("Answer length", [(f"sum by (le) (increase(vllm:request_generation_tokens_bucket{_M}{RATE}))", "{{le}}")], "short", "heatmap"),
            ]),
        ],
        [("namespace", "label_values(vllm:num_requests_running, namespace)"), ("model_name", 'label_values(vllm:num_requests_running{namespace=~"$namespace"}, model_name)')],
    )  # fmt: skip


def gpu() -> Dashboard:
    mean = "sum(rate({0}_sum" + _ESCAPED + RATE + ")) / sum(rate({0}_count" + _ESCAPED + RATE + "))"
    return Dashboard(
        "nvidia-vllm-gpu-metrics", "LiteMaaS / vLLM and GPU (NVIDIA)", ["litemaas", "gpu"],
        [
            ("GPU", [
                Panel("Temperature", [(f"DCGM_FI_DEV_GPU_TEMP{_GPU}", "{{instance}} {{gpu}}"), (f"avg(DCGM_FI_DEV_GPU_TEMP{_GPU})", "mean")], "celsius", limits=(75, 85)),
                Panel("Clock", [(f"DCGM_FI_DEV_SM_CLOCK{_GPU} * 1000000", "{{instance}} {{gpu}}")], "hertz"),
                Panel("Power", [(f"DCGM_FI_DEV_POWER_USAGE{_GPU}", "{{instance}} {{gpu}}"), (f"sum(DCGM_FI_DEV_POWER_USAGE{_GPU})", "total")], "watt"),
                Panel("Utilisation", [(f"DCGM_FI_DEV_GPU_UTIL{_GPU}", "{{instance}} {{gpu}}")], "percent"),
                Panel("Tensor cores", [(f"DCGM_FI_PROF_PIPE_TENSOR_ACTIVE{_GPU}", "{{instance}} {{gpu}}")], "percentunit"),
                Panel("Memory", [(f"DCGM_FI_DEV_FB_USED{_GPU} * 1048576", "used {{instance}} {{gpu}}"), (f"DCGM_FI_DEV_FB_FREE{_GPU} * 1048576", "free {{instance}} {{gpu}}")], "bytes"),
                Panel("CPU throttled while GPUs work", [('sum(rate(container_cpu_cfs_throttled_seconds_total{namespace=~"$namespace"}' + RATE + "))", "throttled"), (f"avg(DCGM_FI_DEV_GPU_UTIL{_GPU}) / 100", "GPU use")], "short"),
            ]),
            ("vLLM", [
                Panel("KV cache now", [(f"max({_KV})", "now")], "percentunit", "gauge", limits=(0.8, 0.95)),
                Panel("KV cache, mean of 24 h", [(f"(avg(avg_over_time(vllm:kv_cache_usage_perc{_M}[24h]))) or (avg(avg_over_time(vllm:gpu_cache_usage_perc{_M}[24h])))", "24 h")], "percentunit", "gauge", limits=(0.8, 0.95)),
                Panel("Running and waiting", [(f"sum(vllm:num_requests_running{_M})", "running"), (f"sum(vllm:num_requests_waiting{_M})", "waiting")], "short"),
                Panel("Whole request", quantiles("vllm:e2e_request_latency_seconds", _M), "s"),
                Panel("Time to first token", quantiles("vllm:time_to_first_token_seconds", _M), "s"),
                Panel("Time per output token", _time_per_token(), "s"),
                Panel("Finished", [(f'sum(increase(vllm:request_success_total{{namespace=~"$namespace", model_name=~"$model_name", finished_reason="{reason}"}}{RATE}))', reason) for reason in ("stop", "length")], "short"),
                Panel("Throughput", [(_rate("vllm:generation_tokens_total", _M), "tokens per second")], "short"),
                Panel("Tokens in all", [(f"sum(vllm:generation_tokens_total{_M}) + sum(vllm:prompt_tokens_total{_M})", "tokens")], "short", "stat"),
                Panel("Queue time, mean", [(mean.format("vllm:request_queue_time_seconds"), "in the queue")], "s"),
                Panel("Inference time, mean", [(mean.format("vllm:request_inference_time_seconds"), "inference")], "s"),
            ]),
        ],
        [
            ("instance", "label_values(DCGM_FI_DEV_GPU_TEMP, instance)"), ("gpu", 'label_values(DCGM_FI_DEV_GPU_TEMP{instance=~"$instance"}, gpu)'),
            ("namespace", "label_values(vllm:num_requests_running, namespace)"), ("model_name", 'label_values(vllm:num_requests_running{namespace=~"$namespace"}, model_name)'),
        ],
    )  # fmt: skip


def openvino() -> Dashboard:
    o = '{interface=~"$interface", name=~"$name"}'

    def mean(metric: str) -> str:
        return f"sum by (name) (rate({metric}_sum{o}{RATE})) / sum by (name) (rate({metric}_count{o}{RATE}))"

    return Dashboard(
        "litemaas-openvino", "LiteMaaS / OpenVINO Model Server", ["litemaas", "openvino"],
        [("Requests", [
            Panel("Requests per second", [(_rate("ovms_request_time_us_count", o, "name"), "{{name}}")], "reqps"),
            Panel("Request time, mean", [(mean("ovms_request_time_us"), "{{name}}")], "µs"),
            Panel("Inferences per second", [(_rate("ovms_inference_time_us_count", '{name=~"$name"}', "name"), "{{name}}")], "ops"),
            Panel("Inference time, mean", [('sum by (name) (rate(ovms_inference_time_us_sum{name=~"$name"}' + RATE + ')) / sum by (name) (rate(ovms_inference_time_us_count{name=~"$name"}' + RATE + "))", "{{name}}")], "µs"),
            Panel("Succeeded", [(f'sum by (method) (rate(ovms_requests_success{{interface=~"$interface", name=~"$name", method=~"ModelInfer|Predict|Unary|Stream|.*[Ee]mbeddings.*|.*[Cc]ompletions.*"}}{RATE}))', "{{method}}")], "reqps", about="The v3 methods and those of KServe and TensorFlow Serving"),
            Panel("Failed", [(_rate("ovms_requests_fail", o, "method"), "{{method}}")], "reqps"),
            Panel("At work", [('sum by (name) (ovms_current_requests{name=~"$name"})', "{{name}}")], "short"),
        ])],
        [("interface", "label_values(ovms_requests_success, interface)"), ("name", "label_values(ovms_requests_success, name)")],
    )  # fmt: skip


def money() -> Dashboard:
    m = '{namespace=~"$namespace", model=~"$model"}'
    refused = '{namespace=~"$namespace", model=~"$model", status_code="%s"}'
    return Dashboard(
        "litemaas-money", "LiteMaaS / Money and limits", ["litemaas", "money"],
        [
            ("Money", [
                Panel("Spend today", [(f"sum(increase(litemaas_gateway_spend_usd_total{m}[24h]))", "USD in 24 h")], "currencyUSD", "stat"),
                Panel("Spend per hour", [(f"sum(rate(litemaas_gateway_spend_usd_total{m}{RATE})) * 3600", "USD per hour")], "currencyUSD", "stat"),
                Panel("Tokens in 24 h", [(f"sum(increase(litemaas_gateway_tokens_total{m}[24h]))", "tokens")], "short", "stat"),
                Panel("USD per million tokens", [(f"sum(increase(litemaas_gateway_spend_usd_total{m}[24h])) / sum(increase(litemaas_gateway_tokens_total{m}[24h])) * 1000000", "USD")], "currencyUSD", "stat"),
                Panel("Spend by model", [(f"sum by (model) (rate(litemaas_gateway_spend_usd_total{m}{RATE})) * 3600", "{{model}}")], "currencyUSD"),
                Panel("Tokens by model and kind", [(f"sum by (model, kind) (rate(litemaas_gateway_tokens_total{m}{RATE}))", "{{model}} {{kind}}")], "short"),
                Panel("Spend by route", [(f"sum by (route) (rate(litemaas_gateway_spend_usd_total{m}{RATE})) * 3600", "{{route}}")], "currencyUSD"),
            ]),
            ("Limits", [
                Panel("Refused for a limit (429)", [(_rate("litemaas_gateway_requests_total", refused % "429", "model"), "{{model}}")], "reqps", about="Rate limits; budgets that are used up answer 400 or 429, as the error profile says"),
                Panel("Refused calls (4xx)", [(_rate("litemaas_gateway_requests_total", refused.replace('="%s"', '=~"4.."'), "status_code, outcome"), "{{status_code}} {{outcome}}")], "reqps"),
                Panel("In step with the others' rate limits", [('min by (pod) (litemaas_gateway_rate_limits_shared{namespace=~"$namespace"})', "{{pod}}")], "bool_yes_no"),
            ]),
            ("Exactness", [
                Panel("Usage not in the ledger", [('sum(litemaas_gateway_journal_bytes{namespace=~"$namespace"})', "bytes")], "bytes"),
                Panel("Records lost", [('sum(increase(litemaas_gateway_lost_records_total{namespace=~"$namespace"}[24h]))', "in 24 h")], "short", "stat", limits=(1, 1)),
            ]),
        ],
        [("namespace", "label_values(litemaas_gateway_journal_bytes, namespace)"), ("model", "label_values(litemaas_gateway_requests_total, model)")],
        span="now-24h", refresh="1m",
    )  # fmt: skip


def event_day() -> Dashboard:
    return Dashboard(
        "litemaas-event-day", "LiteMaaS / Event day", ["litemaas", "event"],
        [
            ("Is all well?", [
                Panel("Calls at work", [("sum(vllm:num_requests_running)", "running")], "short", "stat"),
                Panel("Waiting", [("sum(vllm:num_requests_waiting)", "waiting")], "short", "stat", limits=(5, 20)),
                Panel("First token, P95", [("max(litemaas:ttft_seconds:p95)", "slowest model")], "s", "stat", limits=(15, 30)),
                Panel("Share of 5xx", [('sum(rate(litemaas_gateway_requests_total{status_code=~"5.."}[5m])) / sum(rate(litemaas_gateway_requests_total[5m]))', "5xx")], "percentunit", "stat", limits=(0.005, 0.02)),
                Panel("KV cache, fullest", [("max((vllm:kv_cache_usage_perc) or (vllm:gpu_cache_usage_perc))", "fullest")], "percentunit", "stat", limits=(0.8, 0.95)),
                Panel("Alerts", [('sum(ALERTS{alertstate="firing", alertname!="Watchdog"}) or vector(0)', "firing")], "short", "stat", limits=(1, 3)),
            ]),
            ("Models", [
                Panel("First token, P95 by model", [("litemaas:ttft_seconds:p95", "{{model_name}}")], "s", is_wide=True, limits=(15, 30)),
                Panel("Running and waiting by model", [("sum by (model_name) (vllm:num_requests_running)", "running {{model_name}}"), ("sum by (model_name) (vllm:num_requests_waiting)", "waiting {{model_name}}")], "short", is_wide=True),
                Panel("Tokens per second", [("litemaas:tokens:rate5m", "{{model}} {{kind}}")], "short", is_wide=True),
                Panel("Errors by model", [("litemaas:errors:share5m", "{{model}}")], "percentunit", is_wide=True, limits=(0.005, 0.02)),
            ]),
            ("Platform", [
                Panel("Calls per second", [(_rate("litemaas_gateway_requests_total", "", "status_code"), "{{status_code}}")], "reqps", is_wide=True),
                Panel("Spend", [(f"sum(rate(litemaas_gateway_spend_usd_total{RATE})) * 3600", "USD per hour")], "currencyUSD", is_wide=True),
                Panel("GPU memory", [("DCGM_FI_DEV_FB_USED / (DCGM_FI_DEV_FB_USED + DCGM_FI_DEV_FB_FREE)", "{{instance}} {{gpu}}")], "percentunit", is_wide=True, limits=(0.8, 0.9)),
                Panel("GPU temperature", [("DCGM_FI_DEV_GPU_TEMP", "{{instance}} {{gpu}}")], "celsius", is_wide=True, limits=(75, 85)),
            ]),
        ],
        refresh="10s", span="now-30m",
    )  # fmt: skip


def dashboards() -> dict[str, Dashboard]:
    return {
        "platform": platform(),
        "vllm": vllm(),
        "gpu": gpu(),
        "openvino": openvino(),
        "money": money(),
        "event-day": event_day(),
    }


def _variable(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name, "type": "query", "datasource": SOURCE, "query": {"query": query, "refId": name}, "definition": query,
        "refresh": 2, "includeAll": True, "multi": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}, "sort": 1,
    }  # fmt: skip


def _panel(panel: Panel, number: int, x: int, y: int, width: int, height: int) -> dict[str, Any]:
    colours = ("green", "yellow", "red")
    steps = [{"color": "green", "value": None}] + [
        {"color": colours[i + 1], "value": limit} for i, limit in enumerate(panel.limits)
    ]
    made: dict[str, Any] = {
        "id": number, "type": panel.kind, "title": panel.title, "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": width, "h": height},
        "targets": [
            {"refId": chr(65 + i), "datasource": SOURCE, "expr": expr, "legendFormat": legend, **({"format": "heatmap"} if panel.kind == "heatmap" else {})}
            for i, (expr, legend) in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}, "overrides": []},
    }  # fmt: skip
    if panel.about:
        made["description"] = panel.about
    if panel.kind == "timeseries":
        made["options"] = {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
        if panel.limits:
            made["fieldConfig"]["defaults"]["custom"] = {"thresholdsStyle": {"mode": "line"}}
    return made


def as_json(dashboard: Dashboard) -> str:
    panels: list[dict[str, Any]] = []
    y = number = 0
    for title, members in dashboard.rows:
        number += 1
        panels.append(
            {
                "id": number,
                "type": "row",
                "title": title,
                "collapsed": False,
                "panels": [],
                "gridPos": {"x": 0, "y": y, "w": 24, "h": 1},
            }
        )
        y, x, tallest = y + 1, 0, 0
        for panel in members:
            width, height = (4, 4) if panel.kind in ("stat", "gauge") else (12 if panel.is_wide else 8, 8)
            if x + width > 24:
                x, y, tallest = 0, y + tallest, 0
            number += 1
            panels.append(_panel(panel, number, x, y, width, height))
            x, tallest = x + width, max(tallest, height)
        y += tallest
    source = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source", "refresh": 1}
    return json.dumps(
        {
            "uid": dashboard.uid, "title": dashboard.title, "tags": list(dashboard.tags), "schemaVersion": 39, "version": 1,
            "editable": False, "refresh": dashboard.refresh, "time": {"from": dashboard.span, "to": "now"}, "timezone": "browser",
            "templating": {"list": [source, *(_variable(*v) for v in dashboard.variables)]}, "annotations": {"list": []},
            "links": [{"type": "dashboards", "tags": ["litemaas"], "title": "LiteMaaS", "asDropdown": True, "includeVars": False, "keepTime": True}],
            "panels": panels,
        },
        indent=1, ensure_ascii=False,
    ) + "\n"  # fmt: skip
