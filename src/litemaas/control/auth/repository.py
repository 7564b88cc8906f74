"""Where are sessions, tokens and their owners read and written?"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.backup.load import MAINTENANCE_LOCK
from litemaas.db.tables import sessions, tokens, users

_OWNER = (users.c.username, users.c.is_active, users.c.granted_roles, users.c.derived_roles)


async def find_session(connection: AsyncConnection, id_hash: str) -> Row[Any] | None:
    found = (
        select(sessions, sessions.c.id.label("session_id"), *_OWNER)
        .join(users, users.c.id == sessions.c.user_id)
        .where(sessions.c.id_hash == id_hash)
    )
    return (await connection.execute(found)).first()


async def find_token(connection: AsyncConnection, secret_hash: str) -> Row[Any] | None:
    found = (
        select(tokens, *_OWNER)
        .outerjoin(users, users.c.id == tokens.c.user_id)
        .where(tokens.c.secret_hash == secret_hash)
    )
    return (await connection.execute(found)).first()


async def may_write(connection: AsyncConnection) -> bool:
    """Whether no restore is going on; until the transaction ends, none can begin."""
    return bool((await connection.execute(select(func.pg_try_advisory_xact_lock_shared(MAINTENANCE_LOCK)))).scalar())
