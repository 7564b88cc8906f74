"""Is this ID token the provider's word, for us, of now, and for this attempt? Each check of OpenID Connect Core 3.1.3.7."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from joserfc import jws, jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import Key, KeySet

from litemaas.control.http.refusals import NotSignedIn

ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
)  # fmt: skip
"""Asymmetric ones only: with others, whoever knows a public key or nothing at all could sign."""
_LEEWAY_S = 60
_MAX_TOKEN = 65_536


class Expected(msgspec.Struct, frozen=True):
    issuer: str
    client_id: str
    nonce: str


class KeyNotKnown(Exception):
    """The token names a key that is not among those at hand; the provider may have changed its keys."""


def verified(token: str, keys: KeySet, expected: Expected, now: datetime) -> dict[str, Any]:
    """The claims of an ID token that passed every check.

    Errors: KeyNotKnown; NotSignedIn, which names the check and nothing of the token.
    """
    if len(token) > _MAX_TOKEN:
        raise _refused("its size")
    claims = _signed_claims(token, keys)
    try:
        _registry(expected, now).validate(claims)
    except JoseError as error:
        raise _refused(str(getattr(error, "claim", "its claims"))) from None
    except (TypeError, ValueError):
        raise _refused("its claims") from None
    _check_party(claims, expected)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        raise _refused("nonce")
    return claims


def _signed_claims(token: str, keys: KeySet) -> dict[str, Any]:
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError):
        raise _refused("its form") from None
    if header.get("alg") not in ALGORITHMS:
        raise _refused("alg")
    candidates = _candidates(keys, header.get("kid"))
    if not candidates:
        raise KeyNotKnown
    for key in candidates:
        try:
            claims = jwt.decode(token, key, algorithms=list(ALGORITHMS)).claims
        except BadSignatureError:
            continue
        except (JoseError, ValueError, TypeError):
            continue  # a key of another kind than the algorithm's
        if isinstance(claims, dict):
            return claims
    raise _refused("its signature")


def _candidates(keys: KeySet, wanted: object) -> Sequence[Key]:
    """The key that a token names; any of them where it names none. Symmetric keys never."""
    return [
        key for key in keys
        if key.key_type != "oct" and key.get("use") in (None, "sig") and wanted in (None, key.kid)
    ]  # fmt: skip


def _registry(expected: Expected, now: datetime) -> jwt.JWTClaimsRegistry:
    return jwt.JWTClaimsRegistry(
        now=int(now.timestamp()), leeway=_LEEWAY_S,
        iss={"essential": True, "value": expected.issuer},
        aud={"essential": True, "value": expected.client_id},
        exp={"essential": True}, iat={"essential": True}, sub={"essential": True},
    )  # fmt: skip


def _check_party(claims: dict[str, Any], expected: Expected) -> None:
    audience, party = claims["aud"], claims.get("azp")
    if party is None and isinstance(audience, list) and len(audience) > 1:
        raise _refused("azp")
    if party is not None and party != expected.client_id:
        raise _refused("azp")


def _refused(check: str) -> NotSignedIn:
    return NotSignedIn(f"The identity provider's answer is not valid ({check}). Sign in again.")
