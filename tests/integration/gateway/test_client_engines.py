"""May a client say where its call goes and with which credential, and is nothing of ours sent there and nothing of it kept?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from litemaas.core.answer_cache import AnswerCacheSettings
from litemaas.gateway.settings import RoutingSettings
from litemaas.sim.testing import SimulatedServers

from .harness import Platform, add_usual_models, answer, gateway_settings, running, scripted
from .test_captures import capture, captured
from .test_routing import AWAY, GOOD, set_model

SECRET = "sk-of-the-client-0123456789"
OURS = {"api_key": "sk-ours-0123456789", "extra_headers": '{"x-own": "of-ours-0123"}'}


@pytest.fixture(scope="module")
async def module_platform(
    module_database: str, module_sim: SimulatedServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Platform]:
    settings = gateway_settings(
        module_database, tmp_path_factory.mktemp("gateway"), client_credentials=True, client_hosts="127.0.0.1",
        routing=RoutingSettings(retries=0, probe_interval_s=0),
    )  # fmt: skip
    settings = msgspec.structs.replace(settings, answer_cache=AnswerCacheSettings(type="local"))
    async with running(settings, module_sim) as platform:
        await add_usual_models(platform.ledger, module_sim)
        yield platform


@pytest.mark.parametrize("member", ["api_base", "base_url"])
@pytest.mark.parametrize("secret", [SECRET, None])
async def test_a_call_goes_where_the_client_says_without_anything_of_ours(
    platform: Platform, key: str, member: str, secret: str | None
):
    name = f"elsewhere {member} {secret is None}"
    said: dict[str, Any] = {} if secret is None else {"api_key": secret}
    async with scripted(AWAY) as ours, scripted(GOOD) as theirs:
        await platform.add_model(name, ours.url, **OURS)
        reply = await platform.chat(key, model=name, **{member: theirs.url}, **said)
        assert reply.status_code == 200, reply.text
        assert (len(ours.received), len(theirs.received)) == (0, 1)
        head = theirs.head.lower()
        assert (b"bearer " + SECRET.lower().encode() in head) is (secret is not None)
        assert b"ours" not in head
        assert b"x-own" not in head
        assert b"api_" not in theirs.body
        assert b"base_url" not in theirs.body
    assert "x-litellm-model-api-base" not in reply.headers
    row = await platform.record(key)
    assert (row["model"], row["status"], row["cost_nano"]) == (name, "success", 11 * 1000 + 7 * 2000)
    assert SECRET not in str(dict(row))
    assert row["api_base"] == ""
    await platform.no_room_is_held(key)


async def test_a_credential_alone_goes_to_our_own_server_in_place_of_ours(platform: Platform, key: str):
    async with scripted(GOOD) as ours:
        await platform.add_model(
            "keyed", ours.url, api_key="sk-ours-0123456789", extra_headers='{"x-own": "a", "X-Api-Key": "sk-ours"}'
        )
        assert (await platform.chat(key, model="keyed", api_key=SECRET)).status_code == 200
        assert f"authorization: Bearer {SECRET}".encode() in ours.head
        assert b"x-own: a" in ours.head
        assert b"sk-ours" not in ours.head
        assert (await platform.chat(key, model="keyed", api_key=None)).status_code == 200
        assert b"Bearer sk-ours-0123456789" in ours.head


async def test_what_fails_there_says_nothing_of_our_deployment_and_no_other_model_is_asked(
    platform: Platform, key: str
):
    unknown = answer(b'{"error":{"message":"the key %s is unknown"}}' % SECRET.encode(), "401 No")
    async with scripted(GOOD) as ours, scripted(unknown) as theirs:
        identity = await platform.add_model("well", ours.url)
        await set_model(platform, "well", fallbacks=["granite"])
        for _ in range(4):
            refused = await platform.chat(key, model="well", api_base=theirs.url, api_key=SECRET)
            assert (refused.status_code, refused.json()["error"]["message"]) == (401, "the key **** is unknown")
        assert len(theirs.received) == 4
        condition = platform.gateway.targets.conditions[identity]
        assert (condition.troubled, condition.running, condition.failed) == (False, 0, {})
        assert (await platform.chat(key, model="well")).status_code == 200
    rows = await platform.records(key, 5)
    assert SECRET not in "".join(str(dict(row)) for row in rows)
    assert [row["cost_nano"] for row in rows[:4]] == [0] * 4


async def test_its_answers_are_never_kept_nor_given_from_what_was_kept(platform: Platform, key: str):
    async with scripted(GOOD) as ours, scripted(GOOD) as theirs:
        await platform.add_model("kept", ours.url)
        for _ in range(2):
            await platform.chat(key, model="kept", api_base=theirs.url)
        assert len(theirs.received) == 2
        for _ in range(2):
            await platform.chat(key, model="kept")
        assert len(ours.received) == 1
        await platform.chat(key, model="kept", api_base=theirs.url)
        await platform.chat(key, model="kept", api_key=SECRET)
        assert (len(ours.received), len(theirs.received)) == (2, 3)


async def test_a_captured_call_shows_no_credential(platform: Platform):
    secret = await platform.ledger.add_key()
    capture_id = await capture(platform, secret=secret)
    async with scripted(GOOD) as theirs:
        assert (await platform.chat(secret, api_base=theirs.url, api_key=SECRET)).status_code == 200
    (row,) = await captured(platform, capture_id)
    assert SECRET not in str(row)
    assert "bill of lading" in str(row)


@pytest.mark.parametrize(
    "address",
    [
        "http://10.0.0.1/v1", "http://169.254.169.254/latest", "http://localhost:1/v1", "http://[::1]/v1", "file:///etc/passwd",
        "http://metadata.google.internal/", "http://2130706433/", "http://user:pass@example.com/v1", "ftp://example.com",
        "http://example.com/v1?key=a", "http://example.com/#a", "http://example.com/\r\nx: y", "http://exämple.com/v1", 7,
    ],
)  # fmt: skip
async def test_an_address_that_is_not_public_is_refused_without_a_word_of_it(
    platform: Platform, key: str, address: Any
):
    refused = await platform.chat(key, api_base=address, api_key=SECRET)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "api_base"), refused.text
    assert SECRET not in refused.text
    assert "169.254" not in refused.text
    assert platform.sim.counters.of("chat").requests == 0
    await platform.no_room_is_held(key)


@pytest.mark.parametrize("secret", ["a\r\nx-evil: 1", "with space", "ü", 7, "x" * 5000])
async def test_a_credential_that_is_no_header_is_refused(platform: Platform, key: str, secret: Any):
    refused = await platform.chat(key, api_key=secret)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "api_key")
    assert platform.sim.counters.of("chat").requests == 0


async def test_other_endpoints_still_refuse_it_and_keys_are_checked_as_ever(platform: Platform, key: str):
    messages = {"model": "granite", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}], "api_key": SECRET}
    for path, body in (
        ("/v1/messages", messages),
        ("/v1/responses", {"model": "granite", "input": "hi", "api_base": "http://127.0.0.1:1/v1"}),
        ("/v1/tokenize", {"model": "granite", "prompt": "hi", "api_key": SECRET}),
    ):
        refused = await platform.post(path, key, body)
        assert (refused.status_code, SECRET in refused.text) == (401, False), path
    narrow = await platform.ledger.add_key(models=["free"])
    await platform.catch_up()
    assert (await platform.chat(narrow, api_base="http://127.0.0.1:1/v1")).status_code == 401


async def test_a_budget_holds_for_it(platform: Platform):
    poor = await platform.ledger.add_key(max_budget_nano=1)
    async with scripted(GOOD) as theirs:
        assert (await platform.chat(poor, api_base=theirs.url)).status_code == 400
        assert theirs.received == []
