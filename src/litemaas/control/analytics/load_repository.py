"""What ran on a model minute by minute? Out of the ledger of the last hour; calls stand there once they have ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import usage_records

_R = usage_records.c
_LONGEST = timedelta(minutes=10)
"""Calls that began longer before the first minute are not looked for."""
_BUSY = text(
    """
    SELECT minute AS at,
        sum(extract(epoch FROM least(ended_at, minute + interval '1 minute') - greatest(started_at, minute)))::float8 AS busy_s
    FROM (
        SELECT started_at, started_at + duration_us * interval '1 microsecond' AS ended_at
        FROM usage_records
        WHERE started_at >= :since AND model = :model AND status <> 'refused'
    ) AS calls, generate_series(date_trunc('minute', started_at), ended_at, interval '1 minute') AS minute
    WHERE minute >= :first
    GROUP BY minute
    """
)


async def minutes(connection: AsyncConnection, model: str, first: datetime) -> Sequence[Row[Any]]:
    """Per minute with calls (``at``): ``requests``, ``failed``, ``refused``, ``tokens`` generated, ``ttft_p50``, ``ttft_p95``.

    Units: microseconds.
    """
    minute = func.date_trunc("minute", _R.started_at).label("at")
    good = _R.status == "success"
    of_ttft = [
        func.percentile_disc(share).within_group(_R.ttft_us).filter(good).label(name)
        for share, name in ((0.5, "ttft_p50"), (0.95, "ttft_p95"))
    ]
    found = (
        select(
            minute,
            func.count().filter(_R.status != "refused").label("requests"),
            func.count().filter(_R.status == "failure").label("failed"),
            func.count().filter(_R.status == "refused").label("refused"),
            func.coalesce(func.sum(_R.completion_tokens), 0).label("tokens"),
            *of_ttft,
        )
        .where(_R.started_at >= first, _R.model == model)
        .group_by(minute)
    )
    return (await connection.execute(found)).all()


async def busy_seconds(connection: AsyncConnection, model: str, first: datetime) -> dict[datetime, float]:
    """Per minute, for how long calls ran in it, added up: a minute with two calls all along has 120 s."""
    given = {"since": first - _LONGEST, "first": first, "model": model}
    return {row.at: row.busy_s for row in await connection.execute(_BUSY, given)}
