"""How do notifications and webhooks look in the API?"""

# ruff: noqa: RUF012 — pydantic copies defaults for each instance
from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from litemaas.control.http.shapes import Body, PageQuery
from litemaas.control.notices.events import Event


class NoticeOut(BaseModel):
    """``title`` and ``message`` are in English; ``event`` and ``facts`` let a page write its own."""

    id: str
    event: str
    subject: str
    facts: dict[str, Any]
    title: str
    message: str
    at: datetime
    read_at: datetime | None


class NoticeQuery(PageQuery):
    unread: bool = False


class UnreadCount(BaseModel):
    unread: int


class Changed(BaseModel):
    changed: int


class Wishes(Body):
    inbox: bool = True
    email: bool = True


class Preferences(BaseModel):
    """Event → the channels that are wanted. Decisions and full budgets reach the inbox in any case."""

    events: dict[str, Wishes]


class PreferencesIn(Body):
    events: dict[Annotated[Event, Field(strict=False)], Wishes]


def _https(url: str) -> str:
    if not url.startswith("https://") or not urlsplit(url).hostname or any(ord(c) <= 32 for c in url):
        raise ValueError("must be an https address")
    return url


Url = Annotated[str, Field(max_length=2000), AfterValidator(_https)]
Events = Annotated[list[Annotated[Event, Field(strict=False)]], Field(max_length=100)]


class WebhookIn(Body):
    """``events`` empty = all. ``secret`` signs what is sent; without it one is made and shown once."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"url": "https://hooks.example.org/litemaas", "events": []}}
    )

    url: Url
    events: Events = []
    secret: Annotated[str, Field(min_length=16, max_length=200)] | None = None
    is_active: bool = True


class WebhookPatch(Body):
    """Absent = unchanged. ``is_active: true`` also forgets earlier failures."""

    url: Url = ""
    events: Events = []
    secret: Annotated[str, Field(min_length=16, max_length=200)] = ""
    is_active: bool = True


class WebhookOut(BaseModel):
    id: str
    url: str
    events: list[str]
    is_active: bool
    failures: int
    """In a row."""
    disabled_reason: str | None
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str


class NewWebhook(BaseModel):
    secret: str
    """Shown this once."""
    webhook: WebhookOut


class Webhooks(BaseModel):
    data: list[WebhookOut]


class Delivery(BaseModel):
    id: int
    event: str
    state: Literal["waiting", "delivered", "given_up", "skipped"]
    attempts: int
    status: int | None
    last_error: str | None
    created_at: datetime
    next_at: datetime
    ended_at: datetime | None


class Deliveries(BaseModel):
    data: list[Delivery]


class TestOutcome(BaseModel):
    """``ok``: whether the other side took it; ``detail`` says why not."""

    ok: bool
    detail: str


class TestEmail(Body):
    to: Annotated[str, Field(min_length=3, max_length=255, pattern=r"^[^@\s]+@[^@\s]+$")]
