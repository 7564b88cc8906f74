"""Which paths show and end one's sessions, and make and delete tokens of people and services?"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request
from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.auth.gates import Open, requires
from litemaas.control.auth.service import hash_secret, person_of
from litemaas.control.http.refusals import InvalidRequestMembers, Mend, PermissionDenied
from litemaas.control.http.shapes import PROBLEMS
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.settings.recency import require_recent_sign_in
from litemaas.control.signin import repository
from litemaas.control.signin.schemas import (
    AuthProvider,
    AuthState,
    Ended,
    NewToken,
    OwnSession,
    OwnSessions,
    ServiceTokenIn,
    TokenIn,
    TokenOut,
    Tokens,
)
from litemaas.control.signin.service import SignIn
from litemaas.core.errors import InvalidField, NotFound
from litemaas.core.permissions import Permission
from litemaas.core.principals import TOKEN_PREFIX, PrincipalKind

router = APIRouter(prefix="/api/v1", tags=["sessions and tokens"], route_class=WorkRoute, responses=PROBLEMS)
_SIGNED_IN = [requires(Open.SIGNED_IN)]
_SERVICES = [requires(Permission.ADMIN_TOKENS)]
_USUAL_DAYS = 90
_MOST_DAYS = 365

# -- sessions -----------------------------------------------------------------------------------------------------------


@router.get("/me/sessions", dependencies=_SIGNED_IN)
async def list_sessions(work: WorkOf) -> OwnSessions:
    """One's own sessions, the newest first."""
    rows = await repository.sessions_of(await work.connection(), person_of(work), work.now)
    current = work.principal.session_id
    return OwnSessions(
        data=[OwnSession(**_members(OwnSession, row, "is_current"), is_current=row.id == current) for row in rows]
    )


@router.delete("/me/sessions", dependencies=_SIGNED_IN)
async def end_other_sessions(work: WorkOf) -> Ended:
    """Ends all of one's sessions but the one that asks."""
    user_id = person_of(work)
    ended = await repository.end_other_sessions(await work.connection(), user_id, work.principal.session_id)
    await record(work, "auth.sessions_ended", "user", user_id, {"ended": ended}, work.principal.name)
    return Ended(ended=ended)


@router.delete("/me/sessions/{session_id}", dependencies=_SIGNED_IN, status_code=204)
async def end_session(work: WorkOf, session_id: str) -> None:
    """Ends one of one's own sessions."""
    user_id = person_of(work)
    if not await repository.end_session(await work.connection(), user_id, session_id):
        raise NotFound("The session was not found.")
    await record(work, "auth.sessions_ended", "user", user_id, {"session": session_id}, work.principal.name)


# -- personal tokens ----------------------------------------------------------------------------------------------------


@router.get("/me/tokens", dependencies=_SIGNED_IN)
async def list_tokens(work: WorkOf) -> Tokens:
    """One's own tokens, without their secrets."""
    rows = await repository.tokens_of(await work.connection(), person_of(work))
    return Tokens(data=[_token(row) for row in rows])


@router.post("/me/tokens", dependencies=[requires(Permission.TOKENS_WRITE)], status_code=201)
async def create_token(work: WorkOf, body: TokenIn) -> NewToken:
    """Makes a token for scripts; it can do what it names, as long as its owner can. Tokens make no tokens."""
    user_id = person_of(work)
    if work.principal.kind is not PrincipalKind.USER:
        raise PermissionDenied("Sign in with a browser to make a token: a token cannot prolong its own life.")
    _refuse_more_than(work.principal.permissions, body.permissions)
    latest = work.now + timedelta(days=_MOST_DAYS)
    expires_at = body.expires_at or work.now + timedelta(days=_USUAL_DAYS)
    if not work.now < expires_at <= latest:
        raise InvalidField(f"expires_at must be in the future, at most {_MOST_DAYS} days ahead.", "expires_at")
    return await _create(work, "personal", user_id, body, expires_at)


@router.delete("/me/tokens/{token_id}", dependencies=[requires(Permission.TOKENS_WRITE)], status_code=204)
async def delete_token(work: WorkOf, token_id: str) -> None:
    """Ends one of one's own tokens at once."""
    await _delete(work, person_of(work), token_id)


# -- service tokens -----------------------------------------------------------------------------------------------------


@router.get("/admin/service-tokens", dependencies=_SERVICES)
async def list_service_tokens(work: WorkOf) -> Tokens:
    """All tokens of services, without their secrets."""
    return Tokens(data=[_token(row) for row in await repository.tokens_of(await work.connection(), None)])


@router.post("/admin/service-tokens", dependencies=_SERVICES, status_code=201)
async def create_service_token(work: WorkOf, body: ServiceTokenIn) -> NewToken:
    """Makes a token that belongs to nobody and stands in the audit by its own name. Needs a recent sign-in."""
    await require_recent_sign_in(work)
    _refuse_more_than(work.principal.permissions, body.permissions)
    if body.expires_at is not None and body.expires_at <= work.now:
        raise InvalidField("expires_at must be in the future.", "expires_at")
    return await _create(work, "service", None, body, body.expires_at)


@router.delete("/admin/service-tokens/{token_id}", dependencies=_SERVICES, status_code=204)
async def delete_service_token(work: WorkOf, token_id: str) -> None:
    """Ends a service's token at once."""
    await _delete(work, None, token_id)


@router.get("/admin/auth", dependencies=[requires(Permission.ADMIN_SETTINGS_READ)])
async def get_auth(request: Request) -> AuthState:
    """How people get in: providers and what is known of them, and which groups have which roles."""
    sign_in: SignIn = request.app.state.sign_in
    states = [provider.state() for provider in sign_in.providers.values()]
    return AuthState(
        providers=[
            AuthProvider(**{name: getattr(state, name) for name in AuthProvider.model_fields}) for state in states
        ],
        developer_sign_in=sign_in.developer_sign_in,
        role_groups={group: list(roles) for group, roles in sign_in.rules.group_roles.items()},
        default_roles=list(sign_in.rules.default_roles),
        link_by_verified_email=sign_in.rules.link_by_verified_email,
    )


async def _create(work: Work, kind: str, user_id: str | None, body: TokenIn, expires_at: datetime | None) -> NewToken:
    token_id, secret = str(uuid4()), TOKEN_PREFIX + secrets.token_urlsafe(32)
    permissions = sorted({permission.value for permission in body.permissions})
    values = {
        "id": token_id, "secret_hash": hash_secret(secret), "kind": kind, "user_id": user_id, "name": body.name,
        "hint": secret[-4:], "permissions": permissions, "expires_at": expires_at, "created_at": work.now,
        "created_by": work.actor,
    }  # fmt: skip
    await repository.add_token(await work.connection(), values)
    told = {"kind": kind, "permissions": permissions, "expires_at": expires_at.isoformat() if expires_at else None}
    await record(work, "token.created", "token", token_id, told, body.name)
    shown = {name: values[name] for name in TokenOut.model_fields}
    return NewToken(secret=secret, token=TokenOut.model_validate(shown, strict=False))


async def _delete(work: Work, user_id: str | None, token_id: str) -> None:
    row = await repository.drop_token(await work.connection(), user_id, token_id)
    if row is None:
        raise NotFound("The token was not found.")
    await record(work, "token.deleted", "token", token_id, {"kind": row.kind}, row.name)


def _refuse_more_than(held: Collection[Permission], asked: Collection[Permission]) -> None:
    """Errors: InvalidRequestMembers naming every permission that the asker does not have."""
    beyond = sorted(set(asked) - set(held))
    if beyond:
        message = "You cannot give a permission that you do not have: {}."
        raise InvalidRequestMembers([Mend("permissions", message.format(one), "not_held") for one in beyond])


def _token(row: Row[Any]) -> TokenOut:
    known = [name for name in row.permissions if name in set(Permission)]
    return TokenOut(**_members(TokenOut, row, "permissions"), permissions=known)


def _members(kind: type[OwnSession | TokenOut], row: Row[Any], *besides: str) -> dict[str, Any]:
    return {name: row._mapping[name] for name in kind.model_fields if name not in besides}
