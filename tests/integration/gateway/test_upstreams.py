"""How does the gateway reach its engines: over TLS, on another deployment when one fails, and without giving anything away?"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from typing import Any

import pytest
import structlog
import trustme
from tests.patience import patience

from litemaas.gateway.listening import bound_socket
from litemaas.sim.behaviour import Fault

from .harness import QUESTION, Platform, answer, events_of, scripted

GOOD = answer(b'{"id":"x","model":"granite-3.3-8b","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}')
SECRET = "engine-secret-7f3a"


# -- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_context(authority: trustme.CA, name: str = "localhost") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def pem(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


async def called_over_tls(platform: Platform, key: str, model: str, context: ssl.SSLContext, **columns: Any) -> Any:
    async with scripted(GOOD, ssl=context) as engine:
        await platform.add_model(model, f"https://localhost:{engine.port}/v1", api_key=SECRET, **columns)
        reply = await platform.chat(key, model=model)
        return reply, len(engine.received)


async def test_an_engine_with_a_certificate_of_its_deployments_authority_is_trusted(
    platform: Platform, key: str, authority: trustme.CA
):
    reply, served = await called_over_tls(platform, key, "tls", server_context(authority), tls_ca=pem(authority))
    assert (reply.status_code, served) == (200, 1), reply.text


@pytest.mark.parametrize("case", ["unknown authority", "other authority", "other name"])
async def test_an_engine_whose_certificate_proves_nothing_never_sees_the_call(
    platform: Platform, key: str, authority: trustme.CA, case: str
):
    context = server_context(authority, "elsewhere.example" if case == "other name" else "localhost")
    columns = {
        "unknown authority": {},
        "other authority": {"tls_ca": pem(trustme.CA())},
        "other name": {"tls_ca": pem(authority)},
    }[case]
    reply, served = await called_over_tls(platform, key, f"tls {case}", context, **columns)
    assert (reply.status_code, served) == (500, 0)
    assert SECRET not in reply.text
    assert "localhost" not in reply.text
    assert (await platform.record(key))["error_code"] == "upstream_unreachable"


async def test_verification_can_be_switched_off_for_one_deployment(platform: Platform, key: str, authority: trustme.CA):
    context = server_context(authority, "elsewhere.example")
    reply, served = await called_over_tls(platform, key, "tls-off", context, tls_verify=False)
    assert (reply.status_code, served) == (200, 1), reply.text


# -- several deployments ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
async def test_a_deployment_that_cannot_be_reached_is_passed_over(platform: Platform, key: str, stream: bool):
    with bound_socket("127.0.0.1", 0) as nobody:
        name = f"half-{stream}"
        await platform.add_model(name, f"http://127.0.0.1:{nobody.getsockname()[1]}/v1")
        good = await platform.add_model(name, platform.sim.chat.url + "/v1")
        replies = [
            await platform.chat(key, model=name, stream=stream) for _ in range(20)
        ]  # one in two goes to the dead one first
    assert [reply.status_code for reply in replies] == [200] * 20
    assert {reply.headers["x-litellm-model-id"] for reply in replies} == {good}
    assert {reply.headers["x-litellm-attempted-retries"] for reply in replies} == {"0", "1"}
    rows = await platform.records(key, 20)
    assert {row["deployment_id"] for row in rows} == {good}
    assert {row["attempts"] for row in rows} == {1, 2}


@pytest.mark.parametrize(("status", "tries"), [(500, 2), (503, 2), (429, 2), (400, 1), (404, 1), (422, 1)])
async def test_only_failures_of_the_engine_are_tried_elsewhere(platform: Platform, key: str, status: int, tries: int):
    body = b'{"error":{"message":"no","code":%d}}' % status
    async with scripted(answer(body, f"{status} No")) as one, scripted(answer(body, f"{status} No")) as two:
        await platform.add_model(f"failing-{status}", one.url)
        await platform.add_model(f"failing-{status}", two.url)
        reply = await platform.chat(key, model=f"failing-{status}")
        assert len(one.received) + len(two.received) == tries
    assert (reply.status_code, reply.json()["error"]["message"]) == (status, "no")
    assert (await platform.record(key))["attempts"] == tries


async def test_weights_share_out_the_calls_and_a_weightless_deployment_is_a_spare(platform: Platform, key: str):
    async with scripted(GOOD) as heavy, scripted(GOOD) as spare:
        await platform.add_model("weighted", heavy.url, weight=1_000_000)
        await platform.add_model("weighted", spare.url, weight=0)
        for _ in range(30):
            assert (await platform.chat(key, model="weighted")).status_code == 200
        assert len(spare.received) <= 1
        heavy.reply = answer(b"{}", "500 No")
        assert (await platform.chat(key, model="weighted")).status_code == 200


async def test_nothing_is_tried_again_once_the_client_has_seen_a_byte(platform: Platform, key: str):
    await platform.add_model("twice", platform.sim.chat.url + "/v1")
    await platform.add_model("twice", platform.sim.chat.url + "/v1")
    platform.sim.chat.behave(faults=[Fault("die", after_chunks=3)])
    reply = await platform.chat(key, model="twice", stream=True)
    assert b'"error"' in events_of(reply.content)[-1]
    assert platform.sim.counters.of("chat").requests == 1
    assert (await platform.record(key))["attempts"] == 1


# -- giving nothing away ----------------------------------------------------------------------------------------------

TELLTALE = b'{"error":{"message":"upstream db.internal.example refused engine-secret-7f3a","type":"x","param":null,"code":500}}'


async def test_the_engines_words_come_without_our_credential(platform: Platform, key: str):
    async with scripted(answer(TELLTALE, "500 No")) as engine:
        await platform.add_model("telltale", engine.url, api_key=SECRET)
        with structlog.testing.capture_logs() as logs:
            reply = await platform.chat(key, model="telltale")
    assert reply.status_code == 500
    row = await platform.record(key)
    for told in (reply.text, str(reply.headers), str(logs), str(dict(row))):
        assert SECRET not in told
        assert key not in told


async def test_a_refused_credential_of_ours_is_the_administrators_matter(platform: Platform, key: str):
    body = json.dumps({"error": {"message": f"Incorrect API key provided: {SECRET[:6]}***", "code": "invalid_api_key"}})
    async with scripted(answer(body.encode(), "401 No")) as engine:
        await platform.add_model("refusing", engine.url, api_key=SECRET)
        reply = await platform.chat(key, model="refusing")
    assert reply.status_code == 401
    assert "administrator" in reply.json()["error"]["message"]
    assert SECRET[:6] not in reply.text


@pytest.mark.parametrize("kind", ["refused", "reset", "garbage", "timeout", "redirect", "huge head"])
async def test_no_failure_names_the_engines_address_in_its_body(platform: Platform, key: str, kind: str):
    replies = {
        "garbage": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "redirect": b"HTTP/1.1 302 Found\r\nlocation: http://10.1.2.3/\r\ncontent-length: 0\r\n\r\n",
        "reset": b"", "timeout": b"", "refused": b"",
        "huge head": b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000 + b"\r\ncontent-length: 0\r\n\r\n",
    }  # fmt: skip
    async with scripted(replies[kind], then="silent" if kind == "timeout" else "close") as engine:
        url = f"http://localhost:{engine.port}/v1" if kind != "refused" else "http://does-not-exist.invalid/v1"
        await platform.add_model(f"nameless {kind}", url, timeout_s=0.3)
        reply = await platform.chat(key, model=f"nameless {kind}")
    assert reply.status_code == (408 if kind == "timeout" else 500)
    assert set(reply.json()) == {"error"}
    for word in ("localhost", "invalid", "10.1.2.3", str(engine)):
        assert word not in reply.text
    row = await platform.record(key)
    assert (row["status"], row["cost_nano"]) == ("failure", 0)
    assert (await platform.chat(await platform.ledger.add_key())).status_code == 200


@pytest.mark.parametrize("column", [{"api_key": "schlüssel-π"}, {"extra_headers": '{"x-city": "Łódź"}'}])
async def test_a_deployment_with_a_credential_that_no_header_can_carry_harms_only_itself(
    platform: Platform, key: str, column: dict[str, str]
):
    name = f"odd-{next(iter(column))}"
    await platform.add_model(name, platform.sim.chat.url + "/v1", **column)
    reply = await platform.chat(key, model=name)
    assert set(reply.json()) & {"error", "choices"}
    assert (await platform.record(key))["http_status"] == reply.status_code
    assert (await platform.chat(await platform.ledger.add_key())).status_code == 200


# -- clients that leave -----------------------------------------------------------------------------------------------


async def test_a_client_that_leaves_before_the_answer_stops_the_engine_and_is_one_cancelled_record(platform: Platform):
    key = await platform.ledger.add_key(max_budget_nano=10**10)
    platform.sim.chat.behave(first_token_s=30.0)
    task = asyncio.create_task(platform.chat(key, stream=True))
    await platform.sim.until(lambda: platform.sim.counters.servers["chat"].running == 1)
    task.cancel()
    async with patience(1.0):
        await platform.sim.until(lambda: platform.sim.counters.of("chat").cancelled == 1)
    row = await platform.record(key)
    assert (row["status"], row["http_status"], row["error_code"]) == ("cancelled", 499, "client_gone")
    await platform.no_room_is_held(key)


async def test_a_client_that_leaves_while_its_body_is_sent_is_one_cancelled_record(platform: Platform, key: str):
    await platform.catch_up()
    assert (await platform.chat(key)).status_code == 200  # so that the key is known and only the body is waited for
    reader, writer = await asyncio.open_connection("127.0.0.1", platform.gateway.port)
    request = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n"
    writer.write(f"{request}Authorization: Bearer {key}\r\n\r\n".encode())
    await writer.drain()
    assert (await reader.readline()).startswith(b"HTTP/1.1 100")  # the body is waited for
    writer.close()
    row = (await platform.records(key, 2))[-1]
    assert (row["status"], row["model"], row["cost_nano"]) == ("cancelled", "", 0)


async def test_a_client_that_reads_slowly_gets_every_byte_and_holds_up_nobody(platform: Platform, key: str):
    platform.sim.chat.behave(answer_tokens=20_000, burst=64)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", platform.gateway.port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=1024)
    body = json.dumps({**QUESTION, "stream": True, "stream_options": {"include_usage": True}}).encode()
    writer.write(
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    other = await platform.ledger.add_key()
    assert (await platform.chat(other, max_tokens=5)).status_code == 200  # while the slow one has not read on
    rest = await reader.read(-1)
    writer.close()
    served = max(entry.completion_tokens for entry in platform.sim.counters.entries)
    assert rest.endswith(b"0\r\n\r\n")
    assert b'"completion_tokens":%d' % served in rest
    assert (await platform.record(key))["completion_tokens"] == served == 20_000
