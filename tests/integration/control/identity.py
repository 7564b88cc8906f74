"""Which identity providers do the tests sign in with? Small ones that do as they are told, over real HTTP on loopback."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import uvicorn
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

CLIENT_ID, CLIENT_SECRET = "litemaas", "a client secret"


def challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


class FakeProvider:
    """An OpenID provider that gives its codes to whoever asks, checks PKCE, and can be told to lie."""

    def __init__(self) -> None:
        self.issuer = ""
        self.key = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig", "alg": "RS256"})
        self.person: dict[str, Any] = {"sub": "ann-1", "preferred_username": "ann.smith", "email": "ann@corp.example",
                                       "email_verified": True, "name": "Ann Smith", "groups": ["litemaas-users"]}  # fmt: skip
        self.claims: Callable[[dict[str, Any]], dict[str, Any]] = lambda claims: claims
        self.sign: Callable[[dict[str, Any]], str] = self.signed
        self.userinfo_sub: str | None = None
        self.description: dict[str, Any] = {}
        self.asked: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}
        self._tokens: set[str] = set()

    def signed(self, claims: dict[str, Any], key: RSAKey | None = None) -> str:
        return jwt.encode({"alg": "RS256", "kid": "k1"}, claims, key or self.key, algorithms=["RS256"])

    def answer(self, login_location: str) -> str:
        """What the browser is sent back with, once the person has signed in at the provider: the callback's query."""
        asked = dict(parse_qsl(urlsplit(login_location).query))
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert asked["client_id"] == CLIENT_ID
        code = secrets.token_urlsafe(8)
        self._codes[code] = asked
        return urlencode({"code": code, "state": asked["state"]})

    async def _describe(self, _: Request) -> Response:
        self.asked.append("discovery")
        return JSONResponse({
            "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/userinfo", "end_session_endpoint": f"{self.issuer}/end",
        } | self.description)  # fmt: skip

    async def _keys(self, _: Request) -> Response:
        self.asked.append("keys")
        return JSONResponse(KeySet([self.key]).as_dict())

    async def _token(self, request: Request) -> Response:
        self.asked.append("token")
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        asked = self._codes.pop(form.get("code", ""), None)
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if (
            asked is None or request.headers.get("authorization") != f"Basic {basic}"
            or challenge_of(form.get("code_verifier", "")) != asked["code_challenge"]
            or form.get("redirect_uri") != asked["redirect_uri"]
        ):  # fmt: skip
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "sub": self.person["sub"], "iat": now, "exp": now + 300,
                  "nonce": asked["nonce"], "groups": self.person.get("groups", [])}  # fmt: skip
        access = secrets.token_urlsafe(8)
        self._tokens.add(access)
        return JSONResponse(
            {"access_token": access, "token_type": "Bearer", "id_token": self.sign(self.claims(claims))}
        )

    async def _userinfo(self, request: Request) -> Response:
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self._tokens:
            return JSONResponse({"error": "invalid_token"}, 401)
        return JSONResponse(self.person | ({"sub": self.userinfo_sub} if self.userinfo_sub else {}))

    def app(self) -> Starlette:
        return Starlette(routes=[
            Route("/.well-known/openid-configuration", self._describe), Route("/jwks", self._keys),
            Route("/token", self._token, methods=["POST"]), Route("/userinfo", self._userinfo),
        ])  # fmt: skip


class FakeCluster:
    """An OpenShift cluster: its OAuth server and the API's current user, on one port."""

    def __init__(self) -> None:
        self.url = ""
        self.user: dict[str, Any] = {
            "metadata": {"name": "kube:admin,\"x\"", "uid": "u-1"}, "fullName": "Kube Admin",
            "groups": ["litemaas-admins", "a,b {c}"],
        }  # fmt: skip
        self._codes: dict[str, dict[str, str]] = {}
        self._tokens: set[str] = set()

    def answer(self, login_location: str) -> str:
        asked = dict(parse_qsl(urlsplit(login_location).query))
        assert asked["scope"] == "user:info"
        code = secrets.token_urlsafe(8)
        self._codes[code] = asked
        return urlencode({"code": code, "state": asked["state"]})

    async def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        asked = self._codes.pop(form.get("code", ""), None)
        if asked is None or challenge_of(form.get("code_verifier", "")) != asked["code_challenge"]:
            return JSONResponse({"error": "unauthorized_client"}, 400)
        access = f"sha256~{secrets.token_urlsafe(8)}"
        self._tokens.add(access)
        return JSONResponse({"access_token": access, "token_type": "Bearer", "expires_in": 86400, "scope": "user:info"})

    async def _me(self, request: Request) -> Response:
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self._tokens:
            return JSONResponse({"kind": "Status", "code": 401}, 401)
        return JSONResponse({"kind": "User", "apiVersion": "user.openshift.io/v1"} | self.user)

    def app(self) -> Starlette:
        return Starlette(routes=[
            Route("/oauth/token", self._token, methods=["POST"]),
            Route("/apis/user.openshift.io/v1/users/~", self._me),
        ])  # fmt: skip


@asynccontextmanager
async def served(app: Any, lifespan: Literal["on", "off"] = "off") -> AsyncIterator[str]:
    """The application's address on a free port of loopback."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan=lifespan))
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:  # noqa: ASYNC110 — uvicorn offers no event
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


def unsigned(claims: dict[str, Any]) -> str:
    """A token with ``alg: none``."""
    return ".".join([_part({"alg": "none"}), _part(claims), ""])


def signed_with_public_key(claims: dict[str, Any], key: RSAKey) -> str:
    """The confusion of algorithms: HS256 with the provider's public key as the secret."""
    import hmac

    head = f"{_part({'alg': 'HS256', 'kid': 'k1'})}.{_part(claims)}"
    mac = hmac.new(key.as_pem(private=False), head.encode(), hashlib.sha256).digest()
    return f"{head}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def _part(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")
