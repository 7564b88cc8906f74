"""What does a browser need to know before anybody signs in? One small public answer."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel

from litemaas.control.auth.gates import Open, requires
from litemaas.control.banners.schemas import LANGUAGES
from litemaas.control.branding.endpoints import BrandingOut, get_branding
from litemaas.control.http.shapes import PROBLEMS
from litemaas.control.http.work import WorkOf, WorkRoute
from litemaas.control.settings import service as settings
from litemaas.control.settings.groups import AnalyticsSettings, CurrencySettings
from litemaas.kit.version import version

router = APIRouter(
    prefix="/api/v1", tags=["config"], route_class=WorkRoute, dependencies=[requires(Open.PUBLIC)], responses=PROBLEMS
)


class Support(BaseModel):
    """Where people find help; ``text`` empty = the portal's own word for it."""

    text: str
    url: str


class ShownBranding(BaseModel):
    """What is switched on: null = the portal's own. ``images``: their addresses, which change with their content."""

    title: str | None
    subtitle: str | None
    support: Support | None
    footer: str | None
    images: dict[str, str]


class Limits(BaseModel):
    max_days: int
    max_export_days: int


class Config(BaseModel):
    version: str
    gateway_url: str | None
    """Where programs call models; null = not said to this plane."""
    languages: list[str]
    currency: CurrencySettings
    branding: ShownBranding
    limits: Limits
    timezone: str
    """In which days, weeks and months of budgets, quotas and figures begin."""


@router.get("/config")
async def get_config(work: WorkOf, request: Request) -> Config:
    """Version, branding, currency, languages, the gateway's public address, and limits of ranges."""
    analytics = await settings.read(work, AnalyticsSettings)
    branding = await get_branding(work)
    return Config(
        version=version(),
        gateway_url=request.app.state.gateway_public_url,
        languages=list(LANGUAGES),
        currency=branding.currency,
        branding=_switched_on(branding),
        limits=Limits(max_days=analytics.max_days, max_export_days=analytics.max_export_days),
        timezone=str(work.zone),
    )


def _switched_on(held: BrandingOut) -> ShownBranding:
    wanted = {"login-logo": held.login_logo_enabled}
    wanted |= {"favicon": held.favicon_enabled}
    wanted |= dict.fromkeys(("header-brand-light", "header-brand-dark"), held.header_brand_enabled)
    return ShownBranding(
        title=held.title if held.title_enabled and held.title else None,
        subtitle=held.subtitle if held.subtitle_enabled and held.subtitle else None,
        support=Support(text=held.support_text, url=held.support_url)
        if held.support_enabled and held.support_url
        else None,
        footer=held.footer if held.footer_enabled and held.footer else None,
        images={
            kind: f"/api/v1/branding/images/{kind}?v={etag.strip(chr(34))}"
            for kind, etag in held.images.items()
            if wanted.get(kind)
        },
    )
