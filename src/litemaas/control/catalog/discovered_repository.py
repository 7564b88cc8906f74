"""Where is it kept what discovery has seen, and what it remembers in models and their endpoints?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import deployments, discovery_reports, models

MEMORY = "discovery"
"""The member of ``info`` that is discovery's."""


async def put_report(
    connection: AsyncConnection, cluster: str, namespaces: list[str], servers: dict[str, Any], by: str, now: datetime
) -> None:
    """In the place of the cluster's report before."""
    new = {"namespaces": namespaces, "servers": servers, "reported_by": by, "reported_at": now}
    statement = insert(discovery_reports).values(cluster=cluster, **new)
    await connection.execute(statement.on_conflict_do_update(index_elements=["cluster"], set_=new))


async def reports(connection: AsyncConnection) -> Sequence[Row[Any]]:
    return (await connection.execute(select(discovery_reports).order_by(discovery_reports.c.cluster))).all()


async def memories(connection: AsyncConnection) -> tuple[Sequence[Any], Sequence[Any]]:
    """Models (``id``, ``name``, ``memory`` by source), and their endpoints (``model_name``, ``enabled``, ``memory``)."""
    of_models = select(models.c.id, models.c.name, models.c.info[MEMORY].label("memory")).where(
        models.c.info.has_key(MEMORY)
    )
    of_endpoints = select(
        deployments.c.model_name, deployments.c.enabled, deployments.c.info[MEMORY].label("memory")
    ).where(deployments.c.info.has_key(MEMORY))
    found_models = (await connection.execute(of_models)).all()
    return found_models, (await connection.execute(of_endpoints)).all()
