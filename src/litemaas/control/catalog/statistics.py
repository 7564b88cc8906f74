"""How well did a model answer of late? Read off the hours of the rollups, and off what is not folded into them yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.catalog.model_schemas import ModelStats
from litemaas.core.rollups import DURATION_BUCKETS, TTFT_BUCKETS, dimension_table, percentile, rollup_table

_HOURS = 24
_SUMS = ("calls", "completion_tokens", "duration_us", *DURATION_BUCKETS, *TTFT_BUCKETS)
_ROLLUP, _DIMENSIONS = rollup_table("model", "hour"), dimension_table("model")


class Speed(msgspec.Struct, frozen=True):
    """Of successful calls in the last 24 hours. None = no call to learn it from. Units: milliseconds."""

    latency_p50_ms: float | None = None
    ttft_p50_ms: float | None = None


def _statement() -> str:
    """One row per model and status; both parts are of one snapshot, so a call is counted once while it is folded in."""
    cells = ", ".join(f"r.{name}" for name in _SUMS)
    waiting = ", ".join(_SUMS)
    sums = ", ".join(f"coalesce(sum({name}), 0)::bigint AS {name}" for name in _SUMS)
    return (
        f"SELECT model, status, {sums} FROM ("  # noqa: S608 — names of ours, values apart
        f" SELECT d.model, d.status, {cells} FROM {_ROLLUP} r JOIN {_DIMENSIONS} d ON d.id = r.dimension_id"
        " WHERE d.model = ANY($1) AND r.at >= $2"
        f" UNION ALL SELECT model, status, {waiting} FROM usage_deltas WHERE model = ANY($1) AND at >= $2"
        ") AS parts GROUP BY model, status"
    )


async def of_model(connection: AsyncConnection, model_id: str, name: str, now: datetime) -> ModelStats:
    """Refused calls never reached it and do not count."""
    since = _since(now)
    found = await connection.exec_driver_sql(_statement(), ([name], since))
    by_status: dict[str, Any] = {row.status: row._mapping for row in found}
    good = by_status.get("success")
    calls = {status: sums["calls"] for status, sums in by_status.items() if status != "refused"}
    successful, failed = calls.get("success", 0), calls.get("failure", 0)
    return ModelStats(
        model_id=model_id, since=since, requests=sum(calls.values()), successful_requests=successful,
        failed_requests=failed,
        availability=round(successful * 100 / (successful + failed), 2) if successful + failed else None,
        latency_p50_ms=_percentile(good, DURATION_BUCKETS, 0.5), latency_p95_ms=_percentile(good, DURATION_BUCKETS, 0.95),
        ttft_p50_ms=_percentile(good, TTFT_BUCKETS, 0.5), ttft_p95_ms=_percentile(good, TTFT_BUCKETS, 0.95),
        tokens_per_second=_speed(good),
    )  # fmt: skip


async def speeds_of(connection: AsyncConnection, names: Sequence[str], now: datetime) -> dict[str, Speed]:
    """Of many models at once, by name; those that nobody has called are not in it."""
    found = await connection.exec_driver_sql(_statement(), (list(names), _since(now)))
    return {
        row.model: Speed(
            _percentile(row._mapping, DURATION_BUCKETS, 0.5), _percentile(row._mapping, TTFT_BUCKETS, 0.5)
        )
        for row in found
        if row.status == "success"
    }  # fmt: skip


def _since(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=_HOURS - 1)


def _percentile(sums: Any, buckets: tuple[str, ...], share: float) -> float | None:
    found = percentile([sums[bucket] for bucket in buckets], share) if sums is not None else None
    return None if found is None else found / 1000


def _speed(sums: Any) -> float | None:
    if sums is None or not sums["completion_tokens"] or not sums["duration_us"]:
        return None
    return round(float(sums["completion_tokens"] * 1_000_000 / sums["duration_us"]), 2)
