"""Which role does a route demand? Each route says so with ``requires``; a test walks the routes and finds silent ones."""

from __future__ import annotations

from typing import Any

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from litemaas.control.auth.service import Authenticator, Role
from litemaas.control.http.work import Work


class RoleGate:
    """The base of all role declarations."""

    role: Role


class PublicGate(RoleGate):
    role = Role.PUBLIC

    async def __call__(self) -> None:
        return None


class AdminGate(RoleGate, HTTPBearer):
    """Lets the master key in and puts its actor on the request's work."""

    role = Role.ADMIN

    def __init__(self) -> None:
        HTTPBearer.__init__(self, scheme_name="masterKey", description="The master key", auto_error=False)

    async def __call__(self, request: Request) -> None:  # type: ignore[override]  # a gate opens or raises
        authenticator: Authenticator = request.app.state.authenticator
        actor = authenticator.identify(request.headers.get("authorization"))
        work: Work = request.state.work
        work.actor = actor


def requires(role: Role) -> Any:
    """The dependency by which a route declares who may call it."""
    return Depends(PublicGate() if role is Role.PUBLIC else AdminGate())
