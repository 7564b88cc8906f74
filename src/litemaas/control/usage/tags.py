"""What did calls with a tag cost? Tags stand in records only, so each record of the period that has any is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.usage.filters import UsageFilter, Values, record_conditions, where, within

_MOST = 10_000


async def sums(connection: AsyncConnection, wanted: UsageFilter) -> Sequence[Row[Any]]:
    """Per ``tag`` its ``requests`` and ``cost_nano``, the dearest first. A call with two tags counts under both."""
    values = Values()
    conditions = [*record_conditions(wanted, values), *within("started_at", wanted.since, wanted.until, values)]
    tagged = where([*conditions, "tags <> '{}'"])
    query = (
        "SELECT tag, count(*) AS requests, sum(cost_nano)::bigint AS cost_nano"  # noqa: S608 — names of ours, values apart
        f" FROM usage_records, unnest(tags) AS tag{tagged}"
        f" GROUP BY tag ORDER BY 3 DESC, 2 DESC, 1 LIMIT {_MOST}"
    )
    return (await connection.exec_driver_sql(query, tuple(values.given))).all()
