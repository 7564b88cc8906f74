"""What do the rounds say? Figures per case and candidate, and whether the bars of the project are met."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.figures import Spread, ratio, spread
from benchmarks.plan import Case
from benchmarks.rounds import QUIET, Measurement, Round

MOST_TIMES_NGINX = 3.0
MOST_TIMES_NGINX_LOADED = 2.2
"""With several connections: alone, each call pays for a sleep of its own, which is the kernel's."""
LEAST_TIMES_LITELLM = 150.0
LEAST_EVENTS_PER_CPU_S = 35_000
MOST_ADDED_P50_US = 300.0
MOST_IDLE_RSS_MB = 80.0
_OURS = "litemaas"
_ROUTERS = ("vllm-router", "sglang-router")

Figures = dict[str, Any]


def summarise(measurement: Measurement) -> dict[str, Any]:
    cases = [_case(case, by_candidate) for case, by_candidate in measurement.results.items()]
    memory = {
        name: {
            "idle_mb": idle / 1e6,
            "loaded_mb": max(
                (one["rss_bytes"] for rounds in measurement.results.values() for one in rounds[name]), default=idle
            ) / 1e6,
        }
        for name, idle in measurement.idle_rss.items()
    }  # fmt: skip
    return {"cases": cases, "memory": memory, "bars": _bars(cases, memory)}


def _case(case: Case, by_candidate: dict[str, list[Round]]) -> dict[str, Any]:
    direct = by_candidate["direct"]
    figures = {
        name: _json_figures(rounds, direct) if case.kind == "json" else _sse_figures(rounds, direct)
        for name, rounds in by_candidate.items()
    }
    for own in figures.values():
        for other in ("nginx", "litellm"):
            own[f"times_{other}"] = ratio(own["cpu_us"], figures.get(other, {}).get("cpu_us"))
    return {"kind": case.kind, "parallel": case.parallel, "title": case.title, "figures": figures}


def _json_figures(rounds: list[Round], direct: list[Round]) -> Figures:
    # By what the upstream answered: a call that is cut off at a round's end has cost its processor time, too
    return _common(rounds, lambda one: one["served"]) | {
        "requests_per_s": spread([one["requests"] / one["seconds"] for one in rounds]),
        "p50_us": spread([one["p50_us"] for one in rounds]),
        "p99_us": spread([one["p99_us"] for one in rounds]),
        "added_p50_us": _added(rounds, direct, "p50_us"),
        "added_p99_us": _added(rounds, direct, "p99_us"),
    }


def _sse_figures(rounds: list[Round], direct: list[Round]) -> Figures:
    figures = _common(rounds, lambda one: one["events"])
    cpu: Spread | None = figures["cpu_us"]
    return figures | {
        "events_per_cpu_s": Spread(1e6 / cpu.median, 1e6 / cpu.high, 1e6 / cpu.low) if cpu else None,
        "events_per_s": spread([one["events"] / one["seconds"] for one in rounds]),
        "events_per_stream": spread([one["events"] / max(1, one["requests"]) for one in rounds]),
        "events_per_read": spread([one["events"] / max(1, one["reads"]) for one in rounds]),
        "stalled_events": sum(one["unseen"] for one in rounds),
        "event_p50_us": spread([one["event_p50_us"] for one in rounds]),
        "event_p99_us": spread([one["event_p99_us"] for one in rounds]),
        "added_event_p50_us": _added(rounds, direct, "event_p50_us"),
        "added_event_p99_us": _added(rounds, direct, "event_p99_us"),
        "first_p50_us": spread([one["p50_us"] for one in rounds]),
        "added_first_p50_us": _added(rounds, direct, "p50_us"),
    }


def _common(rounds: list[Round], units: Callable[[Round], int]) -> Figures:
    """``cpu_us``: processor time per request or event; None where there is no process to measure."""
    measured = any(one["cpu_ns"] for one in rounds)
    helped = any(one["helpers_cpu_ns"] for one in rounds)
    return {
        "cpu_us": spread([one["cpu_ns"] / 1000 / max(1, units(one)) for one in rounds]) if measured else None,
        "helpers_cpu_us": spread([one["helpers_cpu_ns"] / 1000 / max(1, units(one)) for one in rounds]) if helped else None,
        "busy": spread([one["cpu_ns"] / 1e9 / one["seconds"] for one in rounds]) if measured else None,
        "errors": sum(one["errors"] for one in rounds),
        "noisy_rounds": sum(one["foreign_share"] > QUIET for one in rounds),
        "rounds": len(rounds),
    }  # fmt: skip


def _added(rounds: list[Round], direct: list[Round], figure: str) -> Spread:
    """Paired: each round is compared with the direct one of its turn."""
    return spread([own[figure] - base[figure] for own, base in zip(rounds, direct, strict=True)])


def _bars(cases: list[dict[str, Any]], memory: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    """Each bar with its worst case."""
    bars = []
    ours = [(case, case["figures"][_OURS]) for case in cases if _OURS in case["figures"]]
    json_cases = [(case, own) for case, own in ours if case["kind"] == "json"]
    sse_cases = [(case, own) for case, own in ours if case["kind"] == "sse"]
    if json_cases:
        bars += _json_bars(json_cases)
    if sse_cases:
        least, where = min((own["events_per_cpu_s"].median, case["title"]) for case, own in sse_cases)
        wanted = f"SSE: at least {LEAST_EVENTS_PER_CPU_S:,} events per CPU-second"
        bars.append(_bar(wanted, f"{least:,.0f} ({where})", least >= LEAST_EVENTS_PER_CPU_S))
    for case, own in json_cases:
        if case["parallel"] == 1:
            added = own["added_p50_us"].median
            wanted = f"added p50 at one connection at most {MOST_ADDED_P50_US / 1000:.1f} ms"
            bars.append(_bar(wanted, f"{added / 1000:.3f} ms", added <= MOST_ADDED_P50_US))
    if _OURS in memory:
        idle = memory[_OURS]["idle_mb"]
        wanted = f"at most {MOST_IDLE_RSS_MB:.0f} MB RSS per idle worker"
        bars.append(_bar(wanted, f"{idle:.1f} MB", idle <= MOST_IDLE_RSS_MB))
    return bars


def _json_bars(cases: list[tuple[dict[str, Any], Figures]]) -> list[dict[str, Any]]:
    bars = []
    nginx = [(own["times_nginx"], case) for case, own in cases if own["times_nginx"]]
    loaded = [(times, case) for times, case in nginx if case["parallel"] > 1]
    for few, most, where in ((nginx, MOST_TIMES_NGINX, ""), (loaded, MOST_TIMES_NGINX_LOADED, ", several connections")):
        if few:
            worst, case = max(few, key=lambda one: one[0])
            wanted = f"JSON{where}: at most {most:g}× nginx's CPU per request"
            bars.append(_bar(wanted, f"{worst:.2f}× ({case['title']})", worst <= most))
    for router in _ROUTERS:
        beside = [
            (ratio(own["cpu_us"], case["figures"].get(router, {}).get("cpu_us")), case["title"]) for case, own in cases
        ]
        wanted = f"JSON: less CPU per request than {router}"
        worst_beside = max(((times, title) for times, title in beside if times is not None), default=None)
        if worst_beside is None:
            bars.append(_bar(wanted, f"not measured (--peer {router})", None))
        else:
            bars.append(_bar(wanted, f"{worst_beside[0]:.2f}× ({worst_beside[1]})", worst_beside[0] < 1))
    peer = [(1 / own["times_litellm"], case["title"]) for case, own in cases if own["times_litellm"]]
    wanted = f"JSON: at least {LEAST_TIMES_LITELLM:.0f}× less CPU than LiteLLM"
    if peer:
        least, title = min(peer)
        bars.append(_bar(wanted, f"{least:.0f}× ({title})", least >= LEAST_TIMES_LITELLM))
    else:
        bars.append(_bar(wanted, "not measured (--peer litellm)", None))
    return bars


def _bar(wanted: str, measured: str, met: bool | None) -> dict[str, Any]:
    return {"bar": wanted, "measured": measured, "met": met}
