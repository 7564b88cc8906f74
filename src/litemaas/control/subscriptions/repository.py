"""How do subscriptions, their history and their holders get into tables and out of them?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Row,
    Select,
    Text,
    and_,
    any_,
    case,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.subscriptions.asking import asked_at
from litemaas.core.subscriptions import ENDING, HIDDEN, Status
from litemaas.db.tables import (
    budget_windows,
    models,
    subscription_history,
    subscriptions,
    team_members,
    teams,
    users,
    virtual_keys,
)

_LIVE: ColumnElement[bool] = subscriptions.c.archived_at.is_(None)


class Holder(msgspec.Struct, frozen=True):
    """A person or a team; exactly one of both."""

    user_id: str | None = None
    team_id: str | None = None

    @property
    def scope(self) -> str:
        """What the gateways are told when something changed for its keys."""
        return f"team:{self.team_id}" if self.team_id is not None else f"user:{self.user_id}"

    def holds(self) -> ColumnElement[bool]:
        if self.team_id is not None:
            return subscriptions.c.team_id == self.team_id
        return subscriptions.c.user_id == self.user_id


def holder_of(row: Row[Any]) -> Holder:
    return Holder(row.user_id, row.team_id)


class SubscriptionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which ones are meant; empty = all. ``holders``: the only ones that the asking person may see; None = everybody's."""

    statuses: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    changed_from: datetime | None = None
    changed_until: datetime | None = None
    asked_from: datetime | None = None
    asked_until: datetime | None = None
    search: str | None = None
    holders: tuple[Holder, ...] | None = None
    hidden_too: bool = True


def effective_status(now: datetime) -> ColumnElement[str]:
    """The status that counts at this instant."""
    past = and_(subscriptions.c.expires_at <= now, subscriptions.c.status.in_(ENDING))
    return case((past, Status.EXPIRED.value), else_=subscriptions.c.status)


async def add(connection: AsyncConnection, values: Mapping[str, Any]) -> Row[Any] | None:
    """None: the holder has one for this model, just made by somebody else."""
    added = upsert(subscriptions).values(**values).on_conflict_do_nothing().returning(subscriptions)
    row: Row[Any] | None = (await connection.execute(added)).first()
    return row


async def find(connection: AsyncConnection, subscription_id: str, *, lock: bool = False) -> Row[Any] | None:
    found = select(subscriptions).where(subscriptions.c.id == subscription_id, _LIVE)
    return (await connection.execute(found.with_for_update() if lock else found)).first()


async def find_of(connection: AsyncConnection, holder: Holder, model: str) -> Row[Any] | None:
    """The holder's one for a model, locked."""
    found = select(subscriptions).where(holder.holds(), subscriptions.c.model_name == model, _LIVE)
    return (await connection.execute(found.with_for_update())).first()


async def find_archived(connection: AsyncConnection, holder: Holder, model: str) -> Row[Any] | None:
    """The last one that an administrator deleted."""
    gone = select(subscriptions).where(
        holder.holds(), subscriptions.c.model_name == model, subscriptions.c.archived_at.is_not(None)
    )
    return (await connection.execute(gone.order_by(subscriptions.c.archived_at.desc()).limit(1))).first()


async def of_model(connection: AsyncConnection, model: str, statuses: Iterable[Status]) -> Sequence[Row[Any]]:
    """All of a model that are in one of these statuses, locked in a fixed order."""
    wanted = (subscriptions.c.model_name == model, subscriptions.c.status.in_([s.value for s in statuses]), _LIVE)
    found = select(subscriptions).where(*wanted).order_by(subscriptions.c.id).with_for_update()
    return (await connection.execute(found)).all()


async def all_of(connection: AsyncConnection, holder: Holder) -> Sequence[Row[Any]]:
    """All of a holder, locked in a fixed order."""
    found = select(subscriptions).where(holder.holds(), _LIVE).order_by(subscriptions.c.id).with_for_update()
    return (await connection.execute(found)).all()


async def past_their_end(connection: AsyncConnection, now: datetime, limit: int) -> Sequence[Row[Any]]:
    """Rows that say nothing yet of an expiry that has passed; those that somebody is working on are left out."""
    ended = (subscriptions.c.expires_at <= now, subscriptions.c.status.in_(ENDING), _LIVE)
    found = select(subscriptions).where(*ended).order_by(subscriptions.c.expires_at).limit(limit)
    return (await connection.execute(found.with_for_update(skip_locked=True))).all()


async def change(connection: AsyncConnection, ids: Sequence[str], values: Mapping[str, Any]) -> None:
    await connection.execute(update(subscriptions).where(subscriptions.c.id.in_(ids)).values(**values))


async def add_history(connection: AsyncConnection, rows: list[dict[str, Any]]) -> None:
    await connection.execute(insert(subscription_history), rows)


async def history(
    connection: AsyncConnection, subscription_id: str, offset: int, limit: int
) -> tuple[Sequence[Row[Any]], int]:
    """Also of those before it that were deleted; the newest first."""
    row = (await connection.execute(select(subscriptions).where(subscriptions.c.id == subscription_id))).one()
    same = select(subscriptions.c.id).where(holder_of(row).holds(), subscriptions.c.model_name == row.model_name)
    where = subscription_history.c.subscription_id.in_(same)
    total = (await connection.execute(select(func.count()).select_from(subscription_history).where(where))).scalar_one()
    page = select(subscription_history).where(where).order_by(subscription_history.c.id.desc())
    return (await connection.execute(page.offset(offset).limit(limit))).all(), total


async def page(
    connection: AsyncConnection, wanted: SubscriptionFilter, now: datetime, sort: str, descending: bool, offset: int,
    limit: int,
) -> tuple[Sequence[Row[Any]], int]:  # fmt: skip
    where = _conditions(wanted, now)
    total = (await connection.execute(select(func.count()).select_from(subscriptions).where(*where))).scalar_one()
    column = asked_at() if sort == "asked_at" else subscriptions.c[sort]
    order = (column.desc() if descending else column.asc(), subscriptions.c.id)
    rows = await connection.execute(select(subscriptions).where(*where).order_by(*order).offset(offset).limit(limit))
    return rows.all(), total


def chosen(wanted: SubscriptionFilter, now: datetime) -> Select[Any]:
    """All of a list with their holders' names, to be streamed."""
    person = func.coalesce(users.c.username, teams.c.name, subscriptions.c.user_id, subscriptions.c.team_id)
    kind = case((subscriptions.c.team_id.is_(None), "user"), else_="team")
    names = (
        "id", "model_name", "status_reason", "status_changed_at", "status_changed_by", "justification", "quota_requests",
        "quota_tokens", "expires_at", "created_at",
    )  # fmt: skip
    return (
        select(
            *(subscriptions.c[name] for name in names),
            effective_status(now).label("status"),
            asked_at().label("asked_at"),
            kind.label("holder_kind"),
            func.coalesce(subscriptions.c.user_id, subscriptions.c.team_id).label("holder_id"),
            person.label("holder"),
        )
        .join(users, users.c.id == subscriptions.c.user_id, isouter=True)
        .join(teams, teams.c.id == subscriptions.c.team_id, isouter=True)
        .where(*_conditions(wanted, now))
        .order_by(subscriptions.c.status_changed_at, subscriptions.c.id)
    )


async def counts(connection: AsyncConnection, wanted: SubscriptionFilter, now: datetime) -> dict[str, int]:
    status = effective_status(now).label("status")
    counted = select(status, func.count()).where(*_conditions(wanted, now)).group_by(status)
    return {row[0]: row[1] for row in await connection.execute(counted)}


async def decided_since(connection: AsyncConnection, since: datetime) -> dict[str, int]:
    """How often something was approved or denied."""
    decided = (
        select(subscription_history.c.event, func.count())
        .where(subscription_history.c.event.in_(["approve", "deny"]), subscription_history.c.at >= since)
        .group_by(subscription_history.c.event)
    )
    return {row[0]: row[1] for row in await connection.execute(decided)}


def _conditions(wanted: SubscriptionFilter, now: datetime) -> list[ColumnElement[bool]]:
    where = [_LIVE]
    if wanted.statuses:
        where.append(effective_status(now).in_(wanted.statuses))
    elif not wanted.hidden_too:
        where.append(subscriptions.c.status.not_in(HIDDEN))
    if wanted.models:
        where.append(subscriptions.c.model_name.in_(
            select(models.c.name).where(or_(models.c.id.in_(wanted.models), models.c.name.in_(wanted.models)))
        ))  # fmt: skip
    if wanted.users or wanted.teams:
        where.append(or_(subscriptions.c.user_id.in_(wanted.users), subscriptions.c.team_id.in_(wanted.teams)))
    if wanted.changed_from is not None:
        where.append(subscriptions.c.status_changed_at >= wanted.changed_from)
    if wanted.changed_until is not None:
        where.append(subscriptions.c.status_changed_at < wanted.changed_until)
    if wanted.asked_from is not None:
        where.append(asked_at() >= wanted.asked_from)
    if wanted.asked_until is not None:
        where.append(asked_at() < wanted.asked_until)
    if wanted.search:
        found = [subscriptions.c.model_name.icontains(wanted.search, autoescape=True)]
        for table, column, names in (
            (users, subscriptions.c.user_id, ("username", "email", "full_name")),
            (teams, subscriptions.c.team_id, ("name", "alias")),
        ):
            named = or_(*(table.c[name].icontains(wanted.search, autoescape=True) for name in names))
            found.append(column.in_(select(table.c.id).where(named)))
        where.append(or_(*found))
    if wanted.holders is not None:
        where.append(or_(false(), *(holder.holds() for holder in wanted.holders)))
    return where


# -- holders --------------------------------------------------------------------------------------------------------------


async def people(connection: AsyncConnection, user_ids: Sequence[str]) -> dict[str, Row[Any]]:
    found = select(users.c.id, users.c.username, users.c.full_name, users.c.email, users.c.groups, users.c.is_active)
    rows: Sequence[Row[Any]] = list(await connection.execute(found.where(users.c.id.in_(user_ids))))
    return {row.id: row for row in rows}


async def team_rows(connection: AsyncConnection, team_ids: Sequence[str]) -> dict[str, Row[Any]]:
    found = select(
        teams.c.id, teams.c.name, teams.c.alias, teams.c.is_active, teams.c.archived_at, teams.c.allowed_models
    )
    rows: Sequence[Row[Any]] = list(await connection.execute(found.where(teams.c.id.in_(team_ids))))
    return {row.id: row for row in rows}


async def roles_in_teams(connection: AsyncConnection, user_id: str) -> dict[str, str]:
    """Team ids and the person's role in each; of teams that are there."""
    found = (
        select(team_members.c.team_id, team_members.c.role)
        .join(teams, teams.c.id == team_members.c.team_id)
        .where(team_members.c.user_id == user_id, teams.c.archived_at.is_(None))
    )
    return {row.team_id: row.role for row in await connection.execute(found)}


async def admins_of(connection: AsyncConnection, team_ids: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of a team and one of its admins."""
    found = select(team_members.c.team_id, team_members.c.user_id).where(
        team_members.c.team_id.in_(team_ids), team_members.c.role == "admin"
    )
    return [(row.team_id, row.user_id) for row in await connection.execute(found)]


# -- keys -----------------------------------------------------------------------------------------------------------------


def _keys_of(holder: Holder) -> ColumnElement[bool]:
    """The keys that a holder pays for, as far as the access rule governs them."""
    own = (
        virtual_keys.c.team_id == holder.team_id
        if holder.team_id is not None
        else and_(virtual_keys.c.user_id == holder.user_id, virtual_keys.c.team_id.is_(None))
    )
    return and_(own, virtual_keys.c.governed, virtual_keys.c.deleted_at.is_(None))


async def link(connection: AsyncConnection, holder: Holder, model: str, key_ids: Sequence[str]) -> list[str]:
    """Adds the model to keys; returns the ids of those that were found."""
    wanted = and_(_keys_of(holder), virtual_keys.c.public_id.in_(key_ids), virtual_keys.c.revoked_at.is_(None))
    keys = virtual_keys.c.models
    added = case((keys.contains([model]), keys), else_=func.array_append(keys, model))
    changed = update(virtual_keys).where(wanted).values(models=added).returning(virtual_keys.c.public_id)
    return list((await connection.execute(changed)).scalars())


async def unlink(connection: AsyncConnection, holder: Holder, model: str) -> None:
    """Takes the model off all keys of the holder; keys stay, even if empty."""
    linked = and_(_keys_of(holder), virtual_keys.c.models.contains([model]))
    left = func.array_remove(virtual_keys.c.models, model)
    await connection.execute(update(virtual_keys).where(linked).values(models=left))


async def linked_keys(connection: AsyncConnection, model: str) -> int:
    live = and_(virtual_keys.c.deleted_at.is_(None), virtual_keys.c.models.contains([model]))
    return (await connection.execute(select(func.count()).select_from(virtual_keys).where(live))).scalar_one()


async def retired_and_linked(connection: AsyncConnection) -> set[str]:
    """Names of retired models that keys still name."""
    named = select(func.unnest(virtual_keys.c.models)).where(virtual_keys.c.deleted_at.is_(None))
    found = select(models.c.name).where(models.c.status == "retired", models.c.name.in_(named))
    return set((await connection.execute(found)).scalars())


async def retired_and_held(connection: AsyncConnection) -> set[str]:
    """Names of retired models with subscriptions that are neither over nor inactive."""
    over = [Status.CANCELLED.value, Status.EXPIRED.value, Status.INACTIVE.value]
    held = select(subscriptions.c.model_name).where(_LIVE, subscriptions.c.status.not_in(over))
    found = select(models.c.name).where(models.c.status == "retired", models.c.name.in_(held))
    return set((await connection.execute(found)).scalars())


async def every_model(connection: AsyncConnection) -> Sequence[Row[Any]]:
    return (await connection.execute(select(models).order_by(models.c.name))).all()


async def forget_former_status(connection: AsyncConnection, model: str) -> None:
    """What the model's retirement ended is not given back any more."""
    ended = (subscriptions.c.model_name == model, subscriptions.c.status == Status.INACTIVE.value)
    await connection.execute(update(subscriptions).where(*ended).values(status_before=None))


# -- quotas ---------------------------------------------------------------------------------------------------------------


async def used(
    connection: AsyncConnection, scopes: Sequence[str], month: datetime
) -> dict[str, int]:  # fmt: skip
    """What calls were counted on scopes of quotas in a month; those that nothing was counted on are missing."""
    counted = select(budget_windows.c.scope, budget_windows.c.settled_nano).where(
        budget_windows.c.scope == any_(literal(list(scopes), ARRAY(Text))), budget_windows.c.window_start == month
    )
    return {row.scope: row.settled_nano for row in await connection.execute(counted)}


async def set_used(connection: AsyncConnection, counted: Mapping[str, int], month: datetime) -> None:
    """What workers have drawn in advance stays theirs."""
    if not counted:
        return
    rows = [{"scope": scope, "window_start": month, "settled_nano": value} for scope, value in counted.items()]
    statement = upsert(budget_windows).values(rows)
    new = {"settled_nano": statement.excluded.settled_nano, "updated_at": func.now()}
    await connection.execute(statement.on_conflict_do_update(index_elements=["scope", "window_start"], set_=new))


async def with_any_use(connection: AsyncConnection, month: datetime) -> Sequence[Row[Any]]:
    """Subscriptions with a limit on which something was counted this month."""
    scopes = [func.concat("quota:", subscriptions.c.id, f"/{unit}") for unit in ("requests", "tokens")]
    counted = select(budget_windows.c.scope).where(
        budget_windows.c.window_start == month, budget_windows.c.settled_nano > 0
    )
    limited = or_(subscriptions.c.quota_requests.is_not(None), subscriptions.c.quota_tokens.is_not(None))
    found = select(subscriptions).where(_LIVE, limited, or_(*(scope.in_(counted) for scope in scopes)))
    return (await connection.execute(found)).all()


async def lock_model(connection: AsyncConnection, model_id: str, *, share: bool = False) -> Row[Any] | None:
    """Nobody restricts or retires a model while somebody subscribes to it."""
    found = select(models).where(models.c.id == model_id).with_for_update(read=share)
    return (await connection.execute(found)).first()


async def model_rows(connection: AsyncConnection, names: Sequence[str]) -> Sequence[Row[Any]]:
    return (await connection.execute(select(models).where(models.c.name.in_(names)))).all()


async def due_models(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Deprecated models with a date."""
    found = select(models).where(models.c.status == "deprecated", models.c.retires_at.is_not(None))
    return (await connection.execute(found)).all()


async def holders_of_model(connection: AsyncConnection, model: str) -> Sequence[Row[Any]]:
    """Everybody with a subscription to it that is not over."""
    over = [Status.CANCELLED.value, Status.EXPIRED.value, Status.INACTIVE.value, Status.DENIED.value]
    found = select(subscriptions.c.user_id, subscriptions.c.team_id, subscriptions.c.status).where(
        subscriptions.c.model_name == model, subscriptions.c.status.not_in(over), _LIVE
    )
    return list(await connection.execute(found))
