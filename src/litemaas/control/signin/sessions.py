"""How does a session begin, go on and end? A random cookie that is stored as its hash; 8 hours, renewable to 24.

Units, numbers: settings group ``sessions``.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from fastapi import Response
from sqlalchemy import Row

from litemaas.control.auth.service import SESSION_COOKIE, hash_secret
from litemaas.control.http.work import Work
from litemaas.control.settings import service as settings
from litemaas.control.settings.groups import SessionSettings
from litemaas.control.signin import repository


async def begin(work: Work, user_id: str, provider: str) -> tuple[str, datetime]:
    """The cookie, kept nowhere, and when it must end. The user's row must be locked: the oldest sessions make room."""
    rules = await settings.read(work, SessionSettings)
    cookie = secrets.token_urlsafe(32)
    ends_at = work.now + timedelta(hours=max(rules.hours, rules.max_hours))
    values = {
        "id_hash": hash_secret(cookie), "id": str(uuid4()), "user_id": user_id, "provider": provider,
        "authenticated_at": work.now, "expires_at": work.now + timedelta(hours=rules.hours), "ends_at": ends_at,
        "address": work.address, "user_agent": work.user_agent, "created_at": work.now,
    }  # fmt: skip
    await repository.add_session(await work.connection(), values, rules.per_user)
    return cookie, ends_at


async def renew(work: Work, session_id: str) -> Row[Any]:
    """From now on as long as a new one, at most to its end."""
    rules = await settings.read(work, SessionSettings)
    until = work.now + timedelta(hours=rules.hours)
    return await repository.prolong(await work.connection(), session_id, until)


def set_cookie(response: Response, cookie: str, lives_s: int, *, secure: bool) -> None:
    """The server ends sessions; the cookie's own life only spares browsers what is over."""
    response.set_cookie(SESSION_COOKIE, cookie, max_age=lives_s, path="/", httponly=True, samesite="lax", secure=secure)


def clear_cookie(response: Response, *, secure: bool) -> None:
    response.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="lax", secure=secure)
