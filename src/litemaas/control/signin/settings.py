"""How do people get in? Identity providers, who has which role by group, and what a new user may spend; read at the start.

Source: control-plane contract 2 and 17.
"""

from __future__ import annotations

from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from litemaas.core.permissions import Role
from litemaas.core.principals import TOKEN_PREFIX
from litemaas.core.windows import check_window
from litemaas.kit.settings import SettingsError

_MIN_TOKEN = 32
_NO_ROLES = "none"
GROUP_ROLES: dict[str, tuple[Role, ...]] = {
    "litemaas-admins": (Role.ADMIN, Role.USER),
    "litemaas-users": (Role.USER,),
    "litemaas-readonly": (Role.ADMIN_READONLY, Role.USER),
}
"""Groups that have roles without any setting."""


class SignInSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``role_groups``: like ``platform=admin,user;auditors=adminReadonly``. ``default_roles``: what everybody has; ``none``.

    ``initial_admins``: usernames without ``@``, e-mail addresses that the provider asserts as verified, or subjects, with
    commas between them.
    """

    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: str | None = None
    oidc_scopes: str = "openid profile email"
    oidc_groups_claim: str = "groups"
    openshift_oauth_url: str | None = None
    openshift_api_url: str | None = None
    openshift_client_id: str | None = None
    openshift_client_secret: str | None = None
    ca_bundle: str | None = None
    initial_admins: str = ""
    role_groups: str = ""
    default_roles: str = "user"
    link_by_verified_email: bool = False
    bootstrap_token: str | None = None
    developer_sign_in: bool = False
    default_user_max_budget: Decimal | None = None
    default_user_budget_duration: str | None = None
    default_user_tpm: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    default_user_rpm: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None

    @property
    def has_provider(self) -> bool:
        return self.oidc_issuer is not None or self.openshift_oauth_url is not None


class Surroundings(msgspec.Struct, frozen=True):
    """What else decides whether a way in is safe. ``single_machine``: the one-machine start."""

    public_url: str | None
    host: str
    single_machine: bool


def check_sign_in(settings: SignInSettings, around: Surroundings) -> None:
    """Errors: SettingsError naming the variable, never a secret."""
    group_roles_of(settings)
    default_roles_of(settings)
    _check_provider(settings, around)
    _check_developer_sign_in(settings, around)
    token = settings.bootstrap_token
    if token is not None and (not token.startswith(TOKEN_PREFIX) or len(token) < _MIN_TOKEN or not token.isascii()):
        raise SettingsError(
            f"LITEMAAS_BOOTSTRAP_TOKEN: must start with {TOKEN_PREFIX} and have at least {_MIN_TOKEN} random characters"
        )
    if settings.ca_bundle is not None and not Path(settings.ca_bundle).is_file():
        raise SettingsError("LITEMAAS_CA_BUNDLE: there is no such file")
    budget = settings.default_user_max_budget
    if budget is not None and not 0 <= budget < 2**33:
        raise SettingsError("LITEMAAS_DEFAULT_USER_MAX_BUDGET: must be an amount of money, at least 0")
    if settings.default_user_budget_duration is not None:
        try:
            check_window(settings.default_user_budget_duration)
        except ValueError as error:
            raise SettingsError(f"LITEMAAS_DEFAULT_USER_BUDGET_DURATION: {error}") from None


def group_roles_of(settings: SignInSettings) -> dict[str, tuple[Role, ...]]:
    """Errors: SettingsError."""
    found = dict(GROUP_ROLES)
    for entry in filter(None, (part.strip() for part in settings.role_groups.split(";"))):
        group, equals, roles = entry.rpartition("=")
        if not equals or not group.strip():
            raise SettingsError("LITEMAAS_ROLE_GROUPS: write group=role,role and ';' between groups")
        found[group.strip()] = _roles("LITEMAAS_ROLE_GROUPS", roles)
    return found


def default_roles_of(settings: SignInSettings) -> tuple[Role, ...]:
    """Errors: SettingsError."""
    if settings.default_roles.strip() == _NO_ROLES:
        return ()
    return _roles("LITEMAAS_DEFAULT_ROLES", settings.default_roles)


def initial_admins_of(settings: SignInSettings) -> frozenset[str]:
    """In lower case."""
    return frozenset(name.strip().lower() for name in settings.initial_admins.split(",") if name.strip())


def _roles(variable: str, written: str) -> tuple[Role, ...]:
    names = [name.strip() for name in written.split(",") if name.strip()]
    try:
        return tuple(Role(name) for name in names)
    except ValueError:
        raise SettingsError(f"{variable}: roles are {', '.join(Role)}") from None


def _check_provider(settings: SignInSettings, around: Surroundings) -> None:
    groups = {
        "OIDC": (settings.oidc_issuer, settings.oidc_client_id),
        "OPENSHIFT": (
            settings.openshift_oauth_url, settings.openshift_api_url, settings.openshift_client_id,
            settings.openshift_client_secret,
        ),
    }  # fmt: skip
    members = {"OIDC": "ISSUER and CLIENT_ID", "OPENSHIFT": "OAUTH_URL, API_URL, CLIENT_ID and CLIENT_SECRET"}
    for name, values in groups.items():
        if any(values) and not all(values):
            raise SettingsError(f"LITEMAAS_{name}_*: {members[name]} must be set together")
    if "openid" not in settings.oidc_scopes.split():
        raise SettingsError("LITEMAAS_OIDC_SCOPES: must hold openid")
    for variable, url in (
        ("OIDC_ISSUER", settings.oidc_issuer),
        ("OPENSHIFT_OAUTH_URL", settings.openshift_oauth_url),
        ("OPENSHIFT_API_URL", settings.openshift_api_url),
    ):
        if url is not None and not may_be_asked(url, single_machine=around.single_machine):
            raise SettingsError(f"LITEMAAS_{variable}: must be an https:// address")
    if settings.has_provider and not is_origin(around.public_url):
        raise SettingsError(
            "LITEMAAS_PUBLIC_URL: people come back from the identity provider to it; set it like https://…"
        )


def _check_developer_sign_in(settings: SignInSettings, around: Surroundings) -> None:
    if not settings.developer_sign_in:
        return
    reasons = {
        "only `litemaas up` may have it": not around.single_machine,
        "an identity provider is set": settings.has_provider,
        "LITEMAAS_PUBLIC_URL is not on this machine": around.public_url is not None and not is_here(around.public_url),
        "LITEMAAS_CONTROL__HOST is not a loopback address": not is_loopback(around.host),
    }
    for reason, holds in reasons.items():
        if holds:
            raise SettingsError(f"LITEMAAS_DEVELOPER_SIGN_IN: everybody could be an administrator, and {reason}")


def may_be_asked(url: str, *, single_machine: bool) -> bool:
    """Whether secrets may go there: https, or plain on this machine in the one-machine start."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username is not None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and single_machine and is_loopback(parts.hostname))


def is_origin(url: str | None) -> bool:
    parts = urlsplit(url or "")
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.fragment


def is_here(url: str) -> bool:
    return is_loopback(urlsplit(url).hostname or "")


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
