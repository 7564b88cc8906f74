"""Who is behind these credentials? A session's cookie, a person's or service's token, or the master key; read per request."""

from __future__ import annotations

import hashlib
import hmac

from sqlalchemy import Row

from litemaas.control.auth import repository
from litemaas.control.http.refusals import AccountDisabled, NotSignedIn, PermissionDenied, SessionExpired
from litemaas.control.http.work import Work
from litemaas.core.errors import KeyMalformed, KeyUnknown
from litemaas.core.permissions import Permission, Role, permissions_of
from litemaas.core.principals import BOOTSTRAP, MASTER, TOKEN_PREFIX, Principal, PrincipalKind

SESSION_COOKIE = "litemaas_session"
CSRF_HEADER = "x-csrf-token"


class Authenticator:
    """Finds the principal of a request; secrets are compared in constant time or looked up by their hash."""

    def __init__(self, master_key: str, encryption_key: str, bootstrap_token: str | None = None) -> None:
        self._master_key = master_key.encode()
        self._bootstrap_token = bootstrap_token.encode() if bootstrap_token else None
        self._csrf_key = hashlib.sha256(b"litemaas/csrf/" + encryption_key.encode()).digest()

    def is_master(self, presented: str) -> bool:
        return hmac.compare_digest(presented.encode(), self._master_key)

    async def by_header(self, work: Work, authorization: str) -> Principal:
        """Errors: KeyMalformed, KeyUnknown, SessionExpired, AccountDisabled."""
        scheme, _, rest = authorization.partition(" ")
        presented = rest.strip()
        if scheme.lower() != "bearer" or not presented:
            raise KeyMalformed("The Authorization header must read 'Bearer …', with the master key or a token.")
        if self.is_master(presented):
            return MASTER
        if self._bootstrap_token is not None and hmac.compare_digest(presented.encode(), self._bootstrap_token):
            return BOOTSTRAP
        if not presented.startswith(TOKEN_PREFIX):
            raise KeyUnknown("This key opens nothing here; the control plane takes tokens and the master key.")
        row = await repository.find_token(await work.connection(), hash_secret(presented))
        if row is None:
            raise KeyUnknown("This token is not known. It may have been deleted.")
        if row.expires_at is not None and row.expires_at <= work.now:
            raise SessionExpired("This token has expired. Make a new one.")
        return _of_token(row)

    async def by_cookie(self, work: Work, cookie: str) -> Principal:
        """Errors: NotSignedIn, SessionExpired, AccountDisabled."""
        row = await repository.find_session(await work.connection(), hash_secret(cookie))
        if row is None:
            raise NotSignedIn("This session has ended. Sign in again.")
        if row.expires_at <= work.now:
            raise SessionExpired("This session has expired. Sign in again.")
        if not row.is_active:
            raise AccountDisabled("This account is disabled. Ask an administrator.")
        roles = roles_of(row)
        return Principal(
            kind=PrincipalKind.USER, id=row.user_id, name=row.username, user_id=row.user_id, roles=roles,
            permissions=permissions_of(roles), session_id=row.session_id, authenticated_at=row.authenticated_at,
        )  # fmt: skip

    def csrf_token(self, cookie: str) -> str:
        """What a page must send with writes; made of the cookie, which no other site can read."""
        return hmac.new(self._csrf_key, cookie.encode(), hashlib.sha256).hexdigest()

    def check_csrf(self, cookie: str, presented: str | None) -> None:
        """Errors: PermissionDenied."""
        if presented is None or not hmac.compare_digest(presented.encode(), self.csrf_token(cookie).encode()):
            raise PermissionDenied("Send the session's csrf_token as X-CSRF-Token with this request.")


def person_of(work: Work) -> str:
    """Whose things are meant. Errors: PermissionDenied for services and the master key, which are nobody's."""
    if work.principal.user_id is None:
        raise PermissionDenied("This belongs to people: a service or the master key has nothing of its own here.")
    return work.principal.user_id


def hash_secret(secret: str) -> str:
    """What is stored of cookies and tokens: SHA-256 in hex; they carry 256 random bits, so no salt is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def roles_of(row: Row[object]) -> tuple[Role, ...]:
    """A user's effective roles: those granted and those that follow groups."""
    held = {*row.granted_roles, *row.derived_roles}
    return tuple(role for role in Role if role in held)


def _of_token(row: Row[object]) -> Principal:
    asked = frozenset(Permission(name) for name in row.permissions if name in set(Permission))
    if row.kind == "service":
        return Principal(kind=PrincipalKind.SERVICE, id=row.id, name=row.name, permissions=asked)
    if not row.is_active:
        raise AccountDisabled("The account of this token's owner is disabled.")
    roles = roles_of(row)
    return Principal(
        kind=PrincipalKind.TOKEN, id=row.user_id, name=f"{row.username} ({row.name})", user_id=row.user_id, roles=roles,
        permissions=permissions_of(roles) & asked,
    )  # fmt: skip
