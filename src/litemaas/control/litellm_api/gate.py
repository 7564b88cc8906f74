"""Who is calling, in any of LiteLLM's header forms? The master key may do everything, a virtual key read about itself."""

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
from litemaas.core.errors import (
    KeyBlocked,
    KeyExpired,
    KeyMalformed,
    KeyMissing,
    KeyUnknown,
    MasterKeyRequired,
    ServiceUnavailable,
)
from litemaas.core.keys import KEY_PREFIX, VirtualKey, hash_key, mask_key
from litemaas.core.keys import Access as ModelAccess
from litemaas.core.principals import MASTER, Principal, PrincipalKind

_OTHER_HEADERS = ("api-key", "x-api-key", "x-goog-api-key", "ocp-apim-subscription-key")


class Caller(msgspec.Struct, frozen=True):
    """``row`` is the virtual key's; None = the master key."""

    row: Row[Any] | None

    @property
    def is_master(self) -> bool:
        return self.row is None

    def may_see(self, model: str, access_groups: list[str]) -> bool:
        if self.row is None:
            return True
        key = VirtualKey(
            key_hash=self.row.key_hash, key_name=self.row.key_name, models=tuple(self.row.models),
            access={linked: ModelAccess() for linked in self.row.models} if self.row.governed else None,
        )  # fmt: skip
        return key.may_call(model, tuple(access_groups))


class Access(StrEnum):
    """What a call of this API demands."""

    MASTER = "master key"
    VIRTUAL_KEY = "virtual key"
    """A virtual key about itself; the master key, too."""


class FacadeGate:
    """Refusals of virtual keys have LiteLLM's codes: 401, on ``/key/list`` 403."""

    def __init__(self, access: Access, refusal: int) -> None:
        self.access = access
        self._refusal = refusal

    async def __call__(self, request: Request) -> None:
        authenticator: Authenticator = request.app.state.authenticator
        work: Work = request.state.work
        presented = presented_key(request)
        if request.method == "POST" and not await may_write(await work.connection()):
            raise ServiceUnavailable("A backup is being restored. Try again in a moment.")
        if authenticator.is_master(presented):
            work.act_as(MASTER)
            request.state.caller = Caller(None)
            return
        row = await _live_key(work, presented)
        if self.access is not Access.VIRTUAL_KEY:
            message = "This call needs the master key."
            if self._refusal != 401:
                raise Refused(self._refusal, "auth_error", "None", message)
            raise MasterKeyRequired(message)
        work.act_as(Principal(kind=PrincipalKind.SERVICE, id=row.key_name, name=row.key_name))
        request.state.caller = Caller(row)


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


async def _live_key(work: Work, presented: str) -> Row[Any]:
    key_hash = hash_key(presented)
    row = await repository.find_by_secret(await work.connection(), key_hash, work.now)
    if row is None:
        raise KeyUnknown(f"Authentication error: the key {mask_key(presented)} (hash {key_hash}) was not found.")
    if row.blocked or row.revoked_at is not None:
        raise KeyBlocked(f"Authentication error: the key {row.key_name} is blocked.")
    if row.expires_at is not None and row.expires_at <= work.now:
        raise KeyExpired(f"Authentication error: the key {row.key_name} has expired.", row.key_name)
    return row
