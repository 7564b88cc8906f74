"""Which paths serve the branding? Texts and switches are a group of settings of their own; images are kept apart."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Any, ClassVar, Literal

from fastapi import APIRouter, Header, Request, Response
from pydantic import AfterValidator, BaseModel, Field

from litemaas.control.audit.service import record
from litemaas.control.auth.gates import Open, requires
from litemaas.control.branding import repository
from litemaas.control.branding.images import MAX_BYTES, checked
from litemaas.control.http.shapes import PROBLEMS, Body
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.settings import service as settings
from litemaas.control.settings.groups import CurrencySettings, Group
from litemaas.core.errors import BodyTooLarge, NotFound
from litemaas.core.permissions import Permission

router = APIRouter(prefix="/api/v1", tags=["branding"], route_class=WorkRoute, responses=PROBLEMS)
Kind = Literal["login-logo", "header-brand-light", "header-brand-dark", "favicon"]
_REACHED = re.compile(r"https?://[^\s/]+\S*|mailto:[^\s@]+@[^\s@]+")
_IMAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
}


def _reachable(value: str) -> str:
    if value and _REACHED.fullmatch(value) is None:
        raise ValueError("must be an address that begins with https://, http:// or mailto:")
    return value


SupportUrl = Annotated[str, Field(max_length=500), AfterValidator(_reachable)]


class _BrandingMembers(BaseModel):
    login_logo_enabled: bool = False
    title_enabled: bool = False
    title: Annotated[str, Field(max_length=200)] = ""
    subtitle_enabled: bool = False
    subtitle: Annotated[str, Field(max_length=500)] = ""
    header_brand_enabled: bool = False
    favicon_enabled: bool = False
    support_enabled: bool = False
    support_text: Annotated[str, Field(max_length=100)] = ""
    support_url: SupportUrl = ""
    footer_enabled: bool = False
    footer: Annotated[str, Field(max_length=500)] = ""


class BrandingSettings(_BrandingMembers, Group):
    """Not listed among the settings: it has paths of its own."""

    group: ClassVar[str] = "branding"


class BrandingPatch(_BrandingMembers, Body):
    """Absent = unchanged."""


class BrandingOut(BaseModel):
    """``images``: which there are, with their ETags."""

    login_logo_enabled: bool
    title_enabled: bool
    title: str
    subtitle_enabled: bool
    subtitle: str
    header_brand_enabled: bool
    favicon_enabled: bool
    support_enabled: bool
    support_text: str
    support_url: str
    footer_enabled: bool
    footer: str
    images: dict[str, str]
    currency: CurrencySettings


@router.get("/branding", dependencies=[requires(Open.PUBLIC)])
async def get_branding(work: WorkOf) -> BrandingOut:
    """How the portal looks here; reads no image."""
    return await _shown(work)


@router.get("/branding/images/{kind}", dependencies=[requires(Open.PUBLIC)], response_class=Response)
async def get_image(work: WorkOf, kind: Kind, if_none_match: Annotated[str | None, Header()] = None) -> Response:
    """One image; 304 when the ETag is still current."""
    row = await repository.find_image(await work.connection(), kind)
    if row is None:
        raise NotFound("There is no such image.")
    headers = _IMAGE_HEADERS | {"ETag": row.etag}
    if if_none_match == row.etag:
        return Response(status_code=304, headers=headers)
    return Response(bytes(row.content), media_type=row.media_type, headers=headers)


@router.patch("/admin/branding", dependencies=[requires(Permission.ADMIN_BRANDING_WRITE)])
async def change_branding(work: WorkOf, body: BrandingPatch) -> BrandingOut:
    """Changes texts and switches."""
    held = await settings.read(work, BrandingSettings)
    await settings.write(work, held.model_copy(update=body.model_dump(exclude_unset=True)))
    return await _shown(work)


@router.put("/admin/branding/images/{kind}", dependencies=[requires(Permission.ADMIN_BRANDING_WRITE)])
async def put_image(work: WorkOf, kind: Kind, request: Request) -> BrandingOut:
    """Puts an image: the body is the file itself. JPEG, PNG, GIF, WebP or SVG up to 2 MB, checked by content."""
    content = await request.body()
    if len(content) > MAX_BYTES:
        raise BodyTooLarge("The image is larger than 2 MB.")
    media_type, kept = checked(content)
    etag = f'"{hashlib.sha256(kept).hexdigest()[:32]}"'
    await repository.put_image(await work.connection(), kind, media_type, kept, etag, work.actor, work.now)
    await record(work, "branding.image_uploaded", "branding", kind, {"media_type": media_type, "bytes": len(kept)})
    return await _shown(work)


@router.delete("/admin/branding/images/{kind}", dependencies=[requires(Permission.ADMIN_BRANDING_WRITE)])
async def delete_image(work: WorkOf, kind: Kind) -> BrandingOut:
    """Removes an image."""
    if not await repository.drop_image(await work.connection(), kind):
        raise NotFound("There is no such image.")
    await record(work, "branding.image_deleted", "branding", kind, {})
    return await _shown(work)


async def _shown(work: Work) -> BrandingOut:
    values: dict[str, Any] = (await settings.read(work, BrandingSettings)).model_dump()
    images = await repository.etags(await work.connection())
    return BrandingOut(**values, images=images, currency=await settings.read(work, CurrencySettings))
