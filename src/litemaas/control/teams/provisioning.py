"""How do teams come to be whom another program looks after? It chooses their ids, and they need no administrator.

Members are joined and let go as everywhere (``membership``); a team that was deleted comes back when its id is used again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.http.feed import ChangeKind
from litemaas.control.http.work import Work
from litemaas.control.teams import repository, service
from litemaas.control.users import limits
from litemaas.core.errors import AlreadyExists, InvalidField, NotFound
from litemaas.core.limits import team_scope

_MOST_CHARACTERS = 256


async def held(work: Work, team_id: str, *, lock: bool = False) -> Row[Any]:
    """Errors: NotFound, also for archived teams."""
    row = await repository.find(await work.connection(), team_id, lock=lock)
    if row is None or row.archived_at is not None:
        raise NotFound(f"The team {team_id[:200]!r} was not found.", "team_id")
    return row


async def held_many(work: Work, team_ids: Collection[str]) -> Sequence[Row[Any]]:
    """Those of these teams that there are."""
    return await repository.live_among(await work.connection(), team_ids)


async def provision(work: Work, team_id: str, columns: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Makes a team with these columns of ``teams`` and these limits. Errors: AlreadyExists, InvalidField."""
    if not team_id or len(team_id) > _MOST_CHARACTERS:
        raise InvalidField(f"A team's id has 1 to {_MOST_CHARACTERS} characters.", "team_id")
    connection = await work.connection()
    before = await repository.find(connection, team_id, lock=True)
    if before is not None and before.archived_at is None:
        raise AlreadyExists(f"A team with the id {team_id!r} already exists.", "team_id")
    stamps = repository.stamps(work.actor, work.now)
    made = {
        "created_at": work.now,
        "created_by": work.actor,
        "archived_at": None,
        "is_active": True,
        **stamps,
        **columns,
    }
    if before is not None:
        await repository.drop_members(connection, team_id)
    for name in (columns["name"], f"{columns['name'][:200]} ({team_id[:50]})", team_id):
        if before is None:
            done = await repository.add(connection, {"id": team_id, **made, "name": name})
        else:
            done = await repository.change(connection, team_id, {**made, "name": name})
        if done:
            break
    else:
        raise AlreadyExists(f"A team with the id {team_id!r} already exists.", "team_id")
    work.changed(ChangeKind.BUDGET, team_scope(team_id))
    await limits.set_limits(work, [team_scope(team_id)], wanted)
    await record(work, "team.created", "team", team_id, {"limits": dict(wanted), "members": sorted(columns)}, name)


async def change(work: Work, team_id: str, columns: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Sets the named columns of ``teams``, and limits. Errors: NotFound, AlreadyExists."""
    before = await held(work, team_id, lock=True)
    changed = {name: value for name, value in columns.items() if getattr(before, name) != value}
    if changed:
        stamps = repository.stamps(work.actor, work.now)
        if not await repository.change(await work.connection(), team_id, changed | stamps):
            raise AlreadyExists("A team of this name already exists.", "team_alias")
        work.changed(ChangeKind.BUDGET, team_scope(team_id))
        await record(work, "team.updated", "team", team_id, {"members": sorted(changed)}, before.name)
    if wanted and await limits.set_limits(work, [team_scope(team_id)], wanted):
        await record(work, "team.limits_changed", "team", team_id, dict(wanted), before.name)


async def change_member(work: Work, team_id: str, user_id: str, values: Mapping[str, Any]) -> None:
    """Errors: NotFound."""
    team = await held(work, team_id, lock=True)
    connection = await work.connection()
    if await repository.member(connection, team_id, user_id) is None:
        raise NotFound("The member was not found in the team.", "user_id")
    if values:
        await repository.change_member(connection, team_id, user_id, values)
        work.changed(ChangeKind.BUDGET, team_scope(team_id))
        await record(work, "member.updated", "team", team_id, {"user_id": user_id, "new": dict(values)}, team.name)


async def end(work: Work, team_id: str) -> None:
    """As :func:`service.archive`. Errors: NotFound."""
    await held(work, team_id)
    await service.archive(work, team_id)
