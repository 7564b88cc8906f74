"""How is the ledger read? By page and by sum, always in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import ColumnElement, Row, case, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import usage_records

GroupBy = Literal["model", "key", "user", "deployment", "status", "day"]
_RECORDS = usage_records.c
_DAY = func.to_char(func.timezone("UTC", _RECORDS.started_at), "YYYY-MM-DD")
_GROUPS: dict[str, ColumnElement[Any]] = {
    "model": _RECORDS.model,
    "key": _RECORDS.key_hash,
    "user": _RECORDS.user_id,
    "deployment": _RECORDS.deployment_id,
    "status": _RECORDS.status,
    "day": _DAY,
}
_SUMS = (
    func.count().label("requests"),
    func.coalesce(func.sum(case((_RECORDS.status == "success", 1), else_=0)), 0).label("successful_requests"),
    *(
        func.coalesce(func.sum(_RECORDS[name]), 0).label(name)
        for name in (
            "prompt_tokens",
            "completion_tokens",
            "cached_tokens",
            "cache_write_tokens",
            "reasoning_tokens",
            "pages",
            "cost_nano",
        )
    ),
)


class UsageFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which records are meant; None = all. ``since`` is in, ``until`` is out. ``request_id``: ours or the engine's."""

    key_hash: str | None = None
    user_id: str | None = None
    model: str | None = None
    status: str | None = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def list_records(
    connection: AsyncConnection, wanted: UsageFilter, limit: int, before: tuple[datetime, str] | None = None
) -> Sequence[Row[Any]]:
    """The newest records, or those that follow the one named by ``before``."""
    where = _conditions(wanted)
    if before is not None:
        # The plain comparison lets PostgreSQL leave out partitions; the pair decides between equal instants.
        where += [_RECORDS.started_at <= before[0], tuple_(_RECORDS.started_at, _RECORDS.request_id) < before]
    page = select(usage_records).where(*where)
    page = page.order_by(_RECORDS.started_at.desc(), _RECORDS.request_id.desc()).limit(limit)
    return (await connection.execute(page)).all()


async def sums(connection: AsyncConnection, wanted: UsageFilter) -> Row[Any]:
    return (await connection.execute(select(*_SUMS).where(*_conditions(wanted)))).one()


async def sums_by(
    connection: AsyncConnection, wanted: UsageFilter, group_by: GroupBy, limit: int
) -> Sequence[Row[Any]]:
    """One row of sums per group: days in their order, others with the dearest first."""
    group = _GROUPS[group_by].label("group")
    order = (group,) if group_by == "day" else (func.sum(_RECORDS.cost_nano).desc(), group)
    statement = select(group, *_SUMS).where(*_conditions(wanted)).group_by(group).order_by(*order).limit(limit)
    return (await connection.execute(statement)).all()


async def spend_by_day(connection: AsyncConnection, wanted: UsageFilter) -> Sequence[Row[Any, Any, Any, Any, Any]]:
    """Cost per day, user, model and key; for the summaries of LiteLLM's API."""
    day = _DAY.label("day")
    statement = (
        select(day, _RECORDS.user_id, _RECORDS.model, _RECORDS.key_hash, func.sum(_RECORDS.cost_nano).label("cost"))
        .where(*_conditions(wanted))
        .group_by(day, _RECORDS.user_id, _RECORDS.model, _RECORDS.key_hash)
        .order_by(day)
    )
    return (await connection.execute(statement)).all()


def _conditions(wanted: UsageFilter) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = [
        _RECORDS[field] == value
        for field in ("key_hash", "user_id", "model", "status")
        if (value := getattr(wanted, field)) is not None
    ]
    if wanted.request_id is not None:
        where.append(or_(_RECORDS.request_id == wanted.request_id, _RECORDS.engine_request_id == wanted.request_id))
    if wanted.since is not None:
        where.append(_RECORDS.started_at >= wanted.since)
    if wanted.until is not None:
        where.append(_RECORDS.started_at < wanted.until)
    return where
