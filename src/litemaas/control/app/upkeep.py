"""What must be done from time to time? Partitions ahead of the ledger, and an end to old rows of the change feed."""

from __future__ import annotations

import asyncio

import structlog

from litemaas.db.connect import connector
from litemaas.db.migrate import ensure_partitions

EVERY_S = 600.0


async def keep_up(database_url: str) -> None:
    """Runs until cancelled; any replica may do it, and twice does no harm."""
    log = structlog.get_logger("control.upkeep")
    while True:
        await asyncio.sleep(EVERY_S)
        try:
            made = await tidy(database_url)
            log.info("upkeep done", partitions_made=len(made))
        except Exception as error:  # noqa: BLE001 — the next round tries again; the plane works on without it
            log.warning("upkeep failed", error=type(error).__name__)


async def tidy(database_url: str) -> list[str]:
    """Returns the partitions that were made."""
    connection = await connector(database_url, "litemaas-upkeep")()
    try:
        await connection.execute("DELETE FROM changes WHERE at < now() - interval '1 day'")
        return await ensure_partitions(connection)
    finally:
        await connection.close(timeout=5)
