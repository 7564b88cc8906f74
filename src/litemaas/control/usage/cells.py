"""Out of what are figures added up? Rollups as far as they go, plus what is not folded yet, plus records at ragged ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from functools import lru_cache
from itertools import groupby
from typing import Literal

import msgspec

from litemaas.control.usage.filters import (
    DIMENSION_OF,
    UsageFilter,
    Values,
    cell_conditions,
    one_of,
    record_conditions,
    where,
    within,
)
from litemaas.control.usage.spans import Grain, Span, spans_of
from litemaas.core.rollups import (
    BOUNDS_US,
    BUCKETS,
    COARSE,
    CUBES,
    DURATION_BUCKETS,
    PAID,
    TTFT_BUCKETS,
    dimension_table,
    grains_of,
    rollup_table,
)
from litemaas.db.payers import with_payers
from litemaas.db.zones import ZONE

GroupBy = Literal[
    "model", "key", "user", "team", "deployment", "provider", "endpoint", "status", "error", "end_user", "cost_centre",
    "workshop", "hour", "day", "week", "month",
]  # fmt: skip
Dimension = GroupBy | Literal["engine_model"]
"""What can be grouped by; an engine's name only for LiteLLM's reports."""
DIMENSION: dict[str, str] = {
    "model": "model", "key": "key_hash", "user": "user_id", "team": "team_id", "deployment": "deployment_id",
    "provider": "provider", "endpoint": "endpoint", "status": "status", "error": "error_code", "end_user": "end_user",
    "cost_centre": "cost_centre", "workshop": "workshop", "engine_model": "engine_model",
}  # fmt: skip
_BY_STATUS = {
    "successful_requests": "success",
    "failed_requests": "failure",
    "cancelled_requests": "cancelled",
    "blocked_requests": "refused",
}
_PLAIN = (
    "prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens", "pages", "cost_nano",
    "input_cost_nano", "output_cost_nano",
)  # fmt: skip
SUMS = ("requests", *_BY_STATUS, "estimated_requests", "total_tokens", *_PLAIN)
"""What is added up for everybody; ``requests`` reached a model or failed on the way, ``blocked_requests`` were refused."""
LATENCY = ("duration_us", "ttft_us", "ttft_calls", *DURATION_BUCKETS, *TTFT_BUCKETS)
"""Of successful calls: sums and histograms."""

_MEASURES_OF: dict[str, tuple[str, ...]] = {
    "requests": ("calls",),
    **dict.fromkeys(_BY_STATUS, ("calls",)),
    "estimated_requests": ("estimated_calls",),
    "total_tokens": ("prompt_tokens", "completion_tokens"),
}
_OF_CELLS = {
    "requests": "usage_sum(calls) FILTER (WHERE status <> 'refused')",
    **{name: f"usage_sum(calls) FILTER (WHERE status = '{status}')" for name, status in _BY_STATUS.items()},
    "estimated_requests": "usage_sum(estimated_calls)",
    "total_tokens": "usage_sum(prompt_tokens + completion_tokens)",
    **{name: f"usage_sum({name}) FILTER (WHERE status = 'success')" for name in LATENCY},
    **{name: f"usage_sum({name})" for name in _PLAIN},
    "last_at": "max(last_at)",
}
_OF_RECORDS = {
    "requests": "count(*) FILTER (WHERE status <> 'refused')",
    **{name: f"count(*) FILTER (WHERE status = '{status}')" for name, status in _BY_STATUS.items()},
    "estimated_requests": "count(*) FILTER (WHERE usage_source IN ('tokenizer', 'estimate'))",
    "total_tokens": "usage_sum(prompt_tokens::bigint + completion_tokens)",
    "duration_us": "usage_sum(duration_us) FILTER (WHERE status = 'success')",
    "ttft_us": "usage_sum(ttft_us) FILTER (WHERE status = 'success')",
    "ttft_calls": "count(ttft_us) FILTER (WHERE status = 'success')",
    **{f"d{place:02}": f"count(*) FILTER (WHERE status = 'success' AND d = {place})" for place in range(BUCKETS)},
    **{f"t{place:02}": f"count(*) FILTER (WHERE status = 'success' AND t = {place})" for place in range(BUCKETS)},
    **{name: f"usage_sum({name})" for name in _PLAIN},
    "last_at": "max(started_at)",
}
_REFUSED_OR_NOT = {"requests", "blocked_requests", "estimated_requests", "total_tokens", "last_at", *_PLAIN}
"""Sums for which it is enough to know whether calls were refused."""
_BOUNDS = f"'{{{', '.join(map(str, BOUNDS_US))}}}'::bigint[]"


class Question(msgspec.Struct, frozen=True):
    """``kept``: the only values of the first dimension that are wanted; None = all are."""

    wanted: UsageFilter
    dimensions: tuple[str, ...]
    grain: Grain | None
    sums: tuple[str, ...]
    kept: tuple[str, ...] | None
    values: Values

    @property
    def needed(self) -> set[str]:
        """The dimensions that it groups or narrows by."""
        return {*self.dimensions, *(DIMENSION_OF[member] for member in DIMENSION_OF if getattr(self.wanted, member))}

    def of(self, table: str) -> str:
        """``usage_records`` or ``usage_deltas``, with who paid only where that is asked for."""
        return table if self.needed.isdisjoint(PAID) else with_payers(table)


def figures_by(
    values: Values, wanted: UsageFilter, groups: Sequence[Dimension] = (), grain: Grain | None = None, *,
    sums: Sequence[str] = SUMS, kept: Sequence[str] | None = None,
) -> str:  # fmt: skip
    """One row per group and ``at`` (if there is a grain): ``g0``, ``g1`` … and the ``sums``; one row if there is neither.

    A group is '' for calls without one. ``kept``: the values of the first group that are wanted, None = all.
    """
    dimensions = tuple(DIMENSION[group] for group in groups)
    question = Question(wanted, dimensions, grain, tuple(sums), None if kept is None else tuple(kept), values)
    keys = [f"g{place}" for place in range(len(groups))] + (["at"] if grain is not None else [])
    parts = _parts(question)
    added = len(parts) > 1
    grouped = f" GROUP BY {', '.join(keys)}" if keys and added else ""
    columns = ", ".join([*keys, _added(tuple(sums)) if added else _filled(tuple(sums))])
    return f"SELECT {columns} FROM ({' UNION ALL '.join(parts)}) AS parts{grouped}"  # noqa: S608 — as all below: names of ours, values apart


@lru_cache(maxsize=64)
def _added(sums: tuple[str, ...]) -> str:
    return ", ".join(
        "max(last_at) AS last_at" if name == "last_at" else f"coalesce(usage_sum({name}), 0) AS {name}" for name in sums
    )


@lru_cache(maxsize=64)
def _filled(sums: tuple[str, ...]) -> str:
    return ", ".join(name if name == "last_at" else f"coalesce({name}, 0) AS {name}" for name in sums)


@lru_cache(maxsize=64)
def _measures(sums: tuple[str, ...]) -> tuple[str, ...]:
    """The columns of cells that ``sums`` need."""
    return tuple(dict.fromkeys(measure for name in sums for measure in _MEASURES_OF.get(name, (name,))))


@lru_cache(maxsize=64)
def _sums_of_cells(sums: tuple[str, ...]) -> str:
    return _named_sums({name: f"usage_sum({name})" for name in LATENCY} if _only_latency(sums) else _OF_CELLS, sums)


@lru_cache(maxsize=64)
def _only_latency(sums: tuple[str, ...]) -> bool:
    """Whether only successful calls matter: then no other is looked at."""
    return bool(sums) and set(sums) <= set(LATENCY)


@lru_cache(maxsize=64)
def _sums_of_records(sums: tuple[str, ...]) -> str:
    return _named_sums(_OF_RECORDS, sums)


def _named_sums(spelled: Mapping[str, str], sums: tuple[str, ...]) -> str:
    return ", ".join(f"{spelled[name]} AS {name}" for name in sums)


# -- where cells come from ------------------------------------------------------------------------------------------------


def _parts(question: Question) -> list[str]:
    ragged, whole = spans_in(question)
    parts = [_of_records(question, span) for span in ragged]
    return [*parts, _of_cells(question, whole)] if whole else parts


def spans_in(question: Question) -> tuple[list[Span], list[Span]]:
    """What is read out of records, and what out of cells; there is always something."""
    wanted = question.wanted
    everything = Span("records", wanted.since, wanted.until)
    if wanted.needs_records or "end_user" in question.dimensions:
        return [everything], []
    if wanted.since is None and wanted.until is None:
        spans = spans_of(None, None, question.grain, UTC)  # all of time, whatever the zone
    else:
        spans = spans_of(wanted.since, wanted.until, question.grain, wanted.calendar) or [everything]
    return [span for span in spans if span.source == "records"], [span for span in spans if span.source != "records"]


def by_cube(question: Question, spans: Sequence[Span]) -> list[tuple[str, list[Span]]]:
    """Small cubes have no hours: at ragged ends a larger one helps out."""
    return [(cube, list(of_cube)) for cube, of_cube in groupby(spans, key=lambda span: _cube_for(question, span))]


def _cube_for(question: Question, span: Span) -> str:
    """The smallest that tells apart what is asked for, and has cells of such a length."""
    exact = "status" in question.needed or not set(question.sums) <= _REFUSED_OR_NOT
    return next(
        cube
        for cube, members in CUBES.items()
        if question.needed <= set(members) and span.source in grains_of(cube) and not (exact and cube in COARSE)
    )


def _of_cells(question: Question, spans: Sequence[Span]) -> str:
    sums = _sums_of_cells(question.sums)
    source = f"({' UNION ALL '.join(cell_rows(question, spans))}) AS cells"
    return _summed(question, question.dimensions, sums, source)


def cell_rows(question: Question, spans: Sequence[Span]) -> list[str]:
    """Selects of deltas that are not folded yet, and of cells: the dimensions, ``status`` if the sums need it, measures."""
    told = [*question.dimensions, *(["status"] if "status" in _sums_of_cells(question.sums) else [])]
    told += ["at"] if question.grain is not None else []
    columns = ", ".join(dict.fromkeys([*told, *_measures(question.sums)]))
    deltas = f"SELECT {columns} FROM {delta_source(question, spans)}"  # noqa: S608
    return [deltas, *(_of_rollups(question, cube, some, columns) for cube, some in by_cube(question, spans))]


def _of_rollups(question: Question, cube: str, spans: Sequence[Span], columns: str) -> str:
    measures = _measures(question.sums)
    kept = ", ".join([*(["at"] if question.grain is not None else []), "dimension_id", *measures])
    cells = " UNION ALL ".join(cells_in(question, cube, span, kept) for span in spans)
    named = "" if _is_few(question) else where(narrowed(question))
    if question.grain is None and "key_hash" in question.dimensions and not named:
        # Keys are many: their names are looked at once for each of them, and not for each of their cells. Where names leave
        # most cells out, it is better to add up only those that are left.
        added = ", ".join(f"usage_sum({name}) AS {name}" for name in measures if name != "last_at")
        added += ", max(last_at) AS last_at" if "last_at" in measures else ""
        cells = f"SELECT dimension_id, {added} FROM ({cells}) AS each GROUP BY dimension_id"  # noqa: S608
    return f"SELECT {columns} FROM ({cells}) AS cells JOIN {dimension_table(cube)} ON id = dimension_id{named}"  # noqa: S608


def _is_few(question: Question) -> bool:
    return is_few(question.wanted) or question.kept is not None


def is_few(wanted: UsageFilter) -> bool:
    """Whether so few combinations are meant that their cells are best looked up one by one."""
    named = wanted.keys or wanted.users or wanted.teams or wanted.models or wanted.deployments
    return bool(named or wanted.cost_centres or wanted.workshops)


def cells_in(question: Question, cube: str, span: Span, columns: str) -> str:
    conditions = within("at", span.since, span.until, question.values)
    if _is_few(question):
        named = where(narrowed(question))
        conditions.append(f"dimension_id IN (SELECT id FROM {dimension_table(cube)}{named})")  # noqa: S608
    return f"SELECT {columns} FROM {rollup_table(cube, span.source)}{where(conditions)}"  # noqa: S608


def narrowed(question: Question) -> list[str]:
    found = cell_conditions(question.wanted, question.values) + _kept(question, question.dimensions)
    return [*found, "status = 'success'"] if _only_latency(question.sums) else found


def delta_source(question: Question, spans: Sequence[Span], kept: Sequence[str] = ()) -> str:
    conditions = [*within("at", spans[0].since, spans[-1].until, question.values), *narrowed(question), *kept]
    return f"{question.of('usage_deltas')}{where(conditions)}"


def record_source(question: Question, span: Span, kept: Sequence[str] = ()) -> str:
    """``kept``: conditions beside those of the filter and the span."""
    values = question.values
    conditions = record_conditions(question.wanted, values, as_summed=True)
    conditions += [*within("started_at", span.since, span.until, values), *kept]
    return f"{question.of('usage_records')}{where(conditions)}"


def _of_records(question: Question, span: Span) -> str:
    dimensions = [
        "CASE WHEN key_hash = '' THEN '' ELSE model END" if name == "model" else f"coalesce({name}, '')"
        for name in question.dimensions
    ]
    source = record_source(question, span, _kept(question, dimensions))
    if DURATION_BUCKETS[0] in question.sums:  # OFFSET 0: each record's buckets are looked up once
        buckets = f"width_bucket(duration_us, {_BOUNDS}) AS d, width_bucket(ttft_us, {_BOUNDS}) AS t"
        source = f"(SELECT *, started_at AS at, {buckets} FROM {source} OFFSET 0) AS r"  # noqa: S608
    else:
        source = f"(SELECT *, started_at AS at FROM {source}) AS r"  # noqa: S608
    return _summed(question, dimensions, _sums_of_records(question.sums), source)


def _kept(question: Question, columns: Sequence[str]) -> list[str]:
    return [] if question.kept is None else [one_of(columns[0], question.kept, question.values)]


def _summed(question: Question, dimensions: Sequence[str], sums: str, source: str) -> str:
    keys = [f"{name} AS g{place}" for place, name in enumerate(dimensions)]
    if question.grain is not None:
        keys.append(f"date_trunc('{question.grain}', at, {ZONE}) AS at")
    grouped = f" GROUP BY {', '.join(str(place) for place in range(1, len(keys) + 1))}" if keys else ""
    return f"SELECT {', '.join([*keys, sums])} FROM {source}{grouped}"  # noqa: S608
