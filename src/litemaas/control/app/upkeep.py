"""What must be done from time to time? Rollups are folded, partitions made ahead and ended, old rows of the change feed go."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from time import monotonic

import structlog

from litemaas.db.connect import connector
from litemaas.db.partitions import drop_partitions, ensure_partitions
from litemaas.db.rollups import fold

TIDY_EVERY_S = 600.0
FOLD_EVERY_S = 2.0
_RETRY_S = 10.0
_log = structlog.get_logger("control.upkeep")


async def keep_up(database_url: str, records_kept_days: int | None = None) -> None:
    """Runs until cancelled; any replica may do it, and many at once do no harm."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_keep_folding(database_url), name="fold")
        group.create_task(_keep_tidy(database_url, records_kept_days), name="tidy")


async def _keep_folding(database_url: str) -> None:
    while True:
        try:
            connection = await connector(database_url, "litemaas-upkeep")()
            try:
                while True:
                    began_at = monotonic()
                    if deltas := await fold(connection):
                        _log.debug("rollups folded", deltas=deltas, seconds=round(monotonic() - began_at, 3))
                    await asyncio.sleep(FOLD_EVERY_S)
            finally:
                await connection.close(timeout=5)
        except Exception as error:  # noqa: BLE001 — the next round tries again; readers add what is not folded
            _log.warning("rollups not folded", error=type(error).__name__)
        await asyncio.sleep(_RETRY_S)


async def _keep_tidy(database_url: str, records_kept_days: int | None) -> None:
    while True:
        await asyncio.sleep(TIDY_EVERY_S)
        try:
            made = await tidy(database_url, records_kept_days)
            _log.info("upkeep done", partitions_made=len(made))
        except Exception as error:  # noqa: BLE001 — the next round tries again; the plane works on without it
            _log.warning("upkeep failed", error=type(error).__name__)


async def tidy(database_url: str, records_kept_days: int | None = None) -> list[str]:
    """Returns the partitions that were made. ``records_kept_days``: None = for ever."""
    connection = await connector(database_url, "litemaas-upkeep")()
    try:
        await connection.execute("DELETE FROM changes WHERE at < now() - interval '1 day'")
        made = await ensure_partitions(connection)
        if records_kept_days is not None:
            before = datetime.now(UTC).date() - timedelta(days=records_kept_days)
            if dropped := await drop_partitions(connection, before):
                _log.info("old usage records ended", first=dropped[0], last=dropped[-1])
        return made
    finally:
        await connection.close(timeout=5)
