"""Who may call a route? Each route says so with one gate; a test walks all routes and finds silent ones."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from litemaas.control.audit.service import record_refusal
from litemaas.control.auth import repository
from litemaas.control.auth.service import CSRF_HEADER, SESSION_COOKIE, Authenticator
from litemaas.control.http.once import take_key
from litemaas.control.http.rates import Rate, take
from litemaas.control.http.refusals import NotSignedIn, PermissionDenied, ReauthenticationRequired
from litemaas.control.http.work import Work
from litemaas.core.errors import LiteMaaSError, ServiceUnavailable
from litemaas.core.permissions import Permission
from litemaas.core.principals import NOBODY, Principal, PrincipalKind

_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class Open(StrEnum):
    """What a route may demand besides a permission."""

    PUBLIC = "public"
    SIGNED_IN = "signed in"


Demand = Permission | Open


class Gate:
    """The base of all declarations."""

    def demand(self, method: str) -> Demand:
        """What a request with this method needs."""
        raise NotImplementedError


class PublicGate(Gate):
    def demand(self, method: str) -> Demand:  # noqa: ARG002 — the same for all
        return Open.PUBLIC

    async def __call__(self) -> None:
        return None


class SignedInGate(Gate, HTTPBearer):
    """Lets in who has what the route demands, and puts the principal on the request's work."""

    def __init__(self, read: Demand, write: Demand) -> None:
        HTTPBearer.__init__(
            self, scheme_name="bearer", description="A personal or service token, or the master key", auto_error=False
        )
        self._read = read
        self._write = write

    def demand(self, method: str) -> Demand:
        return self._read if method in _READS else self._write

    async def __call__(self, request: Request) -> None:  # type: ignore[override]  # a gate opens or raises
        work: Work = request.state.work
        work.act_as(await _identify(request, work))
        is_browser = work.principal.kind is PrincipalKind.USER
        general: Rate | None = request.app.state.browser_rate if is_browser else request.app.state.general_rate
        if general is not None:
            await take_one(request, general)
        demanded = self.demand(request.method)
        if isinstance(demanded, Permission):
            require(work, demanded)
        if request.method not in _READS and not await repository.may_write(await work.connection()):
            raise ServiceUnavailable("A backup is being restored. Try again in a moment.")
        if request.method == "POST":
            work.once = await take_key(await work.connection(), work.vault, request, work.principal.id)


def requires(demanded: Demand, write: Demand | None = None) -> Any:
    """The dependency by which a route, or a router for all of its routes, declares who may call it.

    With two demands the first is for reading methods, the second for all others.
    """
    if demanded is Open.PUBLIC:
        return Depends(PublicGate())
    return Depends(SignedInGate(demanded, write or demanded))


def limited(rate: Rate, browsers: Rate | None = None) -> Any:
    """The dependency by which a route that costs much is bounded for each who asks; it comes after the gate.

    ``browsers``: what holds for people's pages instead, which ask several questions for one click.
    """

    async def bound(request: Request) -> None:
        work: Work = request.state.work
        await take_one(request, browsers if browsers and work.principal.kind is PrincipalKind.USER else rate)

    return Depends(bound)


async def take_one(request: Request, rate: Rate) -> None:
    """Counts one for who asks; the master key is not counted. Errors: TooManyRequests."""
    work: Work = request.state.work
    if not work.principal.is_master:
        await take(request.app.state.rates, rate, work.principal.id)


def require(work: Work, permission: Permission) -> None:
    """Errors: PermissionDenied, audited as ``auth.denied``."""
    if not work.principal.may(permission):
        record_refusal(work, "auth.denied", "permission", permission.value, "FORBIDDEN")
        raise PermissionDenied(f"This needs the permission {permission.value}.")


def require_sign_in_within(work: Work, within_s: int) -> None:
    """Units: seconds. Services never pass; the master key does.

    Errors: ReauthenticationRequired.
    """
    principal = work.principal
    if principal.is_master:
        return
    signed_in = principal.authenticated_at
    if signed_in is None or (work.now - signed_in).total_seconds() > within_s:
        raise ReauthenticationRequired("Sign in again first: this needs a sign-in of the last minutes.")


async def _identify(request: Request, work: Work) -> Principal:
    """Errors: NotSignedIn, SessionExpired, AccountDisabled, KeyMalformed, KeyUnknown, PermissionDenied."""
    authenticator: Authenticator = request.app.state.authenticator
    if authorization := request.headers.get("authorization"):
        return await authenticator.by_header(work, authorization)
    cookie = request.cookies.get(SESSION_COOKIE)
    if not cookie:
        raise NotSignedIn("Sign in, or send a token or the master key as 'Authorization: Bearer …'.")
    principal = await authenticator.by_cookie(work, cookie)
    if request.method not in _READS:
        authenticator.check_csrf(cookie, request.headers.get(CSRF_HEADER))
    return principal


async def optional_principal(request: Request) -> Principal:
    """Who asks on a public route, if they say so and it is true; else nobody."""
    work: Work = request.state.work
    try:
        return await _identify(request, work)
    except LiteMaaSError:
        return NOBODY
