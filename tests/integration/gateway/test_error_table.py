"""Has every row of the table of errors its status, type, param, code and headers, in both profiles?

Source: gateway-api contract 4; ``ROWS`` has its rows in its order. What only the control plane can refuse (an administrator's
route) is tested in ``tests/integration/control/test_litellm_keys.py``, a key that cannot be checked without the database in
``test_database_away.py``, and the size of bodies in ``test_refusals.py``, too.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import uuid4

import httpx2
import pytest

from litemaas.gateway.settings import RoutingSettings
from litemaas.sim.testing import SimulatedServers

from .conftest import seed
from .harness import QUESTION, Platform, answer, gateway_settings, running, scripted

OLDER, NEWER = "1.81", "current"
NONE = {OLDER: "None", NEWER: None}
"""ⁿ: a missing type or param is a text in the older profile."""
MAX_BODY = 20_000


@pytest.fixture(scope="module")
async def platforms(
    module_database: str, module_sim: SimulatedServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Platform]]:
    """One gateway per profile, on one database."""
    await seed(module_database, module_sim)
    routing = RoutingSettings(retries=0, allowed_failures_alone=1, cooldown_s=30, probe_interval_s=0)
    own: dict[str, Any] = {"max_body_bytes": MAX_BODY, "routing": routing}
    older = gateway_settings(
        module_database, tmp_path_factory.mktemp("older"), error_profile=OLDER, worker_id="older", **own
    )
    newer = gateway_settings(
        module_database, tmp_path_factory.mktemp("newer"), error_profile=NEWER, worker_id="newer", **own
    )
    async with running(older, module_sim) as first, running(newer, module_sim) as second:
        yield {OLDER: first, NEWER: second}


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Replying = Callable[[Platform], Awaitable[httpx2.Response]]


async def ask(platform: Platform, key: str, **members: Any) -> httpx2.Response:
    await platform.catch_up()
    return await platform.chat(key, **members)


def with_key(**columns: Any) -> Replying:
    async def call(platform: Platform) -> httpx2.Response:
        return await ask(platform, await platform.ledger.add_key(**columns))

    return call


def asking(**members: Any) -> Replying:
    async def call(platform: Platform) -> httpx2.Response:
        return await ask(platform, await platform.ledger.add_key(), **members)

    return call


def sending(body: bytes) -> Replying:
    async def call(platform: Platform) -> httpx2.Response:
        key = await platform.ledger.add_key()
        headers = {"Authorization": f"Bearer {key}", "content-type": "application/json"}
        return await platform.http.post("/v1/chat/completions", content=body, headers=headers)

    return call


def presenting(headers: dict[str, str]) -> Replying:
    async def call(platform: Platform) -> httpx2.Response:
        return await platform.http.post("/v1/chat/completions", json=QUESTION, headers=headers)

    return call


async def of_a_blocked_team(platform: Platform) -> httpx2.Response:
    team = f"t-{uuid4()}"
    values = {"id": team, "name": team, "is_active": False, "created_by": "t", "updated_by": "t"}
    await platform.ledger._insert("teams", values)
    return await ask(platform, await platform.ledger.add_key(team_id=team))


async def of_a_team_without_the_model(platform: Platform) -> httpx2.Response:
    team = f"t-{uuid4()}"
    values = {"id": team, "name": team, "allowed_models": ["nomic"], "created_by": "t", "updated_by": "t"}
    await platform.ledger._insert("teams", values)
    return await ask(platform, await platform.ledger.add_key(team_id=team))


async def of_a_user_without_the_model(platform: Platform) -> httpx2.Response:
    user = f"u-{uuid4()}"
    extras = json.dumps({"models": ["nomic"]})
    await platform.ledger._insert(
        "users", {"id": user, "username": user, "extras": extras, "created_by": "t", "updated_by": "t"}
    )
    return await ask(platform, await platform.ledger.add_key(user_id=user))


async def deleted(platform: Platform) -> httpx2.Response:
    key = await platform.ledger.add_key()
    assert (await ask(platform, key, max_tokens=1)).status_code == 200
    await platform.ledger.change_key(key, deleted_at=datetime.now(UTC))
    return await ask(platform, key)


async def of_a_spent_user(platform: Platform) -> httpx2.Response:
    user = f"u-{uuid4()}"
    await platform.ledger._insert("users", {"id": user, "username": user, "created_by": "t", "updated_by": "t"})
    await platform.ledger._insert(
        "budgets", {"scope": f"user:{user}", "max_budget_nano": 0, "created_by": "t", "updated_by": "t"}
    )
    return await ask(platform, await platform.ledger.add_key(user_id=user))


async def the_second_within_a_minute(platform: Platform) -> httpx2.Response:
    key = await platform.ledger.add_key(rpm_limit=1)
    assert (await ask(platform, key, max_tokens=1)).status_code == 200
    return await platform.chat(key)


async def while_all_cool(platform: Platform) -> httpx2.Response:
    name = f"cooling-{uuid4()}"
    async with scripted(answer(b'{"error":{"message":"out of memory"}}', "500 Internal Server Error")) as engine:
        await platform.add_model(name, engine.url)
        key = await platform.ledger.add_key()
        for _ in range(2):  # one failure takes out no deployment that is alone
            assert (await platform.chat(key, model=name)).status_code == 500
        return await platform.chat(key, model=name)


def of_an_engine(status: str, message: str, *headers: str, code: str | None = None) -> Replying:
    async def call(platform: Platform) -> httpx2.Response:
        name = f"engine-{uuid4()}"
        lines = "".join(f"{line}\r\n" for line in ("content-type: application/json", *headers)).encode()
        body = json.dumps({"error": {"message": message, "code": code}}).encode()
        async with scripted(answer(body, status, lines)) as engine:
            await platform.add_model(name, engine.url)
            return await ask(platform, await platform.ledger.add_key(), model=name)

    return call


async def of_a_silent_engine(platform: Platform) -> httpx2.Response:
    name = f"silent-{uuid4()}"
    async with scripted(b"", then="silent") as engine:
        await platform.add_model(name, engine.url, timeout_s=0.3)
        return await ask(platform, await platform.ledger.add_key(), model=name)


async def of_an_engine_that_is_not_there(platform: Platform) -> httpx2.Response:
    name = f"nobody-{uuid4()}"
    async with scripted() as engine:
        url = engine.url
    await platform.add_model(name, url)
    return await ask(platform, await platform.ledger.add_key(), model=name)


class Row(NamedTuple):
    """``status``, ``type``, ``param``: of both profiles, or of each. ``words``: in the message. ``headers``: with their values;
    None = any, "" = absent. ``code``: where it is not the status.
    """

    call: Replying
    status: int | dict[str, int]
    type: str | dict[str, str | None] | None
    param: str | dict[str, str | None] | None = None
    words: tuple[str, ...] = ()
    headers: Mapping[str, str | dict[str, str] | None] = MappingProxyType({})
    code: Mapping[str, str] = MappingProxyType({})
    has_detail: bool = False


NO_LIMITS = {"retry-after": "", "rate_limit_type": "", "reset_at": ""}
RATE = {OLDER: "None", NEWER: "throttling_error"}
DENIED = {OLDER: 401, NEWER: 403}
SPENT = {OLDER: 400, NEWER: 429}
LONG = "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens."
ROWS: dict[str, Row] = {
    "no key": Row(presenting({}), 401, "auth_error", NONE),
    "malformed key": Row(presenting({"Authorization": "Basic abc"}), 401, "auth_error", NONE),
    "blocked key": Row(with_key(blocked=True), 401, "auth_error", NONE),
    "blocked team": Row(of_a_blocked_team, 401, "auth_error", NONE),
    "unknown key": Row(presenting({"Authorization": "Bearer sk-made-up-0123456789"}), 401, "token_not_found_in_db", "key",
                       ("sk-...6789",)),
    "deleted key": Row(deleted, 401, "token_not_found_in_db", "key"),
    "expired key": Row(with_key(expires_at=datetime.now(UTC) - timedelta(days=1)), {OLDER: 400, NEWER: 401}, "expired_key",
                       "masked", ("Expired Key",)),
    "model denied by the key": Row(with_key(models=["nomic"]), DENIED, "key_model_access_denied", "model", ("nomic",)),
    "model denied by the team": Row(of_a_team_without_the_model, DENIED, "team_model_access_denied", "model"),
    "model denied by the user": Row(of_a_user_without_the_model, DENIED, "user_model_access_denied", "model"),
    "unknown model of a restricted key": Row(with_key(models=["other"]), DENIED, "key_model_access_denied", "model"),
    "route not allowed by type": Row(with_key(extras='{"key_type":"management"}'), 403, "auth_error", NONE, has_detail=True),
    "route not allowed by list": Row(with_key(extras='{"allowed_routes":["/v1/embeddings"]}'), 403, "auth_error", NONE,
                                     ("/v1/embeddings",), has_detail=True),
    "budget of the key": Row(with_key(max_budget_nano=0), SPENT, "budget_exceeded", None,
                             ("Current cost: 0", "Max budget: 0"), NO_LIMITS),
    "budget of the user": Row(of_a_spent_user, SPENT, "budget_exceeded", None, ("user",), NO_LIMITS),
    "requests per minute": Row(the_second_within_a_minute, 429, RATE, NONE, ("key", "requests"),
                               {"retry-after": None, "rate_limit_type": "requests", "reset_at": None}),
    "tokens per minute": Row(with_key(tpm_limit=1), 429, RATE, NONE, ("tokens",),
                             {"retry-after": None, "rate_limit_type": "tokens", "reset_at": None}),
    "calls in parallel": Row(with_key(max_parallel_requests=0), 429, RATE, NONE, (), {
        "retry-after": None, "reset_at": None,
        "rate_limit_type": {OLDER: "max_parallel_requests", NEWER: "concurrent_requests"}}),
    "all deployments cooling": Row(while_all_cool, 429, NONE, NONE, ("Try again in",), {"retry-after": None,
                                   "rate_limit_type": ""}),
    "unknown model": Row(asking(model="nobody-knows"), 400, None, "model"),
    "missing model": Row(asking(model=None), 400, None, "model"),
    "guardrail blocks": Row(asking(guardrails=["us_ssn"], messages=[{"role": "user", "content": "My number is 123-45-6789"}]),
                            403, NONE, NONE),
    "unknown guardrail": Row(asking(guardrails=["none-such"]), 400, "bad_request_error", "guardrails"),
    "engine says 400": Row(of_an_engine("400 Bad Request", "no such voice"), 400, None, None, ("no such voice",)),
    "engine says 429": Row(of_an_engine("429 Too Many Requests", "slow down", "retry-after: 17"), 429, "throttling_error", None,
                           ("slow down",), {"retry-after": "17", "rate_limit_type": "", "reset_at": ""}),
    "engine says 503": Row(of_an_engine("503 Service Unavailable", "out of memory"), 503, None, None, ("out of memory",)),
    "context window exceeded": Row(of_an_engine("400 Bad Request", LONG, code="context_length_exceeded"), 400, None, None,
                                   ("maximum context length",), code={OLDER: "400", NEWER: "context_length_exceeded"}),
    "engine timeout": Row(of_a_silent_engine, 408, None, None, ("silent for 0.3 s",), {"x-litellm-timeout": "0.3"}),
    "engine unreachable": Row(of_an_engine_that_is_not_there, 500, None, None),
    "messages missing": Row(sending(b'{"model":"granite"}'), 400, "invalid_request_error", "messages"),
    "bad JSON": Row(sending(b'{"model":"granite",'), 400, "invalid_request_error", "request_body"),
    "body too large": Row(sending(b'{"model":"granite","x":"%b"}' % (b"x" * MAX_BODY)), 413, "invalid_request_error",
                          "request_body"),
}  # fmt: skip


@pytest.mark.parametrize("profile", [OLDER, NEWER])
@pytest.mark.parametrize("row", ROWS)
async def test_each_row_of_the_table_is_told_as_it_says(platforms: dict[str, Platform], row: str, profile: str) -> None:
    case = ROWS[row]
    reply = await case.call(platforms[profile])
    status = case.status[profile] if isinstance(case.status, dict) else case.status
    kind = case.type[profile] if isinstance(case.type, dict) else case.type
    param = case.param[profile] if isinstance(case.param, dict) else case.param
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-litellm-call-id"]
    body = reply.json()
    assert set(body) == ({"error", "detail"} if case.has_detail else {"error"})
    error = body["error"]
    assert set(error) - {"refusal"} == {"message", "type", "param", "code"}
    if param == "masked":
        assert error["param"].startswith("sk-...")
        param = error["param"]
    assert (error["type"], error["param"], error["code"]) == (kind, param, case.code.get(profile, str(status)))
    for word in case.words:
        assert word in error["message"]
    for name, expected in case.headers.items():
        value = expected[profile] if isinstance(expected, dict) else expected
        assert reply.headers.get(name, "") == value if value is not None else reply.headers[name]
    if (after := reply.headers.get("retry-after")) is not None:
        assert int(after) >= 1


@pytest.mark.parametrize("profile", [OLDER, NEWER])
async def test_a_defect_of_ours_is_told_in_json_and_the_connection_stays_open(
    platforms: dict[str, Platform], profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = platforms[profile]
    key = await platform.ledger.add_key()
    await platform.catch_up()

    def fails(*_: object) -> None:
        raise RuntimeError("a defect with a secret: 42")

    reader_writer = await _connected(platform)
    with monkeypatch.context() as patch:
        patch.setattr(type(platform.gateway.routing), "lane", fails)
        status, body = await _post(reader_writer, key)
    assert status == b"500"
    error = json.loads(body)["error"]
    assert (error["type"], error["param"], error["code"]) == ("internal_server_error", None, "500")
    assert "42" not in error["message"]
    status, _ = await _post(reader_writer, key)
    assert status == b"200"
    reader_writer[1].close()


async def _connected(platform: Platform) -> Connection:
    return await asyncio.open_connection("127.0.0.1", platform.gateway.port)


async def _post(connection: Connection, key: str) -> tuple[bytes, bytes]:
    reader, writer = connection
    body = json.dumps({**QUESTION, "max_tokens": 1}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n"
    writer.write(head.encode() + b"content-type: application/json\r\n\r\n" + body)
    answered: bytes = await reader.readuntil(b"\r\n\r\n")
    length = int(answered.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return answered.split(b" ")[1], await reader.readexactly(length)
