"""How are records read page by page with their number, and what do all questions of usage need of a transaction?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.usage.filters import UsageFilter, Values, record_conditions, where, within
from litemaas.core.ledger import COLUMNS


async def page_of_records(
    connection: AsyncConnection, wanted: UsageFilter, order: str, offset: int, limit: int, *, descending: bool
) -> tuple[Sequence[Row[Any]], int]:
    """Records from a place on, and how many there are. ``order``: an expression of columns, ours and not a client's."""
    values = Values()
    conditions = [*record_conditions(wanted, values), *within("started_at", wanted.since, wanted.until, values)]
    counted = f"SELECT count(*) FROM usage_records{where(conditions)}"  # noqa: S608 — names of ours, values apart
    total = (await connection.exec_driver_sql(counted, tuple(values.given))).scalar_one()
    way = "DESC" if descending else "ASC"
    query = (
        f"SELECT {', '.join(COLUMNS)} FROM usage_records{where(conditions)} "  # noqa: S608 — as above
        f"ORDER BY {order} {way}, request_id {way} OFFSET {values.place(offset)} LIMIT {values.place(limit)}"
    )
    return (await connection.exec_driver_sql(query, tuple(values.given))).all(), total


async def has_calls_before(connection: AsyncConnection, moment: datetime) -> bool:
    found = await connection.exec_driver_sql(
        "SELECT EXISTS (SELECT FROM usage_records WHERE started_at < $1)", (moment,)
    )
    return bool(found.scalar())


async def prepare(connection: AsyncConnection) -> None:
    """For the transaction: memory to add up many groups at once, and plans for the very period that is asked for."""
    await connection.exec_driver_sql(
        "SELECT set_config('work_mem', '64MB', true), set_config('plan_cache_mode', 'force_custom_plan', true)"
    )


async def plan_each_time(connection: AsyncConnection) -> None:
    """For the rest of the transaction: plans are made for the very values that are asked for."""
    await connection.exec_driver_sql("SELECT set_config('plan_cache_mode', 'force_custom_plan', true)")


async def plan_once(connection: AsyncConnection) -> None:
    """For the rest of the transaction: a plan is made for all values, and kept as long as the connection."""
    await connection.exec_driver_sql("SELECT set_config('plan_cache_mode', 'force_generic_plan', true)")


async def without_parallel_workers(connection: AsyncConnection) -> None:
    """For the transaction: each question is answered by one process of PostgreSQL's."""
    await connection.exec_driver_sql("SELECT set_config('max_parallel_workers_per_gather', '0', true)")


async def export_snapshot(connection: AsyncConnection) -> str:
    """The name under which others can take over what this transaction sees, while it lasts."""
    name: str = (await connection.exec_driver_sql("SELECT pg_export_snapshot()")).scalar_one()
    return name


async def take_snapshot(connection: AsyncConnection, name: str) -> None:
    """Begins a transaction on a fresh connection that sees what the one of :func:`export_snapshot` sees, and no more."""
    await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    await connection.exec_driver_sql(
        f"SET TRANSACTION SNAPSHOT '{name}'"
    )  # a name of PostgreSQL's, of digits and hyphens
    await prepare(connection)
