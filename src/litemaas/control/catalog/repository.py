"""How do models, deployments and prices get into tables and out of them?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Row,
    Select,
    Text,
    all_,
    any_,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.control.catalog.price_terms_repository import columns_of, in_force
from litemaas.core.catalog import Health
from litemaas.core.price_terms import AS_LISTED
from litemaas.core.pricing import Price
from litemaas.db.tables import (
    access_policies,
    deployments,
    dimensions,
    models,
    prices,
    subscriptions,
    usage_deltas,
    virtual_keys,
)

PRICE_FIELDS = tuple(field for field in Price.__struct_fields__ if field != "version")
TERMS = tuple(columns_of(AS_LISTED))
"""What leads from a price to what is charged."""
_LIVE: ColumnElement[bool] = deployments.c.deleted_at.is_(None)


class ModelFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which models are meant; None and empty = all. ``hidden``: names that are left out; ``subscribed``: the only ones."""

    name: str | None = None
    search: str | None = None
    modes: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    provider: str | None = None
    restricted: bool | None = None
    tags: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    hidden: frozenset[str] = frozenset()
    subscribed: frozenset[str] | None = None
    health: str | None = None


async def hold_model(connection: AsyncConnection, name: str, values: Mapping[str, Any]) -> Row[Any]:
    """The model of that name, locked until the commit, made when it is not there."""
    statement = upsert(models).values(name=name, **values)
    statement = statement.on_conflict_do_update(index_elements=["name"], set_={"updated_at": func.now()})
    held: Row[Any] = (await connection.execute(statement.returning(models))).one()
    return held


async def add_model(connection: AsyncConnection, name: str, values: Mapping[str, Any]) -> Row[Any] | None:
    """None: the name is taken."""
    statement = upsert(models).values(name=name, **values).on_conflict_do_nothing().returning(models)
    added: Row[Any] | None = (await connection.execute(statement)).first()
    return added


async def find_model(connection: AsyncConnection, name: str, *, lock: bool = False) -> Row[Any] | None:
    statement = select(models).where(models.c.name == name)
    return (await connection.execute(statement.with_for_update() if lock else statement)).first()


async def find_model_by_id(connection: AsyncConnection, model_id: str, *, lock: bool = False) -> Row[Any] | None:
    statement = select(models).where(models.c.id == model_id)
    return (await connection.execute(statement.with_for_update() if lock else statement)).first()


async def list_by_ids(connection: AsyncConnection, ids: Sequence[str]) -> Sequence[Row[Any]]:
    return (await connection.execute(select(models).where(models.c.id.in_(ids)))).all()


async def own_subscriptions(connection: AsyncConnection, user_id: str) -> Sequence[Row[Any]]:
    """A person's own, by model."""
    columns = (
        subscriptions.c.id,
        subscriptions.c.model_name,
        subscriptions.c.status,
        subscriptions.c.expires_at,
    )
    own = select(*columns).where(subscriptions.c.user_id == user_id, subscriptions.c.archived_at.is_(None))
    return list(await connection.execute(own))


async def find_by_alias(connection: AsyncConnection, alias: str) -> str | None:
    """The name of the model that has this other name."""
    found = await connection.execute(select(models.c.name).where(models.c.aliases.contains([alias])).limit(1))
    name: str | None = found.scalar()
    return name


async def list_models(
    connection: AsyncConnection,
    wanted: ModelFilter,
    sort: str,
    descending: bool,
    offset: int,
    limit: int,
    ranked: Sequence[str] | None = None,
) -> tuple[Sequence[Row[Any]], int]:
    """``ranked``: names in the order to sort by, in place of a column; whoever is not named comes last."""
    where = _conditions(wanted)
    total = (await connection.execute(select(func.count()).select_from(models).where(*where))).scalar_one()
    column = (
        _sorted_by(sort) if ranked is None else func.array_position(literal(list(ranked), ARRAY(Text)), models.c.name)
    )
    order = (column.desc().nulls_last() if descending else column.asc().nulls_last(), models.c.name)
    page = select(models).where(*where).order_by(*order).offset(offset).limit(limit)
    return (await connection.execute(page)).all(), total


async def names_of(connection: AsyncConnection, wanted: ModelFilter) -> Sequence[str]:
    return (await connection.execute(select(models.c.name).where(*_conditions(wanted)))).scalars().all()


def _sorted_by(sort: str) -> ColumnElement[Any]:
    if sort == "display_name":
        return func.coalesce(models.c.display_name, models.c.name)
    return _price() if sort == "price" else models.c[sort]


def chosen(wanted: ModelFilter) -> Select[Any]:
    """All of a list, to be streamed."""
    return select(models).where(*_conditions(wanted)).order_by(models.c.name)


async def facets(connection: AsyncConnection, wanted: ModelFilter) -> dict[str, dict[str, int]]:
    """How many of the models have each value of what can be filtered by."""
    seen = select(models).where(*_conditions(wanted)).cte("seen")
    parts = [
        select(literal(name).label("facet"), cast(seen.c[column], Text).label("value"), func.count().label("count"))
        .where(seen.c[column].is_not(None))
        .group_by(seen.c[column])
        for name, column in (
            ("provider", "provider"), ("mode", "mode"), ("restricted", "restricted_access"), ("status", "status")
        )
    ]  # fmt: skip
    for name, column in (("tag", "tags"), ("capability", "capabilities")):
        each = select(func.unnest(seen.c[column]).label("value")).subquery()
        parts.append(select(literal(name), each.c.value, func.count()).group_by(each.c.value))
    found: dict[str, dict[str, int]] = {
        name: {} for name in ("provider", "mode", "restricted", "status", "tag", "capability")
    }
    for row in await connection.execute(union_all(*parts)):
        found[row.facet][row.value] = row._mapping["count"]
    return found


async def is_used(connection: AsyncConnection, name: str) -> bool:
    """Whether anybody has called it, subscribed to it, or names it in a key or a policy."""
    called = dimensions["model"]
    statement = select(
        select(1).where(subscriptions.c.model_name == name).exists()
        | select(1).where(called.c.model == name).exists()
        | select(1).where(usage_deltas.c.model == name).exists()
        | select(1).where(virtual_keys.c.models.contains([name]), virtual_keys.c.deleted_at.is_(None)).exists()
        | select(1).where(access_policies.c.models.contains([name])).exists()
    )
    return bool((await connection.execute(statement)).scalar_one())


async def is_subscribed(connection: AsyncConnection, name: str) -> bool:
    """Whether there is a subscription to it, or was."""
    statement = select(select(1).where(subscriptions.c.model_name == name).exists())
    return bool((await connection.execute(statement)).scalar_one())


def _conditions(wanted: ModelFilter) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if wanted.name is not None:
        where.append(models.c.name == wanted.name)
    if wanted.search:
        where.append(or_(*(models.c[field].icontains(wanted.search, autoescape=True)
                           for field in ("name", "display_name", "description"))))  # fmt: skip
    if wanted.modes:
        where.append(models.c.mode.in_(wanted.modes))
    if wanted.statuses:
        where.append(models.c.status.in_(wanted.statuses))
    if wanted.provider is not None:
        where.append(models.c.provider == wanted.provider)
    if wanted.restricted is not None:
        where.append(models.c.restricted_access == wanted.restricted)
    if wanted.tags:
        where.append(models.c.tags.contains(list(wanted.tags)))
    if wanted.capabilities:
        where.append(models.c.capabilities.contains(list(wanted.capabilities)))
    if wanted.hidden:
        where.append(models.c.name != all_(literal(list(wanted.hidden), ARRAY(Text))))
    if wanted.subscribed is not None:
        where.append(models.c.name == any_(literal(list(wanted.subscribed), ARRAY(Text))))
    if wanted.health is not None:
        where.append(_health() == wanted.health)
    return where


def _health() -> ColumnElement[Any]:
    """Of a model by its deployments: as ``core.catalog.health_of`` has it."""
    known = deployments.c.health != Health.UNKNOWN
    told = case(
        (func.count(deployments.c.health.distinct()) > 1, Health.DEGRADED.value),
        else_=func.coalesce(func.max(deployments.c.health), Health.UNKNOWN.value),
    )
    of_model = (deployments.c.model_name == models.c.name, _LIVE, deployments.c.enabled, known)
    return select(told).where(*of_model).scalar_subquery()


def _price() -> ColumnElement[Any]:
    """What a million tokens in and a million out cost together; NULL without a price."""
    both = prices.c.input_per_million + prices.c.output_per_million
    joined = deployments.join(prices, prices.c.version == deployments.c.price_version)
    highest = select(func.max(both)).select_from(joined).where(deployments.c.model_name == models.c.name, _LIVE)
    return highest.correlate(models).scalar_subquery()


async def change_model(connection: AsyncConnection, name: str, values: Mapping[str, Any]) -> None:
    await connection.execute(update(models).where(models.c.name == name).values(**values, updated_at=func.now()))


async def remove_model(connection: AsyncConnection, name: str) -> None:
    await connection.execute(delete(models).where(models.c.name == name))


def _with_prices() -> Select[Any]:
    columns = [prices.c[field] for field in (*PRICE_FIELDS, *TERMS)]
    return (
        select(
            deployments,
            *columns,
            models.c.mode,
            models.c.simulated,
            models.c.access_groups,
            models.c.id.label("model_id"),
            models.c.status.label("model_status"),
        )
        .join(prices, prices.c.version == deployments.c.price_version)
        .join(models, models.c.name == deployments.c.model_name)
        .where(_LIVE)
    )


async def find_deployment(connection: AsyncConnection, deployment_id: str, *, lock: bool = False) -> Row[Any] | None:
    """A live deployment with its current price and its model's mode."""
    statement = _with_prices().where(deployments.c.id == deployment_id)
    if lock:
        statement = statement.with_for_update(of=deployments)
    found: Row[Any] | None = (await connection.execute(statement)).first()
    return found


async def list_deployments(
    connection: AsyncConnection, names: Sequence[str] | None = None, deployment_id: str | None = None
) -> Sequence[Row[Any]]:
    """All live deployments in the catalogue's fixed order; ``names`` None = of every model."""
    statement = _with_prices().order_by(deployments.c.model_name, deployments.c.created_at, deployments.c.id)
    if names is not None:
        statement = statement.where(deployments.c.model_name.in_(names))
    if deployment_id is not None:
        statement = statement.where(deployments.c.id == deployment_id)
    found: Sequence[Row[Any]] = (await connection.execute(statement)).all()
    return found


async def add_deployment(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    await connection.execute(insert(deployments).values(**values))


async def change_deployment(connection: AsyncConnection, deployment_id: str, values: Mapping[str, Any]) -> None:
    await connection.execute(update(deployments).where(deployments.c.id == deployment_id).values(**values))


async def add_price(
    connection: AsyncConnection, deployment_id: str, price: Price, created_by: str, provider: str
) -> int:
    """Its version; it is charged with the discount and margin that hold for the provider now."""
    values = {field: getattr(price, field) for field in PRICE_FIELDS} | columns_of(await in_force(connection, provider))
    statement = insert(prices).values(deployment_id=deployment_id, created_by=created_by, **values)
    version: int = (await connection.execute(statement.returning(prices.c.version))).scalar_one()
    return version


async def list_prices(
    connection: AsyncConnection, deployment_id: str, offset: int, limit: int
) -> tuple[Sequence[Row[Any]], int]:
    of_it = prices.c.deployment_id == deployment_id
    total = (await connection.execute(select(func.count()).select_from(prices).where(of_it))).scalar_one()
    page = select(prices).where(of_it).order_by(prices.c.version.desc()).offset(offset).limit(limit)
    return (await connection.execute(page)).all(), total


async def list_model_prices(
    connection: AsyncConnection, name: str, offset: int, limit: int
) -> tuple[Sequence[Row[Any]], int]:
    """Of all deployments that are or were behind the model."""
    of_it = prices.c.deployment_id.in_(select(deployments.c.id).where(deployments.c.model_name == name))
    total = (await connection.execute(select(func.count()).select_from(prices).where(of_it))).scalar_one()
    page = select(prices).where(of_it).order_by(prices.c.version.desc()).offset(offset).limit(limit)
    return (await connection.execute(page)).all(), total
