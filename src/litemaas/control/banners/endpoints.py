"""Which paths serve banners?"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.auth.gates import Open, optional_principal, requires
from litemaas.control.banners import repository
from litemaas.control.banners.schemas import (
    BannerIn,
    BannerOut,
    BannerPatch,
    ShownBanner,
    ShownBanners,
    Visibility,
)
from litemaas.control.http.etags import IfMatch, require_match, tag
from litemaas.control.http.refusals import Conflict
from litemaas.control.http.shapes import PROBLEMS, Page, PageQuery, pagination
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.core.errors import InvalidField, NotFound
from litemaas.core.permissions import Permission

router = APIRouter(prefix="/api/v1", tags=["banners"], route_class=WorkRoute, responses=PROBLEMS)
_ADMIN = [requires(Permission.ADMIN_BANNERS_READ, Permission.ADMIN_BANNERS_WRITE)]


@router.get("/banners", dependencies=[requires(Open.PUBLIC)])
async def list_shown(work: WorkOf, request: Request) -> ShownBanners:
    """What this visitor sees now, the most important first; without sign-in only what is meant for everyone."""
    principal = await optional_principal(request)
    roles = [role.value for role in principal.roles]
    rows = await repository.shown_to(await work.connection(), principal.user_id, roles, work.now)
    return ShownBanners(data=[ShownBanner(**_members(ShownBanner, row)) for row in rows])


@router.post("/banners/{banner_id}/dismiss", status_code=204, dependencies=[requires(Open.SIGNED_IN)])
async def dismiss_banner(work: WorkOf, banner_id: str) -> None:
    """Hides a banner from the caller, for its own time or for good."""
    row = await _held(work, banner_id)
    if not row.dismissible:
        raise Conflict("This banner cannot be dismissed.")
    if work.principal.user_id is not None:
        await repository.dismiss(await work.connection(), banner_id, work.principal.user_id, work.now)


@router.get("/admin/banners", dependencies=_ADMIN)
async def list_banners(work: WorkOf, query: Annotated[PageQuery, Query()]) -> Page[BannerOut]:
    """All banners, the most important first."""
    rows, total = await repository.page(await work.connection(), query.offset, query.limit)
    return Page(data=[_out(row) for row in rows], pagination=pagination(query, total))


@router.post("/admin/banners", status_code=201, dependencies=_ADMIN)
async def create_banner(work: WorkOf, body: BannerIn) -> BannerOut:
    """Makes a banner; it is shown once it is active and its time has come."""
    banner_id, values = str(uuid4()), body.model_dump()
    stamps = {"created_at": work.now, "created_by": work.actor, "updated_at": work.now, "updated_by": work.actor}
    await repository.add(await work.connection(), {"id": banner_id, **values, **stamps})
    await record(work, "banner.created", "banner", banner_id, body.model_dump(mode="json"), body.name)
    return _out(await _held(work, banner_id))


@router.post("/admin/banners/visibility", dependencies=_ADMIN)
async def show_banners(work: WorkOf, body: Visibility) -> ShownBanners:
    """Shows some banners and hides others, in one step; returns those that changed."""
    connection = await work.connection()
    stamps = {"updated_at": work.now, "updated_by": work.actor}
    found = await repository.show(connection, body.banners, stamps)
    if missing := set(body.banners) - found:
        raise NotFound(f"These banners do not exist: {', '.join(sorted(missing))}")
    await record(work, "banner.visibility", "banner", "", {"banners": body.banners})
    rows = [await _held(work, banner_id) for banner_id in sorted(found)]
    return ShownBanners(data=[ShownBanner(**_members(ShownBanner, row)) for row in rows])


@router.get("/admin/banners/{banner_id}", dependencies=_ADMIN)
async def get_banner(work: WorkOf, banner_id: str, response: Response) -> BannerOut:
    """One banner with its targets."""
    return tag(response, _out(await _held(work, banner_id)))


@router.patch("/admin/banners/{banner_id}", dependencies=_ADMIN)
async def change_banner(
    work: WorkOf, banner_id: str, body: BannerPatch, response: Response, if_match: IfMatch = None
) -> BannerOut:
    """Changes what is named; ``reset_dismissals`` shows it again to those who dismissed it."""
    connection = await work.connection()
    before = await _held(work, banner_id, lock=True)
    require_match(if_match, _out(before))
    values = body.model_dump(exclude_unset=True)
    if values.pop("reset_dismissals", False):
        await repository.forget_dismissals(connection, banner_id)
    starts, ends = values.get("starts_at", before.starts_at), values.get("ends_at", before.ends_at)
    if starts is not None and ends is not None and ends <= starts:
        raise InvalidField("ends_at must come after starts_at.", "ends_at")
    if values:
        await repository.change(connection, banner_id, values | {"updated_at": work.now, "updated_by": work.actor})
    detail = body.model_dump(mode="json", exclude_unset=True)
    await record(work, "banner.updated", "banner", banner_id, detail, before.name)
    return tag(response, _out(await _held(work, banner_id)))


@router.delete("/admin/banners/{banner_id}", status_code=204, dependencies=_ADMIN)
async def delete_banner(work: WorkOf, banner_id: str) -> None:
    """Removes a banner; what the audit holds of it stays."""
    before = await _held(work, banner_id, lock=True)
    await repository.drop(await work.connection(), banner_id)
    await record(work, "banner.deleted", "banner", banner_id, {}, before.name)


async def _held(work: Work, banner_id: str, *, lock: bool = False) -> Row[Any]:
    row = await repository.find(await work.connection(), banner_id, lock=lock)
    if row is None:
        raise NotFound("The banner was not found.")
    return row


def _members(kind: type[ShownBanner], row: Row[Any]) -> dict[str, Any]:
    return {name: row._mapping[name] for name in kind.model_fields}


def _out(row: Row[Any]) -> BannerOut:
    return BannerOut(**_members(BannerOut, row))
