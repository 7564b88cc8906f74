"""How do people come to be whom another program looks after? It chooses their ids; nobody has to have signed in.

Whoever signs in later with another identity is another account.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.http.feed import ChangeKind
from litemaas.control.http.work import Work
from litemaas.control.users import limits, repository, service
from litemaas.core.errors import AlreadyExists, InvalidField
from litemaas.core.limits import user_scope

_MOST_CHARACTERS = 256


async def known(work: Work, user_id: str, *, lock: bool = False) -> Row[Any] | None:
    """None also for accounts that were anonymised."""
    row = await repository.find(await work.connection(), user_id, lock=lock)
    return row if row is not None and row.anonymised_at is None else None


async def known_by_email(work: Work, email: str) -> Row[Any] | None:
    return await repository.find_by_email(await work.connection(), email)


async def register(work: Work, user_id: str, columns: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Makes a person with these columns of ``users`` and these limits.

    Errors: AlreadyExists (field ``user_id`` or ``user_email``), InvalidField.
    """
    if not user_id or len(user_id) > _MOST_CHARACTERS:
        raise InvalidField(f"A user's id has 1 to {_MOST_CHARACTERS} characters.", "user_id")
    connection = await work.connection()
    before = await repository.find(connection, user_id, lock=True)
    if before is not None and before.anonymised_at is None:
        raise AlreadyExists(f"A user with the id {user_id!r} already exists.", "user_id")
    email = columns.get("email")
    if email and await repository.find_by_email(connection, email) is not None:
        raise AlreadyExists(f"A user with the e-mail address {email!r} already exists.", "user_email")
    stamps = {"updated_at": work.now, "updated_by": work.actor}
    made = {"is_active": True, "anonymised_at": None, "created_at": work.now, "created_by": work.actor, **stamps}
    if before is not None:
        await repository.change(connection, user_id, {**made, **columns})
        work.changed(ChangeKind.BUDGET, user_scope(user_id))
    elif not await _add(work, user_id, {**made, **columns}, _names(user_id, email)):
        raise AlreadyExists(f"A user with the id {user_id!r} already exists.", "user_id")
    await limits.set_limits(work, [user_scope(user_id)], wanted)
    await record(work, "user.created", "user", user_id, {"limits": dict(wanted), "members": sorted(columns)})


async def _add(work: Work, user_id: str, columns: Mapping[str, Any], usernames: Sequence[str]) -> bool:
    """Under the first of these usernames that is free."""
    connection = await work.connection()
    for username in usernames:
        if await repository.add(connection, {"id": user_id, "username": username, **columns}):
            return True
    return False


def _names(user_id: str, email: str | None) -> list[str]:
    return [*([email] if email else []), user_id, f"{user_id[:200]}-{uuid4().hex[:12]}"]


async def change(work: Work, user_id: str, columns: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Sets the named columns of ``users``, and limits. Errors: NotFound, Conflict, AlreadyExists (``user_email``)."""
    connection = await work.connection()
    shared = {name: columns[name] for name in ("granted_roles", "is_active", "cost_centre") if name in columns}
    await service.change(work, user_id, shared | dict(wanted))
    row = await service.held(work, user_id, lock=True)
    others = {name: value for name, value in columns.items() if name not in shared and getattr(row, name) != value}
    if email := others.get("email"):
        holder = await repository.find_by_email(connection, email)
        if holder is not None and holder.id != user_id:
            raise AlreadyExists(f"A user with the e-mail address {email!r} already exists.", "user_email")
    if others:
        stamps = {"updated_at": work.now, "updated_by": work.actor}
        await repository.change(connection, user_id, others | stamps)
        await record(work, "user.updated", "user", user_id, {"members": sorted(others)}, row.username)
        if "extras" in others:
            work.changed(ChangeKind.BUDGET, user_scope(user_id))
