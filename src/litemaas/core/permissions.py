"""Who may do what? Four roles, and the permissions that each of them carries; roles of one person add up.

Source: control-plane contract 3. ``docs/reference/permissions.md`` is made from this module.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Role(StrEnum):
    ADMIN = "admin"
    ADMIN_READONLY = "adminReadonly"
    USER = "user"
    READONLY = "readonly"
    """Views own data."""


class Permission(StrEnum):
    """``admin:`` reaches other people's data; without it, only one's own and that of one's teams."""

    MODELS_READ = "models:read"
    SUBSCRIPTIONS_READ = "subscriptions:read"
    SUBSCRIPTIONS_WRITE = "subscriptions:write"
    KEYS_READ = "api_keys:read"
    KEYS_WRITE = "api_keys:write"
    USAGE_READ = "usage:read"
    USAGE_EXPORT = "usage:export"
    TEAMS_READ = "teams:read"
    TOKENS_WRITE = "tokens:write"

    ADMIN_USERS_READ = "admin:users:read"
    ADMIN_USERS_WRITE = "admin:users:write"
    ADMIN_TEAMS_READ = "admin:teams:read"
    ADMIN_TEAMS_WRITE = "admin:teams:write"
    ADMIN_MODELS_READ = "admin:models:read"
    ADMIN_MODELS_WRITE = "admin:models:write"
    ADMIN_POLICIES_READ = "admin:policies:read"
    ADMIN_POLICIES_WRITE = "admin:policies:write"
    ADMIN_SUBSCRIPTIONS_READ = "admin:subscriptions:read"
    ADMIN_SUBSCRIPTIONS_WRITE = "admin:subscriptions:write"
    ADMIN_KEYS_READ = "admin:api_keys:read"
    ADMIN_KEYS_WRITE = "admin:api_keys:write"
    ADMIN_USAGE_READ = "admin:usage:read"
    ADMIN_USAGE_EXPORT = "admin:usage:export"
    ADMIN_USAGE_MAINTAIN = "admin:usage:maintain"
    ADMIN_REQUESTS_READ = "admin:requests:read"
    ADMIN_CHARGEBACK_READ = "admin:chargeback:read"
    ADMIN_CHARGEBACK_CLOSE = "admin:chargeback:close"
    ADMIN_AUDIT_READ = "admin:audit:read"
    ADMIN_SETTINGS_READ = "admin:settings:read"
    ADMIN_SETTINGS_WRITE = "admin:settings:write"
    ADMIN_BANNERS_READ = "admin:banners:read"
    ADMIN_BANNERS_WRITE = "admin:banners:write"
    ADMIN_BRANDING_WRITE = "admin:branding:write"
    ADMIN_WORKSHOPS_READ = "admin:workshops:read"
    ADMIN_WORKSHOPS_WRITE = "admin:workshops:write"
    ADMIN_HEALTH = "admin:health"
    ADMIN_TOKENS = "admin:tokens"
    ADMIN_BACKUP = "admin:backup"


_OWN_READ = frozenset({
    Permission.MODELS_READ, Permission.SUBSCRIPTIONS_READ, Permission.KEYS_READ, Permission.USAGE_READ,
    Permission.TEAMS_READ,
})  # fmt: skip
_OWN = _OWN_READ | {
    Permission.SUBSCRIPTIONS_WRITE, Permission.KEYS_WRITE, Permission.TOKENS_WRITE, Permission.USAGE_EXPORT,
}  # fmt: skip
_OVERSIGHT = frozenset(
    permission for permission in Permission
    if permission.startswith("admin:") and (permission.endswith(":read") or permission in {
        Permission.ADMIN_USAGE_EXPORT, Permission.ADMIN_HEALTH,
    })
)  # fmt: skip

MATRIX: dict[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission),
    Role.ADMIN_READONLY: _OWN_READ | {Permission.USAGE_EXPORT} | _OVERSIGHT,
    Role.USER: _OWN,
    Role.READONLY: _OWN_READ,
}


def permissions_of(roles: Iterable[str]) -> frozenset[Permission]:
    """The union over ``roles``; names that are no role carry nothing."""
    return frozenset().union(*(MATRIX[Role(role)] for role in roles if role in set(Role)))
