"""LiteLLM's daily activity: what was used per day, by model, key, provider, endpoint and owner?

Pages hold whole days, the newest first; totals cover the whole filter on every page. All of it is read from the rollups.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.keys import repository as keys
from litemaas.control.keys.service import hash_of
from litemaas.control.litellm_api.errors import Refused
from litemaas.control.litellm_api.gate import Access, Caller, CallerOf, facade_requires
from litemaas.control.litellm_api.teams import require_seat
from litemaas.control.usage import figures, service
from litemaas.control.usage.cells import Dimension, GroupBy
from litemaas.control.usage.filters import UsageFilter
from litemaas.core.errors import InvalidField, MissingField
from litemaas.core.money import usd_from_nano
from litemaas.core.windows import day_of, midnight

router = APIRouter(route_class=WorkRoute)
_ANY_KEY = [facade_requires(Access.VIRTUAL_KEY)]
_READER = [facade_requires(Access.READER)]
SUMS = (
    "cost_nano", "prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens", "total_tokens",
    "successful_requests", "failed_requests", "cancelled_requests", "blocked_requests",
)  # fmt: skip
_BREAKDOWNS: dict[str, GroupBy] = {
    "models": "model", "model_groups": "model", "providers": "provider", "endpoints": "endpoint"
}  # fmt: skip
_BY_ENGINE: tuple[Dimension, ...] = ("model", "key", "provider", "engine_model")
_MOST_DAYS = 1000
_PREFIX = "/v1"


def _is_by_engine(request: Request) -> bool:
    return bool(request.app.state.activity_by_engine)


ByEngineOf = Annotated[bool, Depends(_is_by_engine)]
"""Whether ``models`` are told apart by their engines' names (``activity_model_key: upstream``)."""


def period(start_date: str | None, end_date: str | None, zone: tzinfo) -> tuple[datetime, datetime]:
    """Both days are in; the end returned is the midnight after the last. Errors: MissingField, InvalidField."""
    days = []
    for name, text in (("start_date", start_date), ("end_date", end_date)):
        if not text:
            raise MissingField(f"Name start_date and end_date, like 2026-11-23; {name} is missing.", name)
        try:
            days.append(datetime.strptime(text[:10], "%Y-%m-%d").replace(tzinfo=UTC).date())
        except ValueError:
            raise InvalidField(f"{name} must be a date like 2026-11-23.", name) from None
    if days[1] < days[0]:
        raise InvalidField("end_date is before start_date.", "end_date")
    try:
        return midnight(days[0], zone), midnight(days[1] + timedelta(days=1), zone)
    except OverflowError:
        raise InvalidField("end_date is too late a date.", "end_date") from None


class Asked(BaseModel):
    """What every question about daily activity can be narrowed by; other members are passed over, as LiteLLM does."""

    start_date: str | None = None
    end_date: str | None = None
    model: str | None = None
    api_key: str | None = None

    def wanted(self, zone: tzinfo, **owners: Any) -> UsageFilter:
        """Errors: MissingField, InvalidField."""
        since, until = period(self.start_date, self.end_date, zone)
        named = (hash_of(self.api_key),) if self.api_key else ()
        return UsageFilter(
            since=since, until=until, models=(self.model,) if self.model else (), keys=named, zone=zone, **owners
        )


class Paged(Asked):
    page: int = Field(1, ge=1, le=100_000)
    page_size: int = Field(10, ge=1, le=_MOST_DAYS)


class OfUsers(Paged):
    user_id: str | None = None
    page_size: int = Field(50, ge=1, le=_MOST_DAYS)


class OfTeams(Paged):
    team_ids: str | None = None
    exclude_team_ids: str | None = None


class OfCustomers(Paged):
    end_user_ids: str | None = None
    exclude_end_user_ids: str | None = None


class OfTags(Paged):
    tags: str | None = None


@router.get("/user/daily/activity", dependencies=_ANY_KEY, response_model=None)
async def of_users(
    work: WorkOf, caller: CallerOf, asked: Annotated[OfUsers, Query()], by_engine: ByEngineOf
) -> Response:
    """What everybody used; a virtual key sees its person's use, or only its own where it belongs to nobody."""
    wanted = _own(caller, asked.wanted(work.zone, users=(asked.user_id,) if asked.user_id else ()), asked.user_id)
    return await _answer(work, wanted, "user", asked, by_engine)


@router.get("/user/daily/activity/aggregated", dependencies=_ANY_KEY, response_model=None)
async def of_users_at_once(
    work: WorkOf, caller: CallerOf, asked: Annotated[OfUsers, Query()], by_engine: ByEngineOf
) -> Response:
    """As ``/user/daily/activity``, all days on one page."""
    return await of_users(work, caller, asked.model_copy(update={"page": 1, "page_size": _MOST_DAYS}), by_engine)


@router.get("/team/daily/activity", dependencies=_ANY_KEY, response_model=None)
async def of_teams(
    work: WorkOf, caller: CallerOf, asked: Annotated[OfTeams, Query()], by_engine: ByEngineOf
) -> Response:
    """What teams used; members ask for their own teams by name."""
    named = _listed(asked.team_ids)
    if not caller.sees_all:
        if not named:
            raise Refused(401, "auth_error", "team_ids", "Name the teams of your own user in team_ids.")
        for team_id in named:
            await require_seat(work, caller, team_id)
    wanted = asked.wanted(work.zone, teams=named)
    return await _answer(work, wanted, "team", asked, by_engine, without=_listed(asked.exclude_team_ids))


@router.get("/customer/daily/activity", dependencies=_READER, response_model=None)
@router.get("/end_user/daily/activity", dependencies=_READER, response_model=None)
async def of_customers(work: WorkOf, asked: Annotated[OfCustomers, Query()], by_engine: ByEngineOf) -> Response:
    """What end users used."""
    wanted = asked.wanted(work.zone, end_users=_listed(asked.end_user_ids))
    return await _answer(work, wanted, "end_user", asked, by_engine, without=_listed(asked.exclude_end_user_ids))


@router.get("/tag/daily/activity", dependencies=_READER, response_model=None)
async def of_tags(work: WorkOf, asked: Annotated[OfTags, Query()], by_engine: ByEngineOf) -> Response:
    """What calls with any of these tags used."""
    named = _listed(asked.tags)
    if not named:
        raise MissingField("Name the tags, with commas between them.", "tags")
    return await _answer(work, asked.wanted(work.zone, tags=named), "user", asked, by_engine)


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(one.strip() for one in (text or "").split(",") if one.strip())[:1000]


def _own(caller: Caller, wanted: UsageFilter, user_id: str | None) -> UsageFilter:
    """Errors: Refused for who asks for somebody else's."""
    if caller.sees_all or caller.row is None:
        return wanted
    own_id = caller.user.id if caller.user is not None else None
    if user_id is not None and user_id != own_id:
        raise Refused(401, "auth_error", "user_id", "A key may only read the activity of its own user.")
    if own_id is not None:
        return msgspec.structs.replace(wanted, users=(str(own_id),))
    if wanted.keys and not caller.is_key(wanted.keys[0]):
        raise Refused(401, "auth_error", "api_key", "A key may only read its own activity.")
    return msgspec.structs.replace(wanted, keys=(str(caller.row.key_hash),))


async def _answer(
    work: Work, wanted: UsageFilter, owner: GroupBy, asked: Paged, by_engine: bool, *, without: Sequence[str] = ()
) -> Response:
    page, page_size = asked.page, asked.page_size
    connection = await service.snapshot(work)
    if without:
        every = (await figures.values_of(connection, wanted, [owner]))[0]
        member = {"team": "teams", "end_user": "end_users"}[owner]
        kept = tuple(one for one in [*every, ""] if one not in without)
        wanted = msgspec.structs.replace(wanted, **{member: kept})
    days = [at for at, _ in await figures.days_with_calls(connection, wanted)]
    total_pages = -(-len(days) // page_size)
    shown = days[(page - 1) * page_size : page * page_size]
    results = await _days(connection, wanted, owner, shown, by_engine)
    totals = metrics(await figures.totals(connection, wanted, sums=SUMS))
    named = {f"total_{name.removeprefix('total_')}": value for name, value in totals.items()}
    metadata = named | {"page": page, "total_pages": total_pages, "has_more": page < total_pages}
    return Response(msgspec.json.encode({"results": results, "metadata": metadata}), media_type="application/json")


async def _days(
    connection: AsyncConnection, wanted: UsageFilter, owner: GroupBy, shown: Sequence[datetime], by_engine: bool
) -> list[dict[str, Any]]:
    if not shown:
        return []
    part = msgspec.structs.replace(
        wanted, since=shown[-1], until=midnight(day_of(shown[0], wanted.calendar) + timedelta(days=1), wanted.calendar)
    )
    groups: dict[str, GroupBy] = {
        "models": "model",
        "providers": "provider",
        "endpoints": "endpoint",
        "entities": owner,
    }
    cells = {name: await figures.daily(connection, part, (by, "key"), SUMS) for name, by in groups.items()}
    plain = await figures.daily(connection, part, ("key",), SUMS)
    engines = await figures.daily(connection, part, _BY_ENGINE, SUMS) if by_engine else []
    named = await keys.names_of(connection, {row.g0 for row in plain})
    found: dict[datetime, dict[str, Any]] = {}
    for at in shown:
        of_keys = [row for row in plain if row.at == at]
        breakdown = {name: _by_group(rows, at, named) for name, rows in cells.items()}
        breakdown["endpoints"] = {name.removeprefix(_PREFIX): value for name, value in breakdown["endpoints"].items()}
        breakdown |= {"mcp_servers": {}, "model_groups": breakdown["models"], "api_keys": _by_key(of_keys, named)}
        if by_engine:
            breakdown["models"] = _by_group(engines, at, named, _engine_of)
        found[at] = {
            "date": at.astimezone(wanted.calendar).strftime("%Y-%m-%d"),
            "metrics": _added(of_keys),
            "breakdown": breakdown,
        }
    return list(found.values())


def _engine_of(row: Row[Any]) -> str:
    """A model under the name that LiteLLM 1.81 has for it: its engine's, or what was asked for where none answered."""
    return f"{row.g2}/{row.g3}" if row.g3 else str(row.g0)


def _first(row: Row[Any]) -> str:
    return str(row.g0)


def _by_group(
    rows: Sequence[Row[Any]], at: datetime, named: dict[str, Row[Any]], name_of: Callable[[Row[Any]], str] = _first
) -> dict[str, Any]:
    groups: dict[str, list[Row[Any]]] = {}
    for row in rows:
        if row.at == at:
            groups.setdefault(name_of(row), []).append(row)
    return {
        name: {"metrics": _added(own), "metadata": {}, "api_key_breakdown": _by_key(own, named, "g1")}
        for name, own in groups.items()
    }


def _by_key(rows: Sequence[Row[Any]], named: dict[str, Row[Any]], column: str = "g0") -> dict[str, Any]:
    of_keys: dict[str, list[Row[Any]]] = {}
    for row in rows:
        of_keys.setdefault(getattr(row, column), []).append(row)
    found = {}
    for key_hash, own in of_keys.items():
        key = named.get(key_hash)
        about = {"key_alias": key.alias if key else None, "team_id": key.team_id if key else None}
        found[key_hash] = {"metrics": _added(own), "metadata": about}
    return found


def _added(rows: Sequence[Row[Any]]) -> dict[str, Any]:
    return metrics({name: sum(row._mapping[name] for row in rows) for name in SUMS})


def metrics(sums: Any) -> dict[str, Any]:
    """LiteLLM's nine members; whatever did not succeed has failed. Units: USD."""
    failed = sums["failed_requests"] + sums["cancelled_requests"] + sums["blocked_requests"]
    return {
        "spend": usd_from_nano(sums["cost_nano"]),
        "prompt_tokens": sums["prompt_tokens"],
        "completion_tokens": sums["completion_tokens"],
        "cache_read_input_tokens": sums["cached_tokens"],
        "cache_creation_input_tokens": sums["cache_write_tokens"],
        "total_tokens": sums["total_tokens"],
        "successful_requests": sums["successful_requests"],
        "failed_requests": failed,
        "api_requests": sums["successful_requests"] + failed,
    }
