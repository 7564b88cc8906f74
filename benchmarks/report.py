"""How does a run look to a reader? One short Markdown page: bars first, then the tables, then what it was measured on."""

from __future__ import annotations

from typing import Any

from benchmarks.figures import Spread

_JSON_HEAD = (
    "| candidate | CPU µs/request | ÷ nginx | LiteLLM ÷ it | requests/s | p50 µs | p99 µs | added p50 µs | added p99 µs |\n"
    "|---|---|---|---|---|---|---|---|---|\n"
)
_SSE_HEAD = (
    "| candidate | CPU µs/event | ÷ nginx | LiteLLM ÷ it | events per CPU-s | events/s | event p50 / p99 µs "
    "| added p50 / p99 µs | first event, added p50 µs |\n|---|---|---|---|---|---|---|---|---|\n"
)


def render(result: dict[str, Any]) -> str:
    return "\n".join(
        [_provenance(result), _bars(result), *map(_case, result["cases"]), _memory(result), _notes(result)]
    )


def _provenance(result: dict[str, Any]) -> str:
    machine, commit = result["machine"], result["commit"]
    dirty = " with uncommitted changes" if commit["dirty"] else ""
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    others = ", ".join(f"{name} {version}" for name, version in machine["candidates"].items() if version)
    return (
        f"Measured {result['at']} at commit `{commit['commit'][:12]}`{dirty} with `{result['command']}`.\n\n"
        f"{machine['cpu']}, {machine['cores']} cores (one for the candidate, one for load, upstream and databases), "
        f"{machine['memory_mib'] / 1024:.0f} GiB; {machine['kernel']}; {machine['python']}; "
        f"our hot path {machine['hot_path']}; {packages}; {others}; "
        f"wrk {machine['wrk']}. Median of {result['rounds']} rounds of {result['seconds']:g} s [smallest–largest].\n"
    )


def _bars(result: dict[str, Any]) -> str:
    word = {True: "met", False: "**not met**", None: "–"}
    rows = [f"| {bar['bar']} | {bar['measured']} | {word[bar['met']]} |" for bar in result["bars"]]
    return "\n".join(["| bar | measured (worst case) | |", "|---|---|---|", *rows, ""])


def _case(case: dict[str, Any]) -> str:
    row, head = (_json_row, _JSON_HEAD) if case["kind"] == "json" else (_sse_row, _SSE_HEAD)
    rows = "".join(row(name, figures) for name, figures in case["figures"].items())
    remarks = "".join(
        f"\n{name}: {remark}" for name, figures in case["figures"].items() for remark in _remarks(case["kind"], figures)
    )
    return f"### {case['title']}\n\n{head}{rows}{remarks}\n"


def _json_row(name: str, own: dict[str, Any]) -> str:
    return (
        f"| {name} | {_full(own['cpu_us'], 1)} | {_times(own['times_nginx'])} | {_inverse(own['times_litellm'])} "
        f"| {_full(own['requests_per_s'])} | {_full(own['p50_us'])} | {_full(own['p99_us'])} "
        f"| {_full(own['added_p50_us'])} | {_full(own['added_p99_us'])} |\n"
    )


def _sse_row(name: str, own: dict[str, Any]) -> str:
    return (
        f"| {name} | {_full(own['cpu_us'], 1)} | {_times(own['times_nginx'])} | {_inverse(own['times_litellm'])} "
        f"| {_full(own['events_per_cpu_s'])} | {_full(own['events_per_s'])} "
        f"| {own['event_p50_us'].median:,.0f} / {own['event_p99_us'].median:,.0f} "
        f"| {own['added_event_p50_us'].median:,.0f} / {own['added_event_p99_us'].median:,.0f} "
        f"| {_full(own['added_first_p50_us'])} |\n"
    )


def _remarks(kind: str, own: dict[str, Any]) -> list[str]:
    remarks = []
    if own["helpers_cpu_us"] is not None:
        unit = "request" if kind == "json" else "event"
        remarks.append(
            f"PostgreSQL and Valkey took {own['helpers_cpu_us'].median:.1f} µs per {unit} on the other core.  "
        )
    if own["errors"]:
        remarks.append(f"**{own['errors']} errors.**  ")
    if own["noisy_rounds"]:
        remarks.append(f"{own['noisy_rounds']} of {own['rounds']} rounds were disturbed by other processes.  ")
    if kind == "sse":
        if own["stalled_events"]:
            remarks.append(f"{own['stalled_events']} events were held back until another one came.  ")
        if own["events_per_read"].median > 1.05 or own["events_per_stream"].low != own["events_per_stream"].high:
            per_read, per_stream = own["events_per_read"].median, own["events_per_stream"].median
            remarks.append(f"{per_read:.2f} events per read at the client, {per_stream:.1f} per stream.  ")
    return remarks


def _memory(result: dict[str, Any]) -> str:
    rows = [f"| {name} | {own['idle_mb']:.1f} | {own['loaded_mb']:.1f} |" for name, own in result["memory"].items()]
    return "\n".join(
        ["### Memory", "", "| candidate | RSS idle, MB | RSS under load, MB |", "|---|---|---|", *rows, ""]
    )


def _notes(result: dict[str, Any]) -> str:
    notes = [f"Ledger of {name}: {found}." for name, found in result["audits"].items()]
    notes += [f"{name} was not measured: {why}." for name, why in result["missing"].items()]
    return "\n\n".join([*notes, ""])


def _full(value: Spread | None, digits: int = 0) -> str:
    if value is None:
        return "–"
    return f"{value.median:,.{digits}f} [{value.low:,.{digits}f}–{value.high:,.{digits}f}]"


def _times(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _inverse(value: float | None) -> str:
    return "–" if not value else f"{1 / value:,.0f}" if value < 0.1 else f"{1 / value:,.1f}"
