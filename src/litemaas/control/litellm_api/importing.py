"""How does what a LiteLLM database holds come into this one? Through the same reading as the calls of its clients.

Nothing that is here already is touched, so it can be repeated. Keys come over by their hash: whoever has one goes on using it.
Each row is taken by itself; one that cannot be taken is named, with the reason, and the others are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from pydantic import ValidationError

from litemaas.control.budgets import customers, plans
from litemaas.control.budgets import customers_repository as known_customers
from litemaas.control.budgets import plans_repository as known_plans
from litemaas.control.catalog import repository as catalog
from litemaas.control.catalog import service as models
from litemaas.control.http.work import Work
from litemaas.control.keys import repository as keys
from litemaas.control.keys import service as key_service
from litemaas.control.keys.drafts import KeyDraft
from litemaas.control.litellm_api.budget_links import key_columns, shared_limits
from litemaas.control.litellm_api.budgets import NewBudget, plan_of
from litemaas.control.litellm_api.errors import Refused
from litemaas.control.litellm_api.key_requests import KeyRequest, nano
from litemaas.control.litellm_api.model_params import read_model
from litemaas.control.litellm_api.team_requests import Member, TeamRequest
from litemaas.control.litellm_api.team_requests import columns_of as team_columns
from litemaas.control.litellm_api.team_requests import limits_sent as team_limits
from litemaas.control.litellm_api.user_requests import ROLES, UserRequest
from litemaas.control.litellm_api.user_requests import columns_of as user_columns
from litemaas.control.litellm_api.user_requests import limits_sent as user_limits
from litemaas.control.teams import membership, provisioning
from litemaas.control.teams import repository as teams
from litemaas.control.users import limits
from litemaas.control.users import provisioning as people
from litemaas.control.users import repository as known_people
from litemaas.core.errors import InvalidField, LiteMaaSError
from litemaas.core.limits import team_scope, user_scope

Row = Mapping[str, Any]
_UNSET: tuple[Any, ...] = (None, {}, [])


class Outcome(msgspec.Struct):
    """What became of one table's rows. ``left``: what was not taken, with the reason."""

    kind: str
    taken: int = 0
    known: int = 0
    left: list[tuple[str, str]] = []


class Tables(msgspec.Struct, frozen=True, kw_only=True):
    """Rows by their columns, as LiteLLM's tables name them. ``models``: also those of a configuration file."""

    budgets: list[dict[str, Any]] = []
    models: list[dict[str, Any]] = []
    teams: list[dict[str, Any]] = []
    users: list[dict[str, Any]] = []
    keys: list[dict[str, Any]] = []
    customers: list[dict[str, Any]] = []


async def take_over(work: Work, tables: Tables) -> list[Outcome]:
    """Budgets come first, because others name them; members join when both they and their team are there."""
    steps: tuple[tuple[str, Iterable[Row], str, Callable[[Work, Row], Awaitable[bool]]], ...] = (
        ("budgets", tables.budgets, "budget_id", _budget),
        ("models", tables.models, "model_name", _model),
        ("teams", tables.teams, "team_id", _team),
        ("users", tables.users, "user_id", _user),
        ("members", _seats(tables), "team_id", _seat),
        ("keys", tables.keys, "token", _key),
        ("customers", tables.customers, "user_id", _customer),
    )
    return [await _take(work, kind, rows, name, take) for kind, rows, name, take in steps]


async def _take(
    work: Work, kind: str, rows: Iterable[Row], name: str, take: Callable[[Work, Row], Awaitable[bool]]
) -> Outcome:
    outcome = Outcome(kind)
    connection = await work.connection()
    for row in rows:
        try:
            async with connection.begin_nested():
                is_new = await take(work, row)
        except (LiteMaaSError, Refused, ValidationError) as refusal:
            outcome.left.append((_label(kind, row, name), _reason(refusal)))
        else:
            outcome.taken += is_new
            outcome.known += not is_new
    return outcome


def _label(kind: str, row: Row, name: str) -> str:
    label = str(row.get("key_alias") or row.get(name) or "?")
    return f"{label[:12]}…" if kind == "keys" and not row.get("key_alias") else label[:100]


def _reason(refusal: Exception) -> str:
    if isinstance(refusal, LiteMaaSError):
        return refusal.message
    if isinstance(refusal, ValidationError):
        first = refusal.errors()[0]
        return f"{'.'.join(str(step) for step in first['loc'])}: {first['msg']}"
    return str(getattr(refusal, "detail", refusal))


def _sent(row: Row, *without: str) -> dict[str, Any]:
    """The members that say something; a column that is empty was never set."""
    return {name: value for name, value in row.items() if name not in without and value not in _UNSET}


async def _budget(work: Work, row: Row) -> bool:
    if await known_plans.find(await work.connection(), row["budget_id"]) is not None:
        return False
    await plans.create(work, row["budget_id"], plan_of(NewBudget.model_validate(_sent(row, "budget_reset_at"))))
    return True


async def _model(work: Work, row: Row) -> bool:
    params, info = dict(row["litellm_params"] or {}), dict(row.get("model_info") or {})
    wanted = row.get("model_id") or info.get("id")
    info.pop("id", None)
    info.pop("db_model", None)
    if wanted and await catalog.find_deployment(await work.connection(), str(wanted)) is not None:
        return False
    if row.get("is_sealed"):
        raise InvalidField("its parameters are encrypted with LiteLLM's salt; register it with /model/new or --config")
    if not params.get("model"):
        raise InvalidField("litellm_params.model is missing")
    model, draft = read_model(str(row["model_name"]), params, info)
    for other in await catalog.list_deployments(await work.connection(), [model.name]):
        if (other.provider, other.engine_model, other.api_base) == (draft.provider, draft.engine_model, draft.api_base):
            return False
    await models.add_deployment(work, model, draft, str(wanted) if wanted else None)
    return True


async def _team(work: Work, row: Row) -> bool:
    team_id = row["team_id"]
    if await teams.find(await work.connection(), team_id) is not None:
        return False
    request = TeamRequest.model_validate(_sent(row, "admins", "members", "members_with_roles", "budget_reset_at"))
    columns, wanted = team_columns(request, None), team_limits(request)
    wanted = await shared_limits(work, team_scope(team_id), request, columns, wanted, None)
    columns.setdefault("name", team_id)
    await provisioning.provision(work, team_id, columns, wanted)
    if spent := nano(request.spend, "spend"):
        await limits.set_spend(work, team_scope(team_id), spent)
    return True


async def _user(work: Work, row: Row) -> bool:
    user_id = row["user_id"]
    if await known_people.find(await work.connection(), user_id) is not None:
        return False
    sent = _sent(row, "teams", "password", "budget_reset_at", "organization_memberships")
    if sent.get("user_role") not in ROLES:
        sent.pop("user_role", None)
    request = UserRequest.model_validate(sent)
    columns, wanted = user_columns(request), user_limits(request)
    wanted = await shared_limits(work, user_scope(user_id), request, columns, wanted, None)
    await people.register(work, user_id, columns, wanted)
    if spent := nano(request.spend, "spend"):
        await limits.set_spend(work, user_scope(user_id), spent)
    return True


def _seats(tables: Tables) -> list[dict[str, Any]]:
    """Who is in which team: as teams say with roles, and as users say without."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for user in tables.users:
        for team_id in user.get("teams") or []:
            found[team_id, user["user_id"]] = {"team_id": team_id, "user_id": user["user_id"], "role": "user"}
    for team in tables.teams:
        for member in team.get("members_with_roles") or []:
            if isinstance(member, dict) and member.get("user_id"):
                seat = {"team_id": team["team_id"], "user_id": member["user_id"], "role": member.get("role")}
                found[team["team_id"], member["user_id"]] = seat
    known = {user["user_id"] for user in tables.users}
    return [seat for (_, user_id), seat in found.items() if user_id in known]


async def _seat(work: Work, row: Row) -> bool:
    member = Member.model_validate(
        {"user_id": row["user_id"], "role": row["role"] if row["role"] == "admin" else "user"}
    )
    await provisioning.held(work, row["team_id"], lock=True)
    if await people.known(work, row["user_id"]) is None:
        raise InvalidField("the user is not here")
    return await membership.join(work, row["team_id"], row["user_id"], "admin" if member.role == "admin" else "member")


async def _key(work: Work, row: Row) -> bool:
    key_hash = str(row["token"])
    connection = await work.connection()
    if await keys.was_made(connection, key_hash):
        return False
    sent = _sent(row, "token", "budget_reset_at", "created_at", "updated_at", "last_active")
    if isinstance(ends := sent.get("expires"), datetime) and ends.tzinfo is None:
        sent["expires"] = ends.replace(tzinfo=UTC)
    request = KeyRequest.model_validate(sent)
    values = await key_columns(work, request, None)
    spent = nano(request.spend, "spend") or 0
    await key_service.adopt_key(work, KeyDraft(**values), key_hash, str(row.get("key_name") or "sk-..."), spent)
    return True


async def _customer(work: Work, row: Row) -> bool:
    customer_id = row["user_id"]
    if await known_customers.find(await work.connection(), customer_id) is not None:
        return False
    extras = {name: row[name] for name in ("allowed_model_region", "default_model") if row.get(name)}
    values = {"alias": row.get("alias"), "is_blocked": bool(row.get("blocked")), "extras": extras}
    await customers.create(work, customer_id, values | {"plan_id": row.get("budget_id")})
    return True
