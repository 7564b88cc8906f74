"""Do people sign in through providers that others wrote, and through an OpenShift cluster as its documentation has it?"""

from __future__ import annotations

import asyncio
import html
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import asyncpg
import httpx2
import msgspec
import pytest
from tests.deploy.ports import free_port

from litemaas.control.app import Settings, create_app
from litemaas.control.auth.service import CSRF_HEADER

from .identity import CLIENT_ID, CLIENT_SECRET, FakeCluster, served

PORTAL = "http://localhost:8080"
HERE = Path(__file__).parents[2] / "identity"
PEOPLE = {"ann": {"preferred_username": "ann.smith", "name": "Ann Smith", "email": "ann@corp.example",
                  "email_verified": True, "groups": ["litemaas-admins", "a,b"]}}  # fmt: skip
_WITHIN_S = 60.0


@asynccontextmanager
async def plane(settings: Settings, **more: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser at a control plane with these settings."""
    app = create_app(msgspec.structs.replace(settings, public_url=PORTAL, host_policy="single-machine", **more))
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app), httpx2.AsyncClient(transport=transport, base_url=PORTAL) as browser,
    ):  # fmt: skip
        yield browser


@asynccontextmanager
async def process(*command: str, cwd: Path | None = None, **environ: str) -> AsyncIterator[asyncio.subprocess.Process]:
    env = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()} | environ
    child = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield child
    finally:
        child.kill()
        await child.wait()


async def walk(browser: httpx2.AsyncClient, start: str, fields: dict[str, str]) -> str:
    """Goes through the provider's pages like a browser, filling in forms; returns where it sends us back to."""
    async with httpx2.AsyncClient(follow_redirects=False, trust_env=False, timeout=_WITHIN_S) as outside:
        answer = await outside.get(start)
        for _ in range(12):
            where = answer.headers.get("location")
            if where is not None and urljoin(str(answer.url), where).startswith(PORTAL):
                return where
            if where is not None:
                answer = await outside.get(urljoin(str(answer.url), where))
                continue
            form = re.search(r"<form[^>]*>.*?</form>", answer.text, re.DOTALL)
            assert form is not None, answer.text
            action = re.search(r'action="([^"]*)"', form[0])
            hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form[0]))
            target = urljoin(str(answer.url), html.unescape(action[1])) if action else str(answer.url)
            answer = await outside.post(target, data=hidden | fields)
    raise AssertionError("the provider did not send us back")


async def sign_in(browser: httpx2.AsyncClient, fields: dict[str, str]) -> dict[str, Any]:
    begun = await browser.get("/api/v1/auth/login", params={"provider": "oidc", "return_to": "/home"})
    assert begun.status_code == 302, begun.text
    answer = await browser.get(await walk(browser, begun.headers["location"], fields))
    assert (answer.status_code, answer.headers.get("location")) == (302, f"{PORTAL}/home"), answer.text
    session: dict[str, Any] = (await browser.get("/api/v1/auth/session")).json()
    return session


def node_modules() -> Path:
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed: the provider of npm cannot run")
    return HERE / "node_modules" / "oidc-provider"


@pytest.mark.slow
async def test_the_provider_of_npm(settings: Settings):
    if not node_modules().exists():
        installing = await asyncio.create_subprocess_exec(
            "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=HERE,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert await asyncio.wait_for(installing.wait(), 100) == 0, "npm ci failed in tests/identity"
    client = {
        "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET.replace(" ", "-"), "grant_types": ["authorization_code"],
        "redirect_uris": [f"{PORTAL}/api/v1/auth/callback"], "post_logout_redirect_uris": [f"{PORTAL}/"],
    }  # fmt: skip
    environ = {"PEOPLE": json.dumps(PEOPLE), "CLIENT": json.dumps(client)}
    async with process("node", "provider.mjs", cwd=HERE, **environ) as node:
        assert node.stdout is not None
        issuer = (await asyncio.wait_for(node.stdout.readline(), _WITHIN_S)).decode().strip()
        provider = {"oidc_issuer": issuer, "oidc_client_id": CLIENT_ID, "oidc_client_secret": client["client_secret"]}
        async with plane(settings, **provider) as browser:
            session = await sign_in(browser, {"login": "ann", "password": "x"})
            assert session["roles"] == ["admin", "user"]
            assert session["user"] | {"id": ""} == {
                "id": "", "username": "ann.smith", "email": "ann@corp.example", "full_name": "Ann Smith", "language": None,
            }  # fmt: skip
            left = await browser.post("/api/v1/auth/logout", headers={CSRF_HEADER: session["csrf_token"]})
            async with httpx2.AsyncClient(trust_env=False, timeout=_WITHIN_S) as outside:
                assert (await outside.get(left.json()["logout_url"])).status_code == 200


async def test_the_provider_of_pypi(settings: Settings):
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    person = {"sub": "bob-1", "email": "bob@corp.example", "name": "Bob", "groups": ["litemaas-readonly"]}
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port),
               "--user-claims", json.dumps(person)]  # fmt: skip
    async with process(*command), httpx2.AsyncClient(trust_env=False) as outside:
        async with asyncio.timeout(_WITHIN_S):
            while True:
                try:
                    known = (await outside.get(f"{issuer}/.well-known/openid-configuration")).json()
                    break
                except (httpx2.HTTPError, ValueError):
                    await asyncio.sleep(0.1)
        provider = {"oidc_issuer": known["issuer"], "oidc_client_id": CLIENT_ID, "oidc_client_secret": "secret"}
        async with plane(settings, **provider) as browser:
            session = await sign_in(browser, {"sub": "bob-1"})
    assert session["roles"] == ["adminReadonly", "user"]
    assert session["user"]["email"] == "bob@corp.example"


async def test_an_openshift_cluster(settings: Settings, database: asyncpg.Connection):
    cluster = FakeCluster()
    async with served(cluster.app()) as url:
        provider = {"openshift_oauth_url": url, "openshift_api_url": url, "openshift_client_id": CLIENT_ID,
                    "openshift_client_secret": CLIENT_SECRET}  # fmt: skip
        async with plane(settings, **provider) as browser:
            for _ in range(2):
                begun = await browser.get("/api/v1/auth/login?provider=openshift")
                assert urlsplit(begun.headers["location"]).path == "/oauth/authorize"
                answer = await browser.get(f"/api/v1/auth/callback?{cluster.answer(begun.headers['location'])}")
                assert answer.status_code == 302
            session = (await browser.get("/api/v1/auth/session")).json()
            assert (session["user"]["username"], session["user"]["email"]) == ('kube:admin,"x"', None)
            assert session["roles"] == ["admin", "user"]
            left = await browser.post("/api/v1/auth/logout", headers={CSRF_HEADER: session["csrf_token"]})
            assert left.json() == {"logout_url": None}
            assert (await browser.get("/api/v1/auth/login?provider=oidc")).status_code == 404
            assert (await browser.post("/api/v1/auth/dev-login", json={"dev_user": "admin"})).status_code == 404
            cluster.user = {"metadata": {"name": "x"}}
            begun = await browser.get("/api/v1/auth/login?provider=openshift")
            answer = await browser.get(f"/api/v1/auth/callback?{cluster.answer(begun.headers['location'])}")
            assert answer.status_code == 401
    row = await database.fetchrow("select count(*) over () as n, subject, groups from users")
    assert (row["n"], row["subject"], row["groups"]) == (1, "u-1", ["litemaas-admins", "a,b {c}"])
