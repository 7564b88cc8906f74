"""Which paths show people what is theirs: profile, activity, statistics, permissions?"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.auth.gates import Open, requires
from litemaas.control.auth.service import person_of
from litemaas.control.http.cursors import read_cursor, write_cursor
from litemaas.control.http.shapes import PROBLEMS
from litemaas.control.http.work import WorkOf, WorkRoute
from litemaas.control.users import repository, service, showing
from litemaas.control.users.schemas import (
    Activity,
    ActivityQuery,
    ActivityRecord,
    Me,
    MePatch,
    OwnPermissions,
    OwnStats,
    Use,
)
from litemaas.core.errors import InvalidField
from litemaas.core.windows import month_start

router = APIRouter(
    prefix="/api/v1/me", tags=["me"], route_class=WorkRoute, dependencies=[requires(Open.SIGNED_IN)], responses=PROBLEMS
)


@router.get("")
async def get_me(work: WorkOf) -> Me:
    """One's own profile with roles, groups, teams, limits and spend."""
    return await showing.me_shown(work, await service.held(work, person_of(work)))


@router.patch("")
async def change_me(work: WorkOf, body: MePatch) -> Me:
    """Changes one's name and language."""
    row = await service.held(work, person_of(work), lock=True)
    wanted = body.model_dump(exclude_unset=True)
    changed = {name: value for name, value in wanted.items() if getattr(row, name) != value}
    if changed:
        stamps = {"updated_at": work.now, "updated_by": work.actor}
        await repository.change(await work.connection(), row.id, changed | stamps)
        await record(work, "user.profile_changed", "user", row.id, {"members": sorted(changed)}, row.username)
    return await showing.me_shown(work, await service.held(work, row.id))


@router.get("/activity")
async def list_activity(work: WorkOf, query: Annotated[ActivityQuery, Query()]) -> Activity:
    """What one did, the newest first, by cursor."""
    before = _position(query.cursor) if query.cursor else None
    rows = await repository.activity(await work.connection(), person_of(work), before, query.limit + 1)
    shown = rows[: query.limit]
    more = write_cursor(shown[-1].at, shown[-1].id) if len(rows) > len(shown) else None
    return Activity(data=[ActivityRecord(**_record(row)) for row in shown], next_cursor=more)


@router.get("/stats")
async def get_stats(work: WorkOf) -> OwnStats:
    """Keys and subscriptions by state, and what all of one's keys used: ever, and this calendar month."""
    connection, user_id = await work.connection(), person_of(work)
    month = month_start(work.now, work.zone)
    use = (await repository.use_of(connection, user_id, month))._mapping
    return OwnStats(
        keys=await repository.keys_by_state(connection, user_id, work.now),
        subscriptions=await repository.subscriptions_by_state(connection, user_id, work.now),
        total=Use(**{name: int(use[name]) for name in Use.model_fields}),
        this_month=Use(**{name: int(use[f"month_{name}"]) for name in Use.model_fields}),
    )


@router.get("/permissions")
async def get_permissions(work: WorkOf) -> OwnPermissions:
    """One's roles, and what they allow together; of a token what it may do now."""
    return OwnPermissions(roles=list(work.principal.roles), permissions=sorted(work.principal.permissions))


def _record(row: Row[Any]) -> dict[str, Any]:
    return {name: row._mapping[name] for name in ActivityRecord.model_fields}


def _position(cursor: str) -> tuple[Any, int]:
    at, row_id = read_cursor(cursor)
    if not row_id.isdecimal():
        raise InvalidField("The cursor is not one of ours; take next_cursor of the page before.", "cursor")
    return at, int(row_id)
