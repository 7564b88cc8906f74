"""How do rollups stay equal to the ledger? A trigger notes what was stored, one replica at a time folds it in or counts anew.

The trigger on ``usage_records`` writes the cells of each stored batch to ``usage_deltas`` in the batch's own transaction, so
that a record counts exactly when it is stored and writers never wait for one another. :func:`fold` moves them into the
cells; readers add what is not folded yet. :func:`rebuild` counts a span of days anew from the records.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta

import asyncpg

from litemaas.core.rollups import (
    BOUNDS_US,
    CUBES,
    DIMENSIONS,
    DURATION_BUCKETS,
    EVERY_ROLLUP,
    MEASURES,
    PAID,
    TTFT_BUCKETS,
    dimension_table,
    measures_of,
    rollup_table,
    told_by,
)
from litemaas.core.windows import midnight
from litemaas.db.payers import payer_columns, with_payers
from litemaas.db.zones import ZONE, zone_kept

_LOCK = 0x4C4D_0003
"""The advisory lock of whoever writes cells ("LM", 3)."""
_FOLD_AT_ONCE = 20_000
_TIMEOUT_S = 600
_NULLABLE = {"user_id", "team_id", "deployment_id", "provider", "engine_model", "error_code"}


def _columns(cube: str) -> str:
    return ", ".join(["last_at", *measures_of(cube)])


def _sums(cube: str) -> str:
    return ", ".join(["max(last_at)", *(f"usage_sum({name})" for name in measures_of(cube))])


def _added(cube: str) -> str:
    both = {name: f"r.{name} + excluded.{name}" for name in measures_of(cube)}
    sums = (
        f"{name} = {value if name in MEASURES else f'coalesce({value}, r.{name}, excluded.{name})'}"
        for name, value in both.items()
    )
    return ", ".join(["last_at = greatest(r.last_at, excluded.last_at)", *sums])


def _identity(cube: str) -> str:
    """The hash of the members as ``cube`` tells them apart: '' where it does not."""
    members = [told_by(cube, name) if name in CUBES[cube] else "''" for name in DIMENSIONS if name not in PAID]
    # Cubes without payers keep the numbers that combinations had before these were told apart.
    members += [name for name in PAID if name in CUBES[cube]]
    return f"usage_dimension_id({', '.join(members)})"


_IDENTITIES = ", ".join(f"{_identity(cube)} AS in_{cube}" for cube in CUBES)


def _name(cube: str) -> str:
    members = ", ".join(CUBES[cube])
    told = ", ".join(told_by(cube, name) for name in CUBES[cube])
    return f"""
        INSERT INTO {dimension_table(cube)} (id, {members}) SELECT DISTINCT in_{cube}, {told} FROM cells
        ON CONFLICT DO NOTHING
    """  # noqa: S608 — names of ours


def _add(cube: str, grain: str) -> str:
    return f"""
        INSERT INTO {rollup_table(cube, grain)} AS r (at, dimension_id, {_columns(cube)})
        SELECT date_trunc('{grain}', at, {ZONE}), in_{cube}, {_sums(cube)} FROM cells GROUP BY 1, 2
        ON CONFLICT (at, dimension_id) DO UPDATE SET {_added(cube)}
    """  # noqa: S608 — names of ours


_FINE = ("hour", "day")
"""What is counted from records; the coarser grains are then added up from days."""
_FOLD = f"""
WITH deltas AS MATERIALIZED (
    SELECT * FROM {with_payers("usage_deltas")}
    WHERE number IN (SELECT number FROM usage_deltas ORDER BY number LIMIT {_FOLD_AT_ONCE})
),
cells AS MATERIALIZED (SELECT *, {_IDENTITIES} FROM deltas),
{", ".join(f"{cube}_names AS ({_name(cube)})" for cube in CUBES)},
{", ".join(f"{cube}_{grain} AS ({_add(cube, grain)})" for cube, grain in EVERY_ROLLUP)}
DELETE FROM usage_deltas WHERE number IN (SELECT number FROM cells)
"""  # noqa: S608 — names of ours


async def fold(connection: asyncpg.Connection) -> int:
    """Folds all that waits into the cells; returns the number of deltas, 0 also when another replica is at it."""
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM usage_deltas)"):
        return 0
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
        return 0
    try:
        folded = 0
        while True:
            async with connection.transaction():
                # Deltas come and go too fast for statistics: taken for none, they would be compared pair by pair.
                await connection.execute("SET LOCAL enable_nestloop = off")
                done = await connection.execute(_FOLD, timeout=_TIMEOUT_S)
            count = int(done.rpartition(" ")[2])
            folded += count
            if count < _FOLD_AT_ONCE:
                return folded
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)


# -- counting anew --------------------------------------------------------------------------------------------------------


def _count_records() -> str:
    """Cells of the records from $1 to $2, per hour; the same as the trigger makes (see ``migrations/versions/0029``)."""
    paid = payer_columns("usage_records")
    dimensions = [f"coalesce({name}, '')" if name in _NULLABLE else name for name in DIMENSIONS]
    dimensions[DIMENSIONS.index("model")] = "CASE WHEN key_hash = '' THEN '' ELSE model END"
    sums = {name: f"usage_sum({name})" for name in MEASURES} | {
        "calls": "count(*)",
        "estimated_calls": "count(*) FILTER (WHERE usage_source IN ('tokenizer', 'estimate'))",
        "ttft_us": "coalesce(usage_sum(ttft_us), 0)",
        "ttft_calls": "count(ttft_us)",
    }
    bounds = f"'{{{', '.join(map(str, BOUNDS_US))}}}'::bigint[]"
    columns = [
        f"date_trunc('hour', started_at, {ZONE}) AS at",
        *(f"{value} AS {name}" for name, value in zip(DIMENSIONS, dimensions, strict=True)),
        *(f"{value} AS {name}" for name, value in sums.items()),
        "max(started_at) AS last_at",
        *(f"nullif(count(*) FILTER (WHERE d = {n}), 0) AS {name}" for n, name in enumerate(DURATION_BUCKETS)),
        *(f"nullif(count(*) FILTER (WHERE t = {n}), 0) AS {name}" for n, name in enumerate(TTFT_BUCKETS)),
    ]
    places = ", ".join(str(place) for place in range(1, len(DIMENSIONS) + 2))
    return f"""
        SELECT {", ".join(columns)} FROM (
            SELECT *, {", ".join(f"{value} AS {name}" for name, value in paid.items())},
                CASE WHEN status = 'success' THEN width_bucket(duration_us, {bounds}) END AS d,
                CASE WHEN status = 'success' THEN width_bucket(ttft_us, {bounds}) END AS t
            FROM usage_records WHERE started_at >= $1 AND started_at < $2 OFFSET 0
        ) AS r GROUP BY {places}
    """  # noqa: S608 — names of ours


_IN_SPAN = "at >= $1 AND at < $2"
_FORGET = [
    f"DELETE FROM {table} WHERE {_IN_SPAN}"  # noqa: S608 — names of ours
    for table in ("usage_deltas", *(rollup_table(cube, grain) for cube, grain in EVERY_ROLLUP if grain in _FINE))
]
_RECOUNT = f"""
WITH records AS MATERIALIZED ({_count_records()}),
cells AS MATERIALIZED (SELECT *, {_IDENTITIES} FROM records),
{", ".join(f"{cube}_names AS ({_name(cube)})" for cube in CUBES)},
{", ".join(f"{cube}_{grain} AS ({_add(cube, grain)})" for cube, grain in EVERY_ROLLUP if grain in _FINE)}
SELECT
"""  # noqa: S608 — names of ours


def _recount_from_days(cube: str, grain: str) -> tuple[str, str]:
    cells, days = rollup_table(cube, grain), rollup_table(cube, "day")
    return (
        f"DELETE FROM {cells} WHERE {_IN_SPAN}",  # noqa: S608 — names of ours
        f"""
        INSERT INTO {cells} (at, dimension_id, {_columns(cube)})
        SELECT date_trunc('{grain}', at, {ZONE}), dimension_id, {_sums(cube)} FROM {days} WHERE {_IN_SPAN} GROUP BY 1, 2
        """,  # noqa: S608 — names of ours
    )


async def rebuild(connection: asyncpg.Connection, first: date, end: date) -> None:
    """Counts the days from ``first`` to ``end`` (out; both in the installation's zone) anew, each by itself, then their weeks
    and months.

    Writers go on meanwhile. Days whose records are gone would become empty: leave them out.
    """
    zone = await zone_kept(connection)
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK, timeout=_TIMEOUT_S)
    try:
        day = first
        while day < end:
            since, until = midnight(day, zone), midnight(day + timedelta(days=1), zone)
            async with _one_moment(connection):
                for statement in _FORGET:
                    await connection.execute(statement, since, until, timeout=_TIMEOUT_S)
                await connection.execute(_RECOUNT, since, until, timeout=_TIMEOUT_S)
            day += timedelta(days=1)
        for start, following in _weeks(first, end):
            await _add_up_days(connection, "week", midnight(start, zone), midnight(following, zone))
        for start, following in _months(first, end):
            await _add_up_days(connection, "month", midnight(start, zone), midnight(following, zone))
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)


async def _add_up_days(connection: asyncpg.Connection, grain: str, start: datetime, following: datetime) -> None:
    async with _one_moment(connection):
        for cube in CUBES:
            for statement in _recount_from_days(cube, grain):
                await connection.execute(statement, start, following, timeout=_TIMEOUT_S)


def _weeks(first: date, end: date) -> Iterator[tuple[date, date]]:
    start = first - timedelta(days=first.weekday())
    while start < end:
        yield start, start + timedelta(days=7)
        start += timedelta(days=7)


def _months(first: date, end: date) -> Iterator[tuple[date, date]]:
    start = first.replace(day=1)
    while start < end:
        following = (start + timedelta(days=32)).replace(day=1)
        yield start, following
        start = following


@asynccontextmanager
async def _one_moment(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """A transaction that sees one moment: records and the deltas that stand for them come and go together."""
    async with connection.transaction(isolation="repeatable_read"):
        yield
