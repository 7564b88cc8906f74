"""Does sign-in let in whom the provider vouches for, and nobody else?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx2
import msgspec
import pytest
from joserfc.jwk import RSAKey

from litemaas.control.app import Settings, create_app
from litemaas.control.auth.service import CSRF_HEADER, SESSION_COOKIE

from .identity import CLIENT_ID, CLIENT_SECRET, FakeProvider, served, signed_with_public_key, unsigned

PORTAL = "http://localhost:8080"
Lie = Callable[[FakeProvider], None]


@dataclass
class Stage:
    """A control plane with a provider, and how browsers are opened."""

    app: Any
    provider: Any
    settings: Settings

    def browser(self, **headers: str) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=False)
        return httpx2.AsyncClient(transport=transport, base_url=PORTAL, headers=headers)

    async def sign_in(self, browser: httpx2.AsyncClient, return_to: str = "/") -> httpx2.Response:
        """The whole way; returns the callback's answer."""
        name = "openshift" if hasattr(self.provider, "user") else "oidc"
        begun = await browser.get("/api/v1/auth/login", params={"provider": name, "return_to": return_to})
        assert begun.status_code == 302, begun.text
        return await browser.get(f"/api/v1/auth/callback?{self.provider.answer(begun.headers['location'])}")


@pytest.fixture
async def provider() -> AsyncIterator[FakeProvider]:
    fake = FakeProvider()
    async with served(fake.app()) as url:
        fake.issuer = url
        yield fake


@pytest.fixture
async def stage(settings: Settings, provider: FakeProvider) -> AsyncIterator[Stage]:
    with_provider = msgspec.structs.replace(
        settings, oidc_issuer=provider.issuer, oidc_client_id=CLIENT_ID, oidc_client_secret=CLIENT_SECRET,
        public_url=PORTAL, host_policy="single-machine", initial_admins="boss@corp.example",
        role_groups="finance=readonly", link_by_verified_email=True,
    )  # fmt: skip
    app = create_app(with_provider)
    async with app.router.lifespan_context(app):
        yield Stage(app, provider, with_provider)


async def test_a_person_signs_in_and_out(stage: Stage, database: asyncpg.Connection):
    async with stage.browser() as browser:
        answer = await stage.sign_in(browser, "/models?type=chat")
        assert (answer.status_code, answer.headers["location"]) == (302, f"{PORTAL}/models?type=chat")
        cookie = next(line for line in answer.headers.get_list("set-cookie") if line.startswith(SESSION_COOKIE))
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        session = (await browser.get("/api/v1/auth/session")).json()
        assert session["user"]["username"] == "ann.smith"
        assert (session["roles"], session["user"]["email"]) == (["user"], "ann@corp.example")
        assert await database.fetchval("select count(*) from sessions where id_hash like '%' || $1 || '%'",
                                       browser.cookies[SESSION_COOKIE]) == 0  # fmt: skip
        headers = {CSRF_HEADER: session["csrf_token"]}
        assert (await browser.post("/api/v1/auth/logout")).status_code == 403
        renewed = await browser.post("/api/v1/auth/session/renew", headers=headers)
        assert renewed.json()["expires_at"] >= session["expires_at"]
        kept = browser.cookies[SESSION_COOKIE]
        left = await browser.post("/api/v1/auth/logout", headers=headers)
        where = urlsplit(left.json()["logout_url"])
        assert where.path == "/end"
        assert parse_qs(where.query) == {"client_id": [CLIENT_ID], "post_logout_redirect_uri": [f"{PORTAL}/"]}
        again = await browser.get("/api/v1/auth/session", headers={"Cookie": f"{SESSION_COOKIE}={kept}"})
        assert again.status_code == 401
    actions = [row["action"] for row in await database.fetch("select action from audit order by id")]
    assert actions == ["user.created", "auth.login", "auth.logout"]
    limits = await database.fetchrow("select * from budgets")
    assert (limits["max_budget_nano"], limits["budget_duration"], limits["rpm_limit"]) == (100 * 10**9, "monthly", 120)


def _with(**claims: Any) -> Lie:
    def lie(provider: FakeProvider) -> None:
        provider.claims = lambda honest: {name: value for name, value in (honest | claims).items() if value is not None}

    return lie


def _signing(sign: Callable[[FakeProvider, dict[str, Any]], str]) -> Lie:
    def lie(provider: FakeProvider) -> None:
        provider.sign = lambda claims: sign(provider, claims)

    return lie


def _other_subject(provider: FakeProvider) -> None:
    provider.userinfo_sub = "somebody else"


_STRANGER = RSAKey.generate_key(2048, {"kid": "k1"})
LIES: dict[str, Lie] = {
    "a stranger's signature": _signing(lambda provider, claims: provider.signed(claims, _STRANGER)),
    "no signature": _signing(lambda _, claims: unsigned(claims)),
    "the public key as a secret": _signing(lambda provider, claims: signed_with_public_key(claims, provider.key)),
    "a broken token": _signing(lambda *_: "not.a.token"),
    "a body that was changed": _signing(lambda provider, claims: _swapped(provider, claims)),
    "another issuer": _with(iss="https://elsewhere.example"),
    "another audience": _with(aud="another-client"),
    "an audience of several without a party": _with(aud=[CLIENT_ID, "another-client"]),
    "another party": _with(azp="another-client"),
    "an expiry in the past": _with(exp=1_700_000_000),
    "no expiry": _with(exp=None),
    "issued in the future": _with(iat=4_000_000_000),
    "another nonce": _with(nonce="another"),
    "a nonce among others": _with(nonce=["another"]),
    "no nonce": _with(nonce=None),
    "no subject": _with(sub=None),
    "the details of somebody else": _other_subject,
}


def _swapped(provider: FakeProvider, claims: dict[str, Any]) -> str:
    head, _, mac = provider.signed(claims).split(".")
    return f"{head}.{provider.signed(claims | {'sub': 'root'}).split('.')[1]}.{mac}"


async def test_lies_of_a_provider_let_nobody_in(stage: Stage, database: asyncpg.Connection):
    believed = []
    honest = stage.provider.claims, stage.provider.sign
    for number, (name, lie) in enumerate(LIES.items()):
        stage.provider.claims, stage.provider.sign = honest
        lie(stage.provider)
        async with stage.browser() as browser:
            # each from an address of its own: sign-ins are counted by address
            stage.app.state.sign_in.rates._times.clear() if number % 5 == 0 else None
            answer = await stage.sign_in(browser)
            if (
                answer.status_code != 401
                or answer.json()["code"] != "UNAUTHENTICATED"
                or SESSION_COOKIE in browser.cookies
            ):
                believed.append((name, answer.status_code, answer.text))
    assert believed == []
    assert await database.fetchval("select count(*) from users") == 0
    refused = await database.fetchval("select count(*) from audit where action = 'auth.failed' and not success")
    assert refused == len(LIES)


async def test_a_state_works_once_in_one_browser_for_five_minutes(stage: Stage, database: asyncpg.Connection):
    login = "/api/v1/auth/login?provider=oidc"
    async with stage.browser() as victim, stage.browser() as other:
        begun = await victim.get(login)
        callback = f"/api/v1/auth/callback?{stage.provider.answer(begun.headers['location'])}"
        assert (await other.get(callback)).status_code == 401
        assert (await victim.get(callback)).status_code == 302
        assert (await victim.get(callback)).status_code == 401
        begun = await victim.get(login)
        await database.execute("update sign_ins set expires_at = now()")
        callback = f"/api/v1/auth/callback?{stage.provider.answer(begun.headers['location'])}"
        assert (await victim.get(callback)).status_code == 401
        assert (await victim.get("/api/v1/auth/callback?state=made-up&code=x")).status_code == 401
    # A second code for the state that was used brings nothing either.
    assert await database.fetchval("select count(*) from sessions") == 1


async def test_browsers_that_fail_come_to_the_portal_with_a_code(stage: Stage):
    async with stage.browser(accept="text/html") as browser:
        answer = await browser.get("/api/v1/auth/callback?state=x&error=access_denied")
        assert (answer.status_code, answer.headers["location"]) == (302, f"{PORTAL}/login?error=UNAUTHENTICATED")


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "x", "/a b", "/a\nb", ""]
)
async def test_nobody_is_sent_elsewhere(stage: Stage, target: str):
    async with stage.browser(origin="https://evil.example", referer="https://evil.example/") as browser:
        answer = await browser.get("/api/v1/auth/login", params={"provider": "oidc", "return_to": target})
        assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")
        answer = await stage.sign_in(browser, "/keys")
        assert answer.headers["location"] == f"{PORTAL}/keys"


async def test_roles_follow_groups_and_granted_ones_stay(stage: Stage, database: asyncpg.Connection):
    async def roles_with(*groups: str) -> list[str]:
        stage.provider.person["groups"] = list(groups)
        async with stage.browser() as browser:
            await stage.sign_in(browser)
            return (await browser.get("/api/v1/auth/session")).json()["roles"]

    assert await roles_with("litemaas-admins", "finance") == ["admin", "user", "readonly"]
    assert await roles_with("litemaas-readonly") == ["adminReadonly", "user"]
    await database.execute("update users set granted_roles = '{admin}'")
    assert await roles_with() == ["admin", "user"]
    assert await database.fetchval("select count(*) from users") == 1
    assert await database.fetchval("select groups from users") == []


async def test_an_initial_administrator_needs_a_verified_address(stage: Stage):
    async def roles() -> list[str]:
        async with stage.browser() as browser:
            await stage.sign_in(browser)
            return (await browser.get("/api/v1/auth/session")).json()["roles"]

    person = {"sub": "boss-1", "email": "Boss@corp.example", "email_verified": False}
    stage.provider.person = person
    assert await roles() == ["user"]
    stage.provider.person = person | {"email_verified": "true"}
    assert await roles() == ["user"]
    stage.provider.person = {"sub": "liar", "preferred_username": "boss@corp.example"}
    assert await roles() == ["user"]
    stage.provider.person = person | {"email_verified": True}
    assert await roles() == ["admin", "user"]


async def test_an_account_is_never_taken_over(stage: Stage, database: asyncpg.Connection):
    from .people import add_user

    await add_user(database, "ann.smith", ["admin"], email="ann@corp.example", email_verified=False)
    async with stage.browser() as browser:
        await stage.sign_in(browser)
        session = (await browser.get("/api/v1/auth/session")).json()
    # neither by the name nor by an address that we do not know to be hers
    assert (session["user"]["username"], session["roles"]) == ("ann.smith-2", ["user"])
    await add_user(database, "carl", ["admin"], email="carl@corp.example", email_verified=True)
    stage.provider.person = {
        "sub": "c",
        "email": "carl@corp.example",
        "email_verified": False,
        "preferred_username": "c",
    }
    async with stage.browser() as browser:
        await stage.sign_in(browser)
        assert (await browser.get("/api/v1/auth/session")).json()["user"]["id"] != "carl"
    stage.provider.person |= {"sub": "c2", "email_verified": True}
    await database.execute("delete from users where username = 'c'")
    async with stage.browser() as browser:
        await stage.sign_in(browser)
        assert (await browser.get("/api/v1/auth/session")).json()["user"]["id"] == "carl"
    assert await database.fetchval("select count(*) from audit where action = 'user.identity_linked'") == 1


async def test_an_inactive_account_stays_outside(stage: Stage, database: asyncpg.Connection):
    async with stage.browser() as browser:
        await stage.sign_in(browser)
        await database.execute("update users set is_active = false")
        answer = await browser.get("/api/v1/auth/session")
        assert (answer.status_code, answer.json()["code"]) == (403, "ACCOUNT_DISABLED")
        stage.provider.person["groups"] = ["litemaas-admins"]
        answer = await stage.sign_in(browser)
        assert (answer.status_code, answer.json()["code"]) == (403, "ACCOUNT_DISABLED")
    assert await database.fetchval("select derived_roles from users") == ["user"]


async def test_without_an_email_one_signs_in_as_often_as_one_likes(stage: Stage, database: asyncpg.Connection):
    stage.provider.person = {"sub": "silent"}
    for _ in range(2):
        async with stage.browser() as browser:
            assert (await stage.sign_in(browser)).status_code == 302
    row = await database.fetchrow("select count(*) over () as n, username, email from users")
    assert (row["n"], row["username"], row["email"]) == (1, "silent", None)


async def test_only_the_newest_ten_sessions_stay(stage: Stage, database: asyncpg.Connection):
    async with stage.browser() as browser:
        await stage.sign_in(browser)
        user_id = await database.fetchval("select id from users")
        await database.execute(
            "insert into sessions (id_hash, id, user_id, provider, authenticated_at, expires_at, ends_at, created_at) "
            "select 'h' || n, 's' || n, $1, 'oidc', now(), now() + interval '1 hour', now() + interval '1 hour', "
            "now() - n * interval '1 minute' from generate_series(1, 12) n", user_id,
        )  # fmt: skip
        await stage.sign_in(browser)
    kept = [row["id"] for row in await database.fetch("select id from sessions order by created_at desc")]
    assert len(kept) == 10
    assert kept[2:] == [f"s{n}" for n in range(1, 9)]


async def test_discovery_is_asked_once_and_believed_only_from_itself(stage: Stage):
    stage.provider.description = {"issuer": "https://elsewhere.example"}
    async with stage.browser() as browser:
        answer = await browser.get("/api/v1/auth/login?provider=oidc")
        assert (answer.status_code, answer.json()["code"]) == (502, "UPSTREAM_ERROR")
        stage.provider.description = {"token_endpoint": "http://elsewhere.example/token"}
        assert (await browser.get("/api/v1/auth/login?provider=oidc")).status_code == 502
        stage.provider.description = {}
        stage.provider.asked.clear()
        for _ in range(3):
            assert (await stage.sign_in(browser)).status_code == 302
    assert stage.provider.asked.count("discovery") == 1
    assert stage.provider.asked.count("keys") == 1


async def test_new_keys_of_a_provider_are_learnt(stage: Stage):
    async with stage.browser() as browser:
        assert (await stage.sign_in(browser)).status_code == 302
        stage.provider.key = new = RSAKey.generate_key(2048, {"kid": "k2", "use": "sig"})
        from joserfc import jwt

        stage.provider.sign = lambda claims: jwt.encode(
            {"alg": "RS256", "kid": "k2"}, claims, new, algorithms=["RS256"]
        )
        oidc = stage.app.state.sign_in.providers["oidc"]
        keys, at = oidc._keys
        assert (await stage.sign_in(browser)).status_code == 401  # asked a moment ago: not again so soon
        oidc._keys = keys, at.replace(year=at.year - 1)
        assert (await stage.sign_in(browser)).status_code == 302


async def test_a_provider_that_is_away_is_told_of(stage: Stage):
    async with stage.browser() as browser:
        begun = await browser.get("/api/v1/auth/login?provider=oidc")
        query = stage.provider.answer(begun.headers["location"])
        oidc = stage.app.state.sign_in.providers["oidc"]
        away = msgspec.structs.replace(oidc._discovered[0], token_endpoint="http://127.0.0.1:9/token")
        oidc._discovered = away, oidc._discovered[1]
        answer = await browser.get(f"/api/v1/auth/callback?{query}")
        assert (answer.status_code, answer.json()["code"]) == (502, "UPSTREAM_ERROR")


async def test_sign_ins_are_counted_by_address(stage: Stage, database: asyncpg.Connection):
    async with stage.browser() as browser:
        statuses = [(await browser.get("/api/v1/auth/callback?state=x", headers={"X-Forwarded-For": f"10.0.0.{n}"})).status_code
                    for n in range(22)]  # fmt: skip
        assert statuses == [401] * 20 + [429] * 2
        answer = await browser.get("/api/v1/auth/login?provider=oidc")
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert await database.fetchval("select count(*) from audit where action = 'auth.rate_limited'") == 1


async def test_two_replicas_are_one(stage: Stage):
    other = create_app(stage.settings)
    async with other.router.lifespan_context(other), stage.browser() as browser:
        begun = await browser.get("/api/v1/auth/login?provider=oidc")
        callback = f"/api/v1/auth/callback?{stage.provider.answer(begun.headers['location'])}"
        elsewhere = Stage(other, stage.provider, stage.settings)
        async with elsewhere.browser() as same:
            same.cookies.update(browser.cookies)
            assert (await same.get(callback)).status_code == 302
            browser.cookies.update(same.cookies)
        session = (await browser.get("/api/v1/auth/session")).json()
        assert session["user"]["username"] == "ann.smith"
        async with elsewhere.browser() as same:
            same.cookies.update(browser.cookies)
            headers = {CSRF_HEADER: session["csrf_token"]}
            assert (await same.post("/api/v1/auth/logout", headers=headers)).status_code == 200
        assert (await browser.get("/api/v1/auth/session")).status_code == 401
