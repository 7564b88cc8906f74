"""Where are the groups of settings read and written?"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import models, settings, teams, virtual_keys


async def find(connection: AsyncConnection, name: str, *, lock: bool = False) -> Row[Any] | None:
    found = select(settings).where(settings.c.name == name)
    return (await connection.execute(found.with_for_update() if lock else found)).first()


async def every(connection: AsyncConnection) -> dict[str, Row[Any]]:
    return {row.name: row for row in await connection.execute(select(settings))}


async def who_names_guardrails(connection: AsyncConnection) -> list[tuple[str, list[str]]]:
    """Keys, teams and models that name guardrails: who, in words, and which."""
    of_keys = select(virtual_keys.c.key_name, virtual_keys.c.extras["guardrails"]).where(
        virtual_keys.c.deleted_at.is_(None), func.jsonb_typeof(virtual_keys.c.extras["guardrails"]) == "array"
    )
    of_models = select(models.c.name, models.c.guardrails).where(func.cardinality(models.c.guardrails) > 0)
    of_teams = select(teams.c.name, teams.c.extras["guardrails"]).where(
        teams.c.archived_at.is_(None), func.jsonb_typeof(teams.c.extras["guardrails"]) == "array"
    )
    of_all_teams = [(f"team {name}", [str(one) for one in named]) for name, named in await connection.execute(of_teams)]
    keys = [(f"key {name}", [str(one) for one in named]) for name, named in await connection.execute(of_keys)]
    return keys + of_all_teams + [(f"model {name}", named) for name, named in await connection.execute(of_models)]


async def put(connection: AsyncConnection, name: str, value: dict[str, Any], actor: str, now: datetime) -> None:
    new = {"value": value, "updated_by": actor, "updated_at": now}
    statement = insert(settings).values(name=name, **new)
    await connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=new))
