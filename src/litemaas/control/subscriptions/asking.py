"""When was a subscription asked for last, and which keys reach the model once it is active?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, any_, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.core.subscriptions import Event
from litemaas.db.tables import subscription_history, subscriptions, virtual_keys

_ASKING = (Event.SUBSCRIBE.value, Event.REQUEST_REVIEW.value)
NAMED_KEYS = 20


def asked_at() -> ColumnElement[Any]:
    """The last time that its holder asked, also for a review; what was granted unasked was asked for when it was made."""
    step = subscription_history.c
    asked = select(step.at).where(step.subscription_id == subscriptions.c.id, step.event.in_(_ASKING))
    last = asked.order_by(step.id.desc()).limit(1).correlate(subscriptions).scalar_subquery()
    return func.coalesce(last, subscriptions.c.created_at)


async def asked(connection: AsyncConnection, ids: Collection[str]) -> dict[str, datetime]:
    found = select(subscriptions.c.id, asked_at().label("asked_at")).where(_among(ids))
    return {row.id: row.asked_at for row in await connection.execute(found)}


async def keys_with_it(connection: AsyncConnection, ids: Collection[str], now: datetime) -> dict[str, list[Row[Any]]]:
    """By subscription: the holder's keys that name its model and have not ended, the first twenty by name; ``total`` of each.

    A request links the keys that it names at once; until it is approved they cannot use the model.
    """
    keys, held = virtual_keys.c, subscriptions.c
    personal = and_(keys.team_id.is_(None), keys.user_id == held.user_id)
    of_team = and_(keys.team_id == held.team_id)
    name = func.coalesce(keys.name, keys.alias, keys.key_name)
    columns = (
        held.id.label("subscription_id"), keys.public_id.label("id"), name.label("name"),
        func.row_number().over(partition_by=held.id, order_by=(name, keys.key_hash)).label("place"),
        func.count().over(partition_by=held.id).label("total"),
    )  # fmt: skip
    usable = (
        keys.deleted_at.is_(None), keys.revoked_at.is_(None), keys.governed,
        or_(keys.expires_at.is_(None), keys.expires_at > now),
        held.model_name == any_(keys.models),
    )  # fmt: skip
    # Two queries in one: each kind of holder has its own index over keys.
    either = [select(*columns).join(virtual_keys, whose).where(_among(ids), *usable) for whose in (personal, of_team)]
    both = either[0].union_all(either[1]).subquery()
    first = select(both).where(both.c.place <= NAMED_KEYS).order_by(both.c.subscription_id, both.c.place)
    found: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in await connection.execute(first):
        found[row.subscription_id].append(row)
    return found


def _among(ids: Collection[str]) -> ColumnElement[bool]:
    return subscriptions.c.id == any_(literal(list(ids), ARRAY(TEXT)))
