"""How does a list leave as a file? Streamed from the database as CSV (RFC 4180) or JSON, with the list's own filters.

Cells that a spreadsheet would take for formulas are neutralised with a leading apostrophe. The rows are read in a
connection of their own after the request's transaction, so a file is one consistent snapshot, never cut silently: a
failure in the middle breaks the transfer off, which clients notice.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any, Literal

import orjson
import structlog
from fastapi.responses import StreamingResponse
from sqlalchemy import Executable, Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from litemaas.control.http.rates import Rate
from litemaas.control.http.work import Plane
from litemaas.kit.defects import named_with_frames

Format = Literal["csv", "json"]
Record = dict[str, Any]
EXPORTS = Rate("exports", 5)
"""Of one person, token or service, all lists together: each reads whole tables."""
_BATCH = 500
_WITHIN_MS = 300_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
MEDIA = {"csv": "text/csv; charset=utf-8", "json": "application/json"}


def attachment(name: str, kind: Format, content: AsyncIterator[bytes]) -> StreamingResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}.{kind}"', "Cache-Control": "no-store"}
    return StreamingResponse(_watched(content, name), headers=headers, media_type=MEDIA[kind])


async def rows_of(
    plane: Plane, statement: Executable, record: Callable[[Row[Any]], Record]
) -> AsyncIterator[list[Record]]:
    """Records in batches, read by a cursor on the server."""
    async for batch in _batches(plane.engine, statement):
        yield [record(row) for row in batch]


async def _batches(engine: AsyncEngine, statement: Executable) -> AsyncIterator[Sequence[Row[Any]]]:
    async with engine.connect() as connection:
        await connection.execute(text(f"SET LOCAL statement_timeout = {_WITHIN_MS}"))
        result = await connection.stream(statement)
        async for batch in result.partitions(_BATCH):
            yield batch


async def as_csv(
    columns: Sequence[str], batches: AsyncIterator[list[Record]], titles: Sequence[str] | None = None
) -> AsyncIterator[bytes]:
    """``titles``: what the columns are called in the file's first line."""
    yield _lines([titles or columns])
    async for batch in batches:
        yield _lines([[cell(record.get(column)) for column in columns] for record in batch])


async def as_json(metadata: Record, batches: AsyncIterator[list[Record]]) -> AsyncIterator[bytes]:
    """``{"metadata": …, "data": […]}``; the number of records stands at the end, because only then it is known."""
    yield b'{"data":['
    count = 0
    async for batch in batches:
        for record in batch:
            yield (b"," if count else b"") + orjson.dumps(record, default=str)
            count += 1
    yield b'],"metadata":' + orjson.dumps(metadata | {"record_count": count}, default=str) + b"}"


def cell(value: Any) -> str:
    """Text of a cell; null is empty. Numbers stay numbers, only text can be a formula."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict | list):
        return orjson.dumps(value, default=str).decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    written = str(value)
    return f"'{written}" if isinstance(value, str) and written.startswith(_FORMULA) else written


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue().encode()


async def _watched(content: AsyncIterator[bytes], name: str) -> AsyncIterator[bytes]:
    try:
        async for part in content:
            yield part
    except Exception as error:
        structlog.get_logger("control.exports").error("an export broke off", name=name, **named_with_frames(error))
        raise
