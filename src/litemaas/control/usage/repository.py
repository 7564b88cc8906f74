"""How are single records read? By page, the newest first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Row, and_, func, literal_column, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.usage.filters import DIMENSION_OF, UsageFilter
from litemaas.core.ledger import Status
from litemaas.db.tables import usage_records

_RECORDS = usage_records.c
_SUCCESS: ColumnElement[str] = literal_column("'success'")  # written out, so that the index on all others is used


async def list_records(
    connection: AsyncConnection, wanted: UsageFilter, limit: int, before: tuple[datetime, str] | None = None
) -> Sequence[Row[Any]]:
    """The newest records, or those that follow the one named by ``before``."""
    where = conditions(wanted)
    if before is not None:
        # The plain comparison lets PostgreSQL leave out partitions; the pair decides between equal instants.
        where += [_RECORDS.started_at <= before[0], tuple_(_RECORDS.started_at, _RECORDS.request_id) < before]
    page = select(usage_records).where(*where)
    page = page.order_by(_RECORDS.started_at.desc(), _RECORDS.request_id.desc()).limit(limit)
    return (await connection.execute(page)).all()


def conditions(wanted: UsageFilter, *, as_summed: bool = False) -> list[ColumnElement[bool]]:
    """What records must meet. ``as_summed``: calls without a known key have no model, as in the rollups."""
    where = [
        _one_of(_RECORDS[column], values)
        for member, column in DIMENSION_OF.items()
        if (values := getattr(wanted, member)) and not (as_summed and member == "models")
    ]
    if as_summed and wanted.models:
        named = and_(_RECORDS.key_hash != "", _RECORDS.model.in_(wanted.models))
        where.append(or_(_RECORDS.key_hash == "", named) if "" in wanted.models else named)
    if wanted.statuses and Status.SUCCESS not in wanted.statuses:
        where.append(_RECORDS.status != _SUCCESS)
    if wanted.end_users:
        where.append(_one_of(_RECORDS.end_user, wanted.end_users))
    if wanted.tags:
        where += [_RECORDS.tags.op("&&")(list(wanted.tags)), _RECORDS.tags != literal_column("'{}'")]
    if wanted.request_id is not None:
        where.append(or_(_RECORDS.request_id == wanted.request_id, _RECORDS.engine_request_id == wanted.request_id))
    if wanted.min_duration_us is not None:
        where.append(_RECORDS.duration_us >= wanted.min_duration_us)
    if wanted.min_cost_nano is not None:
        where.append(_RECORDS.cost_nano >= wanted.min_cost_nano)
    if wanted.since is not None:
        where.append(_RECORDS.started_at >= wanted.since)
    if wanted.until is not None:
        where.append(_RECORDS.started_at < wanted.until)
    return where


def _one_of(column: Column[Any], values: Sequence[str]) -> ColumnElement[bool]:
    if "" not in values:
        return column == values[0] if len(values) == 1 else column.in_(values)
    if column.nullable:
        return or_(column.is_(None), func.coalesce(column, "").in_(values))
    return column.in_(values)
