"""How is a capture begun and ended? The gateways hear of it, its owner is told, and everything about it is audited."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.http.feed import ChangeKind
from litemaas.control.http.work import Work
from litemaas.control.keys import repository as keys
from litemaas.control.keys.service import key_not_found
from litemaas.control.keys.view import id_of, name_of
from litemaas.control.notices.events import Event
from litemaas.control.notices.service import notify
from litemaas.control.payloads import repository
from litemaas.control.teams import repository as teams
from litemaas.core.errors import AlreadyExists, InvalidField, NotFound
from litemaas.core.limits import team_scope

LONGEST = timedelta(days=30)
"""Control-plane contract 12."""


async def held(work: Work, capture_id: str) -> Row[Any]:
    """Errors: NotFound."""
    row = await repository.find(await work.connection(), capture_id)
    if row is None:
        raise NotFound("The capture was not found.")
    return row


async def begin(work: Work, key_id: str | None, team_id: str | None, until: datetime, reason: str) -> str:
    """Returns the capture's id. One of both ids is given.

    Errors: InvalidField, NotFound; AlreadyExists while another one of the same key or team goes on.
    """
    if until <= work.now:
        raise InvalidField("until must be in the future.", "until")
    if until > work.now + LONGEST:
        raise InvalidField(f"until must be within {LONGEST.days} days.", "until")
    if key_id is not None:
        return await _begin_of_key(work, key_id, until, reason)
    return await _begin_of_team(work, team_id or "", until, reason)


async def _begin_of_key(work: Work, key_id: str, until: datetime, reason: str) -> str:
    connection = await work.connection()
    key = await keys.find_key(connection, key_id)
    if key is None:
        raise key_not_found()
    capture_id = await _add(work, key.key_hash, None, until, reason)
    work.changed(ChangeKind.KEY, key.key_hash)
    told = {key.user_id} if key.user_id is not None else set()
    if key.team_id is not None:
        members = await teams.members_of(connection, [key.team_id])
        told |= {member.user_id for member in members if member.role == "admin"}
    await _tell(work, capture_id, f"key:{id_of(key)}", name_of(key), until, reason, sorted(told))
    return capture_id


async def _begin_of_team(work: Work, team_id: str, until: datetime, reason: str) -> str:
    connection = await work.connection()
    team = await teams.find(connection, team_id)
    if team is None or team.archived_at is not None:
        raise NotFound("The team was not found.")
    capture_id = await _add(work, None, team_id, until, reason)
    work.changed(ChangeKind.BUDGET, team_scope(team_id))
    told = [member.user_id for member in await teams.members_of(connection, [team_id])]
    await _tell(work, capture_id, f"team:{team_id}", team.name, until, reason, told)
    return capture_id


async def _add(work: Work, key_hash: str | None, team_id: str | None, until: datetime, reason: str) -> str:
    capture_id = str(uuid4())
    values = {
        "id": capture_id, "key_hash": key_hash, "team_id": team_id, "reason": reason, "until": until,
        "created_at": work.now, "created_by": work.actor,
    }  # fmt: skip
    if not await repository.begin(await work.connection(), values, work.now):
        raise AlreadyExists("Calls of this key or team are captured already. End that capture first.")
    return capture_id


async def _tell(
    work: Work, capture_id: str, subject: str, name: str, until: datetime, reason: str, people: Sequence[str]
) -> None:
    detail = {"subject": subject, "until": until.isoformat(), "reason": reason, "informed": len(people)}
    await record(work, "payload_capture.started", "payload_capture", capture_id, detail, name)
    facts = {"name": name, "until": f"{until:%Y-%m-%d %H:%M} UTC", "reason": reason, "actor": work.principal.name}
    await notify(work, Event.PAYLOADS_CAPTURED, user_ids=people, subject=subject, facts=facts)


async def end(work: Work, capture_id: str) -> None:
    """At once, and what it holds is gone. Errors: NotFound."""
    row = await held(work, capture_id)
    await repository.drop(await work.connection(), capture_id)
    if row.key_hash is not None:
        work.changed(ChangeKind.KEY, row.key_hash)
    else:
        work.changed(ChangeKind.BUDGET, team_scope(row.team_id))
    detail = {"until": row.until.isoformat(), "payloads_dropped": row.payloads}
    await record(work, "payload_capture.ended", "payload_capture", capture_id, detail, row.name)
