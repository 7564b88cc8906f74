"""How are metrics written down? Prometheus' text format, by hand: the client library would double the process."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class Histogram:
    """Observations sorted into buckets by their upper bounds."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


def labelled(labels: Mapping[str, str]) -> str:
    """``a="1",b="2"``, with the values escaped."""
    pairs = []
    for name, value in labels.items():
        safe = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        pairs.append(f'{name}="{safe}"')
    return ",".join(pairs)


def family(name: str, kind: str, about: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> str:
    """A counter or a gauge with its samples."""
    lines = [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{{{labelled(labels)}}} {float(value)}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def histogram_family(name: str, about: str, samples: Iterable[tuple[Mapping[str, str], Histogram]]) -> str:
    """A histogram with its buckets, count and sum."""
    lines = [f"# HELP {name} {about}", f"# TYPE {name} histogram"]
    for labels, histogram in samples:
        text = labelled(labels)
        reached = 0
        for bound, count in zip((*histogram.bounds, float("inf")), histogram.counts, strict=True):
            reached += count
            limit = "+Inf" if bound == float("inf") else str(float(bound))
            lines.append(f'{name}_bucket{{{text},le="{limit}"}} {float(reached)}')
        lines.append(f"{name}_count{{{text}}} {float(reached)}")
        lines.append(f"{name}_sum{{{text}}} {histogram.total}")
    return "\n".join(lines) + "\n"
