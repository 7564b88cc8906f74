"""Is this process alive, and can it do its work?"""

from __future__ import annotations

import asyncio
from typing import Literal

import structlog
from fastapi import APIRouter, Request
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from litemaas.control.auth.gates import Open, requires
from litemaas.control.http.shapes import PROBLEMS
from litemaas.control.http.work import Plane, WorkRoute
from litemaas.core.errors import ServiceUnavailable
from litemaas.db.migrate import newest_revision

_READY_TIMEOUT_S = 3.0
router = APIRouter(
    prefix="/health", tags=["health"], route_class=WorkRoute, dependencies=[requires(Open.PUBLIC)], responses=PROBLEMS
)


class Health(BaseModel):
    status: Literal["ok"] = "ok"


@router.get("/live")
async def live() -> Health:
    """Answers as long as the process runs."""
    return Health()


@router.get("/ready")
async def ready(request: Request) -> Health:
    """503 when the database is away, its schema is older than this version needs, or its days are of another time zone.

    A newer one is fine: while an upgrade replaces replicas, the old ones serve on.
    """
    plane: Plane = request.app.state.plane
    try:
        async with asyncio.timeout(_READY_TIMEOUT_S):
            revision, zone = await _revision(plane.engine)
    except Exception as error:  # noqa: BLE001 — whatever the reason, this replica cannot work
        structlog.get_logger("control.health").warning("not ready", error=type(error).__name__)
        raise ServiceUnavailable("The database cannot be reached.") from None
    if revision is None or revision < newest_revision():
        raise ServiceUnavailable("The database's schema is not current. Run 'litemaas migrate'.")
    if zone != str(plane.zone):
        raise ServiceUnavailable(f"LITEMAAS_TIMEZONE is {plane.zone}, but the database keeps its days in {zone}.")
    return Health()


async def _revision(engine: AsyncEngine) -> tuple[str | None, str]:
    """The schema's revision, and the time zone of its days."""
    async with engine.connect() as connection:
        if (await connection.execute(text("SELECT to_regclass('alembic_version')::text"))).scalar() is None:
            return None, ""
        revision: str = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one()
        if revision < newest_revision():
            return revision, ""
        return revision, (await connection.execute(text("SELECT timezone FROM installation"))).scalar_one()
