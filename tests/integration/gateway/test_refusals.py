"""What does a client hear whose call is not accepted? The documented words and status, before any engine is asked."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from litemaas.core.keys import hash_key
from litemaas.sim.testing import SimulatedServers

from .aftermath import error_of, everything_in, limited_key, only_record, tells_nothing
from .harness import QUESTION, Platform, gateway_settings, running, until

ROUTE = "/v1/chat/completions"
JSON = {"content-type": "application/json"}
MAX_BODY = 2000


def asking(**members: Any) -> bytes:
    return json.dumps({**QUESTION, **members}).encode()


async def only_record_of(platform: Platform, agent: str) -> asyncpg.Record:
    """The one record of calls with this user agent; callers who are not known have no key to look them up by."""
    query = "select * from usage_records where user_agent = $1"

    async def rows() -> list[asyncpg.Record]:
        return await platform.ledger.connection.fetch(query, agent)

    await until(rows)
    await platform.gateway.accountant.empty()
    (row,) = await rows()
    return row


# -- bodies -----------------------------------------------------------------------------------------------------------

MALFORMED = ("invalid_request_error", "request_body")
BODIES: dict[str, tuple[bytes, int, str | None, str | None]] = {
    "empty": (b"", 400, *MALFORMED),
    "half": (asking()[:-1], 400, *MALFORMED),
    "two values": (asking() + b"{}", 400, *MALFORMED),
    "array": (b"[" + asking() + b"]", 400, *MALFORMED),
    "text": (b'"granite"', 400, *MALFORMED),
    "trailing comma": (b'{"model":"granite","messages":[1,]}', 400, *MALFORMED),
    "no number": (b'{"model":"granite","messages":[],"temperature":NaN}', 400, *MALFORMED),
    "half a surrogate pair": (b'{"model":"granite","messages":[{"role":"user","content":"\\ud800"}]}', 400, *MALFORMED),
    "utf-16": (asking().decode().encode("utf-16"), 400, *MALFORMED),
    "latin-1 in a name": (b'{"model":"granite","messages":[],"caf\xe9":1}', 400, *MALFORMED),
    "latin-1 in the model": (b'{"model":"caf\xe9","messages":[]}', 400, *MALFORMED),
    "latin-1 in the prompt": (b'{"model":"granite","messages":[{"role":"user","content":"caf\xe9"}]}', 400, *MALFORMED),
    "latin-1 in the tags": (b'{"model":"granite","messages":[],"tags":["caf\xe9"]}', 400, *MALFORMED),
    "very deep": (b'{"model":"granite","messages":' + b"[" * 50_000 + b"]" * 50_000 + b"}", 400, *MALFORMED),
    "no messages": (b'{"model":"granite"}', 400, "invalid_request_error", "messages"),
    "no model": (b'{"messages":[]}', 400, None, "model"),
    "null model": (asking(model=None), 400, None, "model"),
    "empty model": (asking(model=""), 400, None, "model"),
    "unknown model": (asking(model="nobody-knows"), 400, None, "model"),
    "model of another type": (asking(model=["granite"]), 400, "bad_request_error", "model"),
    "several models": (asking(model="granite,free"), 400, None, "model"),
    "api_base": (asking(api_base="http://attacker.example/v1"), 401, "auth_error", "None"),
    "base_url": (asking(base_url="http://attacker.example/v1"), 401, "auth_error", "None"),
    "api_key": (asking(api_key="sk-attacker"), 401, "auth_error", "None"),
    "mock_response": (asking(mock_response="free lunch"), 400, "bad_request_error", "mock_response"),
    "mock_timeout": (asking(mock_timeout=True), 400, "bad_request_error", "mock_timeout"),
    "mock_testing_fallbacks": (asking(mock_testing_fallbacks=True), 400, "bad_request_error", "mock_testing_fallbacks"),
    "unknown guardrail": (asking(guardrails=["none"]), 400, "bad_request_error", "guardrails"),
    "tags of another type": (asking(tags="one"), 400, "bad_request_error", "tags"),
    "metadata of another type": (asking(metadata=["one"]), 400, "bad_request_error", "metadata"),
    "negative bound": (asking(max_tokens=-1), 400, "bad_request_error", "max_tokens"),
    "stream options of another type": (asking(stream=True, stream_options=[]), 400, "bad_request_error", "stream_options"),
}  # fmt: skip


@pytest.mark.parametrize("case", BODIES)
async def test_a_body_that_cannot_be_served_is_refused_in_the_contracts_words(platform: Platform, case: str):
    body, status, kind, param = BODIES[case]
    key = await limited_key(platform)
    reply = await platform.http.post(ROUTE, content=body, headers={**JSON, "Authorization": f"Bearer {key}"})
    error_of(reply, status, kind, param)
    assert platform.sim.counters.of("chat").requests == 0
    row = await only_record(platform, key, reply)
    assert (row["status"], row["http_status"], row["cost_nano"], row["attempts"]) == ("refused", status, 0, 0)


@pytest.mark.parametrize("prompt", ['["caf\xe9"]', "[" * 900 + "]" * 900])
async def test_prompts_of_plain_completions_are_read_as_carefully(platform: Platform, prompt: str):
    key = await limited_key(platform)
    body = b'{"model":"granite","prompt":%b}' % prompt.encode("latin-1")
    reply = await platform.http.post(
        "/v1/completions", content=body, headers={**JSON, "Authorization": f"Bearer {key}"}
    )
    assert reply.status_code == 400, reply.text
    await only_record(platform, key, reply)


@pytest.mark.parametrize("bound", ["1000000000000000000000000000000", "9223372036854775808", "9223372036854775807"])
async def test_an_absurd_output_bound_is_the_engines_matter_and_holds_nothing_afterwards(
    platform: Platform, bound: str
):
    key = await limited_key(platform)
    body = asking()[:-1] + b',"max_tokens":%b}' % bound.encode()
    reply = await platform.http.post(ROUTE, content=body, headers={**JSON, "Authorization": f"Bearer {key}"})
    assert reply.status_code in (200, 400), reply.text
    await only_record(platform, key, reply)


# -- keys -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def agent() -> str:
    return f"test-{uuid4()}"


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": "{key}"},
        {"Authorization": "Basic {key}"}, {"Authorization": "Bearer abc"}, {"Authorization": "Bearer Bearer {key}"},
        {"Authorization": "Bearer x{key}"}, {"x-litellm-api-key": ""}, {"x-litellm-api-key": "abc"},
        {"x-litellm-api-key": "abc", "Authorization": "Bearer {key}"}, {"api-key": "abc"},
        {"Authorization": "Bearer sk-" + "x" * 600},
    ],
)  # fmt: skip
async def test_no_key_or_what_is_none_is_an_auth_error(
    platform: Platform, key: str, agent: str, headers: dict[str, str]
):
    sent = {name: value.replace("{key}", key) for name, value in headers.items()}
    reply = await platform.http.post(ROUTE, json=QUESTION, headers={**sent, "user-agent": agent})
    error_of(reply, 401, "auth_error", "None")
    row = await only_record_of(platform, agent)
    assert (row["status"], row["http_status"], row["key_hash"], row["cost_nano"]) == ("refused", 401, "", 0)
    tells_nothing(key, everything_in(reply), dict(row))
    assert platform.sim.counters.of("chat").requests == 0


@pytest.mark.parametrize("secret", ["sk-made-up-0123456789", "sk-' or 1=1; drop table virtual_keys; --", "sk-"])
async def test_an_unknown_key_is_named_by_its_end_and_its_hash_only(platform: Platform, agent: str, secret: str):
    reply = await platform.http.post(
        ROUTE, json=QUESTION, headers={"Authorization": f"Bearer {secret}", "user-agent": agent}
    )
    message = error_of(reply, 401, "token_not_found_in_db", "key")
    assert hash_key(secret) in message
    row = await only_record_of(platform, agent)
    assert (row["status"], row["error_code"]) == ("refused", "key_unknown")
    if len(secret) > 4:
        tells_nothing(secret, everything_in(reply), dict(row))
    assert (await platform.chat(await platform.ledger.add_key())).status_code == 200


@pytest.mark.parametrize(
    ("columns", "status", "kind", "param", "code"),
    [
        ({"blocked": True}, 401, "auth_error", "None", "key_blocked"),
        ({"expires_at": "now() - interval '1 second'"}, 400, "expired_key", "masked", "key_expired"),
        ({"deleted_at": "now()"}, 401, "token_not_found_in_db", "key", "key_unknown"),
        ({"blocked": True, "expires_at": "now() - interval '1 day'"}, 401, "auth_error", "None", "key_blocked"),
    ],
)
async def test_a_key_that_is_no_longer_good_is_refused_for_its_own_reason(
    platform: Platform, agent: str, columns: dict[str, Any], status: int, kind: str, param: str, code: str
):
    connection = platform.ledger.connection
    values = {
        name: await connection.fetchval(f"select {value}") if isinstance(value, str) else value
        for name, value in columns.items()
    }
    key = await platform.ledger.add_key(**values)
    reply = await platform.http.post(
        ROUTE, json=QUESTION, headers={"Authorization": f"Bearer {key}", "user-agent": agent}
    )
    error_of(reply, status, kind, f"sk-...{key[-4:]}" if param == "masked" else param)
    row = await only_record_of(platform, agent)
    assert (row["status"], row["http_status"], row["error_code"]) == ("refused", status, code)
    tells_nothing(key, everything_in(reply), dict(row))


async def test_every_header_form_carries_a_key_and_the_first_one_counts(platform: Platform, key: str):
    forms = [
        {"x-litellm-api-key": key}, {"x-litellm-api-key": f"bearer {key}"}, {"Authorization": f"BEARER {key}"},
        {"Authorization": f"Bearer  {key}"}, {"api-key": key}, {"x-api-key": key, "anthropic-version": "2023-06-01"},
        {"x-goog-api-key": key}, {"Ocp-Apim-Subscription-Key": key}, {"x-litellm-api-key": key, "Authorization": "Basic x"},
        {"Authorization": f"Bearer {key}", "api-key": "sk-wrong"},
    ]  # fmt: skip
    for headers in forms:
        assert (await platform.http.post(ROUTE, json=QUESTION, headers=headers)).status_code == 200, headers
    await platform.records(key, len(forms))


# -- models -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["free", "nobody-knows", "", None])
async def test_a_restricted_key_does_not_learn_which_models_there_are(platform: Platform, name: str | None):
    key = await limited_key(platform, models=["granite"])
    reply = await platform.chat(key, model=name)
    if name:
        message = error_of(reply, 401, "key_model_access_denied", "model")
        assert message.replace(name, "…") == (
            "key not allowed to access model '…'. This key can only access models: granite"
        )
    else:
        error_of(reply, 400, None, "model")
    row = await only_record(platform, key, reply)
    assert (row["status"], row["http_status"]) == ("refused", reply.status_code)


# -- paths and methods ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_a_wrong_method_is_told_the_right_one_and_the_connection_goes_on(
    platform: Platform, key: str, method: str
):
    reply = await platform.http.request(method, ROUTE, headers={"Authorization": f"Bearer {key}"})
    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")
    assert reply.json()["error"]["code"] == "405"
    assert (await platform.chat(key)).status_code == 200
    await platform.record(key)


@pytest.mark.parametrize(
    "path", ["/v1/nothing", "/v1/chat/completions/x", "/v1//chat/completions", "/V1/chat/completions"]
)
async def test_a_wrong_path_is_a_json_not_found(platform: Platform, key: str, path: str):
    reply = await platform.post(path, key, QUESTION)
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "404")
    tells_nothing(key, everything_in(reply))
    assert platform.sim.counters.of("chat").requests == 0


# -- large bodies -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def small_module_platform(
    module_platform: Platform, module_database: str, module_sim: SimulatedServers,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Platform]:  # fmt: skip
    settings = gateway_settings(module_database, tmp_path_factory.mktemp("small"), max_body_bytes=MAX_BODY)
    async with running(settings, module_sim) as platform:
        yield platform


@pytest.fixture
async def small(small_module_platform: Platform) -> Platform:
    """A gateway that takes bodies of 2,000 bytes, beside the usual one on the same database."""
    small_module_platform.sim.reset()
    return small_module_platform


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 500):
        yield body[start : start + 500]


def padded(size: int) -> bytes:
    body = asking(max_tokens=3)
    return body[:-1] + b" " * (size - len(body)) + b"}"


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [MAX_BODY + 1, 40 * MAX_BODY])
async def test_a_body_that_is_too_large_is_refused(small: Platform, chunked: bool, size: int):
    key = await limited_key(small)
    content = in_pieces(padded(size)) if chunked else padded(size)
    reply = await small.http.post(ROUTE, content=content, headers={**JSON, "Authorization": f"Bearer {key}"})
    error_of(reply, 413, "invalid_request_error", "request_body")
    assert small.sim.counters.of("chat").requests == 0
    row = await only_record(small, key, reply)
    assert (row["status"], row["http_status"], row["error_code"]) == ("refused", 413, "body_too_large")


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_of_exactly_the_largest_size_is_served(small: Platform, chunked: bool):
    key = await limited_key(small)
    content = in_pieces(padded(MAX_BODY)) if chunked else padded(MAX_BODY)
    reply = await small.http.post(ROUTE, content=content, headers={**JSON, "Authorization": f"Bearer {key}"})
    assert reply.status_code == 200, reply.text
    assert (await only_record(small, key))["status"] == "success"
