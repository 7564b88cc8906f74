"""Which time zone does the database keep its days in? What was set before anything was used, and the same for all processes."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import asyncpg

ZONE = "(SELECT timezone FROM installation)"
"""In queries; PostgreSQL reads it once per statement."""
_SET = "UPDATE installation SET timezone = $1"
_IS_FRESH = """
SELECT NOT EXISTS (SELECT FROM usage_records) AND NOT EXISTS (SELECT FROM budget_windows)
   AND NOT EXISTS (SELECT FROM usage_total_months)
"""


class ZoneDiffers(Exception):
    """A process was told another time zone than the one that the database's sums and windows are in."""


async def zone_kept(connection: asyncpg.Connection) -> ZoneInfo:
    return ZoneInfo(await connection.fetchval("SELECT timezone FROM installation"))


async def check_zone(connection: asyncpg.Connection, wanted: str) -> None:
    """Errors: ZoneDiffers."""
    kept: str = await connection.fetchval("SELECT timezone FROM installation")
    if kept != wanted:
        raise ZoneDiffers(
            f"LITEMAAS_TIMEZONE is {wanted}, but the database keeps its days in {kept}: set it to that. "
            "`litemaas migrate` sets another zone only before anything is used"
        )


async def set_zone(connection: asyncpg.Connection, wanted: str) -> None:
    """Nothing may have been used in another zone. Errors: ZoneDiffers."""
    async with connection.transaction():
        kept = await connection.fetchval("SELECT timezone FROM installation FOR UPDATE")
        if kept != wanted and await connection.fetchval(_IS_FRESH):
            await connection.execute(_SET, wanted)
    await check_zone(connection, wanted)
