"""How does a sign-in go, from the first redirect to the session? The state is ours, works once, and belongs to one browser.

No transaction is open while a provider is asked. See docs/decisions/ for the reasons.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Row

from litemaas.control.audit.service import record, record_refusal
from litemaas.control.auth.service import hash_secret, roles_of
from litemaas.control.http.rates import Rate, Rates
from litemaas.control.http.refusals import NotSignedIn, TooManyRequests
from litemaas.control.http.work import Work
from litemaas.control.signin import repository, sessions
from litemaas.control.signin.accounts import AccountRules, account_for
from litemaas.control.signin.identities import Attempt, Identity, Provider
from litemaas.core.errors import InvalidField
from litemaas.core.permissions import permissions_of
from litemaas.core.principals import Principal, PrincipalKind

VALID_S = 300
DEVELOPER = "developer"
CALLBACK = "/api/v1/auth/callback"
_SIGN_IN = Rate("sign-in", 20)
_TOLD = Rate("sign-in-refusals-audited", 1)
"""A flood of refusals is one audit record per minute and address."""


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """What the composition root hands to the routes; ``app.state.sign_in``."""

    providers: dict[str, Provider]
    rules: AccountRules
    rates: Rates
    public_url: str | None
    developer_sign_in: bool

    @property
    def secure(self) -> bool:
        """Whether cookies may only travel by https."""
        return (self.public_url or "").startswith("https://")

    def page(self, path: str) -> str:
        """A page of the portal."""
        return f"{(self.public_url or '').rstrip('/')}{path}"


class Begun(msgspec.Struct, frozen=True):
    address: str
    cookie_name: str
    cookie: str


class Session(msgspec.Struct, frozen=True):
    cookie: str
    lives_s: int
    return_to: str


async def limit_rate(sign_in: SignIn, work: Work) -> None:
    """Errors: TooManyRequests."""
    who = work.address or "unknown"
    wait = await sign_in.rates.wait_s(_SIGN_IN, who)
    if not wait:
        return
    if not await sign_in.rates.wait_s(_TOLD, who):
        record_refusal(work, "auth.rate_limited", "address", who, "RATE_LIMITED")
    raise TooManyRequests("Too many sign-ins from this address. Wait a moment.", wait)


async def begin(sign_in: SignIn, work: Work, provider: Provider, return_to: str) -> Begun:
    """Errors: InvalidField, PartnerFailed."""
    if not is_own_path(return_to):
        raise InvalidField("return_to must be a path of the portal, like /models.", "return_to")
    attempt = Attempt(
        state=secrets.token_urlsafe(32), nonce=secrets.token_urlsafe(32), verifier=secrets.token_urlsafe(48),
        redirect_uri=sign_in.page(CALLBACK),
    )  # fmt: skip
    address = await provider.address(attempt, work.now)
    browser, state_hash = secrets.token_urlsafe(32), hash_secret(attempt.state)
    sealed = work.vault.seal(json.dumps([attempt.nonce, attempt.verifier]), f"sign-in:{state_hash}")
    values = {
        "state_hash": state_hash, "browser_hash": hash_secret(browser), "provider": provider.name,
        "secrets_sealed": sealed, "return_to": return_to, "expires_at": work.now + timedelta(seconds=VALID_S),
    }  # fmt: skip
    await repository.keep_sign_in(await work.connection(), values)
    return Begun(address, browser_cookie(attempt.state), browser)


async def complete(
    sign_in: SignIn, work: Work, state: str, browser: str | None, code: str | None, issuer: str | None
) -> Session:
    """Errors: NotSignedIn, PartnerFailed, AccountDisabled, PermissionDenied."""
    state_hash = hash_secret(state)
    row = await repository.take_sign_in(
        await work.connection(), state_hash, hash_secret(browser or ""), work.now
    )  # fmt: skip
    await work.pause()  # the state is used up, whatever follows; and nothing is open while the provider is asked
    provider = sign_in.providers.get(row.provider) if row is not None else None
    if row is None or provider is None:
        raise NotSignedIn("This sign-in is not known here: it was used, is older than 5 minutes, or began elsewhere.")
    if not code:
        raise NotSignedIn("The identity provider did not let you in. Sign in again, or ask an administrator.")
    nonce, verifier = json.loads(work.vault.open(row.secrets_sealed, f"sign-in:{state_hash}"))
    attempt = Attempt(state=state, nonce=nonce, verifier=verifier, redirect_uri=sign_in.page(CALLBACK))
    identity = await provider.identity(attempt, code, issuer, work.now)
    return await let_in(sign_in, work, identity, row.return_to)


async def let_in(sign_in: SignIn, work: Work, identity: Identity, return_to: str) -> Session:
    """Finds or makes the account and begins a session. Errors: AccountDisabled, PermissionDenied."""
    account = await account_for(work, sign_in.rules, identity)
    cookie, ends_at = await sessions.begin(work, account.id, identity.provider)
    work.act_as(_principal(account))
    detail = {"provider": identity.provider, "derived_roles": account.derived_roles}
    await record(work, "auth.login", "user", account.id, detail, account.username)
    return Session(cookie, _seconds(ends_at, work.now), return_to)


def browser_cookie(state: str) -> str:
    """Each attempt has a cookie of its own, so that two tabs do not disturb one another."""
    return f"litemaas_signin_{hashlib.sha256(state.encode()).hexdigest()[:12]}"


def is_own_path(path: str) -> bool:
    """Whether a browser that is sent there stays here: no host, no scheme, nothing that browsers take for a slash."""
    return (
        path.startswith("/") and not path.startswith("//") and "\\" not in path
        and all(33 <= ord(character) <= 126 for character in path)
    )  # fmt: skip


def _principal(account: Row[Any]) -> Principal:
    roles = roles_of(account)
    return Principal(
        kind=PrincipalKind.USER, id=account.id, name=account.username, user_id=account.id, roles=roles,
        permissions=permissions_of(roles),
    )  # fmt: skip


def _seconds(until: datetime, now: datetime) -> int:
    return max(1, int((until - now).total_seconds()))
