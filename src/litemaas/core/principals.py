"""Who acts on the control plane? A person by session or personal token, a service, the master key, or the platform itself."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from litemaas.core.permissions import Permission, Role, permissions_of

TOKEN_PREFIX = "lmt_"  # noqa: S105 — how tokens of people and services begin, none of them
MASTER_ACTOR = "default_user_id"
"""Who the master key acts as; LiteLLM's word, which clients see in ``created_by`` (gateway-api contract 2)."""


class PrincipalKind(StrEnum):
    """``user``: a session; ``token``: a personal token; ``service``: a service token or the master key."""

    USER = "user"
    TOKEN = "token"  # noqa: S105 — the contract's word for a kind of actor
    SERVICE = "service"
    SYSTEM = "system"
    ANONYMOUS = "anonymous"


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Read anew for each request. ``user_id``: the person, None for services and the platform itself.

    ``authenticated_at``: when the person signed in at the provider; None where nobody did, as with tokens.
    """

    kind: PrincipalKind
    id: str
    name: str
    roles: tuple[Role, ...] = ()
    permissions: frozenset[Permission] = frozenset()
    user_id: str | None = None
    session_id: str | None = None
    authenticated_at: datetime | None = None
    is_master: bool = False

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions


NOBODY = Principal(kind=PrincipalKind.ANONYMOUS, id="nobody", name="nobody")
SYSTEM = Principal(kind=PrincipalKind.SYSTEM, id="system", name="LiteMaaS", permissions=frozenset(Permission))
MASTER = Principal(
    kind=PrincipalKind.SERVICE, id=MASTER_ACTOR, name="master key", roles=(Role.ADMIN,),
    permissions=permissions_of((Role.ADMIN,)), is_master=True,
)  # fmt: skip
BOOTSTRAP = Principal(
    kind=PrincipalKind.SERVICE, id="bootstrap", name="bootstrap token", roles=(Role.ADMIN,),
    permissions=permissions_of((Role.ADMIN,)), is_master=True,
)  # fmt: skip
"""Whoever has the token of the setting ``BOOTSTRAP_TOKEN``: makes the first service tokens, under a name of its own."""
