"""Where are discounts and margins kept, and which prices do they change?

Whoever adds a price reads them under a shared lock, whoever changes them holds it alone: no price is missed in between.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.core.price_terms import Terms, terms_of
from litemaas.core.pricing import Price
from litemaas.db.tables import settings

NAME: Final = "price-terms"
"""In the table of settings."""
_LOCK: Final = 0x4C4D_0020
"""("LM", 32)."""
_FIELDS: Final = ", ".join(field for field in Price.__struct_fields__ if field != "version")
_COLUMNS: Final = "discount_millionths, margin_millionths, margin_per_million_requests"
_REPRICE: Final = """
WITH due AS (
    SELECT t.id AS deployment_id, {priced}
    FROM {table} t JOIN prices p ON p.version = t.price_version
    WHERE {live} AND (p.discount_millionths, p.margin_millionths, p.margin_per_million_requests)
        IS DISTINCT FROM (:discount, :margin, :fixed)
    FOR UPDATE OF t
), made AS (
    INSERT INTO prices (deployment_id, {fields}, {columns}, created_by)
    SELECT deployment_id, {fields}, :discount, :margin, :fixed, :actor FROM due RETURNING version, deployment_id
)
UPDATE {table} t SET price_version = made.version FROM made WHERE t.id = made.deployment_id
"""
_TABLES: Final = {
    "deployments": "t.deleted_at IS NULL AND t.provider = :provider",
    "pass_through_routes": "'pass_through' = :provider",
}


async def hold_for_change(connection: AsyncConnection) -> None:
    await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


async def stored(connection: AsyncConnection) -> dict[str, Any]:
    """``discounts`` and ``margins`` as they were written."""
    found = (await connection.execute(select(settings.c.value).where(settings.c.name == NAME))).scalar()
    return dict(found or {})


async def store(connection: AsyncConnection, value: dict[str, Any], actor: str, now: datetime) -> None:
    new = {"value": value, "updated_by": actor, "updated_at": now}
    statement = insert(settings).values(name=NAME, **new)
    await connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=new))


async def in_force(connection: AsyncConnection, provider: str) -> Terms:
    """What holds for the next price of a provider, until this transaction ends."""
    await connection.execute(select(func.pg_advisory_xact_lock_shared(_LOCK)))
    held = await stored(connection)
    return terms_of(provider, held.get("discounts", {}), held.get("margins", {}))


async def reprice(connection: AsyncConnection, provider: str, actor: str) -> int:
    """Gives whatever has another discount or margin a new version of its price; how many there were."""
    terms = await in_force(connection, provider)
    values = {"provider": provider, "actor": actor, "discount": terms.discount, "margin": terms.margin}
    changed = 0
    for table, live in _TABLES.items():
        priced = ", ".join(f"p.{field}" for field in _FIELDS.split(", "))
        statement = _REPRICE.format(table=table, live=live, priced=priced, fields=_FIELDS, columns=_COLUMNS)
        changed += (await connection.execute(text(statement), {**values, "fixed": terms.fixed_per_million})).rowcount
    return changed


def columns_of(terms: Terms) -> dict[str, int]:
    return {
        "discount_millionths": terms.discount, "margin_millionths": terms.margin,
        "margin_per_million_requests": terms.fixed_per_million,
    }  # fmt: skip
