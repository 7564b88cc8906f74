"""Where are sign-ins under way, sessions and tokens written, and the accounts that they belong to?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from litemaas.db.tables import sessions, sign_ins, tokens, users, workshops

_TOLD_FOR = timedelta(days=1)
"""For so long somebody who comes back reads that their session has expired."""

# -- sign-ins under way -------------------------------------------------------------------------------------------------


async def keep_sign_in(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    await connection.execute(insert(sign_ins).values(**values))


async def take_sign_in(
    connection: AsyncConnection, state_hash: str, browser_hash: str, now: datetime
) -> Row[Any] | None:
    """The sign-in of this state and browser, once; another browser's attempt leaves it where it is."""
    where = (sign_ins.c.state_hash == state_hash, sign_ins.c.browser_hash == browser_hash, sign_ins.c.expires_at > now)
    return (await connection.execute(delete(sign_ins).where(*where).returning(sign_ins))).first()


async def forget_ended(connection: AsyncConnection, now: datetime) -> None:
    await connection.execute(delete(sign_ins).where(sign_ins.c.expires_at <= now))
    await connection.execute(delete(sessions).where(sessions.c.expires_at <= now - _TOLD_FOR))


# -- accounts -----------------------------------------------------------------------------------------------------------


async def account_of(connection: AsyncConnection, provider: str, subject: str) -> Row[Any] | None:
    found = select(users).where(users.c.provider == provider, users.c.subject == subject).with_for_update()
    return (await connection.execute(found)).first()


async def accounts_with_email(connection: AsyncConnection, email: str) -> Sequence[Row[Any]]:
    """Accounts whose e-mail address is known to be theirs."""
    found = select(users).where(func.lower(users.c.email) == email.lower(), users.c.email_verified)
    return (await connection.execute(found.limit(2).with_for_update())).all()


async def add_account(connection: AsyncConnection, values: Mapping[str, Any]) -> bool:
    """Whether id, identity and username were free."""
    made = upsert(users).values(**values).on_conflict_do_nothing().returning(users.c.id)
    return (await connection.execute(made)).first() is not None


async def change_account(connection: AsyncConnection, user_id: str, values: Mapping[str, Any]) -> Row[Any]:
    changed = update(users).where(users.c.id == user_id).values(**values).returning(users)
    row: Row[Any] = (await connection.execute(changed)).one()
    return row


async def organises_workshops(connection: AsyncConnection, user_id: str) -> bool:
    mine = select(workshops.c.guid).where(workshops.c.organisers.contains([user_id])).limit(1)
    return (await connection.execute(mine)).first() is not None


async def find_account(connection: AsyncConnection, user_id: str) -> Row[Any] | None:
    return (await connection.execute(select(users).where(users.c.id == user_id))).first()


# -- sessions -----------------------------------------------------------------------------------------------------------


async def add_session(connection: AsyncConnection, values: Mapping[str, Any], most: int) -> None:
    """Adds one; of a user's sessions only the newest ``most`` stay. The user's row must be locked."""
    await connection.execute(insert(sessions).values(**values))
    order = (sessions.c.created_at.desc(), sessions.c.id)
    of_user = sessions.c.user_id == values["user_id"]
    too_many = select(sessions.c.id).where(of_user).order_by(*order).offset(most)
    await connection.execute(delete(sessions).where(sessions.c.id.in_(too_many)))


async def sessions_of(connection: AsyncConnection, user_id: str, now: datetime) -> Sequence[Row[Any]]:
    found = select(sessions).where(sessions.c.user_id == user_id, sessions.c.expires_at > now)
    return (await connection.execute(found.order_by(sessions.c.created_at.desc(), sessions.c.id))).all()


async def find_session(connection: AsyncConnection, session_id: str) -> Row[Any] | None:
    return (await connection.execute(select(sessions).where(sessions.c.id == session_id))).first()


async def prolong(connection: AsyncConnection, session_id: str, expires_at: datetime) -> Row[Any]:
    """Never beyond its end."""
    until = func.least(sessions.c.ends_at, func.greatest(sessions.c.expires_at, expires_at))
    changed = update(sessions).where(sessions.c.id == session_id).values(expires_at=until).returning(sessions)
    row: Row[Any] = (await connection.execute(changed)).one()
    return row


async def end_session(connection: AsyncConnection, user_id: str, session_id: str) -> bool:
    """Whether there was one of this user."""
    gone = delete(sessions).where(sessions.c.id == session_id, sessions.c.user_id == user_id)
    return (await connection.execute(gone.returning(sessions.c.id))).first() is not None


async def end_other_sessions(connection: AsyncConnection, user_id: str, kept: str | None) -> int:
    gone = delete(sessions).where(sessions.c.user_id == user_id, sessions.c.id.is_distinct_from(kept))
    return len((await connection.execute(gone.returning(sessions.c.id))).all())


# -- tokens -------------------------------------------------------------------------------------------------------------


async def add_token(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    await connection.execute(insert(tokens).values(**values))


async def tokens_of(connection: AsyncConnection, user_id: str | None) -> Sequence[Row[Any]]:
    """Those of a person, or those of services."""
    found = select(tokens).where(tokens.c.user_id == user_id if user_id is not None else tokens.c.kind == "service")
    return (await connection.execute(found.order_by(tokens.c.created_at.desc(), tokens.c.id))).all()


async def drop_token(connection: AsyncConnection, user_id: str | None, token_id: str) -> Row[Any] | None:
    whose = tokens.c.user_id == user_id if user_id is not None else tokens.c.kind == "service"
    gone = delete(tokens).where(tokens.c.id == token_id, whose).returning(tokens)
    return (await connection.execute(gone)).first()
