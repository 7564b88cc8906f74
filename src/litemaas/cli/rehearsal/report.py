"""What does a person read of a rehearsal? One HTML file with its charts in it: no script, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from litemaas.cli.rehearsal.drive import Turn
from litemaas.cli.rehearsal.plan import Plan
from litemaas.cli.rehearsal.verdict import Verdict, percentile

_WIDTH, _HEIGHT, _PAD = 720, 220, 48
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#151515;background:#fff}
h1{font-size:1.6em}h2{font-size:1.15em;margin-top:2em}
table{border-collapse:collapse}td,th{padding:.25em 1.2em .25em 0;text-align:left}
td:nth-child(n+2){font-variant-numeric:tabular-nums}
.status{display:inline-block;padding:.2em .8em;border-radius:1em;font-weight:600}
.PASS{background:#e9f7df;color:#204d00}.WARN{background:#fff4cc;color:#613f00}.FAIL{background:#fce3e3;color:#731f00}
svg{width:100%;height:auto}.bar{fill:#0066cc}
.line{fill:none;stroke:#0066cc;stroke-width:2}.limit{stroke:#b1380b;stroke-dasharray:6 4}
text{font:12px system-ui,sans-serif;fill:currentColor}.axis{stroke:currentColor;opacity:.4}
@media(prefers-color-scheme:dark){body{color:#e0e0e0;background:#1b1d21}
.bar{fill:#92c5f9}.line{stroke:#92c5f9}.limit{stroke:#f4784a}}
"""


def page(plan: Plan, verdict: Verdict, turns: Sequence[Turn], url: str) -> str:
    word = verdict.status.partition(" ")[0]
    waits = sorted(turn.ttft_ms / 1000 for turn in turns if turn.ttft_ms is not None)
    by_turn = [
        percentile(sorted(t.ttft_ms / 1000 for t in turns if t.turn == number and t.ttft_ms is not None), 0.95) or 0.0
        for number in range(plan.turns)
    ]
    errors = "".join(f"<tr><td>{escape(kind)}<td>{count}" for kind, count in verdict.errors.items())
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Rehearsal: {word}</title><style>{_STYLE}</style>
<h1>Rehearsal of {plan.people} people <span class="status {word}">{escape(verdict.status)}</span></h1>
<p>{escape(plan.model)} at {escape(url)}: {plan.people} people, {plan.sessions} session(s), {plan.turns} turns each,
{plan.workers} at once, answers of up to {plan.max_tokens} tokens, one shared document of {plan.document_words} words.</p>
<table><tr><th>Time to the first token<th>seconds
<tr><td>median<td>{_s(verdict.p50_ms)}<tr><td>95th percentile (limit {_s(verdict.p95_threshold_ms)})<td>{_s(verdict.p95_ms)}
<tr><td>99th percentile<td>{_s(verdict.p99_ms)}<tr><td>mean<td>{_s(verdict.mean_ms)}
<tr><td>median of first turns<td>{_s(verdict.first_turn_p50_ms)}
<tr><td>median of later turns<td>{_s(verdict.later_turns_p50_ms)}</table>
<p>Prefix cache: <b>{escape(verdict.cache_status)}</b>, first turns take {verdict.speedup_ratio or "–"} times as long
as later ones.
{verdict.successful_requests} of {verdict.total_requests} requests were answered in {verdict.total_time_seconds} s:
{verdict.requests_per_second} requests and {verdict.tokens_per_second} tokens per second.</p>
{f"<h2>Errors</h2><table><tr><th>kind<th>requests{errors}</table>" if errors else ""}
<h2>How long people wait</h2>{_histogram(waits, verdict.p95_threshold_ms / 1000)}
<h2>95th percentile by turn</h2>{_bars(by_turn, "turn", "s")}
</html>"""


def _s(ms: float | None) -> str:
    return "–" if ms is None else f"{ms / 1000:.2f}"


def _histogram(waits: Sequence[float], limit: float) -> str:
    if not waits:
        return "<p>Nothing was answered.</p>"
    top = max(waits[-1], 0.001)
    counts = [0] * 24
    for wait in waits:
        counts[min(23, int(wait / top * 24))] += 1
    bars = _rectangles([float(count) for count in counts])
    mark = ""
    if limit <= top:
        x = _PAD + limit / top * (_WIDTH - 2 * _PAD)
        mark = f'<line class="limit" x1="{x:.0f}" x2="{x:.0f}" y1="10" y2="{_HEIGHT - _PAD}"/>'
    words = f"{len(waits)} waits from {waits[0]:.2f} to {waits[-1]:.2f} seconds"
    return _svg(bars + mark + _axis("0 s", f"{top:.2f} s", f"{max(counts)} requests"), words)


def _bars(values: Sequence[float], what: str, unit: str) -> str:
    words = ", ".join(f"{what} {place + 1}: {value:.2f} {unit}" for place, value in enumerate(values))
    drawn = _rectangles(values)
    return _svg(drawn + _axis(f"{what} 1", f"{what} {len(values)}", f"{max(values, default=0):.2f} {unit}"), words)


def _rectangles(values: Sequence[float]) -> str:
    top = max(max(values, default=0.0), 1e-9)
    width = (_WIDTH - 2 * _PAD) / max(1, len(values))
    drawn = []
    for place, value in enumerate(values):
        height = value / top * (_HEIGHT - _PAD - 16)
        x, y = _PAD + place * width, _HEIGHT - _PAD - height
        drawn.append(
            f'<rect class="bar" x="{x + 1:.1f}" y="{y:.1f}" width="{max(1, width - 2):.1f}" height="{height:.1f}"/>'
        )
    return "".join(drawn)


def _axis(left: str, right: str, top: str) -> str:
    base = _HEIGHT - _PAD
    return (
        f'<line class="axis" x1="{_PAD}" x2="{_WIDTH - _PAD}" y1="{base}" y2="{base}"/>'
        f'<text x="{_PAD}" y="{base + 18}">{escape(left)}</text>'
        f'<text x="{_WIDTH - _PAD}" y="{base + 18}" text-anchor="end">{escape(right)}</text>'
        f'<text x="{_PAD}" y="12">{escape(top)}</text>'
    )


def _svg(content: str, words: str) -> str:
    said = escape(words)
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{said}"><title>{said}</title>{content}</svg>'
