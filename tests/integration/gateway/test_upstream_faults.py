"""What if an engine answers with bytes that no engine should send? An ordinary error, one record, and nothing held or told.

The simulated engines fail politely (``test_faults``); here each answer is written byte by byte.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.patience import patience

from litemaas.gateway.listening import bound_socket
from litemaas.sim.behaviour import Fault

from .aftermath import ENGINE_SECRET, error_of, everything_in, limited_key, only_record, tells_nothing
from .harness import (
    PRICE_IN,
    PRICE_OUT,
    QUESTION,
    Platform,
    ScriptedEngine,
    answer,
    chunks_of,
    events_of,
    scripted,
    stream_answer,
    text_of,
)

JSON_TYPE = b"content-type: application/json\r\n"
DONE = b"data: [DONE]\n\n"


async def called(
    platform: Platform, key: str, engine: ScriptedEngine, name: str, stream: bool = False, **columns: Any
) -> Any:
    await platform.add_model(name, engine.url, api_key=ENGINE_SECRET, **{"timeout_s": 0.4, **columns})
    return await platform.chat(key, model=name, stream=stream)


# -- before the answer ------------------------------------------------------------------------------------------------

GARBAGE: dict[str, tuple[bytes, str]] = {
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "upstream_garbage"),
    "TLS": (b"\x15\x03\x01\x00\x02\x02\x16", "upstream_garbage"),
    "half a head": (b"HTTP/1.1 200 OK\r\ncontent-le", "upstream_unreachable"),
    "two lengths": (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}", "upstream_garbage"),
    "HTML": (answer(b"<html>Traceback (most recent call last)</html>", headers=b"content-type: text/html\r\n"),
             "upstream_garbage"),
    "nothing": (answer(b""), "upstream_garbage"),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", "upstream_garbage"),
    "array": (answer(b"[1,2]"), "upstream_garbage"),
    "half a JSON": (answer(b'{"id":"x","usage":{"prompt_tokens":3'), "upstream_garbage"),
    "latin-1": (answer(b'{"id":"caf\xe9"}'), "upstream_garbage"),
    "very deep": (answer(b'{"id":' + b"[" * 50_000 + b"]" * 50_000 + b"}"), "upstream_garbage"),
    "compressed": (answer(b"\x1f\x8b\x08\x00\x00", headers=JSON_TYPE + b"content-encoding: gzip\r\n"), "upstream_garbage"),
    "half a body": (b"HTTP/1.1 200 OK\r\n" + JSON_TYPE + b'content-length: 500\r\n\r\n{"id":"x",', "upstream_died"),
    "half a chunk": (b"HTTP/1.1 200 OK\r\n" + JSON_TYPE + b'transfer-encoding: chunked\r\n\r\nff\r\n{"id"', "upstream_died"),
    "wrong chunk": (b"HTTP/1.1 200 OK\r\n" + JSON_TYPE + b'transfer-encoding: chunked\r\n\r\nzz\r\n{"id"', "upstream_garbage"),
    "redirect": (b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://10.0.0.1/\r\ncontent-length: 0\r\n\r\n",
                 "upstream_garbage"),
}  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", GARBAGE)
async def test_an_answer_that_is_none_is_an_ordinary_error_and_costs_nothing(
    platform: Platform, case: str, stream: bool
):
    key = await limited_key(platform)
    reply_bytes, code = GARBAGE[case]
    async with scripted(reply_bytes, then="close") as engine:
        reply = await called(platform, key, engine, f"garbage {case} {stream}", stream)
    message = error_of(reply, 500, None, None)
    assert str(engine.received[0][1]) not in message
    row = await only_record(platform, key, reply)
    assert (row["status"], row["http_status"], row["error_code"]) == ("failure", 500, code)
    assert (row["cost_nano"], row["prompt_tokens"], row["completion_tokens"]) == (0, 0, 0)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_engine_that_nobody_runs_is_unreachable(platform: Platform, stream: bool):
    key = await limited_key(platform)
    with bound_socket("127.0.0.1", 0) as nobody:
        name = f"nobody-{stream}"
        await platform.add_model(name, f"http://127.0.0.1:{nobody.getsockname()[1]}/v1", api_key=ENGINE_SECRET)
        reply = await platform.chat(key, model=name, stream=stream)
    error_of(reply, 500, None, None)
    assert (await only_record(platform, key, reply))["error_code"] == "upstream_unreachable"


@pytest.mark.parametrize(
    "part", [b"", b"HTTP/1.1 200 OK\r\n" + JSON_TYPE, b'HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{"id":']
)
async def test_an_engine_that_falls_silent_times_out_after_its_deployments_limit(platform: Platform, part: bytes):
    key = await limited_key(platform)
    async with scripted(part, then="silent") as engine:
        reply = await called(platform, key, engine, f"silent {len(part)}", timeout_s=0.3)
        async with patience(1.0):
            await engine.left.wait()
    assert "0.3 s" in error_of(reply, 408, None, None)
    assert reply.headers["x-litellm-timeout"] == "0.3"
    row = await only_record(platform, key, reply)
    assert (row["status"], row["http_status"], row["error_code"]) == ("failure", 408, "upstream_timeout")


# -- refusals of the engine -------------------------------------------------------------------------------------------

SAID = "the prompt is too long by 3 tokens"
SHAPES: dict[str, tuple[bytes, str]] = {
    "OpenAI": (json.dumps({"error": {"message": SAID, "type": "BadRequestError", "param": None, "code": 400}}).encode(), SAID),
    "vLLM": (json.dumps({"object": "error", "message": SAID, "code": 400}).encode(), SAID),
    "FastAPI": (json.dumps({"detail": SAID}).encode(), SAID),
    "FastAPI's list": (json.dumps({"detail": [{"loc": ["body"], "msg": SAID}]}).encode(),
                       '[{"loc":["body"],"msg":"the prompt is too long by 3 tokens"}]'),
    "text in error": (json.dumps({"error": SAID}).encode(), SAID),
    "plain text": (SAID.encode(), SAID),
    "not UTF-8": (b"caf\xe9", "caf\ufffd"),
    "nothing": (b"", "the model server gave no reason"),
    "empty object": (b"{}", "the model server gave no reason"),
    "array": (b"[1]", "[1]"),
    "very deep": (b'{"detail":' + b"[" * 5000 + b"]" * 5000 + b"}", '{"detail":' + "[" * 2038),
    "with our credential": (json.dumps({"error": {"message": f"{SAID}; got {ENGINE_SECRET}"}}).encode(), f"{SAID}; got ****"),
    "with our credential where it is cut": (b"x" * 2040 + ENGINE_SECRET.encode(), "x" * 2040 + "****"),
    "with our own header": (b"tenant blue-tenant-7 is unknown", "tenant **** is unknown"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "status"),
    [*((shape, 400) for shape in SHAPES), *(("OpenAI", status) for status in (402, 404, 409, 422, 500, 503))],
)
async def test_the_engines_words_and_status_reach_the_client_in_the_usual_envelope(
    platform: Platform, shape: str, status: int
):
    key = await limited_key(platform)
    body, words = SHAPES[shape]
    async with scripted(answer(body, f"{status} No")) as engine:
        extra = json.dumps({"x-tenant": "blue-tenant-7"})
        reply = await called(platform, key, engine, f"shape {shape} {status}", extra_headers=extra)
    assert error_of(reply, status, None, None) == words
    row = await only_record(platform, key, reply)
    assert (row["status"], row["http_status"], row["error_code"]) == ("failure", status, "upstream_refused")
    assert row["cost_nano"] == 0
    assert "blue-tenant-7" not in str(dict(row))


@pytest.mark.parametrize(("sent", "told"), [("7", "7"), ("Wed, 25 Nov 2026 12:00:00 GMT", None), ("7\x0bx: y", None)])
async def test_the_engines_rate_limit_keeps_its_text_and_when_to_come_back(
    platform: Platform, sent: str, told: str | None
):
    key = await limited_key(platform)
    head = JSON_TYPE + f"retry-after: {sent}\r\nrate_limit_type: forged\r\nx-litellm-key-spend: 9\r\n".encode()
    async with scripted(answer(b'{"error":{"message":"slow down"}}', "429 No", head)) as engine:
        reply = await called(platform, key, engine, f"limit {sent!r}")
    if reply.status_code == 500:  # such a header is no HTTP
        assert told is None
        error_of(reply, 500, None, None)
    else:
        assert error_of(reply, 429, "throttling_error", None) == "slow down"
        assert reply.headers["retry-after"] == (told or sent)
        assert "rate_limit_type" not in reply.headers
        assert reply.headers.get("x-litellm-key-spend") != "9"
    await only_record(platform, key, reply)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_engine_that_refuses_our_credential_tells_the_client_nothing_of_it(
    platform: Platform, status: int, stream: bool
):
    key = await limited_key(platform)
    words = {"error": {"message": f"Incorrect API key {ENGINE_SECRET[:9]}*** in organization org-7", "type": "x"}}
    head = JSON_TYPE + b"www-authenticate: Bearer realm=internal\r\nopenai-organization: org-7\r\n"
    async with scripted(answer(json.dumps(words).encode(), f"{status} No", head)) as engine:
        reply = await called(platform, key, engine, f"credential {status} {stream}", stream)
        assert f"Bearer {ENGINE_SECRET}".encode() in engine.head
    assert "administrator" in error_of(reply, status, None, None)
    row = await only_record(platform, key, reply)
    for told in (everything_in(reply), str(dict(row))):
        for word in (ENGINE_SECRET[:9], "org-7", "realm"):
            assert word not in told


async def test_an_engine_may_refuse_before_it_has_read_the_request(platform: Platform):
    key = await limited_key(platform)
    async with scripted(answer(b'{"error":{"message":"too large"}}', "413 No"), then="close") as engine:
        reply = await called(platform, key, engine, "early")
    assert error_of(reply, 413, None, None) == "too large"
    await only_record(platform, key, reply)


# -- in the middle of a stream ----------------------------------------------------------------------------------------


def chunk(text: str, tokens: int | None = None, **members: Any) -> bytes:
    value: dict[str, Any] = {
        "id": "c-7", "model": "granite-3.3-8b",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}], **members,
    }  # fmt: skip
    if tokens is not None:
        value["usage"] = {"prompt_tokens": 11, "completion_tokens": tokens, "total_tokens": 11 + tokens}
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


def error_event(message: str) -> bytes:
    return b"data: " + json.dumps({"error": {"message": message, "code": 500}}).encode() + b"\n\n"


TWO = (chunk("Hello", 1), chunk(" there", 2))
UNFINISHED = stream_answer(*TWO).removesuffix(b"0\r\n\r\n")
ENDINGS: dict[str, tuple[bytes, str]] = {
    "closed": (UNFINISHED, "upstream_died"),
    "closed within an event": (UNFINISHED + b"ff\r\ndata: {\"id\":\"c-7\",", "upstream_died"),
    "ended without DONE": (stream_answer(*TWO), "upstream_died"),
    "ended within an event": (stream_answer(*TWO, b'data: {"id":"c-7","choi'), "upstream_died"),
    "no HTTP any more": (UNFINISHED + b"zz\r\n\x00\x01\r\n", "upstream_garbage"),
    "error event": (stream_answer(*TWO, error_event("CUDA out of memory"), DONE), "upstream_died"),
    "error event with our credential": (stream_answer(*TWO, error_event(f"no {ENGINE_SECRET} no")), "upstream_died"),
}  # fmt: skip


@pytest.mark.parametrize("case", ENDINGS)
async def test_a_stream_that_breaks_off_ends_with_one_error_event_and_what_came_is_paid(platform: Platform, case: str):
    key = await limited_key(platform)
    reply_bytes, code = ENDINGS[case]
    async with scripted(reply_bytes, then="close") as engine:
        reply = await called(platform, key, engine, f"ending {case}", stream=True)
    assert reply.status_code == 200
    assert b"[DONE]" not in reply.content
    *said, last = chunks_of(reply.content)
    assert text_of(said) == "Hello there"
    assert all("error" not in part and "usage" not in part for part in said)
    assert set(last) == {"error"}
    assert (last["error"]["type"], last["error"]["param"], last["error"]["code"]) == (None, None, "500")
    row = await only_record(platform, key, reply)
    assert (row["status"], row["http_status"], row["error_code"]) == ("failure", 500, code)
    assert (row["prompt_tokens"], row["completion_tokens"], row["usage_source"]) == (11, 2, "engine")
    assert row["cost_nano"] == 11 * PRICE_IN + 2 * PRICE_OUT
    assert row["engine_request_id"] == "c-7"


async def test_an_event_in_the_middle_that_is_no_json_stops_neither_the_stream_nor_the_bill(platform: Platform):
    key = await limited_key(platform)
    odd = b'data: {"id":"c-7", "model" : "granite-3.3-8b" oops\n\n'
    async with scripted(stream_answer(TWO[0], odd, chunk(" there", 2), DONE)) as engine:
        reply = await called(platform, key, engine, "odd event", stream=True)
    assert events_of(reply.content)[-1] == DONE.strip()
    row = await only_record(platform, key, reply)
    assert (row["status"], row["completion_tokens"]) == ("success", 2)


async def test_a_first_event_that_is_an_error_is_an_ordinary_error(platform: Platform):
    key = await limited_key(platform)
    async with scripted(stream_answer(error_event(f"no room, says {ENGINE_SECRET}"), DONE)) as engine:
        reply = await called(platform, key, engine, "error first", stream=True)
    assert "no room, says ****" in error_of(reply, 500, None, None)
    row = await only_record(platform, key, reply)
    assert (row["status"], row["cost_nano"]) == ("failure", 0)


async def test_a_client_that_leaves_a_stream_stops_the_engine_within_a_second_and_pays_for_its_part(platform: Platform):
    key = await limited_key(platform)
    async with scripted(UNFINISHED, then="silent") as engine:
        await platform.add_model("left", engine.url)
        async with platform.http.stream(
            "POST", "/v1/chat/completions", headers={"Authorization": f"Bearer {key}"},
            json={**QUESTION, "model": "left", "stream": True},
        ) as reply:  # fmt: skip
            seen = b""
            async for piece in reply.aiter_bytes():
                seen += piece
                if b" there" in seen:
                    break
        async with patience(1.0):
            await engine.left.wait()
    row = await only_record(platform, key)
    assert (row["status"], row["http_status"], row["error_code"]) == ("cancelled", 499, "client_gone")
    assert (row["prompt_tokens"], row["completion_tokens"]) == (11, 2)
    assert row["cost_nano"] == 11 * PRICE_IN + 2 * PRICE_OUT


# -- who counts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("source", ["engine", "tokenizer", "estimate"])
async def test_usage_is_counted_by_the_engine_else_its_tokenizer_else_estimated_and_marked(
    platform: Platform, source: str, stream: bool
):
    key = await limited_key(platform)
    name = f"counted by {source} {stream}"
    await platform.add_model(name, platform.sim.chat.url + "/v1")
    if source != "engine":
        platform.sim.chat.behave(omit_usage=True, reject_stream_options=True)
    if source == "estimate":
        platform.sim.chat.behave(faults=(Fault("status", status=404, path="/tokenize"),))
    reply = await platform.chat(key, model=name, stream=stream)
    assert reply.status_code == 200, reply.text
    served = platform.sim.counters.of("chat")
    prompt, completion = served.prompt_tokens, served.completion_tokens
    row = await only_record(platform, key, reply)
    assert (row["status"], row["usage_source"]) == ("success", source)
    if source == "estimate":
        assert row["prompt_tokens"] > 0
        assert row["completion_tokens"] > 0
    else:
        assert row["prompt_tokens"] == prompt
        assert row["completion_tokens"] == pytest.approx(completion, abs=0 if source == "engine" else 1)
    assert row["cost_nano"] == row["prompt_tokens"] * PRICE_IN + row["completion_tokens"] * PRICE_OUT


@pytest.mark.parametrize("status", [400, 422])
async def test_an_engine_that_rejects_stream_options_is_asked_without_them_from_then_on(
    platform: Platform, status: int
):
    key = await platform.ledger.add_key()
    refusal = b'{"error":{"message":"Unrecognized request argument supplied: stream_options"}}'
    async with scripted(answer(refusal, f"{status} No")) as engine:
        name = f"no options {status}"
        await platform.add_model(name, engine.url, provider="groq")
        reply = await platform.chat(key, model=name, stream=True)
        assert reply.status_code == status  # it rejects what is left, too
        first, second = (json.loads(body) for _, body in engine.received)
        assert first["stream_options"] == {"include_usage": True}
        assert "stream_options" not in second
        engine.received.clear()
        engine.reply = stream_answer(chunk("Hello"), DONE)
        assert (await platform.chat(key, model=name, stream=True)).status_code == 200
        assert "stream_options" not in json.loads(engine.received[0][1])
    rows = await platform.records(key, 2)
    assert [row["status"] for row in rows] == ["failure", "success"]
    tells_nothing(key, *map(dict, rows))
