"""Which paths show and close the months of chargeback?"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from litemaas.control.audit.service import record
from litemaas.control.auth.gates import limited, requires
from litemaas.control.chargeback import focus, repository, statements
from litemaas.control.chargeback.focus import Issuer
from litemaas.control.http.exports import EXPORTS, Record, as_csv, as_json, attachment, rows_of
from litemaas.control.http.refusals import Conflict
from litemaas.control.http.shapes import PROBLEMS, Body
from litemaas.control.http.work import Plane, Work, WorkOf, WorkRoute
from litemaas.control.settings import service as settings
from litemaas.control.settings.groups import ChargebackSettings, CurrencySettings
from litemaas.control.usage import repository as usage_rows
from litemaas.core.errors import InvalidField
from litemaas.core.money import format_usd
from litemaas.core.permissions import Permission
from litemaas.core.windows import day_of

router = APIRouter(prefix="/api/v1/admin/chargeback", tags=["chargeback"], route_class=WorkRoute, responses=PROBLEMS)
_READ = [requires(Permission.ADMIN_CHARGEBACK_READ)]
Month = Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$", examples=["2026-11"])]
Group = Literal["cost_centre", "team", "user", "key", "model"]
_LINE_COLUMNS = (
    "day", "cost_centre", "team_id", "team_name", "user_id", "user_name", "key_id", "key_name", "model", "price_version",
    "correction", "requests", "prompt_tokens", "completion_tokens", "pages", "cost",
)  # fmt: skip


class StatementQuery(BaseModel):
    """``month`` null = the current one."""

    model_config = ConfigDict(extra="forbid")

    month: Month | None = None
    cost_centre: Annotated[str, Field(max_length=256)] | None = None
    group_by: Group = "cost_centre"


class ExportQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    month: Month | None = None
    cost_centre: Annotated[str, Field(max_length=256)] | None = None
    format: Literal["csv", "json", "focus"] = "csv"


class CloseIn(Body):
    month: Month


class StatementRow(BaseModel):
    """``corrections_nano``: the part of the cost that belongs to earlier months, which were closed before it came in."""

    cost_centre: str
    team_id: str | None = None
    team_name: str | None = None
    user_id: str | None = None
    user_name: str | None = None
    key_id: str | None = None
    key_name: str | None = None
    model: str | None = None
    requests: int
    prompt_tokens: int
    completion_tokens: int
    pages: int
    cost_nano: int
    corrections_nano: int


class Statement(BaseModel):
    """The rows add up to ``total_nano``, and this to what the ledger has (and corrections of closed months)."""

    month: str
    closed_at: datetime | None
    closed_by: str | None
    currency: str
    total_nano: int
    data: list[StatementRow]


class ClosedMonth(BaseModel):
    month: str
    currency: str
    closed_at: datetime
    closed_by: str


class ClosedMonths(BaseModel):
    data: list[ClosedMonth]


@router.get("", dependencies=_READ)
async def show_statement(work: WorkOf, query: Annotated[StatementQuery, Query()]) -> Statement:
    """Who pays how much for a month; audited."""
    month = _month(work, query.month)
    await record(work, "chargeback.read", "chargeback", f"{month:%Y-%m}", query.model_dump(exclude_defaults=True))
    connection = await work.connection()
    await usage_rows.prepare(connection)
    closed = await repository.closed_month(connection, month)
    if closed is not None:
        rows = await statements.closed_month(connection, month, query.group_by, query.cost_centre)
        currency = closed.currency
    else:
        corrected = await _corrected_in(work, month)
        rows = await statements.open_month(connection, month, corrected, query.group_by, query.cost_centre)
        currency = (await settings.read(work, CurrencySettings)).code
    return Statement(
        month=f"{month:%Y-%m}", closed_at=closed.closed_at if closed else None, closed_by=closed.closed_by if closed else None,
        currency=currency, total_nano=sum(row.cost_nano for row in rows),
        data=[StatementRow(**{n: v for n, v in row._mapping.items() if n in StatementRow.model_fields}) for row in rows],
    )  # fmt: skip


@router.get("/months", dependencies=_READ)
async def list_closed(work: WorkOf) -> ClosedMonths:
    """The months that are closed, the newest first."""
    rows = await repository.closed_months(await work.connection())
    return ClosedMonths(
        data=[
            ClosedMonth(
                month=f"{row.month:%Y-%m}", currency=row.currency, closed_at=row.closed_at, closed_by=row.closed_by
            )
            for row in rows
        ]
    )


@router.get("/export", dependencies=[*_READ, limited(EXPORTS)], response_class=StreamingResponse)
async def export_lines(work: WorkOf, request: Request, query: Annotated[ExportQuery, Query()]) -> StreamingResponse:
    """All lines of a month as a file: CSV, JSON, or CSV in FOCUS 1.2. A closed month has the same bytes each time."""
    month = _month(work, query.month)
    source, currency = await _source(work, month)
    await record(work, "chargeback.exported", "chargeback", f"{month:%Y-%m}", query.model_dump(exclude_defaults=True))
    plane: Plane = request.app.state.plane
    chosen = repository.ordered(source, query.cost_centre)
    name = f"chargeback-{month:%Y-%m}"
    if query.format == "focus":
        group = await settings.read(work, ChargebackSettings)
        issuer = Issuer(group.operator, group.billing_account_id, group.billing_account_name, currency, work.zone)
        return attachment(f"{name}-focus", "csv", as_csv(focus.COLUMNS, _focus(plane, chosen, month, issuer)))
    lines = rows_of(plane, chosen, _line)
    if query.format == "json":
        metadata = {"month": f"{month:%Y-%m}", "currency": currency, "cost_centre": query.cost_centre}
        return attachment(name, "json", as_json(metadata, lines))
    titles = [f"cost_{currency}" if column == "cost" else column for column in _LINE_COLUMNS]
    return attachment(name, "csv", as_csv(_LINE_COLUMNS, lines, titles))


@router.post("/close", dependencies=[requires(Permission.ADMIN_CHARGEBACK_CLOSE)])
async def close_month(work: WorkOf, body: CloseIn) -> ClosedMonth:
    """Freezes a month that is over; what comes in for it later is a correction of the next one."""
    month = _month(work, body.month)
    if repository.after(month) > day_of(work.now, work.zone):
        raise InvalidField("A month can be closed when it is over.", "month")
    connection = await work.connection()
    if await repository.closed_month(connection, month) is not None:
        raise Conflict("This month is closed.")
    source, currency = await _source(work, month)
    lines = await repository.freeze(connection, month, source, currency, work.actor)
    await record(work, "chargeback.closed", "chargeback", f"{month:%Y-%m}", {"lines": lines, "currency": currency})
    return ClosedMonth(month=f"{month:%Y-%m}", currency=currency, closed_at=work.now, closed_by=work.actor)


async def _source(work: Work, month: date) -> tuple[tuple[str, Mapping[str, Any]], str]:
    """The month's lines as SQL with its values, and the currency's code."""
    connection = await work.connection()
    closed = await repository.closed_month(connection, month)
    if closed is not None:
        return repository.lines(month, (), closed=True), closed.currency
    currency = (await settings.read(work, CurrencySettings)).code
    return repository.lines(month, await _corrected_in(work, month), closed=False), currency


async def _corrected_in(work: Work, month: date) -> list[date]:
    """The closed months whose late calls this open one takes: each is corrected in the first that is still open after it."""
    connection = await work.connection()
    closed = [row.month for row in await repository.closed_months(connection)]
    changed = await statements.changed_since_closing(connection, month)
    return [one for one in changed if _first_open(one, closed) == month]


def _first_open(month: date, closed: list[date]) -> date:
    following = repository.after(month)
    while following in closed:
        following = repository.after(following)
    return following


def _month(work: Work, written: str | None) -> date:
    if written is None:
        return day_of(work.now, work.zone).replace(day=1)
    year, month = re.split("-", written)
    return date(int(year), int(month), 1)


def _line(row: Any) -> Record:
    values = {name: row._mapping[name] for name in _LINE_COLUMNS if name != "cost"}
    cost = row.input_cost_nano + row.output_cost_nano + row.other_cost_nano
    return values | {"day": row.day.isoformat(), "cost": format_usd(cost)}


async def _focus(plane: Plane, chosen: Any, month: date, issuer: Issuer) -> AsyncIterator[list[Record]]:
    async for batch in rows_of(plane, chosen, lambda row: {"line": row}):
        yield [record for line in batch for record in focus.rows_of(line["line"], month, issuer)]
