"""Who does an identity provider say this is, and how is a provider asked? One interface for OIDC and OpenShift."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

import httpx2
import msgspec

from litemaas.control.http.refusals import PartnerFailed
from litemaas.core.permissions import Role

TIMEOUT_S = 10.0
_MAX_TEXT = 255
_MAX_GROUPS = 2_000


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider asserts. ``admin_names``: in lower case, what may stand in the setting of initial admins: never an
    e-mail address that is not verified.
    """

    provider: str
    subject: str
    username: str
    email: str | None = None
    email_verified: bool = False
    full_name: str | None = None
    groups: tuple[str, ...] = ()
    admin_names: frozenset[str] = frozenset()
    fixed_roles: tuple[Role, ...] | None = None
    """Instead of what groups and settings give: for the people of a single machine."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One sign-in under way; all of it is made and kept by us. ``nonce`` comes back inside the ID token."""

    state: str
    nonce: str
    verifier: str
    redirect_uri: str


class ProviderState(msgspec.Struct, frozen=True):
    """What administrators see of a provider."""

    provider: str
    host: str
    groups_claim: str | None
    discovery: str
    discovered_at: datetime | None = None


class Provider(Protocol):
    name: str

    async def address(self, attempt: Attempt, now: datetime) -> str:
        """Where the browser is sent. Errors: PartnerFailed."""

    async def identity(self, attempt: Attempt, code: str, answering_issuer: str | None, now: datetime) -> Identity:
        """Who has come back with this code. Errors: PartnerFailed, NotSignedIn."""

    async def logout_address(self, back_to: str, now: datetime) -> str | None:
        """Where the provider's own session ends; None where it has no such place. Never raises."""

    def state(self) -> ProviderState:
        """Without asking anybody."""


def tls_of(ca_bundle: str | None) -> ssl.SSLContext:
    """Certificates are always checked; ``ca_bundle`` adds to what the system trusts."""
    context = ssl.create_default_context()
    if ca_bundle is not None:
        context.load_verify_locations(cafile=ca_bundle)
    return context


async def get_json(client: httpx2.AsyncClient, url: str, what: str, token: str | None = None) -> dict[str, Any]:
    """Errors: PartnerFailed."""
    headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        answer = await client.get(url, headers=headers)
        read = answer.json() if answer.status_code == 200 else None
    except (httpx2.HTTPError, ValueError):
        read = None
    if not isinstance(read, dict):
        raise PartnerFailed(f"The identity provider's {what} cannot be read. Try again, or tell your administrator.")
    return read


def text_of(value: object) -> str | None:
    """A claim as text that can be stored; None when it is none."""
    if not isinstance(value, str):
        return None
    cleaned = "".join(character for character in value if character.isprintable()).strip()
    return cleaned[:_MAX_TEXT] or None


def groups_of(value: object) -> tuple[str, ...]:
    """A claim of groups, as they are named; missing or strange = none."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, Sequence):
        return ()
    names = [name for name in value if isinstance(name, str) and 0 < len(name) <= _MAX_TEXT and "\0" not in name]
    return tuple(dict.fromkeys(names))[:_MAX_GROUPS]
