"""What is this database called?"""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection


async def database_name(connection: AsyncConnection) -> str:
    return str((await connection.execute(select(func.current_database()))).scalar_one())
