"""How do sign-in, sessions and tokens look in the API? Secrets are shown once, when they are made."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from litemaas.control.http.shapes import Body, Moment
from litemaas.core.permissions import Permission, Role

DevUser = Literal["admin", "user", "adminReadonly"]
ProviderName = Literal["oidc", "openshift"]


class Providers(BaseModel):
    """``dev_users``: the fixed people of a single machine; elsewhere there are none."""

    providers: list[ProviderName]
    dev_users: list[DevUser]


class LoginQuery(BaseModel):
    """``return_to``: a path of the portal, like ``/models``."""

    model_config = ConfigDict(extra="forbid")

    provider: ProviderName
    return_to: Annotated[str, Field(max_length=2000)] = "/"


class DevLogin(Body):
    model_config = ConfigDict(json_schema_extra={"example": {"dev_user": "user"}})

    dev_user: DevUser


class SessionUser(BaseModel):
    id: str
    username: str
    email: str | None
    full_name: str | None
    language: str | None


class SessionOut(BaseModel):
    """``csrf_token`` goes into ``X-CSRF-Token`` of every write that is made with the cookie."""

    user: SessionUser
    roles: list[Role]
    permissions: list[Permission]
    expires_at: datetime
    ends_at: datetime
    """Renewing cannot pass it."""
    csrf_token: str
    organises_workshops: bool
    """Some workshop names this person as an organiser."""


class Renewed(BaseModel):
    expires_at: datetime


class LoggedOut(BaseModel):
    """Where the provider's own session ends, if it has such a place."""

    logout_url: str | None


class OwnSession(BaseModel):
    id: str
    provider: str
    authenticated_at: datetime
    expires_at: datetime
    created_at: datetime
    address: str | None
    user_agent: str | None
    is_current: bool


class OwnSessions(BaseModel):
    data: list[OwnSession]


class Ended(BaseModel):
    ended: int


class TokenIn(Body):
    """``permissions``: some of one's own. ``expires_at``: at most 365 days ahead; without it 90 days."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "nightly report", "permissions": ["usage:read", "usage:export"]}}
    )

    name: Annotated[str, Field(min_length=1, max_length=100)]
    permissions: Annotated[list[Annotated[Permission, Field(strict=False)]], Field(min_length=1)]
    expires_at: Moment | None = None


class ServiceTokenIn(TokenIn):
    """``expires_at``: without it the token does not expire."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "automation", "permissions": ["admin:models:read"]}}
    )


class TokenOut(BaseModel):
    id: str
    name: str
    hint: str
    """How the secret ends."""
    permissions: list[Permission]
    expires_at: datetime | None
    created_at: datetime
    created_by: str


class Tokens(BaseModel):
    data: list[TokenOut]


class NewToken(BaseModel):
    """``secret`` is shown this once."""

    secret: str
    token: TokenOut


class AuthProvider(BaseModel):
    provider: ProviderName
    host: str
    groups_claim: str | None
    discovery: str
    discovered_at: datetime | None


class AuthState(BaseModel):
    """How people get in; never a secret."""

    providers: list[AuthProvider]
    developer_sign_in: bool
    role_groups: dict[str, list[Role]]
    default_roles: list[Role]
    link_by_verified_email: bool
