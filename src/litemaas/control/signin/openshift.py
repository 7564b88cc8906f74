"""How is somebody signed in by an OpenShift cluster? Its OAuth server gives a token, the API says whose it is.

Source: OpenShift Container Platform 4.16 documentation, "Configuring the internal OAuth server" and the API of
``user.openshift.io/v1`` (read 2026-11).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2
import structlog
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client

from litemaas.control.http.refusals import NotSignedIn, PartnerFailed
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
from litemaas.control.signin.settings import SignInSettings

NAME = "openshift"
_ME = "/apis/user.openshift.io/v1/users/~"
_log = structlog.get_logger("control.signin")


class OpenShiftProvider:
    name = NAME

    def __init__(self, settings: SignInSettings) -> None:
        self._oauth_url = (settings.openshift_oauth_url or "").rstrip("/")
        self._api_url = (settings.openshift_api_url or "").rstrip("/")
        self._client_id = settings.openshift_client_id or ""
        self._client_secret = settings.openshift_client_secret or ""
        self._tls = tls_of(settings.ca_bundle)

    async def address(self, attempt: Attempt, now: datetime) -> str:  # noqa: ARG002 — the interface's
        async with self._client(attempt) as client:
            url, _ = client.create_authorization_url(
                f"{self._oauth_url}/oauth/authorize", state=attempt.state, code_verifier=attempt.verifier
            )
            return str(url)

    async def identity(self, attempt: Attempt, code: str, answering_issuer: str | None, now: datetime) -> Identity:  # noqa: ARG002
        token = await self._redeem(attempt, code)
        async with httpx2.AsyncClient(
            timeout=TIMEOUT_S, verify=self._tls, trust_env=False, follow_redirects=False
        ) as client:
            return self._identity(await get_json(client, f"{self._api_url}{_ME}", "current user", token))

    async def logout_address(self, back_to: str, now: datetime) -> str | None:  # noqa: ARG002
        """The cluster has no such place for other programs."""
        return None

    def state(self) -> ProviderState:
        return ProviderState(self.name, urlsplit(self._oauth_url).netloc, None, "not needed")

    async def _redeem(self, attempt: Attempt, code: str) -> str:
        try:
            async with self._client(attempt) as client:
                token = await client.fetch_token(
                    f"{self._oauth_url}/oauth/token", grant_type="authorization_code", code=code,
                    code_verifier=attempt.verifier,
                )  # fmt: skip
                return str(token["access_token"])
        except OAuthError as error:
            _log.info("a code was refused", provider=self.name, error=str(error.error)[:64])
            raise NotSignedIn("The cluster did not accept the answer that came back. Sign in again.") from None
        except (httpx2.HTTPError, ValueError, TypeError, KeyError) as error:
            _log.warning("a code could not be redeemed", provider=self.name, error=type(error).__name__)
            raise PartnerFailed("The cluster's OAuth server did not answer. Try again in a moment.") from None

    def _identity(self, user: dict[str, Any]) -> Identity:
        metadata = user.get("metadata")
        found = metadata if isinstance(metadata, dict) else {}
        subject, username = text_of(found.get("uid")), text_of(found.get("name"))
        if subject is None or username is None:
            raise NotSignedIn("The cluster does not say who you are. Sign in again.")
        return Identity(
            provider=self.name,
            subject=subject,
            username=username,
            full_name=text_of(user.get("fullName")),
            groups=groups_of(user.get("groups")),
            admin_names=frozenset({username.lower()}),
        )

    def _client(self, attempt: Attempt) -> AsyncOAuth2Client:
        return AsyncOAuth2Client(
            self._client_id, self._client_secret, scope="user:info", redirect_uri=attempt.redirect_uri,
            code_challenge_method="S256", token_endpoint_auth_method="client_secret_basic",  # noqa: S106 — a method's name
            timeout=TIMEOUT_S, verify=self._tls, trust_env=False, follow_redirects=False,
        )  # fmt: skip
