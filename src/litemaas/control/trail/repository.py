"""How is the audit trail read, and ended by retention?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, Select, delete, func, literal_column, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import audit
from litemaas.db.tables.feed import AUDIT_WORDS

_WORDS: ColumnElement[Any] = literal_column(AUDIT_WORDS)


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    actions: Sequence[str] = ()
    types: Sequence[str] = ()
    excluded_types: Sequence[str] = ()
    resource: str | None = None
    actor: str | None = None
    success: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None


def chosen(wanted: AuditFilter) -> Select[Any]:
    """The newest first."""
    return select(audit).where(*_conditions(wanted)).order_by(audit.c.at.desc(), audit.c.id.desc())


async def page(
    connection: AsyncConnection, wanted: AuditFilter, before: tuple[datetime, int] | None, limit: int
) -> Sequence[Row[Any]]:
    statement = chosen(wanted).limit(limit)
    if before is not None:
        statement = statement.where(tuple_(audit.c.at, audit.c.id) < before)
    rows: Sequence[Row[Any]] = (await connection.execute(statement)).all()
    return rows


async def distinct(connection: AsyncConnection, column: str, types: Sequence[str] = ()) -> list[str]:
    """All values of a column; of records of some types, where they are named."""
    values = select(audit.c[column]).distinct().order_by(audit.c[column])
    if types:
        values = values.where(audit.c.object_kind.in_(types))
    return list((await connection.execute(values)).scalars())


async def drop_before(connection: AsyncConnection, before: datetime) -> int:
    return (await connection.execute(delete(audit).where(audit.c.at < before))).rowcount


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    columns = audit.c
    where: list[ColumnElement[bool]] = []
    if wanted.actions:
        where.append(columns.action.in_(wanted.actions))
    if wanted.types:
        where.append(columns.object_kind.in_(wanted.types))
    if wanted.excluded_types:
        where.append(columns.object_kind.not_in(wanted.excluded_types))
    if wanted.resource is not None:
        where.append(columns.object_id == wanted.resource)
    if wanted.actor is not None:
        where.append(columns.actor == wanted.actor)
    if wanted.success is not None:
        where.append(columns.success.is_(wanted.success))
    if wanted.since is not None:
        where.append(columns.at >= wanted.since)
    if wanted.until is not None:
        where.append(columns.at < wanted.until)
    if wanted.text:
        where.append(_WORDS.bool_op("@@")(func.websearch_to_tsquery(text("'simple'::regconfig"), wanted.text)))
    return where
