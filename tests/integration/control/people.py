"""Who are the people of the control plane's tests? One of each kind, signed in by a session in the database."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx2

from litemaas.control.auth.service import CSRF_HEADER, SESSION_COOKIE, Authenticator, hash_secret

ROLES: dict[str, list[str]] = {
    "admin": ["admin", "user"],
    "overseer": ["adminReadonly"],
    "ann": ["user"],
    "bob": ["user"],
    "reader": ["readonly"],
}
"""Usernames, which are the users' ids here, too, and their roles."""


async def add_user(database: asyncpg.Connection, name: str, roles: list[str], **columns: Any) -> str:
    values = {"id": name, "username": name, "email": f"{name}@example.org", "granted_roles": roles,
              "created_by": "tests", "updated_by": "tests"} | columns  # fmt: skip
    names = ", ".join(values)
    places = ", ".join(f"${i + 1}" for i in range(len(values)))
    await database.execute(f"insert into users ({names}) values ({places})", *values.values())  # noqa: S608 — our own names
    return name


async def start_session(database: asyncpg.Connection, user_id: str, *, age: timedelta = timedelta()) -> str:
    """Returns the cookie. ``age``: how long ago the person signed in."""
    cookie = secrets.token_urlsafe(32)
    began = datetime.now(UTC) - age
    await database.execute(
        "insert into sessions (id_hash, id, user_id, provider, authenticated_at, expires_at, ends_at)"
        " values ($1, $2, $3, 'dev', $4, $5, $5)",
        hash_secret(cookie), secrets.token_hex(8), user_id, began, datetime.now(UTC) + timedelta(hours=8),
    )  # fmt: skip
    return cookie


@asynccontextmanager
async def browser(app: Any, cookie: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with the cookie of a session, and with the token that pages send with writes."""
    authenticator: Authenticator = app.state.authenticator
    headers = {"Cookie": f"{SESSION_COOKIE}={cookie}", CSRF_HEADER: authenticator.csrf_token(cookie)}
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://control", headers=headers) as client:
        yield client
