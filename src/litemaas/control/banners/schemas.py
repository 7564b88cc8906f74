"""How do banners look in the API?"""

# ruff: noqa: RUF012 — pydantic copies defaults for each instance
from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from litemaas.control.http.shapes import Body, Moment, Name
from litemaas.core.permissions import Role

LANGUAGES = ("en", "fr", "es", "de", "it", "ja", "ko", "zh", "pt")
Variant = Literal["info", "warning", "danger", "success", "default"]
Language = Literal["en", "fr", "es", "de", "it", "ja", "ko", "zh", "pt"]


def _with_english(texts: dict[Language, str]) -> dict[Language, str]:
    if not texts.get("en", "").strip():
        raise ValueError("the text in English (en) is required")
    return texts


def _web(url: str) -> str:
    if not url.startswith(("https://", "http://")) or any(ord(c) <= 32 for c in url):
        raise ValueError("must be an http or https address")
    return url


Texts = Annotated[dict[Language, Annotated[str, Field(max_length=500)]], AfterValidator(_with_english)]
LinkTexts = dict[Language, Annotated[str, Field(max_length=100)]]
Url = Annotated[str, Field(max_length=500), AfterValidator(_web)]
Names = Annotated[list[Name], Field(max_length=1000)]


class _Banner(Body):
    variant: Variant = "info"
    is_active: bool = False
    priority: Annotated[int, Field(ge=0, le=100)] = 0
    dismissible: bool = True
    dismiss_duration_hours: Annotated[int, Field(ge=1, le=24 * 366)] | None = None
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    target_roles: list[Annotated[Role, Field(strict=False)]] | None = None
    target_users: Names | None = None
    target_groups: Names | None = None
    target_teams: Names | None = None
    link_url: Url | None = None
    link_text: LinkTexts = {}

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.starts_at is not None and self.ends_at is not None and self.ends_at <= self.starts_at:
            raise ValueError("ends_at must come after starts_at")
        return self


class BannerIn(_Banner):
    """``content`` is Markdown without HTML; null or empty targets mean everyone."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "maintenance",
                "content": {"en": "Maintenance on **Friday** at 18:00 UTC"},
                "variant": "warning",
                "is_active": True,
            }
        }
    )

    name: Annotated[str, Field(min_length=1, max_length=100)]
    content: Texts


class BannerPatch(_Banner):
    """Absent = unchanged. ``reset_dismissals``: shown again to those who dismissed it."""

    name: Annotated[str, Field(min_length=1, max_length=100)] = ""
    content: Texts = {}
    reset_dismissals: bool = False


class ShownBanner(BaseModel):
    """What a visitor gets."""

    id: str
    content: dict[str, str]
    variant: Variant
    priority: int
    dismissible: bool
    link_url: str | None
    link_text: dict[str, str]


class ShownBanners(BaseModel):
    data: list[ShownBanner]


class BannerOut(ShownBanner):
    name: str
    is_active: bool
    dismiss_duration_hours: int | None
    starts_at: datetime | None
    ends_at: datetime | None
    target_roles: list[str] | None
    target_users: list[str] | None
    target_groups: list[str] | None
    target_teams: list[str] | None
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str


class Visibility(Body):
    """Which banners are shown from now on: their ids and whether they are active."""

    banners: Annotated[dict[str, bool], Field(min_length=1, max_length=100)]
