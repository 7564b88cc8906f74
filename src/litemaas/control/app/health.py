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
    """503 when the database is away or its schema is older than this version needs.

    A newer one is fine: while an upgrade replaces replicas, the old ones serve on.
    """
    plane: Plane = request.app.state.plane
    try:
        async with asyncio.timeout(_READY_TIMEOUT_S):
            revision = await _revision(plane.engine)
    except Exception as error:  # noqa: BLE001 — whatever the reason, this replica cannot work
        structlog.get_logger("control.health").warning("not ready", error=type(error).__name__)
        raise ServiceUnavailable("The database cannot be reached.") from None
    if revision is None or revision < newest_revision():
        raise ServiceUnavailable("The database's schema is not current. Run 'litemaas migrate'.")
    return Health()


async def _revision(engine: AsyncEngine) -> str | None:
    async with engine.connect() as connection:
        if (await connection.execute(text("SELECT to_regclass('alembic_version')::text"))).scalar() is None:
            return None
        revision: str | None = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar()
        return revision
