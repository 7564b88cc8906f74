"""How is somebody signed in by OpenID Connect? Authorization code with PKCE; the provider's own documents say where.

Source: OpenID Connect Core 1.0, Discovery 1.0, RP-Initiated Logout 1.0; RFC 7636 (PKCE), RFC 9207 (issuer in the answer).
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
import msgspec
import structlog
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from litemaas.control.http.refusals import NotSignedIn, PartnerFailed
from litemaas.control.signin.id_tokens import Expected, KeyNotKnown, verified
from litemaas.control.signin.identities import (
    TIMEOUT_S,
    Attempt,
    Identity,
    ProviderState,
    get_json,
    groups_of,
    text_of,
    tls_of,
)
from litemaas.control.signin.settings import SignInSettings, may_be_asked

NAME = "oidc"
_DISCOVERED_FOR = timedelta(hours=24)
_KEYS_FOR = timedelta(hours=1)
_KEYS_AGAIN_AFTER = timedelta(seconds=30)
"""How often an unknown key's name makes us ask for the keys anew."""
_log = structlog.get_logger("control.signin")


class Discovered(msgspec.Struct, frozen=True, kw_only=True):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class OidcProvider:
    """One provider. What it tells of itself is kept for a day; its keys for an hour, and read anew when one is not known."""

    name = NAME

    def __init__(self, settings: SignInSettings, *, single_machine: bool) -> None:
        self._issuer = settings.oidc_issuer or ""
        self._client_id = settings.oidc_client_id or ""
        self._client_secret = settings.oidc_client_secret
        self._scopes = settings.oidc_scopes
        self._groups_claim = settings.oidc_groups_claim
        self._single_machine = single_machine
        self._tls = tls_of(settings.ca_bundle)
        self._discovered: tuple[Discovered, datetime] | None = None
        self._keys: tuple[KeySet, datetime] | None = None
        self._asking = asyncio.Lock()

    async def address(self, attempt: Attempt, now: datetime) -> str:
        found = await self._discover(now)
        async with self._client(found, attempt) as client:
            url, _ = client.create_authorization_url(
                found.authorization_endpoint, state=attempt.state, nonce=attempt.nonce, code_verifier=attempt.verifier
            )
            return str(url)

    async def identity(self, attempt: Attempt, code: str, answering_issuer: str | None, now: datetime) -> Identity:
        if answering_issuer is not None and answering_issuer != self._issuer:
            raise NotSignedIn("Another identity provider answered than the one that was asked. Sign in again.")
        found = await self._discover(now)
        token = await self._redeem(found, attempt, code)
        claims = await self._verified(found, token.get("id_token"), attempt.nonce, now)
        details = await self._userinfo(found, token.get("access_token"), claims["sub"])
        return self._identity(claims, details)

    async def logout_address(self, back_to: str, now: datetime) -> str | None:
        """Without the ID token as a hint: tokens do not belong into addresses."""
        try:
            end = (await self._discover(now)).end_session_endpoint
        except PartnerFailed:
            return None
        if end is None:
            return None
        query = urlencode({"client_id": self._client_id, "post_logout_redirect_uri": back_to})
        return f"{end}{'&' if urlsplit(end).query else '?'}{query}"

    def state(self) -> ProviderState:
        host = urlsplit(self._issuer).netloc
        if self._discovered is None:
            return ProviderState(self.name, host, self._groups_claim, "not asked yet")
        return ProviderState(self.name, host, self._groups_claim, "known", self._discovered[1])

    # -- what the provider tells of itself ------------------------------------------------------------------------------

    async def _discover(self, now: datetime) -> Discovered:
        async with self._asking:
            if self._discovered is not None and now - self._discovered[1] < _DISCOVERED_FOR:
                return self._discovered[0]
            async with self._http() as client:
                address = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
                told = await get_json(client, address, "description")
            found = self._checked(told)
            self._discovered = found, now
            return found

    def _checked(self, told: dict[str, Any]) -> Discovered:
        try:
            found = msgspec.convert(told, Discovered)
        except msgspec.ValidationError:
            raise PartnerFailed("The identity provider's description lacks what signing in needs.") from None
        if found.issuer != self._issuer:
            raise PartnerFailed("The identity provider calls itself by another issuer than the one that is set.")
        for url in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri, found.userinfo_endpoint,
                    found.end_session_endpoint):  # fmt: skip
            if url is not None and not may_be_asked(url, single_machine=self._single_machine):
                raise PartnerFailed("The identity provider names an address that is not https.")
        return found

    async def _key_set(self, found: Discovered, now: datetime, *, anew: bool = False) -> KeySet:
        async with self._asking:
            kept = self._keys
            if kept is not None and now - kept[1] < (_KEYS_AGAIN_AFTER if anew else _KEYS_FOR):
                return kept[0]
            async with self._http() as client:
                told = await get_json(client, found.jwks_uri, "keys")
            try:
                keys = KeySet.import_key_set(told)  # type: ignore[arg-type]  # it checks what it is given
            except (JoseError, ValueError, KeyError, TypeError):
                raise PartnerFailed("The identity provider's keys cannot be read.") from None
            self._keys = keys, now
            return keys

    # -- one sign-in ----------------------------------------------------------------------------------------------------

    async def _redeem(self, found: Discovered, attempt: Attempt, code: str) -> dict[str, Any]:
        try:
            async with self._client(found, attempt) as client:
                token = await client.fetch_token(
                    found.token_endpoint, grant_type="authorization_code", code=code, code_verifier=attempt.verifier
                )
        except OAuthError as error:
            _log.info("a code was refused", provider=self.name, error=str(error.error)[:64])
            raise NotSignedIn(
                "The identity provider did not accept the answer that came back. Sign in again."
            ) from None
        except (httpx2.HTTPError, ValueError, TypeError, KeyError) as error:
            _log.warning("a code could not be redeemed", provider=self.name, error=type(error).__name__)
            raise PartnerFailed("The identity provider did not answer. Try again in a moment.") from None
        return dict(token)

    async def _verified(self, found: Discovered, token: object, nonce: str, now: datetime) -> dict[str, Any]:
        if not isinstance(token, str):
            raise NotSignedIn("The identity provider sent no ID token. Sign in again.")
        expected = Expected(self._issuer, self._client_id, nonce)
        for anew in (False, True):
            try:
                return verified(token, await self._key_set(found, now, anew=anew), expected, now)
            except KeyNotKnown:
                continue
        raise NotSignedIn("The identity provider's answer is not valid (its key). Sign in again.")

    async def _userinfo(self, found: Discovered, access_token: object, subject: str) -> dict[str, Any]:
        if found.userinfo_endpoint is None or not isinstance(access_token, str):
            return {}
        async with self._http() as client:
            told = await get_json(client, found.userinfo_endpoint, "details of the person", access_token)
        if told.get("sub") != subject:
            raise NotSignedIn("The identity provider told of two different people. Sign in again.")
        return told

    def _identity(self, claims: dict[str, Any], details: dict[str, Any]) -> Identity:
        both = details | claims
        of_email = claims if "email" in claims else details
        email, verified_email = text_of(of_email.get("email")), of_email.get("email_verified") is True
        chosen = text_of(both.get("preferred_username"))
        # people can choose a username that looks like the address of somebody else
        sure = (claims["sub"], chosen if "@" not in (chosen or "") else None, email if verified_email else None)
        return Identity(
            provider=self.name,
            subject=str(claims["sub"]),
            username=chosen or email or str(claims["sub"]),
            email=email,
            email_verified=verified_email,
            full_name=text_of(both.get("name")),
            groups=groups_of(_claim(both, self._groups_claim)),
            admin_names=frozenset(name.lower() for name in sure if name),
        )

    def _http(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(timeout=TIMEOUT_S, verify=self._tls, trust_env=False, follow_redirects=False)

    def _client(self, found: Discovered, attempt: Attempt) -> AsyncOAuth2Client:
        methods = found.token_endpoint_auth_methods_supported
        wanted = next(
            (one for one in ("client_secret_basic", "client_secret_post") if one in methods), "client_secret_basic"
        )
        return AsyncOAuth2Client(
            self._client_id, self._client_secret, scope=self._scopes, redirect_uri=attempt.redirect_uri,
            code_challenge_method="S256", token_endpoint_auth_method=wanted if self._client_secret else "none",
            timeout=TIMEOUT_S, verify=self._tls, trust_env=False, follow_redirects=False,
        )  # fmt: skip


def _claim(claims: dict[str, Any], name: str) -> object:
    """A claim by its name; where there is none, dots lead into objects, like ``realm_access.roles``."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for step in name.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    return found
