"""Is the thing that an audit record is about still there, and may the reader see it? One query for each kind on a page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel
from sqlalchemy import ColumnElement, Row, Select, any_, case, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, TEXT

from litemaas.control.http.work import Work
from litemaas.core.permissions import Permission
from litemaas.core.subscriptions import Status
from litemaas.db.tables import (
    banners,
    deployments,
    models,
    subscriptions,
    teams,
    users,
    virtual_keys,
    webhooks,
    workshops,
)

Kind = Literal["user", "team", "model", "key", "subscription", "workshop", "banner", "webhook"]
Place = tuple[str, str]
"""What a record is about: its type and id."""


class Subject(BaseModel):
    """A thing that has a page for whoever reads. A deployment's is its model's, a budget's its owner's.

    ``user_id``, ``team_id``: whose key or subscription it is; ``name``: by which the key is found there; ``model``, ``status``:
    of a subscription.
    """

    kind: Kind
    id: str
    user_id: str | None = None
    team_id: str | None = None
    name: str | None = None
    model: str | None = None
    status: str | None = None


async def subjects(work: Work, rows: Sequence[Row[Any]]) -> dict[Place, Subject]:
    """By what records say; without what is gone, what has no page, and what the reader may not see."""
    wanted: dict[Kind, dict[str, list[Place]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if (named := _named(row.object_kind, row.object_id)) is not None:
            wanted[named[0]][named[1]].append((row.object_kind, row.object_id))
    found: dict[Place, Subject] = {}
    for kind, places in wanted.items():
        permission, query = _KINDS[kind]
        if not work.principal.may(permission):
            continue
        for one in await (await work.connection()).execute(query(list(places), work.now)):
            shown = Subject(kind=kind, **{name: value for name, value in one._mapping.items() if name != "said"})
            found |= dict.fromkeys(places[one.said], shown)
    return found


def _named(kind: str, object_id: str) -> tuple[Kind, str] | None:
    """Of which kind it is, and by which id it is found; a deployment by its own, among models."""
    if kind == "budget":
        owner, _, owner_id = object_id.partition(":")
        return ("user", owner_id) if owner == "user" else ("team", owner_id) if owner == "team" else None
    if kind == "deployment":
        return "model", object_id
    return (kind, object_id) if kind in _KINDS else None


def _among(column: ColumnElement[Any], ids: Sequence[str]) -> ColumnElement[bool]:
    return column == any_(literal(list(ids), ARRAY(TEXT)))


def _users(ids: Sequence[str], _: datetime) -> Select[Any]:
    return select(users.c.id.label("said"), users.c.id).where(_among(users.c.id, ids))


def _teams(ids: Sequence[str], _: datetime) -> Select[Any]:
    return select(teams.c.id.label("said"), teams.c.id).where(_among(teams.c.id, ids))


def _models(ids: Sequence[str], _: datetime) -> Select[Any]:
    own = select(models.c.id.label("said"), models.c.id).where(_among(models.c.id, ids))
    served = (
        deployments.c.model_name == models.c.name,
        _among(deployments.c.id, ids),
        deployments.c.deleted_at.is_(None),
    )
    return own.union_all(select(deployments.c.id, models.c.id).where(*served))  # type: ignore[return-value]


def _keys(ids: Sequence[str], _: datetime) -> Select[Any]:
    """Keys stand on the page of their owner; those that nobody owns have none."""
    keys = virtual_keys.c
    shown = func.coalesce(keys.public_id, keys.key_hash).label("id")
    name = func.coalesce(keys.name, keys.alias, keys.key_name).label("name")

    def by(column: ColumnElement[Any]) -> Select[Any]:
        held = select(column.label("said"), shown, keys.user_id, name).join(users, users.c.id == keys.user_id)
        return held.where(_among(column, ids), keys.deleted_at.is_(None))

    return by(keys.public_id).union_all(by(keys.key_hash))  # type: ignore[return-value]


def _subscriptions(ids: Sequence[str], now: datetime) -> Select[Any]:
    s = subscriptions.c
    ended = case((s.expires_at <= now, Status.EXPIRED.value), else_=s.status)
    status = case((s.status.in_([one.value for one in _CAN_END]), ended), else_=s.status).label("status")
    columns = (s.id.label("said"), s.id, s.user_id, s.team_id, s.model_name.label("model"), status)
    return select(*columns).where(_among(s.id, ids), s.archived_at.is_(None))


def _workshops(ids: Sequence[str], _: datetime) -> Select[Any]:
    return select(workshops.c.guid.label("said"), workshops.c.guid.label("id")).where(_among(workshops.c.guid, ids))


def _banners(ids: Sequence[str], _: datetime) -> Select[Any]:
    return select(banners.c.id.label("said"), banners.c.id).where(_among(banners.c.id, ids))


def _webhooks(ids: Sequence[str], _: datetime) -> Select[Any]:
    return select(webhooks.c.id.label("said"), webhooks.c.id).where(_among(webhooks.c.id, ids))


_CAN_END = (Status.PENDING, Status.ACTIVE, Status.SUSPENDED)
_KINDS: dict[Kind, tuple[Permission, Callable[[Sequence[str], datetime], Select[Any]]]] = {
    "user": (Permission.ADMIN_USERS_READ, _users),
    "team": (Permission.ADMIN_TEAMS_READ, _teams),
    "model": (Permission.ADMIN_MODELS_READ, _models),
    "key": (Permission.ADMIN_KEYS_READ, _keys),
    "subscription": (Permission.ADMIN_SUBSCRIPTIONS_READ, _subscriptions),
    "workshop": (Permission.ADMIN_WORKSHOPS_READ, _workshops),
    "banner": (Permission.ADMIN_BANNERS_READ, _banners),
    "webhook": (Permission.ADMIN_SETTINGS_READ, _webhooks),
}
