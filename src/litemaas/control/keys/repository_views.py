"""What is read beside a key's row to show it, to count it and to explain it?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, FromClause, Row, Select, and_, any_, case, func, literal, not_, or_, select, text
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.keys import ranking
from litemaas.core.refusals import MEMBER
from litemaas.db.tables import (
    access_policies,
    budget_windows,
    budgets,
    deployments,
    dimensions,
    models,
    rollups,
    subscriptions,
    team_members,
    teams,
    usage_deltas,
    usage_records,
    users,
    virtual_keys,
)

_KEYS = virtual_keys.c
_LIVE = _KEYS.deleted_at.is_(None)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which keys are meant; None = all. ``visible_to``: those that this person may see."""

    visible_to: str | None = None
    user_id: str | None = None
    team_id: str | None = None
    pot_id: str | None = None
    alias: str | None = None
    state: str | None = None
    model: str | None = None
    tag: str | None = None
    search: str | None = None
    blocked: bool | None = None
    live: bool | None = None
    governed: bool | None = None
    used_up: bool | None = None
    sort: str = "created_at"
    descending: bool = True


def visible(user_id: str) -> ColumnElement[bool]:
    """One's own keys, as long as one belongs to the team that pays for them; and all of teams that one administers."""
    of_team = select(team_members.c.team_id).where(team_members.c.user_id == user_id)
    administered = of_team.where(team_members.c.role == "admin")
    belongs = of_team.where(team_members.c.role.in_(("admin", "member")))
    own = and_(_KEYS.user_id == user_id, or_(_KEYS.team_id.is_(None), _KEYS.team_id.in_(belongs)))
    return or_(own, _KEYS.team_id.in_(administered))


def state_at(now: datetime) -> ColumnElement[str]:
    return case(
        (_KEYS.revoked_at.is_not(None), "revoked"),
        (_KEYS.expires_at <= now, "expired"),
        (_KEYS.blocked, "disabled"),
        else_="active",
    )


async def find_visible(
    connection: AsyncConnection, key_id: str, user_id: str | None, *, lock: bool = False
) -> Row[Any] | None:
    """``user_id``: None sees every key."""
    is_it = and_(or_(_KEYS.public_id == key_id, _KEYS.key_hash == key_id), _LIVE)
    found = select(virtual_keys).where(is_it, *([] if user_id is None else [visible(user_id)]))
    return (await connection.execute(found.with_for_update() if lock else found)).first()


async def page(
    connection: AsyncConnection, wanted: Wanted, now: datetime, zone: tzinfo, offset: int, limit: int
) -> tuple[Sequence[Row[Any]], int]:
    """A page, and how many there are. What has no value comes last; what is alike, in the order of hashes on every page."""
    needed = wanted.used_up is not None or wanted.sort not in ranking.COLUMNS
    standing = await ranking.standing(connection, now, zone, [_LIVE, *_conditions(wanted, now)]) if needed else None
    keys, where = _meant(wanted, now, standing)
    counted = keys if wanted.used_up is not None else virtual_keys
    total = (await connection.execute(select(func.count()).select_from(counted).where(*where))).scalar_one()
    column = ranking.COLUMNS[wanted.sort] if standing is None else standing.sort(wanted.sort)
    place = column.label("place")
    ranked = select(_KEYS.key_hash, place).select_from(keys).where(*where).offset(offset).limit(limit)
    # Whole rows are looked up for those of the page only: so many would not be sorted in memory.
    chosen = ranked.order_by(*_order(place, _KEYS.key_hash, wanted)).subquery("ranked")
    rows = select(virtual_keys).join(chosen, chosen.c.key_hash == _KEYS.key_hash)
    return (await connection.execute(rows.order_by(*_order(chosen.c.place, _KEYS.key_hash, wanted)))).all(), total


def _order(place: ColumnElement[Any], key_hash: ColumnElement[Any], wanted: Wanted) -> tuple[ColumnElement[Any], ...]:
    by = place.desc() if wanted.descending else place.asc()
    # The newest are found by an index, which knows no place for what has no value; there is always a time.
    return by if wanted.sort == "created_at" else by.nulls_last(), key_hash


def _meant(
    wanted: Wanted, now: datetime, standing: ranking.Standing | None
) -> tuple[FromClause, list[ColumnElement[bool]]]:
    """Where keys are read from, and under which conditions."""
    where = [_LIVE, *_conditions(wanted, now)]
    if standing is not None and wanted.used_up is not None:
        where.append(standing.used_up if wanted.used_up else not_(standing.used_up))
    if standing is None:
        return virtual_keys, where
    return standing.keys(wanted.sort, windows=wanted.used_up is not None), where


EXPORTED = (
    "id", "name", "description", "prefix", "last4", "state", "user_id", "username", "team_id", "team", "models", "tags",
    "cost_centre", "max_budget_nano", "budget_duration", "tpm_limit", "rpm_limit", "max_parallel_requests", "expires_at",
    "created_at", "created_by", "revoked_at",
)  # fmt: skip


async def chosen(connection: AsyncConnection, wanted: Wanted, now: datetime, zone: tzinfo) -> Select[Any]:
    """All of a list with the names of owners and teams, to be streamed, the newest first; the columns are EXPORTED."""
    special = {
        "id": func.coalesce(_KEYS.public_id, _KEYS.key_hash), "name": func.coalesce(_KEYS.name, _KEYS.alias, _KEYS.key_name),
        "state": state_at(now), "username": users.c.username, "team": teams.c.name,
    }  # fmt: skip
    columns = [(special[name] if name in special else _KEYS[name]).label(name) for name in EXPORTED]
    meant = [_LIVE, *_conditions(wanted, now)]
    standing = await ranking.standing(connection, now, zone, meant) if wanted.used_up is not None else None
    keys, where = _meant(wanted, now, standing)
    joined = keys.outerjoin(users, users.c.id == _KEYS.user_id).outerjoin(teams, teams.c.id == _KEYS.team_id)
    found = select(*columns).select_from(joined).where(*where)
    return found.order_by(_KEYS.created_at.desc(), _KEYS.key_hash)


async def counts(connection: AsyncConnection, wanted: Wanted, now: datetime) -> tuple[dict[str, int], dict[str, int]]:
    """Numbers of keys by state, and by model."""
    where = [_LIVE, *_conditions(wanted, now)]
    state = state_at(now).label("state")
    by_state = await connection.execute(select(state, func.count().label("n")).where(*where).group_by(state))
    model = func.unnest(_KEYS.models).label("model")
    linked = select(model).where(*where).subquery()
    by_model = await connection.execute(select(linked.c.model, func.count().label("n")).group_by(linked.c.model))
    return {row.state: row.n for row in by_state}, {row.model: row.n for row in by_model}


def _conditions(wanted: Wanted, now: datetime) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = [
        _KEYS[field] == value
        for field in ("user_id", "team_id", "pot_id", "alias", "blocked", "governed")
        if (value := getattr(wanted, field)) is not None
    ]
    if wanted.visible_to is not None:
        where.append(visible(wanted.visible_to))
    if wanted.state is not None:
        where.append(state_at(now) == wanted.state)
    if wanted.live is not None:
        expired = and_(_KEYS.expires_at.is_not(None), _KEYS.expires_at <= now)
        where.append(~expired if wanted.live else expired)
    if wanted.model:
        where.append(_KEYS.models.contains([wanted.model]))
    if wanted.tag:
        where.append(_KEYS.tags.contains([wanted.tag]))
    if wanted.search:
        words = (_KEYS.alias, _KEYS.name, _KEYS.description, _KEYS.last4)
        where.append(
            or_(*(column.icontains(wanted.search, autoescape=True) for column in words),
                _KEYS.key_name.contains(wanted.search, autoescape=True))
        )  # fmt: skip
    return where


# -- beside the rows ------------------------------------------------------------------------------------------------------


async def owners(connection: AsyncConnection, ids: Collection[str]) -> dict[str, Row[Any]]:
    columns = (users.c.id, users.c.username, users.c.full_name, users.c.is_active, users.c.groups)
    return await _by_id(connection, select(*columns).where(users.c.id.in_(list(ids))))


async def payers(connection: AsyncConnection, ids: Collection[str]) -> dict[str, Row[Any]]:
    columns = (teams.c.id, teams.c.name, teams.c.is_active, teams.c.archived_at, teams.c.allowed_models)
    return await _by_id(connection, select(*columns).where(teams.c.id.in_(list(ids))))


async def _by_id(connection: AsyncConnection, found: Select[Any]) -> dict[str, Row[Any]]:
    rows: Sequence[Row[Any]] = (await connection.execute(found)).all()
    return {row.id: row for row in rows}


async def memberships(connection: AsyncConnection, ids: Collection[str]) -> set[tuple[str, str]]:
    """Pairs of team and user, of these teams."""
    found = select(team_members.c.team_id, team_members.c.user_id).where(team_members.c.team_id.in_(list(ids)))
    return {(row.team_id, row.user_id) for row in await connection.execute(found)}


async def role_in(connection: AsyncConnection, team_id: str, user_id: str) -> Row[Any] | None:
    """``role`` and ``members_may_create_keys``, of a team that is there."""
    found: Select[Any] = (
        select(team_members.c.role, teams.c.members_may_create_keys)
        .join(teams, teams.c.id == team_members.c.team_id)
        .where(team_members.c.team_id == team_id, team_members.c.user_id == user_id, teams.c.archived_at.is_(None))
    )
    row: Row[Any] | None = (await connection.execute(found)).first()
    return row


async def catalogue(connection: AsyncConnection, names: Collection[str]) -> dict[str, Row[Any]]:
    served = (
        select(1)
        .where(deployments.c.model_name == models.c.name, deployments.c.enabled, deployments.c.deleted_at.is_(None))
        .exists()
    )
    columns = (
        models.c.id, models.c.name, models.c.mode, models.c.context_length, models.c.tags, models.c.restricted_access,
        models.c.status.label("lifecycle"), models.c.retires_at, served.label("has_endpoint"),
    )  # fmt: skip
    rows = await connection.execute(select(*columns).where(models.c.name == any_(literal(list(names), ARRAY(TEXT)))))
    return {row.name: row for row in rows}


async def model_names(connection: AsyncConnection, named: Collection[str]) -> dict[str, str]:
    """Names by what was given: names of models or their ids."""
    some = literal(list(named), ARRAY(TEXT))
    rows = await connection.execute(
        select(models.c.id, models.c.name).where(or_(models.c.name == any_(some), models.c.id == any_(some)))
    )
    return {key: row.name for row in rows for key in (row.id, row.name)}


async def subscriptions_of(
    connection: AsyncConnection, user_ids: Collection[str], team_ids: Collection[str], names: Collection[str]
) -> dict[tuple[str | None, str | None, str], Row[Any]]:
    """By user, team and model; one of the first two is None."""
    s = subscriptions.c
    of_them = or_(s.user_id.in_(list(user_ids)), s.team_id.in_(list(team_ids)))
    found = select(subscriptions).where(s.archived_at.is_(None), s.model_name.in_(list(names)), of_them)
    return {(row.user_id, row.team_id, row.model_name): row for row in await connection.execute(found)}


async def policies(connection: AsyncConnection) -> Sequence[Row[Any]]:
    return (await connection.execute(select(access_policies).order_by(access_policies.c.created_at))).all()


async def use_of(connection: AsyncConnection, hashes: Collection[str]) -> dict[str, Row[Any]]:
    """How often each key was used and when last; calls of the last moments are added."""
    dimension, cell = dimensions["key"], rollups["key", "month"]
    folded = (
        select(dimension.c.key_hash, cell.c.calls, cell.c.last_at)
        .join(cell, cell.c.dimension_id == dimension.c.id)
        .where(dimension.c.key_hash.in_(list(hashes)), dimension.c.status != "refused")
    )
    fresh = select(usage_deltas.c.key_hash, usage_deltas.c.calls, usage_deltas.c.last_at).where(
        usage_deltas.c.key_hash.in_(list(hashes)), usage_deltas.c.status != "refused"
    )
    both = folded.union_all(fresh).subquery()
    sums = select(both.c.key_hash, func.sum(both.c.calls).label("calls"), func.max(both.c.last_at).label("last_at"))
    found: Select[Any] = sums.group_by(both.c.key_hash)
    return {row.key_hash: row for row in await connection.execute(found)}


async def limits_of(connection: AsyncConnection, scopes: Collection[str]) -> dict[str, Row[Any]]:
    return {
        row.scope: row for row in await connection.execute(select(budgets).where(budgets.c.scope.in_(list(scopes))))
    }


async def team_extras(connection: AsyncConnection, team_id: str | None) -> dict[str, Any]:
    """What LiteLLM's clients said of a team."""
    extras = await connection.scalar(select(teams.c.extras).where(teams.c.id == team_id))
    return dict(extras or {})


async def windows(
    connection: AsyncConnection, places: Collection[tuple[str, datetime]]
) -> Mapping[tuple[str, datetime], Row[Any]]:
    """Budget windows, with what is settled and what workers have leased."""
    scopes = [scope for scope, _ in places]
    rows = await connection.execute(select(budget_windows).where(budget_windows.c.scope.in_(scopes)))
    return {(row.scope, row.window_start): row for row in rows if (row.scope, row.window_start) in places}


async def refusals_of(
    connection: AsyncConnection, key_hash: str, before: datetime | None, limit: int
) -> Sequence[dict[str, Any]]:
    """What was refused to a key, the newest first, as the gateway described it."""
    records = usage_records.c
    where = [records.key_hash == key_hash, records.status == "refused", records.metadata.has_key(MEMBER)]
    if before is not None:
        where.append(records.started_at < before)
    found = select(records.metadata[MEMBER].label("refusal")).where(*where).order_by(records.started_at.desc())
    return [row.refusal for row in await connection.execute(found.limit(limit))]


# -- counts that hold under concurrency -----------------------------------------------------------------------------------


async def lock_holder(connection: AsyncConnection, holder: str) -> None:
    """Until the transaction ends nobody else adds keys for this holder."""
    await connection.execute(
        text("select pg_advisory_xact_lock(hashtextextended(:holder, 0))"), {"holder": f"keys {holder}"}
    )


async def active_keys(connection: AsyncConnection, user_id: str | None, team_id: str | None, now: datetime) -> int:
    payer = _KEYS.team_id == team_id if team_id is not None else and_(_KEYS.user_id == user_id, _KEYS.team_id.is_(None))
    active = and_(_LIVE, _KEYS.governed, payer, state_at(now) == "active")
    return (await connection.execute(select(func.count()).select_from(virtual_keys).where(active))).scalar_one()


async def expired_before(connection: AsyncConnection, moment: datetime, limit: int) -> Sequence[Row[Any]]:
    old = select(virtual_keys).where(_LIVE, _KEYS.expires_at <= moment).order_by(_KEYS.expires_at).limit(limit)
    return (await connection.execute(old.with_for_update(skip_locked=True))).all()


async def rotating(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Keys that shall have a new secret from time to time."""
    wanted = _KEYS.extras["auto_rotate"].astext == "true"
    return (await connection.execute(select(virtual_keys).where(_LIVE, wanted).order_by(_KEYS.key_hash))).all()


async def ending_between(connection: AsyncConnection, after: datetime, until: datetime) -> Sequence[Row[Any]]:
    """Keys that can still be used and end soon."""
    usable = and_(_LIVE, _KEYS.revoked_at.is_(None), _KEYS.user_id.is_not(None))
    soon = select(virtual_keys).where(usable, _KEYS.expires_at > after, _KEYS.expires_at <= until)
    return (await connection.execute(soon.order_by(_KEYS.expires_at))).all()


async def graces_ending(connection: AsyncConnection, after: datetime, until: datetime) -> Sequence[Row[Any]]:
    usable = and_(_LIVE, _KEYS.revoked_at.is_(None), _KEYS.user_id.is_not(None))
    soon = select(virtual_keys).where(usable, _KEYS.old_secret_until > after, _KEYS.old_secret_until <= until)
    return (await connection.execute(soon)).all()
