"""How do models, deployments and prices get into tables and out of them?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.core.pricing import Price
from litemaas.db.tables import deployments, models, prices

PRICE_FIELDS = tuple(field for field in Price.__struct_fields__ if field != "version")
_LIVE: ColumnElement[bool] = deployments.c.deleted_at.is_(None)


async def hold_model(connection: AsyncConnection, name: str, values: Mapping[str, Any]) -> Row[Any]:
    """The model of that name, locked until the commit, made when it is not there."""
    statement = upsert(models).values(name=name, **values)
    statement = statement.on_conflict_do_update(index_elements=["name"], set_={"updated_at": func.now()})
    held: Row[Any] = (await connection.execute(statement.returning(models))).one()
    return held


async def add_model(connection: AsyncConnection, name: str, values: Mapping[str, Any]) -> bool:
    """Whether the name was free."""
    statement = upsert(models).values(name=name, **values).on_conflict_do_nothing().returning(models.c.name)
    return (await connection.execute(statement)).first() is not None


async def find_model(connection: AsyncConnection, name: str, *, lock: bool = False) -> Row[Any] | None:
    statement = select(models).where(models.c.name == name)
    return (await connection.execute(statement.with_for_update() if lock else statement)).first()


async def list_models(
    connection: AsyncConnection, search: str | None, mode: str | None, offset: int, limit: int
) -> tuple[Sequence[Row[Any]], int]:
    where: list[ColumnElement[bool]] = []
    if search:
        where.append(or_(models.c.name.icontains(search, autoescape=True),
                         models.c.description.icontains(search, autoescape=True)))  # fmt: skip
    if mode:
        where.append(models.c.mode == mode)
    total = (await connection.execute(select(func.count()).select_from(models).where(*where))).scalar_one()
    page = select(models).where(*where).order_by(models.c.name).offset(offset).limit(limit)
    return (await connection.execute(page)).all(), total


async def change_model(connection: AsyncConnection, name: str, values: Mapping[str, Any]) -> None:
    await connection.execute(update(models).where(models.c.name == name).values(**values, updated_at=func.now()))


async def remove_model(connection: AsyncConnection, name: str) -> None:
    await connection.execute(delete(models).where(models.c.name == name))


def _with_prices() -> Select[Any]:
    columns = [prices.c[field] for field in PRICE_FIELDS]
    return (
        select(deployments, *columns, models.c.mode, models.c.simulated, models.c.access_groups)
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


async def add_price(connection: AsyncConnection, deployment_id: str, price: Price, created_by: str) -> int:
    values = {field: getattr(price, field) for field in PRICE_FIELDS}
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
