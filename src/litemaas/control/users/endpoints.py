"""Which paths serve administrators who look after people?"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from litemaas.control.audit.service import record
from litemaas.control.auth.gates import Open, limited, requires
from litemaas.control.http.etags import IfMatch, require_match, tag
from litemaas.control.http.exports import EXPORTS, as_csv, as_json, attachment, rows_of
from litemaas.control.http.shapes import PROBLEMS, Page, pagination
from litemaas.control.http.work import WorkOf, WorkRoute
from litemaas.control.users import repository, service, showing
from litemaas.control.users.repository import UserFilter
from litemaas.control.users.schemas import (
    VOLATILE,
    BecauseOf,
    Bulk,
    BulkDone,
    Check,
    Checked,
    Permissions,
    RoleOut,
    Roles,
    SpendReset,
    UserChoice,
    UserExport,
    UserOut,
    UserPatch,
    UserQuery,
    UserRow,
)
from litemaas.core.permissions import MATRIX, Permission

router = APIRouter(prefix="/api/v1", tags=["users"], route_class=WorkRoute, responses=PROBLEMS)
_ADMIN = [requires(Permission.ADMIN_USERS_READ, Permission.ADMIN_USERS_WRITE)]


@router.get("/roles", dependencies=_ADMIN)
async def list_roles() -> Roles:
    """The four roles and what each may do."""
    return Roles(data=[RoleOut(name=role, permissions=sorted(held)) for role, held in MATRIX.items()])


@router.get("/permissions", dependencies=_ADMIN)
async def list_permissions() -> Permissions:
    """Every permission that a route asks for."""
    return Permissions(data=list(Permission))


@router.post("/permissions/check", dependencies=[requires(Open.SIGNED_IN)])
async def check_permissions(work: WorkOf, body: Check) -> Checked:
    """Whether the caller has all of these permissions, or any of them; by the same function that the routes ask."""
    missing = [permission for permission in body.permissions if not work.principal.may(permission)]
    allowed = not missing if body.require_all else len(missing) < len(body.permissions)
    return Checked(allowed=allowed, missing=missing)


@router.get("/admin/users", dependencies=_ADMIN)
async def list_users(work: WorkOf, query: Annotated[UserQuery, Query()]) -> Page[UserRow]:
    """People, the newest first unless asked otherwise; ``brief`` leaves limits and spend out."""
    wanted, descending = _filter(query), query.order == "desc"
    rows, total = await repository.page(
        await work.connection(), wanted, query.sort, descending, query.offset, query.limit
    )
    shown = await showing.rows_shown(work, rows, brief=query.brief)
    return Page(data=shown, pagination=pagination(query, total))


@router.get("/admin/users/export", dependencies=[*_ADMIN, limited(EXPORTS)], response_class=StreamingResponse)
async def export_users(work: WorkOf, request: Request, query: Annotated[UserExport, Query()]) -> StreamingResponse:
    """All people whom the filters choose, as a file; audited."""
    told = query.model_dump(mode="json", exclude_defaults=True)
    await record(work, "user.exported", "user", "many", told)
    records = rows_of(request.app.state.plane, repository.chosen(_filter(query)), showing.exported)
    content = as_csv(showing.EXPORTED, records) if query.format == "csv" else as_json({"filters": told}, records)
    return attachment(f"users-{work.now:%Y-%m-%d}", query.format, content)


@router.post("/admin/users/bulk", dependencies=_ADMIN)
async def change_many(work: WorkOf, body: Bulk) -> BulkDone:
    """Sets limits of many people, gives them roles, or deactivates them; all or nothing."""
    wanted = _bulk_filter(body)
    if body.action == "limits" and body.limits is not None:
        done = await service.bulk_limits(work, wanted, body.limits.model_dump(exclude_unset=True))
    elif body.action == "grant" and body.roles is not None:
        done = await service.bulk_grant(work, wanted, body.roles)
    else:
        done = await service.bulk_deactivate(work, wanted, body.reason)
    return BulkDone(matched=done[0], updated=done[1])


@router.get("/admin/users/{user_id}", dependencies=_ADMIN)
async def get_user(work: WorkOf, user_id: str, response: Response) -> UserOut:
    """One person with roles, groups, teams, limits, spend, and counts of keys and subscriptions."""
    return tag(response, await showing.user_shown(work, await service.held(work, user_id)), VOLATILE)


@router.patch("/admin/users/{user_id}", dependencies=_ADMIN)
async def change_user(
    work: WorkOf, user_id: str, body: UserPatch, response: Response, if_match: IfMatch = None
) -> UserOut:
    """Changes granted roles, cost centre, limits, or whether the account is active; takes effect at the next request."""
    if if_match is not None:
        require_match(if_match, await showing.user_shown(work, await service.held_for_change(work, user_id)), VOLATILE)
    await service.change(work, user_id, body.model_dump(mode="json", exclude_unset=True))
    return tag(response, await showing.user_shown(work, await service.held(work, user_id)), VOLATILE)


@router.post("/admin/users/{user_id}/reset-spend", dependencies=_ADMIN)
async def reset_spend(work: WorkOf, user_id: str, body: BecauseOf) -> SpendReset:
    """Lets the person's current budget window begin with nothing spent; ledger and analytics stay as they are."""
    return SpendReset(cleared_nano=await service.reset_spend(work, user_id, body.reason))


@router.post("/admin/users/{user_id}/anonymise", dependencies=_ADMIN)
async def anonymise_user(work: WorkOf, user_id: str, body: BecauseOf) -> UserOut:
    """Removes personal data and access for good; usage stays attributed to the id."""
    await service.anonymise(work, user_id, body.reason)
    return await showing.user_shown(work, await service.held(work, user_id))


def _filter(query: UserChoice) -> UserFilter:
    return UserFilter(**query.model_dump(include=set(UserChoice.model_fields)))


def _bulk_filter(body: Bulk) -> UserFilter:
    if body.user_ids is not None:
        return UserFilter(ids=body.user_ids, is_active=True)
    named = body.filter.model_dump(exclude_none=True) if body.filter is not None else {}
    return UserFilter(**named, is_active=True)
