"""What do workers and the ledger say of deployments in these minutes? Each question in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Float, Row, Select, and_, case, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import deployments, models, usage_records, workers

_R = usage_records.c
_SILENT_AFTER_S = 15.0
"""Workers beat every five seconds."""
_MOST_WORKERS = 1_000
_SHOWN = ("id", "api_base", "provider", "enabled", "health", "health_at", "health_detail", "max_parallel_requests",
          "rpm_limit", "tpm_limit")  # fmt: skip
_GOOD = _R.status == "success"
# Until the first token nothing is generated; a whole answer has no first token, and says nothing of it.
_US_PER_TOKEN: ColumnElement[float] = case(
    (
        and_(_GOOD, _R.ttft_us.is_not(None), _R.completion_tokens > 1),
        cast(_R.duration_us - _R.ttft_us, Float) / (_R.completion_tokens - 1),
    )
)


def _median(column: ColumnElement[Any], share: float = 0.5) -> ColumnElement[Any]:
    return func.percentile_disc(share).within_group(column)


async def workers_now(connection: AsyncConnection) -> tuple[Sequence[Row[Any]], int]:
    """Those that were heard of lately, with ``loads``; and how many others there are. By the database's clock."""
    silent_s = func.extract("epoch", func.now() - workers.c.heartbeat_at)
    found = select(workers.c.loads, (silent_s > _SILENT_AFTER_S).label("is_silent")).limit(_MOST_WORKERS)
    rows = (await connection.execute(found)).all()
    alive = [row for row in rows if not row.is_silent]
    return alive, len(rows) - len(alive)


async def deployments_of_models(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """By model; one row with ``id`` None for a model without any. Drafts and retired models are left out."""
    d = deployments.c
    found: Select[Any] = (
        select(
            models.c.id.label("model_id"),
            models.c.name.label("model_name"),
            models.c.status,
            *(d[name] for name in _SHOWN),
        )
        .outerjoin_from(models, deployments, and_(d.model_name == models.c.name, d.deleted_at.is_(None)))
        .where(models.c.status.in_(("available", "deprecated")))
        .order_by(models.c.name, d.created_at, d.id)
    )
    rows: Sequence[Row[Any]] = (await connection.execute(found)).all()
    return rows


async def lately(connection: AsyncConnection, since: datetime) -> dict[str, Row[Any]]:
    """By deployment: ``calls``, ``failures``, ``tokens`` generated, medians in microseconds."""
    found = (
        select(
            _R.deployment_id,
            func.count().label("calls"),
            func.count().filter(_R.status == "failure").label("failures"),
            func.coalesce(func.sum(_R.completion_tokens), 0).label("tokens"),
            _median(case((_GOOD, _R.ttft_us))).label("ttft_p50"),
            _median(case((_GOOD, _R.ttft_us)), 0.95).label("ttft_p95"),
            _median(_US_PER_TOKEN).label("us_per_token"),
        )
        .where(_R.started_at >= since, _R.deployment_id.is_not(None))
        .group_by(_R.deployment_id)
    )
    return {row.deployment_id: row for row in await connection.execute(found)}


async def refused(connection: AsyncConnection, since: datetime) -> Sequence[Row[Any]]:
    """``model``, ``error_code``, ``calls`` of what was refused before it reached a server."""
    calls = func.count().label("calls")
    code = func.coalesce(_R.error_code, "refused").label("error_code")
    found = select(_R.model, code, calls).where(_R.started_at >= since, _R.status == "refused").group_by(_R.model, code)
    return (await connection.execute(found.order_by(calls.desc()).limit(1_000))).all()


async def speed_of(connection: AsyncConnection, model: str, since: datetime) -> Row[Any]:
    """``calls`` that streamed well, and medians in microseconds; None without any."""
    streamed = and_(_R.started_at >= since, _R.model == model, _GOOD, _R.ttft_us.is_not(None))
    newest = (
        select(_R.ttft_us, _US_PER_TOKEN.label("us_per_token"))
        .where(streamed)
        .order_by(_R.started_at.desc())
        .limit(_MOST_MEASURED)
        .subquery()
    )
    found = select(
        func.count().label("calls"),
        _median(newest.c.ttft_us).label("ttft_p50"),
        _median(newest.c.us_per_token).label("us_per_token"),
    )
    return (await connection.execute(found)).one()


_MOST_MEASURED = 10_000
"""The newest calls that a median is taken of."""
