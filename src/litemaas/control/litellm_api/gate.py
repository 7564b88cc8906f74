"""Who is calling, in any of LiteLLM's header forms? The master key may do everything, a virtual key read about itself.

Keys that LiteLLM's clients made act with the roles of their user: an administrator's may do everything, an overseer's read
everything, others' look after what is theirs. Keys of the portal are for calls of models: their owners have tokens.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Request
from sqlalchemy import Row

from litemaas.control.auth.repository import may_write
from litemaas.control.auth.service import Authenticator
from litemaas.control.http.work import Work
from litemaas.control.keys import repository
from litemaas.control.litellm_api.errors import Refused
from litemaas.control.teams import repository as teams
from litemaas.control.users import repository as people
from litemaas.core.errors import (
    KeyBlocked,
    KeyExpired,
    KeyMalformed,
    KeyMissing,
    KeyUnknown,
    MasterKeyRequired,
    RouteNotAllowed,
    ServiceUnavailable,
)
from litemaas.core.keys import KEY_PREFIX, VirtualKey, ceilings_of, hash_key, mask_key
from litemaas.core.keys import Access as ModelAccess
from litemaas.core.permissions import Role, permissions_of
from litemaas.core.principals import MASTER, Principal, PrincipalKind
from litemaas.core.routes import MANAGEMENT, is_route_allowed, routes_of

_OTHER_HEADERS = ("api-key", "x-api-key", "x-goog-api-key", "ocp-apim-subscription-key")


class Caller(msgspec.Struct, frozen=True):
    """``row`` is the virtual key's; None = the master key. ``user``: its owner's row, if it may act for them."""

    row: Row[Any] | None
    user: Row[Any] | None = None
    ceilings: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def is_master(self) -> bool:
        return self.row is None

    @property
    def is_admin(self) -> bool:
        return self.row is None or Role.ADMIN in self.roles

    @property
    def sees_all(self) -> bool:
        return self.is_admin or Role.ADMIN_READONLY in self.roles

    @property
    def roles(self) -> list[str]:
        return [] if self.user is None else [*self.user.granted_roles, *self.user.derived_roles]

    @property
    def user_id(self) -> str | None:
        return self.row.user_id if self.row is not None else None

    def is_key(self, key_hash: str) -> bool:
        row = self.row
        return row is not None and key_hash in (row.key_hash, row.secret_hash, row.old_secret_hash)

    def owns(self, key: Row[Any]) -> bool:
        """Whether a key is the caller itself, or its person's."""
        return self.is_key(key.key_hash) or (self.user is not None and key.user_id == self.user.id)

    def may_see(self, model: str, access_groups: list[str]) -> bool:
        if self.row is None:
            return True
        key = VirtualKey(
            key_hash=self.row.key_hash, key_name=self.row.key_name, models=tuple(self.row.models),
            access={linked: ModelAccess() for linked in self.row.models} if self.row.governed else None,
            ceilings=self.ceilings,
        )  # fmt: skip
        return key.may_call(model, tuple(access_groups))


class Access(StrEnum):
    """What a call of this API demands."""

    MASTER = "master key, or a key of an administrator"
    READER = "master key, or a key of an administrator or overseer"
    VIRTUAL_KEY = "any key"
    """A virtual key about itself and its person; the master key, too."""
    PUBLIC = "no key"


_REFUSALS = {
    Access.MASTER: "This call needs the master key or the key of an administrator.",
    Access.READER: "This call needs the master key or the key of somebody who may read everything.",
}


class FacadeGate:
    """Refusals of virtual keys have LiteLLM's codes: 401, on ``/key/list`` 403."""

    def __init__(self, access: Access, refusal: int) -> None:
        self.access = access
        self._refusal = refusal

    async def __call__(self, request: Request) -> None:
        if self.access is Access.PUBLIC:
            return
        authenticator: Authenticator = request.app.state.authenticator
        work: Work = request.state.work
        presented = presented_key(request)
        if request.method not in ("GET", "HEAD") and not await may_write(await work.connection()):
            raise ServiceUnavailable("A backup is being restored. Try again in a moment.")
        if authenticator.is_master(presented):
            work.act_as(MASTER)
            request.state.caller = Caller(None)
            return
        caller = await _live_caller(work, presented)
        _check_route(caller, request)
        allowed = {Access.MASTER: caller.is_admin, Access.READER: caller.sees_all, Access.VIRTUAL_KEY: True}
        if not allowed[self.access]:
            if self._refusal != 401:
                raise Refused(self._refusal, "auth_error", "None", _REFUSALS[self.access])
            raise MasterKeyRequired(_REFUSALS[self.access])
        work.act_as(_principal(caller))
        request.state.caller = caller


def _check_route(caller: Caller, request: Request) -> None:
    """Errors: RouteNotAllowed for a key that is for something else."""
    routes = routes_of(caller.row.extras) if caller.row is not None else ()
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    if not is_route_allowed(routes, MANAGEMENT, path, is_info=request.method in ("GET", "HEAD")):
        raise RouteNotAllowed(f"This key may not be used for {path[:200]}; it is for {', '.join(routes)[:500]}.")


def _principal(caller: Caller) -> Principal:
    row, user = caller.row, caller.user
    assert row is not None  # noqa: S101 — the master key acts as itself
    if user is None:
        return Principal(kind=PrincipalKind.SERVICE, id=row.key_name, name=row.key_name)
    roles = tuple(Role(role) for role in caller.roles if role in set(Role))
    return Principal(
        kind=PrincipalKind.TOKEN, id=user.id, name=user.username, roles=roles, permissions=permissions_of(roles),
        user_id=user.id,
    )  # fmt: skip


def facade_requires(access: Access, refusal: int = 401) -> Any:
    """The dependency by which a route of this API declares who may call it."""
    return Depends(FacadeGate(access, refusal))


def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


CallerOf = Annotated[Caller, Depends(_caller)]


def presented_key(request: Request) -> str:
    """The first header that carries a key (gateway-api contract 2). Errors: KeyMissing, KeyMalformed."""
    headers = request.headers
    if own := headers.get("x-litellm-api-key"):
        scheme, space, rest = own.partition(" ")
        presented = rest if space and scheme.lower() == "bearer" else own
    elif authorization := headers.get("authorization"):
        scheme, _, presented = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise KeyMalformed("Authentication error: write 'Authorization: Bearer sk-…'.")
    else:
        presented = next((value for name in _OTHER_HEADERS if (value := headers.get(name))), "")
        if not presented:
            raise KeyMissing("Authentication error: no API key was sent. Use 'Authorization: Bearer sk-…'.")
    presented = presented.strip()
    if not presented.startswith(KEY_PREFIX):
        raise KeyMalformed("Authentication error: an API key starts with 'sk-'.")
    return presented


async def _live_caller(work: Work, presented: str) -> Caller:
    key_hash = hash_key(presented)
    connection = await work.connection()
    row = await repository.find_by_secret(connection, key_hash, work.now)
    if row is None:
        raise KeyUnknown(f"Authentication error: the key {mask_key(presented)} (hash {key_hash}) was not found.")
    user = await people.find(connection, row.user_id) if row.user_id is not None else None
    team = await teams.find(connection, row.team_id) if row.team_id is not None else None
    is_blocked = row.blocked or row.revoked_at is not None or (user is not None and not user.is_active)
    if is_blocked or (team is not None and (not team.is_active or team.archived_at is not None)):
        raise KeyBlocked(f"Authentication error: the key {row.key_name} is blocked.")
    if row.expires_at is not None and row.expires_at <= work.now:
        raise KeyExpired(f"Authentication error: the key {row.key_name} has expired.", row.key_name)
    models = user.extras.get("models") if user is not None else None
    ceilings = ceilings_of(team.allowed_models if team is not None else None, models, has_team=row.team_id is not None)
    return Caller(row, None if row.governed else user, ceilings)
