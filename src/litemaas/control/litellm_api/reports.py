"""LiteLLM's reports: who and what cost most, in all and per day? Without dates, everything that is in the ledger counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel
from sqlalchemy import Row

from litemaas.control.budgets import repository as budgets
from litemaas.control.budgets.service import reset_all
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.keys import repository as keys
from litemaas.control.keys.service import hash_of
from litemaas.control.litellm_api.activity import period
from litemaas.control.litellm_api.gate import Access, facade_requires
from litemaas.control.litellm_api.key_surroundings import rows_shown
from litemaas.control.litellm_api.team_replies import alias_of
from litemaas.control.litellm_api.user_replies import user_row
from litemaas.control.teams import provisioning as team_provisioning
from litemaas.control.teams import repository as teams
from litemaas.control.usage import figures, service, tags
from litemaas.control.usage.filters import UsageFilter
from litemaas.control.users import limits
from litemaas.control.users import repository as people
from litemaas.core.limits import installation_scope, user_scope
from litemaas.core.money import usd_from_nano

router = APIRouter(route_class=WorkRoute)
_READER = [facade_requires(Access.READER)]
_MASTER = [facade_requires(Access.MASTER)]
Limit = Annotated[int, Query(ge=1, le=10_000)]
_MONEY = ("cost_nano",)
_COUNTED = ("cost_nano", "requests", "total_tokens")


class Wanted(BaseModel):
    api_key: str | None = None
    startTime: str | None = None  # noqa: N815 — the client's word
    endTime: str | None = None  # noqa: N815 — the client's word


def _within(work: Work, start_date: str | None, end_date: str | None, **narrowed: Any) -> UsageFilter:
    """Everything where neither date is named."""
    if not start_date and not end_date:
        return UsageFilter(**narrowed)
    since, until = period(start_date, end_date, work.zone)
    return UsageFilter(zone=work.zone, since=since, until=until, **narrowed)


def _day(work: Work, row: Row[Any]) -> str:
    return f"{row.at.astimezone(work.zone):%Y-%m-%d}"


def _of_key(api_key: str | None) -> tuple[str, ...]:
    return (hash_of(api_key),) if api_key else ()


@router.get("/spend/keys", dependencies=_READER)
async def of_keys(work: WorkOf, limit: Limit = 1000) -> list[dict[str, Any]]:
    """Keys as they are now, the dearest first."""
    connection = await work.connection()
    dear = [row.g0 for row in await figures.grouped(connection, UsageFilter(), ("key",), _MONEY)]
    rows = await keys.in_order(connection, dear, limit)
    shown = await rows_shown(work, rows)
    return [{"token": row.key_hash, **one} for row, one in zip(rows, shown, strict=True)]


@router.get("/spend/users", dependencies=_READER)
async def of_users(work: WorkOf, user_id: str | None = None, limit: Limit = 1000) -> list[dict[str, Any]]:
    """People as they are now, the dearest first."""
    connection = await work.connection()
    dear = [row.g0 for row in await figures.grouped(connection, UsageFilter(), ("user",), _MONEY)]
    rows = await people.in_order(connection, [user_id] if user_id else dear, limit, only_these=bool(user_id))
    ids = [row.id for row in rows]
    standings = await limits.standing_of(work, [user_scope(one) for one in ids])
    of_teams: dict[str, list[str]] = {one: [] for one in ids}
    for seat in await teams.teams_of_people(connection, ids):
        of_teams[seat.user_id].append(seat.team_id)
    named = await keys.aliases_by_user(connection, ids)
    return [
        user_row(row, standings[user_scope(row.id)], of_teams[row.id]) | {"key_aliases": named.get(row.id, [])}
        for row in rows
    ]


@router.get("/spend/tags", dependencies=_READER)
async def of_tags(work: WorkOf, start_date: str | None = None, end_date: str | None = None) -> list[dict[str, Any]]:
    """What calls with each tag cost."""
    found = await tags.sums(await work.connection(), _within(work, start_date, end_date))
    return [
        {"individual_request_tag": row.tag, "log_count": row.requests, "total_spend": usd_from_nano(row.cost_nano)}
        for row in found
    ]


@router.get("/global/spend/tags", dependencies=_READER)
async def of_tags_between(
    work: WorkOf, start_date: str | None = None, end_date: str | None = None, tags: str | None = None
) -> list[dict[str, Any]]:
    """As ``/spend/tags``, between two dates that must be named."""
    period(start_date, end_date, work.zone)
    named = {one.strip() for one in (tags or "").split(",") if one.strip()}
    found = await of_tags(work, start_date, end_date)
    return [row for row in found if not named or row["individual_request_tag"] in named]


@router.get("/global/spend/all_tag_names", dependencies=_READER)
async def tag_names(work: WorkOf) -> dict[str, list[str]]:
    """Every tag that a call had."""
    return {"tag_names": sorted(row.tag for row in await tags.sums(await work.connection(), UsageFilter()))}


@router.get("/spend/models", dependencies=_READER)
@router.get("/global/spend/models", dependencies=_READER)
async def of_models(
    work: WorkOf, limit: Limit = 100, start_date: str | None = None, end_date: str | None = None
) -> list[dict[str, Any]]:
    """By public name, the dearest first."""
    rows = await figures.grouped(await work.connection(), _within(work, start_date, end_date), ("model",), _MONEY)
    return [{"model": row.g0, "total_spend": usd_from_nano(row.cost_nano)} for row in rows if row.g0][:limit]


@router.get("/global/spend", dependencies=_READER)
async def in_all(work: WorkOf) -> dict[str, float]:
    """What everything has cost, and the budget of the whole installation; 0 = it has none."""
    connection = await work.connection()
    sums = await figures.totals(connection, UsageFilter(), sums=_MONEY)
    budget = await budgets.find_budget(connection, installation_scope())
    limit = budget.max_budget_nano if budget is not None else None
    return {"spend": usd_from_nano(sums["cost_nano"]), "max_budget": usd_from_nano(limit or 0)}


@router.get("/global/spend/logs", dependencies=_READER)
async def per_day(work: WorkOf, api_key: str | None = None) -> list[dict[str, Any]]:
    """What each day cost, of everybody or of one key."""
    rows = await figures.daily(await work.connection(), UsageFilter(keys=_of_key(api_key)), (), _MONEY)
    return [{"date": _day(work, row), "spend": usd_from_nano(row.cost_nano)} for row in rows]


@router.get("/global/spend/keys", dependencies=_READER)
async def dearest_keys(work: WorkOf, limit: Limit = 100) -> list[dict[str, Any]]:
    """The keys that cost most."""
    connection = await work.connection()
    rows = [row for row in await figures.grouped(connection, UsageFilter(), ("key",), _MONEY) if row.g0][:limit]
    named = await keys.names_of(connection, [row.g0 for row in rows])
    return [
        {
            "api_key": row.g0,
            "key_alias": named[row.g0].alias if row.g0 in named else None,
            "key_name": named[row.g0].key_name if row.g0 in named else None,
            "total_spend": usd_from_nano(row.cost_nano),
        }
        for row in rows
    ]


@router.get("/global/spend/teams", dependencies=_READER)
async def of_teams(work: WorkOf) -> dict[str, Any]:
    """Per day and in all; calls that no team paid for are ``Unassigned``."""
    connection = await work.connection()
    rows = await figures.daily(connection, UsageFilter(), ("team",), _MONEY)
    days: dict[str, dict[str, Any]] = {}
    sums: dict[str, int] = {}
    for row in rows:
        name, date = row.g0 or "Unassigned", _day(work, row)
        days.setdefault(date, {"date": date})[name] = usd_from_nano(row.cost_nano)
        sums[name] = sums.get(name, 0) + row.cost_nano
    order = sorted(sums, key=lambda name: (-sums[name], name))
    in_all_of = [{"team_id": name, "total_spend": usd_from_nano(sums[name])} for name in order]
    return {"daily_spend": list(days.values()), "teams": order, "total_spend_per_team": in_all_of}


@router.post("/global/spend/end_users", dependencies=_READER)
async def of_end_users(work: WorkOf, request: Annotated[Wanted | None, Body()] = None) -> list[dict[str, Any]]:
    """Who stands behind the calls, the dearest first."""
    request = request or Wanted()
    wanted = _within(work, request.startTime, request.endTime, keys=_of_key(request.api_key))
    rows = await figures.grouped(await work.connection(), wanted, ("end_user",), _COUNTED)
    return [
        {"end_user": row.g0, "total_count": row.requests, "total_spend": usd_from_nano(row.cost_nano)}
        for row in rows if row.g0
    ][:100]  # fmt: skip


@router.get("/global/all_end_users", dependencies=_READER)
async def end_users(work: WorkOf) -> dict[str, list[str]]:
    """Everybody who stood behind a call."""
    rows = await figures.grouped(await work.connection(), UsageFilter(), ("end_user",), _MONEY)
    return {"end_users": sorted(row.g0 for row in rows if row.g0)}


@router.get("/global/spend/provider", dependencies=_READER)
async def of_providers(
    work: WorkOf, start_date: str | None = None, end_date: str | None = None
) -> list[dict[str, Any]]:
    """What each kind of model server cost."""
    rows = await figures.grouped(await work.connection(), _within(work, start_date, end_date), ("provider",), _MONEY)
    return [{"provider": row.g0 or "unknown", "spend": usd_from_nano(row.cost_nano)} for row in rows]


@router.get("/global/spend/report", dependencies=_READER)
async def report(
    work: WorkOf,
    start_date: str | None = None,
    end_date: str | None = None,
    group_by: Literal["team", "customer", "api_key"] = "team",
    api_key: str | None = None,
    team_id: str | None = None,
    customer_id: str | None = None,
) -> list[dict[str, Any]]:
    """Per day, and within it per team, customer or key, with what each model cost there."""
    since, until = period(start_date, end_date, work.zone)
    wanted = UsageFilter(
        zone=work.zone, since=since, until=until, keys=_of_key(api_key), teams=(team_id,) if team_id else (),
        end_users=(customer_id,) if customer_id else (),
    )  # fmt: skip
    by: Any = {"team": "team", "customer": "end_user", "api_key": "key"}[group_by]
    connection = await service.snapshot(work)
    rows = await figures.daily(connection, wanted, (by, "model"), _COUNTED)
    names = await _team_names(work, {row.g0 for row in rows}) if group_by == "team" else {}
    days: dict[str, list[dict[str, Any]]] = {}
    for (at, name), own in _together(work, rows).items():
        cells = [{"model": row.g1, "total_spend": usd_from_nano(row.cost_nano), "total_tokens": row.total_tokens}
                 for row in own]  # fmt: skip
        spend = usd_from_nano(sum(row.cost_nano for row in own))
        label = {"team": "team_name", "customer": "customer", "api_key": "api_key"}[group_by]
        entry = {label: names.get(name, name) or "Unassigned", "total_spend": spend, "metadata": cells}
        days.setdefault(at, []).append(entry)
    member = {"team": "teams", "customer": "customers", "api_key": "api_keys"}[group_by]
    return [{"group_by_day": at, member: entries} for at, entries in days.items()]


def _together(work: Work, rows: Sequence[Row[Any]]) -> dict[tuple[str, str], list[Row[Any]]]:
    found: dict[tuple[str, str], list[Row[Any]]] = {}
    for row in rows:
        found.setdefault((_day(work, row), row.g0), []).append(row)
    return found


async def _team_names(work: Work, ids: set[str]) -> dict[str, str]:
    return {row.id: alias_of(row) or row.id for row in await team_provisioning.held_many(work, ids)}


@router.get("/global/activity", dependencies=_READER)
async def activity(work: WorkOf, start_date: str | None = None, end_date: str | None = None) -> dict[str, Any]:
    """Requests and tokens per day."""
    since, until = period(start_date, end_date, work.zone)
    rows = await figures.daily(
        await work.connection(), UsageFilter(zone=work.zone, since=since, until=until), (), _COUNTED
    )
    return _counted(work, rows)


@router.get("/global/activity/model", dependencies=_READER)
async def activity_of_models(
    work: WorkOf, start_date: str | None = None, end_date: str | None = None
) -> list[dict[str, Any]]:
    """Requests and tokens per model and day, the busiest model first."""
    since, until = period(start_date, end_date, work.zone)
    rows = await figures.daily(
        await work.connection(), UsageFilter(zone=work.zone, since=since, until=until), ("model",), _COUNTED
    )
    models: dict[str, list[Row[Any]]] = {}
    for row in rows:
        models.setdefault(row.g0, []).append(row)
    found = [{"model": name, **_counted(work, own, name)} for name, own in models.items()]
    return sorted(found, key=lambda one: (-one["sum_api_requests"], one["model"]))


def _counted(work: Work, rows: Sequence[Row[Any]], model: str | None = None) -> dict[str, Any]:
    group = {} if model is None else {"model_group": model}
    days = [
        {
            "date": row.at.astimezone(work.zone).strftime("%b %d"),
            "api_requests": row.requests,
            "total_tokens": row.total_tokens,
            **group,
        }
        for row in rows
    ]
    return {
        "daily_data": days,
        "sum_api_requests": sum(row.requests for row in rows),
        "sum_total_tokens": sum(row.total_tokens for row in rows),
    }


@router.post("/global/spend/reset", dependencies=_MASTER)
async def reset(work: WorkOf) -> dict[str, str]:
    """Every key and team begins at nothing; the ledger stays as it is."""
    await reset_all(work)
    return {"message": "Spend of all keys and teams was set to 0.", "status": "success"}
