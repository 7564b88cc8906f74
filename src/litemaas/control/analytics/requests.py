"""Which calls were made, one by one? Metadata only, within the caller's scope; prompts and answers are not stored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from litemaas.control.analytics.scopes import ALL, ME, Scope, narrowed, scope_of
from litemaas.control.audit.service import record
from litemaas.control.auth.gates import limited, require, requires
from litemaas.control.http.exports import EXPORTS, Format, Record, as_csv, as_json, attachment
from litemaas.control.http.shapes import PROBLEMS
from litemaas.control.http.work import Plane, Work, WorkOf, WorkRoute
from litemaas.control.settings import service as settings
from litemaas.control.settings.groups import CurrencySettings, RetentionSettings
from litemaas.control.usage import repository as records
from litemaas.control.usage import service as usage
from litemaas.control.usage.filters import UsageFilter
from litemaas.control.usage.listing import cursor_of, list_records, place_of
from litemaas.control.usage.orders import NEWEST, By, Order, Place, list_in_order
from litemaas.control.usage.schemas import CursorPagination, RecordOut, RecordPage, Values
from litemaas.core.errors import InvalidField, NotFound
from litemaas.core.ledger import Status
from litemaas.core.money import format_usd
from litemaas.core.permissions import Permission
from litemaas.core.sources import Source

router = APIRouter(
    prefix="/api/v1/requests",
    tags=["requests"],
    route_class=WorkRoute,
    dependencies=[requires(Permission.USAGE_READ)],
    responses=PROBLEMS,
)
_HIDDEN = {"api_base": None, "engine_model": None, "engine_request_id": None}
"""Where a model is served is for administrators."""
_EXPORTED = (
    "started_at", "request_id", "model", "key_alias", "user_id", "team_id", "end_user", "endpoint", "stream", "status",
    "http_status", "error_code", "error_message", "prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens",
    "pages", "usage_source", "cost", "ttft_ms", "duration_ms", "client_ip", "user_agent", "tags", "source",
)  # fmt: skip
_ROWS_OF_A_BATCH = 1000


class RequestChoice(BaseModel):
    """Filters of one kind are alternatives, kinds narrow one another. ``since`` is in, ``until`` is out."""

    model_config = ConfigDict(extra="forbid")

    scope: Annotated[str, Field(max_length=300)] = ME
    keys: Values = []
    users: Values = []
    teams: Values = []
    models: Values = []
    outcome: Annotated[list[Status], Field(max_length=4)] = []
    error_code: Values = []
    endpoints: Values = []
    sources: Annotated[list[Source], Field(max_length=2)] = []
    request_id: Annotated[str, Field(max_length=200)] | None = None
    min_latency_ms: Annotated[int, Field(ge=0, le=10**9)] | None = None
    min_cost_nano: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class RequestQuery(RequestChoice):
    sort: By = "started_at"
    order: Literal["asc", "desc"] = "desc"
    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = None


class RequestExport(RequestChoice):
    format: Format = "csv"


@router.get("")
async def list_requests(work: WorkOf, query: Annotated[RequestQuery, Query()]) -> RecordPage:
    """The newest first, or by cost or duration; by cursor, refused ones too. Looks at other people's calls are audited, once
    for all their pages."""
    connection = await usage.snapshot(work)
    scope = await _scope(work, query.scope)
    wanted = await narrowed(work, scope, await _filter(work, query))
    order = Order(query.sort, query.order == "desc")
    after = place_of(query.cursor, order)
    rows = await list_records(connection, wanted, query.limit + 1, after, work.now, order)
    page = rows[: query.limit]
    more = cursor_of(page[-1], order) if len(rows) > len(page) else None
    if scope.user_id is None and after is None:
        await usage.end_snapshot(work)
        chosen = query.model_dump(mode="json", exclude_defaults=True)
        await record(work, "request_log.read", "request_log", scope.name, chosen)
    return RecordPage(
        data=[_shown(scope, RecordOut(**row._mapping)) for row in page],
        pagination=CursorPagination(limit=query.limit, next_cursor=more),
    )


@router.get("/export", dependencies=[limited(EXPORTS)], response_class=StreamingResponse)
async def export_requests(
    work: WorkOf, request: Request, query: Annotated[RequestExport, Query()]
) -> StreamingResponse:
    """All calls that the filters choose, the newest first, as a file of metadata; audited."""
    scope = await _scope(work, query.scope, exporting=True)
    wanted = await narrowed(work, scope, await _filter(work, query))
    currency = (await settings.read(work, CurrencySettings)).code
    chosen = query.model_dump(mode="json", exclude_defaults=True)
    await record(work, "request_log.exported", "request_log", scope.name, chosen)
    batches = _batches(request.app.state.plane, wanted)
    since, until = wanted.since or work.now, wanted.until or work.now
    name = f"requests-{since.astimezone(work.zone):%Y-%m-%d}-to-{until.astimezone(work.zone):%Y-%m-%d}"
    if query.format == "json":
        return attachment(name, "json", as_json({"filters": chosen, "currency": currency}, batches))
    titles = [f"cost_{currency}" if column == "cost" else column for column in _EXPORTED]
    return attachment(name, "csv", as_csv(_EXPORTED, batches, titles))


@router.get("/{request_id}")
async def get_request(work: WorkOf, request_id: str) -> RecordOut:
    """One call, by our id or the engine's. A look at somebody else's is audited."""
    connection = await usage.snapshot(work)
    everything = work.principal.may(Permission.ADMIN_REQUESTS_READ)
    scope = Scope(ALL) if everything else await scope_of(work, ME)
    wanted = await narrowed(work, scope, await _filter(work, RequestQuery(request_id=request_id)))
    rows = await list_in_order(connection, wanted, NEWEST, 1)
    if not rows:
        raise NotFound("The request was not found. It appears when its gateway has stored it, within seconds.")
    if everything and rows[0].user_id != work.principal.user_id:
        await usage.end_snapshot(work)
        await record(work, "request_log.read", "request_log", rows[0].request_id, {"user_id": rows[0].user_id})
    return _shown(scope, RecordOut(**rows[0]._mapping))


async def _scope(work: Work, name: str, *, exporting: bool = False) -> Scope:
    if name == ALL:
        require(work, Permission.ADMIN_REQUESTS_READ)
        if exporting:
            require(work, Permission.ADMIN_USAGE_EXPORT)
        return Scope(ALL)
    return await scope_of(work, name, exporting=exporting)


async def _batches(plane: Plane, wanted: UsageFilter) -> AsyncIterator[list[Record]]:
    """All that is wanted, page by page of one moment; no more than a page is held, however slowly a client reads."""
    async with plane.engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        await records.prepare(connection)
        after = None
        while rows := await list_in_order(connection, wanted, NEWEST, _ROWS_OF_A_BATCH, after):
            yield [_exported(RecordOut(**row._mapping)) for row in rows]
            after = Place(rows[-1].started_at, rows[-1].request_id)


def _exported(row: RecordOut) -> Record:
    values = {name: getattr(row, name, None) for name in _EXPORTED}
    return values | {
        "total_tokens": row.prompt_tokens + row.completion_tokens, "cost": format_usd(row.cost_nano),
        "ttft_ms": None if row.ttft_us is None else row.ttft_us / 1000, "duration_ms": row.duration_us / 1000,
    }  # fmt: skip


async def _filter(work: Work, query: RequestChoice) -> UsageFilter:
    if query.since and query.until and query.since >= query.until:
        raise InvalidField("since must be before until.", "since")
    kept = (await settings.read(work, RetentionSettings)).request_log_days
    oldest = work.now - timedelta(days=kept)
    return UsageFilter(
        zone=work.zone,
        keys=tuple(query.keys), users=tuple(query.users), teams=tuple(query.teams), models=tuple(query.models),
        statuses=tuple(query.outcome), error_codes=tuple(query.error_code), endpoints=tuple(query.endpoints),
        sources=tuple(query.sources),
        request_id=query.request_id, min_cost_nano=query.min_cost_nano,
        min_duration_us=None if query.min_latency_ms is None else query.min_latency_ms * 1000,
        since=max(oldest, query.since.astimezone(UTC)) if query.since else oldest,
        until=query.until.astimezone(UTC) if query.until else None,
    )  # fmt: skip


def _shown(scope: Scope, row: RecordOut) -> RecordOut:
    return row if scope.name == ALL else row.model_copy(update=_HIDDEN)
